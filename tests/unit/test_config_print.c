/* SPDX-License-Identifier: MIT */
/*
 * config/print.c: what is printed, and that it loads as what was printed.
 *
 * Threads   One. Memory: the test's.
 */
#include "unit/test_config.h"

/* Loads what is printed of `config`; both must be equal and print the same. Frees `config`. */
static void assert_round_trip(struct config *config)
{
	char *first = print_to_string(config), *second;
	struct config *again = parse_good(first);

	assert_true(config_equal(config, again));
	second = print_to_string(again);
	assert_string_equal(first, second);
	config_free(config);
	config_free(again);
	free(first);
	free(second);
}

static void test_config_print_writes_every_default(void **unused)
{
	struct config *config =
		parse_good(HEAD "    clients:\n"
				"      - {name: a, device: unclaimed, ranges: [{space: pio, start: 8, size: 8}]}\n"
				"      - {name: b, device: unclaimed, delivery: thread, settings: {x: 1}}\n"
				"    doorbells: [{eventfd: d, space: mmio, address: 16, size: 2}]\n");
	char *text = print_to_string(config);

	(void)unused;
	assert_string_equal(text, "engine:\n"
				  "  housekeeping: [0]\n"
				  "  hugepages: prefer\n"
				  "  memory: 64MiB\n"
				  "pollers:\n"
				  "  - {name: p0, core: 1, priority: 0, idle: pause}\n"
				  "vms:\n"
				  "  - name: vm0\n"
				  "    poller: p0\n"
				  "    vcpus: 1\n"
				  "    strict_states: true\n"
				  "    clear_timeout: 100ms\n"
				  "    backend: {type: shm, path: /x}\n"
				  "    clients:\n"
				  "      - name: a\n"
				  "        delivery: inline\n"
				  "        device: unclaimed\n"
				  "        settings: {}\n"
				  "        ranges:\n"
				  "          - {space: pio, start: 0x8, last: 0xf}\n"
				  "      - name: b\n"
				  "        delivery: thread\n"
				  "        wait: park\n"
				  "        core: any\n"
				  "        device: unclaimed\n"
				  "        settings:\n"
				  "          x: 1\n"
				  "        ranges: []\n"
				  "    doorbells:\n"
				  "      - {eventfd: d, space: mmio, address: 0x10, size: 2, data: any}\n");
	free(text);
	assert_round_trip(config);
}

static void test_config_print_of_examples_loads_as_equal(void **unused)
{
	static const char *const files[] = {CONFIG_EXAMPLES "/demo.yaml", CONFIG_EXAMPLES "/production.yaml",
					    CONFIG_FILES "/base.yaml"};

	(void)unused;
	for (size_t i = 0; i < NR_OF(files); i++) {
		struct config *config = NULL;

		assert_int_equal(config_load(files[i], test_options(), &config), 0);
		assert_round_trip(config);
	}
}

static void test_config_print_of_no_vms_loads_as_equal(void **unused)
{
	(void)unused;
	assert_round_trip(parse_good("pollers: [{name: a, core: any}]\nvms: []\n"));
}

/* Strings that YAML would take for something else. */
static void test_config_print_quotes_what_needs_quotes(void **unused)
{
	static const char *const strings[] = {
		"",      "yes",    "No",         "true",    "null",      "~",       "0",       "010",     "-1",
		"1.5",   "0x10",   "64KiB",      "a b",     "a: b",      "a #b",    "#a",      "- a",     "-",
		"[a]",   "{a}",    "a,b",        "'a'",     "\\\"a\\\"", "a\\\\b",  "*a",      "&a",      "!a",
		"|",     ">",      "%a",         "@a",      "`a",        "\\n",     "\\ta ",   " a",      "a ",
		"\\x01", "\\e[0m", "\\x7f",      "\\u00e4", "\\u0085",   "\\u2028", "\\ufeff", "\\uffff", "\\U0001f600",
		"\\_",   "? a",    "a?",         ":",       "a:",        "=",       "<<",      ".inf",    "...",
		"---",   "any",    "2024-01-01",
	};
	char text[4096];

	(void)unused;
	for (size_t i = 0; i < NR_OF(strings); i++) {
		struct config *config;

		snprintf(text, sizeof(text),
			 HEAD "    clients: [{name: a, device: unclaimed, settings: {x: \"%s\"}}]\n", strings[i]);
		config = parse_good(text);
		assert_int_equal(config->vms[0].clients[0].settings[0].type, IOREQ_SETTING_STRING);
		assert_round_trip(config);
	}
}

static void test_config_print_quotes_names_and_keys(void **unused)
{
	(void)unused;
	assert_round_trip(parse_good(
		"pollers: [{name: 'yes', core: any}, {name: '#', core: any}, {name: '0', core: any}]\n"
		"vms:\n"
		"- {name: '}', poller: 'yes', vcpus: 1, backend: {type: shm, path: 'null'}, clients: [\n"
		"    {name: '-', device: unclaimed, settings: {'yes': 1, '0': 2, ':': 3, '?': 4, '\"': 5}}]}\n"));
}

static void test_config_print_of_a_full_disk_is_eio(void **unused)
{
	struct config *config = parse_good(HEAD);
	FILE *stream = fopen("/dev/full", "w");

	(void)unused;
	assert_non_null(stream);
	assert_int_equal(config_print(config, stream), -EIO);
	fclose(stream);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_print_writes_every_default),
		cmocka_unit_test(test_config_print_of_examples_loads_as_equal),
		cmocka_unit_test(test_config_print_of_no_vms_loads_as_equal),
		cmocka_unit_test(test_config_print_quotes_what_needs_quotes),
		cmocka_unit_test(test_config_print_quotes_names_and_keys),
		cmocka_unit_test(test_config_print_of_a_full_disk_is_eio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
