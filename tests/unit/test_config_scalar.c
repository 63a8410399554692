/* SPDX-License-Identifier: MIT */
/*
 * config/scalar.c, config/problems.c: numbers with and without units, PCI functions, words and their neighbours.
 *
 * Threads   One. Memory: static.
 */
#include "unit/test_config.h"

#include "config/problems.h"
#include "config/scalar.h"

static void test_scalar_number_reads_decimal_and_hex(void **unused)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},
		{"7", 7},
		{"10", 10},
		{"0x0", 0},
		{"0x010", 16},
		{"0XfF", 255},
		{"65535", 65535},
		{"18446744073709551615", UINT64_MAX},
		{"0xffffffffffffffff", UINT64_MAX},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(good); i++) {
		uint64_t value = 99;

		assert_int_equal(config_scalar_number(good[i].text, &value), CONFIG_FINE);
		assert_int_equal(value, good[i].value);
	}
}

static void test_scalar_number_refuses_everything_else(void **unused)
{
	static const struct {
		const char *text;
		enum config_fault fault;
	} bad[] = {
		{"", CONFIG_NOT_A_NUMBER},
		{" 1", CONFIG_NOT_A_NUMBER},
		{"1 ", CONFIG_TRAILING},
		{"+1", CONFIG_NOT_A_NUMBER},
		{"-", CONFIG_NOT_A_NUMBER},
		{"-1", CONFIG_NEGATIVE},
		{"-0x1", CONFIG_NEGATIVE},
		{"00", CONFIG_LEADING_ZERO},
		{"010", CONFIG_LEADING_ZERO},
		{"0x", CONFIG_NOT_A_NUMBER},
		{"0xg", CONFIG_NOT_A_NUMBER},
		{"x1", CONFIG_NOT_A_NUMBER},
		{"0x1g", CONFIG_TRAILING},
		{"1x", CONFIG_TRAILING},
		{"1_000", CONFIG_TRAILING},
		{"0b1", CONFIG_TRAILING},
		{"1e3", CONFIG_TRAILING},
		{"1.", CONFIG_TRAILING},
		{"1.5", CONFIG_FRACTION},
		{"18446744073709551616", CONFIG_TOO_BIG},
		{"0x10000000000000000", CONFIG_TOO_BIG},
		{"99999999999999999999999999", CONFIG_TOO_BIG},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(bad); i++) {
		uint64_t value = 99;

		assert_int_equal(config_scalar_number(bad[i].text, &value), bad[i].fault);
		assert_int_equal(value, 99);
		assert_true(config_fault_text(bad[i].fault)[0] != 0);
	}
}

static void test_scalar_with_unit_multiplies(void **unused)
{
	uint64_t value;

	(void)unused;
	assert_int_equal(config_scalar_with_unit("0", config_size_units, &value), CONFIG_FINE);
	assert_int_equal(value, 0);
	assert_int_equal(config_scalar_with_unit("0us", config_time_units, &value), CONFIG_FINE);
	assert_int_equal(value, 0);
	assert_int_equal(config_scalar_with_unit("64KiB", config_size_units, &value), CONFIG_FINE);
	assert_int_equal(value, 65536);
	assert_int_equal(config_scalar_with_unit("3B", config_size_units, &value), CONFIG_FINE);
	assert_int_equal(value, 3);
	assert_int_equal(config_scalar_with_unit("16777215TiB", config_size_units, &value), CONFIG_FINE);
	assert_int_equal(value, UINT64_C(16777215) << 40);
	assert_int_equal(config_scalar_with_unit("50us", config_time_units, &value), CONFIG_FINE);
	assert_int_equal(value, 50000);
	assert_int_equal(config_scalar_with_unit("2s", config_time_units, &value), CONFIG_FINE);
	assert_int_equal(value, 2000000000);
}

static void test_scalar_with_unit_refuses_others(void **unused)
{
	static const struct {
		const char *text;
		enum config_fault fault;
	} bad[] = {
		{"64", CONFIG_NO_UNIT},          {"64KB", CONFIG_UNKNOWN_UNIT}, {"64kib", CONFIG_UNKNOWN_UNIT},
		{"64 KiB", CONFIG_UNKNOWN_UNIT}, {"64us", CONFIG_UNKNOWN_UNIT}, {"0x40KiB", CONFIG_UNKNOWN_UNIT},
		{"64KiBx", CONFIG_UNKNOWN_UNIT}, {"1.5KiB", CONFIG_FRACTION},   {"-1KiB", CONFIG_NEGATIVE},
		{"01KiB", CONFIG_LEADING_ZERO},  {"KiB", CONFIG_NOT_A_NUMBER},  {"", CONFIG_NOT_A_NUMBER},
		{"16777216TiB", CONFIG_TOO_BIG},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(bad); i++) {
		uint64_t value = 99;

		assert_int_equal(config_scalar_with_unit(bad[i].text, config_size_units, &value), bad[i].fault);
		assert_int_equal(value, 99);
	}
}

static void test_scalar_meant_finds_the_unit(void **unused)
{
	static const struct {
		const char *text, *size, *time;
	} cases[] = {
		{"64KB", "64KiB", ""}, {"64kib", "64KiB", ""}, {"64K", "64KiB", ""},  {"1 MiB", "1MiB", ""},
		{"5usec", "", ""},     {"5 ms", "", "5ms"},    {"5m", "5MiB", "5ms"}, {"x", "", ""},
		{"5", "", ""},         {"", "", ""},
	};
	char meant[CONFIG_NUMBER_BYTES];

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		config_scalar_meant(cases[i].text, config_size_units, meant, sizeof(meant));
		assert_string_equal(meant, cases[i].size);
		config_scalar_meant(cases[i].text, config_time_units, meant, sizeof(meant));
		assert_string_equal(meant, cases[i].time);
	}
}

static void test_scalar_pci_is_the_ecam_layout(void **unused)
{
	static const char *const bad[] = {"",          "00:00",    "00:00.8",  "00:20.0",  "100:00.0", "00:00.0 ",
					  "00:00.0.0", ":00.0",    "00:.0",    "00:00.",   "0:0",      "000:00.0",
					  "00:000.0",  "00:00.00", " 00:00.0", "0x0:00.0", "00-00.0",  "g0:00.0"};
	uint64_t address = 99;

	(void)unused;
	for (size_t i = 0; i < NR_OF(bad); i++) {
		assert_false(config_scalar_pci(bad[i], &address));
		assert_int_equal(address, 99);
	}
	assert_true(config_scalar_pci("00:00.0", &address));
	assert_int_equal(address, 0);
	assert_true(config_scalar_pci("0:2.1", &address));
	assert_int_equal(address, 0x11000);
	assert_true(config_scalar_pci("fF:1f.7", &address));
	assert_int_equal(address, 0x0ffff000);
}

static void test_scalar_format_is_what_scalar_with_unit_reads(void **unused)
{
	static const uint64_t values[] = {
		0,         1,           1000,       1024,   1536, 65536, 1000000, UINT64_C(3) << 30, UINT64_C(5) << 40,
		100000000, 60000000000, UINT64_MAX, 1024000};
	char text[CONFIG_NUMBER_BYTES];
	uint64_t value;

	(void)unused;
	for (size_t i = 0; i < NR_OF(values); i++) {
		config_scalar_format(values[i], config_size_units, text);
		assert_int_equal(config_scalar_with_unit(text, config_size_units, &value), CONFIG_FINE);
		assert_int_equal(value, values[i]);
		config_scalar_format(values[i], config_time_units, text);
		assert_int_equal(config_scalar_with_unit(text, config_time_units, &value), CONFIG_FINE);
		assert_int_equal(value, values[i]);
	}
	assert_string_equal(config_scalar_format(65536, config_size_units, text), "64KiB");
	assert_string_equal(config_scalar_format(100000000, config_time_units, text), "100ms");
	assert_string_equal(config_scalar_format(0, config_time_units, text), "0");
}

static void test_scalar_is_numeric_knows_other_readers_numbers(void **unused)
{
	static const char *const numeric[] = {"0",   "-1",   "+1",   "1.5",   ".5", "-.5",
					      "1e3", "0x10", ".inf", "-.NaN", "010"};
	static const char *const words[] = {"",  "p0", "vm0", "16550a", "-",  "+",
					    ".", "x1", "inf", "nan",    "e3", "1.2.3"};

	(void)unused;
	for (size_t i = 0; i < NR_OF(numeric); i++)
		assert_true(config_scalar_is_numeric(numeric[i]));
	for (size_t i = 0; i < NR_OF(words); i++)
		assert_false(config_scalar_is_numeric(words[i]));
}

static void test_problems_nearest_guesses_only_what_is_near(void **unused)
{
	static const char *const words[] = {"pause", "spin", "yield", "strict_states", NULL};

	(void)unused;
	assert_string_equal(config_nearest("paus", words), "pause");
	assert_string_equal(config_nearest("PAUSE", words), "pause");
	assert_string_equal(config_nearest("spni", words), "spin");
	assert_string_equal(config_nearest("strictstate", words), "strict_states");
	assert_null(config_nearest("sleep", words));
	assert_null(config_nearest("", words));
	assert_null(config_nearest("p", words));
	assert_null(config_nearest("pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp",
				   words));
}

static void test_problems_quote_cuts_between_characters(void **unused)
{
	char found[CONFIG_FOUND_BYTES], text[200];

	(void)unused;
	assert_string_equal(config_quote("a\nb\x7f", 4, '\'', found), "'a?b?'");
	assert_string_equal(config_quote("", 0, '"', found), "\"\"");
	/* Two-byte characters from an odd and an even place: one of them would be cut in two. */
	for (size_t shift = 0; shift < 2; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t i = shift; i + 1 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa4", 2);
		config_quote(text, sizeof(text) - 2, '\'', found);
		assert_true(strlen(found) < CONFIG_FOUND_BYTES);
		assert_string_equal(found + strlen(found) - 4, "...'");
		assert_int_equal((unsigned char)found[strlen(found) - 5], 0xa4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalar_number_reads_decimal_and_hex),
		cmocka_unit_test(test_scalar_number_refuses_everything_else),
		cmocka_unit_test(test_scalar_with_unit_multiplies),
		cmocka_unit_test(test_scalar_with_unit_refuses_others),
		cmocka_unit_test(test_scalar_meant_finds_the_unit),
		cmocka_unit_test(test_scalar_pci_is_the_ecam_layout),
		cmocka_unit_test(test_scalar_format_is_what_scalar_with_unit_reads),
		cmocka_unit_test(test_scalar_is_numeric_knows_other_readers_numbers),
		cmocka_unit_test(test_problems_nearest_guesses_only_what_is_near),
		cmocka_unit_test(test_problems_quote_cuts_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
