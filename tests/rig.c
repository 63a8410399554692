/* SPDX-License-Identifier: MIT */
/*
 * The stress tests' engine, page, devices and vCPUs.
 *
 * Threads   As rig.h says. Counters shared between threads are relaxed; `seen` of a device is plain on purpose.
 * Memory    Pages: memfd mappings.
 */
#include "rig.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CLEAR_TIMEOUT_NS UINT64_C(60000000000)

/* ---- failing, time, chance --------------------------------------------------------------------------------- */

void rig_fail(const char *file, int line, const char *format, ...)
{
	static uint32_t failed;
	va_list arguments;

	/* One message, one exit: the other threads fail too, from what the first one did to them. */
	if (exchange_full(&failed, 1))
		for (;;)
			pause();
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(1);
}

void rig_skip(const char *reason)
{
	printf("skipped: %s\n", reason);
	exit(77);
}

bool rig_is_full(int argc, char **argv)
{
	bool full = argc == 2 && strcmp(argv[1], "--full") == 0;

	if (argc > 1 && !full) {
		fprintf(stderr, "%s: '%s'; allowed: --full\n", argv[0], argv[1]);
		exit(2);
	}
	return full;
}

uint64_t rig_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void rig_sleep_ns(uint64_t ns)
{
	struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	nanosleep(&time, NULL);
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
uint64_t rig_mix(uint64_t number)
{
	number += UINT64_C(0x9e3779b97f4a7c15);
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

void rig_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
	int status = pthread_create(thread, NULL, run, argument);

	RIG_CHECK(!status, "no thread: %s", strerror(status));
}

bool rig_pin(int core)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)core, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) == 0;
}

unsigned rig_nr_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);
}

/* ---- engine ------------------------------------------------------------------------------------------------ */

void rig_prepare(struct rig *rig, enum ioreq_idle idle, int core)
{
	struct ioreq_poller_config poller = {.name = "p0", .core = core, .idle = idle};
	struct ioreq_engine_config config = {.stats = NULL};
	struct ioreq_error error = {.text = ""};
	int status;

	rig->stats = mmap(NULL, IOREQ_STATS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	RIG_CHECK(rig->stats != MAP_FAILED, "no memory for stats");
	config.stats = rig->stats;
	status = ioreq_engine_create(&config, &rig->engine);
	RIG_CHECK(!status, "engine: %s", strerror(-status));
	status = ioreq_poller_create(rig->engine, &poller, &rig->poller, &error);
	RIG_CHECK(!status, "%s", error.text);
}

void rig_create(struct rig *rig, enum ioreq_idle idle, int core)
{
	int status;

	rig_prepare(rig, idle, core);
	status = ioreq_poller_start(rig->poller);
	RIG_CHECK(!status, "poller: %s", strerror(-status));
}

/* -EBUSY is also what a starved poller looks like: only one that lasts is a failure. */
static bool again(int status, uint64_t start_ns)
{
	return status == -EBUSY && rig_now_ns() - start_ns < RIG_PATIENCE_NS;
}

void rig_destroy(struct rig *rig)
{
	struct ioreq_error error = {.text = ""};
	uint64_t start_ns = rig_now_ns();
	int status;

	do {
		status = ioreq_engine_destroy(rig->engine, &error);
	} while (again(status, start_ns));
	RIG_CHECK(!status, "%s", error.text);
	munmap(rig->stats, IOREQ_STATS_BYTES);
}

/* ---- page -------------------------------------------------------------------------------------------------- */

static int on_notify(void *context, unsigned vcpu, uint32_t sequence)
{
	struct rig_page *page = context;
	const struct acrn_io_request *slot = &page->file->slots.req_slot[vcpu];
	uint32_t *word = &page->file->control.notify[vcpu].word;
	bool again = load_relaxed(&page->notified[vcpu]) == sequence;
	uint64_t found = rig_page_word(page, vcpu);

	if (again && page->repeats_allowed)
		return 0;
	RIG_CHECK(!again, "vCPU %u: request %u notified twice", vcpu, sequence);
	RIG_CHECK((uint32_t)found == ACRN_IOREQ_STATE_COMPLETE && found >> 32 == sequence,
		  "vCPU %u: notify of request %u finds state %u, request %u", vcpu, sequence, (uint32_t)found,
		  (uint32_t)(found >> 32));
	RIG_CHECK(!load_relaxed(&slot->completion_polling), "vCPU %u: request %u notified, but it polls", vcpu,
		  sequence);
	add_relaxed(&page->nr_stalled, 1);
	while (load_relaxed(&page->stall))
		rig_sleep_ns(100000);
	sub_release(&page->nr_stalled, 1);
	store_relaxed(&page->notified[vcpu], sequence);
	add_relaxed(&page->notifies[vcpu], 1);
	store_release(word, sequence);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

static const struct ioreq_backend_ops rig_backend_ops = {.name = "rig", .protocol = IOREQ_DIRECT, .notify = on_notify};

static struct ioreq_shm_file *map_page(int fd)
{
	void *memory = mmap(NULL, IOREQ_SHM_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	RIG_CHECK(memory != MAP_FAILED, "no page: %s", strerror(errno));
	return memory;
}

void rig_page_create(struct rig_page *page, bool apart)
{
	int fd = memfd_create("rig-page", MFD_CLOEXEC);

	RIG_CHECK(fd >= 0 && ftruncate(fd, IOREQ_SHM_FILE_BYTES) == 0, "no memfd: %s", strerror(errno));
	memset(page, 0, sizeof(*page));
	page->file = map_page(fd);
	page->served = apart && !RIG_UNDER_TSAN ? map_page(fd) : page->file;
	close(fd);
	ioreq_page_prefill(&page->file->slots);
}

void rig_page_destroy(struct rig_page *page)
{
	if (page->served != page->file)
		munmap(page->served, IOREQ_SHM_FILE_BYTES);
	munmap(page->file, IOREQ_SHM_FILE_BYTES);
}

static void protect(struct rig_page *page, int protection)
{
	if (page->served == page->file)
		return;
	RIG_CHECK(!mprotect(page->served, IOREQ_SHM_FILE_BYTES, protection), "mprotect: %s", strerror(errno));
}

void rig_page_close(struct rig_page *page)
{
	protect(page, PROT_NONE);
}

void rig_page_open(struct rig_page *page)
{
	protect(page, PROT_READ | PROT_WRITE);
}

struct ioreq_page rig_page_source(struct rig_page *page, unsigned nr_vcpus)
{
	return (struct ioreq_page){.slots = &page->served->slots,
				   .nr_vcpus = nr_vcpus,
				   .ops = &rig_backend_ops,
				   .context = page,
				   .id = &page->served->control.id};
}

uint64_t rig_page_word(const struct rig_page *page, unsigned vcpu)
{
	return load_acquire((const ioreq_word_t *)(const void *)&page->file->slots.req_slot[vcpu].processed);
}

/* ---- VM ---------------------------------------------------------------------------------------------------- */

void rig_vm_create(struct rig_vm *vm, struct rig *rig)
{
	struct ioreq_vm_config config = {.name = vm->name,
					 .poller = rig->poller,
					 .strict_states = vm->strict_states,
					 .clear_timeout_ns =
						 vm->clear_timeout_ns ? vm->clear_timeout_ns : CLEAR_TIMEOUT_NS};
	struct ioreq_error error = {.text = ""};
	int status;

	vm->rig = rig;
	if (!vm->page) {
		rig_page_create(&vm->own_page, false);
		vm->page = &vm->own_page;
	}
	status = ioreq_vm_create(rig->engine, &config, &vm->vm, &error);
	RIG_CHECK(!status, "%s", error.text);
}

void rig_vm_attach(struct rig_vm *vm)
{
	struct ioreq_page source = rig_page_source(vm->page, vm->nr_vcpus);
	struct ioreq_error error = {.text = ""};
	int status = ioreq_vm_attach(vm->vm, &source, &error);

	RIG_CHECK(!status, "attach: %s", error.text);
}

void rig_vm_detach(struct rig_vm *vm)
{
	struct ioreq_error error = {.text = ""};
	uint64_t start_ns = rig_now_ns();
	int status;

	do {
		status = ioreq_vm_detach(vm->vm, &error);
	} while (again(status, start_ns));
	RIG_CHECK(!status, "detach: %s", error.text);
}

void rig_vm_clear(struct rig_vm *vm)
{
	struct ioreq_error error = {.text = ""};
	uint64_t start_ns = rig_now_ns();
	int status;

	do {
		status = ioreq_vm_clear(vm->vm, &error);
	} while (again(status, start_ns));
	RIG_CHECK(!status, "clear: %s", error.text);
}

const struct ioreq_vm_stats *rig_vm_stats(const struct rig_vm *vm)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++)
		if (load_acquire(&vm->rig->stats->vms[i].used) && strcmp(vm->rig->stats->vms[i].name, vm->name) == 0)
			return &vm->rig->stats->vms[i];
	rig_fail(__FILE__, __LINE__, "no stats record of VM %s", vm->name);
}

static bool belongs(const struct rig_vm *vm, const struct ioreq_client_stats *client)
{
	return load_acquire(&client->used) && client->vm == (uint64_t)(rig_vm_stats(vm) - vm->rig->stats->vms);
}

const struct ioreq_client_stats *rig_client_stats(const struct rig_vm *vm, const char *name)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		const struct ioreq_client_stats *client = &vm->rig->stats->clients[i];

		if (belongs(vm, client) && strcmp(client->name, name) == 0)
			return client;
	}
	rig_fail(__FILE__, __LINE__, "no stats record of client %s of VM %s", name, vm->name);
}

static void check_record(const struct ioreq_client_stats *client)
{
	uint64_t completed = load_relaxed(&client->completed);

	RIG_CHECK(load_relaxed(&client->latency.count) == completed, "client %s: %lu in the histogram, %lu completed",
		  client->name, client->latency.count, completed);
	RIG_CHECK(load_relaxed(&client->reads) + load_relaxed(&client->writes) == completed,
		  "client %s: %lu reads + %lu writes, %lu completed", client->name, client->reads, client->writes,
		  completed);
}

uint64_t rig_completed(const struct rig_vm *vm)
{
	uint64_t completed = load_relaxed(&rig_vm_stats(vm)->departed);

	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		const struct ioreq_client_stats *client = &vm->rig->stats->clients[i];

		if (!belongs(vm, client))
			continue;
		check_record(client);
		completed += load_relaxed(&client->completed);
	}
	return completed;
}

void rig_check_account(const struct rig_vm *vm, uint64_t requests, uint64_t removed)
{
	const struct ioreq_vm_stats *stats = rig_vm_stats(vm);
	uint64_t completed = rig_completed(vm);

	RIG_CHECK(load_relaxed(&stats->posted) == completed && completed == requests,
		  "VM %s: %lu requests made, %lu posted, %lu completed", vm->name, requests, stats->posted, completed);
	RIG_CHECK(load_relaxed(&stats->departed) == removed, "VM %s: %lu completions of removed clients, not %lu",
		  vm->name, stats->departed, removed);
	RIG_CHECK(!load_relaxed(&stats->reposted), "VM %s: %lu reposted", vm->name, stats->reposted);
	RIG_CHECK(!load_relaxed(&stats->notify_errors), "VM %s: %lu notify errors", vm->name, stats->notify_errors);
}

struct ioreq_range rig_window(enum ioreq_space space, unsigned window)
{
	static const uint64_t bases[IOREQ_NR_SPACES] = {
		[IOREQ_PIO] = 0x1000, [IOREQ_MMIO] = 0xfe000000, [IOREQ_PCICFG] = 0x100000};
	uint64_t start = bases[space] + (uint64_t)window * RIG_WINDOW_BYTES;

	return (struct ioreq_range){.space = space, .start = start, .last = start + RIG_WINDOW_BYTES - 1};
}

static unsigned pick_window(const struct rig_vm *vm, uint64_t dice)
{
	unsigned window = (unsigned)(dice % vm->nr_windows);

	if (!(vm->rare >> window & 1) || (dice >> 20) % 64 == 0)
		return window;
	while (vm->rare >> window & 1)
		window = (window + 1) % vm->nr_windows;
	return window;
}

unsigned rig_access_make(const struct rig_vm *vm, unsigned vcpu, uint64_t sequence, struct ioreq_access *access)
{
	uint64_t dice = rig_mix(sequence << 4 | vcpu);
	unsigned space = (unsigned)(dice >> 32) % IOREQ_NR_SPACES;
	unsigned size = 1u << (dice >> 40) % (space == IOREQ_MMIO ? 4 : 3);
	unsigned window = pick_window(vm, dice & 0xffffffff);

	*access = (struct ioreq_access){
		.address = rig_window(space, window).start + (sequence & 255) * 16 + (dice >> 44) % (17 - size),
		.space = (uint8_t)space,
		.direction = dice >> 50 & 1 ? IOREQ_WRITE : IOREQ_READ,
		.size = (uint8_t)size,
		.vcpu = (uint8_t)vcpu,
		.completion_polling = (dice >> 51) % 100 >= vm->notify_percent,
	};
	if (access->direction == IOREQ_WRITE)
		access->value = rig_mix(dice) & ioreq_width_mask(size);
	return window;
}

/* ---- devices ----------------------------------------------------------------------------------------------- */

static bool same_access(const struct ioreq_access *a, const struct ioreq_access *b)
{
	return a->address == b->address && a->value == b->value && a->space == b->space &&
	       a->direction == b->direction && a->size == b->size && a->vcpu == b->vcpu &&
	       a->completion_polling == b->completion_polling;
}

static void fail_access(const struct rig_device *device, const struct ioreq_access *access, uint64_t sequence)
{
	struct ioreq_access wanted;

	rig_access_make(device->vm, access->vcpu, sequence, &wanted);
	rig_fail(__FILE__, __LINE__,
		 "%s: vCPU %u posted request %lu: space %u %s 0x%lx/%u value 0x%lx polling %u; the handler got "
		 "space %u %s 0x%lx/%u value 0x%lx polling %u",
		 device->name, access->vcpu, sequence, wanted.space, wanted.direction ? "write" : "read",
		 wanted.address, wanted.size, wanted.value, wanted.completion_polling, access->space,
		 access->direction ? "write" : "read", access->address, access->size, access->value,
		 access->completion_polling);
}

/* Which request this is: the vCPU's last one, or an earlier one if it may have been taken away. 0: none of those. */
static uint64_t identify(struct rig_device *device, const struct ioreq_access *access, unsigned *window_out)
{
	struct rig_vm *vm = device->vm;
	uint64_t posted = load_relaxed(&vm->posted[access->vcpu]);
	struct ioreq_access wanted;

	for (uint64_t sequence = posted; sequence && posted - sequence < 256; sequence--) {
		*window_out = rig_access_make(vm, access->vcpu, sequence, &wanted);
		if (same_access(access, &wanted))
			return sequence;
		if (!vm->late)
			fail_access(device, access, posted);
	}
	add_relaxed(&vm->nr_unmatched, 1);
	return 0;
}

uint64_t rig_seen(const struct rig_device *device, unsigned vcpu)
{
	return device->vm->apart ? load_relaxed(&device->seen[vcpu]) : device->seen[vcpu];
}

/* Each request is handled once; by the default client after the owner's UNHANDLED, and only then, twice. */
static void mark(struct rig_device *device, unsigned vcpu, uint64_t sequence, unsigned window)
{
	bool refuses = device->kind == RIG_REFUSES;
	bool refused = !refuses && (device->vm->refused >> window & 1);
	uint64_t *at = &device->vm->marks[vcpu][sequence % RIG_MARKS];
	uint64_t before = exchange_full(at, sequence << 1 | !refuses);

	if (refused)
		RIG_CHECK(device->is_default && before == sequence << 1,
			  "%s: vCPU %u request %lu is the refusing client's first, found mark %lx", device->name, vcpu,
			  sequence, before);
	else
		RIG_CHECK(before >> 1 != sequence, "%s: vCPU %u request %lu handled twice", device->name, vcpu,
			  sequence);
	RIG_CHECK(sequence > rig_seen(device, vcpu), "%s: vCPU %u request %lu after %lu", device->name, vcpu, sequence,
		  rig_seen(device, vcpu));
	if (device->vm->apart)
		store_relaxed(&device->seen[vcpu], sequence);
	else
		device->seen[vcpu] = sequence;
}

uint64_t rig_answer(const struct rig_device *device, unsigned vcpu, uint64_t sequence)
{
	return rig_mix(device->tag ^ (sequence << 4 | vcpu)) & ~UINT64_C(1);
}

static enum ioreq_result defer(struct rig_device *device, const struct ioreq_access *access, uint64_t dice)
{
	struct rig_box *box = &device->boxes[access->vcpu];
	int status;

	if (dice % 8 == 0) {
		status = ioreq_complete(access, access->value);
		RIG_CHECK(!status || device->vm->late, "%s: %s", device->name, strerror(-status));
		add_relaxed(status ? &device->nr_stale : &device->nr_completed, 1);
		return IOREQ_DEFER;
	}
	/* A request that was taken away from here may still be in its box, while the vCPU's next one has come. */
	while (load_acquire(&box->full))
		sched_yield();
	box->access = *access;
	box->answer = access->value;
	store_release(&box->full, 1);
	sem_post(&device->filled);
	while (dice % 8 < 3 && load_acquire(&box->full))
		sched_yield();
	return IOREQ_DEFER;
}

static void hold(struct rig_device *device)
{
	if (!load_relaxed(&device->held))
		return;
	store_release(&device->nr_held, 1);
	while (load_acquire(&device->held))
		rig_sleep_ns(50000);
	store_release(&device->nr_held, 0);
}

static enum ioreq_result answer(struct rig_device *device, struct ioreq_access *access)
{
	unsigned vcpu = access->vcpu, window = 0;
	uint64_t sequence = identify(device, access, &window);
	uint64_t dice = rig_mix(sequence ^ device->tag);

	if (sequence)
		mark(device, vcpu, sequence, window);
	if (device->kind == RIG_REFUSES)
		return IOREQ_UNHANDLED;
	/* Garbage for one that cannot be told: if it reaches a vCPU, that fails. */
	if (access->direction == IOREQ_READ)
		access->value = sequence ? rig_answer(device, vcpu, sequence) : UINT64_C(0xdeadc0de0badf00d);
	else
		access->value = ~access->value; /* a write's answer goes nowhere */
	switch (device->kind) {
	case RIG_DEFERS: return defer(device, access, dice);
	case RIG_SLOW: rig_sleep_ns(dice % (device->slow_ns + 1)); break;
	case RIG_STUCK: hold(device); break;
	default: break;
	}
	return IOREQ_DONE;
}

static enum ioreq_result handle(void *context, struct ioreq_access *access)
{
	struct rig_device *device = context;
	enum ioreq_result result;

	RIG_CHECK(!exchange_full(&device->inside, 1), "%s: handle() called by two threads at once", device->name);
	RIG_CHECK(access->vcpu < device->vm->nr_vcpus, "%s: vCPU %u of %u", device->name, access->vcpu,
		  device->vm->nr_vcpus);
	add_relaxed(&device->runs, 1);
	result = answer(device, access);
	store_release(&device->inside, 0);
	return result;
}

static void complete_box(struct rig_device *device, struct rig_box *box)
{
	struct ioreq_access access = box->access;
	uint64_t value = box->answer, dice = rig_mix(value);
	int status;

	if (device->slow_ns && dice % 4 == 0)
		rig_sleep_ns(dice / 4 % (device->slow_ns + 1));
	status = ioreq_complete(&access, value);
	RIG_CHECK(!status || (device->vm->late && status == -ESTALE), "%s: vCPU %u: ioreq_complete() gave %s",
		  device->name, access.vcpu, strerror(-status));
	add_relaxed(status ? &device->nr_stale : &device->nr_completed, 1);
	status = ioreq_complete(&access, UINT64_C(0xdeadc0de0badf00d));
	RIG_CHECK(status == -ESTALE, "%s: vCPU %u: a second ioreq_complete() gave %d, not -ESTALE", device->name,
		  access.vcpu, status);
	store_release(&box->full, 0);
}

static void *complete(void *argument)
{
	struct rig_device *device = argument;

	while (!load_acquire(&device->ending)) {
		sem_wait(&device->filled);
		for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
			if (load_acquire(&device->boxes[v].full))
				complete_box(device, &device->boxes[v]);
	}
	return NULL;
}

static int create(const struct ioreq_create *source, void **device_out, struct ioreq_error *error)
{
	const struct ioreq_setting *setting = ioreq_setting_find(source, "device", IOREQ_SETTING_INTEGER);
	struct rig_device *device = (struct rig_device *)(uintptr_t)setting->integer;

	(void)error;
	device->client = source->client;
	device->ending = 0;
	sem_init(&device->filled, 0, 0);
	if (device->kind == RIG_DEFERS)
		rig_thread(&device->completer, complete, device);
	*device_out = device;
	return 0;
}

static void destroy(void *context)
{
	struct rig_device *device = context;

	if (device->kind == RIG_DEFERS) {
		store_release(&device->ending, 1);
		sem_post(&device->filled);
		pthread_join(device->completer, NULL);
	}
	sem_destroy(&device->filled);
}

const struct ioreq_device_ops rig_device_ops = {.name = "rig", .create = create, .destroy = destroy, .handle = handle};

static uint64_t tag_of(const struct rig_device *device)
{
	uint64_t tag = 0;

	for (const char *at = device->name; *at; at++)
		tag = rig_mix(tag ^ (uint8_t)*at);
	for (const char *at = device->vm->name; *at; at++)
		tag = rig_mix(tag ^ (uint8_t)*at);
	return tag;
}

void rig_device_add(struct rig_device *device)
{
	struct ioreq_setting setting = {
		.key = "device", .type = IOREQ_SETTING_INTEGER, .integer = (uint64_t)(uintptr_t)device};
	struct ioreq_range ranges[IOREQ_NR_SPACES * RIG_MAX_WINDOWS];
	struct ioreq_client_config config = {.name = device->name,
					     .ops = &rig_device_ops,
					     .settings = &setting,
					     .nr_settings = 1,
					     .delivery = device->delivery,
					     .core = -1,
					     .wait = device->wait,
					     .is_default = device->is_default,
					     .ranges = ranges};
	struct ioreq_error error = {.text = ""};
	int status;

	/* Once: vCPUs may read it while the device is added again. */
	if (!device->tag)
		device->tag = tag_of(device);
	for (unsigned w = 0; w < RIG_MAX_WINDOWS; w++)
		for (unsigned space = 0; (device->windows >> w & 1) && space < IOREQ_NR_SPACES; space++)
			ranges[config.nr_ranges++] = rig_window(space, w);
	status = ioreq_client_add(device->vm->vm, &config, &device->client, &error);
	RIG_CHECK(!status, "%s", error.text);
}

void rig_device_remove(struct rig_device *device)
{
	struct ioreq_error error = {.text = ""};
	uint64_t start_ns = rig_now_ns();
	int status;

	do {
		status = ioreq_client_remove(device->client, &error);
	} while (again(status, start_ns));
	RIG_CHECK(!status, "%s", error.text);
}

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

void rig_vcpu_init(struct rig_vcpu *vcpu, struct rig_vm *vm, unsigned index, enum ioreq_vcpu_how how)
{
	*vcpu = (struct rig_vcpu){.vm = vm, .index = index, .how = how};
	ioreq_vcpu_init(&vcpu->side, &vm->page->file->slots, &vm->page->file->control, index);
}

void rig_vcpu_prepare(struct rig_vcpu *vcpu)
{
	vcpu->sequence++;
	vcpu->window = rig_access_make(vcpu->vm, vcpu->index, vcpu->sequence, &vcpu->access);
	vcpu->nr_notify += !vcpu->access.completion_polling;
	store_relaxed(&vcpu->vm->posted[vcpu->index], vcpu->sequence);
}

void rig_vcpu_post(struct rig_vcpu *vcpu)
{
	int status;

	rig_vcpu_prepare(vcpu);
	status = ioreq_vcpu_post(&vcpu->side, &vcpu->access);
	RIG_CHECK(!status, "vCPU %u: request %lu cannot be posted: %s, state %u", vcpu->index, vcpu->sequence,
		  strerror(-status), (uint32_t)rig_page_word(vcpu->vm->page, vcpu->index));
}

void rig_vcpu_wait(struct rig_vcpu *vcpu)
{
	const struct rig_page *page = vcpu->vm->page;
	int status = ioreq_vcpu_wait(&vcpu->side, vcpu->how, RIG_PATIENCE_NS);

	RIG_CHECK(!status,
		  "VM %s vCPU %u: request %lu (window %u, %s, polling %u) is lost: state %u, sequence %u, "
		  "notified %u",
		  vcpu->vm->name, vcpu->index, vcpu->sequence, vcpu->window, vcpu->access.direction ? "write" : "read",
		  vcpu->access.completion_polling, (uint32_t)rig_page_word(page, vcpu->index),
		  (uint32_t)(rig_page_word(page, vcpu->index) >> 32), load_relaxed(&page->notified[vcpu->index]));
}

uint64_t rig_vcpu_finish(struct rig_vcpu *vcpu)
{
	uint64_t value = ioreq_vcpu_finish(&vcpu->side);

	RIG_CHECK(vcpu->access.direction == IOREQ_READ || value == vcpu->access.value,
		  "vCPU %u: request %lu wrote 0x%lx, the slot now says 0x%lx", vcpu->index, vcpu->sequence,
		  vcpu->access.value, value);
	return value;
}

void rig_vcpu_check(const struct rig_vcpu *vcpu, uint64_t value, const struct rig_device *device)
{
	uint64_t wanted = rig_answer(device, vcpu->index, vcpu->sequence) & ioreq_width_mask(vcpu->access.size);

	RIG_CHECK(vcpu->access.direction == IOREQ_WRITE || value == wanted,
		  "VM %s vCPU %u: request %lu to %s read 0x%lx, not 0x%lx", vcpu->vm->name, vcpu->index, vcpu->sequence,
		  device->name, value, wanted);
	RIG_CHECK(rig_seen(device, vcpu->index) == vcpu->sequence,
		  "VM %s vCPU %u: request %lu is complete, but %s has handled %lu last", vcpu->vm->name, vcpu->index,
		  vcpu->sequence, device->name, rig_seen(device, vcpu->index));
}

bool rig_vcpu_is_ones(const struct rig_vcpu *vcpu, uint64_t value)
{
	return vcpu->access.direction == IOREQ_READ && value == ioreq_width_mask(vcpu->access.size);
}

void rig_vcpu_check_notifies(const struct rig_vcpu *vcpu)
{
	uint64_t notifies = load_relaxed(&vcpu->vm->page->notifies[vcpu->index]);

	RIG_CHECK(notifies == vcpu->nr_notify, "VM %s vCPU %u: %lu requests wait for a notify, %lu notifies",
		  vcpu->vm->name, vcpu->index, vcpu->nr_notify, notifies);
}
