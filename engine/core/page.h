/* SPDX-License-Identifier: MIT */
/* The engine's hand on a slot. No other file of the engine loads or stores a slot's state, value or flags. */
#ifndef IOREQ_CORE_PAGE_H
#define IOREQ_CORE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/access.h>

/* A slot's state and the sequence stored with its last completion, read by one load. */
struct ioreq_slot_state {
	uint32_t state;
	uint32_t sequence;
};

/* The state, acquire: what was filled in before PENDING can be read. */
uint32_t ioreq_page_state(const struct acrn_io_request *slot);

/* State and sequence together, acquire. */
struct ioreq_slot_state ioreq_page_state_and_sequence(const struct acrn_io_request *slot);

/* Brings the request's other two lines closer; only a hint. */
static inline void ioreq_page_prefetch(const struct acrn_io_request *slot)
{
	__builtin_prefetch(&slot->reqs, 1);
	__builtin_prefetch(&slot->type, 0);
}

/* Stores PROCESSING: the request is in somebody's hands. Only over PENDING or PROCESSING. */
void ioreq_page_claim(struct acrn_io_request *slot);

/*
 * Answers the request and gives the slot back: a read's value, then {COMPLETE, sequence} in one release store. The
 * caller has read completion_polling before (it is in the access) and touches the slot no more afterwards.
 */
void ioreq_page_complete(struct acrn_io_request *slot, const struct ioreq_access *access);

#endif
