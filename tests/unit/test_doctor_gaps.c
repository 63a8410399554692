/* SPDX-License-Identifier: MIT */
/* What gaps are: made-up ticks, throttling, steal and noise, alone and mixed. Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pinning/doctor_gaps.h"

enum { MAX = 4096 };
#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static struct doctor_gap gaps[2][MAX];
static size_t nr[2];
static struct doctor_gap_rules rules;

static int start(void **state)
{
	(void)state;
	nr[0] = nr[1] = 0;
	rules = (struct doctor_gap_rules){.spun_ns = 2000 * MS, .timer_interrupts = 2000};
	return 0;
}

static void add(unsigned core, uint64_t start_ns, uint64_t length_ns)
{
	gaps[core][nr[core]++] = (struct doctor_gap){.start_ns = start_ns, .length_ns = length_ns};
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct doctor_gap *)a)->start_ns, y = ((const struct doctor_gap *)b)->start_ns;

	return x < y ? -1 : x > y;
}

static unsigned classify(void)
{
	for (unsigned core = 0; core < 2; core++)
		qsort(gaps[core], nr[core], sizeof(gaps[0][0]), compare);
	return doctor_gaps_classify(gaps[0], nr[0], gaps[1], nr[1], &rules);
}

static size_t count(enum doctor_gap_kind kind)
{
	size_t found = 0;

	for (size_t i = 0; i < nr[0]; i++)
		found += gaps[0][i].kind == kind;
	return found;
}

static void add_ticks(unsigned core, unsigned hz, uint64_t length_ns)
{
	for (uint64_t i = 0; i < 2 * hz; i++)
		add(core, 123 * US + i * (1000 * MS / hz) + i % 7 * US, length_ns);
}

/* The same row of numbers on every machine. */
static uint64_t random_below(uint64_t limit)
{
	static uint64_t seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

static void test_gaps_tick_of_each_frequency_is_found(void **state)
{
	static const unsigned frequencies[] = {100, 250, 300, 1000};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		start(NULL);
		add_ticks(0, frequencies[i], 5 * US);
		assert_int_equal(classify(), frequencies[i]);
		assert_int_equal(count(DOCTOR_GAP_TICK), 2 * frequencies[i]);
	}
}

static void test_gaps_tick_is_told_from_noise_between(void **state)
{
	(void)state;
	add(0, 1 * US, 3 * US);
	add_ticks(0, 250, 5 * US);
	for (unsigned i = 0; i < 100; i++)
		add(0, 2 * MS + i * 4 * MS + (i * 37 % 50) * 20 * US, 3 * US);
	assert_int_equal(classify(), 250);
	assert_int_equal(count(DOCTOR_GAP_TICK), 500);
	assert_int_equal(count(DOCTOR_GAP_OTHER), 101);
}

static void test_gaps_random_noise_is_no_tick(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		add(0, random_below(2000 * MS), 3 * US);
	assert_int_equal(classify(), 0);
	assert_int_equal(count(DOCTOR_GAP_OTHER), 3000);
}

static void test_gaps_rhythm_without_timer_interrupts_is_the_hosts(void **state)
{
	(void)state;
	rules.timer_interrupts = 4;
	add_ticks(0, 100, 20 * US);
	add_ticks(1, 100, 22 * US);
	assert_int_equal(classify(), 0);
	assert_int_equal(count(DOCTOR_GAP_STEAL), 200);
}

static void test_gaps_long_gap_is_no_tick(void **state)
{
	(void)state;
	add_ticks(0, 250, 5 * US);
	gaps[0][100].length_ns = 3 * MS;
	assert_int_equal(classify(), 250);
	assert_int_equal(gaps[0][100].kind, DOCTOR_GAP_OTHER);
	assert_int_equal(count(DOCTOR_GAP_TICK), 499);
}

static void test_gaps_throttling_comes_once_per_period(void **state)
{
	(void)state;
	rules.throttle_period_ns = 1000 * MS;
	rules.throttle_stop_ns = 50 * MS;
	add(0, 300 * MS, 50 * MS);
	add(0, 1303 * MS, 47 * MS);
	add(0, 1500 * MS, 49 * MS);
	add(0, 2301 * MS, 49 * MS);
	classify();
	assert_int_equal(gaps[0][0].kind, DOCTOR_GAP_THROTTLE);
	assert_int_equal(gaps[0][1].kind, DOCTOR_GAP_THROTTLE);
	assert_int_equal(gaps[0][2].kind, DOCTOR_GAP_OTHER);
}

static void test_gaps_normal_thread_is_not_throttled(void **state)
{
	(void)state;
	add(0, 300 * MS, 50 * MS);
	add(0, 1300 * MS, 50 * MS);
	classify();
	assert_int_equal(count(DOCTOR_GAP_OTHER), 2);
}

static void test_gaps_same_moment_on_two_cores_is_steal(void **state)
{
	(void)state;
	add(0, 100 * MS, 2 * MS);
	add(1, 100 * MS + 30 * US, 2 * MS);
	/* Long after each other, of very different length, and too short: each for itself. */
	add(0, 200 * MS, MS);
	add(1, 202 * MS, MS);
	add(0, 300 * MS, 10 * MS);
	add(1, 304 * MS, 40 * US);
	add(0, 400 * MS, 3 * US);
	add(1, 400 * MS, 3 * US);
	classify();
	assert_int_equal(gaps[0][0].kind, DOCTOR_GAP_STEAL);
	assert_int_equal(count(DOCTOR_GAP_STEAL), 1);
	assert_int_equal(count(DOCTOR_GAP_OTHER), 3);
}

static void test_gaps_ticks_of_both_cores_are_no_steal(void **state)
{
	(void)state;
	add_ticks(0, 250, 8 * US);
	add_ticks(1, 250, 8 * US);
	assert_int_equal(classify(), 250);
	assert_int_equal(count(DOCTOR_GAP_STEAL), 0);
}

static void test_gaps_counted_steal_takes_the_longest(void **state)
{
	(void)state;
	rules.stolen_ns = 30 * MS;
	add(0, 100 * MS, 20 * MS);
	add(0, 300 * MS, 9 * MS);
	add(0, 500 * MS, 90 * MS);
	add(0, 700 * MS, 50 * US);
	classify();
	assert_int_equal(gaps[0][0].kind, DOCTOR_GAP_STEAL);
	assert_int_equal(gaps[0][1].kind, DOCTOR_GAP_STEAL);
	assert_int_equal(gaps[0][2].kind, DOCTOR_GAP_OTHER);
	assert_int_equal(gaps[0][3].kind, DOCTOR_GAP_OTHER);
}

static void test_gaps_none_at_all_are_nothing(void **state)
{
	(void)state;
	assert_int_equal(classify(), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gaps_tick_of_each_frequency_is_found),
		TEST(test_gaps_tick_is_told_from_noise_between),
		TEST(test_gaps_random_noise_is_no_tick),
		TEST(test_gaps_rhythm_without_timer_interrupts_is_the_hosts),
		TEST(test_gaps_long_gap_is_no_tick),
		TEST(test_gaps_throttling_comes_once_per_period),
		TEST(test_gaps_normal_thread_is_not_throttled),
		TEST(test_gaps_same_moment_on_two_cores_is_steal),
		TEST(test_gaps_ticks_of_both_cores_are_no_steal),
		TEST(test_gaps_counted_steal_takes_the_longest),
		TEST(test_gaps_none_at_all_are_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
