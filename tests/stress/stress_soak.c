/* SPDX-License-Identifier: MIT */
/*
 * Millions of requests at full speed, polling and notify mixed, while the ranges change hands: every value right, none
 * lost, none completed twice.
 *
 * Cores     The poller spins on one, a thread that plays four vCPUs on the other, with the updates and a parked client
 *           beside it. On a single CPU both yield.
 * Oracle    As in stress_churn, but the owner in table g is a function of g and the window, so that no history is kept.
 *
 * Threads   The main thread plays the vCPUs; the poller; one that updates; the parked client's.
 * Memory    Static.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define NR_VCPUS 4
#define NR_WINDOWS 7
#define PARKED_WINDOW 6u
#define TICK_NS 1000000
/* Empty rounds before the core is lent to who shares it. */
#define ROUNDS_BEFORE_YIELD 2000u

static struct rig rig;
static struct rig_vm vm = {.name = "vm0",
			   .nr_vcpus = NR_VCPUS,
			   .nr_windows = NR_WINDOWS,
			   .notify_percent = 10,
			   .rare = 1 << PARKED_WINDOW};
static struct rig_device pair[2] = {{.name = "inline-a"}, {.name = "inline-b"}};
static struct rig_device parked = {.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK};
static struct rig_vcpu vcpus[NR_VCPUS];
static uint64_t first_table[NR_VCPUS]; /* the table that was in force when the request was posted */
static uint64_t begun, done;
static uint32_t stopping;
static bool alone; /* one CPU for everybody */

static const struct rig_device *owner(uint64_t table, unsigned window)
{
	return window == PARKED_WINDOW ? &parked : &pair[(table + window) % 2];
}

/* ---- updates ----------------------------------------------------------------------------------------------- */

static void install(uint64_t table)
{
	struct ioreq_owned_range ranges[NR_WINDOWS * IOREQ_NR_SPACES];
	struct ioreq_error error = {.text = ""};
	size_t nr = 0;
	int status;

	for (unsigned w = 0; w < NR_WINDOWS; w++)
		for (unsigned space = 0; space < IOREQ_NR_SPACES; space++)
			ranges[nr++] = (struct ioreq_owned_range){.range = rig_window(space, w),
								  .client = owner(table, w)->client};
	store_release(&begun, table);
	status = ioreq_ranges_replace(vm.vm, ranges, nr, &error);
	RIG_CHECK(!status, "update %lu: %s", table, error.text);
	store_release(&done, table);
}

static void *run_updates(void *unused)
{
	for (uint64_t table = 1; !load_relaxed(&stopping); table++) {
		rig_sleep_ns(TICK_NS);
		install(table);
	}
	return unused;
}

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

static void post(struct rig_vcpu *vcpu)
{
	first_table[vcpu->index] = load_acquire(&done);
	rig_vcpu_post(vcpu);
}

static void check(struct rig_vcpu *vcpu, uint64_t value)
{
	uint64_t first = first_table[vcpu->index], last = load_acquire(&begun);

	/* Between two tables the mark of the handler says which of the two owners it was. */
	if (first != last && rig_seen(owner(first, vcpu->window), vcpu->index) != vcpu->sequence)
		first++;
	rig_vcpu_check(vcpu, value, owner(first, vcpu->window));
}

static bool advance(struct rig_vcpu *vcpu)
{
	if (!ioreq_vcpu_completed(&vcpu->side))
		return false;
	check(vcpu, rig_vcpu_finish(vcpu));
	post(vcpu);
	return true;
}

static void run_vcpus(uint64_t nr_requests)
{
	uint64_t finished = 0, empty = 0;

	for (unsigned v = 0; v < NR_VCPUS; v++)
		post(&vcpus[v]);
	while (finished + NR_VCPUS < nr_requests) {
		unsigned progress = 0;

		for (unsigned v = 0; v < NR_VCPUS; v++)
			progress += advance(&vcpus[v]);
		finished += progress;
		empty = progress ? 0 : empty + 1;
		if (empty && (alone || empty % ROUNDS_BEFORE_YIELD == 0))
			sched_yield();
		/* Nothing for seconds: waits for one with patience, then says which it was. */
		if (empty > 100000000)
			rig_vcpu_wait(&vcpus[0]);
	}
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_wait(&vcpus[v]);
		check(&vcpus[v], rig_vcpu_finish(&vcpus[v]));
	}
}

/* ---- the test ---------------------------------------------------------------------------------------------- */

/* The engine's threads, but for the poller, inherit this thread's core. */
static void start(void)
{
	alone = rig_nr_cpus() < 2 || !rig_pin(0);
	rig_create(&rig, alone ? IOREQ_IDLE_YIELD : IOREQ_IDLE_SPIN, alone ? -1 : 1);
	rig_vm_create(&vm, &rig);
	pair[0].vm = pair[1].vm = parked.vm = &vm;
	rig_device_add(&pair[0]);
	rig_device_add(&pair[1]);
	rig_device_add(&parked);
	install(0);
	rig_vm_attach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		rig_vcpu_init(&vcpus[v], &vm, v, IOREQ_VCPU_YIELD);
}

static uint64_t finish(void)
{
	uint64_t requests = 0, nr_notify = 0;

	rig_vm_detach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_check_notifies(&vcpus[v]);
		requests += vcpus[v].sequence;
		nr_notify += vcpus[v].nr_notify;
	}
	rig_check_account(&vm, requests, 0);
	RIG_CHECK(pair[0].runs && pair[1].runs && parked.runs, "a client got no request");
	RIG_CHECK(pair[0].runs + pair[1].runs + parked.runs == requests, "%lu handlers ran for %lu requests",
		  pair[0].runs + pair[1].runs + parked.runs, requests);
	rig_destroy(&rig);
	rig_page_destroy(&vm.own_page);
	return nr_notify;
}

int main(int argc, char **argv)
{
	uint64_t nr_requests = (rig_is_full(argc, argv) ? 50000000 : 2000000) / RIG_SLOWNESS;
	uint64_t start_ns, took_ns, nr_notify;
	pthread_t updates;

	start();
	rig_thread(&updates, run_updates, NULL);
	start_ns = rig_now_ns();
	run_vcpus(nr_requests);
	took_ns = rig_now_ns() - start_ns;
	store_relaxed(&stopping, 1);
	pthread_join(updates, NULL);
	nr_notify = finish();
	printf("%lu requests, %lu of them notified, %lu to the parked client, %lu updates in %.1f s: %.0f requests/s\n",
	       nr_requests, nr_notify, parked.runs, done, (double)took_ns / 1e9,
	       (double)nr_requests * 1e9 / (double)took_ns);
	return 0;
}
