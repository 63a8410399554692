/* SPDX-License-Identifier: MIT */
/*
 * Log-linear latency histogram: 128 linear sub-buckets per power of two, exact minimum and maximum.
 *
 * Threads   ioreq_histogram_record(): one writer. ioreq_histogram_record_shared(): any number. Readers: any time; a
 *           quantile read while values arrive is right for some moment in between.
 * Memory    The caller's; nothing is allocated.
 */
#include <ioreq/stats.h>

#include "core/atomic.h"

#define SUB_BITS IOREQ_HISTOGRAM_SUB_BITS
#define SUB_COUNT (1u << SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
	unsigned exponent, bucket;

	if (value < SUB_COUNT)
		return (unsigned)value;
	exponent = 63u - (unsigned)__builtin_clzll(value);
	bucket = ((exponent - SUB_BITS + 1) << SUB_BITS) +
		 ((unsigned)(value >> (exponent - SUB_BITS)) & (SUB_COUNT - 1));
	return bucket < IOREQ_HISTOGRAM_BUCKETS ? bucket : IOREQ_HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_last(unsigned bucket)
{
	unsigned exponent = bucket >> SUB_BITS;

	if (exponent == 0)
		return bucket;
	return ((uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1)) + 1) << (exponent - 1)) - 1;
}

void ioreq_histogram_reset(struct ioreq_histogram *histogram)
{
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++)
		store_relaxed(&histogram->buckets[i], 0);
	store_relaxed(&histogram->count, 0);
	store_relaxed(&histogram->sum, 0);
	store_relaxed(&histogram->minimum, UINT64_MAX);
	store_relaxed(&histogram->maximum, 0);
}

void ioreq_histogram_record(struct ioreq_histogram *histogram, uint64_t value)
{
	count_one(&histogram->buckets[bucket_of(value)]);
	store_relaxed(&histogram->sum, load_relaxed(&histogram->sum) + value);
	if (value < load_relaxed(&histogram->minimum))
		store_relaxed(&histogram->minimum, value);
	if (value > load_relaxed(&histogram->maximum))
		store_relaxed(&histogram->maximum, value);
	count_one(&histogram->count);
}

void ioreq_histogram_record_shared(struct ioreq_histogram *histogram, uint64_t value)
{
	uint64_t minimum = load_relaxed(&histogram->minimum);
	uint64_t maximum = load_relaxed(&histogram->maximum);

	add_relaxed(&histogram->buckets[bucket_of(value)], 1);
	add_relaxed(&histogram->sum, value);
	while (value < minimum && !cas_relaxed(&histogram->minimum, minimum, value))
		;
	while (value > maximum && !cas_relaxed(&histogram->maximum, maximum, value))
		;
	add_relaxed(&histogram->count, 1);
}

void ioreq_histogram_merge(struct ioreq_histogram *into, const struct ioreq_histogram *from)
{
	uint64_t minimum = load_relaxed(&from->minimum);
	uint64_t maximum = load_relaxed(&from->maximum);

	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += load_relaxed(&from->buckets[i]);
	into->count += load_relaxed(&from->count);
	into->sum += load_relaxed(&from->sum);
	if (minimum < into->minimum)
		into->minimum = minimum;
	if (maximum > into->maximum)
		into->maximum = maximum;
}

uint64_t ioreq_histogram_quantile(const struct ioreq_histogram *histogram, double fraction)
{
	uint64_t total = 0, seen = 0, wanted, value;

	/* The sum of the buckets, not `count`: the two may be a record apart. */
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++)
		total += load_relaxed(&histogram->buckets[i]);
	if (total == 0)
		return 0;
	fraction = fraction < 0.0 ? 0.0 : fraction > 1.0 ? 1.0 : fraction;
	wanted = (uint64_t)(fraction * (double)total);
	/* Round up: the value at or below which at least that share lies. */
	if ((double)wanted < fraction * (double)total || wanted == 0)
		wanted++;
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++) {
		seen += load_relaxed(&histogram->buckets[i]);
		if (seen < wanted)
			continue;
		value = i == IOREQ_HISTOGRAM_BUCKETS - 1 ? UINT64_MAX : bucket_last(i);
		if (value > load_relaxed(&histogram->maximum))
			value = load_relaxed(&histogram->maximum);
		if (value < load_relaxed(&histogram->minimum))
			value = load_relaxed(&histogram->minimum);
		return value;
	}
	return load_relaxed(&histogram->maximum);
}
