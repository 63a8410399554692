/* SPDX-License-Identifier: MIT */
/*
 * The engine's only writer of a slot: prefill, claim, complete.
 *
 * Threads   A slot has one owner at a time (abi.h); these functions are for the owner, the state loads for anybody.
 * Memory    The page is the caller's mapping.
 */
#include "core/page.h"

#include <string.h>

#include <ioreq/backend.h>

#include "core/atomic.h"

/* What the engine stores into kernel_handled with PROCESSING: "not for a host's scan of PROCESSING requests". */
#define HANDLED_BY_ENGINE 1u

void ioreq_page_prefill(struct acrn_io_request_buffer *slots)
{
	memset(slots, 0, sizeof(*slots));
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++) {
		/* PG0 release: completion_polling 0 before FREE. Pairs with HV0. Without it: a stale flag in a free slot. */
		store_release(&slots->req_slot[v].processed, ACRN_IOREQ_STATE_FREE);
	}
}

uint32_t ioreq_page_state(const struct acrn_io_request *slot)
{
	/* PG1 acquire: the request is whole. Pairs with HV1. Without it: a copy of the slot's previous request. */
	return load_acquire(&slot->processed);
}

struct ioreq_slot_state ioreq_page_state_and_sequence(const struct acrn_io_request *slot)
{
	const ioreq_word_t *word = (const ioreq_word_t *)(const void *)&slot->processed;
	/* PG1 acquire: as above; one load, so that state and sequence belong together. */
	uint64_t both = load_acquire(word);

	return (struct ioreq_slot_state){.state = (uint32_t)both, .sequence = (uint32_t)(both >> 32)};
}

void ioreq_page_claim(struct acrn_io_request *slot)
{
	/* Only if it differs: the vCPU is polling this line, and a store would fetch it twice. */
	if (load_relaxed(&slot->kernel_handled) != HANDLED_BY_ENGINE)
		store_relaxed(&slot->kernel_handled, HANDLED_BY_ENGINE);
	/* PG2 release: kernel_handled before PROCESSING. Pairs with a host's scan. Without it: the host runs it too. */
	store_release(&slot->processed, ACRN_IOREQ_STATE_PROCESSING);
}

/* Only a read's answer is stored: the hypervisor copies nothing else, and a write then dirties one line less. */
static void store_value(struct acrn_io_request *slot, const struct ioreq_access *access)
{
	/* By size. A table: shifting together what ioreq_width_mask() says takes five instructions more. */
	static const uint64_t masks[] = {0, 0xff, 0xffff, 0, UINT32_MAX, 0, 0, 0, UINT64_MAX};
	uint64_t value = access->value & masks[access->size];

	if (access->space == IOREQ_MMIO)
		store_relaxed(&slot->reqs.mmio_request.value, value);
	else
		store_relaxed(&slot->reqs.pio_request.value, (uint32_t)value);
}

void ioreq_page_complete(struct acrn_io_request *slot, const struct ioreq_access *access)
{
	ioreq_word_t *word = (ioreq_word_t *)(void *)&slot->processed;

	if (access->direction == IOREQ_READ)
		store_value(slot, access);
	/* PG3 release: the value before COMPLETE. Pairs with HV2. Without it: the guest reads a stale value. */
	store_release(word, (uint64_t)access->sequence << 32 | ACRN_IOREQ_STATE_COMPLETE);
}
