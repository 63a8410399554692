/* SPDX-License-Identifier: MIT */
/* A poller: one core, one loop, its VMs. */
#ifndef IOREQ_CORE_POLLER_H
#define IOREQ_CORE_POLLER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>

struct ioreq_vm;

/* The VMs of a poller, as one immutable set; replaced through RCU. */
struct ioreq_vm_set {
	unsigned nr;
	struct ioreq_vm *vms[IOREQ_STATS_MAX_VMS];
};

struct ioreq_poller {
	struct ioreq_vm_set *vms; /* RCU */
	struct ioreq_poller_stats *stats;
	enum ioreq_idle idle;
	uint32_t stop;
	uint64_t asked;                                 /* tickets given out */
	uint64_t answered __attribute__((aligned(64))); /* tickets up to this one are answered */

	/* Control side, under the engine's lock. */
	struct ioreq_engine *engine __attribute__((aligned(64)));
	uint32_t running;
	bool own_thread;
	pthread_t thread;
	int core;
	char name[IOREQ_NAME_BYTES];
};

/* The loop, on the calling thread, until `stop`. The caller has set `running`. */
void ioreq_poller_loop(struct ioreq_poller *poller);

/* One look at all slots of a VM. Returns how many requests were served. The poller, or who holds its place. */
unsigned ioreq_poller_sweep(struct ioreq_vm *vm);

bool ioreq_poller_running(const struct ioreq_poller *poller);

/* Publishes the poller's set with or without `vm`. Under the engine's lock. 0, -ENOMEM, -EAGAIN. */
int ioreq_poller_add_vm(struct ioreq_poller *poller, struct ioreq_vm *vm);
int ioreq_poller_remove_vm(struct ioreq_poller *poller, struct ioreq_vm *vm);

/*
 * Asks the poller to say when it has ended the sweep that it is in: the ticket is answered when nothing that was
 * unpublished before this call is read by it any more.
 */
uint64_t ioreq_poller_ask(struct ioreq_poller *poller);
bool ioreq_poller_answered(const struct ioreq_poller *poller, uint64_t ticket);

/* Asks, and waits for the answer. -EBUSY after `timeout_ns`. */
int ioreq_poller_quiesce(struct ioreq_poller *poller, uint64_t timeout_ns);

/* Frees a poller that does not run. */
void ioreq_poller_free(struct ioreq_poller *poller);

#endif
