/* SPDX-License-Identifier: MIT */
/*
 * A thousand table updates a second while vCPUs access: who answers must be the owner of before or after the update
 * while one is under way, and the new owner only as soon as the update has returned.
 *
 * Oracle    Table number g is a row of owners, written before the update to it begins. `begun` and `done` hold the
 *           number of the newest table whose update has begun, or returned. A request that was posted when table a was
 *           done and finished when table b had begun may be answered by its owner in a..b, by nobody else.
 * Updates   All ranges replaced; one removed or added; a client added with its ranges, or removed with them.
 *
 * Threads   Three vCPUs; the main thread updates; the poller, the clients' threads, the reclaimer.
 * Memory    Static.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define NR_VCPUS 3
#define NR_WINDOWS 7
#define GUEST_WINDOW 6u /* the window of the client that comes and goes */
#define NR_CELLS (IOREQ_NR_SPACES * NR_WINDOWS)
#define HISTORY 8192u
#define TICK_NS 1000000

enum { INLINE_A, INLINE_B, PARKED, YIELDING, DEFAULT, GUEST, NR_CLIENTS };

static struct rig rig;
static struct rig_vm vm = {.name = "vm0", .nr_vcpus = NR_VCPUS, .nr_windows = NR_WINDOWS, .notify_percent = 20};
static struct rig_device devices[NR_CLIENTS] = {
	[INLINE_A] = {.name = "inline-a"},
	[INLINE_B] = {.name = "inline-b"},
	[PARKED] = {.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK},
	[YIELDING] = {.name = "yielding", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_YIELD},
	[DEFAULT] = {.name = "default", .is_default = true},
	[GUEST] = {.name = "guest", .windows = 1 << GUEST_WINDOW},
};
static struct rig_vcpu vcpus[NR_VCPUS];

/* Owner of each cell, a window in a space, in the last HISTORY tables. Written before `begun`, read after it. */
static uint8_t owners[HISTORY][NR_CELLS];
static uint64_t begun, done;
static uint32_t stopping;

/* What the vCPUs have seen: requests outside all updates, inside one, answers per client. */
static uint64_t nr_exact, nr_between, answers[NR_CLIENTS];

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

static bool answered_by(const struct rig_vcpu *vcpu, uint64_t value, const struct rig_device *device)
{
	/* The handler's mark says who it was, for writes too; it is read only once the answer says that it ran. */
	if (vcpu->access.direction == IOREQ_READ &&
	    value != (rig_answer(device, vcpu->index, vcpu->sequence) & ioreq_width_mask(vcpu->access.size)))
		return false;
	return rig_seen(device, vcpu->index) == vcpu->sequence;
}

static void check_owner(const struct rig_vcpu *vcpu, uint64_t value, uint64_t first, uint64_t last)
{
	unsigned cell = vcpu->access.space * NR_WINDOWS + vcpu->window;

	RIG_CHECK(last - first < HISTORY / 2, "vCPU %u: a request took %lu updates", vcpu->index, last - first);
	for (uint64_t table = first; table <= last; table++) {
		unsigned owner = owners[table % HISTORY][cell];

		if (!answered_by(vcpu, value, &devices[owner]))
			continue;
		add_relaxed(&answers[owner], 1);
		add_relaxed(first == last ? &nr_exact : &nr_between, 1);
		return;
	}
	rig_fail(__FILE__, __LINE__,
		 "vCPU %u: request %lu (space %u window %u, %s) value 0x%lx is no answer of its owners in tables "
		 "%lu..%lu, from %s to %s",
		 vcpu->index, vcpu->sequence, vcpu->access.space, vcpu->window,
		 vcpu->access.direction ? "write" : "read", value, first, last,
		 devices[owners[first % HISTORY][cell]].name, devices[owners[last % HISTORY][cell]].name);
}

static void *run_vcpu(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	while (!load_relaxed(&stopping)) {
		uint64_t first = load_acquire(&done), value;

		rig_vcpu_post(vcpu);
		rig_vcpu_wait(vcpu);
		value = rig_vcpu_finish(vcpu);
		check_owner(vcpu, value, first, load_acquire(&begun));
	}
	return NULL;
}

/* ---- updates ----------------------------------------------------------------------------------------------- */

static uint64_t dice(unsigned sides)
{
	static uint64_t throws;

	return rig_mix(throws++) % sides;
}

/* The row of the next table, as a copy of this one's. */
static uint8_t *next_row(void)
{
	uint64_t table = load_relaxed(&done);

	memcpy(owners[(table + 1) % HISTORY], owners[table % HISTORY], NR_CELLS);
	return owners[(table + 1) % HISTORY];
}

static void begin(void)
{
	store_release(&begun, load_relaxed(&done) + 1);
}

static void end(int status, const struct ioreq_error *error)
{
	RIG_CHECK(!status, "update %lu: %s", load_relaxed(&begun), error->text);
	store_release(&done, load_relaxed(&begun));
}

static struct ioreq_range cell_range(unsigned cell)
{
	return rig_window(cell / NR_WINDOWS, cell % NR_WINDOWS);
}

static bool is_guests(unsigned cell)
{
	return cell % NR_WINDOWS == GUEST_WINDOW;
}

static void replace_all(void)
{
	struct ioreq_owned_range ranges[NR_CELLS];
	struct ioreq_error error = {.text = ""};
	uint8_t *row = next_row();
	size_t nr = 0;

	for (unsigned cell = 0; cell < NR_CELLS; cell++) {
		if (!is_guests(cell))
			row[cell] = (uint8_t)dice(DEFAULT + 1);
		if (row[cell] != DEFAULT)
			ranges[nr++] = (struct ioreq_owned_range){.range = cell_range(cell),
								  .client = devices[row[cell]].client};
	}
	begin();
	end(ioreq_ranges_replace(vm.vm, ranges, nr, &error), &error);
}

/* Takes one range from its owner, or gives one without an owner away. */
static void move_one(void)
{
	struct ioreq_error error = {.text = ""};
	uint8_t *row = next_row();
	unsigned cell = (unsigned)dice(NR_CELLS);
	struct ioreq_range range = cell_range(cell);
	uint8_t owner = row[cell];

	if (is_guests(cell))
		return;
	row[cell] = owner == DEFAULT ? (uint8_t)dice(DEFAULT) : DEFAULT;
	begin();
	if (owner == DEFAULT)
		end(ioreq_range_add(devices[row[cell]].client, &range, &error), &error);
	else
		end(ioreq_range_remove(devices[owner].client, &range, &error), &error);
}

/* Inline, or on a thread with requests that are always in flight: then they are what the removal has to wait for. */
static void disguise_guest(bool threaded)
{
	devices[GUEST].delivery = threaded ? IOREQ_THREAD : IOREQ_INLINE;
	devices[GUEST].kind = threaded ? RIG_DEFERS : RIG_PLAIN;
	devices[GUEST].slow_ns = 500000;
}

/* Returns what the guest's record said when it went. */
static uint64_t come_or_go(void)
{
	const struct ioreq_client_stats *stats = devices[GUEST].client ? rig_client_stats(&vm, "guest") : NULL;
	uint8_t *row = next_row();

	for (unsigned cell = 0; cell < NR_CELLS; cell++)
		if (is_guests(cell))
			row[cell] = stats ? DEFAULT : GUEST;
	if (!stats)
		disguise_guest(dice(2));
	begin();
	if (stats)
		rig_device_remove(&devices[GUEST]);
	else
		rig_device_add(&devices[GUEST]);
	end(0, NULL);
	if (!stats)
		return 0;
	devices[GUEST].client = NULL;
	/* The record is free now, but keeps its numbers until the next client takes it. */
	return load_relaxed(&stats->completed);
}

/* Updates for that long. Returns the completions of guests that are gone. */
static uint64_t churn(uint64_t duration_ns)
{
	uint64_t start_ns = rig_now_ns(), due_ns = start_ns, now_ns, removed = 0;

	while (due_ns < start_ns + duration_ns) {
		switch (dice(8)) {
		case 0: removed += come_or_go(); break;
		case 1:
		case 2:
		case 3: move_one(); break;
		default: replace_all();
		}
		due_ns += TICK_NS;
		now_ns = rig_now_ns();
		if (now_ns < due_ns)
			rig_sleep_ns(due_ns - now_ns);
		else if (now_ns > due_ns + 100 * TICK_NS)
			due_ns = now_ns;
	}
	return removed;
}

/* ---- the test ---------------------------------------------------------------------------------------------- */

static uint64_t stop_vcpus(void)
{
	uint64_t requests = 0;

	store_relaxed(&stopping, 1);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		pthread_join(vcpus[v].thread, NULL);
		requests += vcpus[v].sequence;
	}
	rig_vm_detach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		rig_vcpu_check_notifies(&vcpus[v]);
	return requests;
}

static void check_coverage(uint64_t duration_ns)
{
	uint64_t updates = load_relaxed(&done);

	printf("%lu updates in %.1f s; %lu requests outside all updates, %lu inside one\n", updates,
	       (double)duration_ns / 1e9, nr_exact, nr_between);
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		printf("  %s answered %lu\n", devices[c].name, answers[c]);
		RIG_CHECK(answers[c], "%s answered nothing: the test tested nothing", devices[c].name);
	}
	RIG_CHECK(nr_exact && nr_between, "no request %s an update: the test tested nothing",
		  nr_exact ? "inside" : "outside");
	RIG_CHECK(updates > duration_ns / TICK_NS / 20, "only %lu updates", updates);
}

int main(int argc, char **argv)
{
	uint64_t duration_ns = (rig_is_full(argc, argv) ? 120 : 4) * UINT64_C(1000000000);
	uint64_t removed, requests;

	memset(owners[0], DEFAULT, NR_CELLS);
	rig_create(&rig, IOREQ_IDLE_YIELD, -1);
	rig_vm_create(&vm, &rig);
	for (unsigned c = 0; c < NR_CLIENTS; c++)
		devices[c].vm = &vm;
	for (unsigned c = 0; c < GUEST; c++)
		rig_device_add(&devices[c]);
	rig_vm_attach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		rig_vcpu_init(&vcpus[v], &vm, v, IOREQ_VCPU_YIELD);
		rig_thread(&vcpus[v].thread, run_vcpu, &vcpus[v]);
	}
	removed = churn(duration_ns);
	requests = stop_vcpus();
	rig_check_account(&vm, requests, removed);
	check_coverage(duration_ns);
	rig_destroy(&rig);
	rig_page_destroy(&vm.own_page);
	return 0;
}
