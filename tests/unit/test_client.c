/* SPDX-License-Identifier: MIT */
/*
 * core/client.c and client_control.c: delivery, answers, deferred completion, interrupts, adding, removing, ranges.
 *
 * Threads   The test's steps the sweeps; clients with thread delivery run. Memory: a stand per test.
 */
#include "unit/stand.h"

#include <pthread.h>

#define WINDOW(n)                                              \
	{                                                      \
		0x1000 * (n), 0x1000 * (n) + 0xfff, IOREQ_MMIO \
	}
#define ONES 0xffffffff

static struct stand stand;
static struct stand_device device, rest;

static int set_up(void **unused)
{
	(void)unused;
	stand_open(&stand, &(struct stand_config){.clear_timeout_ns = 50000000});
	stand_device(&stand, &device, 0xa1);
	stand_device(&stand, &rest, 0xa2);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	stand_assert_account(&stand);
	stand_close(&stand);
	return 0;
}

static uint64_t request(struct ioreq_access access)
{
	return stand_request(&stand, 4, &access);
}

static uint64_t read_window(unsigned window)
{
	return request(stand_read(IOREQ_MMIO, 0x1000 * window, 4));
}

static void post(unsigned vcpu, unsigned window)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, 0x1000 * window, 4);

	stand_post(&stand, vcpu, &access);
}

static uint64_t reason(enum ioreq_reason which)
{
	return load_relaxed(&stand_stats(&stand)->reasons[which]);
}

static bool complete(unsigned vcpu)
{
	return stand_state(&stand, vcpu) == ACRN_IOREQ_STATE_COMPLETE;
}

static void add(struct stand_device *at, const char *name, enum ioreq_delivery delivery, unsigned window)
{
	stand_add(at, &(struct stand_client){.name = name, .delivery = delivery, .range = WINDOW(window)});
}

static void add_default(enum ioreq_delivery delivery)
{
	stand_add(&rest, &(struct stand_client){.name = "rest", .delivery = delivery, .is_default = true});
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

static void test_client_inline_answer_goes_to_the_guest(void **unused)
{
	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(read_window(1), 0xa1);
	assert_int_equal(request(stand_write(IOREQ_MMIO, 0x1008, 2, 0x1234)), 0x1234);
	assert_int_equal(device.seen.value, 0x1234);
	assert_int_equal(device.seen.address, 0x1008);
	assert_int_equal(device.seen.size, 2);
	assert_int_equal(device.seen.vcpu, 4);
	assert_ptr_equal(device.seen.client, device.client);
	assert_int_equal(stand.backend.notified[4], 0);
	request(stand_sleeping(stand_read(IOREQ_MMIO, 0x1000, 4)));
	assert_int_equal(stand.backend.notified[4], 1);
	assert_int_equal(stand.backend.sequence[4], 3);
	assert_int_equal(device.client->stats->notifies, 1);
}

/* What a client answers, and who answers then: the table is the contract of enum ioreq_result. */
static void test_client_unusual_answer_goes_to_the_default_client_or_becomes_ones(void **unused)
{
	static const struct {
		enum ioreq_delivery delivery;
		uint32_t result;
		uint64_t with_default, without; /* what the guest reads */
		enum ioreq_reason counted;      /* without a default client */
		bool reaches_default;
	} cases[] = {
		{IOREQ_INLINE, IOREQ_UNHANDLED, 0xa2, ONES, IOREQ_UNCLAIMED, true},
		{IOREQ_INLINE, IOREQ_DEFER, ONES, ONES, IOREQ_BAD_RESULT, false},
		{IOREQ_INLINE, 3, ONES, ONES, IOREQ_BAD_RESULT, false},
		{IOREQ_INLINE, UINT32_MAX, ONES, ONES, IOREQ_BAD_RESULT, false},
		{IOREQ_THREAD, IOREQ_UNHANDLED, 0xa2, ONES, IOREQ_UNCLAIMED, true},
		{IOREQ_THREAD, 3, ONES, ONES, IOREQ_BAD_RESULT, false},
		{IOREQ_THREAD, UINT32_MAX, ONES, ONES, IOREQ_BAD_RESULT, false},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++)
		for (unsigned with = 0; with < 3; with++) {
			uint64_t before;

			stand_device(&stand, &device, 0xa1);
			stand_device(&stand, &rest, 0xa2);
			device.result = cases[i].result;
			add(&device, "dev", cases[i].delivery, 1);
			if (with)
				add_default(with == 1 ? IOREQ_INLINE : IOREQ_THREAD);
			before = reason(cases[i].counted);
			assert_int_equal(read_window(1), with ? cases[i].with_default : cases[i].without);
			assert_int_equal(stand_entered(&device), 1);
			assert_int_equal(stand_entered(&rest), with && cases[i].reaches_default);
			stand_await(reason(cases[i].counted) == before + (with && cases[i].reaches_default ? 0 : 1));
			stand_assert_account(&stand);
			assert_int_equal(load_relaxed(&device.client->stats->unhandled),
					 cases[i].result == IOREQ_UNHANDLED);
			assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
			if (with)
				assert_int_equal(ioreq_client_remove(rest.client, NULL), 0);
		}
}

/* The default client gets what the first one was given, not what it left in the access. */
static void test_client_default_gets_the_guests_write_whole(void **unused)
{
	(void)unused;
	for (unsigned delivery = IOREQ_INLINE; delivery <= IOREQ_THREAD; delivery++) {
		stand_device(&stand, &device, 0xa1);
		stand_device(&stand, &rest, 0xa2);
		device.result = IOREQ_UNHANDLED;
		add(&device, "dev", (enum ioreq_delivery)delivery, 1);
		add_default(IOREQ_INLINE);
		request(stand_write(IOREQ_MMIO, 0x1010, 8, 0x1122334455667788));
		assert_int_equal(rest.seen.value, 0x1122334455667788);
		assert_int_equal(rest.seen.address, 0x1010);
		assert_int_equal(rest.seen.size, 8);
		assert_int_equal(rest.seen.direction, IOREQ_WRITE);
		assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
		assert_int_equal(ioreq_client_remove(rest.client, NULL), 0);
	}
}

static void test_client_default_that_is_unhandled_too_reads_ones(void **unused)
{
	(void)unused;
	rest.result = IOREQ_UNHANDLED;
	add_default(IOREQ_INLINE);
	assert_int_equal(read_window(7), ONES);
	assert_int_equal(reason(IOREQ_UNCLAIMED), 1);
	assert_int_equal(rest.entered, 1);
	assert_int_equal(ioreq_client_remove(rest.client, NULL), 0);
	stand_device(&stand, &rest, 0xa2);
	rest.result = IOREQ_UNHANDLED;
	add_default(IOREQ_THREAD);
	assert_int_equal(read_window(7), ONES);
	stand_await(reason(IOREQ_UNCLAIMED) == 2);
	assert_int_equal(stand_entered(&rest), 1);
}

static void test_client_thread_answers_however_it_waits(void **unused)
{
	static const enum ioreq_wait waits[] = {IOREQ_WAIT_PARK, IOREQ_WAIT_YIELD, IOREQ_WAIT_SPIN};

	(void)unused;
	for (size_t i = 0; i < NR_OF(waits); i++) {
		stand_device(&stand, &device, 0xa1);
		stand_add(&device,
			  &(struct stand_client){
				  .name = "dev", .delivery = IOREQ_THREAD, .wait = waits[i], .range = WINDOW(1)});
		for (unsigned v = 0; v < 20; v++)
			assert_int_equal(read_window(1), 0xa1);
		request(stand_sleeping(stand_read(IOREQ_MMIO, 0x1000, 4)));
		assert_int_equal(load_relaxed(&stand.backend.notified[4]), i + 1);
		assert_int_equal(stand_entered(&device), 21);
		assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
		assert_int_equal(device.destroyed, 1);
	}
}

static void test_client_notify_that_fails_is_counted(void **unused)
{
	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	stand.backend.notify_result = -EIO;
	assert_int_equal(request(stand_sleeping(stand_read(IOREQ_MMIO, 0x1000, 4))), 0xa1);
	assert_int_equal(stand_stats(&stand)->notify_errors, 1);
}

/* ---- deferred --------------------------------------------------------------------------------------------- */

/* Posts to a thread client that defers; returns what its handler was given. */
static struct ioreq_access defer(unsigned vcpu)
{
	uint32_t before = stand_entered(&device);

	post(vcpu, 1);
	stand_sweep(&stand);
	stand_await(load_acquire(&device.left) == before + 1);
	return device.seen;
}

static void add_deferring(void)
{
	device.result = IOREQ_DEFER;
	add(&device, "dev", IOREQ_THREAD, 1);
}

static void test_client_deferred_request_is_completed_later_and_once(void **unused)
{
	struct ioreq_access access;

	(void)unused;
	add_deferring();
	access = defer(0);
	assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(ioreq_complete(&access, 0x11223344556677), 0);
	assert_int_equal(ioreq_complete(&access, 1), -ESTALE);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0x44556677);
	assert_int_equal(ioreq_complete(&access, 2), -ESTALE);
	assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_FREE);
	/* Nor does it meet the slot's next request. */
	access = defer(0);
	access.token -= 8;
	assert_int_equal(ioreq_complete(&access, 3), -ESTALE);
	access.token += 8;
	assert_int_equal(ioreq_complete(&access, 4), 0);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 4);
}

static void test_client_deferred_requests_complete_out_of_order(void **unused)
{
	struct ioreq_access accesses[4];

	(void)unused;
	add_deferring();
	for (unsigned v = 0; v < NR_OF(accesses); v++)
		accesses[v] = defer(v);
	for (unsigned v = NR_OF(accesses); v-- > 0;) {
		assert_int_equal(ioreq_complete(&accesses[v], 0x50 + v), 0);
		assert_true(complete(v));
		assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[v]), 0x50 + v);
	}
}

static void test_client_deferred_write_ignores_the_value(void **unused)
{
	const struct ioreq_access write = stand_sleeping(stand_write(IOREQ_MMIO, 0x1000, 4, 0x77));

	(void)unused;
	add_deferring();
	stand_post(&stand, 0, &write);
	stand_sweep(&stand);
	stand_await(load_acquire(&device.left) == 1);
	assert_int_equal(stand.backend.notified[0], 0);
	assert_int_equal(ioreq_complete(&device.seen, 0x99), 0);
	assert_int_equal(stand.backend.notified[0], 1);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0x77);
}

static void complete_inside(struct stand_device *at, const struct ioreq_access *access)
{
	*(int *)at->context = ioreq_complete(access, 0xbb);
}

static void test_client_completed_before_its_handler_returns(void **unused)
{
	static const uint32_t results[] = {IOREQ_DEFER, IOREQ_DONE, IOREQ_UNHANDLED, 77};
	int status = 1;

	(void)unused;
	add(&device, "dev", IOREQ_THREAD, 1);
	device.inside = complete_inside;
	device.context = &status;
	device.gated = true;
	for (size_t i = 0; i < NR_OF(results); i++) {
		device.result = results[i];
		post(0, 1);
		stand_sweep(&stand);
		stand_await(complete(0));
		assert_int_equal(load_relaxed(&device.left), i);
		assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0xbb);
		stand_let_go(&device, 1);
		stand_await(load_acquire(&device.left) == i + 1);
		assert_int_equal(status, 0);
		/* What the handler answers afterwards is nobody's any more. */
		stand_sweep(&stand);
		assert_int_equal(stand_state(&stand, 0), ACRN_IOREQ_STATE_FREE);
		assert_int_equal(load_relaxed(&device.client->stats->completed), i + 1);
	}
	assert_int_equal(load_relaxed(&device.client->stats->unhandled), 0);
}

static void test_client_completion_of_a_cleared_request_is_stale_and_touches_nothing(void **unused)
{
	struct acrn_io_request before;
	struct ioreq_access access;

	(void)unused;
	add_deferring();
	access = defer(0);
	assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
	assert_true(complete(0));
	assert_int_equal(reason(IOREQ_CLEARED), 1);
	before = stand.slots->req_slot[0];
	assert_int_equal(ioreq_complete(&access, 0x99), -ESTALE);
	assert_memory_equal(&stand.slots->req_slot[0], &before, sizeof(before));
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), ONES);
}

static void test_client_completion_of_an_inline_request_is_stale(void **unused)
{
	int status = 1;

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	device.inside = complete_inside;
	device.context = &status;
	assert_int_equal(read_window(1), 0xa1);
	assert_int_equal(status, -ESTALE);
}

/* ---- interrupts ------------------------------------------------------------------------------------------- */

static void test_client_line_reaches_the_backend_and_range_is_checked(void **unused)
{
	uint32_t calls;

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(ioreq_set_line(device.client, 0, true), 0);
	assert_int_equal(ioreq_set_line(device.client, 63, true), 0);
	assert_int_equal(stand.backend.levels, UINT64_C(1) << 63 | 1);
	assert_int_equal(ioreq_set_line(device.client, 63, false), 0);
	assert_int_equal(stand.backend.levels, 1);
	calls = stand.backend.line_calls;
	assert_int_equal(ioreq_set_line(device.client, 64, true), -EINVAL);
	assert_int_equal(ioreq_set_line(device.client, UINT32_MAX, true), -EINVAL);
	assert_int_equal(stand.backend.line_calls, calls);
	stand.backend.line_result = -EIO;
	assert_int_equal(ioreq_set_line(device.client, 1, true), -EIO);
	assert_int_equal(ioreq_inject_msi(device.client, 0xfee00000, 0x4041), 0);
	assert_int_equal(stand.backend.msi.address, 0xfee00000);
	assert_int_equal(stand.backend.msi.data, 0x4041);
	stand.backend.msi_result = -EAGAIN;
	assert_int_equal(ioreq_inject_msi(device.client, 0xfee00000, 1), -EAGAIN);
}

static void test_client_interrupt_without_a_way_in_is_not_supported(void **unused)
{
	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	stand.ops.set_line = NULL;
	stand.ops.inject_msi = NULL;
	assert_int_equal(ioreq_set_line(device.client, 1, true), -ENOTSUP);
	assert_int_equal(ioreq_inject_msi(device.client, 1, 1), -ENOTSUP);
}

static void test_client_line_set_while_detached_is_given_at_the_next_attach(void **unused)
{
	struct ioreq_page page = stand_page(&stand);

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(ioreq_set_line(device.client, 5, true), 0);
	assert_int_equal(ioreq_set_line(device.client, 6, true), 0);
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	assert_int_equal(ioreq_set_line(device.client, 5, false), -ENODEV);
	assert_int_equal(ioreq_set_line(device.client, 40, true), -ENODEV);
	assert_int_equal(ioreq_set_line(device.client, 64, true), -EINVAL);
	assert_int_equal(ioreq_inject_msi(device.client, 1, 1), -ENODEV);
	assert_int_equal(stand.backend.levels, UINT64_C(3) << 5);
	assert_int_equal(stand.backend.nr_msis, 0);
	/* The page may hold what an engine that died had set. */
	stand.backend.levels = UINT64_C(1) << 20;
	assert_int_equal(ioreq_vm_attach(stand.vm, &page, NULL), 0);
	assert_int_equal(stand.backend.levels, UINT64_C(1) << 40 | UINT64_C(1) << 6);
	assert_int_equal(ioreq_set_line(device.client, 40, false), 0);
	assert_int_equal(ioreq_inject_msi(device.client, 1, 1), 0);
}

static void raise_line(struct stand_device *at, const struct ioreq_access *access)
{
	(void)access;
	*(int *)at->context = ioreq_set_line(at->client, 9, true);
}

static void test_client_handler_may_raise_a_line(void **unused)
{
	int status = 1;

	(void)unused;
	for (unsigned delivery = IOREQ_INLINE; delivery <= IOREQ_THREAD; delivery++) {
		stand_device(&stand, &device, 0xa1);
		add(&device, "dev", (enum ioreq_delivery)delivery, 1);
		device.inside = raise_line;
		device.context = &status;
		stand.backend.levels = 0;
		assert_int_equal(read_window(1), 0xa1);
		assert_int_equal(status, 0);
		assert_int_equal(stand.backend.levels, UINT64_C(1) << 9);
		assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
	}
}

/* ---- calls from handlers ---------------------------------------------------------------------------------- */

static struct {
	int statuses[16];
	struct ioreq_error errors[16];
	unsigned nr;
} calls;

static void note(int status, const struct ioreq_error *error)
{
	calls.statuses[calls.nr] = status;
	calls.errors[calls.nr++] = *error;
}

static void call_everything(struct stand_device *at, const struct ioreq_access *access)
{
	const struct ioreq_range range = WINDOW(9);
	const struct ioreq_doorbell bell = {.name = "b", .space = IOREQ_PIO, .address = 1, .size = 1};
	const struct ioreq_client_config config = {.name = "x", .ops = &at->ops};
	const struct ioreq_page page = stand_page(&stand);
	struct ioreq_error error = {.text = ""};
	char name[IOREQ_NAME_BYTES] = "untouched";
	struct ioreq_client *client = NULL;

	(void)access;
	memset(&calls, 0, sizeof(calls));
	note(ioreq_vm_clear(stand.vm, &error), &error);
	note(ioreq_vm_detach(stand.vm, &error), &error);
	note(ioreq_vm_attach(stand.vm, &page, &error), &error);
	note(ioreq_vm_destroy(stand.vm, &error), &error);
	note(ioreq_engine_destroy(stand.engine, &error), &error);
	note(ioreq_client_add(stand.vm, &config, &client, &error), &error);
	note(ioreq_client_remove(at->client, &error), &error);
	note(ioreq_range_add(at->client, &range, &error), &error);
	note(ioreq_range_remove(at->client, &range, &error), &error);
	note(ioreq_ranges_replace(stand.vm, NULL, 0, &error), &error);
	note(ioreq_doorbell_add(stand.vm, &bell, &error), &error);
	note(ioreq_doorbell_remove(stand.vm, "b", &error), &error);
	note(ioreq_range_owner(stand.vm, IOREQ_PIO, 1, 1, name, NULL), &error);
	note(ioreq_poller_stop(stand.poller, &error), &error);
	calls.nr += client || strcmp(name, "untouched") ? 100 : 0;
}

static void test_client_handler_that_would_wait_for_itself_is_refused(void **unused)
{
	(void)unused;
	for (unsigned delivery = IOREQ_INLINE; delivery <= IOREQ_THREAD; delivery++) {
		stand_device(&stand, &device, 0xa1);
		add(&device, "dev", (enum ioreq_delivery)delivery, 1);
		device.inside = call_everything;
		assert_int_equal(read_window(1), 0xa1);
		assert_int_equal(calls.nr, 14);
		for (unsigned i = 0; i < calls.nr; i++) {
			assert_int_equal(calls.statuses[i], -EDEADLK);
			assert_sentence(calls.errors[i], i < 13 ? "vm0: a handler cannot change the VM that it serves"
								: "p0: cannot be stopped from a handler");
		}
		assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
		/* The engine that was not destroyed goes on giving records back. */
		assert_int_equal(stand.engine->stats->clients[1].used, 0);
	}
	/* The thread that steps the poller is the test's again. */
	assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
}

/* ---- adding ----------------------------------------------------------------------------------------------- */

static void test_client_add_refuses_with_a_sentence_and_leaves_nothing(void **unused)
{
	static const struct {
		struct stand_client client;
		int status;
		const char *sentence;
		bool created; /* before it was refused */
	} cases[] = {
		{{.name = ""}, -EINVAL, "client '': a name of 0 characters; allowed: 1..31", false},
		{{.name = "a/b"}, -EINVAL, "client 'a/b': allowed: printable ASCII without blanks and '/'", false},
		{{.name = "caf\xc3\xa9"},
		 -EINVAL,
		 "client 'caf\xc3\xa9': allowed: printable ASCII without blanks and '/'",
		 false},
		{{.name = "x", .delivery = (enum ioreq_delivery)2},
		 -EINVAL,
		 "client x: delivery 2; allowed: inline, thread",
		 false},
		{{.name = "dev"}, -EEXIST, "client dev: the VM has a client dev already", false},
		{{.name = "x", .is_default = true}, -EEXIST, "client x: rest is the default client already", false},
		{{.name = "x", .range = {2, 1, IOREQ_PIO}},
		 -EINVAL,
		 "x: range pio 0x2..0x1 ends before it starts",
		 true},
		{{.name = "x", .delivery = IOREQ_THREAD, .range = {0x10, 0x10000, IOREQ_PIO}},
		 -EINVAL,
		 "x: range pio 0x10..0x10000 leaves its space; allowed: 0..0xffff",
		 true},
		{{.name = "x", .delivery = IOREQ_THREAD, .range = {0x800, 0x1000, IOREQ_MMIO}},
		 -EEXIST,
		 "mmio 0x800..0x1000 of x overlaps 0x1000..0x1fff of dev",
		 true},
	};
	struct stand_device refused;
	struct ioreq_range range;
	char name[IOREQ_NAME_BYTES];

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	add_default(IOREQ_INLINE);
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_error error = {.text = ""};

		stand_device(&stand, &refused, 0);
		assert_int_equal(stand_try_add(&refused, &cases[i].client, &error), cases[i].status);
		assert_sentence(error, cases[i].sentence);
		assert_int_equal(refused.created, cases[i].created);
		assert_int_equal(refused.destroyed, cases[i].created);
		assert_null(ioreq_vm_find_client(stand.vm, "x"));
	}
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_MMIO, 0x900, 1, name, &range), 0);
	assert_string_equal(name, "rest");
	assert_int_equal(stand.engine->stats->clients[3].used, 0);
}

static void test_client_add_without_a_handler_is_refused(void **unused)
{
	static const struct ioreq_device_ops empty = {.name = "empty"};
	struct ioreq_client_config config = {.name = "x"};
	struct ioreq_client *client = (struct ioreq_client *)&config;
	struct ioreq_error error = {.text = ""};

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		config.ops = i ? &empty : NULL;
		assert_int_equal(ioreq_client_add(stand.vm, &config, &client, &error), -EINVAL);
		assert_sentence(error, "client x: no device, or one without a handler");
		assert_ptr_equal(client, &config);
	}
}

static void test_client_add_passes_on_what_its_device_says(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	device.create_result = -EINVAL;
	device.create_sentence = "irq 99; allowed: 0..63";
	assert_int_equal(stand_try_add(&device, &(struct stand_client){.name = "dev"}, &error), -EINVAL);
	assert_sentence(error, "client dev: irq 99; allowed: 0..63");
	assert_int_equal(device.destroyed, 0);
	device.create_result = -ENXIO;
	device.create_sentence = NULL;
	assert_int_equal(stand_try_add(&device, &(struct stand_client){.name = "dev"}, &error), -ENXIO);
	assert_sentence(error, "client dev: No such device or address");
	device.create_result = 0;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(read_window(1), 0xa1);
}

static void add_plain(struct ioreq_vm *vm, unsigned nr)
{
	const struct ioreq_device_ops ops = {.name = "none", .handle = device.ops.handle};
	struct ioreq_client_config config = {.ops = &ops};
	struct ioreq_client *client = NULL;
	char name[IOREQ_NAME_BYTES];

	for (unsigned i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		config.name = name;
		assert_int_equal(ioreq_client_add(vm, &config, &client, NULL), 0);
	}
}

static void assert_one_more_refused(struct ioreq_vm *vm, const char *wanted)
{
	const struct ioreq_device_ops ops = {.name = "none", .handle = device.ops.handle};
	const struct ioreq_client_config config = {.name = "one-more", .ops = &ops};
	struct ioreq_client *client = (struct ioreq_client *)&stand;
	struct ioreq_error error = {.text = ""};

	assert_int_equal(ioreq_client_add(vm, &config, &client, &error), -ENOSPC);
	assert_sentence(error, wanted);
	assert_ptr_equal(client, &stand);
}

static void test_client_add_beyond_the_limits_is_enospc(void **unused)
{
	const struct ioreq_vm_config config = {.name = "vm1", .poller = stand.poller};
	struct ioreq_vm *vm = NULL;

	(void)unused;
	add_plain(stand.vm, 128);
	assert_one_more_refused(stand.vm, "client one-more: more than 128 clients in vm0");
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, NULL), 0);
	/* Each VM has a record of its own. */
	add_plain(vm, IOREQ_STATS_MAX_CLIENTS - 128 - 2);
	assert_one_more_refused(vm, "client one-more: more than 256 clients in all VMs together");
}

static void test_client_state_is_found_again_by_name(void **unused)
{
	uint8_t *kept;

	(void)unused;
	device.ops.state_bytes = 100;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_false(device.recovered);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(device.kept[i], 0);
	memset(device.kept, 0x5a, 100);
	kept = device.kept;
	assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
	rest.ops.state_bytes = 100;
	add(&rest, "dev", IOREQ_INLINE, 1);
	assert_true(rest.recovered);
	assert_ptr_equal(rest.kept, kept);
	assert_int_equal(rest.kept[99], 0x5a);
}

static void test_client_state_without_room_is_enospc(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	device.ops.state_bytes = 65537;
	assert_int_equal(stand_try_add(&device, &(struct stand_client){.name = "dev"}, &error), -ENOSPC);
	assert_sentence(error, "client dev: no room for 65537 bytes of device state; allowed: 65536 per device, "
			       "524288 per VM");
	assert_int_equal(device.created, 0);
}

/* ---- removing --------------------------------------------------------------------------------------------- */

static void test_client_removed_leaves_its_ranges_to_the_default(void **unused)
{
	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	add_default(IOREQ_INLINE);
	assert_int_equal(read_window(1), 0xa1);
	assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
	assert_int_equal(device.destroyed, 1);
	assert_int_equal(read_window(1), 0xa2);
	assert_int_equal(ioreq_client_remove(rest.client, NULL), 0);
	assert_int_equal(read_window(1), ONES);
	assert_int_equal(reason(IOREQ_UNCLAIMED), 1);
}

static void *complete_soon(void *argument)
{
	ioreq_engine_sleep_ns(10000000);
	ioreq_complete(argument, 0xcc);
	return NULL;
}

static void test_client_removed_may_finish_what_it_holds(void **unused)
{
	struct ioreq_access access;
	pthread_t thread;

	(void)unused;
	add_deferring();
	access = defer(0);
	assert_int_equal(pthread_create(&thread, NULL, complete_soon, &access), 0);
	assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), 0xcc);
	assert_int_equal(reason(IOREQ_CLEARED), 0);
}

static void test_client_removed_with_a_held_request_has_it_completed(void **unused)
{
	uint64_t start_ns;

	(void)unused;
	add_deferring();
	add(&rest, "other", IOREQ_THREAD, 2);
	rest.result = IOREQ_DEFER;
	defer(0);
	post(1, 2);
	stand_sweep(&stand);
	stand_await(load_acquire(&rest.left) == 1);
	start_ns = ioreq_engine_now_ns();
	assert_int_equal(ioreq_client_remove(device.client, NULL), 0);
	assert_true(ioreq_engine_now_ns() - start_ns >= 50000000);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), ONES);
	assert_int_equal(reason(IOREQ_CLEARED), 1);
	/* The other client's request is left alone. */
	assert_int_equal(stand_state(&stand, 1), ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(ioreq_complete(&rest.seen, 0xdd), 0);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[1]), 0xdd);
}

static void test_client_remove_while_its_handler_is_stuck_can_be_called_again(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	device.gated = true;
	add(&device, "dev", IOREQ_THREAD, 1);
	add_default(IOREQ_INLINE);
	post(0, 1);
	stand_sweep(&stand);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_client_remove(device.client, &error), -EBUSY);
	assert_sentence(error, "client dev: its handler does not return");
	assert_int_equal(device.destroyed, 0);
	/* Its ranges are gone, and so is the request. */
	assert_int_equal(read_window(1), 0xa2);
	assert_int_equal(ioreq_vcpu_finish(&stand.vcpus[0]), ONES);
	stand_let_go(&device, 1);
	stand_await(load_acquire(&device.left) == 1);
	assert_int_equal(ioreq_client_remove(device.client, &error), 0);
	assert_int_equal(device.destroyed, 1);
}

static void test_client_remove_while_an_inline_handler_is_stuck_is_busy(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	device.gated = true;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	post(0, 1);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_client_remove(device.client, &error), -EBUSY);
	assert_sentence(error, "client dev: poller p0 is held by an inline handler that does not return");
	assert_int_equal(device.destroyed, 0);
	stand_let_go(&device, 1);
	assert_int_equal(stand_finish(&stand, 0), 0xa1);
	assert_int_equal(ioreq_client_remove(device.client, &error), 0);
	assert_int_equal(device.destroyed, 1);
}

/* However short the clear timeout is: a client whose ranges were refused has a thread that has yet to end. */
static void test_client_add_refused_waits_for_its_thread(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	stand_close(&stand);
	stand_open(&stand, &(struct stand_config){.clear_timeout_ns = 1});
	stand_device(&stand, &device, 0xa1);
	stand_device(&stand, &rest, 0xa2);
	add(&device, "dev", IOREQ_INLINE, 1);
	for (unsigned i = 0; i < 20; i++) {
		const struct stand_client client = {.name = "x", .delivery = IOREQ_THREAD, .range = WINDOW(1)};

		assert_int_equal(stand_try_add(&rest, &client, &error), -EEXIST);
		assert_int_equal(rest.destroyed, i + 1);
	}
}

/* ---- ranges ----------------------------------------------------------------------------------------------- */

static void test_client_range_comes_and_goes(void **unused)
{
	const struct ioreq_range second = WINDOW(2), part = {0x2000, 0x2ffe, IOREQ_MMIO};
	struct ioreq_error error = {.text = ""};

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	add(&rest, "other", IOREQ_INLINE, 3);
	assert_int_equal(ioreq_range_add(device.client, &second, &error), 0);
	assert_int_equal(read_window(2), 0xa1);
	assert_int_equal(ioreq_range_add(rest.client, &second, &error), -EEXIST);
	/* The ranges are equal, so either may be named first. */
	assert_non_null(strstr(error.text, "mmio 0x2000..0x2fff of "));
	assert_non_null(strstr(error.text, " of dev"));
	assert_non_null(strstr(error.text, " of other"));
	assert_int_equal(ioreq_range_remove(rest.client, &second, &error), -ENOENT);
	assert_sentence(error, "client other: owns no range mmio 0x2000..0x2fff");
	assert_int_equal(ioreq_range_remove(device.client, &part, &error), -ENOENT);
	assert_sentence(error, "client dev: owns no range mmio 0x2000..0x2ffe");
	assert_int_equal(read_window(2), 0xa1);
	assert_int_equal(ioreq_range_remove(device.client, &second, &error), 0);
	assert_int_equal(read_window(2), ONES);
	assert_int_equal(read_window(1), 0xa1);
}

static void test_client_ranges_are_replaced_at_once(void **unused)
{
	struct ioreq_owned_range ranges[2];
	struct ioreq_error error = {.text = ""};

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	add(&rest, "other", IOREQ_INLINE, 2);
	ranges[0] = (struct ioreq_owned_range){.range = WINDOW(2), .client = device.client};
	ranges[1] = (struct ioreq_owned_range){.range = WINDOW(1), .client = rest.client};
	assert_int_equal(ioreq_ranges_replace(stand.vm, ranges, 2, &error), 0);
	assert_int_equal(read_window(1), 0xa2);
	assert_int_equal(read_window(2), 0xa1);
	assert_int_equal(ranges[0].range.start, 0x2000);
	ranges[1].client = NULL;
	assert_int_equal(ioreq_ranges_replace(stand.vm, ranges, 2, &error), -EINVAL);
	assert_sentence(error, "vm0: range 1 belongs to no client of this VM");
	ranges[1] = (struct ioreq_owned_range){.range = {5, 4, IOREQ_PIO}, .client = rest.client};
	assert_int_equal(ioreq_ranges_replace(stand.vm, ranges, 2, &error), -EINVAL);
	assert_sentence(error, "other: range pio 0x5..0x4 ends before it starts");
	assert_int_equal(ioreq_ranges_replace(stand.vm, ranges, IOREQ_MAX_RANGES + 1, &error), -ENOSPC);
	assert_sentence(error, "vm0: 16385 ranges; allowed: 16384");
	assert_int_equal(read_window(1), 0xa2);
	assert_int_equal(ioreq_ranges_replace(stand.vm, NULL, 0, &error), 0);
	assert_int_equal(read_window(1), ONES);
}

static void test_client_ranges_of_a_vm_end_at_the_limit(void **unused)
{
	struct ioreq_owned_range *ranges = calloc(IOREQ_MAX_RANGES, sizeof(*ranges));
	const struct ioreq_range more = {0, 0, IOREQ_PIO};
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_non_null(ranges);
	add(&device, "dev", IOREQ_INLINE, 1);
	for (uint64_t i = 0; i < IOREQ_MAX_RANGES; i++)
		ranges[i] =
			(struct ioreq_owned_range){.range = {i * 16, i * 16 + 7, IOREQ_MMIO}, .client = device.client};
	assert_int_equal(ioreq_ranges_replace(stand.vm, ranges, IOREQ_MAX_RANGES, &error), 0);
	free(ranges);
	assert_int_equal(ioreq_range_add(device.client, &more, &error), -ENOSPC);
	assert_sentence(error, "client dev: more than 16384 ranges in one VM");
	assert_int_equal(request(stand_read(IOREQ_MMIO, 16383 * 16, 8)), 0xa1);
	assert_int_equal(request(stand_read(IOREQ_MMIO, 16383 * 16 + 8, 1)), 0xff);
}

static void test_client_owner_of_an_address_is_told(void **unused)
{
	static const struct {
		enum ioreq_space space;
		uint64_t address;
		unsigned size;
		const char *name;
		uint64_t start, last;
	} cases[] = {
		{IOREQ_MMIO, 0x1000, 8, "dev", 0x1000, 0x1fff}, {IOREQ_MMIO, 0x1fff, 1, "dev", 0x1000, 0x1fff},
		{IOREQ_MMIO, 0x1fff, 2, "rest", 0, 0},          {IOREQ_PIO, 0x1000, 1, "rest", 0, 0},
		{IOREQ_PCICFG, 0x0fffffff, 1, "rest", 0, 0},
	};
	struct ioreq_range range;
	char name[IOREQ_NAME_BYTES];

	(void)unused;
	add(&device, "dev", IOREQ_INLINE, 1);
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_PIO, 1, 1, name, NULL), 0);
	assert_string_equal(name, "");
	add_default(IOREQ_INLINE);
	for (size_t i = 0; i < NR_OF(cases); i++) {
		memset(&range, 0xee, sizeof(range));
		assert_int_equal(
			ioreq_range_owner(stand.vm, cases[i].space, cases[i].address, cases[i].size, name, &range), 0);
		assert_string_equal(name, cases[i].name);
		assert_int_equal(range.space, cases[i].space);
		assert_int_equal(range.start, cases[i].start);
		assert_int_equal(range.last, cases[i].last);
	}
	strcpy(name, "untouched");
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_PIO, 0xffff, 2, name, &range), -EINVAL);
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_PIO, 0x10000, 1, name, &range), -EINVAL);
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_MMIO, UINT64_MAX, 2, name, &range), -EINVAL);
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_MMIO, 0, 0, name, &range), -EINVAL);
	assert_int_equal(ioreq_range_owner(stand.vm, IOREQ_MMIO, 0, 9, name, &range), -EINVAL);
	assert_int_equal(ioreq_range_owner(stand.vm, (enum ioreq_space)3, 0, 1, name, &range), -EINVAL);
	assert_string_equal(name, "untouched");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_client_inline_answer_goes_to_the_guest),
		CASE(test_client_unusual_answer_goes_to_the_default_client_or_becomes_ones),
		CASE(test_client_default_gets_the_guests_write_whole),
		CASE(test_client_default_that_is_unhandled_too_reads_ones),
		CASE(test_client_thread_answers_however_it_waits),
		CASE(test_client_notify_that_fails_is_counted),
		CASE(test_client_deferred_request_is_completed_later_and_once),
		CASE(test_client_deferred_requests_complete_out_of_order),
		CASE(test_client_deferred_write_ignores_the_value),
		CASE(test_client_completed_before_its_handler_returns),
		CASE(test_client_completion_of_a_cleared_request_is_stale_and_touches_nothing),
		CASE(test_client_completion_of_an_inline_request_is_stale),
		CASE(test_client_line_reaches_the_backend_and_range_is_checked),
		CASE(test_client_interrupt_without_a_way_in_is_not_supported),
		CASE(test_client_line_set_while_detached_is_given_at_the_next_attach),
		CASE(test_client_handler_may_raise_a_line),
		CASE(test_client_handler_that_would_wait_for_itself_is_refused),
		CASE(test_client_add_refuses_with_a_sentence_and_leaves_nothing),
		CASE(test_client_add_without_a_handler_is_refused),
		CASE(test_client_add_passes_on_what_its_device_says),
		CASE(test_client_add_beyond_the_limits_is_enospc),
		CASE(test_client_state_is_found_again_by_name),
		CASE(test_client_state_without_room_is_enospc),
		CASE(test_client_removed_leaves_its_ranges_to_the_default),
		CASE(test_client_removed_may_finish_what_it_holds),
		CASE(test_client_removed_with_a_held_request_has_it_completed),
		CASE(test_client_remove_while_its_handler_is_stuck_can_be_called_again),
		CASE(test_client_remove_while_an_inline_handler_is_stuck_is_busy),
		CASE(test_client_add_refused_waits_for_its_thread),
		CASE(test_client_range_comes_and_goes),
		CASE(test_client_ranges_are_replaced_at_once),
		CASE(test_client_ranges_of_a_vm_end_at_the_limit),
		CASE(test_client_owner_of_an_address_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
