/* SPDX-License-Identifier: MIT */
/*
 * Delivery: an access to its client's handler, inline or through the client's ring, and its answer back to the slot.
 *
 * Threads   ioreq_client_deliver*(): the poller. ioreq_client_thread(): the client's own. ioreq_complete(): any.
 * Memory    A client is freed when no table, no token and no thread knows it (client_control.c).
 */
#include "core/client.h"

#include <errno.h>
#include <sched.h>

#include "core/access.h"
#include "core/atomic.h"
#include "core/engine.h"
#include "core/poller.h"
#include "core/rcu.h"
#include "core/vm.h"

/* Empty looks before a parking client sleeps: some 20 us, longer than a burst's gaps, shorter than a tick. */
#define LOOKS_BEFORE_PARKING 2000u

/* ---- on the poll core -------------------------------------------------------------------------------------- */

IOREQ_ASIDE static void answer_unusual(struct ioreq_client *client, struct ioreq_access *access,
				       enum ioreq_result result)
{
	/* DEFER means nothing inline, and so does a number that is none of ours. */
	if (result == IOREQ_UNHANDLED)
		ioreq_client_deliver_default(client, access);
	else
		ioreq_vm_answer_ones(client->vm, access, IOREQ_BAD_RESULT);
}

static void run_handler(struct ioreq_vm *vm, struct ioreq_client *client, struct acrn_io_request *slot,
			struct ioreq_access *access)
{
	struct ioreq_access given;
	enum ioreq_result result;

	if (vm->strict_states)
		ioreq_page_claim(slot);
	access->client = client;
	access->sequence = ioreq_journal_begin(vm->block, access->vcpu, client->number);
	/* The handler's copy: of what it does to it only the value counts, and only with DONE. */
	given = *access;
	result = client->handle(client->device, &given);
	if (__builtin_expect(result == IOREQ_DONE, 1)) {
		access->value = given.value;
		ioreq_vm_complete(vm, slot, client->stats, access, false);
	} else {
		answer_unusual(client, access, result);
	}
}

IOREQ_ASIDE static void post(struct ioreq_client *client, struct acrn_io_request *slot, struct ioreq_access *access)
{
	struct ioreq_vm *vm = client->vm;

	/* PROCESSING first: the client may complete at once, and a late PROCESSING would overwrite COMPLETE. */
	ioreq_page_claim(slot);
	store_relaxed(&vm->inflight[access->vcpu], client);
	/* Generations are the ring's own: the last ring's could equal this one's. */
	vm->reposted[access->vcpu] = 0;
	vm->watched |= 1u << access->vcpu;
	access->sequence = ioreq_journal_begin(vm->block, access->vcpu, client->number);
	ioreq_ring_post(client->ring, access);
}

void ioreq_client_deliver(struct ioreq_vm *vm, struct ioreq_client *client, struct acrn_io_request *slot,
			  struct ioreq_access *access)
{
	if (client->ring)
		post(client, slot, access);
	else
		run_handler(vm, client, slot, access);
}

void ioreq_client_deliver_default(struct ioreq_client *from, struct ioreq_access *access)
{
	/* RT1 dereference: as in serve(). Pairs with RT2. */
	struct ioreq_client *client = rcu_dereference(from->vm->table)->default_client;

	add_relaxed(&from->stats->unhandled, 1);
	if (client && client != from)
		ioreq_client_deliver(from->vm, client, &from->vm->slots->req_slot[access->vcpu], access);
	else
		ioreq_vm_answer_ones(from->vm, access, IOREQ_UNCLAIMED);
}

/* ---- on the client's thread, or any other ------------------------------------------------------------------ */

int ioreq_complete(const struct ioreq_access *access, uint64_t value)
{
	struct ioreq_client *client = access->client;
	struct ioreq_access answer = *access;

	if (!client->ring || ioreq_token_state(access->token) != IOREQ_TOKEN_TAKEN ||
	    !ioreq_ring_win(client->ring, access))
		return -ESTALE;
	answer.value = value;
	ioreq_vm_complete(client->vm, &client->vm->slots->req_slot[access->vcpu], client->stats, &answer, true);
	ioreq_ring_release(client->ring, access);
	return 0;
}

static void give_back(struct ioreq_client *client, const struct ioreq_access *access)
{
	/* A1 release: RETURNED before the bit. Pairs with A2. Without it: the poller looks, and finds it TAKEN. */
	if (ioreq_ring_return(client->ring, access))
		or_release(&client->vm->attention, IOREQ_ATTEND_RETURNED);
}

static void handle_one(struct ioreq_client *client, struct ioreq_access *access)
{
	access->client = client;
	switch (client->handle(client->device, access)) {
	case IOREQ_DONE:
		/* -ESTALE: it was taken away meanwhile, and answered. */
		ioreq_complete(access, access->value);
		break;
	case IOREQ_DEFER: break;
	case IOREQ_UNHANDLED: give_back(client, access); break;
	default: add_relaxed(&client->vm->stats->reasons[IOREQ_BAD_RESULT], 1); ioreq_complete(access, UINT64_MAX);
	}
}

static unsigned sweep_ring(struct ioreq_client *client)
{
	struct ioreq_access access = {.reserved = {0}};
	unsigned handled = 0;

	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++) {
		if (!ioreq_ring_take(client->ring, v, &access))
			continue;
		handle_one(client, &access);
		handled++;
	}
	return handled;
}

void *ioreq_client_thread(void *argument)
{
	struct ioreq_client *client = argument;
	unsigned looks = 0;

	ioreq_engine_enter_thread();
	while (!load_relaxed(&client->stop)) {
		looks = sweep_ring(client) ? 0 : looks + 1;
		if (looks == 0)
			continue;
		if (client->wait == IOREQ_WAIT_YIELD)
			sched_yield();
		else if (client->wait == IOREQ_WAIT_SPIN || looks < LOOKS_BEFORE_PARKING)
			cpu_pause();
		else
			ioreq_ring_park(client->ring, IOREQ_MAX_VCPUS, &client->stop);
	}
	/* CL1 release: the handler's last effect before "ended". Pairs with CL2. Without it: freed under its feet. */
	store_release(&client->ended, 1);
	return NULL;
}
