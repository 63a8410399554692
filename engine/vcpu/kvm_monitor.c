/* SPDX-License-Identifier: MIT */
/*
 * ioreq-kvm: a small hypervisor stand-in. Real guests exercise the engine wherever KVM works.
 *
 *	machine (kvm_machine.c) -> page (shm.h) -> interrupts (kvm_irq.c) -> vCPUs (kvm_vcpu.c) -> wait -> closing line
 *
 * Threads   main: starts, watches the clock and the signals, stops. One per vCPU. One for interrupts.
 * Memory    Everything is on main's stack or behind a handle there, and outlives the threads.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ioreq/shm.h>
#include <ioreq/vcpu.h>

#include "core/atomic.h"
#include "core/error.h"
#include "kvm_irq.h"
#include "kvm_machine.h"
#include "kvm_options.h"
#include "kvm_vcpu.h"

#define TICK_NS 20000000L            /* main's look at idleness, timeout, end */
#define GRACE_NS UINT64_C(500000000) /* what requests in flight get to be completed at the end */

enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_UNBALANCED = 3,
	STATUS_TIMEOUT = 4,
	STATUS_NO_KVM = 77,
	STATUS_SIGNAL = 128,
};

struct monitor {
	struct ioreq_kvm_options options;
	struct ioreq_kvm_machine machine;
	struct ioreq_kvm_guest guest;
	struct ioreq_kvm_vcpu vcpus[IOREQ_MAX_VCPUS];
	struct ioreq_shm *shm;
	unsigned nr_started;
};

struct totals {
	uint64_t nr_posted;
	uint64_t nr_completed;
	uint64_t nr_pio;
	uint64_t nr_mmio;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void complain(const struct ioreq_error *error)
{
	fprintf(stderr, "ioreq-kvm: %s\n", error->text);
}

static struct totals add_up(const struct monitor *monitor)
{
	struct totals totals = {0};

	for (unsigned i = 0; i < monitor->nr_started; i++) {
		const struct ioreq_kvm_vcpu *vcpu = &monitor->vcpus[i];

		totals.nr_posted += load_relaxed(&vcpu->nr_posted);
		totals.nr_completed += load_relaxed(&vcpu->nr_completed);
		totals.nr_pio += load_relaxed(&vcpu->nr_pio);
		totals.nr_mmio += load_relaxed(&vcpu->nr_mmio);
	}
	return totals;
}

static enum ioreq_kvm_end guest_end(struct ioreq_kvm_guest *guest)
{
	enum ioreq_kvm_end end;

	pthread_mutex_lock(&guest->lock);
	end = guest->end;
	pthread_mutex_unlock(&guest->lock);
	return end;
}

/* The status of a guest that ended by itself; -1 while it runs. */
static int ended_status(struct monitor *monitor)
{
	enum ioreq_kvm_end end = guest_end(&monitor->guest);

	if (end == IOREQ_KVM_RUNS)
		return -1;
	if (end == IOREQ_KVM_ENDED)
		return STATUS_OK;
	complain(&monitor->guest.error);
	return STATUS_FAILED;
}

/* A guest that waits for the engine is not idle: it stands still in the middle of an access. */
static bool is_idle(const struct totals *totals, uint64_t *nr_seen, uint64_t *active_ns, uint64_t now,
		    uint64_t limit_ns)
{
	if (totals->nr_posted != *nr_seen || totals->nr_posted != totals->nr_completed) {
		*nr_seen = totals->nr_posted;
		*active_ns = now;
	}
	return limit_ns && now - *active_ns >= limit_ns;
}

static int wait_for_end(struct monitor *monitor, const sigset_t *signals)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};
	const uint64_t start_ns = now_ns();
	uint64_t active_ns = start_ns;
	uint64_t nr_seen = 0;

	for (;;) {
		int number = sigtimedwait(signals, NULL, &tick);
		int status = ended_status(monitor);
		struct totals totals = add_up(monitor);
		uint64_t now = now_ns();

		if (number > 0)
			return STATUS_SIGNAL + number;
		if (status >= 0)
			return status;
		if (is_idle(&totals, &nr_seen, &active_ns, now, monitor->options.until_idle_ns))
			return STATUS_OK;
		if (monitor->options.timeout_ns && now - start_ns >= monitor->options.timeout_ns) {
			fprintf(stderr, "ioreq-kvm: --timeout: the guest has not ended after %.3f s%s\n",
				(double)(now - start_ns) / 1e9,
				totals.nr_posted != totals.nr_completed ? "; it waits for the engine" : "");
			return STATUS_TIMEOUT;
		}
	}
}

static int start_vcpus(struct monitor *monitor, struct ioreq_error *error)
{
	struct ioreq_shm_file *file = ioreq_shm_file(monitor->shm);
	int err;

	for (unsigned i = 0; i < monitor->options.nr_vcpus; i++) {
		struct ioreq_kvm_vcpu *vcpu = &monitor->vcpus[i];

		vcpu->guest = &monitor->guest;
		vcpu->run = monitor->machine.runs[i];
		vcpu->fd = monitor->machine.vcpu_fds[i];
		vcpu->index = i;
		ioreq_vcpu_init(&vcpu->slot, &file->slots, &file->control, i);
		err = ioreq_kvm_vcpu_start(vcpu, error);
		if (err)
			return err;
		monitor->nr_started++;
	}
	return 0;
}

static int close_account(struct monitor *monitor, int status)
{
	struct totals totals = add_up(monitor);

	fprintf(stderr,
		"ioreq-kvm: posted %" PRIu64 " completed %" PRIu64 " (pio %" PRIu64 " mmio %" PRIu64
		") interrupts %" PRIu64 "\n",
		totals.nr_posted, totals.nr_completed, totals.nr_pio, totals.nr_mmio, monitor->guest.irq.nr_injected);
	if (status <= STATUS_SIGNAL && totals.nr_posted != totals.nr_completed)
		return STATUS_UNBALANCED;
	return status;
}

/* The guest's life. The machine exists; the page appears when everything else is ready for it. */
static int run_guest(struct monitor *monitor, const sigset_t *signals)
{
	const struct ioreq_kvm_options *options = &monitor->options;
	struct ioreq_error error = {""};
	int status = STATUS_FAILED;

	if (ioreq_kvm_machine_load(&monitor->machine, options->memory_bytes, options->firmware, &error) ||
	    ioreq_shm_create(options->page, options->nr_vcpus, &monitor->shm, &error)) {
		complain(&error);
		return STATUS_FAILED;
	}
	if (ioreq_kvm_irq_start(&monitor->guest.irq, monitor->shm, monitor->machine.vm_fd, &error)) {
		complain(&error);
		goto out;
	}
	if (start_vcpus(monitor, &error))
		complain(&error);
	else
		status = wait_for_end(monitor, signals);
	ioreq_kvm_vcpu_stop(monitor->vcpus, monitor->nr_started, GRACE_NS);
	ioreq_kvm_irq_stop(&monitor->guest.irq);
	status = close_account(monitor, status);
out:
	ioreq_shm_unlink(monitor->shm);
	ioreq_shm_close(monitor->shm);
	return status;
}

static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	/* Before the first thread: all inherit it, and only sigtimedwait() sees them. */
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static int run_monitor(struct monitor *monitor)
{
	struct ioreq_error error = {""};
	sigset_t signals;
	int status;

	monitor->guest.completion = monitor->options.completion;
	monitor->guest.yield = monitor->options.yield;
	monitor->guest.until_output = monitor->options.until_output;
	pthread_mutex_init(&monitor->guest.lock, NULL);
	block_signals(&signals);
	ioreq_kvm_vcpu_prepare();
	if (ioreq_kvm_machine_create(&monitor->machine, monitor->options.nr_vcpus, &error)) {
		complain(&error);
		status = monitor->options.check ? STATUS_NO_KVM : STATUS_FAILED;
	} else if (monitor->options.check) {
		printf("ioreq-kvm: KVM works here: a VM with %u vCPU%s was created\n", monitor->options.nr_vcpus,
		       monitor->options.nr_vcpus == 1 ? "" : "s");
		status = STATUS_OK;
	} else {
		status = run_guest(monitor, &signals);
	}
	ioreq_kvm_machine_destroy(&monitor->machine);
	pthread_mutex_destroy(&monitor->guest.lock);
	return status;
}

int main(int argc, char **argv)
{
	static struct monitor monitor;
	struct ioreq_error error = {""};

	if (ioreq_kvm_options_parse(argc, argv, &monitor.options, &error)) {
		complain(&error);
		return STATUS_USAGE;
	}
	if (monitor.options.help) {
		fputs(ioreq_kvm_options_usage(), stdout);
		return STATUS_OK;
	}
	if (monitor.options.version) {
		puts("ioreq-kvm " IOREQ_VERSION);
		return STATUS_OK;
	}
	return run_monitor(&monitor);
}
