/* SPDX-License-Identifier: MIT */
/* The doctor while the service runs: each change is told once, what was there before never. Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor_tree.h"
#include "pinning/doctor_watch.h"

static struct doctor_watch_event events[64];
static unsigned nr_events;
static struct doctor_watch *watch;

static void note(void *context, const struct doctor_watch_event *event)
{
	assert_ptr_equal(context, &nr_events);
	assert_true(nr_events < 64);
	events[nr_events++] = *event;
}

static void begin(void)
{
	struct doctor_plan plan = {.pid = 700};

	assert_int_equal(doctor_cpus_parse_list("2-3", -1, &plan.poll), 0);
	nr_events = 0;
	assert_int_equal(doctor_watch_start(doctor_tree_root(), &plan, note, &nr_events, &watch), 0);
	assert_int_equal(nr_events, 0);
}

/* Looks, and returns how many events that gave. */
static unsigned look(void)
{
	nr_events = 0;
	doctor_watch_look(watch);
	return nr_events;
}

static void stop(void)
{
	doctor_watch_stop(watch);
	doctor_tree_restore();
}

static void expect_event(const char *id, int cpu, const char *text)
{
	assert_int_equal(nr_events, 1);
	assert_string_equal(events[0].id, id);
	assert_int_equal(events[0].cpu, cpu);
	assert_string_equal(events[0].text, text);
}

static void test_watch_quiet_machine_gives_no_event(void **state)
{
	(void)state;
	begin();
	assert_int_equal(look(), 0);
	assert_int_equal(look(), 0);
	stop();
}

static void test_watch_moved_interrupt_is_told_once_and_again_when_it_returns(void **state)
{
	(void)state;
	begin();
	doctor_tree_put("proc/irq/24/effective_affinity_list", "3\n");
	look();
	expect_event("irqs", 3, "interrupt 24 is now sent to poll core 3");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(look(), 0);
	doctor_tree_restore();
	assert_int_equal(look(), 0);
	doctor_tree_put("proc/irq/24/effective_affinity_list", "3\n");
	assert_int_equal(look(), 1);
	stop();
}

static void test_watch_what_was_there_at_the_start_is_no_news(void **state)
{
	(void)state;
	doctor_tree_put("proc/irq/24/effective_affinity_list", "3\n");
	doctor_tree_put("proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	begin();
	assert_int_equal(look(), 0);
	stop();
}

static void test_watch_throttling_switched_on_is_told(void **state)
{
	(void)state;
	begin();
	doctor_tree_put("proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	look();
	expect_event("rt-throttling", -1, "real-time throttling was switched on: pollers get 950000 of 1000000 us");
	assert_int_equal(look(), 0);
	stop();
}

#define STAT(tid, name, started, cpu)                                            \
	tid " (" name ") S 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 " started \
	    " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 " cpu " 0 0\n"

static void test_watch_other_task_is_told_by_birth(void **state)
{
	(void)state;
	begin();
	doctor_tree_put("proc/900/task/900/stat", STAT("900", "evil\033[31m", "5", "2"));
	look();
	expect_event("other-tasks", 2, "task evil?[31m (900) was seen on poll core 2");
	assert_int_equal(look(), 0);
	/* The same number, somebody else. */
	doctor_tree_put("proc/900/task/900/stat", STAT("900", "next", "6", "2"));
	look();
	expect_event("other-tasks", 2, "task next (900) was seen on poll core 2");
	/* The service's own thread is no other task. */
	doctor_tree_put("proc/700/task/999/stat", STAT("999", "own", "6", "2"));
	assert_int_equal(look(), 0);
	stop();
}

#define HEAD "CPU0 CPU1 CPU2 CPU3\n"

static void test_watch_interrupt_that_comes_is_told_once(void **state)
{
	(void)state;
	doctor_tree_put("proc/interrupts", HEAD " 24: 5 0 0 0 chip nvme0q0\nLOC: 1 1 1 1 Local\nHYP: 9 0 0 7 Hyp\n");
	begin();
	doctor_tree_put("proc/interrupts", HEAD " 24: 9 0 0 0 chip nvme0q0\nLOC: 9 9 9 9 Local\nHYP: 10 0 0 7 Hyp\n");
	assert_int_equal(look(), 0);
	doctor_tree_put("proc/interrupts", HEAD " 24: 9 0 0 0 chip nvme0q0\nLOC: 9 9 9 9 Local\nHYP: 10 0 0 8 Hyp\n");
	look();
	expect_event("interrupts", 3, "interrupt HYP (Hyp) has come to poll core 3");
	doctor_tree_put("proc/interrupts", HEAD " 24: 9 0 1 0 chip nvme0q0\nLOC: 9 9 9 9 Local\nHYP: 10 0 0 9 Hyp\n");
	look();
	expect_event("interrupts", 2, "interrupt 24 (nvme0q0) has come to poll core 2");
	stop();
}

static void test_watch_steal_is_told(void **state)
{
	(void)state;
	begin();
	doctor_tree_put("proc/stat", "cpu2 1000 0 200 90000 10 0 5 12 0 0\ncpu3 1000 0 200 90000 10 0 5 0 0 0\n");
	look();
	expect_event("steal", 2, "the hypervisor took 120 ms from poll core 2");
	assert_int_equal(look(), 0);
	stop();
}

static void test_watch_flood_is_cut_and_counted(void **state)
{
	char path[64], text[160];

	(void)state;
	begin();
	for (int i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), "proc/9%02d/task/9%02d/stat", i, i);
		snprintf(text, sizeof(text), STAT("9%02d", "many", "5", "3"), i);
		doctor_tree_put(path, text);
	}
	assert_int_equal(look(), DOCTOR_WATCH_MAX_EVENTS + 1);
	assert_string_equal(events[DOCTOR_WATCH_MAX_EVENTS].text, "4 more of this kind");
	assert_int_equal(look(), 0);
	stop();
}

static void test_watch_files_that_go_away_are_no_event(void **state)
{
	(void)state;
	begin();
	doctor_tree_put("proc/interrupts", doctor_tree_unreadable);
	doctor_tree_put("proc/stat", doctor_tree_missing);
	doctor_tree_put("proc/irq", doctor_tree_missing);
	doctor_tree_put("proc/sys/kernel/sched_rt_runtime_us", "((");
	assert_int_equal(look(), 0);
	stop();
}

static void test_watch_without_poll_cores_is_refused(void **state)
{
	struct doctor_plan plan = {.pid = 700}, survey = {.survey = true};
	struct doctor_watch *none = NULL;

	(void)state;
	assert_int_equal(doctor_watch_start(doctor_tree_root(), &plan, note, NULL, &none), -EINVAL);
	doctor_cpus_add(&survey.poll, 1);
	assert_int_equal(doctor_watch_start(doctor_tree_root(), &survey, note, NULL, &none), -EINVAL);
	assert_null(none);
}

static int make(void **state)
{
	(void)state;
	return doctor_tree_make("perfect") ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	doctor_tree_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watch_quiet_machine_gives_no_event),
		cmocka_unit_test(test_watch_moved_interrupt_is_told_once_and_again_when_it_returns),
		cmocka_unit_test(test_watch_what_was_there_at_the_start_is_no_news),
		cmocka_unit_test(test_watch_throttling_switched_on_is_told),
		cmocka_unit_test(test_watch_other_task_is_told_by_birth),
		cmocka_unit_test(test_watch_interrupt_that_comes_is_told_once),
		cmocka_unit_test(test_watch_steal_is_told),
		cmocka_unit_test(test_watch_flood_is_cut_and_counted),
		cmocka_unit_test(test_watch_files_that_go_away_are_no_event),
		cmocka_unit_test(test_watch_without_poll_cores_is_refused),
	};

	if (system("python3 -c pass 2>/dev/null")) {
		puts("skipped: python3 makes the trees, and is missing");
		return 77;
	}
	return cmocka_run_group_tests(tests, make, end);
}
