/* SPDX-License-Identifier: MIT */
/*
 * config/load.c, config/read.c, config/check.c: what a file becomes; files that are none; what no file may say.
 *
 * Threads   One. Memory: the test's.
 */
#include "unit/test_config.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- values ------------------------------------------------------------------------------------------------ */

static void test_config_load_fills_defaults(void **unused)
{
	struct config *config = parse_good(HEAD "    clients:\n"
						"      - {name: a, device: unclaimed}\n"
						"      - {name: b, delivery: thread, plugin: ./b.so}\n");
	const struct config_vm *vm = &config->vms[0];

	(void)unused;
	assert_string_equal(config->path, "good");
	assert_int_equal(config->engine.nr_housekeeping, 1);
	assert_int_equal(config->engine.housekeeping[0], 0);
	assert_int_equal(config->engine.hugepages, CONFIG_HUGEPAGES_PREFER);
	assert_int_equal(config->engine.memory_bytes, 64 << 20);
	assert_int_equal(config->nr_pollers, 1);
	assert_string_equal(config->pollers[0].name, "p0");
	assert_int_equal(config->pollers[0].core, 1);
	assert_int_equal(config->pollers[0].priority, 0);
	assert_int_equal(config->pollers[0].idle, IOREQ_IDLE_PAUSE);
	assert_int_equal(config->nr_vms, 1);
	assert_true(vm->strict_states);
	assert_int_equal(vm->clear_timeout_ns, 100000000);
	assert_null(vm->default_client);
	assert_int_equal(vm->nr_doorbells, 0);
	assert_int_equal(vm->nr_clients, 2);
	assert_int_equal(vm->clients[0].delivery, IOREQ_INLINE);
	assert_null(vm->clients[0].plugin);
	assert_false(vm->clients[0].is_default);
	assert_int_equal(vm->clients[0].nr_settings, 0);
	assert_int_equal(vm->clients[0].nr_ranges, 0);
	assert_int_equal(vm->clients[1].wait, IOREQ_WAIT_PARK);
	assert_int_equal(vm->clients[1].core, CONFIG_ANY_CORE);
	assert_null(vm->clients[1].device);
	assert_string_equal(vm->clients[1].plugin, "./b.so");
	config_free(config);
}

static void test_config_load_reads_every_key(void **unused)
{
	struct config *config = parse_good(
		"engine: {housekeeping: [7, 0x3], hugepages: off, memory: 1GiB}\n"
		"pollers: [{name: a, core: 1, priority: 99, idle: spin}, {name: b, core: any, idle: yield}]\n"
		"vms:\n"
		"- name: \"vm0\"\n"
		"  poller: b\n"
		"  vcpus: 0x10\n"
		"  strict_states: false\n"
		"  clear_timeout: 1500us\n"
		"  backend: {type: shm, path: 'a b'}\n"
		"  default_client: d\n"
		"  clients:\n"
		"  - {name: d, delivery: thread, wait: yield, core: 0x2, device: registers}\n"
		"  doorbells:\n"
		"  - {eventfd: x, space: mmio, address: 18446744073709551608, size: 8, data: 0xffffffffffffffff}\n"
		"  - {eventfd: w, space: pio, address: 0x10, size: 1}\n"
		"  - {eventfd: z, space: pcicfg, address: 01:02.3, size: 4, data: any}\n");
	const struct config_vm *vm = &config->vms[0];

	(void)unused;
	assert_int_equal(config->engine.nr_housekeeping, 2);
	assert_int_equal(config->engine.housekeeping[0], 7);
	assert_int_equal(config->engine.housekeeping[1], 3);
	assert_int_equal(config->engine.hugepages, CONFIG_HUGEPAGES_OFF);
	assert_int_equal(config->engine.memory_bytes, 1 << 30);
	assert_int_equal(config->pollers[0].priority, 99);
	assert_int_equal(config->pollers[0].idle, IOREQ_IDLE_SPIN);
	assert_int_equal(config->pollers[1].core, CONFIG_ANY_CORE);
	assert_int_equal(config->pollers[1].idle, IOREQ_IDLE_YIELD);
	assert_string_equal(vm->name, "vm0");
	assert_string_equal(vm->poller, "b");
	assert_int_equal(vm->nr_vcpus, 16);
	assert_false(vm->strict_states);
	assert_int_equal(vm->clear_timeout_ns, 1500000);
	assert_int_equal(vm->backend.type, CONFIG_BACKEND_SHM);
	assert_string_equal(vm->backend.path, "a b");
	assert_string_equal(vm->default_client, "d");
	assert_true(vm->clients[0].is_default);
	assert_int_equal(vm->clients[0].wait, IOREQ_WAIT_YIELD);
	assert_int_equal(vm->clients[0].core, 2);
	assert_int_equal(vm->nr_doorbells, 3);
	assert_string_equal(vm->doorbells[0].name, "x");
	assert_int_equal(vm->doorbells[0].space, IOREQ_MMIO);
	assert_int_equal(vm->doorbells[0].address, UINT64_MAX - 7);
	assert_int_equal(vm->doorbells[0].size, 8);
	assert_int_equal(vm->doorbells[0].data, UINT64_MAX);
	assert_false(vm->doorbells[0].any_data);
	assert_true(vm->doorbells[1].any_data);
	assert_int_equal(vm->doorbells[2].space, IOREQ_PCICFG);
	assert_int_equal(vm->doorbells[2].address, 0x113000);
	assert_true(vm->doorbells[2].any_data);
	assert_true(config_uses_core(config, 1) && config_uses_core(config, 2) && config_uses_core(config, 3) &&
		    config_uses_core(config, 7));
	assert_false(config_uses_core(config, 0) || config_uses_core(config, 4));
	config_free(config);
}

static void test_config_load_sorts_ranges_of_all_notations(void **unused)
{
	static const struct ioreq_range wanted[] = {
		{0, 0xffff, IOREQ_PIO},
		{0, 0, IOREQ_MMIO},
		{0x1000, 0x1fff, IOREQ_MMIO},
		{0xfffffffffffff000, UINT64_MAX, IOREQ_MMIO},
		{0x11000, 0x11fff, IOREQ_PCICFG},
		{0x200000, 0x7ffffff, IOREQ_PCICFG},
		{0x8000000, 0x8000003, IOREQ_PCICFG},
	};
	struct config *config = parse_good(HEAD "    clients:\n"
						"    - name: a\n"
						"      device: unclaimed\n"
						"      ranges:\n"
						"      - {space: pcicfg, start: \"80:00.0\", size: 4}\n"
						"      - {space: pcicfg, start: 0x200000, last: '7f:1f.7'}\n"
						"      - {space: pcicfg, start: 00:02.1}\n"
						"      - {space: mmio, start: 0xfffffffffffff000, size: 4KiB}\n"
						"      - {space: mmio, start: 4096, size: 0x1000}\n"
						"      - {space: mmio, start: 0, last: 0}\n"
						"      - {space: pio, start: 0, last: 65535}\n");
	const struct config_client *client = &config->vms[0].clients[0];

	(void)unused;
	assert_int_equal(client->nr_ranges, NR_OF(wanted));
	for (size_t i = 0; i < NR_OF(wanted); i++) {
		assert_int_equal(client->ranges[i].space, wanted[i].space);
		assert_int_equal(client->ranges[i].start, wanted[i].start);
		assert_int_equal(client->ranges[i].last, wanted[i].last);
	}
	config_free(config);
}

static void test_config_load_types_settings(void **unused)
{
	static const struct ioreq_setting wanted[] = {
		{"a", IOREQ_SETTING_INTEGER, 7, NULL},        {"b", IOREQ_SETTING_INTEGER, UINT64_MAX, NULL},
		{"c", IOREQ_SETTING_INTEGER, 16 << 20, NULL}, {"d", IOREQ_SETTING_BOOLEAN, 1, NULL},
		{"e", IOREQ_SETTING_BOOLEAN, 0, NULL},        {"f", IOREQ_SETTING_STRING, 0, "stdout"},
		{"g", IOREQ_SETTING_STRING, 0, "7"},          {"h", IOREQ_SETTING_STRING, 0, "true"},
		{"i", IOREQ_SETTING_STRING, 0, ""},           {"yes", IOREQ_SETTING_STRING, 0, "two words\n\xc3\xa4"},
	};
	struct config *config = parse_good(HEAD "    clients:\n"
						"    - name: a\n"
						"      device: unclaimed\n"
						"      settings:\n"
						"        a: 7\n"
						"        b: 0xffffffffffffffff\n"
						"        c: 16MiB\n"
						"        d: true\n"
						"        e: false\n"
						"        f: stdout\n"
						"        g: '7'\n"
						"        h: \"true\"\n"
						"        i: ''\n"
						"        yes: \"two words\\n\xc3\xa4\"\n");
	const struct config_client *client = &config->vms[0].clients[0];

	(void)unused;
	assert_int_equal(client->nr_settings, NR_OF(wanted));
	for (size_t i = 0; i < NR_OF(wanted); i++) {
		const struct ioreq_setting *setting = &client->settings[i];

		assert_string_equal(setting->key, wanted[i].key);
		assert_int_equal(setting->type, wanted[i].type);
		assert_int_equal(setting->integer, wanted[i].integer);
		if (wanted[i].string)
			assert_string_equal(setting->string, wanted[i].string);
	}
	config_free(config);
}

static void test_config_load_keeps_places(void **unused)
{
	struct config *config = parse_good("# comment\n" HEAD "    clients:\n"
					   "      - {name: a, device: unclaimed}\n"
					   "      - {name: b, device: unclaimed}\n");

	(void)unused;
	assert_int_equal(config->pollers[0].place.line, 3);
	assert_int_equal(config->pollers[0].place.column, 5);
	assert_int_equal(config->vms[0].place.line, 5);
	assert_int_equal(config->vms[0].backend.place.column, 14);
	assert_int_equal(config->vms[0].clients[1].place.line, 11);
	assert_int_equal(config->vms[0].clients[1].place.column, 9);
	config_free(config);
}

/* Lines end with LF, CR LF or CR, and places count characters, not bytes. */
static void test_config_load_counts_lines_and_columns(void **unused)
{
	(void)unused;
	parse_bad("pollers: [{name: p0, core: 1}]\r\n# \xc3\xa4\rvms: []\n'\xc3\xa4\xc3\xb6': 1\n? \"\xc3\xa4\"\n: 1\n",
		  "bad:4:1: error: \xc3\xa4\xc3\xb6: an unknown key; allowed: engine, pollers, vms\n"
		  "bad:5:3: error: \xc3\xa4: an unknown key; allowed: engine, pollers, vms\n");
	parse_bad("# \xc3\xa4\r\n# \r\xc3\xa4\xff", "bad:3:2: error: not UTF-8: found byte 0xff\n");
	parse_bad("\n\n  \x01", "bad:3:3: error: a character that text does not have: found U+0001; allowed: printable "
				"characters, tabs and line breaks\n");
}

/* ---- limits ------------------------------------------------------------------------------------------------ */

/* As many as the engine has room for, and one more. */
static void test_config_load_takes_as_many_ranges_as_the_engine(void **unused)
{
	char *text = NULL;
	size_t bytes;

	(void)unused;
	for (unsigned more = 0; more < 2; more++) {
		FILE *stream = open_memstream(&text, &bytes);
		struct config *config = UNTOUCHED;
		int status;

		fputs(HEAD "    clients:\n    - {name: z, device: unclaimed, ranges: [", stream);
		for (unsigned i = 0; i < IOREQ_MAX_RANGES / 2; i++)
			fprintf(stream, "{space: mmio, start: 0x%x, size: 4},\n", i * 4);
		fputs("]}\n    - {name: b, device: unclaimed, ranges: [", stream);
		for (unsigned i = 0; i < IOREQ_MAX_RANGES / 2 + more; i++)
			fprintf(stream, "{space: mmio, start: 0x%x, size: 4},\n", 0x10000000 + i * 4);
		fputs("]}\n", stream);
		fclose(stream);
		status = config_parse("many", text, bytes, test_options(), &config);
		assert_int_equal(status, more ? -EINVAL : 0);
		assert_string_equal(
			reported.text,
			more ? "many:9:5: error: vms[0].clients: too many ranges: found 16385 in all clients; "
			       "allowed: 16384\n"
			     : "");
		if (!status)
			config_free(config);
		free(text);
	}
}

static const char *const patterns[] = {
	"a: 1\n",
	"- ",
	"[",
	"{",
	"{a: ",
	"\"",
	"'",
	"? ",
	"a",
	"engine: ",
	"#",
	"\n",
	" ",
	"- a\n",
	"? - ",
	"a: {b: c}\n",
	"[],",
	"{},",
	"&a ",
	"*a ",
	"!!a ",
	"| ",
	"%YAML 1.1\n",
	"---\n",
	"pollers: []\n",
	"\xc3\xa4",
	"a: &a [*a]\n",
	"\t",
	"...\n",
	"a: >\n b\n",
	"engine: [{a: b}, [c]]\n",
	": ",
};

/* A megabyte of anything is judged quickly; ctest's time limit is the judge. */
static void test_config_load_judges_a_megabyte_of_anything(void **unused)
{
	char *text = malloc(CONFIG_MAX_FILE_BYTES);

	(void)unused;
	for (size_t i = 0; i < NR_OF(patterns); i++) {
		size_t length = strlen(patterns[i]);
		struct config *config = UNTOUCHED;

		for (size_t at = 0; at < CONFIG_MAX_FILE_BYTES; at++)
			text[at] = patterns[i][at % length];
		assert_int_equal(config_parse("big", text, CONFIG_MAX_FILE_BYTES, test_options(), &config), -EINVAL);
		assert_true(reported.nr_lines >= 1 && reported.nr_lines <= 101);
		assert_ptr_equal(config, UNTOUCHED);
	}
	free(text);
}

/* The same inside of a good file, where the schema is at work. */
static void test_config_load_judges_a_megabyte_in_its_place(void **unused)
{
	static const char *const heads[] = {
		HEAD "    clients: [",
		HEAD "    clients: [",
		HEAD "    clients: [{name: a, device: unclaimed, settings: {",
		HEAD "    clients: [{name: a, device: unclaimed, ranges: [",
		HEAD "    clients: [{name: a, device: unclaimed, ranges: [",
		HEAD "    doorbells: [",
		"engine: {housekeeping: [",
		"{",
	};
	static const char *const items[] = {
		"{name: a, device: unclaimed},",
		"{},",
		"a: 1,",
		"{space: mmio, start: 0, size: 1},",
		"0,",
		"{eventfd: a, space: mmio, address: 0, size: 1},",
		"5,",
		"vms: [],",
	};
	static const char *const tails[] = {"]\n", "]\n", "}}]\n", "]}]\n", "]}]\n", "]\n", "]}\n", "}\n"};
	char *text = malloc(CONFIG_MAX_FILE_BYTES);

	(void)unused;
	for (size_t i = 0; i < NR_OF(heads); i++) {
		size_t used = strlen(heads[i]), length = strlen(items[i]), tail = strlen(tails[i]);
		struct config *config = UNTOUCHED;

		memcpy(text, heads[i], used);
		for (; used + length + tail < CONFIG_MAX_FILE_BYTES; used += length)
			memcpy(text + used, items[i], length);
		memcpy(text + used, tails[i], tail);
		assert_int_equal(config_parse("big", text, used + tail, test_options(), &config), -EINVAL);
		assert_true(reported.nr_lines >= 1 && reported.nr_lines <= 101);
		assert_null(strstr(reported.text, "not YAML"));
		assert_ptr_equal(config, UNTOUCHED);
	}
	free(text);
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text, size_t padding)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	fputs(text, stream);
	for (size_t i = strlen(text); i < padding; i++)
		fputc(i % 100 ? '#' : '\n', stream);
	assert_int_equal(fclose(stream), 0);
}

static void test_config_load_of_no_file_says_why(void **unused)
{
	char folder[] = "/tmp/ioreq-test-XXXXXX";
	struct config *config = UNTOUCHED;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(config_load("missing", test_options(), &config), -ENOENT);
	assert_string_equal(reported.text, "missing: error: No such file or directory\n");
	assert_int_equal(config_load(".", test_options(), &config), -EINVAL);
	assert_string_equal(reported.text, ".: error: not a regular file\n");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(config_load("fifo", test_options(), &config), -EINVAL);
	assert_string_equal(reported.text, "fifo: error: not a regular file\n");
	assert_int_equal(config_load("/dev/zero", test_options(), &config), -EINVAL);
	assert_ptr_equal(config, UNTOUCHED);
	unlink("fifo");
	assert_int_equal(rmdir(folder), 0);
}

static void test_config_load_takes_a_megabyte_and_no_byte_more(void **unused)
{
	char folder[] = "/tmp/ioreq-test-XXXXXX";
	struct config *config = UNTOUCHED;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	write_file("big", HEAD, CONFIG_MAX_FILE_BYTES + 1);
	assert_int_equal(config_load("big", test_options(), &config), -EINVAL);
	assert_string_equal(reported.text, "big: error: too long; allowed: 1048576 bytes\n");
	assert_ptr_equal(config, UNTOUCHED);
	write_file("big", HEAD, CONFIG_MAX_FILE_BYTES);
	assert_int_equal(config_load("big", test_options(), &config), 0);
	assert_string_equal(config->path, "big");
	config_free(config);
	unlink("big");
	assert_int_equal(rmdir(folder), 0);
}

static void test_config_free_of_nothing_is_nothing(void **unused)
{
	(void)unused;
	config_free(NULL);
}

/* ---- what no file may say, wherever it says it -------------------------------------------------------------- */

/* Puts `word` in the place of a value of base.yaml; returns whether the result was refused on the value's line. */
static bool is_refused(const char *text, const char *value, size_t length, const char *word)
{
	struct config *config = UNTOUCHED;
	char mutant[8192], place[32];
	unsigned line = 1;
	int status;

	for (const char *at = text; at < value; at++)
		line += *at == '\n';
	snprintf(mutant, sizeof(mutant), "%.*s%s%s", (int)(value - text), text, word, value + length);
	status = config_parse("mutant", mutant, strlen(mutant), test_options(), &config);
	if (!status)
		config_free(config);
	snprintf(place, sizeof(place), "mutant:%u:", line);
	return status == -EINVAL && strstr(reported.text, place);
}

static void test_config_load_refuses_forbidden_words_in_every_place(void **unused)
{
	static const char *const words[] = {"yes",  "No",     "y",    "010",     "-1",      "1.5",  "~",
					    "null", "*alias", "&a 1", "!!str a", "\"\\0\"", ".inf", "1e3"};
	char text[4096];
	FILE *stream = fopen(CONFIG_FILES "/base.yaml", "r");
	size_t values = 0;

	(void)unused;
	assert_non_null(stream);
	text[fread(text, 1, sizeof(text) - 1, stream)] = 0;
	fclose(stream);
	for (const char *at = strstr(text, "engine"); (at = strstr(at, ": ")) != NULL;) {
		size_t length;

		at += 2;
		length = strcspn(at, ",}]\n");
		if (*at == '{' || *at == '[')
			continue;
		values++;
		for (size_t i = 0; i < NR_OF(words); i++)
			if (!is_refused(text, at, length, words[i]))
				fail_msg("'%s' is accepted for '%.*s', or blamed on another line:\n%s", words[i],
					 (int)length, at, reported.text);
	}
	assert_true(values > 30);
}

/* ---- examples ---------------------------------------------------------------------------------------------- */

static const struct config_client *find_client(const struct config_vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->nr_clients; i++)
		if (strcmp(vm->clients[i].name, name) == 0)
			return &vm->clients[i];
	fail_msg("no client %s", name);
	return NULL;
}

static void assert_client(const struct config_vm *vm, const char *name, const char *device,
			  enum ioreq_delivery delivery, struct ioreq_range range)
{
	const struct config_client *client = find_client(vm, name);

	assert_string_equal(client->device, device);
	assert_int_equal(client->delivery, delivery);
	assert_int_equal(client->nr_ranges, 1);
	assert_int_equal(client->ranges[0].space, range.space);
	assert_int_equal(client->ranges[0].start, range.start);
	assert_int_equal(client->ranges[0].last, range.last);
}

/* The set-up that the self-test guest and the load generator are written for. */
static void test_config_load_of_demo_is_the_demo(void **unused)
{
	struct config *config = NULL;
	const struct config_vm *vm;

	(void)unused;
	assert_int_equal(config_load(CONFIG_EXAMPLES "/demo.yaml", test_options(), &config), 0);
	assert_string_equal(reported.text, "");
	assert_int_equal(config->engine.hugepages, CONFIG_HUGEPAGES_PREFER);
	assert_int_equal(config->nr_pollers, 1);
	assert_int_equal(config->pollers[0].priority, 0);
	for (unsigned core = 2; core <= CONFIG_MAX_CORE; core++)
		assert_false(config_uses_core(config, core));
	assert_int_equal(config->nr_vms, 1);
	vm = &config->vms[0];
	assert_string_equal(vm->name, "vm0");
	assert_null(vm->default_client);
	assert_int_equal(vm->nr_clients, 9);
	assert_client(vm, "uart0", "uart16550", IOREQ_INLINE, (struct ioreq_range){0x3f8, 0x3ff, IOREQ_PIO});
	assert_client(vm, "cmos", "cmos", IOREQ_INLINE, (struct ioreq_range){0x70, 0x71, IOREQ_PIO});
	assert_client(vm, "console", "debug_console", IOREQ_THREAD, (struct ioreq_range){0x402, 0x402, IOREQ_PIO});
	assert_client(vm, "pci0", "pci_host", IOREQ_INLINE, (struct ioreq_range){0, 0x07ffffff, IOREQ_PCICFG});
	assert_client(vm, "post", "unclaimed", IOREQ_INLINE, (struct ioreq_range){0x80, 0x80, IOREQ_PIO});
	assert_client(vm, "bank-pio", "registers", IOREQ_INLINE, (struct ioreq_range){0x5000, 0x5fff, IOREQ_PIO});
	assert_client(vm, "bank-pci", "registers", IOREQ_INLINE,
		      (struct ioreq_range){0x08000000, 0x08000fff, IOREQ_PCICFG});
	assert_client(vm, "bank-mmio", "registers", IOREQ_INLINE,
		      (struct ioreq_range){0xfe000000, 0xfe000fff, IOREQ_MMIO});
	assert_client(vm, "bank-thread", "registers", IOREQ_THREAD,
		      (struct ioreq_range){0xfe100000, 0xfe100fff, IOREQ_MMIO});
	assert_string_equal(find_client(vm, "bank-thread")->settings[0].string, "bell0");
	assert_int_equal(find_client(vm, "cmos")->settings[0].integer, 16 << 20);
	assert_int_equal(vm->nr_doorbells, 1);
	assert_string_equal(vm->doorbells[0].name, "bell0");
	assert_int_equal(vm->doorbells[0].address, 0xfe200000);
	assert_int_equal(vm->doorbells[0].size, 4);
	assert_int_equal(vm->doorbells[0].data, 1);
	assert_false(vm->doorbells[0].any_data);
	config_free(config);
}

static void test_config_load_of_production_uses_four_isolated_cores(void **unused)
{
	struct config *config = NULL;

	(void)unused;
	assert_int_equal(config_load(CONFIG_EXAMPLES "/production.yaml", test_options(), &config), 0);
	assert_string_equal(reported.text, "");
	assert_int_equal(config->nr_vms, 3);
	for (size_t i = 0; i < config->nr_vms; i++)
		assert_false(config->vms[i].strict_states);
	for (unsigned core = 0; core <= CONFIG_MAX_CORE; core++)
		assert_int_equal(config_uses_core(config, core), core < 6);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_load_fills_defaults),
		cmocka_unit_test(test_config_load_reads_every_key),
		cmocka_unit_test(test_config_load_sorts_ranges_of_all_notations),
		cmocka_unit_test(test_config_load_types_settings),
		cmocka_unit_test(test_config_load_keeps_places),
		cmocka_unit_test(test_config_load_counts_lines_and_columns),
		cmocka_unit_test(test_config_load_takes_as_many_ranges_as_the_engine),
		cmocka_unit_test(test_config_load_judges_a_megabyte_of_anything),
		cmocka_unit_test(test_config_load_judges_a_megabyte_in_its_place),
		cmocka_unit_test(test_config_load_of_no_file_says_why),
		cmocka_unit_test(test_config_load_takes_a_megabyte_and_no_byte_more),
		cmocka_unit_test(test_config_free_of_nothing_is_nothing),
		cmocka_unit_test(test_config_load_refuses_forbidden_words_in_every_place),
		cmocka_unit_test(test_config_load_of_demo_is_the_demo),
		cmocka_unit_test(test_config_load_of_production_uses_four_isolated_cores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
