/* SPDX-License-Identifier: MIT */
/* What one tick of the TSC is. See stamp.h. */
#include "stamp.h"

#include <time.h>

#define NR_TRIPLES 200

struct pair {
	uint64_t tsc;
	uint64_t ns;
};

uint64_t ioreq_stamp_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static struct pair tightest_pair(void)
{
	struct pair best = {0, 0};
	uint64_t best_width = UINT64_MAX;

	for (unsigned i = 0; i < NR_TRIPLES; i++) {
		uint64_t before = ioreq_stamp_after();
		uint64_t ns = ioreq_stamp_monotonic_ns();
		uint64_t width = ioreq_stamp_after() - before;

		if (width < best_width) {
			best_width = width;
			best = (struct pair){before + width / 2, ns};
		}
	}
	return best;
}

uint64_t ioreq_stamp_hz(uint64_t baseline_ns)
{
	struct pair from = tightest_pair(), to;
	struct timespec nap = {.tv_sec = (time_t)(baseline_ns / 1000000000),
			       .tv_nsec = (long)(baseline_ns % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	to = tightest_pair();
	return (uint64_t)((double)(to.tsc - from.tsc) * 1e9 / (double)(to.ns - from.ns) + 0.5);
}
