/* SPDX-License-Identifier: MIT */
/*
 * CPU lists, and cores judged on made-up machines: existence, cpuset, affinity, isolation, housekeeping, throttling.
 *
 * Threads   One. Memory: a tree per test.
 */
#include "test_pinning_tree.h"

#include "pinning/cores.h"

static struct ioreq_error error;

static cpu_set_t cpus_of(const char *text)
{
	cpu_set_t cpus;

	assert_int_equal(cores_parse(text, &cpus), 0);
	return cpus;
}

static void assert_cpus(const cpu_set_t *cpus, const char *wanted)
{
	char text[CORES_TEXT_BYTES];

	cores_format(cpus, text, sizeof(text));
	assert_string_equal(text, wanted);
}

/* A machine of eight CPUs that the process may all use. */
static void write_machine(void)
{
	tree_write("sys/devices/system/cpu/present", "0-7\n");
	tree_write("sys/devices/system/cpu/online", "0-7\n");
	tree_write("sys/devices/system/cpu/isolated", "\n");
	tree_write("proc/self/status", "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n");
	tree_write("proc/self/cgroup", "0::/system.slice/x.service\n");
}

static struct pinning_config one_poller(int core)
{
	return (struct pinning_config){.name = "x", .pollers = {{.name = "p0", .core = core}}, .nr_pollers = 1};
}

static enum pinning_status check(const struct pinning_config *config, cpu_set_t *housekeeping)
{
	struct cores cores;

	strcpy(error.text, "untouched");
	assert_int_equal(cores_read(tree, &cores, &error), PINNING_OK);
	return cores_check(&cores, config, housekeeping, &error);
}

static void assert_refused(const struct pinning_config *config, enum pinning_status wanted, const char *part)
{
	cpu_set_t housekeeping = cpus_of("1023");

	assert_int_equal(check(config, &housekeeping), wanted);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
	assert_cpus(&housekeeping, "1023");
}

static void assert_housekeeping(const struct pinning_config *config, const char *wanted)
{
	cpu_set_t housekeeping;

	if (check(config, &housekeeping))
		fail_msg("%s", error.text);
	assert_string_equal(error.text, "untouched");
	assert_cpus(&housekeeping, wanted);
}

/* ---- lists ------------------------------------------------------------------------------------------------- */

static void test_cores_parse_well_formed_gives_the_set(void **unused)
{
	static const char *const texts[] = {"", "0", "0-3", "0,2-3", "5,7,9", "1023", "0-1023", "2-2", "3,1"};
	static const int counts[] = {0, 1, 4, 3, 3, 1, 1024, 1, 2};

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cpu_set_t cpus = cpus_of(texts[i]);

		assert_int_equal(CPU_COUNT(&cpus), counts[i]);
	}
}

static void test_cores_parse_malformed_is_refused_untouched(void **unused)
{
	static const char *const texts[] = {
		"a",    "-1", "1-", "3-1", "1024",  "0-1024", "1,",      ",1",
		"1,,2", " 1", "1 ", "0x1", "1-2-3", "1\n",    "0-7:2/4", "99999999999999999999"};
	cpu_set_t cpus;

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cpus = cpus_of("6");
		if (cores_parse(texts[i], &cpus) != -EINVAL)
			fail_msg("'%s' is taken", texts[i]);
		assert_cpus(&cpus, "6");
	}
}

static void test_cores_format_a_long_list_is_cut_between_items(void **unused)
{
	cpu_set_t cpus;
	char text[16];

	(void)unused;
	CPU_ZERO(&cpus);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu += 2)
		CPU_SET(cpu, &cpus);
	cores_format(&cpus, text, sizeof(text));
	assert_string_equal(text, "0,2,4,6,8,10...");
	CPU_ZERO(&cpus);
	cores_format(&cpus, text, sizeof(text));
	assert_string_equal(text, "");
}

/* ---- cores ------------------------------------------------------------------------------------------------- */

static void test_cores_check_good_core_leaves_the_rest_to_housekeeping(void **unused)
{
	struct pinning_config config = one_poller(3);

	(void)unused;
	write_machine();
	assert_housekeeping(&config, "0-2,4-7");
	config.housekeeping = cpus_of("0,5");
	assert_housekeeping(&config, "0,5");
	config.nr_pollers = 2;
	config.pollers[1] = (struct pinning_poller){.name = "p1", .core = 4, .priority = 99};
	CPU_ZERO(&config.housekeeping);
	assert_housekeeping(&config, "0-2,5-7");
}

static void test_cores_check_values_outside_are_refused(void **unused)
{
	struct pinning_config config = one_poller(3);

	(void)unused;
	write_machine();
	config.nr_pollers = 0;
	assert_refused(&config, PINNING_BAD_VALUE, "0 pollers; allowed: 1..16");
	config.nr_pollers = 17;
	assert_refused(&config, PINNING_BAD_VALUE, "17 pollers");
	config = one_poller(-1);
	assert_refused(&config, PINNING_BAD_VALUE, "core -1; allowed: 0..1023");
	config = one_poller(1024);
	assert_refused(&config, PINNING_BAD_VALUE, "core 1024");
	config = one_poller(3);
	config.pollers[0].priority = 100;
	assert_refused(&config, PINNING_BAD_VALUE, "priority 100; allowed: 1..99");
	config.pollers[0].priority = -1;
	assert_refused(&config, PINNING_BAD_VALUE, "priority -1");
}

static void test_cores_check_core_twice_names_both(void **unused)
{
	struct pinning_config config = one_poller(3);

	(void)unused;
	write_machine();
	config.nr_pollers = 3;
	config.pollers[1] = (struct pinning_poller){.name = "p1", .core = 4};
	config.pollers[2] = (struct pinning_poller){.name = "p2", .core = 3};
	assert_refused(&config, PINNING_CORE_TWICE, "core 3 is given to pollers p0 and p2");
}

static void test_cores_check_missing_and_offline_cores_differ_in_their_remedy(void **unused)
{
	const struct pinning_config missing = one_poller(8), offline = one_poller(7);

	(void)unused;
	write_machine();
	tree_write("sys/devices/system/cpu/online", "0-6\n");
	assert_refused(&missing, PINNING_NO_CORE, "core 8 does not exist, this machine has 0-7");
	assert_refused(&offline, PINNING_NO_CORE, "core 7 is offline: echo 1 >/sys/devices/system/cpu/cpu7/online");
}

static void test_cores_check_outside_the_affinity_is_refused(void **unused)
{
	const struct pinning_config config = one_poller(5);

	(void)unused;
	write_machine();
	tree_write("proc/self/status", "Cpus_allowed_list:\t0-3\n");
	assert_refused(&config, PINNING_OUTSIDE, "core 5 is outside the CPUs this process may use, 0-3: add");
}

/* isolcpus= takes its CPUs out of what every process inherits; that is no prohibition. */
static void test_cores_check_isolated_core_outside_the_affinity_is_taken(void **unused)
{
	const struct pinning_config config = one_poller(5);

	(void)unused;
	write_machine();
	tree_write("proc/self/status", "Cpus_allowed_list:\t0-3\n");
	tree_write("sys/devices/system/cpu/isolated", "4-7\n");
	assert_housekeeping(&config, "0-3");
}

static void test_cores_check_isolated_cores_are_not_chosen_for_housekeeping_unless_alone(void **unused)
{
	const struct pinning_config config = one_poller(5);

	(void)unused;
	write_machine();
	tree_write("sys/devices/system/cpu/isolated", "4-7\n");
	assert_housekeeping(&config, "0-3");
	tree_write("sys/devices/system/cpu/isolated", "0-7\n");
	assert_housekeeping(&config, "0-4,6-7");
}

static void test_cores_check_cpuset_of_version_2_is_looked_for_upwards(void **unused)
{
	const struct pinning_config config = one_poller(5);

	(void)unused;
	write_machine();
	tree_write("proc/self/status", "Cpus_allowed_list:\t0-3\n");
	tree_write("sys/devices/system/cpu/isolated", "4-7\n");
	tree_write("sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-3\n");
	assert_refused(&config, PINNING_OUTSIDE, "outside the cpuset 0-3 of /sys/fs/cgroup/system.slice: add");
	tree_write("sys/fs/cgroup/system.slice/x.service/cpuset.cpus.effective", "0-5\n");
	assert_housekeeping(&config, "0-3");
}

static void test_cores_check_cpuset_of_version_1_is_found_among_controllers(void **unused)
{
	const struct pinning_config config = one_poller(5);

	(void)unused;
	write_machine();
	tree_write("proc/self/cgroup", "4:cpu,cpuacct:/a\n3:memory,cpuset:/rt/x\n0::/y\n");
	tree_write("sys/fs/cgroup/cpuset/rt/x/cpuset.cpus", "0-4\n");
	assert_refused(&config, PINNING_OUTSIDE, "outside the cpuset 0-4 of /sys/fs/cgroup/cpuset/rt/x");
	tree_write("sys/fs/cgroup/cpuset/rt/x/cpuset.effective_cpus", "0-5\n");
	assert_housekeeping(&config, "0-4");
}

static void test_cores_check_one_cpu_is_not_enough(void **unused)
{
	const struct pinning_config config = one_poller(2);

	(void)unused;
	write_machine();
	tree_write("proc/self/status", "Cpus_allowed_list:\t2\n");
	assert_refused(&config, PINNING_ONE_CPU, "CPU 2 is the only one this process may use");
}

static void test_cores_check_pollers_on_every_cpu_are_refused(void **unused)
{
	struct pinning_config config = one_poller(2);

	(void)unused;
	write_machine();
	tree_write("proc/self/status", "Cpus_allowed_list:\t2-3\n");
	config.nr_pollers = 2;
	config.pollers[1] = (struct pinning_poller){.name = "p1", .core = 3};
	assert_refused(&config, PINNING_HOUSEKEEPING, "take all 2 CPUs");
}

static void test_cores_check_wrong_housekeeping_is_refused(void **unused)
{
	struct pinning_config config = one_poller(2);

	(void)unused;
	write_machine();
	config.housekeeping = cpus_of("0-2");
	assert_refused(&config, PINNING_HOUSEKEEPING, "core 2 is both a housekeeping core and the core of poller p0");
	config.housekeeping = cpus_of("0,9");
	assert_refused(&config, PINNING_HOUSEKEEPING, "housekeeping core 9 is not there or not allowed");
	tree_write("proc/self/status", "Cpus_allowed_list:\t0-3\n");
	config.housekeeping = cpus_of("4");
	assert_refused(&config, PINNING_HOUSEKEEPING, "housekeeping core 4");
}

static void assert_unreadable(const char *part)
{
	struct cores cores;

	assert_int_equal(cores_read(tree, &cores, &error), PINNING_UNREADABLE);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
}

static void test_cores_read_missing_and_malformed_files_are_named(void **unused)
{
	(void)unused;
	assert_unreadable("/sys/devices/system/cpu/present: No such file");
	write_machine();
	tree_write("sys/devices/system/cpu/online", "0-x\n");
	assert_unreadable("/sys/devices/system/cpu/online: Invalid argument");
	write_machine();
	tree_write("proc/self/status", "Name:\tx\n");
	assert_unreadable("/proc/self/status: No such file");
	tree_write("proc/self/status", "Cpus_allowed_list:\t0-3,\n");
	assert_unreadable("/proc/self/status: Invalid argument");
	tree_write("proc/self/status", "XCpus_allowed_list:\t0-3\n");
	assert_unreadable("/proc/self/status");
}

/* ---- throttling -------------------------------------------------------------------------------------------- */

static void write_throttle(const char *runtime, const char *group_runtime)
{
	tree_write("proc/sys/kernel/sched_rt_runtime_us", runtime);
	tree_write("proc/sys/kernel/sched_rt_period_us", "1000000\n");
	tree_write("proc/self/cgroup", "4:cpu,cpuacct:/a\n0::/\n");
	tree_write("sys/fs/cgroup/cpu/a/cpu.rt_period_us", "500000\n");
	tree_write("sys/fs/cgroup/cpu/a/cpu.rt_runtime_us", group_runtime);
}

static void test_cores_throttled_says_the_loss_and_every_file(void **unused)
{
	char text[IOREQ_ERROR_BYTES] = "untouched";

	(void)unused;
	assert_false(cores_throttled(tree, text, sizeof(text)));
	write_throttle("-1\n", "-1\n");
	assert_false(cores_throttled(tree, text, sizeof(text)));
	write_throttle("1000000\n", "500000\n");
	assert_false(cores_throttled(tree, text, sizeof(text)));
	write_throttle("", "junk\n");
	assert_false(cores_throttled(tree, text, sizeof(text)));
	assert_string_equal(text, "untouched");

	write_throttle("950000\n", "-1\n");
	assert_true(cores_throttled(tree, text, sizeof(text)));
	assert_non_null(strstr(text, "stopped for 50000 of every 1000000 us; write -1 to "
				     "/proc/sys/kernel/sched_rt_runtime_us"));
	assert_null(strstr(text, "cgroup"));
	write_throttle("-1\n", "0\n");
	assert_true(cores_throttled(tree, text, sizeof(text)));
	assert_non_null(strstr(text, "stopped for 500000 of every 500000 us; write -1 to "
				     "/sys/fs/cgroup/cpu/a/cpu.rt_runtime_us"));
	write_throttle("950000\n", "475000\n");
	assert_true(cores_throttled(tree, text, sizeof(text)));
	assert_non_null(strstr(text, "sched_rt_runtime_us and /sys/fs/cgroup/cpu/a/cpu.rt_runtime_us"));
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cores_parse_well_formed_gives_the_set),
		cmocka_unit_test(test_cores_parse_malformed_is_refused_untouched),
		cmocka_unit_test(test_cores_format_a_long_list_is_cut_between_items),
		TREE_TEST(test_cores_check_good_core_leaves_the_rest_to_housekeeping),
		TREE_TEST(test_cores_check_values_outside_are_refused),
		TREE_TEST(test_cores_check_core_twice_names_both),
		TREE_TEST(test_cores_check_missing_and_offline_cores_differ_in_their_remedy),
		TREE_TEST(test_cores_check_outside_the_affinity_is_refused),
		TREE_TEST(test_cores_check_isolated_core_outside_the_affinity_is_taken),
		TREE_TEST(test_cores_check_isolated_cores_are_not_chosen_for_housekeeping_unless_alone),
		TREE_TEST(test_cores_check_cpuset_of_version_2_is_looked_for_upwards),
		TREE_TEST(test_cores_check_cpuset_of_version_1_is_found_among_controllers),
		TREE_TEST(test_cores_check_one_cpu_is_not_enough),
		TREE_TEST(test_cores_check_pollers_on_every_cpu_are_refused),
		TREE_TEST(test_cores_check_wrong_housekeeping_is_refused),
		TREE_TEST(test_cores_read_missing_and_malformed_files_are_named),
		TREE_TEST(test_cores_throttled_says_the_loss_and_every_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
