/* SPDX-License-Identifier: MIT */
/*
 * VM clear and reset under load, with slow, deferring and stuck handlers.
 *
 * Cycle     As a hypervisor's reset: the vCPUs stop wherever they are, the VM is cleared, every slot is forced to FREE,
 *           the vCPUs forget what they asked and go on. Once the clear has returned no slot may change, no notify may
 *           come, and every request posted before must have had its one completion; afterwards each answer is right,
 *           whatever a late handler of before does.
 * Stuck     Three handlers that do not return: on a client's thread, inside its completion, and inline. Who must not
 *           wait does not, who must say -EBUSY says it in time and by name, and everything ends once they return.
 *
 * Threads   Four vCPUs; the main thread clears; the poller, the clients' threads.
 * Memory    Static.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

#define NR_VCPUS 4
#define NR_CLIENTS 6
#define STUCK 4u
#define MS UINT64_C(1000000)
/* What a caller waits at most beyond clear_timeout_ns and the engine's own margin, on a machine that has other work. */
#define BOUND_NS (3000 * MS)

static struct rig rig;
static struct rig_vm vm;
static const struct rig_device clients[NR_CLIENTS] = {
	{.name = "inline", .windows = 1 << 0},
	{.name = "parked", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << 1},
	{.name = "slow",
	 .kind = RIG_SLOW,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_YIELD,
	 .windows = 1 << 2,
	 .slow_ns = 3 * MS},
	{.name = "deferring",
	 .kind = RIG_DEFERS,
	 .delivery = IOREQ_THREAD,
	 .wait = IOREQ_WAIT_PARK,
	 .windows = 1 << 3,
	 .slow_ns = 3 * MS},
	{.name = "stuck", .kind = RIG_STUCK, .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .windows = 1 << STUCK},
	{.name = "default", .is_default = true},
};
static struct rig_device devices[NR_CLIENTS];
static struct rig_vcpu vcpus[NR_VCPUS];

/* The main thread's order, and who has followed it. */
static uint32_t pausing, nr_paused, stopping;
static uint64_t nr_finished; /* requests that their vCPU saw to the end */

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

/* Returns true if the vCPU was paused: its request, if it had one, is forgotten. */
static bool pause_if_asked(void)
{
	if (!load_acquire(&pausing))
		return false;
	add_release(&nr_paused, 1);
	while (load_acquire(&pausing))
		rig_sleep_ns(20000);
	sub_release(&nr_paused, 1);
	return true;
}

static bool wait_unless_paused(const struct rig_vcpu *vcpu)
{
	while (!ioreq_vcpu_completed(&vcpu->side)) {
		if (pause_if_asked())
			return false;
		sched_yield();
	}
	return true;
}

static void *run_vcpu(void *argument)
{
	struct rig_vcpu *vcpu = argument;

	while (!load_relaxed(&stopping)) {
		pause_if_asked();
		rig_vcpu_post(vcpu);
		if (!wait_unless_paused(vcpu))
			continue;
		rig_vcpu_check(vcpu, rig_vcpu_finish(vcpu), &devices[vcpu->window]);
		add_relaxed(&nr_finished, 1);
	}
	return NULL;
}

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

/* ---- clear and reset under load ---------------------------------------------------------------------------- */

static uint32_t page_value(unsigned vcpu)
{
	return load_relaxed(&vm.page->file->slots.req_slot[vcpu].reqs.pio_request.value);
}

/* What an abandoned request of a vCPU may look like once the clear has returned. */
static void check_cleared(struct rig_vcpu *vcpu, const struct rig_device *device)
{
	uint64_t word = rig_page_word(vm.page, vcpu->index);
	uint64_t value, wanted;

	rig_vcpu_check_notifies(vcpu);
	if ((uint32_t)word == ACRN_IOREQ_STATE_FREE)
		return;
	RIG_CHECK((uint32_t)word == ACRN_IOREQ_STATE_COMPLETE, "vCPU %u: state %u after the clear", vcpu->index,
		  (uint32_t)word);
	value = rig_vcpu_finish(vcpu);
	wanted = rig_answer(device, vcpu->index, vcpu->sequence) & ioreq_width_mask(vcpu->access.size);
	RIG_CHECK(vcpu->access.direction == IOREQ_WRITE || value == wanted || rig_vcpu_is_ones(vcpu, value),
		  "vCPU %u: cleared request %lu of %s reads 0x%lx", vcpu->index, vcpu->sequence, device->name, value);
}

static void check_untouched(const uint64_t *words, const uint32_t *values)
{
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		RIG_CHECK(rig_page_word(vm.page, v) == words[v],
			  "vCPU %u: state %u, sequence %lu appeared after the clear had returned", v,
			  (uint32_t)rig_page_word(vm.page, v), rig_page_word(vm.page, v) >> 32);
		RIG_CHECK(page_value(v) == values[v], "vCPU %u: a value was stored after the clear", v);
		rig_vcpu_check_notifies(&vcpus[v]);
	}
}

static void clear_and_reset(uint64_t dice)
{
	uint32_t values[NR_VCPUS];
	uint64_t words[NR_VCPUS];

	pause_vcpus();
	rig_vm_clear(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		check_cleared(&vcpus[v], &devices[vcpus[v].window]);
		ioreq_vcpu_reset(&vcpus[v].side);
		words[v] = rig_page_word(vm.page, v);
		values[v] = page_value(v);
	}
	/* Sometimes longer than the slowest handler. */
	if (dice % 4 == 0)
		rig_sleep_ns(dice / 4 % (5 * MS));
	check_untouched(words, values);
	resume_vcpus();
}

static void start_vm(uint64_t clear_timeout_ns)
{
	rig_create(&rig, IOREQ_IDLE_YIELD, -1);
	vm = (struct rig_vm){.name = "vm0",
			     .nr_vcpus = NR_VCPUS,
			     .nr_windows = NR_CLIENTS,
			     .notify_percent = 30,
			     .strict_states = true,
			     .late = true,
			     .rare = 1 << STUCK | 1 << 2 | 1 << 3,
			     .clear_timeout_ns = clear_timeout_ns};
	rig_vm_create(&vm, &rig);
	memcpy(devices, clients, sizeof(devices));
	for (unsigned c = 0; c < NR_CLIENTS; c++) {
		devices[c].vm = &vm;
		rig_device_add(&devices[c]);
	}
	rig_vm_attach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		rig_vcpu_init(&vcpus[v], &vm, v, IOREQ_VCPU_YIELD);
}

static void stop_vm(void)
{
	rig_destroy(&rig);
	rig_page_destroy(&vm.own_page);
}

static void clear_under_load(uint64_t duration_ns)
{
	uint64_t end_ns = rig_now_ns() + duration_ns, cycles = 0, requests = 0;

	start_vm(MS);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		rig_thread(&vcpus[v].thread, run_vcpu, &vcpus[v]);
	while (rig_now_ns() < end_ns) {
		uint64_t dice = rig_mix(cycles++);

		/* Stuck for some cycles, so that new requests pile up behind a handler that was robbed of its own. */
		store_release(&devices[STUCK].held, cycles % 8 < 5);
		rig_sleep_ns(dice % (3 * MS));
		clear_and_reset(dice >> 32);
	}
	store_release(&devices[STUCK].held, 0);
	store_relaxed(&stopping, 1);
	for (unsigned v = 0; v < NR_VCPUS; v++) {
		pthread_join(vcpus[v].thread, NULL);
		requests += vcpus[v].sequence;
	}
	rig_vm_detach(&vm);
	rig_check_account(&vm, requests, 0);
	RIG_CHECK(rig_vm_stats(&vm)->clears == cycles, "%lu clears counted, %lu made", rig_vm_stats(&vm)->clears,
		  cycles);
	RIG_CHECK(load_relaxed(&rig_vm_stats(&vm)->reasons[IOREQ_CLEARED]) && load_relaxed(&devices[3].nr_stale),
		  "nothing was taken away: the test tested nothing");
	printf("%lu clears, %lu requests, %lu seen to the end, %lu cleared, %lu stale completions of the deferring client\n",
	       cycles, requests, nr_finished, load_relaxed(&rig_vm_stats(&vm)->reasons[IOREQ_CLEARED]),
	       load_relaxed(&devices[3].nr_stale));
	stop_vm();
}

/* ---- handlers that do not return --------------------------------------------------------------------------- */

/* Posts requests of vCPU `v` until one goes to that client; others are waited for. */
static void post_to(unsigned v, const struct rig_device *device, bool wants_notify)
{
	struct rig_vcpu *vcpu = &vcpus[v];

	for (;;) {
		struct ioreq_access next;
		unsigned window = rig_access_make(&vm, v, vcpu->sequence + 1, &next);
		bool found = (device->windows >> window & 1) && wants_notify == !next.completion_polling;

		/* What leads elsewhere, or is of the other kind, is skipped. */
		if (found)
			break;
		vcpu->sequence++;
	}
	rig_vcpu_post(vcpu);
}

static void serve_one(unsigned v, const struct rig_device *device)
{
	post_to(v, device, false);
	rig_vcpu_wait(&vcpus[v]);
	rig_vcpu_check(&vcpus[v], rig_vcpu_finish(&vcpus[v]), device);
}

static void wait_until(const uint32_t *flag, uint32_t value)
{
	uint64_t end_ns = rig_now_ns() + RIG_PATIENCE_NS;

	while (load_acquire(flag) != value) {
		RIG_CHECK(rig_now_ns() < end_ns, "what should happen does not");
		rig_sleep_ns(50000);
	}
}

/* `status` is -EBUSY, `text` names `who`, and it did not take long. */
static void check_busy(const char *what, int status, const struct ioreq_error *error, const char *who,
		       uint64_t start_ns)
{
	uint64_t took_ns = rig_now_ns() - start_ns;

	RIG_CHECK(status == -EBUSY, "%s gave %d, not -EBUSY", what, status);
	RIG_CHECK(strstr(error->text, who), "%s says '%s', which does not name %s", what, error->text, who);
	RIG_CHECK(took_ns < BOUND_NS, "%s took %lu ms to say -EBUSY", what, took_ns / MS);
	printf("  %s: -EBUSY after %lu ms: %s\n", what, took_ns / MS, error->text);
}

#define EXPECT_BUSY(what, call, who)                             \
	do {                                                     \
		struct ioreq_error error = {.text = ""};         \
		uint64_t start_ns = rig_now_ns();                \
		int status = (call);                             \
		check_busy(what, status, &error, who, start_ns); \
	} while (0)

/* On a client's thread: its request is taken away, so clear and detach end; only the client cannot be removed. */
static void stuck_thread(void)
{
	struct rig_device *stuck = &devices[STUCK];
	uint64_t word;

	printf("a handler that does not return, on its client's thread\n");
	start_vm(20 * MS);
	store_release(&stuck->held, 1);
	post_to(0, stuck, true);
	wait_until(&stuck->nr_held, 1);
	serve_one(1, &devices[0]);
	serve_one(2, &devices[1]);
	/* Taken away: a clear does not wait for a client's thread. */
	rig_vm_clear(&vm);
	check_cleared(&vcpus[0], stuck);
	serve_one(0, &devices[0]);
	/* Again, and now the page goes away under it. */
	post_to(3, stuck, false);
	/* Begun: what nobody has begun stays PENDING over a detach. */
	while ((uint32_t)rig_page_word(vm.page, 3) == ACRN_IOREQ_STATE_PENDING)
		rig_sleep_ns(20000);
	rig_vm_detach(&vm);
	check_cleared(&vcpus[3], stuck);
	word = rig_page_word(vm.page, 0);
	EXPECT_BUSY("client_remove", ioreq_client_remove(stuck->client, &error), "stuck");
	store_release(&stuck->held, 0);
	wait_until(&stuck->nr_held, 0);
	rig_device_remove(stuck);
	RIG_CHECK(rig_page_word(vm.page, 0) == word, "a late answer reached the page");
	rig_vm_attach(&vm);
	serve_one(0, &devices[1]);
	stop_vm();
}

/* Inside its completion: nobody can take that away; the VM waits, the poller and its other VMs do not. */
static void stuck_completion(void)
{
	struct rig_vm other = {.name = "other", .nr_vcpus = 1, .nr_windows = 1};
	struct rig_device device = {.vm = &other, .name = "other-inline", .windows = 1};
	struct rig_vcpu vcpu;

	printf("a completion that does not return, on its client's thread\n");
	start_vm(20 * MS);
	rig_vm_create(&other, &rig);
	rig_device_add(&device);
	rig_vm_attach(&other);
	rig_vcpu_init(&vcpu, &other, 0, IOREQ_VCPU_YIELD);
	store_release(&vm.page->stall, 1);
	post_to(0, &devices[1], true);
	wait_until(&vm.page->nr_stalled, 1);
	EXPECT_BUSY("clear", ioreq_vm_clear(vm.vm, &error), "parked");
	EXPECT_BUSY("detach", ioreq_vm_detach(vm.vm, &error), "parked");
	EXPECT_BUSY("client_remove", ioreq_client_remove(devices[1].client, &error), "parked");
	for (unsigned i = 0; i < 100; i++) {
		rig_vcpu_post(&vcpu);
		rig_vcpu_wait(&vcpu);
		rig_vcpu_check(&vcpu, rig_vcpu_finish(&vcpu), &device);
	}
	store_release(&vm.page->stall, 0);
	wait_until(&vm.page->nr_stalled, 0);
	rig_device_remove(&devices[1]);
	/* The detach is still asked for; called again, it ends. */
	rig_vm_detach(&vm);
	check_cleared(&vcpus[0], &devices[1]);
	rig_vm_attach(&vm);
	serve_one(0, &devices[0]);
	stop_vm();
	rig_page_destroy(&other.own_page);
}

/* Inline: it holds the poller. Everybody who needs that poller gives up in time; another poller's VM is served. */
static void stuck_inline(void)
{
	struct ioreq_poller_config config = {.name = "p1", .core = -1, .idle = IOREQ_IDLE_YIELD};
	struct rig_device inline_stuck = {.vm = &vm, .name = "holder", .kind = RIG_STUCK, .windows = 1 << 6};
	struct rig_vm other = {.name = "other", .nr_vcpus = 1, .nr_windows = 1};
	struct rig_device device = {.vm = &other, .name = "other-inline", .windows = 1};
	struct rig other_rig;
	struct rig_vcpu vcpu;
	struct ioreq_error ignored;

	printf("an inline handler that does not return\n");
	start_vm(20 * MS);
	vm.nr_windows = 7;
	rig_device_add(&inline_stuck);
	other_rig = rig;
	RIG_CHECK(!ioreq_poller_create(rig.engine, &config, &other_rig.poller, &ignored), "%s", ignored.text);
	RIG_CHECK(!ioreq_poller_start(other_rig.poller), "p1 does not start");
	rig_vm_create(&other, &other_rig);
	rig_device_add(&device);
	rig_vm_attach(&other);
	rig_vcpu_init(&vcpu, &other, 0, IOREQ_VCPU_YIELD);
	store_release(&inline_stuck.held, 1);
	post_to(0, &inline_stuck, true);
	wait_until(&inline_stuck.nr_held, 1);
	EXPECT_BUSY("clear", ioreq_vm_clear(vm.vm, &error), "holder");
	EXPECT_BUSY("detach", ioreq_vm_detach(vm.vm, &error), "holder");
	EXPECT_BUSY("client_remove", ioreq_client_remove(devices[1].client, &error), "poller p0");
	EXPECT_BUSY("poller_stop", ioreq_poller_stop(rig.poller, &error), "holder");
	EXPECT_BUSY("engine_destroy", ioreq_engine_destroy(rig.engine, &error), "holder");
	for (unsigned i = 0; i < 100; i++) {
		rig_vcpu_post(&vcpu);
		rig_vcpu_wait(&vcpu);
		rig_vcpu_check(&vcpu, rig_vcpu_finish(&vcpu), &device);
	}
	store_release(&inline_stuck.held, 0);
	/* Its poller was told to stop: it ends by itself; what was asked of it is done in its place. */
	RIG_CHECK(!ioreq_poller_stop(rig.poller, &ignored), "%s", ignored.text);
	rig_device_remove(&devices[1]);
	rig_vm_detach(&vm);
	check_cleared(&vcpus[0], &inline_stuck);
	stop_vm();
	rig_page_destroy(&other.own_page);
}

int main(int argc, char **argv)
{
	clear_under_load((rig_is_full(argc, argv) ? 120000 : 4000) * MS);
	stuck_thread();
	stuck_completion();
	stuck_inline();
	return 0;
}
