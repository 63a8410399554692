/* SPDX-License-Identifier: MIT */
/*
 * core/stats.c: the header, records taken and given back, and that every request seen is completed once in one record.
 *
 * Threads   One, and the client's in the last. Memory: one stats block for the program.
 */
#include "unit/stand.h"

#include <unistd.h>

#include "core/stats.h"

static struct ioreq_stats *stats;

static int set_up(void **unused)
{
	(void)unused;
	stats = aligned_alloc(4096, IOREQ_STATS_BYTES);
	if (!stats)
		return -1;
	memset(stats, 0, IOREQ_STATS_BYTES);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	free(stats);
	return 0;
}

static void test_stats_start_writes_the_header(void **unused)
{
	struct timespec now;

	(void)unused;
	assert_int_equal(IOREQ_STATS_BYTES % 4096, 0);
	ioreq_stats_start(stats);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_memory_equal(&stats->magic, "IOREQST1", 8);
	assert_int_equal(stats->version, 1);
	assert_int_equal(stats->bytes, IOREQ_STATS_BYTES);
	assert_int_equal(stats->pid, getpid());
	assert_true(stats->tsc_hz > 100000000 && stats->tsc_hz < UINT64_C(20000000000));
	assert_true((uint64_t)now.tv_sec - stats->started_ns / SECOND_NS <= 1);
}

static void test_stats_records_run_out_and_come_back(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < IOREQ_STATS_MAX_POLLERS; i++)
		assert_ptr_equal(ioreq_stats_add_poller(stats, "p"), &stats->pollers[i]);
	assert_null(ioreq_stats_add_poller(stats, "p"));
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++)
		assert_ptr_equal(ioreq_stats_add_vm(stats, "v"), &stats->vms[i]);
	assert_null(ioreq_stats_add_vm(stats, "v"));
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++)
		assert_ptr_equal(ioreq_stats_add_client(stats, "c"), &stats->clients[i]);
	assert_null(ioreq_stats_add_client(stats, "c"));

	ioreq_stats_remove(&stats->pollers[3].used);
	ioreq_stats_remove(&stats->vms[63].used);
	ioreq_stats_remove(&stats->clients[100].used);
	assert_int_equal(stats->pollers[3].used, 0);
	assert_ptr_equal(ioreq_stats_add_poller(stats, "p"), &stats->pollers[3]);
	assert_ptr_equal(ioreq_stats_add_vm(stats, "v"), &stats->vms[63]);
	assert_ptr_equal(ioreq_stats_add_client(stats, "c"), &stats->clients[100]);
	assert_null(ioreq_stats_add_client(stats, "c"));
}

static void test_stats_record_taken_again_starts_from_zero(void **unused)
{
	const struct ioreq_access access = {.direction = IOREQ_WRITE};
	struct ioreq_client_stats *record = ioreq_stats_add_client(stats, "a-name-of-thirty-one-characters");

	(void)unused;
	assert_string_equal(record->name, "a-name-of-thirty-one-characters");
	assert_int_equal(record->used, 1);
	assert_int_equal(record->latency.minimum, UINT64_MAX);
	ioreq_stats_completed(record, &access, false);
	record->unhandled = 5;
	ioreq_stats_remove(&record->used);
	assert_int_equal(record->completed, 1);
	assert_ptr_equal(ioreq_stats_add_client(stats, "b"), record);
	assert_string_equal(record->name, "b");
	assert_int_equal(record->completed + record->writes + record->unhandled + record->latency.count, 0);
	assert_int_equal(record->latency.minimum, UINT64_MAX);
}

static void test_stats_completed_counts_direction_and_time(void **unused)
{
	struct ioreq_client_stats *record = ioreq_stats_add_client(stats, "c");

	(void)unused;
	for (unsigned i = 0; i < 12; i++) {
		const struct ioreq_access access = {.direction = i % 4 ? IOREQ_READ : IOREQ_WRITE,
						    .seen_tsc = tsc_now()};

		ioreq_stats_completed(record, &access, i % 2);
	}
	assert_int_equal(record->reads, 9);
	assert_int_equal(record->writes, 3);
	assert_int_equal(record->completed, 12);
	assert_int_equal(record->latency.count, 12);
	assert_true(record->latency.minimum <= record->latency.maximum);
	assert_true(record->latency.sum >= record->latency.maximum);
}

static void test_stats_reasons_have_names(void **unused)
{
	static const char *const names[] = {
		"bad type",   "bad direction", "bad size",  "bad address",  "unclaimed",
		"bad result", "cleared",       "recovered", "config latch", "doorbell",
	};

	(void)unused;
	assert_int_equal(NR_OF(names), IOREQ_NR_REASONS);
	for (unsigned i = 0; i < NR_OF(names); i++)
		assert_string_equal(ioreq_reason_name(i), names[i]);
	assert_string_equal(ioreq_reason_name(IOREQ_NR_REASONS), "?");
	assert_string_equal(ioreq_reason_name(UINT32_MAX), "?");
}

/* ---- the account ------------------------------------------------------------------------------------------ */

static void request(struct stand *stand, unsigned vcpu, struct ioreq_access access)
{
	stand_request(stand, vcpu, &access);
}

static void test_stats_every_request_is_completed_in_exactly_one_record(void **unused)
{
	const struct ioreq_doorbell bell = {.name = "bell", .space = IOREQ_MMIO, .address = 0x9000, .size = 4};
	struct stand_device uart, timer, rest;
	struct stand stand;

	(void)unused;
	stand_open(&stand, &(struct stand_config){.stats = stats});
	stand_device(&stand, &uart, 1);
	stand_device(&stand, &timer, 2);
	stand_device(&stand, &rest, 3);
	stand_add(&uart, &(struct stand_client){.name = "uart", .range = {0x3f8, 0x3ff, IOREQ_PIO}});
	stand_add(&timer, &(struct stand_client){.name = "timer",
						 .delivery = IOREQ_THREAD,
						 .wait = IOREQ_WAIT_PARK,
						 .range = {0x1000, 0x1fff, IOREQ_MMIO}});
	stand_add(&rest, &(struct stand_client){.name = "rest", .is_default = true});
	assert_int_equal(ioreq_doorbell_add(stand.vm, &bell, NULL), 0);

	request(&stand, 0, stand_read(IOREQ_PIO, 0x3f8, 1));
	request(&stand, 1, stand_write(IOREQ_PIO, 0x3f8, 1, 1));
	request(&stand, 2, stand_sleeping(stand_read(IOREQ_MMIO, 0x1000, 4)));
	uart.result = IOREQ_UNHANDLED;
	timer.result = IOREQ_UNHANDLED;
	request(&stand, 3, stand_read(IOREQ_PIO, 0x3f8, 1));
	request(&stand, 4, stand_read(IOREQ_MMIO, 0x1000, 4));
	request(&stand, 5, stand_sleeping(stand_read(IOREQ_PIO, 0x80, 1)));
	request(&stand, 6, stand_write(IOREQ_MMIO, 0x9000, 4, 0));
	request(&stand, 7, stand_write(IOREQ_PIO, 0xcf8, 4, 0));
	request(&stand, 8, stand_read(IOREQ_MMIO, 0x1000, 3));
	stand_assert_account(&stand);

	assert_int_equal(stats->vms[0].posted, 9);
	assert_string_equal(stats->clients[0].name, "-");
	assert_int_equal(stats->clients[0].completed, 3);
	assert_int_equal(stats->clients[1].completed, 2);
	assert_int_equal(stats->clients[1].reads, 1);
	assert_int_equal(stats->clients[1].writes, 1);
	assert_int_equal(stats->clients[1].unhandled, 1);
	assert_int_equal(stats->clients[2].completed, 1);
	assert_int_equal(stats->clients[2].notifies, 1);
	assert_int_equal(stats->clients[2].unhandled, 1);
	assert_int_equal(stats->clients[3].completed, 3);
	assert_int_equal(stats->clients[3].notifies, 1);
	assert_int_equal(stats->vms[0].reasons[IOREQ_RUNG], 1);
	assert_int_equal(stats->vms[0].reasons[IOREQ_LATCHED], 1);
	assert_int_equal(stats->vms[0].reasons[IOREQ_BAD_SIZE], 1);
	assert_int_equal(stats->pollers[0].notifies, 1);
	assert_int_equal(stats->pollers[0].doorbells, 1);
	assert_int_equal(ioreq_client_remove(uart.client, NULL), 0);
	assert_int_equal(stats->vms[0].departed, 2);
	assert_int_equal(stats->clients[1].used, 0);
	stand_assert_account(&stand);
	/* What the engine leaves behind is the closing account. */
	stand_close(&stand);
	assert_int_equal(stats->vms[0].used, 1);
	assert_int_equal(stats->vms[0].posted - stats->vms[0].departed, 7);
	assert_int_equal(stats->clients[0].completed + stats->clients[2].completed + stats->clients[3].completed, 7);
	assert_int_equal(stats->clients[0].used + stats->clients[2].used + stats->clients[3].used, 3);
	assert_int_equal(stats->pollers[0].used, 1);
}

static void test_stats_of_a_vm_that_goes_before_the_engine_are_given_back(void **unused)
{
	struct stand stand;

	(void)unused;
	stand_open(&stand, &(struct stand_config){.stats = stats});
	assert_int_equal(stats->vms[0].used + stats->clients[0].used, 2);
	assert_int_equal(ioreq_vm_destroy(stand.vm, NULL), 0);
	assert_int_equal(stats->vms[0].used + stats->clients[0].used, 0);
	stand_close(&stand);
	assert_int_equal(stats->vms[0].used + stats->clients[0].used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stats_start_writes_the_header, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stats_records_run_out_and_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stats_record_taken_again_starts_from_zero, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stats_completed_counts_direction_and_time, set_up, tear_down),
		cmocka_unit_test(test_stats_reasons_have_names),
		cmocka_unit_test_setup_teardown(test_stats_every_request_is_completed_in_exactly_one_record, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_stats_of_a_vm_that_goes_before_the_engine_are_given_back, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
