/* SPDX-License-Identifier: MIT */
/* Sets of CPUs: the kernel's spellings, what is refused, and that a refusal leaves the set alone. Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "pinning/doctor_cpus.h"

static void expect_list(const char *text, int last, const char *expected)
{
	struct doctor_cpus cpus;
	char found[DOCTOR_CPUS_TEXT_BYTES];

	if (doctor_cpus_parse_list(text, last, &cpus))
		fail_msg("'%s' is refused", text);
	assert_string_equal(doctor_cpus_format(&cpus, found, sizeof(found)), expected);
}

static void refuse_list(const char *text, int expected)
{
	struct doctor_cpus cpus, before;
	int rc;

	memset(&cpus, 0x5a, sizeof(cpus));
	before = cpus;
	rc = doctor_cpus_parse_list(text, -1, &cpus);
	if (rc != expected)
		fail_msg("'%s': %d", text, rc);
	assert_memory_equal(&cpus, &before, sizeof(cpus));
}

static void test_cpus_list_is_read_as_the_kernel_writes_it(void **state)
{
	(void)state;
	expect_list("", -1, "none");
	expect_list("\n", -1, "none");
	expect_list("  (null)\n", -1, "none");
	expect_list("0", -1, "0");
	expect_list("0-3,8\n", -1, "0-3,8");
	expect_list("8,0-3,2", -1, "0-3,8");
	expect_list("63-65", -1, "63-65");
	expect_list("8191", -1, "8191");
	expect_list("0-8191", -1, "0-8191");
	expect_list("0-7:2/4", -1, "0-1,4-5");
	expect_list("2-N", 7, "2-7");
	expect_list("all", 7, "0-7");
}

static void test_cpus_list_that_is_none_is_refused(void **state)
{
	(void)state;
	refuse_list("x", -EINVAL);
	refuse_list("-1", -EINVAL);
	refuse_list("3-1", -EINVAL);
	refuse_list("1,,2", -EINVAL);
	refuse_list("1,", -EINVAL);
	refuse_list(",1", -EINVAL);
	refuse_list("1-", -EINVAL);
	refuse_list("1 2", -EINVAL);
	refuse_list("0-3:1/0", -EINVAL);
	refuse_list("0-3:3/2", -EINVAL);
	refuse_list("all", -EINVAL);
	refuse_list("1-N", -EINVAL);
	refuse_list("8192", -ERANGE);
	refuse_list("0-99999999", -ERANGE);
	refuse_list("99999999999999999999", -ERANGE);
}

static void expect_mask(const char *text, const char *expected)
{
	struct doctor_cpus cpus;
	char found[DOCTOR_CPUS_TEXT_BYTES];

	assert_int_equal(doctor_cpus_parse_mask(text, &cpus), 0);
	assert_string_equal(doctor_cpus_format(&cpus, found, sizeof(found)), expected);
}

static void test_cpus_mask_is_read_as_the_kernel_writes_it(void **state)
{
	struct doctor_cpus cpus;
	char wide[3000];

	(void)state;
	expect_mask("3\n", "0-1");
	expect_mask("00000000,00000003", "0-1");
	expect_mask("1,00000000", "32");
	expect_mask("A0000000,00000000,00000000", "93,95");
	expect_mask("0", "none");
	assert_int_equal(doctor_cpus_parse_mask("", &cpus), -EINVAL);
	assert_int_equal(doctor_cpus_parse_mask(",1", &cpus), -EINVAL);
	assert_int_equal(doctor_cpus_parse_mask("1,", &cpus), -EINVAL);
	assert_int_equal(doctor_cpus_parse_mask("0x3", &cpus), -EINVAL);
	assert_int_equal(doctor_cpus_parse_mask("g", &cpus), -EINVAL);
	memset(wide, '0', sizeof(wide));
	wide[sizeof(wide) - 1] = '\0';
	assert_int_equal(doctor_cpus_parse_mask(wide, &cpus), 0);
	wide[0] = '1';
	assert_int_equal(doctor_cpus_parse_mask(wide, &cpus), -ERANGE);
}

static void test_cpus_set_operations_are_exact(void **state)
{
	struct doctor_cpus a, b;

	(void)state;
	assert_int_equal(doctor_cpus_parse_list("0-5,100", -1, &a), 0);
	assert_int_equal(doctor_cpus_parse_list("4-9", -1, &b), 0);
	assert_true(doctor_cpus_overlap(&a, &b));
	assert_int_equal(doctor_cpus_count(&a), 7);
	doctor_cpus_minus(&a, &b);
	assert_false(doctor_cpus_overlap(&a, &b));
	assert_int_equal(doctor_cpus_count(&a), 5);
	assert_int_equal(doctor_cpus_next(&a, -1), 0);
	assert_int_equal(doctor_cpus_next(&a, 3), 100);
	assert_int_equal(doctor_cpus_next(&a, 100), -1);
	assert_int_equal(doctor_cpus_next(&a, DOCTOR_MAX_CPUS - 1), -1);
	doctor_cpus_or(&a, &b);
	assert_int_equal(doctor_cpus_count(&a), 11);
	doctor_cpus_and(&a, &b);
	assert_int_equal(doctor_cpus_count(&a), 6);
	assert_false(doctor_cpus_has(&a, DOCTOR_MAX_CPUS));
	assert_false(doctor_cpus_empty(&a));
}

static void test_cpus_long_list_is_cut_at_a_range(void **state)
{
	struct doctor_cpus cpus = {{0}};
	char text[16];

	(void)state;
	for (unsigned cpu = 0; cpu < 100; cpu += 2)
		doctor_cpus_add(&cpus, cpu);
	assert_string_equal(doctor_cpus_format(&cpus, text, sizeof(text)), "0,2,4,6,8,10...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpus_list_is_read_as_the_kernel_writes_it),
		cmocka_unit_test(test_cpus_list_that_is_none_is_refused),
		cmocka_unit_test(test_cpus_mask_is_read_as_the_kernel_writes_it),
		cmocka_unit_test(test_cpus_set_operations_are_exact),
		cmocka_unit_test(test_cpus_long_list_is_cut_at_a_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
