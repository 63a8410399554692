/* SPDX-License-Identifier: MIT */
/*
 * Interrupts on their way from the page to KVM's interrupt controllers. See kvm_irq.h.
 *
 * Threads   The interrupt thread and every vCPU thread, one at a time behind the lock.
 */
#include "kvm_irq.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "core/atomic.h"
#include "core/error.h"

#define SLICE_NS UINT64_C(50000000) /* how long the thread does not look at `stop` */
#define NR_GSIS 24u                 /* pins of KVM's I/O APIC; the first 16 are the PICs' too */

static void set_line(struct ioreq_kvm_irq *irq, unsigned line, bool level)
{
	struct kvm_irq_level request = {.irq = line, .level = level};

	if (line < NR_GSIS && !ioctl(irq->vm_fd, KVM_IRQ_LINE, &request)) {
		irq->nr_injected += level;
		return;
	}
	if (irq->warned_lines >> line & 1)
		return;
	irq->warned_lines |= UINT64_C(1) << line;
	fprintf(stderr, "ioreq-kvm: interrupt line %u: not wired; allowed: 0..%u\n", line, NR_GSIS - 1);
}

static void apply_lines(struct ioreq_kvm_irq *irq)
{
	uint64_t lines = ioreq_shm_lines(irq->shm);
	uint64_t changed = lines ^ irq->applied_lines;

	for (; changed; changed &= changed - 1) {
		unsigned line = (unsigned)__builtin_ctzll(changed);

		set_line(irq, line, lines >> line & 1);
	}
	irq->applied_lines = lines;
}

static void apply_msis(struct ioreq_kvm_irq *irq)
{
	uint64_t address;
	uint32_t data;

	while (ioreq_shm_msi_take(irq->shm, &address, &data)) {
		struct kvm_msi msi = {
			.address_lo = (uint32_t)address,
			.address_hi = (uint32_t)(address >> 32),
			.data = data,
		};

		if (ioctl(irq->vm_fd, KVM_SIGNAL_MSI, &msi) >= 0)
			irq->nr_injected++;
		else
			fprintf(stderr, "ioreq-kvm: MSI address 0x%llx data 0x%x: %s\n", (unsigned long long)address,
				data, strerror(errno));
	}
}

void ioreq_kvm_irq_apply(struct ioreq_kvm_irq *irq)
{
	/* KV1 acquire: lines and MSIs up to this event. Pairs with SH2. Without it: a change is taken as applied. */
	uint32_t event = load_acquire(irq->event);

	/* KV2 acquire: another thread's calls into KVM are over. Pairs with KV3. Without it: the guest runs ahead. */
	if (event == load_acquire(&irq->applied_event))
		return;
	pthread_mutex_lock(&irq->lock);
	/* KV1 acquire: once more, the thread before us may have applied a newer one. Pairs with SH2. */
	event = load_acquire(irq->event);
	apply_lines(irq);
	apply_msis(irq);
	/* KV3 release: after the calls into KVM. Pairs with KV2. */
	store_release(&irq->applied_event, event);
	pthread_mutex_unlock(&irq->lock);
}

static void *run(void *argument)
{
	struct ioreq_kvm_irq *irq = argument;
	uint32_t seen = 0;

	while (!load_relaxed(&irq->stop)) {
		seen = ioreq_shm_irq_wait(irq->shm, seen, SLICE_NS);
		ioreq_kvm_irq_apply(irq);
	}
	return NULL;
}

int ioreq_kvm_irq_start(struct ioreq_kvm_irq *irq, struct ioreq_shm *shm, int vm_fd, struct ioreq_error *error)
{
	int err;

	memset(irq, 0, sizeof(*irq));
	irq->shm = shm;
	irq->event = &ioreq_shm_file(shm)->control.irq_event.word;
	irq->vm_fd = vm_fd;
	pthread_mutex_init(&irq->lock, NULL);
	err = pthread_create(&irq->thread, NULL, run, irq);
	if (err)
		return ioreq_error_set(error, err, "interrupt thread: %s; raise the limit of threads", strerror(err));
	return 0;
}

void ioreq_kvm_irq_stop(struct ioreq_kvm_irq *irq)
{
	store_relaxed(&irq->stop, 1);
	pthread_join(irq->thread, NULL);
	pthread_mutex_destroy(&irq->lock);
}
