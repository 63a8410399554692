/* SPDX-License-Identifier: MIT */
/*
 * A VM that is detached and attached again and again under load, beside one that must not notice.
 *
 * Cycles    quiet: the vCPUs are paused between requests, as a hypervisor does it: no request sees the detach.
 *           rough: they go on. A request in flight is answered by its handler or, by the detach, with all ones; one
 *           that comes while nobody serves stays PENDING until the page is attached again, and is then handled.
 * Oracle    `leaving` counts detaches begun, `left` those that returned. All ones is allowed if a detach was under way
 *           between the post and the end of a request, never otherwise; every handler sees a request once.
 * Hands off The engine has a mapping of its own, which is inaccessible while the VM is detached: a touch is a SIGSEGV.
 *
 * Threads   Three vCPUs of the restless VM, two of the calm one; the main thread attaches and detaches.
 * Memory    Static.
 */
#include <stdio.h>

#include "rig.h"

#define NR_VCPUS 3
#define NR_CALM 2
#define NR_CLIENTS 5
#define NR_CALM_CLIENTS 3

static struct rig rig;
static struct rig_page page;
static struct rig_vm restless = {.name = "restless",
				 .nr_vcpus = NR_VCPUS,
				 .nr_windows = NR_CLIENTS,
				 .notify_percent = 30,
				 .strict_states = true,
				 .late = true,
				 .clear_timeout_ns = 1000000,
				 .rare = 1 << 3,
				 .page = &page};
static struct rig_vm calm = {.name = "calm", .nr_vcpus = NR_CALM, .nr_windows = NR_CALM_CLIENTS, .notify_percent = 30};
static struct rig_device devices[NR_CLIENTS] = {
	{.name = "inline", .windows = 1 << 0},
	{.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << 1},
	{.name = "deferring",
	 .kind = RIG_DEFERS,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_YIELD,
	 .windows = 1 << 2,
	 .slow_ns = 500000},
	/* Longer than the clear timeout: taken away by every detach that meets it. */
	{.name = "slow",
	 .kind = RIG_SLOW,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_PARK,
	 .windows = 1 << 3,
	 .slow_ns = 4000000},
	{.name = "default", .is_default = true},
};
static struct rig_device calm_devices[NR_CALM_CLIENTS] = {
	{.name = "inline", .windows = 1 << 0},
	{.name = "yielding", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_YIELD, .windows = 1 << 1},
	{.name = "default", .is_default = true},
};
static struct rig_vcpu vcpus[NR_VCPUS], calm_vcpus[NR_CALM];

static uint64_t leaving, left;
static uint32_t pausing, nr_paused, stopping;
static uint64_t nr_ones, nr_calm;

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

static void pause_if_asked(void)
{
	if (!load_acquire(&pausing))
		return;
	add_release(&nr_paused, 1);
	while (load_acquire(&pausing))
		rig_sleep_ns(20000);
	sub_release(&nr_paused, 1);
}

static void check(const struct rig_vcpu *vcpu, uint64_t value, bool disturbed)
{
	if (!disturbed) {
		rig_vcpu_check(vcpu, value, &devices[vcpu->window]);
		return;
	}
	/* A write does not say who ended it, and the handler it was taken from may still run. */
	if (vcpu->access.direction == IOREQ_WRITE)
		return;
	if (rig_vcpu_is_ones(vcpu, value))
		add_relaxed(&nr_ones, 1);
	else
		rig_vcpu_check(vcpu, value, &devices[vcpu->window]);
}

static void *run_vcpu(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	while (!load_relaxed(&stopping)) {
		uint64_t before, value;

		pause_if_asked();
		before = load_acquire(&left);
		rig_vcpu_post(vcpu);
		rig_vcpu_wait(vcpu);
		value = rig_vcpu_finish(vcpu);
		check(vcpu, value, load_acquire(&leaving) != before);
	}
	return NULL;
}

static void *run_calm(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	while (!load_relaxed(&stopping)) {
		rig_vcpu_post(vcpu);
		rig_vcpu_wait(vcpu);
		rig_vcpu_check(vcpu, rig_vcpu_finish(vcpu), &calm_devices[vcpu->window]);
		add_relaxed(&nr_calm, 1);
	}
	return NULL;
}

/* ---- cycles ------------------------------------------------------------------------------------------------ */

static void pause_vcpus(void)
{
	uint64_t end_ns = rig_now_ns() + RIG_PATIENCE_NS;

	store_release(&pausing, 1);
	while (load_acquire(&nr_paused) < NR_VCPUS) {
		RIG_CHECK(rig_now_ns() < end_ns, "%u of %d vCPUs pause", load_relaxed(&nr_paused), NR_VCPUS);
		rig_sleep_ns(20000);
	}
}

static void resume_vcpus(void)
{
	store_release(&pausing, 0);
	while (load_acquire(&nr_paused))
		rig_sleep_ns(20000);
}

static void wait_for_calm(uint64_t more)
{
	uint64_t start = load_relaxed(&nr_calm), end_ns = rig_now_ns() + RIG_PATIENCE_NS;

	while (load_relaxed(&nr_calm) < start + more) {
		RIG_CHECK(rig_now_ns() < end_ns, "the calm VM is not served");
		rig_sleep_ns(50000);
	}
}

/* Nobody serves: what is PENDING stays so, no inline handler runs, while the other VM goes on. */
static void check_detached(uint64_t dice)
{
	uint64_t runs = load_relaxed(&devices[0].runs), words[NR_VCPUS];

	for (unsigned v = 0; v < NR_VCPUS; v++) {
		words[v] = rig_page_word(&page, v);
		RIG_CHECK((uint32_t)words[v] != ACRN_IOREQ_STATE_PROCESSING,
			  "vCPU %u: still PROCESSING after the detach", v);
	}
	wait_for_calm(dice % 20);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		RIG_CHECK((uint32_t)words[v] != ACRN_IOREQ_STATE_PENDING || rig_page_word(&page, v) == words[v],
			  "vCPU %u: PENDING became %u while detached", v, (uint32_t)rig_page_word(&page, v));
	RIG_CHECK(load_relaxed(&devices[0].runs) == runs, "an inline handler ran while detached");
}

static void run_cycle(uint64_t dice)
{
	bool quiet = dice % 2;

	if (quiet)
		pause_vcpus();
	/* A quiet detach must disturb nobody: `leaving` and `left` move together, before anybody resumes. */
	add_release(&leaving, 1);
	rig_vm_detach(&restless);
	rig_page_close(&page);
	add_release(&left, 1);
	if (quiet && dice / 2 % 2)
		resume_vcpus();
	check_detached(dice >> 8);
	rig_page_open(&page);
	rig_vm_attach(&restless);
	if (quiet && dice / 2 % 2 == 0)
		resume_vcpus();
	rig_sleep_ns((dice >> 16) % 3000000);
}

/* ---- the test ---------------------------------------------------------------------------------------------- */

static void start(void)
{
	rig_create(&rig, IOREQ_IDLE_YIELD, -1);
	rig_page_create(&page, true);
	rig_vm_create(&restless, &rig);
	rig_vm_create(&calm, &rig);
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		devices[c].vm = &restless;
		rig_device_add(&devices[c]);
	}
	for (unsigned c = 0; c < NR_CALM_CLIENTS; c++) {
		calm_devices[c].vm = &calm;
		rig_device_add(&calm_devices[c]);
	}
	rig_vm_attach(&restless);
	rig_vm_attach(&calm);
	/* Attaching repeats the notify of a request that stayed COMPLETE, for all that it knows unnotified. */
	page.repeats_allowed = true;
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_init(&vcpus[v], &restless, v, IOREQ_VCPU_YIELD);
		rig_thread(&vcpus[v].thread, run_vcpu, &vcpus[v]);
	}
	for (unsigned v = 0; v < NR_CALM; v++) {
		rig_vcpu_init(&calm_vcpus[v], &calm, v, IOREQ_VCPU_YIELD);
		rig_thread(&calm_vcpus[v].thread, run_calm, &calm_vcpus[v]);
	}
}

static uint64_t join(struct rig_vcpu *all, unsigned nr)
{
	uint64_t requests = 0;

	for (unsigned v = 0; v < nr; v++) {
		pthread_join(all[v].thread, NULL);
		rig_vcpu_check_notifies(&all[v]);
		requests += all[v].sequence;
	}
	return requests;
}

static void finish(unsigned cycles)
{
	uint64_t requests, calm_requests;

	store_relaxed(&stopping, 1);
	requests = join(vcpus, NR_VCPUS);
	calm_requests = join(calm_vcpus, NR_CALM);
	rig_vm_detach(&restless);
	rig_vm_detach(&calm);
	rig_check_account(&restless, requests, 0);
	rig_check_account(&calm, calm_requests, 0);
	RIG_CHECK(!rig_vm_stats(&calm)->reasons[IOREQ_CLEARED], "requests of the calm VM were cleared");
	RIG_CHECK(!rig_vm_stats(&restless)->reasons[IOREQ_RECOVERED], "an attach took a request for a dead engine's");
	RIG_CHECK(nr_ones, "no request met a detach: the test tested nothing");
	printf("%u cycles, %lu requests, %lu reads and writes cleared (%lu seen as all ones), %lu calm requests\n",
	       cycles, requests, rig_vm_stats(&restless)->reasons[IOREQ_CLEARED], nr_ones, calm_requests);
}

int main(int argc, char **argv)
{
	uint64_t end_ns = rig_now_ns() + (rig_is_full(argc, argv) ? 120 : 4) * UINT64_C(1000000000);
	unsigned cycles = 0;

	start();
	while (rig_now_ns() < end_ns)
		run_cycle(rig_mix(cycles++));
	finish(cycles);
	rig_destroy(&rig);
	rig_page_destroy(&page);
	rig_page_destroy(&calm.own_page);
	return 0;
}
