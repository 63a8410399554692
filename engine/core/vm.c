/* SPDX-License-Identifier: MIT */
/*
 * What the poller does for a VM besides serving: answers of the engine itself, completion, drains.
 *
 * Threads   All but ioreq_vm_complete() with `shared`: the VM's poller, or the caller that holds its place while it
 *           does not run. The life of a VM is in vm_control.c.
 * Memory    The page is the backend's; it is touched only between attach and the acknowledgement of a detach.
 */
#include "core/vm.h"

#include "core/access.h"
#include "core/atomic.h"
#include "core/client.h"
#include "core/poller.h"
#include "core/stats.h"

/* ---- completion -------------------------------------------------------------------------------------------- */

/* Exactly once, after COMPLETE, only for a request that did not ask for polling: the hypervisor's event is sticky. */
IOREQ_ASIDE static void notify(struct ioreq_vm *vm, struct ioreq_client_stats *stats, const struct ioreq_access *access,
			       bool shared)
{
	if (vm->ops->notify(vm->context, access->vcpu, access->sequence))
		add_relaxed(&vm->stats->notify_errors, 1);
	add_relaxed(&stats->notifies, 1);
	if (!shared)
		add_relaxed(&vm->poller->stats->notifies, 1); /* the attaching thread does it too */
}

void ioreq_vm_complete(struct ioreq_vm *vm, struct acrn_io_request *slot, struct ioreq_client_stats *stats,
		       struct ioreq_access *access, bool shared)
{
	ioreq_page_complete(slot, access);
	if (!access->completion_polling)
		notify(vm, stats, access, shared);
	ioreq_stats_completed(stats, access, shared);
}

static void count_reason(struct ioreq_vm *vm, enum ioreq_reason reason)
{
	add_relaxed(&vm->stats->reasons[reason], 1);
}

void ioreq_vm_answer_ones(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason)
{
	ioreq_access_all_ones(access);
	ioreq_vm_complete(vm, &vm->slots->req_slot[access->vcpu], vm->engine_stats, access, false);
	count_reason(vm, reason);
}

void ioreq_vm_reply(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason)
{
	if (vm->strict_states)
		ioreq_page_claim(&vm->slots->req_slot[access->vcpu]);
	access->sequence = ioreq_journal_begin(vm->block, access->vcpu, IOREQ_JOURNAL_ENGINE);
	ioreq_vm_complete(vm, &vm->slots->req_slot[access->vcpu], vm->engine_stats, access, false);
	count_reason(vm, reason);
}

void ioreq_vm_refuse(struct ioreq_vm *vm, struct ioreq_access *access, enum ioreq_reason reason)
{
	ioreq_access_all_ones(access);
	ioreq_vm_reply(vm, access, reason);
}

/* ---- attention --------------------------------------------------------------------------------------------- */

static void forget(struct ioreq_vm *vm, unsigned vcpu)
{
	store_relaxed(&vm->inflight[vcpu], NULL);
	vm->watched &= ~(1u << vcpu);
}

static void deliver_returned(struct ioreq_vm *vm)
{
	struct ioreq_access access = {.reserved = {0}};

	for (unsigned v = 0; v < vm->nr_vcpus; v++) {
		struct ioreq_client *from = vm->inflight[v];

		if (!from || !ioreq_ring_fetch_returned(from->ring, v, &access))
			continue;
		forget(vm, v);
		ioreq_client_deliver_default(from, &access);
	}
}

/* One slot of a drain. True: nothing of it is with a client any more. */
static bool end_request(struct ioreq_vm *vm, unsigned vcpu, bool late)
{
	struct ioreq_ring *ring = vm->inflight[vcpu]->ring;
	struct ioreq_access access = {.reserved = {0}};

	switch (ioreq_token_state(ioreq_ring_token(ring, vcpu))) {
	case IOREQ_TOKEN_EMPTY:
	case IOREQ_TOKEN_EXPIRED: break;
	default:
		if (!late || !ioreq_ring_expire(ring, vcpu, &access))
			return false;
		ioreq_vm_answer_ones(vm, &access, IOREQ_CLEARED);
	}
	forget(vm, vcpu);
	return true;
}

/*
 * Ends what clients hold, and is acknowledged only when no slot is PENDING and no token is alive: DONE means that a
 * completer is still inside the slot.
 */
static void drain(struct ioreq_vm *vm)
{
	bool late = tsc_now() >= vm->drain.deadline_tsc;
	bool busy = false;

	vm->leaving = vm->drain.detach;
	vm->clearing = !vm->drain.client && !vm->leaving;
	for (unsigned v = 0; v < vm->nr_vcpus; v++) {
		if (vm->inflight[v] && (!vm->drain.client || vm->drain.client == vm->inflight[v]))
			busy |= !end_request(vm, v, late);
		/* Completed in this sweep, with all ones; looked at again in the next. */
		if (vm->clearing && ioreq_page_state(&vm->slots->req_slot[v]) == ACRN_IOREQ_STATE_PENDING)
			busy = true;
	}
	if (busy)
		return;
	vm->clearing = false;
	if (vm->leaving)
		store_relaxed(&vm->nr_vcpus, 0);
	/* A3 release: the last completion before the acknowledgement. Pairs with A4. Without it: one after a reset. */
	and_release(&vm->attention, ~(uint32_t)IOREQ_ATTEND_DRAIN);
}

uint32_t ioreq_vm_attend(struct ioreq_vm *vm)
{
	/* A2 acquire: what the bits are about is written. Pairs with A1, A5. Without it: a drain of the last one's client. */
	uint32_t attention = load_acquire(&vm->attention);

	/* Before a drain: the default client has what is left of the clients' time for it. */
	if (attention & IOREQ_ATTEND_RETURNED) {
		/* A6 acquire: cleared before the tokens are looked at; a later return sets it again. Pairs with A1. */
		and_acquire(&vm->attention, ~(uint32_t)IOREQ_ATTEND_RETURNED);
		deliver_returned(vm);
	}
	if (attention & IOREQ_ATTEND_RESUME) {
		/* A6 acquire: as above. A drain waits for the next sweep: these slots show no PENDING that it could see. */
		and_acquire(&vm->attention, ~(uint32_t)IOREQ_ATTEND_RESUME);
		return vm->resume;
	}
	if (attention & IOREQ_ATTEND_DRAIN)
		drain(vm);
	return 0;
}
