/* SPDX-License-Identifier: MIT */
/* The command line of `ioreq-bench load`: values, sentences, what a failure leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load_options.h"

#define MAX_WORDS 64

static int parse(const char *line, struct ioreq_load_options *options, struct ioreq_error *error)
{
	static char copy[512];
	char *argv[MAX_WORDS], *rest = NULL;
	int argc = 0;

	strncpy(copy, line, sizeof(copy) - 1);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return ioreq_load_options_parse(argc, argv, options, error);
}

static void test_load_options_page_alone_gives_defaults(void **state)
{
	struct ioreq_load_options options;

	(void)state;
	assert_int_equal(parse("x.page", &options, NULL), 0);
	assert_string_equal(options.page, "x.page");
	assert_null(options.json);
	assert_false(options.join || options.keep || options.help);
	assert_int_equal(options.nr_vcpus, 0);
	assert_int_equal(options.nr_requests, 0);
	assert_int_equal(options.duration_ns, 10000000000);
	assert_int_equal(options.rate_hz, 0);
	assert_int_equal(options.read_percent, 50);
	assert_int_equal(options.hostile_percent, 0);
	assert_int_equal(options.restarts, 0);
	assert_int_equal(options.seed, 1);
	assert_int_equal(options.wait_ns, 30000000000);
	assert_int_equal(options.stall_ns, 10000000000);
	assert_int_equal(options.completion, IOREQ_LOAD_POLLING);
	assert_int_equal(options.map.nr_banks, 4);
	assert_int_equal(options.map.banks[1].space, IOREQ_PCICFG);
	assert_int_equal(options.map.banks[3].address, 0xfe100000);
	assert_int_equal(options.map.nr_unclaimed, 2);
}

static void test_load_options_all_given_all_taken(void **state)
{
	struct ioreq_load_options options;

	(void)state;
	assert_int_equal(parse("--join --keep --vcpus 16 --threads=3 --requests 1000000 --seconds 0.5 --rate 20000 "
			       "--completion mixed --read-share 0 --hostile 100 --restarts 2 --seed 0xff "
			       "--bank pio:0x7000 --bank mmio:4096 --unclaimed pcicfg:0xffff00 --wait 1.25 --stall 2 "
			       "--json - -- --odd",
			       &options, NULL),
			 0);
	assert_string_equal(options.page, "--odd");
	assert_string_equal(options.json, "-");
	assert_true(options.join && options.keep);
	assert_int_equal(options.nr_vcpus, 16);
	assert_int_equal(options.nr_threads, 3);
	assert_int_equal(options.nr_requests, 1000000);
	assert_int_equal(options.duration_ns, 500000000);
	assert_int_equal(options.rate_hz, 20000);
	assert_int_equal(options.completion, IOREQ_LOAD_MIXED);
	assert_int_equal(options.read_percent, 0);
	assert_int_equal(options.hostile_percent, 100);
	assert_int_equal(options.restarts, 2);
	assert_int_equal(options.seed, 255);
	assert_int_equal(options.wait_ns, 1250000000);
	assert_int_equal(options.stall_ns, 2000000000);
	assert_int_equal(options.map.nr_banks, 2);
	assert_int_equal(options.map.banks[0].space, IOREQ_PIO);
	assert_int_equal(options.map.banks[0].address, 0x7000);
	assert_int_equal(options.map.banks[1].space, IOREQ_MMIO);
	assert_int_equal(options.map.banks[1].address, 4096);
	assert_int_equal(options.map.nr_unclaimed, 1);
	assert_int_equal(options.map.unclaimed[0].space, IOREQ_PCICFG);
	assert_int_equal(options.map.unclaimed[0].address, 0xffff00);
}

static void test_load_options_requests_alone_no_time_limit(void **state)
{
	struct ioreq_load_options options;

	(void)state;
	assert_int_equal(parse("--requests 5 p", &options, NULL), 0);
	assert_int_equal(options.duration_ns, 0);
}

static void test_load_options_help_needs_no_page(void **state)
{
	struct ioreq_load_options options;

	(void)state;
	assert_int_equal(parse("--help", &options, NULL), 0);
	assert_true(options.help);
}

static void test_load_options_wrong_refused_with_sentence(void **state)
{
	static const struct {
		const char *line;
		const char *sentence;
	} cases[] = {
		{"", "no page file given"},
		{"--frob p", "unknown option '--frob'"},
		{"--frob=1 p", "unknown option '--frob'"},
		{"-v p", "unknown option '-v'"},
		{"a b", "'b' is one argument too many after 'a'"},
		{"p --seed", "--seed needs a value: N"},
		{"p --join=1", "--join takes no value, but was given '1'"},
		{"p --vcpus 0", "--vcpus is '0', but must be a whole number from 1 to 16"},
		{"p --vcpus 17", "--vcpus is '17', but must be a whole number from 1 to 16"},
		{"p --vcpus -1", "--vcpus is '-1', but must be a whole number from 1 to 16"},
		{"p --vcpus 2x", "--vcpus is '2x', but must be a whole number from 1 to 16"},
		{"p --vcpus=", "--vcpus is '', but must be a whole number from 1 to 16"},
		{"p --read-share 101", "--read-share is '101', but must be a whole number from 0 to 100"},
		{"p --seed 99999999999999999999",
		 "--seed is '99999999999999999999', but must be a whole number from 0 to 18446744073709551615"},
		{"p --seconds 0", "--seconds is '0', but must be seconds, as 10 or 0.5, and more than 0"},
		{"p --seconds 1.2.3", "--seconds is '1.2.3', but must be seconds, as 10 or 0.5, and more than 0"},
		{"p --seconds inf", "--seconds is 'inf', but must be seconds, as 10 or 0.5, and more than 0"},
		{"p --completion poll", "--completion is 'poll', but must be polling|notify|mixed"},
		{"p --bank isa:0x10", "--bank is 'isa:0x10', but must be SPACE:ADDRESS: "},
		{"p --bank pio:0x5001", "--bank is 'pio:0x5001', but must be SPACE:ADDRESS: "},
		{"p --bank pio:0x10000", "--bank is 'pio:0x10000', but must be SPACE:ADDRESS: "},
		{"p --unclaimed pio:0xff01", "--unclaimed is 'pio:0xff01', but must be SPACE:ADDRESS: "},
		{"p --unclaimed mmio:", "--unclaimed is 'mmio:', but must be SPACE:ADDRESS: "},
		{"p --join --page-vcpus 2", "--page-vcpus says what to create, but --join creates nothing"},
		{"p --vcpus 3 --page-vcpus 2", "--vcpus is more than --page-vcpus"},
	};
	struct ioreq_load_options options, before;

	(void)state;
	memset(&options, 0x77, sizeof(options));
	memcpy(&before, &options, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ioreq_error error = {""};

		assert_int_equal(parse(cases[i].line, &options, &error), -EINVAL);
		/* A target's sentence goes on with the help line. */
		if (strncmp(error.text, cases[i].sentence, strlen(cases[i].sentence)) != 0)
			fail_msg("'%s': '%s', want '%s'", cases[i].line, error.text, cases[i].sentence);
		assert_memory_equal(&options, &before, sizeof(options));
	}
}

static void test_load_options_17th_bank_refused(void **state)
{
	struct ioreq_load_options options;
	char line[512] = "p";

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		strcat(line, " --bank mmio:0x1000");
	assert_int_equal(parse(line, &options, NULL), 0);
	assert_int_equal(options.map.nr_banks, 16);
	strcat(line, " --bank mmio:0x1000");
	assert_int_equal(parse(line, &options, NULL), -EINVAL);
}

static void test_load_options_settle_fits_page_and_cores(void **state)
{
	static const struct {
		const char *line;
		unsigned file_vcpus, nr_spinners;
		uint64_t vcpus, page_vcpus, threads;
	} cases[] = {
		{"p", 0, 1, 1, 1, 1},
		{"--vcpus 2 p", 0, 0, 2, 2, 1},
		{"--vcpus 2 p", 0, 63, 2, 2, 2},
		{"--vcpus 16 p", 0, 3, 16, 16, 3},
		{"--vcpus 4 --threads 9 p", 0, 1, 4, 4, 4},
		{"--page-vcpus 16 p", 0, 1, 1, 16, 1},
		{"--page-vcpus 1 p", 0, 1, 1, 1, 1},
		{"--join p", 8, 7, 8, 8, 7},
		{"--join --vcpus 3 p", 8, 7, 3, 8, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ioreq_load_options options;

		assert_int_equal(parse(cases[i].line, &options, NULL), 0);
		assert_int_equal(ioreq_load_options_settle(&options, cases[i].file_vcpus, cases[i].nr_spinners, NULL),
				 0);
		assert_int_equal(options.nr_vcpus, cases[i].vcpus);
		assert_int_equal(options.page_vcpus, cases[i].page_vcpus);
		assert_int_equal(options.nr_threads, cases[i].threads);
	}
}

static void test_load_options_settle_more_vcpus_than_joined_page_refused(void **state)
{
	struct ioreq_load_options options;
	struct ioreq_error error;

	(void)state;
	assert_int_equal(parse("--join --vcpus 3 p", &options, NULL), 0);
	assert_int_equal(ioreq_load_options_settle(&options, 2, 1, &error), -EINVAL);
	assert_string_equal(error.text, "p has 2 vCPUs, but --vcpus is 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_options_page_alone_gives_defaults),
		cmocka_unit_test(test_load_options_all_given_all_taken),
		cmocka_unit_test(test_load_options_requests_alone_no_time_limit),
		cmocka_unit_test(test_load_options_help_needs_no_page),
		cmocka_unit_test(test_load_options_wrong_refused_with_sentence),
		cmocka_unit_test(test_load_options_17th_bank_refused),
		cmocka_unit_test(test_load_options_settle_fits_page_and_cores),
		cmocka_unit_test(test_load_options_settle_more_vcpus_than_joined_page_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
