/* SPDX-License-Identifier: MIT */
/*
 * One vCPU: enter the guest, turn its exit into requests, wait for the engine, enter again.
 *
 * The monitor answers nothing by itself: an exit without an engine is a guest that stands still.
 *
 * Threads   One per vCPU. See kvm_vcpu.h.
 */
#include "kvm_vcpu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "core/atomic.h"
#include "core/error.h"

#define CONSOLE_PORT 0x402u
#define KICK_SIGNAL SIGUSR1
#define SLICE_NS UINT64_C(20000000) /* how long a waiting vCPU does not look at `abandon` */
#define LOOK_NS 1000000             /* between two looks whether all have finished */

static void end_guest(struct ioreq_kvm_guest *guest, enum ioreq_kvm_end end, const struct ioreq_error *error)
{
	pthread_mutex_lock(&guest->lock);
	if (guest->end == IOREQ_KVM_RUNS) {
		guest->end = end;
		if (error)
			guest->error = *error;
	}
	pthread_mutex_unlock(&guest->lock);
	store_relaxed(&guest->stop, 1);
}

static bool wants_polling(struct ioreq_kvm_vcpu *vcpu)
{
	if (vcpu->guest->completion != IOREQ_KVM_MIXED)
		return vcpu->guest->completion == IOREQ_KVM_POLLING;
	vcpu->notify_next = !vcpu->notify_next;
	return vcpu->notify_next;
}

/* One request, from PENDING to FREE. `access->value` receives a read's answer. 0, or -ECANCELED: abandoned. */
static int exchange(struct ioreq_kvm_vcpu *vcpu, struct ioreq_access *access)
{
	struct ioreq_kvm_guest *guest = vcpu->guest;
	enum ioreq_vcpu_how how = guest->yield ? IOREQ_VCPU_YIELD : IOREQ_VCPU_SPIN;
	uint64_t value;
	int err;

	access->completion_polling = wants_polling(vcpu);
	if (!access->completion_polling)
		how = IOREQ_VCPU_SLEEP;
	err = ioreq_vcpu_post(&vcpu->slot, access);
	if (err)
		return err;
	count_one(&vcpu->nr_posted);
	count_one(access->space == IOREQ_PIO ? &vcpu->nr_pio : &vcpu->nr_mmio);
	while (ioreq_vcpu_wait(&vcpu->slot, how, SLICE_NS))
		if (load_relaxed(&guest->abandon))
			return -ECANCELED;
	value = ioreq_vcpu_finish(&vcpu->slot);
	count_one(&vcpu->nr_completed);
	if (access->direction == IOREQ_READ)
		access->value = value;
	ioreq_kvm_irq_apply(&guest->irq);
	return 0;
}

/* Looks over the guest's shoulder, after the engine has completed the write: the byte is the engine's, not ours. */
static void watch_output(struct ioreq_kvm_guest *guest, const struct ioreq_access *access)
{
	size_t length;
	bool found;

	if (!guest->until_output || access->space != IOREQ_PIO || access->address != CONSOLE_PORT ||
	    access->direction != IOREQ_WRITE || access->size != 1)
		return;
	length = strlen(guest->until_output);
	pthread_mutex_lock(&guest->lock);
	memmove(guest->output, guest->output + 1, length - 1);
	guest->output[length - 1] = (char)access->value;
	found = !memcmp(guest->output, guest->until_output, length);
	pthread_mutex_unlock(&guest->lock);
	if (found)
		end_guest(guest, IOREQ_KVM_ENDED, NULL);
}

/* A piece of at most 8 bytes between KVM's buffer, which is little endian and need not be aligned, and a request. */
static int exchange_bytes(struct ioreq_kvm_vcpu *vcpu, struct ioreq_access *access, uint8_t *bytes)
{
	int err;

	access->value = 0;
	if (access->direction == IOREQ_WRITE)
		memcpy(&access->value, bytes, access->size);
	err = exchange(vcpu, access);
	if (!err && access->direction == IOREQ_READ)
		memcpy(bytes, &access->value, access->size);
	if (!err)
		watch_output(vcpu->guest, access);
	return err;
}

/* String I/O comes as `count` elements in one exit: each is a request of its own. */
static int port_exit(struct ioreq_kvm_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *bytes = (uint8_t *)vcpu->run + run->io.data_offset;
	int err = 0;

	for (uint32_t i = 0; i < run->io.count && !err; i++, bytes += run->io.size) {
		struct ioreq_access access = {
			.address = run->io.port,
			.space = IOREQ_PIO,
			.direction = run->io.direction == KVM_EXIT_IO_OUT ? IOREQ_WRITE : IOREQ_READ,
			.size = run->io.size,
			.vcpu = (uint8_t)vcpu->index,
		};

		err = exchange_bytes(vcpu, &access, bytes);
	}
	return err;
}

/*
 * KVM cuts an access that crosses a page into two exits, of any length from 1 to 7: such a piece becomes requests of
 * 4, 2 and 1 bytes, the sizes that a request can have.
 */
static int mmio_exit(struct ioreq_kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t done = 0;
	int err = 0;

	while (done < run->mmio.len && !err) {
		uint32_t left = run->mmio.len - done;
		uint8_t size = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
		struct ioreq_access access = {
			.address = run->mmio.phys_addr + done,
			.space = IOREQ_MMIO,
			.direction = run->mmio.is_write ? IOREQ_WRITE : IOREQ_READ,
			.size = size,
			.vcpu = (uint8_t)vcpu->index,
		};

		err = exchange_bytes(vcpu, &access, run->mmio.data + done);
		done += size;
	}
	return err;
}

static int describe_exit(const struct ioreq_kvm_vcpu *vcpu, struct ioreq_error *error)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = {0};

	/* Best effort: a sentence without the place is better than none. */
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		regs.rip = 0;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return ioreq_error_set(
			error, EIO,
			"vCPU %u: KVM internal error %u at rip 0x%llx; this guest needs a KVM with hardware "
			"support",
			vcpu->index, run->internal.suberror, regs.rip);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		return ioreq_error_set(error, EIO,
				       "vCPU %u: KVM cannot enter the guest (reason 0x%llx) at rip 0x%llx; "
				       "use another --firmware",
				       vcpu->index, run->fail_entry.hardware_entry_failure_reason, regs.rip);
	return ioreq_error_set(error, EIO, "vCPU %u: unknown KVM exit %u at rip 0x%llx; use another --firmware",
			       vcpu->index, run->exit_reason, regs.rip);
}

static int handle_exit(struct ioreq_kvm_vcpu *vcpu, struct ioreq_error *error)
{
	int err;

	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO: err = port_exit(vcpu); break;
	case KVM_EXIT_MMIO: err = mmio_exit(vcpu); break;
	case KVM_EXIT_INTR: return 0;
	case KVM_EXIT_SHUTDOWN: end_guest(vcpu->guest, IOREQ_KVM_ENDED, NULL); return -ECANCELED;
	default: return describe_exit(vcpu, error);
	}
	if (err && err != -ECANCELED)
		return ioreq_error_set(error, -err, "vCPU %u: its slot is not free; somebody else writes to the page",
				       vcpu->index);
	return err;
}

static int enter_guest(const struct ioreq_kvm_vcpu *vcpu, struct ioreq_error *error)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0))
		return 0;
	/* EAGAIN: the vCPU got its INIT or SIPI; EINTR: our own kick, or a debugger. */
	if (errno == EINTR || errno == EAGAIN)
		return -EAGAIN;
	return ioreq_error_set(error, errno, "vCPU %u: KVM_RUN: %s; see the kernel's log", vcpu->index,
			       strerror(errno));
}

static void *run_vcpu(void *argument)
{
	struct ioreq_kvm_vcpu *vcpu = argument;
	struct ioreq_error error = {""};
	int err;

	while (!load_relaxed(&vcpu->guest->stop)) {
		err = enter_guest(vcpu, &error);
		if (!err)
			err = handle_exit(vcpu, &error);
		if (!err || err == -EAGAIN)
			continue;
		if (err != -ECANCELED)
			end_guest(vcpu->guest, IOREQ_KVM_FAILED, &error);
		break;
	}
	store_relaxed(&vcpu->finished, 1);
	return NULL;
}

static void on_kick(int number)
{
	(void)number;
}

void ioreq_kvm_vcpu_prepare(void)
{
	/* No SA_RESTART: the signal is there to interrupt. */
	struct sigaction action = {.sa_handler = on_kick};

	sigemptyset(&action.sa_mask);
	sigaction(KICK_SIGNAL, &action, NULL);
}

int ioreq_kvm_vcpu_start(struct ioreq_kvm_vcpu *vcpu, struct ioreq_error *error)
{
	int err = pthread_create(&vcpu->thread, NULL, run_vcpu, vcpu);

	if (err)
		return ioreq_error_set(error, err, "thread of vCPU %u: %s; raise the limit of threads", vcpu->index,
				       strerror(err));
	return 0;
}

/* immediate_exit covers the moment between the look at `stop` and KVM_RUN, the signal covers the guest itself. */
static void kick(struct ioreq_kvm_vcpu *vcpu)
{
	store_relaxed(&vcpu->run->immediate_exit, 1);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

static bool all_finished(const struct ioreq_kvm_vcpu *vcpus, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (!load_relaxed(&vcpus[i].finished))
			return false;
	return true;
}

void ioreq_kvm_vcpu_stop(struct ioreq_kvm_vcpu *vcpus, unsigned nr, uint64_t grace_ns)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};

	if (!nr)
		return;
	store_relaxed(&vcpus[0].guest->stop, 1);
	for (unsigned i = 0; i < nr; i++)
		kick(&vcpus[i]);
	for (uint64_t waited_ns = 0; waited_ns < grace_ns && !all_finished(vcpus, nr); waited_ns += LOOK_NS)
		nanosleep(&look, NULL);
	store_relaxed(&vcpus[0].guest->abandon, 1);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(vcpus[i].thread, NULL);
}
