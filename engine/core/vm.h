/* SPDX-License-Identifier: MIT */
/* A VM: its page while it has one, its table, its clients, and what others want of its poller. */
#ifndef IOREQ_CORE_VM_H
#define IOREQ_CORE_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>

#include "core/journal.h"
#include "core/route.h"

/* What a caller waits beyond the clients' time: delays of the threads themselves, host steal among them. */
#define IOREQ_MARGIN_NS UINT64_C(400000000)

/* Off the hot path: kept out of the one function that the hot path is compiled into. */
#define IOREQ_COLD __attribute__((cold, noinline))
/* The same for what is not rare, but not an inline request's either. */
#define IOREQ_ASIDE __attribute__((noinline))

/* Bits of the attention word. Set by others, cleared by the poller when it is done: the clearing is the answer. */
enum {
	IOREQ_ATTEND_RETURNED = 1, /* a client's thread answered UNHANDLED */
	IOREQ_ATTEND_RESUME = 4,   /* serve the slots in `resume`, found PROCESSING at attach */
	IOREQ_ATTEND_DRAIN = 2,    /* clear, detach or client removal: see `drain` */
};

/* What a drain is about. Written before IOREQ_ATTEND_DRAIN is set, read by the poller while it is. */
struct ioreq_drain {
	struct ioreq_client *client; /* only its requests; NULL: all, and new ones are completed at once */
	bool detach;                 /* the poller lets go of the page at the end */
	uint64_t deadline_tsc;       /* until then clients may finish what they hold */
};

struct ioreq_vm {
	/* Read by the poller in every sweep. */
	uint32_t attention;
	uint32_t nr_vcpus; /* 0: no page */
	struct acrn_io_request_buffer *slots;
	struct ioreq_table *table; /* RCU */
	struct ioreq_block *block;
	uint32_t watched; /* bit v: a ring request of vCPU v may be in flight, its client may park */
	bool clearing;    /* new requests are completed at once */
	bool leaving;     /* new requests stay PENDING, for the next engine or attach */
	bool strict_states;

	/* The poller's own. */
	struct ioreq_client *inflight[IOREQ_MAX_VCPUS]; /* who was given the slot's last ring request */
	uint64_t reposted[IOREQ_MAX_VCPUS];             /* the token whose repeat was counted */
	uint32_t resume;
	struct ioreq_drain drain;
	struct ioreq_vm_stats *stats;
	struct ioreq_client_stats *engine_stats; /* the "-" record */

	struct ioreq_poller *poller __attribute__((aligned(64)));
	struct ioreq_engine *engine;
	const struct ioreq_backend_ops *ops;
	void *context;

	/* Interrupts, from any thread: `callers` are inside the backend; see ioreq_set_line(). */
	uint64_t lines;
	uint32_t callers;
	uint32_t backend_ready;

	/* Control side: `lock` is held by one caller for as long as an operation takes. Outermost. */
	pthread_mutex_t lock;
	bool attached;
	bool detach_asked;
	bool own_block;
	uint64_t clear_timeout_ns;
	uint64_t *page_id;
	struct ioreq_client *clients;
	struct ioreq_client *default_client;
	struct ioreq_owned_range *ranges; /* sorted: what the table was made from */
	size_t nr_ranges;
	pthread_mutex_t bell_lock; /* under `lock`, or alone */
	struct ioreq_named_bell *bells;
	size_t nr_bells;
	char name[IOREQ_NAME_BYTES];
};

/* ---- the poller's ---- */

/* Does what the attention word asks for. Returns the slots (bits) that are to be served though not PENDING. */
uint32_t ioreq_vm_attend(struct ioreq_vm *vm);

/* Answers for the engine, with all ones, and counts why; access->sequence is set. */
IOREQ_COLD void ioreq_vm_answer_ones(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason);

/* The same for a request that was given to nobody, and with the value that is there (a latch). Journals it first. */
IOREQ_COLD void ioreq_vm_refuse(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason);
IOREQ_COLD void ioreq_vm_reply(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason);

/*
 * Completes a request: COMPLETE, the notify if the access asks for one, the counters. By the request's owner, the
 * poller (`shared` false) or the winner of a ring's token.
 */
void ioreq_vm_complete(struct ioreq_vm *vm, struct acrn_io_request *slot, struct ioreq_client_stats *stats,
		       struct ioreq_access *access, bool shared);

/* ---- control ---- */

/* Every operation's first and last step; -EDEADLK on a thread of the engine. */
int ioreq_vm_lock(struct ioreq_vm *vm, struct ioreq_error *error);
void ioreq_vm_unlock(struct ioreq_vm *vm);

/* Publishes a table of these ranges and the VM's doorbells and default client. Takes `ranges` over on success. */
int ioreq_vm_publish(struct ioreq_vm *vm, struct ioreq_owned_range *ranges, size_t nr_ranges,
		     struct ioreq_error *error);

/* Has the poller end all requests of `client` (NULL: of the VM), and waits. -EBUSY names who holds one. */
int ioreq_vm_drain(struct ioreq_vm *vm, struct ioreq_client *client, bool detach, struct ioreq_error *error);

/* The client whose inline handler holds the VM's poller, as far as can be seen without waiting. */
bool ioreq_vm_inline_holder(struct ioreq_vm *vm, char name[IOREQ_NAME_BYTES]);

struct ioreq_client *ioreq_vm_find_client(const struct ioreq_vm *vm, const char *name);

#endif
