/* SPDX-License-Identifier: MIT */
/*
 * A client's ring: 16 entries of one cache line, entry v for vCPU v, and a token in each that decides who owns the
 * request.
 *
 *	EMPTY/EXPIRED -> POSTED      poller, with the next generation
 *	POSTED        -> TAKEN       the client's thread
 *	TAKEN         -> DONE        the completer, who then stores the answer, COMPLETE, the notify, and
 *	DONE          -> EMPTY       last of all
 *	TAKEN         -> RETURNED    the client's thread: UNHANDLED
 *	RETURNED      -> EMPTY       poller, which gives the request to the default client
 *	POSTED | TAKEN | RETURNED -> EXPIRED   poller: taken away, answered by policy
 *
 * Whoever loses a compare-and-swap touches nothing. Model: tests/model/token.pml.
 */
#ifndef IOREQ_CORE_RING_H
#define IOREQ_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/access.h>

enum ioreq_token_state {
	IOREQ_TOKEN_EMPTY,
	IOREQ_TOKEN_POSTED,
	IOREQ_TOKEN_TAKEN,
	IOREQ_TOKEN_DONE,
	IOREQ_TOKEN_RETURNED,
	IOREQ_TOKEN_EXPIRED,
};

struct ioreq_ring_entry {
	uint64_t token; /* generation << 3 | state */
	uint64_t address;
	uint64_t value;
	uint64_t shape; /* space, direction, size, vcpu, completion_polling, a byte each; sequence in the high half */
	uint64_t seen_tsc;
	uint64_t pad[3];
} __attribute__((aligned(64)));

static_assert(sizeof(struct ioreq_ring_entry) == 64, "one line per hand-over");

struct ioreq_ring {
	struct ioreq_ring_entry entries[IOREQ_MAX_VCPUS];
	/* 1 while the client's thread sleeps or is about to (a futex). On a line of its own: the poller reads it. */
	uint32_t parked __attribute__((aligned(64)));
};

static inline enum ioreq_token_state ioreq_token_state(uint64_t token)
{
	return (enum ioreq_token_state)(token & 7);
}

/* ---- the poller ---- */

/* The token, acquire. */
uint64_t ioreq_ring_token(const struct ioreq_ring *ring, unsigned vcpu);

/* Hands the access over. The entry is EMPTY or EXPIRED. */
void ioreq_ring_post(struct ioreq_ring *ring, const struct ioreq_access *access);

/* Takes a request away. True: it is the poller's, `access` holds it. False: it is finished, or its completer has won. */
bool ioreq_ring_expire(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access);

/* Fetches a request that the client returned unhandled. False: there is none. */
bool ioreq_ring_fetch_returned(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access);

/* Wakes the client's thread if it is parked. Returns true if that cost a system call. */
bool ioreq_ring_wake(struct ioreq_ring *ring);

/* ---- the client ---- */

/* Takes the request of `vcpu`, if there is one: `access` holds it, access->token is what the decisions below need. */
bool ioreq_ring_take(struct ioreq_ring *ring, unsigned vcpu, struct ioreq_access *access);

/* Claims the right to complete: true exactly once per request, false if it was taken away. */
bool ioreq_ring_win(struct ioreq_ring *ring, const struct ioreq_access *access);

/* Ends what ioreq_ring_win() began, after COMPLETE and notify: the entry may be filled again. */
void ioreq_ring_release(struct ioreq_ring *ring, const struct ioreq_access *access);

/* Gives the request back, unhandled. False: it was taken away. */
bool ioreq_ring_return(struct ioreq_ring *ring, const struct ioreq_access *access);

/* Sleeps until something may have been posted on the first `nr_vcpus` entries, or `stop` is set (then wake is called). */
void ioreq_ring_park(struct ioreq_ring *ring, unsigned nr_vcpus, const uint32_t *stop);

#endif
