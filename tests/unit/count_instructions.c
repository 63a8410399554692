/* SPDX-License-Identifier: MIT */
/*
 * What one inline request costs the poller, in instructions; run by test_count_instructions.sh.
 *
 * A VM of 16 vCPUs, 64 MMIO ranges of 8 clients; reads of 4 bytes, which walk over the ranges and the vCPUs; without and
 * with strict states.
 *
 * With --steps: a child runs one sweep step by step (ptrace). Counted is from the branch that has seen PENDING, which is
 * where its path leaves that of a sweep of free slots, to the store of COMPLETE: what the guest waits for, the handler's
 * few instructions included. Printed: mode, the least and the most over eight of the ranges.
 *
 * Without: for callgrind, which counts only between the toggles. Each phase is dumped under its name:
 *
 *	toggles        nothing: what two toggles cost
 *	idle           a sweep of 16 free slots
 *	answer         from the call of a sweep to the call of the notify that follows COMPLETE; vCPU 0
 *	request        a sweep with one request, after COMPLETE too: counters, histogram
 *	full           a sweep with 16 requests
 *
 * Threads   One: main holds the poller's place. Memory: static, and one page that the child shares.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/callgrind.h>

#include <ioreq/engine.h>
#include <ioreq/vcpu.h>

#include "unit/count_sweep.h"

#define NR_RANGES 64u
#define NR_CLIENTS 8u
#define RANGE_BYTES 0x1000u
#define RANGES_START UINT64_C(0xfe000000)
#define REPEATS 1024u
#define MAX_STEPS 4096u

static struct acrn_io_request_buffer *slots;
static _Alignas(64) struct ioreq_shm_control control;
static struct ioreq_vcpu vcpus[IOREQ_MAX_VCPUS];
static bool toggle_at_notify;

static void check(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "count_instructions: %s\n", what);
	exit(1);
}

/* ---- the VM ------------------------------------------------------------------------------------------------- */

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	access->value = (uintptr_t)device;
	return IOREQ_DONE;
}

static int create(const struct ioreq_create *create, void **device_out, struct ioreq_error *error)
{
	(void)error;
	*device_out = (void *)(uintptr_t)create->settings[0].integer;
	return 0;
}

static const struct ioreq_device_ops device_ops = {.name = "counted", .create = create, .handle = handle};

static int notify(void *context, unsigned vcpu, uint32_t sequence)
{
	if (toggle_at_notify)
		CALLGRIND_TOGGLE_COLLECT;
	(void)context;
	control.notify[vcpu].word = sequence;
	return 0;
}

static const struct ioreq_backend_ops backend_ops = {.name = "counted", .notify = notify};

static void add_clients(struct ioreq_vm *vm)
{
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		const struct ioreq_setting setting = {.key = "value", .type = IOREQ_SETTING_INTEGER, .integer = c + 1};
		struct ioreq_range ranges[NR_RANGES / NR_CLIENTS];
		struct ioreq_client_config config = {.settings = &setting, .nr_settings = 1, .ops = &device_ops};
		struct ioreq_client *client;
		char name[8];

		for (unsigned i = 0; i < NR_RANGES / NR_CLIENTS; i++) {
			uint64_t start = RANGES_START + (uint64_t)(i * NR_CLIENTS + c) * RANGE_BYTES;

			ranges[i] = (struct ioreq_range){
				.space = IOREQ_MMIO, .start = start, .last = start + RANGE_BYTES - 1};
		}
		snprintf(name, sizeof(name), "c%u", c);
		config.name = name;
		config.ranges = ranges;
		config.nr_ranges = NR_RANGES / NR_CLIENTS;
		check(ioreq_client_add(vm, &config, &client, NULL) == 0, "a client is refused");
	}
}

static struct ioreq_vm *make_vm(struct ioreq_engine *engine, struct ioreq_poller *poller, bool strict_states)
{
	const struct ioreq_vm_config config = {
		.name = strict_states ? "strict" : "plain", .poller = poller, .strict_states = strict_states};
	const struct ioreq_page page = {.slots = slots, .nr_vcpus = IOREQ_MAX_VCPUS, .ops = &backend_ops};
	struct ioreq_vm *vm;

	ioreq_page_prefill(slots);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
		ioreq_vcpu_init(&vcpus[v], slots, &control, v);
	check(ioreq_vm_create(engine, &config, &vm, NULL) == 0, "the VM is refused");
	add_clients(vm);
	check(ioreq_vm_attach(vm, &page, NULL) == 0, "the page is refused");
	return vm;
}

/* ---- the phases --------------------------------------------------------------------------------------------- */

static void post(unsigned vcpu, unsigned range, bool polling)
{
	const struct ioreq_access access = {.space = IOREQ_MMIO,
					    .size = 4,
					    .address = RANGES_START + range % NR_RANGES * RANGE_BYTES + 8,
					    .completion_polling = polling};

	check(ioreq_vcpu_post(&vcpus[vcpu], &access) == 0, "a slot is not free");
}

static void finish(unsigned vcpu, unsigned range)
{
	check(ioreq_vcpu_completed(&vcpus[vcpu]), "a request is not complete");
	check(ioreq_vcpu_finish(&vcpus[vcpu]) == range % NR_CLIENTS + 1, "another client's answer");
}

static void dump(const char *phase, const char *mode)
{
	char name[32];

	snprintf(name, sizeof(name), "%s%s", phase, mode);
	CALLGRIND_DUMP_STATS_AT(name);
}

static void count_toggles(void)
{
	for (unsigned i = 0; i < REPEATS; i++) {
		CALLGRIND_TOGGLE_COLLECT;
		CALLGRIND_TOGGLE_COLLECT;
	}
	dump("toggles", "");
}

static void count_sweeps(struct ioreq_vm *vm, unsigned nr_requests)
{
	for (unsigned i = 0; i < REPEATS; i++) {
		for (unsigned r = 0; r < nr_requests; r++)
			post((i + r) % IOREQ_MAX_VCPUS, i + r, true);
		CALLGRIND_TOGGLE_COLLECT;
		count_sweep(vm);
		CALLGRIND_TOGGLE_COLLECT;
		for (unsigned r = 0; r < nr_requests; r++)
			finish((i + r) % IOREQ_MAX_VCPUS, i + r);
	}
}

static void count_answers(struct ioreq_vm *vm)
{
	toggle_at_notify = true;
	for (unsigned i = 0; i < REPEATS; i++) {
		post(0, i, false);
		CALLGRIND_TOGGLE_COLLECT;
		count_sweep(vm);
		finish(0, i);
	}
	toggle_at_notify = false;
}

static void count_vm(struct ioreq_vm *vm, const char *mode)
{
	count_sweeps(vm, 0);
	dump("idle", mode);
	count_answers(vm);
	dump("answer", mode);
	count_sweeps(vm, 1);
	dump("request", mode);
	count_sweeps(vm, IOREQ_MAX_VCPUS);
	dump("full", mode);
}

/* ---- step by step ------------------------------------------------------------------------------------------- */

static _Noreturn void be_traced(struct ioreq_vm *vm)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGTRAP);
	count_sweep(vm);
	_exit(0);
}

/*
 * Where each instruction of one sweep was, until COMPLETE is stored into slot `vcpu` or the sweep ends. Returns their
 * number. The child has its own copy of all but the page.
 */
static unsigned step_through(struct ioreq_vm *vm, unsigned vcpu, uintptr_t *places)
{
	struct user_regs_struct registers;
	unsigned steps = 0;
	int status;
	pid_t child = fork();

	check(child >= 0, "no child");
	if (child == 0)
		be_traced(vm);
	waitpid(child, &status, 0);
	if (!WIFSTOPPED(status)) {
		puts("skipped: ptrace is not allowed");
		exit(77);
	}
	while (steps < MAX_STEPS && slots->req_slot[vcpu].processed != ACRN_IOREQ_STATE_COMPLETE) {
		check(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0, "no registers");
		places[steps++] = registers.rip;
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		waitpid(child, &status, 0);
		if (!WIFSTOPPED(status))
			return steps;
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return steps;
}

/* Instructions from the branch that has seen PENDING to the store of COMPLETE, both included. */
static unsigned count_steps(struct ioreq_vm *vm, unsigned vcpu, unsigned range)
{
	static uintptr_t without[MAX_STEPS], with[MAX_STEPS];
	unsigned nr_without = step_through(vm, vcpu, without), nr_with, same = 0;

	post(vcpu, range, true);
	nr_with = step_through(vm, vcpu, with);
	check(slots->req_slot[vcpu].processed == ACRN_IOREQ_STATE_COMPLETE, "the child does not answer");
	ioreq_vcpu_reset(&vcpus[vcpu]);
	while (same < nr_without && same < nr_with && without[same] == with[same])
		same++;
	check(same > 0 && same < nr_with, "a sweep with a request looks like one without");
	return nr_with - (same - 1);
}

static void count_all_steps(struct ioreq_vm *vm, const char *mode)
{
	unsigned least = UINT32_MAX, most = 0;

	for (unsigned range = 0; range < NR_RANGES; range += 9) {
		unsigned steps = count_steps(vm, range % IOREQ_MAX_VCPUS, range);

		least = steps < least ? steps : least;
		most = steps > most ? steps : most;
	}
	printf("%s %u %u\n", mode, least, most);
}

int main(int argc, char **argv)
{
	const struct ioreq_engine_config config = {.stats = NULL};
	bool by_steps = argc == 2 && strcmp(argv[1], "--steps") == 0;
	const struct ioreq_poller_config poller_config = {.name = "p0", .core = -1};
	struct ioreq_engine *engine;
	struct ioreq_poller *poller;

	check(argc == 1 || by_steps, "allowed: --steps");
	slots = mmap(NULL, sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(slots != MAP_FAILED, "no page");
	check(ioreq_engine_create(&config, &engine) == 0, "no engine");
	check(ioreq_poller_create(engine, &poller_config, &poller, NULL) == 0, "no poller");
	if (!by_steps)
		count_toggles();
	for (unsigned strict = 0; strict < 2; strict++) {
		struct ioreq_vm *vm = make_vm(engine, poller, strict);

		/* Once, so that the dynamic linker has bound what is called. */
		post(0, 0, true);
		count_sweep(vm);
		finish(0, 0);
		if (by_steps)
			count_all_steps(vm, strict ? "strict" : "plain");
		else
			count_vm(vm, strict ? "-strict" : "");
		check(ioreq_vm_destroy(vm, NULL) == 0, "the VM is busy");
	}
	check(ioreq_engine_destroy(engine, NULL) == 0, "the engine is busy");
	return 0;
}
