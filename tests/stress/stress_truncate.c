/* SPDX-License-Identifier: MIT */
/*
 * A page file that loses its pages under load: that VM is lost and reported, detaches and is served again from a new
 * file; another VM of the same poller notices nothing.
 *
 * Cuts      To nothing; to the slots without their control page; to nothing and back to full size, at once, which
 *           leaves zeroed slots that read as requests and raises no SIGBUS, or after the poller has met the SIGBUS.
 * Idle slot The last vCPU never posts: but for the zeroed slots of a file regrown at once, its slot stays FREE.
 *
 * Threads   Two vCPUs of the doomed VM (per round), two of the other; the main thread cuts; the poller, the clients'.
 * Memory    Page files in a folder of their own, in /dev/shm if there is one. Both sides' mappings are in this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define NR_VCPUS 2
#define NR_SLOTS (NR_VCPUS + 1)
#define NR_CLIENTS 4
#define NR_SOUND_CLIENTS 2
#define MS UINT64_C(1000000)
#define PATH_BYTES 128

enum cut { CUT_ALL, CUT_CONTROL, REGROWN_AT_ONCE, REGROWN_LATER, NR_CUTS };

/* A page file, both sides of it. */
struct file {
	char path[PATH_BYTES];
	struct ioreq_shm *producer;
	struct ioreq_shm *engine;
	struct rig_page view;
};

static struct rig rig;
static char folder[PATH_BYTES / 2];
static struct file doomed_file, sound_file;
static struct rig_vm doomed = {.name = "doomed",
			       .nr_vcpus = NR_SLOTS,
			       .nr_windows = NR_CLIENTS,
			       .notify_percent = 40,
			       .strict_states = true,
			       .late = true,
			       .clear_timeout_ns = 20 * MS,
			       .apart = true,
			       .page = &doomed_file.view};
static struct rig_vm sound = {.name = "sound",
			      .nr_vcpus = NR_SLOTS,
			      .nr_windows = NR_SOUND_CLIENTS + 1,
			      .notify_percent = 40,
			      .apart = true,
			      .page = &sound_file.view};
static struct rig_device devices[NR_CLIENTS] = {
	{.name = "inline", .windows = 1 << 0},
	{.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << 1},
	{.name = "deferring",
	 .kind = RIG_DEFERS,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_YIELD,
	 .windows = 1 << 2},
	{.name = "default", .is_default = true},
};
static struct rig_device sound_devices[NR_SOUND_CLIENTS + 1] = {
	{.name = "inline", .windows = 1 << 0},
	{.name = "yielding", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_YIELD, .windows = 1 << 1},
	{.name = "default", .is_default = true},
};
static struct rig_vcpu vcpus[NR_VCPUS], sound_vcpus[NR_VCPUS];

static uint32_t cutting; /* set before the file is cut: from here on the doomed page may say anything */
static uint32_t lost;    /* the doomed vCPUs end */
static uint32_t stopping;
static uint64_t nr_doomed, nr_sound;

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

static bool wait_unless_lost(const struct rig_vcpu *vcpu)
{
	while (!ioreq_vcpu_completed(&vcpu->side)) {
		if (load_acquire(&lost))
			return false;
		sched_yield();
	}
	return true;
}

static void *run_doomed(void *argument)
{
	struct rig_vcpu *vcpu = argument;
	uint64_t value;
	int status;

	while (!load_acquire(&lost)) {
		rig_vcpu_prepare(vcpu);
		status = ioreq_vcpu_post(&vcpu->side, &vcpu->access);
		if (!status && !wait_unless_lost(vcpu))
			break;
		value = status ? 0 : ioreq_vcpu_finish(&vcpu->side);
		/* A cut page has no truth in it; but this side sees it before it reads what the cut has changed. */
		if (load_acquire(&cutting))
			continue;
		RIG_CHECK(!status, "vCPU %u: %s", vcpu->index, strerror(-status));
		rig_vcpu_check(vcpu, value, &devices[vcpu->window]);
		add_relaxed(&nr_doomed, 1);
	}
	return NULL;
}

static void *run_sound(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	while (!load_relaxed(&stopping)) {
		rig_vcpu_post(vcpu);
		rig_vcpu_wait(vcpu);
		rig_vcpu_check(vcpu, rig_vcpu_finish(vcpu), &sound_devices[vcpu->window]);
		add_relaxed(&nr_sound, 1);
	}
	return NULL;
}

/* Waits until a counter has grown by `more`. */
static void wait_for(const uint64_t *counter, uint64_t more, const char *what)
{
	uint64_t start = load_relaxed(counter), end_ns = rig_now_ns() + RIG_PATIENCE_NS;

	while (load_relaxed(counter) < start + more) {
		RIG_CHECK(rig_now_ns() < end_ns, "%s is not served", what);
		rig_sleep_ns(50000);
	}
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static void make_folder(void)
{
	strcpy(folder, "/dev/shm/ioreq-truncate-XXXXXX");
	if (mkdtemp(folder))
		return;
	strcpy(folder, "/tmp/ioreq-truncate-XXXXXX");
	RIG_CHECK(mkdtemp(folder), "no folder for page files: %s", strerror(errno));
}

static void open_file(struct file *file, const char *name)
{
	struct ioreq_error error = {.text = ""};

	snprintf(file->path, sizeof(file->path), "%s/%s", folder, name);
	RIG_CHECK(!ioreq_shm_create(file->path, NR_SLOTS, &file->producer, &error), "%s", error.text);
	RIG_CHECK(!ioreq_shm_open(file->path, NR_SLOTS, &file->engine, &error), "%s", error.text);
	file->view.file = ioreq_shm_file(file->producer);
	file->view.served = file->view.file;
}

static void attach_file(struct rig_vm *vm, struct file *file)
{
	struct ioreq_page source = ioreq_shm_page(file->engine);
	struct ioreq_error error = {.text = ""};

	RIG_CHECK(!ioreq_vm_attach(vm->vm, &source, &error), "%s", error.text);
}

static void close_file(struct file *file)
{
	unlink(file->path);
	ioreq_shm_close(file->engine);
	ioreq_shm_close(file->producer);
}

static void wait_for_sweeps(uint64_t more)
{
	uint64_t start = ioreq_poller_sweeps(rig.poller), end_ns = rig_now_ns() + RIG_PATIENCE_NS;

	while (ioreq_poller_sweeps(rig.poller) < start + more) {
		RIG_CHECK(rig_now_ns() < end_ns, "the poller does not sweep");
		rig_sleep_ns(20000);
	}
}

static void cut_file(const struct file *file, enum cut cut)
{
	int fd = open(file->path, O_RDWR | O_CLOEXEC);

	RIG_CHECK(fd >= 0, "%s: %s", file->path, strerror(errno));
	RIG_CHECK(!ftruncate(fd, cut == CUT_CONTROL ? IOREQ_PAGE_BYTES : 0), "ftruncate: %s", strerror(errno));
	if (cut == REGROWN_LATER)
		wait_for_sweeps(3);
	if (cut == REGROWN_AT_ONCE || cut == REGROWN_LATER)
		RIG_CHECK(!ftruncate(fd, IOREQ_SHM_FILE_BYTES), "ftruncate: %s", strerror(errno));
	close(fd);
}

static void check_reported(const struct file *file, enum cut cut)
{
	enum ioreq_shm_state state = ioreq_shm_watch(file->engine);

	RIG_CHECK(state == IOREQ_SHM_TRUNCATED || (cut == REGROWN_AT_ONCE && state == IOREQ_SHM_SAME),
		  "cut %d is reported as state %d", cut, state);
}

/* What the engine has instead of the lost pages must not read as requests. */
static void check_idle_slot(const struct file *file, enum cut cut)
{
	uint32_t state = load_relaxed(&ioreq_shm_file(file->engine)->slots.req_slot[NR_VCPUS].processed);

	RIG_CHECK(state == ACRN_IOREQ_STATE_FREE || cut == REGROWN_AT_ONCE, "cut %d: the idle slot's state is %u", cut,
		  state);
}

/* ---- rounds ------------------------------------------------------------------------------------------------ */

static void start_doomed(void)
{
	open_file(&doomed_file, "doomed");
	store_release(&cutting, 0);
	store_release(&lost, 0);
	attach_file(&doomed, &doomed_file);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		struct rig_vcpu *vcpu = &vcpus[v];

		/* The sequence goes on from round to round: no two requests are the same. */
		ioreq_vcpu_init(&vcpu->side, &doomed_file.view.file->slots, &doomed_file.view.file->control, v);
		rig_thread(&vcpu->thread, run_doomed, vcpu);
	}
}

static void run_round(uint64_t dice)
{
	enum cut cut = (enum cut)(dice % NR_CUTS);

	start_doomed();
	wait_for(&nr_doomed, 20 + dice / 4 % 200, "the doomed VM");
	store_release(&cutting, 1);
	cut_file(&doomed_file, cut);
	wait_for(&nr_sound, 20, "the sound VM");
	check_reported(&doomed_file, cut);
	rig_vm_detach(&doomed);
	check_idle_slot(&doomed_file, cut);
	store_release(&lost, 1);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		pthread_join(vcpus[v].thread, NULL);
	close_file(&doomed_file);
	wait_for(&nr_sound, 20, "the sound VM");
	RIG_CHECK(ioreq_shm_watch(sound_file.engine) == IOREQ_SHM_SAME, "the sound VM's file is not what it was");
}

static void start(void)
{
	RIG_CHECK(!ioreq_shm_guard(), "no SIGBUS guard: %s", strerror(errno));
	make_folder();
	rig_create(&rig, IOREQ_IDLE_YIELD, -1);
	rig_vm_create(&doomed, &rig);
	rig_vm_create(&sound, &rig);
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		devices[c].vm = &doomed;
		rig_device_add(&devices[c]);
	}
	for (unsigned c = 0; c < NR_SOUND_CLIENTS + 1; c++) {
		sound_devices[c].vm = &sound;
		rig_device_add(&sound_devices[c]);
	}
	open_file(&sound_file, "sound");
	attach_file(&sound, &sound_file);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_init(&vcpus[v], &doomed, v, IOREQ_VCPU_YIELD);
		rig_vcpu_init(&sound_vcpus[v], &sound, v, v ? IOREQ_VCPU_YIELD : IOREQ_VCPU_SLEEP);
		rig_thread(&sound_vcpus[v].thread, run_sound, &sound_vcpus[v]);
	}
}

static void finish(unsigned rounds)
{
	uint64_t requests = 0;

	store_relaxed(&stopping, 1);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		pthread_join(sound_vcpus[v].thread, NULL);
		requests += sound_vcpus[v].sequence;
	}
	rig_vm_detach(&sound);
	rig_check_account(&sound, requests, 0);
	RIG_CHECK(rig_completed(&doomed) == rig_vm_stats(&doomed)->posted,
		  "the doomed VM: %lu requests seen, %lu completed", rig_vm_stats(&doomed)->posted,
		  rig_completed(&doomed));
	for (unsigned r = 0; r < IOREQ_NR_REASONS; r++)
		RIG_CHECK(!rig_vm_stats(&sound)->reasons[r], "%lu requests of the sound VM answered by the engine: %s",
			  rig_vm_stats(&sound)->reasons[r], ioreq_reason_name(r));
	printf("%u files cut, %lu requests answered before it, %lu of the sound VM\n", rounds, nr_doomed, requests);
	rig_destroy(&rig);
	close_file(&sound_file);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	unsigned rounds = (rig_is_full(argc, argv) ? 6000 : 240) / (RIG_SLOWNESS > 8 ? 8 : RIG_SLOWNESS);

	start();
	for (unsigned round = 0; round < rounds; round++)
		run_round(rig_mix(round));
	finish(rounds);
	return 0;
}
