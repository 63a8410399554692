/* SPDX-License-Identifier: MIT */
/*
 * Where threads may run: proved from made-up /proc/self/task folders, and from this process's own.
 *
 * Threads   The test's, and one that only sleeps. Memory: a tree per test.
 */
#include "test_pinning_tree.h"

#include <signal.h>

#include "pinning/cores.h"
#include "pinning/sysfile.h"
#include "pinning/threads.h"

static struct ioreq_error error;

static const struct worker workers[] = {{.tid = 20, .core = 2, .priority = 7}, {.tid = 21, .core = 3, .priority = 0}};

static void write_task(int tid, const char *name, const char *cpus, int priority, int policy)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "proc/self/task/%d/status", tid);
	snprintf(text, sizeof(text), "Name:\t%s\nState:\tR\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\nVmLck:\t1 kB\n",
		 name, cpus);
	tree_write(path, text);
	snprintf(path, sizeof(path), "proc/self/task/%d/stat", tid);
	/* Fields 4 to 39 count themselves. */
	snprintf(
		text, sizeof(text),
		"%d (%s) R 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 "
		"37 38 39 %d %d 42 43\n",
		tid, name, priority, policy);
	tree_write(path, text);
}

static void write_process(void)
{
	write_task(10, "ioreqd", "0-1", 0, SCHED_OTHER);
	write_task(11, "eal-intr-thread", "0", 0, SCHED_OTHER);
	/* A name may hold what separates the fields. */
	write_task(20, "p0) R 1 (x", "2", 7, SCHED_FIFO);
	write_task(21, "rte-worker-2", "3", 0, SCHED_OTHER);
}

static void assert_verified(enum pinning_status wanted, const char *part)
{
	strcpy(error.text, "untouched");
	assert_int_equal(threads_verify(tree, workers, 2, &error), wanted);
	if (!strstr(error.text, part))
		fail_msg("no '%s' in '%s'", part, error.text);
}

static void test_threads_verify_everybody_at_home_is_good(void **unused)
{
	(void)unused;
	write_process();
	assert_verified(PINNING_OK, "untouched");
}

static void test_threads_verify_a_stranger_on_a_poll_core_is_named(void **unused)
{
	(void)unused;
	write_process();
	write_task(12, "console", "0-2", 0, SCHED_OTHER);
	assert_verified(PINNING_DISTURBED, "thread 12 (console) may run on poll core 2, its CPUs are 0-2");
	write_task(12, "console", "3", 0, SCHED_OTHER);
	assert_verified(PINNING_DISTURBED, "thread 12 (console) may run on poll core 3, its CPUs are 3");
	/* One poller's thread on another's core is no stranger, but in the wrong place. */
	write_task(12, "console", "1", 0, SCHED_OTHER);
	write_task(20, "p0", "3", 7, SCHED_FIFO);
	assert_verified(PINNING_DISTURBED, "poller thread 20 (p0) may run on CPUs 3 instead of 2 only");
}

static void test_threads_verify_a_poller_that_may_leave_is_found(void **unused)
{
	(void)unused;
	write_process();
	write_task(20, "p0", "2,5", 7, SCHED_FIFO);
	assert_verified(PINNING_DISTURBED, "may run on CPUs 2,5 instead of 2 only");
}

static void test_threads_verify_a_poller_without_its_priority_is_found(void **unused)
{
	(void)unused;
	write_process();
	write_task(20, "p0", "2", 6, SCHED_FIFO);
	assert_verified(PINNING_DISTURBED, "has policy 1 priority 6 instead of SCHED_FIFO 7");
	write_task(20, "p0", "2", 7, SCHED_RR);
	assert_verified(PINNING_DISTURBED, "has policy 2 priority 7 instead of SCHED_FIFO 7");
	write_task(20, "p0", "2", 0, SCHED_OTHER);
	assert_verified(PINNING_DISTURBED, "has policy 0 priority 0");
}

static void test_threads_verify_a_poller_that_is_gone_is_missed(void **unused)
{
	(void)unused;
	write_task(10, "ioreqd", "0-1", 0, SCHED_OTHER);
	write_task(21, "rte-worker-2", "3", 0, SCHED_OTHER);
	assert_verified(PINNING_DISTURBED, "1 of 2 poller threads are gone");
}

static void test_threads_verify_what_cannot_be_read_is_no_pass(void **unused)
{
	(void)unused;
	assert_verified(PINNING_UNREADABLE, "proc/self/task: No such file");
	write_process();
	tree_write("proc/self/task/11/status", "Name:\tx\nCpus_allowed_list:\t0-z\n");
	assert_verified(PINNING_UNREADABLE, "task/11: Invalid argument");
	write_process();
	tree_write("proc/self/task/11/stat", "11 (x) R 1 2 3\n");
	assert_verified(PINNING_UNREADABLE, "task/11: Invalid argument");
	write_process();
	tree_write("proc/self/task/11/stat", "");
	assert_verified(PINNING_UNREADABLE, "task/11: Invalid argument");
}

/* ---- this process ------------------------------------------------------------------------------------------ */

static int gate[2];

/* Sleeps until told to end; leaves what it may do behind. */
static void *look_around(void *argument)
{
	sigset_t *blocked = argument;
	char byte;

	pthread_sigmask(SIG_SETMASK, NULL, blocked);
	assert_int_equal(read(gate[0], &byte, 1), 1);
	return NULL;
}

static void end_thread(pthread_t thread)
{
	assert_int_equal(write(gate[1], "x", 1), 1);
	pthread_join(thread, NULL);
}

static int first_cpu(void)
{
	cpu_set_t own;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	while (!CPU_ISSET((size_t)cpu, &own))
		cpu++;
	return cpu;
}

static void test_threads_start_goes_where_it_is_told_and_nowhere_else(void **unused)
{
	const int cpu = first_cpu();
	cpu_set_t housekeeping, pollers, found;
	sigset_t blocked, own;
	pthread_t thread;
	char name[16];

	(void)unused;
	CPU_ZERO(&housekeeping);
	CPU_SET((size_t)cpu, &housekeeping);
	CPU_ZERO(&pollers);
	CPU_SET(500, &pollers);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(threads_start(&housekeeping, &pollers, "x", 500, look_around, &blocked, &thread), -EINVAL);
	assert_int_equal(threads_start(&housekeeping, &pollers, "x", 1024, look_around, &blocked, &thread), -EINVAL);
	assert_int_equal(threads_start(&housekeeping, &pollers, "x", 1023, look_around, &blocked, &thread), -EINVAL);
	assert_int_equal(
		threads_start(&housekeeping, &pollers, "a-name-that-is-long", -1, look_around, &blocked, &thread), 0);
	assert_int_equal(pthread_getaffinity_np(thread, sizeof(found), &found), 0);
	assert_true(CPU_EQUAL(&found, &housekeeping));
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	assert_string_equal(name, "a-name-that-is-");
	end_thread(thread);
	/* Signals are the program's, faults the thread's own. */
	assert_true(sigismember(&blocked, SIGTERM));
	assert_false(sigismember(&blocked, SIGBUS));
	pthread_sigmask(SIG_SETMASK, NULL, &own);
	assert_false(sigismember(&own, SIGTERM));
	close(gate[0]);
	close(gate[1]);
}

static void test_threads_confine_moves_all_but_the_workers(void **unused)
{
	const int cpu = first_cpu();
	cpu_set_t before, housekeeping, found;
	struct worker none = {.tid = gettid(), .core = cpu};
	sigset_t blocked;
	pthread_t thread;

	(void)unused;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&housekeeping);
	CPU_SET((size_t)cpu, &housekeeping);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pthread_create(&thread, NULL, look_around, &blocked), 0);
	assert_int_equal(threads_confine(&housekeeping, &none, 1, &error), PINNING_OK);
	assert_int_equal(pthread_getaffinity_np(thread, sizeof(found), &found), 0);
	assert_true(CPU_EQUAL(&found, &housekeeping));
	assert_int_equal(sched_getaffinity(0, sizeof(found), &found), 0);
	assert_true(CPU_EQUAL(&found, &before));
	end_thread(thread);
	close(gate[0]);
	close(gate[1]);
}

static void test_threads_shrink_stack_is_undone_by_restore(void **unused)
{
	pthread_attr_t before, now;
	size_t old = 0, bytes = 0;

	(void)unused;
	assert_int_equal(threads_shrink_stack(&before), 0);
	pthread_attr_getstacksize(&before, &old);
	assert_int_equal(pthread_getattr_default_np(&now), 0);
	pthread_attr_getstacksize(&now, &bytes);
	assert_int_equal(bytes, THREADS_STACK_BYTES);
	pthread_attr_destroy(&now);
	threads_restore_stack(&before);
	assert_int_equal(pthread_getattr_default_np(&now), 0);
	pthread_attr_getstacksize(&now, &bytes);
	assert_int_equal(bytes, old);
	pthread_attr_destroy(&now);
	pthread_attr_destroy(&before);
}

/* ---- files ------------------------------------------------------------------------------------------------- */

static void test_sysfile_read_has_edges(void **unused)
{
	char text[8];

	(void)unused;
	assert_int_equal(sysfile_read(tree, "none", text, sizeof(text)), -ENOENT);
	tree_write("seven", "1234567");
	assert_int_equal(sysfile_read(tree, "seven", text, sizeof(text)), 0);
	assert_string_equal(text, "1234567");
	tree_write("eight", "12345678");
	assert_int_equal(sysfile_read(tree, "eight", text, sizeof(text)), -EFBIG);
	tree_write("empty", "\n\n");
	assert_int_equal(sysfile_read(tree, "empty", text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(sysfile_read(tree, ".", text, sizeof(text)), -EISDIR);
}

static void test_sysfile_number_takes_one_number_only(void **unused)
{
	static const char *const wrong[] = {"", "x", "1 2", "0x10", "99999999999999999999999", "12kB"};
	long long number = 5;

	(void)unused;
	tree_write("n", "-1\n");
	assert_int_equal(sysfile_number(tree, "n", &number), 0);
	assert_int_equal(number, -1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tree_write("n", wrong[i]);
		assert_int_equal(sysfile_number(tree, "n", &number), -EINVAL);
		assert_int_equal(number, -1);
	}
}

static void test_sysfile_field_finds_whole_names(void **unused)
{
	static const char text[] = "VmLckX: 1\nXVmLck: 2\nVmLck:\t  3 kB \t\nLast: 4";
	char value[8] = "same";

	(void)unused;
	assert_int_equal(sysfile_field(text, "VmLck", value, sizeof(value)), 0);
	assert_string_equal(value, "3 kB");
	assert_int_equal(sysfile_field(text, "Last", value, sizeof(value)), 0);
	assert_string_equal(value, "4");
	assert_int_equal(sysfile_field(text, "Vm", value, sizeof(value)), -ENOENT);
	assert_int_equal(sysfile_field("", "Vm", value, sizeof(value)), -ENOENT);
	assert_int_equal(sysfile_field("A: 12345678", "A", value, sizeof(value)), -EFBIG);
	assert_string_equal(value, "4");
}

static void test_sysfile_cgroup_knows_both_versions(void **unused)
{
	char path[SYSFILE_PATH_BYTES];

	(void)unused;
	assert_int_equal(sysfile_cgroup(tree, "cpu", path, sizeof(path)), -ENOENT);
	tree_write("proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/b/c\n1:name=systemd:/\n");
	assert_int_equal(sysfile_cgroup(tree, "cpu", path, sizeof(path)), 0);
	assert_string_equal(path, "sys/fs/cgroup/cpu/b/c");
	assert_int_equal(sysfile_cgroup(tree, "cpuset", path, sizeof(path)), 0);
	assert_string_equal(path, "sys/fs/cgroup/cpuset/a");
	assert_int_equal(sysfile_cgroup(tree, "memory", path, sizeof(path)), -ENOENT);
	tree_write("proc/self/cgroup", "5:cpuset:/\n0::/u/x\nnonsense\n");
	assert_int_equal(sysfile_cgroup(tree, "cpuset", path, sizeof(path)), 0);
	assert_string_equal(path, "sys/fs/cgroup/cpuset");
	assert_int_equal(sysfile_cgroup(tree, "cpu", path, sizeof(path)), 0);
	assert_string_equal(path, "sys/fs/cgroup/u/x");
	assert_int_equal(sysfile_cgroup(tree, "cpu", path, 8), -ENAMETOOLONG);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_threads_verify_everybody_at_home_is_good),
		TREE_TEST(test_threads_verify_a_stranger_on_a_poll_core_is_named),
		TREE_TEST(test_threads_verify_a_poller_that_may_leave_is_found),
		TREE_TEST(test_threads_verify_a_poller_without_its_priority_is_found),
		TREE_TEST(test_threads_verify_a_poller_that_is_gone_is_missed),
		TREE_TEST(test_threads_verify_what_cannot_be_read_is_no_pass),
		cmocka_unit_test(test_threads_start_goes_where_it_is_told_and_nowhere_else),
		cmocka_unit_test(test_threads_confine_moves_all_but_the_workers),
		cmocka_unit_test(test_threads_shrink_stack_is_undone_by_restore),
		TREE_TEST(test_sysfile_read_has_edges),
		TREE_TEST(test_sysfile_number_takes_one_number_only),
		TREE_TEST(test_sysfile_field_finds_whole_names),
		TREE_TEST(test_sysfile_cgroup_knows_both_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
