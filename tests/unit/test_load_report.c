/* SPDX-License-Identifier: MIT */
/* The summary of `ioreq-bench load`: its lines, its JSON, its exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load_report.h"

static struct ioreq_load_result result;
static struct ioreq_load_options options;

static int start(void **state)
{
	(void)state;
	memset(&result, 0, sizeof(result));
	options =
		(struct ioreq_load_options){.page = "a\"b", .nr_vcpus = 2, .page_vcpus = 4, .nr_threads = 1, .seed = 9};
	ioreq_histogram_reset(&result.service);
	ioreq_histogram_reset(&result.response);
	/* 2 GHz: two ticks are one nanosecond. Below 128 ticks the histogram is exact. */
	result.tsc_hz = UINT64_C(2000000000);
	for (uint64_t i = 1; i <= 100; i++)
		ioreq_histogram_record(&result.service, i);
	result.counts = (struct ioreq_load_counts){.posted = 101, .completed = 101};
	result.seconds = 0.5;
	result.per_second = 200;
	return 0;
}

static char *print(void (*how)(const struct ioreq_load_options *, const struct ioreq_load_result *, FILE *))
{
	static char text[4096];
	FILE *file = fmemopen(text, sizeof(text), "w");

	assert_non_null(file);
	how(&options, &result, file);
	fclose(file);
	return text;
}

static void test_load_report_closed_loop_two_lines(void **state)
{
	(void)state;
	assert_string_equal(print(ioreq_load_report_print),
			    "101 requests, 0 wrong, 0 lost, 200/s, p50 25 p90 45 p99 50 p99.9 50 max 50 ns\n"
			    "ioreq-bench load: posted 101 completed 101 wrong 0 lost 0\n");
}

static void test_load_report_open_loop_response_beside_service(void **state)
{
	(void)state;
	options.rate_hz = 1000;
	options.restarts = 1;
	result.counts = (struct ioreq_load_counts){
		.posted = 103, .completed = 101, .wrong = 3, .lost = 2, .failed = 1, .overdue = 7};
	ioreq_histogram_record(&result.response, 120);
	assert_string_equal(
		print(ioreq_load_report_print),
		"101 requests, 3 wrong, 2 lost, 200/s, p50 25 p90 45 p99 50 p99.9 50 max 50 ns\n"
		"response from the intended start at 1000 Hz per vCPU: p50 60 p90 60 p99 60 p99.9 60 max 60 ns\n"
		"7 more were due but could not be posted in time: the rate is not reached\n"
		"1 failed by restarts of the engine\n"
		"ioreq-bench load: posted 103 completed 101 wrong 3 lost 2\n");
}

static void test_load_report_json_escapes_and_counts(void **state)
{
	const char *text;

	(void)state;
	text = print(ioreq_load_report_json);
	assert_non_null(strstr(text, "\"page\": \"a\\\"b\""));
	assert_non_null(strstr(text, "\"vcpus\": 2, \"page_vcpus\": 4, \"threads\": 1"));
	assert_non_null(strstr(text, "\"posted\": 101, \"completed\": 101, \"wrong\": 0, \"failed\": 0, \"lost\": 0"));
	assert_non_null(strstr(text, "\"service\": {\"count\": 100, \"min_ns\": 0.5, \"mean_ns\": 25.2, "
				     "\"p50_ns\": 25.0, \"p90_ns\": 45.0, \"p99_ns\": 49.5, \"p99_9_ns\": 50.0, "
				     "\"max_ns\": 50.0}\n}"));
	assert_null(strstr(text, "response"));
}

static void test_load_report_status_the_worst_wins(void **state)
{
	static const struct {
		uint64_t wrong, lost;
		bool interrupted;
		int status;
	} cases[] = {{0, 0, false, 0}, {0, 0, true, 130}, {1, 0, false, 1},
		     {1, 0, true, 1},  {0, 1, false, 3},  {1, 1, true, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		result.counts.wrong = cases[i].wrong;
		result.counts.lost = cases[i].lost;
		result.interrupted = cases[i].interrupted;
		assert_int_equal(ioreq_load_report_status(&result), cases[i].status);
	}
}

/* Requests that a restart has failed are expected where they were announced. */
static void test_load_report_status_failed_is_no_fault(void **state)
{
	(void)state;
	result.counts.failed = 2;
	assert_int_equal(ioreq_load_report_status(&result), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_load_report_closed_loop_two_lines, start),
		cmocka_unit_test_setup(test_load_report_open_loop_response_beside_service, start),
		cmocka_unit_test_setup(test_load_report_json_escapes_and_counts, start),
		cmocka_unit_test_setup(test_load_report_status_the_worst_wins, start),
		cmocka_unit_test_setup(test_load_report_status_failed_is_no_fault, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
