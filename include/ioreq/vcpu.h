/* SPDX-License-Identifier: MIT */
/*
 * The vCPU side of a slot: what a hypervisor does. For KVM monitors, load generators and tests.
 *
 *	ioreq_vcpu_post()      fill, store-release PENDING
 *	ioreq_vcpu_wait()      until COMPLETE: polling, or asleep until the engine notifies
 *	ioreq_vcpu_finish()    read the value, store-release FREE
 *
 * Threads   One thread per vCPU. Different vCPUs of a page at once.
 * Memory    The caller's; the page outlives it.
 */
#ifndef IOREQ_VCPU_H
#define IOREQ_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/access.h>
#include <ioreq/shm.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ioreq_vcpu {
	struct acrn_io_request *slot;
	uint32_t *notify; /* this vCPU's notify word, or NULL: requests are posted with completion_polling = 1 only */
	unsigned index;
};

/* `control` may be NULL (then there is no notify word). index: 0..15. */
void ioreq_vcpu_init(struct ioreq_vcpu *vcpu, struct acrn_io_request_buffer *slots, struct ioreq_shm_control *control,
		     unsigned index);

/*
 * Posts one access: space, direction, size, address, value and completion_polling are used. Values are not checked: a
 * hypervisor may be wrong. Returns 0; -EBUSY if the slot is not FREE (nothing was touched); -EINVAL for a request
 * without completion_polling where there is no notify word.
 */
int ioreq_vcpu_post(struct ioreq_vcpu *vcpu, const struct ioreq_access *access);

/* The same with lines 0 and 1 of the slot as given: for what no well-formed access can say. */
int ioreq_vcpu_post_raw(struct ioreq_vcpu *vcpu, const struct acrn_io_request *request);

/* COMPLETE yet? For a request that waits for a notify: and notified? */
bool ioreq_vcpu_completed(const struct ioreq_vcpu *vcpu);

enum ioreq_vcpu_how {
	IOREQ_VCPU_SPIN,  /* polls with PAUSE */
	IOREQ_VCPU_YIELD, /* polls with sched_yield: fewer cores than spinning threads */
	IOREQ_VCPU_SLEEP, /* sleeps on the notify word: only for requests without completion_polling */
};

/* Waits for completion. Returns 0; -ETIMEDOUT: the request is still posted, wait again. timeout_ns 0: for ever. */
int ioreq_vcpu_wait(struct ioreq_vcpu *vcpu, enum ioreq_vcpu_how how, uint64_t timeout_ns);

/* Takes the value (uncut: 64 bits for MMIO, 32 otherwise) of a completed request and frees the slot. */
uint64_t ioreq_vcpu_finish(struct ioreq_vcpu *vcpu);

/* A reset: forces the slot to FREE. Only after the engine has acknowledged a clear (ioreq_shm_clear). */
void ioreq_vcpu_reset(struct ioreq_vcpu *vcpu);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
