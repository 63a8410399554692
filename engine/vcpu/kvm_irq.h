/* SPDX-License-Identifier: MIT */
/*
 * Interrupts on their way from the page to KVM's interrupt controllers.
 *
 * Two ways, one function: the interrupt thread sleeps on the page's futex for what comes by itself (a character
 * arrived), and each vCPU thread looks after each of its accesses, before the guest goes on: a line that the access
 * lowered is low before the guest's next instruction, as it is with a hypervisor that is called by the device.
 *
 * Threads   ioreq_kvm_irq_apply(): any, at once. The rest: the thread that starts and stops the monitor.
 * Memory    The caller's structure; page and VM outlive it.
 */
#ifndef IOREQ_KVM_IRQ_H
#define IOREQ_KVM_IRQ_H

#include <pthread.h>
#include <stdint.h>

#include <ioreq/error.h>
#include <ioreq/shm.h>

struct ioreq_kvm_irq {
	struct ioreq_shm *shm;
	const uint32_t *event; /* the page's irq_event */
	int vm_fd;
	pthread_mutex_t lock;   /* over what follows: one consumer of lines and MSIs at a time */
	uint32_t applied_event; /* stored under the lock, loaded without */
	uint64_t applied_lines;
	uint64_t nr_injected; /* lines raised and MSIs sent; read after the threads have ended */
	uint64_t warned_lines;
	uint32_t stop;
	pthread_t thread;
};

/* Starts the interrupt thread. Returns 0 or -errno with a sentence. */
int ioreq_kvm_irq_start(struct ioreq_kvm_irq *irq, struct ioreq_shm *shm, int vm_fd, struct ioreq_error *error);

/* Gives KVM what the page says, if that has changed. A load and a compare if not. */
void ioreq_kvm_irq_apply(struct ioreq_kvm_irq *irq);

/* Ends the interrupt thread and waits for it: a tenth of a second at most. */
void ioreq_kvm_irq_stop(struct ioreq_kvm_irq *irq);

#endif
