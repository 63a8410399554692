/* SPDX-License-Identifier: MIT */
/* The engine's own insides: lists, the host's services, and the freeing of what a poller may still read. */
#ifndef IOREQ_CORE_ENGINE_H
#define IOREQ_CORE_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>

/* Memory that waits for its poller to forget it. */
struct ioreq_retired {
	void *memory;
	size_t bytes;
	struct ioreq_poller *poller;
	uint64_t ticket; /* of that poller, taken when it was queued */
	struct ioreq_retired *next;
};

/* Old tables of a poller whose handler does not return; more would be a leak in disguise. */
#define IOREQ_MAX_RETIRED 1024

struct ioreq_engine {
	struct ioreq_host host;
	struct ioreq_stats *stats;
	bool own_stats;

	/* Guards the lists, the pollers' running and stop, the pollers' VM sets, the stats records. Innermost but one. */
	pthread_mutex_t lock;
	struct ioreq_poller *pollers[IOREQ_STATS_MAX_POLLERS];
	unsigned nr_pollers;
	struct ioreq_vm *vms[IOREQ_STATS_MAX_VMS];
	unsigned nr_vms;
	bool ended; /* by ioreq_engine_destroy(): stats records stay, as the closing account */

	/* The reclaimer. Its lock is innermost. */
	pthread_mutex_t retire_lock;
	pthread_cond_t retire_wake;
	pthread_t reclaimer;
	struct ioreq_retired *retired;
	unsigned nr_retired;
	bool ending;
};

void *ioreq_engine_allocate(struct ioreq_engine *engine, size_t bytes, int core);
void ioreq_engine_release(struct ioreq_engine *engine, void *memory, size_t bytes);
int ioreq_engine_start_thread(struct ioreq_engine *engine, const char *name, int core, void *(*run)(void *),
			      void *argument, pthread_t *thread_out);

/* Gives a stats record back, unless the whole engine ends. `used` is its first word. */
void ioreq_engine_drop_record(struct ioreq_engine *engine, uint64_t *used);

/* Room for another retired block? -EAGAIN before anything is changed, not after. */
bool ioreq_engine_can_retire(struct ioreq_engine *engine);

/* Queues memory that the poller can no longer find but may still read. Never blocks on the poller. NULL is accepted. */
void ioreq_engine_retire(struct ioreq_engine *engine, struct ioreq_poller *poller, void *memory, size_t bytes);

/* -EDEADLK on a thread of the engine: a poller or a client's thread, where waiting for either would never end. */
int ioreq_engine_check_context(void);
/* Marks the calling thread as one of the engine's. */
void ioreq_engine_enter_thread(void);
void ioreq_engine_leave_thread(void);

/* Checks a name: 1..31 printable characters without blanks or '/'. */
int ioreq_engine_check_name(const char *what, const char *name, struct ioreq_error *error);

uint64_t ioreq_engine_now_ns(void);
void ioreq_engine_sleep_ns(uint64_t ns);

#endif
