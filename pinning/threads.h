/* SPDX-License-Identifier: MIT */
/*
 * Threads on the right cores: tried beforehand, moved, started, and looked up afterwards.
 *
 * Threads   The one that starts and ends the pinning, but for threads_start(): any, and threads_take_priority(): the
 *           poller itself. Memory: the caller's.
 */
#ifndef IOREQ_PINNING_THREADS_H
#define IOREQ_PINNING_THREADS_H

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include "pinning/pinning.h"

/* Locked memory is touched memory: eight threads of the usual 8 MiB would be 64. Inline handlers run on this. */
#define THREADS_STACK_BYTES ((size_t)256 << 10)

/* A thread that belongs on a poll core. */
struct worker {
	pid_t tid;
	int core;
	int priority; /* that it must have now: 0 while no poller runs on it */
};

/* Gives new threads small stacks. Returns what it was through `before_out`, for threads_restore_stack(). 0 or -errno. */
int threads_shrink_stack(pthread_attr_t *before_out);
void threads_restore_stack(const pthread_attr_t *before);

/*
 * Makes as many threads as EAL will and lets them go where the pollers will go, with their priorities: what EAL would
 * answer with abort(). PINNING_LIMIT, PINNING_OUTSIDE, PINNING_PRIORITY.
 */
enum pinning_status threads_try(const struct pinning_config *config, struct ioreq_error *error);

/* Moves every thread of the process but the workers to `housekeeping`. PINNING_UNREADABLE, PINNING_DISTURBED. */
enum pinning_status threads_confine(const cpu_set_t *housekeeping, const struct worker *workers, unsigned nr_workers,
				    struct ioreq_error *error);

/* Reads root/proc/self/task: see pinning_verify(). */
enum pinning_status threads_verify(const char *root, const struct worker *workers, unsigned nr_workers,
				   struct ioreq_error *error);

/* As struct ioreq_host's start_thread; `pollers` are the cores nobody else gets. */
int threads_start(const cpu_set_t *housekeeping, const cpu_set_t *pollers, const char *name, int core,
		  void *(*run)(void *), void *argument, pthread_t *thread_out);

/* The calling thread becomes SCHED_FIFO; its children do not. 0: ordinary again. 0 or -errno. */
int threads_take_priority(int priority);

/* Blocks the signals that are not the fault of the thread itself, as its children must inherit it. */
void threads_block_signals(sigset_t *before_out);

#endif
