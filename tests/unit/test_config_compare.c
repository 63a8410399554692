/* SPDX-License-Identifier: MIT */
/*
 * config/compare.c: which changes are found, in which order, in which words.
 *
 * Threads   One. Memory: the test's.
 */
#include "unit/test_config.h"

/* Both spell everything out, so that a case can replace any word of it. */
static const char base[] =
	"engine: {housekeeping: [0], hugepages: prefer, memory: 64MiB}\n"
	"pollers:\n"
	"- {name: p0, core: 1, priority: 0, idle: pause}\n"
	"- {name: p1, core: 2, priority: 0, idle: pause}\n"
	"vms:\n"
	"- name: vm0\n"
	"  poller: p0\n"
	"  vcpus: 2\n"
	"  strict_states: true\n"
	"  clear_timeout: 100ms\n"
	"  backend: {type: shm, path: /a}\n"
	"  default_client: rest\n"
	"  clients:\n"
	"  - {name: rest, device: unclaimed}\n"
	"  - {name: uart, delivery: thread, wait: park, core: any, device: uart16550, settings: {irq: 4, out: x, flag: true}, "
	"ranges: [{space: pio, start: 8, size: 8}, {space: pio, start: 32, size: 8}]}\n"
	"  doorbells:\n"
	"  - {eventfd: bell, space: mmio, address: 64, size: 4, data: 1}\n"
	"  - {eventfd: zero, space: mmio, address: 72, size: 1, data: 0}\n"
	"- {name: vm1, poller: p1, vcpus: 1, backend: {type: shm, path: /b}}\n";

/* The base with `from`, which is in it once, replaced. */
static struct config *parse_changed(const char *from, const char *to)
{
	const char *at = strstr(base, from);
	char text[sizeof(base) + 1024];

	assert_non_null(at);
	assert_null(strstr(at + 1, from));
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
	return parse_good(text);
}

static void describe_all(const struct config *before, const struct config *after, char *lines, size_t bytes, bool *live)
{
	struct config_changes changes;
	size_t used = 0;

	lines[0] = 0;
	assert_int_equal(config_compare(before, after, &changes), 0);
	for (size_t i = 0; i < changes.nr_changes; i++) {
		char line[256];

		config_change_describe(&changes.changes[i], line, sizeof(line));
		used += (size_t)snprintf(lines + used, bytes - used, "%s\n", line);
		assert_true(i == 0 || changes.changes[i - 1].kind <= changes.changes[i].kind);
	}
	*live = changes.live;
	assert_int_equal(config_equal(before, after), changes.nr_changes == 0);
	config_changes_free(&changes);
}

/* What to replace in the base, and what must be found. */
static const struct {
	const char *from, *to, *lines;
	bool live;
} cases[] = {
	{"housekeeping: [0]", "housekeeping: [0, 3]", "engine: housekeeping changed\n", false},
	{"hugepages: prefer", "hugepages: off", "engine: hugepages changed\n", false},
	{"memory: 64MiB", "memory: 65MiB", "engine: memory changed\n", false},
	{"core: 1", "core: 3", "poller p0: core changed\n", false},
	{"core: 1, priority: 0", "core: 1, priority: 9", "poller p0: priority changed\n", false},
	{"core: 2, priority: 0, idle: pause", "core: 2, idle: spin", "poller p1: idle changed\n", false},
	{"vms:\n", "- {name: p2, core: 5}\nvms:\n", "poller p2: added\n", false},
	{"vcpus: 2", "vcpus: 3", "vm vm0: replaced, because vcpus changed\n", true},
	{"poller: p0", "poller: p1", "vm vm0: replaced, because poller changed\n", true},
	{"strict_states: true", "strict_states: false", "vm vm0: replaced, because strict_states changed\n", true},
	{"clear_timeout: 100ms", "clear_timeout: 1s", "vm vm0: replaced, because clear_timeout changed\n", true},
	{"path: /a", "path: /c", "vm vm0: replaced, because backend changed\n", true},
	{"name: vm1", "name: vm2", "vm vm1: removed\nvm vm2: added\n", true},
	{"default_client: rest", "default_client: uart",
	 "vm vm0: client rest: replaced, because default_client changed\n"
	 "vm vm0: client uart: replaced, because default_client changed\n",
	 true},
	{"  default_client: rest\n", "", "vm vm0: client rest: replaced, because default_client changed\n", true},
	{"device: unclaimed", "device: registers", "vm vm0: client rest: replaced, because device changed\n", true},
	{"device: unclaimed", "plugin: x.so", "vm vm0: client rest: replaced, because device changed\n", true},
	{"delivery: thread, wait: park, core: any, ", "", "vm vm0: client uart: replaced, because delivery changed\n",
	 true},
	{"wait: park", "wait: spin", "vm vm0: client uart: replaced, because wait changed\n", true},
	{"core: any", "core: 3", "vm vm0: client uart: replaced, because core changed\n", true},
	{"irq: 4", "irq: 5", "vm vm0: client uart: replaced, because settings changed\n", true},
	{"irq: 4", "irq: '4'", "vm vm0: client uart: replaced, because settings changed\n", true},
	{"flag: true", "flag: 1", "vm vm0: client uart: replaced, because settings changed\n", true},
	{"irq: 4, ", "", "vm vm0: client uart: replaced, because settings changed\n", true},
	{"irq: 4", "irq: 4, more: true", "vm vm0: client uart: replaced, because settings changed\n", true},
	{"start: 8", "start: 9", "vm vm0: client uart: ranges changed\n", true},
	{", {space: pio, start: 32, size: 8}", "", "vm vm0: client uart: ranges changed\n", true},
	{"start: 32, size: 8", "start: 32, size: 9", "vm vm0: client uart: ranges changed\n", true},
	{"space: pio, start: 8", "space: mmio, start: 8", "vm vm0: client uart: ranges changed\n", true},
	{"device: unclaimed", "device: unclaimed, ranges: [{space: pio, start: 0, size: 1}]",
	 "vm vm0: client rest: ranges changed\n", true},
	{"  - {name: rest,", "  - {name: new, device: cmos}\n  - {name: rest,", "vm vm0: client new: added\n", true},
	{"name: uart", "name: tty", "vm vm0: client uart: removed\nvm vm0: client tty: added\n", true},
	{"data: 1", "data: 2", "vm vm0: doorbell bell: data changed\n", true},
	{"data: 1", "data: any", "vm vm0: doorbell bell: data changed\n", true},
	{"data: 0", "data: any", "vm vm0: doorbell zero: data changed\n", true},
	{", data: 1", "", "vm vm0: doorbell bell: data changed\n", true},
	{"address: 64, size: 4", "address: 64, size: 2", "vm vm0: doorbell bell: size changed\n", true},
	{"address: 64", "address: 68", "vm vm0: doorbell bell: address changed\n", true},
	{"eventfd: bell", "eventfd: gong", "vm vm0: doorbell bell: removed\nvm vm0: doorbell gong: added\n", true},
	/* No change at all. */
	{"idle: pause}\nvms", "idle: pause}\n# a comment\nvms", "", true},
	{"{housekeeping: [0], hugepages: prefer, memory: 64MiB}", "{memory: 65536KiB}", "", true},
	{"{irq: 4, out: x, flag: true}", "{out: \"x\", flag: true, irq: 0x4}", "", true},
	{"{space: pio, start: 8, size: 8}, {space: pio, start: 32, size: 8}",
	 "{space: pio, start: 0x20, last: 39}, {space: pio, start: 8, last: 0xf}", "", true},
	{"  strict_states: true\n  clear_timeout: 100ms\n", "  clear_timeout: 100000us\n", "", true},
};

static void test_config_compare_finds_each_change(void **unused)
{
	struct config *before = parse_good(base);

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct config *after = parse_changed(cases[i].from, cases[i].to);
		char lines[1024];
		bool live;

		describe_all(before, after, lines, sizeof(lines), &live);
		if (strcmp(lines, cases[i].lines) != 0 || live != cases[i].live)
			fail_msg("'%s' -> '%s': live %d\n%sexpected: live %d\n%s", cases[i].from, cases[i].to, live,
				 lines, cases[i].live, cases[i].lines);
		config_free(after);
	}
	config_free(before);
}

/* Backwards, what was added is removed. */
static void test_config_compare_finds_what_is_gone(void **unused)
{
	struct config *before = parse_changed("vms:\n", "- {name: p2, core: 5}\nvms:\n"), *after = parse_good(base);
	char lines[1024];
	bool live;

	(void)unused;
	describe_all(before, after, lines, sizeof(lines), &live);
	assert_string_equal(lines, "poller p2: removed\n");
	assert_false(live);
	config_free(before);
	config_free(after);
}

/* What goes comes before what comes, and doorbells before the clients that may ask for them. */
static void test_config_compare_orders_as_it_must_be_applied(void **unused)
{
	struct config *before = parse_good(base);
	struct config *after =
		parse_good("engine: {memory: 1GiB}\n"
			   "pollers: [{name: p0, core: 4}, {name: p3, core: 2}]\n"
			   "vms:\n"
			   "- {name: vm9, poller: p0, vcpus: 1, backend: {type: shm, path: /b}}\n"
			   "- name: vm0\n"
			   "  poller: p0\n"
			   "  vcpus: 2\n"
			   "  backend: {type: shm, path: /a}\n"
			   "  clients:\n"
			   "  - {name: new, device: cmos}\n"
			   "  - {name: rest, device: unclaimed, ranges: [{space: mmio, start: 0, size: 1}]}\n"
			   "  doorbells: [{eventfd: gong, space: mmio, address: 64, size: 4, data: 1}]\n");
	struct config_changes changes;
	char lines[1024];
	bool live;

	(void)unused;
	describe_all(before, after, lines, sizeof(lines), &live);
	assert_string_equal(lines, "engine: memory changed\n"
				   "poller p3: added\n"
				   "poller p1: removed\n"
				   "poller p0: core changed\n"
				   "vm vm0: client uart: removed\n"
				   "vm vm0: doorbell bell: removed\n"
				   "vm vm0: doorbell zero: removed\n"
				   "vm vm1: removed\n"
				   "vm vm9: added\n"
				   "vm vm0: doorbell gong: added\n"
				   "vm vm0: client rest: replaced, because default_client changed\n"
				   "vm vm0: client new: added\n");
	assert_false(live);
	assert_int_equal(config_compare(before, after, &changes), 0);
	assert_ptr_equal(changes.changes[4].old_client, &before->vms[0].clients[1]);
	assert_ptr_equal(changes.changes[4].old_vm, &before->vms[0]);
	assert_ptr_equal(changes.changes[4].new_vm, &after->vms[1]);
	assert_null(changes.changes[4].new_client);
	assert_ptr_equal(changes.changes[5].old_doorbell, &before->vms[0].doorbells[0]);
	assert_ptr_equal(changes.changes[7].old_vm, &before->vms[1]);
	assert_null(changes.changes[7].new_vm);
	assert_ptr_equal(changes.changes[8].new_vm, &after->vms[0]);
	assert_null(changes.changes[8].old_vm);
	assert_ptr_equal(changes.changes[11].new_client, &after->vms[1].clients[0]);
	assert_null(changes.changes[11].old_client);
	config_changes_free(&changes);
	config_free(before);
	config_free(after);
}

static void test_config_change_describe_is_cut_to_its_room(void **unused)
{
	const struct config_vm vm = {.name = "vm0"};
	const struct config_change change = {.kind = CONFIG_VM_ADDED, .new_vm = &vm};
	char text[8] = "xxxxxxx";

	(void)unused;
	config_change_describe(&change, text, sizeof(text));
	assert_string_equal(text, "vm vm0:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_compare_finds_each_change),
		cmocka_unit_test(test_config_compare_finds_what_is_gone),
		cmocka_unit_test(test_config_compare_orders_as_it_must_be_applied),
		cmocka_unit_test(test_config_change_describe_is_cut_to_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
