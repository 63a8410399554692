/* SPDX-License-Identifier: MIT */
/*
 * core/poller.c and poller_control.c: what one sweep does, step by step, and the loop's life.
 *
 * Threads   The test's steps the sweeps; tests of the loop start it. Memory: a stand per test.
 */
#include "unit/stand.h"

#include <pthread.h>

#define MMIO_PAGE(n)                                           \
	{                                                      \
		0x1000 * (n), 0x1000 * (n) + 0xfff, IOREQ_MMIO \
	}

static struct stand stand;
static struct stand_device device, other;

static int set_up(void **unused)
{
	(void)unused;
	stand_open(&stand, &(struct stand_config){.clear_timeout_ns = 50000000});
	stand_device(&stand, &device, 0x11);
	stand_device(&stand, &other, 0x22);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	stand_close(&stand);
	return 0;
}

static void add_inline(void)
{
	stand_add(&device, &(struct stand_client){.name = "inline", .range = MMIO_PAGE(1)});
}

static void add_ring(void)
{
	stand_add(&other,
		  &(struct stand_client){
			  .name = "ring", .delivery = IOREQ_THREAD, .wait = IOREQ_WAIT_PARK, .range = MMIO_PAGE(2)});
}

static void post(unsigned vcpu, uint64_t address)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, address, 4);

	stand_post(&stand, vcpu, &access);
}

static void post_sleeping(unsigned vcpu, uint64_t address)
{
	const struct ioreq_access access = stand_sleeping(stand_read(IOREQ_MMIO, address, 4));

	stand_post(&stand, vcpu, &access);
}

static bool complete(unsigned vcpu)
{
	return stand_state(&stand, vcpu) == ACRN_IOREQ_STATE_COMPLETE;
}

/* ---- one sweep -------------------------------------------------------------------------------------------- */

static unsigned order[64], nr_served;

static void note_order(struct stand_device *unused, const struct ioreq_access *access)
{
	(void)unused;
	order[nr_served++] = access->vcpu;
}

static void test_poller_sweep_serves_all_slots_once_in_order(void **unused)
{
	(void)unused;
	add_inline();
	device.inside = note_order;
	nr_served = 0;
	for (unsigned v = IOREQ_MAX_VCPUS; v-- > 0;)
		post(v, 0x1000);
	assert_int_equal(stand_sweep(&stand), IOREQ_MAX_VCPUS);
	assert_int_equal(nr_served, IOREQ_MAX_VCPUS);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++) {
		assert_int_equal(order[v], v);
		assert_true(complete(v));
		assert_int_equal(stand_sequence(&stand, v), 1);
	}
	assert_int_equal(stand_sweep(&stand), 0);
	assert_int_equal(nr_served, IOREQ_MAX_VCPUS);
	stand_assert_account(&stand);
}

static void test_poller_sweep_leaves_slots_that_are_not_pending(void **unused)
{
	static const uint32_t states[] = {ACRN_IOREQ_STATE_FREE, ACRN_IOREQ_STATE_PROCESSING, ACRN_IOREQ_STATE_COMPLETE,
					  4, UINT32_MAX};
	struct acrn_io_request_buffer before;

	(void)unused;
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
		stand.slots->req_slot[v].processed = states[v % NR_OF(states)];
	before = *stand.slots;
	assert_int_equal(stand_sweep(&stand), 0);
	assert_memory_equal(stand.slots, &before, sizeof(before));
	ioreq_page_prefill(stand.slots);
}

static void test_poller_sweep_looks_at_the_vms_vcpus_only(void **unused)
{
	struct ioreq_page page;

	(void)unused;
	add_inline();
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	stand.nr_vcpus = 2;
	page = stand_page(&stand);
	assert_int_equal(ioreq_vm_attach(stand.vm, &page, NULL), 0);
	post(1, 0x1000);
	post(2, 0x1000);
	assert_int_equal(stand_sweep(&stand), 1);
	assert_true(complete(1));
	assert_int_equal(stand_state(&stand, 2), ACRN_IOREQ_STATE_PENDING);
	ioreq_vcpu_finish(&stand.vcpus[1]);
	ioreq_vcpu_reset(&stand.vcpus[2]);
}

/* An unroutable, an invalid, a held and a reposted slot before it: the last one is served in the same sweep. */
static void test_poller_bad_slots_never_delay_another(void **unused)
{
	const struct acrn_io_request invalid = {.type = 99, .completion_polling = 1};

	(void)unused;
	add_inline();
	add_ring();
	other.gated = true;
	post(0, 0x2000);
	post(1, 0x2000);
	stand_sweep(&stand);
	stand_await(stand_entered(&other) == 1);
	stand_force_pending(&stand, 0);
	assert_int_equal(ioreq_vcpu_post_raw(&stand.vcpus[2], &invalid), 0);
	post(3, 0x9000);
	stand.slots->req_slot[4].processed = 77;
	post(15, 0x1000);
	assert_int_equal(stand_sweep(&stand), 3);
	assert_true(complete(2) && complete(3) && complete(15));
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[15]), 0x11);
	assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_PENDING);
	assert_int_equal(stand_state(&stand, 1), ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(stand_stats(&stand)->reposted, 1);
	other.gated = false;
	stand_let_go(&other, 2);
	assert_int_equal(stand_finish(&stand, 0), 0x22);
	assert_int_equal(stand_finish(&stand, 1), 0x22);
	ioreq_page_prefill(stand.slots);
	stand_assert_account(&stand);
}

static void test_poller_serves_its_vms_in_turn(void **unused)
{
	struct acrn_io_request_buffer *second_slots = aligned_alloc(4096, sizeof(*second_slots));
	const struct ioreq_vm_config config = {.name = "vm1", .poller = stand.poller};
	struct ioreq_page page = stand_page(&stand);
	struct ioreq_vcpu vcpu;
	struct ioreq_vm *second;
	const struct ioreq_access access = stand_read(IOREQ_PIO, 1, 1);

	(void)unused;
	assert_non_null(second_slots);
	ioreq_page_prefill(second_slots);
	ioreq_vcpu_init(&vcpu, second_slots, NULL, 0);
	page.slots = second_slots;
	page.id = NULL;
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &second, NULL), 0);
	assert_int_equal(ioreq_vm_attach(second, &page, NULL), 0);
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	/* A slot of the first VM that is posted again and again does not keep the second from being served. */
	for (unsigned i = 0; i < 200; i++) {
		if (stand_state(&stand, 0) == ACRN_IOREQ_STATE_FREE)
			stand_post(&stand, 0, &access);
		assert_int_equal(ioreq_vcpu_post(&vcpu, &access), 0);
		assert_int_equal(ioreq_vcpu_wait(&vcpu, IOREQ_VCPU_YIELD, STAND_PATIENCE_NS), 0);
		assert_int_equal(ioreq_vcpu_finish(&vcpu), 0xff);
		stand_finish(&stand, 0);
	}
	assert_int_equal(ioreq_vm_destroy(second, NULL), 0);
	free(second_slots);
}

/* ---- states ----------------------------------------------------------------------------------------------- */

static void test_poller_strict_states_decide_what_an_inline_handler_leaves(void **unused)
{
	(void)unused;
	for (unsigned strict = 0; strict < 2; strict++) {
		stand_close(&stand);
		stand_open(&stand, &(struct stand_config){.strict_states = strict});
		stand_device(&stand, &device, 0x11);
		add_inline();
		post(0, 0x1000);
		stand_sweep(&stand);
		assert_int_equal(device.state, strict ? ACRN_IOREQ_STATE_PROCESSING : ACRN_IOREQ_STATE_PENDING);
		assert_int_equal(device.kernel_handled, strict);
		assert_int_equal(stand.slots->req_slot[0].kernel_handled, strict);
		assert_true(complete(0));
	}
}

static void test_poller_ring_request_is_processing_whatever_is_set(void **unused)
{
	(void)unused;
	add_ring();
	other.gated = true;
	post(0, 0x2000);
	stand_sweep(&stand);
	assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(stand.slots->req_slot[0].kernel_handled, 1);
	stand_let_go(&other, 1);
	assert_int_equal(stand_finish(&stand, 0), 0x22);
	assert_int_equal(other.state, ACRN_IOREQ_STATE_PROCESSING);
}

/* ---- what a slot's earlier ring request left -------------------------------------------------------------- */

static void test_poller_repost_over_a_held_request_is_counted_once_per_request(void **unused)
{
	(void)unused;
	add_ring();
	other.gated = true;
	for (unsigned round = 1; round <= 3; round++) {
		post(0, 0x2000);
		stand_sweep(&stand);
		stand_await(stand_entered(&other) == round);
		stand_force_pending(&stand, 0);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(stand_sweep(&stand), 0);
		assert_int_equal(stand_stats(&stand)->reposted, round);
		stand_let_go(&other, 1);
		stand_await(complete(0));
		ioreq_vcpu_finish(&stand.vcpus[0]);
		stand_sweep(&stand);
	}
	assert_int_equal(stand_stats(&stand)->posted, 3);
	stand_assert_account(&stand);
}

/* Generations are a ring's own: the first request of two rings has the same. */
static void test_poller_repost_over_another_clients_request_is_counted_too(void **unused)
{
	struct stand_device *const rings[] = {&device, &other};

	(void)unused;
	stand_add(&device, &(struct stand_client){.name = "ring1", .delivery = IOREQ_THREAD, .range = MMIO_PAGE(1)});
	add_ring();
	for (unsigned i = 0; i < 2; i++) {
		rings[i]->gated = true;
		post(0, 0x1000 * (i + 1));
		stand_sweep(&stand);
		stand_await(stand_entered(rings[i]) == 1);
		stand_force_pending(&stand, 0);
		stand_sweep(&stand);
		assert_int_equal(stand_stats(&stand)->reposted, i + 1);
		stand_let_go(rings[i], 1);
		stand_await(complete(0));
		ioreq_vcpu_finish(&stand.vcpus[0]);
		stand_sweep(&stand);
	}
}

/* COMPLETE is out, the completer is not: the next request waits for it, and that is nobody's error. */
static void test_poller_next_request_waits_for_a_completer_that_is_still_inside(void **unused)
{
	sem_t gate;

	(void)unused;
	sem_init(&gate, 0, 0);
	add_ring();
	stand.backend.notify_gate = &gate;
	post_sleeping(0, 0x2000);
	stand_sweep(&stand);
	stand_await(load_relaxed(&stand.backend.notified[0]) == 1);
	assert_true(complete(0));
	assert_int_equal(ioreq_token_state(ioreq_ring_token(other.client->ring, 0)), IOREQ_TOKEN_DONE);
	ioreq_vcpu_finish(&stand.vcpus[0]);
	post(0, 0x2000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(stand_sweep(&stand), 0);
	assert_int_equal(stand_stats(&stand)->reposted, 0);
	assert_int_equal(stand_stats(&stand)->posted, 1);
	sem_post(&gate);
	assert_int_equal(stand_finish(&stand, 0), 0x22);
	assert_int_equal(stand_stats(&stand)->posted, 2);
	assert_int_equal(stand_stats(&stand)->reposted, 0);
	stand_assert_account(&stand);
}

/* Taken away while its handler ran: the slot and the ring's entry serve the next request at once. */
static void test_poller_next_request_after_an_expired_one_is_served(void **unused)
{
	(void)unused;
	add_inline();
	add_ring();
	other.gated = true;
	post(0, 0x2000);
	stand_sweep(&stand);
	stand_await(stand_entered(&other) == 1);
	assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0xffffffff);
	post(0, 0x1000);
	assert_int_equal(stand_sweep(&stand), 1);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0x11);
	post(0, 0x2000);
	assert_int_equal(stand_sweep(&stand), 1);
	assert_int_equal(ioreq_token_state(ioreq_ring_token(other.client->ring, 0)), IOREQ_TOKEN_POSTED);
	stand_let_go(&other, 2);
	assert_int_equal(stand_finish(&stand, 0), 0x22);
	assert_int_equal(stand_stats(&stand)->reposted, 0);
	stand_assert_account(&stand);
}

static void test_poller_sweep_wakes_a_parked_client_and_counts_it(void **unused)
{
	(void)unused;
	add_ring();
	stand_await(load_relaxed(&other.client->ring->parked));
	post(0, 0x2000);
	assert_int_equal(stand_sweep(&stand), 1);
	assert_int_equal(stand.poller->stats->wakes, 1);
	assert_int_equal(stand_finish(&stand, 0), 0x22);
}

static void test_poller_resumes_what_is_processing_on_a_new_page(void **unused)
{
	struct ioreq_page page;

	(void)unused;
	add_inline();
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	post(3, 0x1000);
	stand.slots->req_slot[3].processed = ACRN_IOREQ_STATE_PROCESSING;
	post(7, 0x1000);
	stand.id = 0;
	page = stand_page(&stand);
	assert_int_equal(ioreq_vm_attach(stand.vm, &page, NULL), 0);
	assert_int_equal(device.entered, 0);
	stand_sweep(&stand);
	assert_int_equal(device.entered, 2);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[3]), 0x11);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[7]), 0x11);
	assert_int_equal(stand_sweep(&stand), 0);
	stand_assert_account(&stand);
}

/* ---- the loop --------------------------------------------------------------------------------------------- */

static void test_poller_create_refuses_names_and_too_many(void **unused)
{
	static const struct {
		const char *name;
		int status;
		const char *sentence;
	} cases[] = {
		{NULL, -EINVAL, "poller '': a name of 0 characters; allowed: 1..31"},
		{"", -EINVAL, "poller '': a name of 0 characters; allowed: 1..31"},
		{"abcdefghijklmnopqrstuvwxyz012345", -EINVAL,
		 "poller 'abcdefghijklmnopqrstuvwxyz012345': a name of 32 characters; allowed: 1..31"},
		{"a/b", -EINVAL, "poller 'a/b': allowed: printable ASCII without blanks and '/'"},
		{"p0", -EEXIST, "poller p0: exists already"},
		{"p16", -ENOSPC, "poller p16: more than 16 pollers"},
	};
	struct ioreq_poller *poller = NULL;
	char name[8];

	(void)unused;
	for (unsigned i = 1; i < IOREQ_STATS_MAX_POLLERS; i++) {
		const struct ioreq_poller_config config = {.name = name, .core = -1};

		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(ioreq_poller_create(stand.engine, &config, &poller, NULL), 0);
	}
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct ioreq_poller_config config = {.name = cases[i].name, .core = -1};
		struct ioreq_error error = {.text = ""};

		poller = (struct ioreq_poller *)&config;
		assert_int_equal(ioreq_poller_create(stand.engine, &config, &poller, &error), cases[i].status);
		assert_sentence(error, cases[i].sentence);
		assert_ptr_equal(poller, &config);
	}
}

static void *run(void *result)
{
	*(int *)result = ioreq_poller_run(stand.poller);
	return NULL;
}

static void test_poller_runs_on_the_callers_thread_until_stopped(void **unused)
{
	int result = 1;
	pthread_t thread;
	uint64_t sweeps;

	(void)unused;
	assert_int_equal(ioreq_poller_sweeps(stand.poller), 0);
	assert_int_equal(pthread_create(&thread, NULL, run, &result), 0);
	stand_await(ioreq_poller_sweeps(stand.poller) > 10);
	assert_int_equal(ioreq_poller_run(stand.poller), -EBUSY);
	assert_int_equal(ioreq_poller_start(stand.poller), -EBUSY);
	assert_int_equal(ioreq_poller_stop(stand.poller, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(result, 0);
	sweeps = ioreq_poller_sweeps(stand.poller);
	ioreq_engine_sleep_ns(5000000);
	assert_int_equal(ioreq_poller_sweeps(stand.poller), sweeps);
}

static void test_poller_stopped_leaves_requests_pending_for_the_next_loop(void **unused)
{
	(void)unused;
	add_inline();
	assert_int_equal(ioreq_poller_stop(stand.poller, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ioreq_poller_start(stand.poller), 0);
		assert_int_equal(ioreq_poller_start(stand.poller), -EBUSY);
		stand_await(ioreq_poller_sweeps(stand.poller) > 0);
		assert_int_equal(ioreq_poller_stop(stand.poller, NULL), 0);
		post(0, 0x1000);
		ioreq_engine_sleep_ns(2000000);
		assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_PENDING);
		assert_int_equal(ioreq_poller_start(stand.poller), 0);
		assert_int_equal(stand_finish(&stand, 0), 0x11);
		assert_int_equal(ioreq_poller_stop(stand.poller, NULL), 0);
	}
	assert_int_equal(device.entered, 3);
}

static void test_poller_stop_with_a_stuck_handler_names_its_client(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	add_inline();
	device.gated = true;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	post(0, 0x1000);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_poller_stop(stand.poller, &error), -EBUSY);
	assert_sentence(error, "poller p0: the handler of client inline does not return");
	stand_let_go(&device, 1);
	stand_await(!ioreq_poller_running(stand.poller));
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0x11);
	assert_int_equal(ioreq_poller_stop(stand.poller, &error), 0);
	/* Nothing of it is left: the loop runs again. */
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	stand_let_go(&device, 1);
	post(0, 0x1000);
	assert_int_equal(stand_finish(&stand, 0), 0x11);
}

static void test_poller_ticket_is_answered_between_two_sweeps(void **unused)
{
	uint64_t ticket;

	(void)unused;
	add_inline();
	/* Who does not run reads nothing. */
	assert_true(ioreq_poller_answered(stand.poller, ioreq_poller_ask(stand.poller)));
	assert_int_equal(ioreq_poller_quiesce(stand.poller, 0), 0);
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	assert_int_equal(ioreq_poller_quiesce(stand.poller, STAND_PATIENCE_NS), 0);
	device.gated = true;
	post(0, 0x1000);
	stand_await(stand_entered(&device) == 1);
	ticket = ioreq_poller_ask(stand.poller);
	assert_int_equal(ioreq_poller_quiesce(stand.poller, 2000000), -EBUSY);
	assert_false(ioreq_poller_answered(stand.poller, ticket));
	stand_let_go(&device, 1);
	stand_finish(&stand, 0);
	stand_await(ioreq_poller_answered(stand.poller, ticket));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_poller_sweep_serves_all_slots_once_in_order),
		CASE(test_poller_sweep_leaves_slots_that_are_not_pending),
		CASE(test_poller_sweep_looks_at_the_vms_vcpus_only),
		CASE(test_poller_bad_slots_never_delay_another),
		CASE(test_poller_serves_its_vms_in_turn),
		CASE(test_poller_strict_states_decide_what_an_inline_handler_leaves),
		CASE(test_poller_ring_request_is_processing_whatever_is_set),
		CASE(test_poller_repost_over_a_held_request_is_counted_once_per_request),
		CASE(test_poller_repost_over_another_clients_request_is_counted_too),
		CASE(test_poller_next_request_waits_for_a_completer_that_is_still_inside),
		CASE(test_poller_next_request_after_an_expired_one_is_served),
		CASE(test_poller_sweep_wakes_a_parked_client_and_counts_it),
		CASE(test_poller_resumes_what_is_processing_on_a_new_page),
		CASE(test_poller_create_refuses_names_and_too_many),
		CASE(test_poller_runs_on_the_callers_thread_until_stopped),
		CASE(test_poller_stopped_leaves_requests_pending_for_the_next_loop),
		CASE(test_poller_stop_with_a_stuck_handler_names_its_client),
		CASE(test_poller_ticket_is_answered_between_two_sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
