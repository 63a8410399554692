/* SPDX-License-Identifier: MIT */
/*
 * The token protocol.
 *
 * Threads   The poller posts, expires, fetches, wakes. The client's thread takes, returns, parks. The completer (that
 *           thread, or any other for a deferred request) wins and releases.
 * Memory    Process memory: rings die with their threads.
 */
#include "core/ring.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/atomic.h"

#define STATE_BITS 3

static uint64_t make_token(uint64_t generation, enum ioreq_token_state state)
{
	return generation << STATE_BITS | state;
}

static uint64_t with_state(uint64_t token, enum ioreq_token_state state)
{
	return make_token(token >> STATE_BITS, state);
}

static uint64_t pack_shape(const struct ioreq_access *access)
{
	return (uint64_t)access->space | (uint64_t)access->direction << 4 | (uint64_t)access->size << 8 |
	       (uint64_t)access->vcpu << 16 | (uint64_t)access->completion_polling << 24 |
	       (uint64_t)access->sequence << 32;
}

/* Relaxed loads: the poller may be refilling the entry. Who has not won a swap since uses nothing of the copy. */
static void copy_entry(const struct ioreq_ring_entry *entry, struct ioreq_access *access)
{
	uint64_t shape = load_relaxed(&entry->shape);

	access->address = load_relaxed(&entry->address);
	access->value = load_relaxed(&entry->value);
	access->seen_tsc = load_relaxed(&entry->seen_tsc);
	access->space = shape & 0xf;
	access->direction = shape >> 4 & 0xf;
	access->size = shape >> 8 & 0xff;
	access->vcpu = shape >> 16 & 0xff;
	access->completion_polling = shape >> 24 & 1;
	access->sequence = (uint32_t)(shape >> 32);
}

uint64_t ioreq_ring_token(const struct ioreq_ring *ring, unsigned vcpu)
{
	/* R1 acquire: EMPTY means that the completer is out of the slot. Pairs with R6. Without it: two in one slot. */
	return load_acquire(&ring->entries[vcpu].token);
}

void ioreq_ring_post(struct ioreq_ring *ring, const struct ioreq_access *access)
{
	struct ioreq_ring_entry *entry = &ring->entries[access->vcpu];
	uint64_t generation = (load_relaxed(&entry->token) >> STATE_BITS) + 1;

	store_relaxed(&entry->address, access->address);
	store_relaxed(&entry->value, access->value);
	store_relaxed(&entry->shape, pack_shape(access));
	store_relaxed(&entry->seen_tsc, access->seen_tsc);
	/* R2 release: entry, journal and PROCESSING before POSTED. Pairs with R3. Without it: PROCESSING over COMPLETE. */
	store_release(&entry->token, make_token(generation, IOREQ_TOKEN_POSTED));
}

bool ioreq_ring_take(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access)
{
	struct ioreq_ring_entry *entry = &ring->entries[vcpu];
	/* R3 acquire: the entry is whole. Pairs with R2. Without it: the previous request is copied. */
	uint64_t token = load_acquire(&entry->token);

	if (ioreq_token_state(token) != IOREQ_TOKEN_POSTED)
		return false;
	copy_entry(entry, access);
	access->token = with_state(token, IOREQ_TOKEN_TAKEN);
	/* R4 acq_rel: the copy ends before the swap. Pairs with R7. Without it: a refill after EXPIRED tears the copy. */
	return cas_acq_rel(&entry->token, token, access->token);
}

bool ioreq_ring_win(struct ioreq_ring *ring, const struct ioreq_access *access)
{
	uint64_t expected = access->token;

	/* R5 acq_rel: one winner per generation. Pairs with R7. Without it: a late answer goes to the next request. */
	return cas_acq_rel(&ring->entries[access->vcpu].token, expected, with_state(expected, IOREQ_TOKEN_DONE));
}

void ioreq_ring_release(struct ioreq_ring *ring, const struct ioreq_access *access)
{
	/* R6 release: COMPLETE and notify before EMPTY. Pairs with R1. Without it: a clear ends before the notify. */
	store_release(&ring->entries[access->vcpu].token, with_state(access->token, IOREQ_TOKEN_EMPTY));
}

bool ioreq_ring_return(struct ioreq_ring *ring, const struct ioreq_access *access)
{
	uint64_t expected = access->token;

	/* R8 acq_rel: the handler is over before the request is somebody else's. Pairs with R9. */
	return cas_acq_rel(&ring->entries[access->vcpu].token, expected, with_state(expected, IOREQ_TOKEN_RETURNED));
}

bool ioreq_ring_expire(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access)
{
	struct ioreq_ring_entry *entry = &ring->entries[vcpu];
	uint64_t token = load_relaxed(&entry->token);

	for (;;) {
		enum ioreq_token_state state = ioreq_token_state(token);

		if (state != IOREQ_TOKEN_POSTED && state != IOREQ_TOKEN_TAKEN && state != IOREQ_TOKEN_RETURNED)
			return false;
		/* R7 acq_rel: the client's copy is over before a refill. Pairs with R4, R5, R8. Without it: it tears. */
		if (cas_acq_rel(&entry->token, token, with_state(token, IOREQ_TOKEN_EXPIRED)))
			break;
	}
	copy_entry(entry, access);
	return true;
}

bool ioreq_ring_fetch_returned(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access)
{
	struct ioreq_ring_entry *entry = &ring->entries[vcpu];
	/* R9 acquire: what the handler did is done. Pairs with R8. Without it: two handlers at once. */
	uint64_t token = load_acquire(&entry->token);

	if (ioreq_token_state(token) != IOREQ_TOKEN_RETURNED)
		return false;
	copy_entry(entry, access);
	/* Relaxed: from RETURNED only the poller moves the token, and it is the poller that reads it next. */
	store_relaxed(&entry->token, with_state(token, IOREQ_TOKEN_EMPTY));
	return true;
}

bool ioreq_ring_wake(struct ioreq_ring *ring)
{
	if (!load_relaxed(&ring->parked))
		return false;
	/* PK1 full: the sleeper's flag falls before it is woken. Pairs with PK2. Without it: it sleeps on. */
	if (!exchange_full(&ring->parked, 0))
		return false;
	syscall(SYS_futex, &ring->parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return true;
}

static bool anything_posted(const struct ioreq_ring *ring, unsigned nr_vcpus)
{
	for (unsigned v = 0; v < nr_vcpus; v++)
		if (ioreq_token_state(load_relaxed(&ring->entries[v].token)) == IOREQ_TOKEN_POSTED)
			return true;
	return false;
}

void ioreq_ring_park(struct ioreq_ring *ring, unsigned nr_vcpus, const uint32_t *stop)
{
	/*
	 * PK2 full: parked is visible before the ring is looked at once more. A token that this look misses is one that the
	 * poller posted before it saw parked; it reads parked in every sweep while the request is in flight. Pairs with PK1.
	 * Without it: both miss the other, and the request waits for ever.
	 */
	exchange_full(&ring->parked, 1);
	if (!anything_posted(ring, nr_vcpus) && !load_relaxed(stop))
		syscall(SYS_futex, &ring->parked, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	store_relaxed(&ring->parked, 0);
}
