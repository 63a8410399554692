/* SPDX-License-Identifier: MIT */
/* Copying a request out of its slot, once, and validating the copy. */
#ifndef IOREQ_CORE_ACCESS_H
#define IOREQ_CORE_ACCESS_H

#include <ioreq/abi.h>
#include <ioreq/access.h>
#include <ioreq/stats.h>

/*
 * Copies the slot's request into `access` (address .. completion_polling). Returns -1 for a valid one, else an enum
 * ioreq_reason: then space, direction and size are made such that answering all ones does what the reference does.
 */
int ioreq_access_copy(const struct acrn_io_request *slot, unsigned vcpu, struct ioreq_access *access);

/* Makes the access's answer all ones of its width: what a bus without an owner gives. */
static inline void ioreq_access_all_ones(struct ioreq_access *access)
{
	access->value = ioreq_width_mask(access->size);
}

#endif
