/* SPDX-License-Identifier: MIT */
/*
 * core/histogram.c: exact counts, minimum and maximum; quantiles against the sorted values.
 *
 * Threads   One; the shared record: four. Memory: static.
 */
#include "unit/stand.h"

#include <pthread.h>

#define NR_VALUES 20000u
#define NR_WRITERS 4
#define NR_PER_WRITER 20000u

static struct ioreq_histogram histogram, other;
static uint64_t values[NR_VALUES];

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 30;
}

/* The bucket that one value falls into. */
static unsigned bucket_of(uint64_t value)
{
	unsigned found = IOREQ_HISTOGRAM_BUCKETS;

	ioreq_histogram_reset(&histogram);
	ioreq_histogram_record(&histogram, value);
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++) {
		if (!histogram.buckets[i])
			continue;
		assert_int_equal(found, IOREQ_HISTOGRAM_BUCKETS);
		assert_int_equal(histogram.buckets[i], 1);
		found = i;
	}
	assert_int_not_equal(found, IOREQ_HISTOGRAM_BUCKETS);
	return found;
}

static void test_histogram_reset_is_empty(void **unused)
{
	(void)unused;
	memset(&histogram, 0xee, sizeof(histogram));
	ioreq_histogram_reset(&histogram);
	assert_int_equal(histogram.count, 0);
	assert_int_equal(histogram.sum, 0);
	assert_int_equal(histogram.minimum, UINT64_MAX);
	assert_int_equal(histogram.maximum, 0);
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++)
		assert_int_equal(histogram.buckets[i], 0);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 0.5), 0);
}

static void test_histogram_small_values_have_a_bucket_each(void **unused)
{
	(void)unused;
	for (uint64_t value = 0; value < 256; value++)
		assert_int_equal(bucket_of(value), value);
}

static void test_histogram_buckets_change_exactly_at_their_edges(void **unused)
{
	(void)unused;
	for (unsigned exponent = 7; exponent < 34; exponent++) {
		uint64_t width = UINT64_C(1) << (exponent - 7);
		unsigned first = bucket_of(UINT64_C(1) << exponent);

		assert_int_equal(first, (exponent - 6) * 128);
		assert_int_equal(bucket_of((UINT64_C(1) << exponent) - 1), first - 1);
		for (uint64_t k = 0; k < 128; k += 9) {
			uint64_t edge = (UINT64_C(1) << exponent) + k * width;

			assert_int_equal(bucket_of(edge), first + k);
			assert_int_equal(bucket_of(edge + width - 1), first + k);
		}
	}
}

static void test_histogram_values_beyond_the_last_bucket_are_kept_in_it(void **unused)
{
	(void)unused;
	assert_int_equal(bucket_of((UINT64_C(1) << 34) - 1), IOREQ_HISTOGRAM_BUCKETS - 1);
	assert_int_equal(bucket_of(UINT64_C(1) << 34), IOREQ_HISTOGRAM_BUCKETS - 1);
	assert_int_equal(bucket_of(UINT64_MAX), IOREQ_HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram.maximum, UINT64_MAX);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 1.0), UINT64_MAX);
}

/* One value's quantile is the value; of two, the upper bound of the first's bucket is within 0.8 % above it. */
static void test_histogram_error_is_below_one_in_125(void **unused)
{
	uint64_t random = 7, value, answer;

	(void)unused;
	for (unsigned i = 0; i < 20000; i++) {
		value = next_random(&random) >> next_random(&random) % 34;
		if (value >= UINT64_C(1) << 33)
			continue;
		ioreq_histogram_reset(&histogram);
		ioreq_histogram_record(&histogram, value);
		ioreq_histogram_record(&histogram, UINT64_C(1) << 34);
		answer = ioreq_histogram_quantile(&histogram, 0.5);
		assert_true(answer >= value);
		assert_true((answer - value) * 125 <= value);
	}
}

static void fill(uint64_t seed)
{
	for (unsigned i = 0; i < NR_VALUES; i++)
		values[i] = next_random(&seed) % 1000000 >> next_random(&seed) % 16;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void assert_quantiles(const struct ioreq_histogram *measured, const uint64_t *sorted, size_t nr)
{
	static const double fractions[] = {0.0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0};

	for (size_t i = 0; i < NR_OF(fractions); i++) {
		double rank = fractions[i] * (double)nr;
		size_t index = (size_t)rank;
		uint64_t exact, answer = ioreq_histogram_quantile(measured, fractions[i]);

		/* The smallest rank that covers the fraction, counted from 1. */
		if ((double)index < rank || index == 0)
			index++;
		exact = sorted[index - 1];
		assert_true(answer >= exact);
		assert_true((answer - exact) * 125 <= exact);
	}
}

static void test_histogram_quantiles_agree_with_the_sorted_values(void **unused)
{
	uint64_t sum = 0;

	(void)unused;
	fill(42);
	ioreq_histogram_reset(&histogram);
	for (unsigned i = 0; i < NR_VALUES; i++) {
		ioreq_histogram_record(&histogram, values[i]);
		sum += values[i];
	}
	qsort(values, NR_VALUES, sizeof(values[0]), compare);
	assert_int_equal(histogram.count, NR_VALUES);
	assert_int_equal(histogram.sum, sum);
	assert_int_equal(histogram.minimum, values[0]);
	assert_int_equal(histogram.maximum, values[NR_VALUES - 1]);
	assert_quantiles(&histogram, values, NR_VALUES);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 1.0), values[NR_VALUES - 1]);
}

static void test_histogram_quantile_stays_between_minimum_and_maximum(void **unused)
{
	(void)unused;
	ioreq_histogram_reset(&histogram);
	for (unsigned i = 0; i < 10; i++)
		ioreq_histogram_record(&histogram, 1000001);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 0.0), 1000001);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 0.5), 1000001);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 1.0), 1000001);
	assert_int_equal(ioreq_histogram_quantile(&histogram, -1.0), 1000001);
	assert_int_equal(ioreq_histogram_quantile(&histogram, 2.0), 1000001);
}

static void test_histogram_merge_is_the_histogram_of_both(void **unused)
{
	(void)unused;
	fill(43);
	ioreq_histogram_reset(&histogram);
	ioreq_histogram_reset(&other);
	for (unsigned i = 0; i < NR_VALUES; i++)
		ioreq_histogram_record(i % 3 ? &histogram : &other, values[i]);
	ioreq_histogram_merge(&histogram, &other);
	qsort(values, NR_VALUES, sizeof(values[0]), compare);
	assert_int_equal(histogram.count, NR_VALUES);
	assert_int_equal(histogram.minimum, values[0]);
	assert_int_equal(histogram.maximum, values[NR_VALUES - 1]);
	assert_quantiles(&histogram, values, NR_VALUES);
}

static void test_histogram_merge_of_an_empty_one_changes_nothing(void **unused)
{
	(void)unused;
	ioreq_histogram_reset(&histogram);
	ioreq_histogram_reset(&other);
	ioreq_histogram_record(&histogram, 5);
	ioreq_histogram_merge(&histogram, &other);
	assert_int_equal(histogram.count, 1);
	assert_int_equal(histogram.minimum, 5);
	assert_int_equal(histogram.maximum, 5);
	ioreq_histogram_merge(&other, &histogram);
	assert_memory_equal(&other, &histogram, sizeof(other));
}

static void *write_shared(void *argument)
{
	uint64_t first = (uintptr_t)argument;

	for (uint64_t i = 0; i < NR_PER_WRITER; i++)
		ioreq_histogram_record_shared(&histogram, first + i * NR_WRITERS);
	return NULL;
}

static void test_histogram_shared_record_loses_nothing(void **unused)
{
	const uint64_t nr = NR_WRITERS * NR_PER_WRITER;
	pthread_t threads[NR_WRITERS];

	(void)unused;
	ioreq_histogram_reset(&histogram);
	ioreq_histogram_reset(&other);
	for (uintptr_t i = 0; i < NR_WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_shared, (void *)i), 0);
	for (unsigned i = 0; i < NR_WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (uint64_t value = 0; value < nr; value++)
		ioreq_histogram_record(&other, value);
	assert_memory_equal(&other, &histogram, sizeof(other));
	assert_int_equal(histogram.sum, nr * (nr - 1) / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histogram_reset_is_empty),
		cmocka_unit_test(test_histogram_small_values_have_a_bucket_each),
		cmocka_unit_test(test_histogram_buckets_change_exactly_at_their_edges),
		cmocka_unit_test(test_histogram_values_beyond_the_last_bucket_are_kept_in_it),
		cmocka_unit_test(test_histogram_error_is_below_one_in_125),
		cmocka_unit_test(test_histogram_quantiles_agree_with_the_sorted_values),
		cmocka_unit_test(test_histogram_quantile_stays_between_minimum_and_maximum),
		cmocka_unit_test(test_histogram_merge_is_the_histogram_of_both),
		cmocka_unit_test(test_histogram_merge_of_an_empty_one_changes_nothing),
		cmocka_unit_test(test_histogram_shared_record_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
