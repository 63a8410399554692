/* SPDX-License-Identifier: MIT */
/*
 * The machine that KVM makes for us: VM, interrupt controllers, timer, vCPUs, memory, firmware.
 *
 * Map       0                      RAM; the last 128 KiB of the firmware are copied below 1 MiB
 *           0xfeffc000..0xfeffffff KVM's own pages (real mode on processors without it)
 *           4 GiB - firmware       the firmware, read-only; the guest starts in its last 16 bytes
 *           KVM emulates the local APICs, the I/O APIC, both PICs and the PIT in the kernel. All else is an exit.
 *
 * Threads   Create, load and destroy: one thread. The descriptors may be used by any thread meanwhile.
 * Memory    The caller's structure; what it holds goes with ioreq_kvm_machine_destroy().
 */
#ifndef IOREQ_KVM_MACHINE_H
#define IOREQ_KVM_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>

#include <ioreq/abi.h>
#include <ioreq/error.h>

struct ioreq_kvm_machine {
	int kvm_fd;
	int vm_fd;
	unsigned nr_vcpus;
	int vcpu_fds[IOREQ_MAX_VCPUS];
	struct kvm_run *runs[IOREQ_MAX_VCPUS];
	size_t run_bytes;
	void *memory;
	size_t memory_bytes;
	void *firmware;
	size_t firmware_bytes;
};

/*
 * Opens /dev/kvm and creates everything but memory: after it a VM is known to work here. Returns 0 or -errno with a
 * sentence that names the step, the cause and the remedy; the structure may be destroyed either way.
 */
int ioreq_kvm_machine_create(struct ioreq_kvm_machine *machine, unsigned nr_vcpus, struct ioreq_error *error);

/* Gives the machine its memory and its firmware. Errors as above. */
int ioreq_kvm_machine_load(struct ioreq_kvm_machine *machine, uint64_t memory_bytes, const char *firmware,
			   struct ioreq_error *error);

/* After the vCPU threads have ended. */
void ioreq_kvm_machine_destroy(struct ioreq_kvm_machine *machine);

#endif
