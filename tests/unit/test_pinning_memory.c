/* SPDX-License-Identifier: MIT */
/*
 * NUMA nodes, hugepages and the plan for the memory, on made-up machines; and the limits that are judged with it.
 *
 * Threads   One. Memory: a tree per test.
 */
#include "test_pinning_tree.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "pinning/limits.h"
#include "pinning/memory.h"

#define MIB (UINT64_C(1) << 20)

static struct ioreq_error error;

/* Two nodes of four CPUs, numbers 0 and 2, without hugepages. */
static void write_nodes(void)
{
	tree_write("proc/meminfo", "MemTotal:       16000000 kB\nMemAvailable:    1048576 kB\n");
	tree_write("sys/devices/system/node/online", "0,2\n");
	tree_write("sys/devices/system/node/node0/cpulist", "0-3\n");
	tree_write("sys/devices/system/node/node0/distance", "10 21\n");
	tree_write("sys/devices/system/node/node2/cpulist", "4-7\n");
	tree_write("sys/devices/system/node/node2/distance", "21 10\n");
}

static void write_pages(int node, const char *size, const char *count)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/devices/system/node/node%d/hugepages/hugepages-%s/free_hugepages", node,
		 size);
	tree_write(path, count);
}

static struct pinning_config one_poller(int core, enum pinning_hugepages hugepages, uint64_t mib)
{
	return (struct pinning_config){.name = "x",
				       .pollers = {{.name = "p0", .core = core}},
				       .nr_pollers = 1,
				       .hugepages = hugepages,
				       .memory_bytes = mib * MIB};
}

static void assert_refused(const struct pinning_config *config, enum pinning_status wanted, const char *part)
{
	struct memory memory = {.home = 77};

	assert_int_equal(memory_plan(tree, config, &memory, &error), wanted);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
	assert_int_equal(memory.home, 77);
}

static struct memory planned(const struct pinning_config *config)
{
	struct memory memory;

	strcpy(error.text, "untouched");
	if (memory_plan(tree, config, &memory, &error))
		fail_msg("%s", error.text);
	assert_string_equal(error.text, "untouched");
	return memory;
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

static void test_nodes_read_numbers_with_a_hole_have_their_distances(void **unused)
{
	struct nodes nodes;

	(void)unused;
	write_nodes();
	assert_int_equal(nodes_read(tree, &nodes, &error), PINNING_OK);
	assert_true(nodes.numa);
	assert_int_equal(nodes_of_core(&nodes, 0), 0);
	assert_int_equal(nodes_of_core(&nodes, 7), 2);
	assert_int_equal(nodes_of_core(&nodes, 8), 0);
	assert_int_equal(nodes_of_core(&nodes, -1), 0);
	assert_int_equal(nodes.nodes[0].distance[2], 21);
	assert_int_equal(nodes.nodes[2].distance[0], 21);
	assert_int_equal(nodes.nodes[2].distance[2], 10);
	assert_int_equal(nodes.nodes[0].distance[1], 0);
	assert_false(nodes.nodes[1].online);
}

static void test_nodes_read_kernel_without_nodes_has_node_0(void **unused)
{
	struct nodes nodes;

	(void)unused;
	tree_write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "5\n");
	assert_int_equal(nodes_read(tree, &nodes, &error), PINNING_OK);
	assert_false(nodes.numa);
	assert_int_equal(nodes_of_core(&nodes, 1023), 0);
	assert_int_equal(nodes.nodes[0].free_huge_bytes, 10 * MIB);
	assert_int_equal(nodes.nodes[0].distance[0], 10);
}

static void assert_nodes_unreadable(const char *part)
{
	struct nodes nodes;

	assert_int_equal(nodes_read(tree, &nodes, &error), PINNING_UNREADABLE);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
}

static void test_nodes_read_malformed_files_are_named(void **unused)
{
	struct nodes nodes;

	(void)unused;
	write_nodes();
	tree_write("sys/devices/system/node/node2/cpulist", "4-\n");
	assert_nodes_unreadable("node2/cpulist: Invalid argument");
	tree_write("sys/devices/system/node/online", "0,3\n");
	assert_nodes_unreadable("node3/cpulist: No such file");
	tree_write("sys/devices/system/node/online", "0,32\n");
	assert_nodes_unreadable("node 32; allowed: 0..31");
	tree_write("sys/devices/system/node/online", "none\n");
	assert_nodes_unreadable("node/online: Invalid argument");
	write_nodes();
	tree_write("sys/devices/system/node/node0/distance", "10 junk\n");
	write_pages(0, "2048kB", "many\n");
	assert_int_equal(nodes_read(tree, &nodes, &error), PINNING_OK);
	assert_int_equal(nodes.nodes[0].distance[0], 10);
	assert_int_equal(nodes.nodes[0].distance[2], 0);
	assert_int_equal(nodes.nodes[0].free_huge_bytes, 0);
}

static void test_nodes_of_address_finds_the_node_of_own_memory(void **unused)
{
	static char page[4096];
	int node;

	(void)unused;
	page[0] = 1;
	node = nodes_of_address(page);
	if (node == -ENOSYS || node == -EPERM)
		skip();
	assert_in_range(node, 0, NODES_MAX - 1);
	assert_int_equal(nodes_of_address((const void *)(uintptr_t)8), -EFAULT);
}

static void test_nodes_bind_memory_to_a_node(void **unused)
{
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status, node;

	(void)unused;
	assert_true(memory != MAP_FAILED);
	memory[0] = 1;
	node = nodes_of_address(memory);
	status = node < 0 ? node : nodes_bind(memory, 8192, node);
	if (status == -ENOSYS || status == -EPERM)
		skip();
	assert_int_equal(status, 0);
	memory[4096] = 1;
	assert_int_equal(nodes_of_address(memory + 4096), node);
	assert_int_equal(nodes_bind(memory, 8192, NODES_MAX - 1), -EINVAL);
	munmap(memory, 8192);
}

/* ---- the plan ---------------------------------------------------------------------------------------------- */

static void test_memory_plan_hugepages_must_be_on_the_pollers_node(void **unused)
{
	struct pinning_config config = one_poller(5, PINNING_HUGEPAGES_REQUIRE, 64);
	struct memory memory;

	(void)unused;
	write_nodes();
	write_pages(0, "2048kB", "100\n");
	write_pages(2, "2048kB", "31\n");
	assert_refused(&config, PINNING_NO_HUGEPAGES,
		       "node 2 has 62 MiB of free hugepages, 64 MiB are asked for: echo 32 "
		       ">/sys/devices/system/node/node2/hugepages/hugepages-2048kB/nr_hugepages");
	write_pages(2, "2048kB", "32\n");
	memory = planned(&config);
	assert_true(memory.huge);
	assert_int_equal(memory.home, 2);
	assert_true(memory.wanted[2]);
	assert_false(memory.wanted[0]);
	assert_int_equal(memory.bytes, 64 * MIB);
	assert_string_equal(memory.missing.text, "");
	assert_int_equal(memory_limit(&memory, 2), 64 * MIB);
	assert_int_equal(memory_limit(&memory, 0), 0);
}

static void test_memory_plan_each_node_with_a_poller_needs_its_share(void **unused)
{
	struct pinning_config config = one_poller(5, PINNING_HUGEPAGES_REQUIRE, 64);

	(void)unused;
	write_nodes();
	write_pages(2, "2048kB", "64\n");
	config.nr_pollers = 2;
	config.pollers[1] = (struct pinning_poller){.name = "p1", .core = 1};
	assert_refused(&config, PINNING_NO_HUGEPAGES, "node 0 has 0 MiB");
	write_pages(0, "2048kB", "32\n");
	assert_true(planned(&config).wanted[0]);
}

static void test_memory_plan_large_pages_count_and_are_taken_whole(void **unused)
{
	const struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_REQUIRE, 65);
	struct memory memory;

	(void)unused;
	write_nodes();
	write_pages(0, "1048576kB", "1\n");
	write_pages(0, "2048kB", "0\n");
	memory = planned(&config);
	assert_int_equal(memory.bytes, 66 * MIB);
	assert_int_equal(memory_limit(&memory, 0), 1024 * MIB);
}

static void test_memory_plan_prefer_falls_back_and_keeps_the_reason(void **unused)
{
	const struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_PREFER, 64);
	struct memory memory;

	(void)unused;
	write_nodes();
	write_pages(0, "2048kB", "31\n");
	memory = planned(&config);
	assert_false(memory.huge);
	assert_non_null(strstr(memory.missing.text, "node 0 has 62 MiB"));
	write_pages(0, "2048kB", "32\n");
	memory = planned(&config);
	assert_true(memory.huge);
	assert_string_equal(memory.missing.text, "");
}

static void test_memory_plan_off_takes_ordinary_pages_and_gives_no_reason(void **unused)
{
	const struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_OFF, 64);
	struct memory memory;

	(void)unused;
	write_nodes();
	write_pages(0, "2048kB", "100\n");
	memory = planned(&config);
	assert_false(memory.huge);
	assert_string_equal(memory.missing.text, "");
}

static void test_memory_plan_sizes_outside_are_refused(void **unused)
{
	struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_OFF, 7);

	(void)unused;
	write_nodes();
	assert_refused(&config, PINNING_BAD_VALUE, "allowed: 8 MiB..16384 MiB");
	config.memory_bytes = PINNING_MAX_MEMORY + 1;
	assert_refused(&config, PINNING_BAD_VALUE, "memory of 17179869185 bytes");
	config.memory_bytes = 0;
	assert_refused(&config, PINNING_BAD_VALUE, "memory of 0 bytes");
	config.memory_bytes = PINNING_MIN_MEMORY;
	assert_int_equal(planned(&config).bytes, PINNING_MIN_MEMORY);
}

static void test_memory_plan_more_than_is_available_is_refused(void **unused)
{
	struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_OFF, 993);

	(void)unused;
	write_nodes();
	assert_refused(&config, PINNING_NO_MEMORY,
		       "1024 MiB of memory are available, 1026 MiB would be locked: reserve less");
	config.memory_bytes = 992 * MIB;
	planned(&config);
}

static void test_memory_plan_hidden_meminfo_is_named(void **unused)
{
	struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_REQUIRE, 64);

	(void)unused;
	write_nodes();
	write_pages(0, "2048kB", "100\n");
	tree_write("proc/meminfo", "MemTotal: 1 kB\n");
	assert_refused(&config, PINNING_UNREADABLE, "/proc/meminfo: No such file");
	tree_write("proc/meminfo", "MemAvailable: lots\n");
	assert_refused(&config, PINNING_UNREADABLE, "/proc/meminfo: Invalid argument");
}

static void test_memory_verify_unlocked_memory_is_found(void **unused)
{
	(void)unused;
	assert_int_equal(memory_verify(tree, &error), PINNING_UNREADABLE);
	tree_write("proc/self/status", "VmLck:\t       0 kB\n");
	assert_int_equal(memory_verify(tree, &error), PINNING_DISTURBED);
	tree_write("proc/self/status", "VmPeak:\t 5 kB\nVmLck:\t  134232604 kB\n");
	assert_int_equal(memory_verify(tree, &error), PINNING_OK);
}

/* ---- limits ------------------------------------------------------------------------------------------------ */

static const struct limits generous = {
	.memlock_bytes = RLIM_INFINITY,
	.address_space_bytes = RLIM_INFINITY,
	.file_bytes = RLIM_INFINITY,
	.priority = 50,
	.real_time_us = RLIM_INFINITY,
	.descriptors = 1024,
	.descriptors_used = 8,
};

static void assert_limit(const struct limits *limits, int priority, bool huge, enum pinning_status wanted,
			 const char *part)
{
	struct pinning_config config = one_poller(1, PINNING_HUGEPAGES_PREFER, 64);

	config.pollers[0].priority = priority;
	strcpy(error.text, "untouched");
	assert_int_equal(limits_check(limits, &config, huge, &error), wanted);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
}

static void test_limits_check_each_limit_has_its_sentence(void **unused)
{
	struct limits limits = generous;

	(void)unused;
	assert_limit(&limits, 50, true, PINNING_OK, "untouched");
	assert_limit(&limits, 51, true, PINNING_PRIORITY, "SCHED_FIFO 51 is not allowed, RLIMIT_RTPRIO is 50: set");
	limits.memlock_bytes = 8 * MIB;
	assert_limit(&limits, 0, false, PINNING_MEMLOCK, "RLIMIT_MEMLOCK is 8192 KiB: set LimitMEMLOCK=infinity");
	limits = generous;
	limits.descriptors = 75;
	assert_limit(&limits, 0, true, PINNING_LIMIT, "RLIMIT_NOFILE is 75 and 76 are needed");
	limits.descriptors = 76;
	assert_limit(&limits, 0, true, PINNING_OK, "untouched");
	limits.address_space_bytes = 1024 * MIB;
	assert_limit(&limits, 0, false, PINNING_OK, "untouched");
	assert_limit(&limits, 0, true, PINNING_LIMIT, "RLIMIT_AS is 1024 MiB and 163840 MiB of addresses");
	limits = generous;
	limits.file_bytes = 64 * MIB - 1;
	assert_limit(&limits, 0, true, PINNING_LIMIT, "RLIMIT_FSIZE is 65535 KiB");
}

static void test_limits_check_cpu_time_limit_matters_to_fifo_only(void **unused)
{
	struct limits limits = generous;

	(void)unused;
	limits.real_time_us = 200000;
	assert_limit(&limits, 0, true, PINNING_OK, "untouched");
	assert_limit(&limits, 1, true, PINNING_LIMIT, "RLIMIT_RTTIME is 200000 us and would kill");
}

static void test_limits_check_capabilities_replace_limits(void **unused)
{
	struct limits limits = generous;

	(void)unused;
	limits.memlock_bytes = 0;
	limits.priority = 0;
	limits.may_lock = true;
	limits.may_nice = true;
	assert_limit(&limits, 99, true, PINNING_OK, "untouched");
	limits.may_lock = false;
	assert_limit(&limits, 99, true, PINNING_MEMLOCK, "RLIMIT_MEMLOCK");
	limits.may_lock = true;
	limits.may_nice = false;
	assert_limit(&limits, 99, true, PINNING_PRIORITY, "RLIMIT_RTPRIO is 0");
}

static void test_limits_read_own_limits_are_the_kernels(void **unused)
{
	struct limits limits;
	struct rlimit files;

	(void)unused;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(limits_read(&limits, &error), PINNING_OK);
	assert_true(limits.descriptors == files.rlim_cur);
	assert_in_range(limits.descriptors_used, 3, files.rlim_cur);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_nodes_read_numbers_with_a_hole_have_their_distances),
		TREE_TEST(test_nodes_read_kernel_without_nodes_has_node_0),
		TREE_TEST(test_nodes_read_malformed_files_are_named),
		cmocka_unit_test(test_nodes_of_address_finds_the_node_of_own_memory),
		cmocka_unit_test(test_nodes_bind_memory_to_a_node),
		TREE_TEST(test_memory_plan_hugepages_must_be_on_the_pollers_node),
		TREE_TEST(test_memory_plan_each_node_with_a_poller_needs_its_share),
		TREE_TEST(test_memory_plan_large_pages_count_and_are_taken_whole),
		TREE_TEST(test_memory_plan_prefer_falls_back_and_keeps_the_reason),
		TREE_TEST(test_memory_plan_off_takes_ordinary_pages_and_gives_no_reason),
		TREE_TEST(test_memory_plan_sizes_outside_are_refused),
		TREE_TEST(test_memory_plan_more_than_is_available_is_refused),
		TREE_TEST(test_memory_plan_hidden_meminfo_is_named),
		TREE_TEST(test_memory_verify_unlocked_memory_is_found),
		cmocka_unit_test(test_limits_check_each_limit_has_its_sentence),
		cmocka_unit_test(test_limits_check_cpu_time_limit_matters_to_fifo_only),
		cmocka_unit_test(test_limits_check_capabilities_replace_limits),
		cmocka_unit_test(test_limits_read_own_limits_are_the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
