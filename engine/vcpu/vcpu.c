/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's side of a slot, and the only file that stores states on that side.
 *
 * Threads   One thread per vCPU. Memory: the page is the caller's mapping.
 */
#include <ioreq/vcpu.h>

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"

/* Polls between two looks at the clock. */
#define POLLS_PER_CLOCK 256u

void ioreq_vcpu_init(struct ioreq_vcpu *vcpu, struct acrn_io_request_buffer *slots, struct ioreq_shm_control *control,
		     unsigned index)
{
	*vcpu = (struct ioreq_vcpu){
		.slot = &slots->req_slot[index],
		.notify = control ? &control->notify[index].word : NULL,
		.index = index,
	};
}

static int check_free(const struct ioreq_vcpu *vcpu, uint32_t completion_polling)
{
	if (!completion_polling && !vcpu->notify)
		return -EINVAL;
	/* HV0 acquire: the slot's last user is done with it. Pairs with PG0, HV3. Without it: filling a slot in use. */
	return load_acquire(&vcpu->slot->processed) == ACRN_IOREQ_STATE_FREE ? 0 : -EBUSY;
}

static void store_pending(struct ioreq_vcpu *vcpu)
{
	/* HV1 release: the request before PENDING. Pairs with PG1. Without it: the engine copies the previous request. */
	store_release(&vcpu->slot->processed, ACRN_IOREQ_STATE_PENDING);
}

/* Whole, while an engine that attaches looks at a slot that it found COMPLETE and that is posted again meanwhile. */
static void store_flag(struct acrn_io_request *slot, uint32_t completion_polling)
{
	store_relaxed(&slot->completion_polling, completion_polling);
}

static void fill_pci(struct acrn_pci_request *pci, const struct ioreq_access *access)
{
	pci->bus = (uint32_t)(access->address >> 20) & 0xff;
	pci->dev = (uint32_t)(access->address >> 15) & 0x1f;
	pci->func = (uint32_t)(access->address >> 12) & 7;
	pci->reg = (uint32_t)access->address & 0xfff;
	pci->value = (uint32_t)access->value;
}

int ioreq_vcpu_post(struct ioreq_vcpu *vcpu, const struct ioreq_access *access)
{
	struct acrn_io_request *slot = vcpu->slot;
	int error = check_free(vcpu, access->completion_polling);

	if (error)
		return error;
	slot->type = access->space;
	store_flag(slot, access->completion_polling);
	slot->reqs.pio_request.direction = access->direction;
	slot->reqs.pio_request.size = access->size;
	if (access->space == IOREQ_PCICFG) {
		fill_pci(&slot->reqs.pci_request, access);
	} else {
		slot->reqs.mmio_request.address = access->address;
		slot->reqs.mmio_request.value = access->value;
	}
	store_pending(vcpu);
	return 0;
}

int ioreq_vcpu_post_raw(struct ioreq_vcpu *vcpu, const struct acrn_io_request *request)
{
	int error = check_free(vcpu, request->completion_polling);

	if (error)
		return error;
	vcpu->slot->type = request->type;
	store_flag(vcpu->slot, request->completion_polling);
	memcpy(&vcpu->slot->reqs, &request->reqs, sizeof(request->reqs));
	store_pending(vcpu);
	return 0;
}

/* Plain read: the flag is this side's own, nobody else stores it. */
static bool wants_notify(const struct ioreq_vcpu *vcpu)
{
	return vcpu->notify && !vcpu->slot->completion_polling;
}

bool ioreq_vcpu_completed(const struct ioreq_vcpu *vcpu)
{
	const ioreq_word_t *word = (const ioreq_word_t *)(const void *)&vcpu->slot->processed;
	/* HV2 acquire: COMPLETE before the value is read. Pairs with PG3. Without it: a stale value. */
	uint64_t both = load_acquire(word);

	if ((uint32_t)both != ACRN_IOREQ_STATE_COMPLETE)
		return false;
	/* HV4 acquire: the notify of this very completion. Pairs with SH1. Without it: it counts for the next request. */
	return !wants_notify(vcpu) || load_acquire(vcpu->notify) == (uint32_t)(both >> 32);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int poll_until(struct ioreq_vcpu *vcpu, bool yield, uint64_t timeout_ns)
{
	uint64_t start_ns = 0;

	for (unsigned polls = 1;; polls++) {
		if (ioreq_vcpu_completed(vcpu))
			return 0;
		if (yield)
			sched_yield();
		else
			cpu_pause();
		if (!timeout_ns || polls % POLLS_PER_CLOCK)
			continue;
		if (!start_ns)
			start_ns = now_ns();
		else if (now_ns() - start_ns >= timeout_ns)
			return -ETIMEDOUT;
	}
}

static int sleep_until(struct ioreq_vcpu *vcpu, uint64_t timeout_ns)
{
	uint64_t end_ns = timeout_ns ? now_ns() + timeout_ns : 0;

	for (;;) {
		/* HV5 acquire: read before the slot is looked at, so a notify after that look ends the sleep. Pairs with SH1. */
		uint32_t seen = load_acquire(vcpu->notify);
		struct timespec left = {0};
		uint64_t now;

		if (ioreq_vcpu_completed(vcpu))
			return 0;
		if (end_ns) {
			now = now_ns();
			if (now >= end_ns)
				return -ETIMEDOUT;
			left.tv_sec = (time_t)((end_ns - now) / 1000000000u);
			left.tv_nsec = (long)((end_ns - now) % 1000000000u);
		}
		syscall(SYS_futex, vcpu->notify, FUTEX_WAIT, seen, end_ns ? &left : NULL, NULL, 0);
	}
}

int ioreq_vcpu_wait(struct ioreq_vcpu *vcpu, enum ioreq_vcpu_how how, uint64_t timeout_ns)
{
	if (how == IOREQ_VCPU_SLEEP && wants_notify(vcpu))
		return sleep_until(vcpu, timeout_ns);
	return poll_until(vcpu, how != IOREQ_VCPU_SPIN, timeout_ns);
}

uint64_t ioreq_vcpu_finish(struct ioreq_vcpu *vcpu)
{
	struct acrn_io_request *slot = vcpu->slot;
	uint64_t value = slot->type == ACRN_IOREQ_TYPE_PORTIO || slot->type == ACRN_IOREQ_TYPE_PCICFG
				 ? load_relaxed(&slot->reqs.pio_request.value)
				 : load_relaxed(&slot->reqs.mmio_request.value);

	ioreq_vcpu_reset(vcpu);
	return value;
}

void ioreq_vcpu_reset(struct ioreq_vcpu *vcpu)
{
	/* HV3 release: the value is read before FREE. Pairs with HV0. Without it: the slot is filled over the value. */
	store_release(&vcpu->slot->processed, ACRN_IOREQ_STATE_FREE);
}
