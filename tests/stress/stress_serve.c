/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs against every kind of client at once; each request is handled once, in order, and answered by its
 * owner.
 *
 * Threads   Four vCPUs, the poller, a thread per ring client and per deferring device's completer.
 * Memory    Static.
 */
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define NR_VCPUS 4
#define NR_CLIENTS 8
#define HOLE 7u /* the window without an owner */

static const struct rig_device clients[NR_CLIENTS] = {
	{.name = "inline", .delivery = IOREQ_INLINE, .windows = 1 << 0},
	{.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << 1},
	{.name = "yielding", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_YIELD, .windows = 1 << 2},
	{.name = "deferring", .kind = RIG_DEFERS, .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << 3},
	{.name = "lazy",
	 .kind = RIG_DEFERS,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_YIELD,
	 .windows = 1 << 4,
	 .slow_ns = 20000},
	{.name = "refusing", .kind = RIG_REFUSES, .delivery = IOREQ_INLINE, .windows = 1 << 5},
	{.name = "returning",
	 .kind = RIG_REFUSES,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_YIELD,
	 .windows = 1 << 6},
	{.name = "default", .is_default = true},
};

static struct rig rig;
static struct rig_vm vm;
static struct rig_device devices[NR_CLIENTS];
static struct rig_vcpu vcpus[NR_VCPUS];
static uint64_t answered[NR_VCPUS][NR_CLIENTS]; /* a vCPU's own: requests that this client answered */
static uint64_t refused[NR_VCPUS][NR_CLIENTS];
static uint64_t nr_requests; /* per vCPU */

static void *run_vcpu(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	for (uint64_t i = 0; i < nr_requests; i++) {
		unsigned owner;
		uint64_t value;

		rig_vcpu_post(vcpu);
		rig_vcpu_wait(vcpu);
		value = rig_vcpu_finish(vcpu);
		owner = vcpu->window;
		if (vm.refused >> owner & 1)
			refused[vcpu->index][owner]++;
		if ((vm.refused >> owner & 1) || owner == HOLE)
			owner = NR_CLIENTS - 1;
		rig_vcpu_check(vcpu, value, &devices[owner]);
		answered[vcpu->index][owner]++;
	}
	return NULL;
}

static void check_clients(void)
{
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		const struct ioreq_client_stats *stats = rig_client_stats(&vm, devices[c].name);
		uint64_t wanted = 0, passed_on = 0;

		for (unsigned v = 0; v < NR_VCPUS; v++) {
			wanted += answered[v][c];
			passed_on += refused[v][c];
		}
		RIG_CHECK(stats->completed == wanted && stats->unhandled == passed_on,
			  "client %s: %lu completed, %lu unhandled in stats; %lu and %lu counted by the vCPUs",
			  devices[c].name, stats->completed, stats->unhandled, wanted, passed_on);
		RIG_CHECK(devices[c].runs == wanted + passed_on, "client %s: handler ran %lu times for %lu requests",
			  devices[c].name, devices[c].runs, wanted + passed_on);
		RIG_CHECK(wanted + passed_on, "client %s got no request", devices[c].name);
	}
}

static void check_reasons(void)
{
	const struct ioreq_vm_stats *stats = rig_vm_stats(&vm);

	for (unsigned r = 0; r < IOREQ_NR_REASONS; r++)
		RIG_CHECK(!stats->reasons[r], "%lu requests answered by the engine: %s", stats->reasons[r],
			  ioreq_reason_name(r));
}

static void run_round(bool strict_states, bool ring_default)
{
	uint64_t start_ns = rig_now_ns(), nr_notify = 0;

	memset(answered, 0, sizeof(answered));
	memset(refused, 0, sizeof(refused));
	rig_create(&rig, IOREQ_IDLE_YIELD, -1);
	vm = (struct rig_vm){.name = "vm0",
			     .nr_vcpus = NR_VCPUS,
			     .nr_windows = HOLE + 1,
			     .notify_percent = 30,
			     .strict_states = strict_states,
			     .refused = 1 << 5 | 1 << 6};
	rig_vm_create(&vm, &rig);
	memcpy(devices, clients, sizeof(devices));
	devices[NR_CLIENTS - 1].delivery = ring_default ? IOREQ_THREAD : IOREQ_INLINE;
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		devices[c].vm = &vm;
		rig_device_add(&devices[c]);
	}
	rig_vm_attach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_init(&vcpus[v], &vm, v, v == 0 ? IOREQ_VCPU_SLEEP : IOREQ_VCPU_YIELD);
		rig_thread(&vcpus[v].thread, run_vcpu, &vcpus[v]);
	}
	for (unsigned v = 0; v < NR_VCPUS; v++)
		pthread_join(vcpus[v].thread, NULL);
	rig_vm_detach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_check_notifies(&vcpus[v]);
		nr_notify += vcpus[v].nr_notify;
	}
	rig_check_account(&vm, NR_VCPUS * nr_requests, 0);
	check_clients();
	check_reasons();
	printf("strict_states %d, default client %s: %lu requests, %lu of them notified, %.1f s\n", strict_states,
	       ring_default ? "ring" : "inline", NR_VCPUS * nr_requests, nr_notify,
	       (double)(rig_now_ns() - start_ns) / 1e9);
	rig_destroy(&rig);
	rig_page_destroy(&vm.own_page);
}

int main(int argc, char **argv)
{
	nr_requests = (rig_is_full(argc, argv) ? 300000 : 6000) / RIG_SLOWNESS;
	for (unsigned round = 0; round < 4; round++)
		run_round(round & 1, round & 2);
	return 0;
}
