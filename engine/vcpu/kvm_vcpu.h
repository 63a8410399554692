/* SPDX-License-Identifier: MIT */
/*
 * One vCPU: a thread in KVM_RUN, whose every exit becomes requests in the vCPU's slot.
 *
 * Threads   start and stop: the monitor's main thread. Counters: written by the vCPU's thread, loaded by any.
 * Memory    The caller's structures; page, machine and interrupts outlive them.
 */
#ifndef IOREQ_KVM_VCPU_H
#define IOREQ_KVM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/kvm.h>

#include <ioreq/error.h>
#include <ioreq/vcpu.h>

#include "kvm_irq.h"
#include "kvm_options.h"

/* How the guest's life ended, if it did. The first vCPU that knows says it. */
enum ioreq_kvm_end {
	IOREQ_KVM_RUNS,
	IOREQ_KVM_ENDED,  /* a triple fault, or what --until-output waits for */
	IOREQ_KVM_FAILED, /* `error` says why */
};

/* What all vCPUs of the guest share. */
struct ioreq_kvm_guest {
	enum ioreq_kvm_completion completion;
	bool yield;
	const char *until_output; /* NULL: none */
	uint32_t stop;            /* vCPUs do not enter the guest again */
	uint32_t abandon;         /* and do not wait for the engine any longer */
	struct ioreq_kvm_irq irq;
	pthread_mutex_t lock; /* over what follows */
	enum ioreq_kvm_end end;
	struct ioreq_error error;
	char output[IOREQ_KVM_OUTPUT_BYTES]; /* the console's last bytes, as many as until_output has */
};

struct ioreq_kvm_vcpu {
	struct ioreq_kvm_guest *guest;
	struct ioreq_vcpu slot;
	struct kvm_run *run;
	int fd;
	unsigned index;
	bool notify_next; /* mixed completion */
	uint64_t nr_posted;
	uint64_t nr_completed;
	uint64_t nr_pio;
	uint64_t nr_mmio;
	uint32_t finished; /* the thread has nothing left to do */
	pthread_t thread;
};

/* Installs the handler of the signal that takes a vCPU out of KVM_RUN. Before the first start. */
void ioreq_kvm_vcpu_prepare(void);

/* Starts the thread. The caller has set all but the counters and the thread. Returns 0 or -errno with a sentence. */
int ioreq_kvm_vcpu_start(struct ioreq_kvm_vcpu *vcpu, struct ioreq_error *error);

/*
 * Stops and joins `nr` vCPUs, wherever they are. Requests in flight get `grace_ns` to be completed; then they are left
 * in the page as they are.
 */
void ioreq_kvm_vcpu_stop(struct ioreq_kvm_vcpu *vcpus, unsigned nr, uint64_t grace_ns);

#endif
