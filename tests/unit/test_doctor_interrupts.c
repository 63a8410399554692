/* SPDX-License-Identifier: MIT */
/* /proc/interrupts as a table: real shapes, offline CPUs, and rubbish. Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pinning/doctor_interrupts.h"

static const char table[] = "           CPU0       CPU2       CPU3       \n"
			    "  8:          1          0          4  IR-IO-APIC    8-edge      rtc0\n"
			    " 41:   10000000         70         80  IR-PCI-MSIX-0000:00:04.0   1-edge      virtio3-rx\n"
			    "LOC:    5209805    4875327          9   Local timer interrupts\n"
			    "ERR:          3\n"
			    "HYP:          0          1          2   Hypervisor callback interrupts";

static void test_interrupts_table_is_read_by_cpu(void **state)
{
	struct doctor_interrupts parsed;

	(void)state;
	assert_int_equal(doctor_interrupts_parse(table, &parsed), 0);
	assert_int_equal(parsed.nr_rows, 4);
	assert_int_equal(doctor_interrupts_count(&parsed, "41", 0), 10000000);
	assert_int_equal(doctor_interrupts_count(&parsed, "41", 2), 70);
	assert_int_equal(doctor_interrupts_count(&parsed, "HYP", 3), 2);
	/* Offline, unknown, and the machine's own row. */
	assert_int_equal(doctor_interrupts_count(&parsed, "41", 1), 0);
	assert_int_equal(doctor_interrupts_count(&parsed, "42", 0), 0);
	assert_null(doctor_interrupts_row(&parsed, "ERR"));
	assert_string_equal(doctor_interrupts_row(&parsed, "41")->name, "virtio3-rx");
	assert_string_equal(doctor_interrupts_row(&parsed, "LOC")->name, "Local timer interrupts");
	doctor_interrupts_free(&parsed);
}

static void test_interrupts_growth_survives_a_reset(void **state)
{
	struct doctor_interrupts before, after;

	(void)state;
	assert_int_equal(doctor_interrupts_parse("CPU0 CPU1\n 5: 10 20 x\n", &before), 0);
	assert_int_equal(doctor_interrupts_parse("CPU0 CPU1\n 5: 13 2 x\n 6: 1 1 y\n", &after), 0);
	assert_int_equal(doctor_interrupts_growth(&before, &after, "5", 0), 3);
	assert_int_equal(doctor_interrupts_growth(&before, &after, "5", 1), 2);
	assert_int_equal(doctor_interrupts_growth(&before, &after, "6", 1), 1);
	assert_int_equal(doctor_interrupts_growth(&after, &before, "6", 1), 0);
	doctor_interrupts_free(&before);
	doctor_interrupts_free(&after);
}

static void test_interrupts_rubbish_is_refused(void **state)
{
	static const char *const rubbish[] = {"",
					      "\n",
					      "CPU0",
					      "CPU0\n",
					      "CPUx\n 1: 1\n",
					      "CPU0 CPU99999\n 1: 1 1\n",
					      "CPU0 \x01\n 1: 1\n",
					      "CPU0 CPU1\n 1: 1\n",
					      "CPU0\n:::\n",
					      "CPU0\n12345678901234567890: 1\n",
					      "CPU0\n 1: -5\n"};
	struct doctor_interrupts parsed = {.nr_rows = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		if (doctor_interrupts_parse(rubbish[i], &parsed) != -EINVAL)
			fail_msg("'%s' is taken for a table", rubbish[i]);
		assert_int_equal(parsed.nr_rows, 77);
	}
}

/* Many columns and many empty lines: what is allocated follows the file's length, not their product. */
static void test_interrupts_wide_and_long_costs_no_memory(void **state)
{
	enum { COLUMNS = 4000, LINES = 500000 };
	char *text = malloc(COLUMNS * 9 + LINES + 16 + COLUMNS * 2), *at = text;
	struct doctor_interrupts parsed;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < COLUMNS; i++)
		at += sprintf(at, "CPU%d ", i);
	memset(at, '\n', LINES);
	at += LINES;
	at += sprintf(at, "7:");
	for (int i = 0; i < COLUMNS; i++)
		at += sprintf(at, " 1");
	assert_int_equal(doctor_interrupts_parse(text, &parsed), 0);
	assert_int_equal(doctor_interrupts_count(&parsed, "7", COLUMNS - 1), 1);
	doctor_interrupts_free(&parsed);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupts_table_is_read_by_cpu),
		cmocka_unit_test(test_interrupts_growth_survives_a_reset),
		cmocka_unit_test(test_interrupts_rubbish_is_refused),
		cmocka_unit_test(test_interrupts_wide_and_long_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
