/* SPDX-License-Identifier: MIT */
/*
 * The poll loop: page -> access -> route -> handler or ring -> page.
 *
 * Threads   ioreq_poller_loop() is the poller. It makes no system call of its own (idle: yield excepted), takes no lock,
 *           allocates nothing and logs nothing; what a request may cost is counted in its stats.
 * Memory    VM sets and tables are immutable and reached through RCU; the poller is their only reader and announces a
 *           quiescent state after every sweep.
 */
#include "core/poller.h"

#include <sched.h>
#include <unistd.h>

#include "core/access.h"
#include "core/atomic.h"
#include "core/client.h"
#include "core/engine.h"
#include "core/pci_config.h"
#include "core/rcu.h"
#include "core/vm.h"

/* A write that a doorbell takes: its eventfd is signalled, no handler runs. */
IOREQ_COLD static void ring_bell(struct ioreq_vm *vm, const struct ioreq_bell *bell, struct ioreq_access *access)
{
	uint64_t one = 1;
	ssize_t written;

	if (vm->strict_states)
		ioreq_page_claim(&vm->slots->req_slot[access->vcpu]);
	access->sequence = ioreq_journal_begin(vm->block, access->vcpu, IOREQ_JOURNAL_DOORBELL);
	/* A full counter (2^64 - 2 signals unread) refuses: the sleeper is awake anyway. */
	written = write(bell->eventfd, &one, sizeof(one));
	(void)written;
	count_one(&vm->poller->stats->doorbells);
	count_one(&vm->stats->reasons[IOREQ_RUNG]);
	ioreq_vm_complete(vm, &vm->slots->req_slot[access->vcpu], vm->engine_stats, access, false);
}

/* One request, from PENDING to its completion or its client's ring. */
static inline void serve(struct ioreq_vm *vm, struct acrn_io_request *slot, unsigned vcpu)
{
	/* RT1 dereference: the table whole, until the next quiescent state. Pairs with RT2. */
	const struct ioreq_table *table = rcu_dereference(vm->table);
	const struct ioreq_route_target *target;
	const struct ioreq_bell *bell;
	struct ioreq_access access;
	int refused;

	ioreq_page_prefetch(slot);
	access.seen_tsc = tsc_now();
	count_one(&vm->stats->posted);
	refused = ioreq_access_copy(slot, vcpu, &access);
	if (refused >= 0 || vm->clearing) {
		ioreq_vm_refuse(vm, &access, refused >= 0 ? (enum ioreq_reason)refused : IOREQ_CLEARED);
		return;
	}
	if (ioreq_pci_config_is_port(&access) && ioreq_pci_config_port(&vm->block->pci_latch, &access)) {
		ioreq_vm_reply(vm, &access, IOREQ_LATCHED);
		return;
	}
	if (access.direction == IOREQ_WRITE && table->nr_bells) {
		bell = ioreq_route_find_bell(table, &access);
		if (bell) {
			ring_bell(vm, bell, &access);
			return;
		}
	}
	target = ioreq_route_find(table, &access);
	if (__builtin_expect(target != NULL, 1))
		ioreq_client_deliver(vm, target->client, slot, &access);
	else if (table->default_client)
		ioreq_client_deliver(vm, table->default_client, slot, &access);
	else
		ioreq_vm_refuse(vm, &access, IOREQ_UNCLAIMED);
}

/* PENDING over a slot that went to a ring: is the ring's entry free again? */
IOREQ_ASIDE static bool settled(struct ioreq_vm *vm, unsigned vcpu)
{
	uint64_t token = ioreq_ring_token(vm->inflight[vcpu]->ring, vcpu);

	switch (ioreq_token_state(token)) {
	case IOREQ_TOKEN_EMPTY:
	case IOREQ_TOKEN_EXPIRED:
		store_relaxed(&vm->inflight[vcpu], NULL);
		vm->watched &= ~(1u << vcpu);
		return true;
	case IOREQ_TOKEN_DONE: return false; /* the completer is still inside: the ordinary race, a moment */
	default:
		/* The producer posted over a request that its client holds. Counted once, and left alone. */
		if (vm->reposted[vcpu] >> 3 != token >> 3)
			count_one(&vm->stats->reposted);
		vm->reposted[vcpu] = token;
		/* Whatever the slot showed in between, the client still owes an answer and may be parked. */
		vm->watched |= 1u << vcpu;
		return false;
	}
}

/* A client may park after the hand-over: looked at in every sweep until its request is complete (park.pml). */
IOREQ_ASIDE static void wake_parked(struct ioreq_vm *vm)
{
	for (uint32_t left = vm->watched; left; left &= left - 1) {
		unsigned v = (unsigned)__builtin_ctz(left);
		uint32_t state = ioreq_page_state(&vm->slots->req_slot[v]);

		/* PENDING too: a producer that posts over its own request must not cost the wake of the first one. */
		if (state != ACRN_IOREQ_STATE_PROCESSING && state != ACRN_IOREQ_STATE_PENDING)
			vm->watched &= ~(1u << v);
		else if (ioreq_ring_wake(vm->inflight[v]->ring))
			count_one(&vm->poller->stats->wakes);
	}
}

IOREQ_ASIDE static void attend(struct ioreq_vm *vm)
{
	/* Requests that an engine before this one left in PROCESSING, given to nobody. */
	for (uint32_t left = ioreq_vm_attend(vm); left; left &= left - 1) {
		unsigned v = (unsigned)__builtin_ctz(left);
		struct acrn_io_request *slot = &vm->slots->req_slot[v];

		/* A reset may have freed the slot since: a COMPLETE in a free slot wedges it. */
		if (ioreq_page_state(slot) == ACRN_IOREQ_STATE_PROCESSING)
			serve(vm, slot, v);
	}
}

/*
 * Flattened: what lies between PENDING and COMPLETE is in eight files and one function. The files are for the reader; called
 * one by one they take a hundred instructions more (tests/unit/test_count_instructions.sh).
 */
__attribute__((flatten)) unsigned ioreq_poller_sweep(struct ioreq_vm *vm)
{
	struct acrn_io_request *slot;
	unsigned served = 0, nr_vcpus;

	if (load_relaxed(&vm->attention)) {
		attend(vm);
		if (vm->leaving)
			return 0;
	}
	/* Both change in attend() only, or while nobody sweeps. */
	slot = vm->slots->req_slot;
	nr_vcpus = vm->nr_vcpus;
	for (unsigned v = 0; v < nr_vcpus; v++, slot++) {
		if (ioreq_page_state(slot) != ACRN_IOREQ_STATE_PENDING)
			continue;
		if (vm->inflight[v] && !settled(vm, v))
			continue;
		serve(vm, slot, v);
		served++;
	}
	if (vm->watched)
		wake_parked(vm);
	return served;
}

static void idle(enum ioreq_idle how)
{
	if (how == IOREQ_IDLE_PAUSE)
		cpu_pause();
	else if (how == IOREQ_IDLE_YIELD)
		sched_yield();
}

/* Between two sweeps nothing is held: whoever has unpublished something and asked may free it. */
static void answer_asked(struct ioreq_poller *poller)
{
	/* RT11 acquire: the next sweep finds what was published before the question. Pairs with RT12. */
	uint64_t asked = load_acquire(&poller->asked);

	/* RT5 release: after the sweep's last read. Pairs with RT6. Without it: a waiter frees what is being read. */
	if (asked != poller->answered)
		store_release(&poller->answered, asked);
}

static void poll_until_stopped(struct ioreq_poller *poller)
{
	while (!load_relaxed(&poller->stop)) {
		/* RT1 dereference: the set whole. Pairs with RT2. */
		const struct ioreq_vm_set *set = rcu_dereference(poller->vms);
		unsigned served = 0;

		for (unsigned i = 0; i < set->nr; i++)
			served += ioreq_poller_sweep(set->vms[i]);
		/* RT3 quiescent: no table is held across it. Pairs with RT4. Without it: nothing old is ever freed. */
		rcu_quiescent_state();
		answer_asked(poller);
		store_relaxed(&poller->stats->sweeps, poller->stats->sweeps + 1);
		if (!served)
			idle(poller->idle);
	}
}

void ioreq_poller_loop(struct ioreq_poller *poller)
{
	ioreq_engine_enter_thread();
	/* RT9 register: from here on updaters wait for this thread. Pairs with RT4. */
	rcu_register_thread();
	poll_until_stopped(poller);
	/* RT10 unregister: before the function returns, for who blocks online hangs every updater. Pairs with RT4. */
	rcu_unregister_thread();
	ioreq_engine_leave_thread();
	/* RT8 release: the last access before "not running". Pairs with RT7. Without it: two pollers on one slot. */
	store_release(&poller->running, 0);
}
