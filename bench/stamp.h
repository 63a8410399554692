/* SPDX-License-Identifier: MIT */
/*
 * Time stamps for measurements: the TSC, and what one tick of it is.
 *
 * Threads   Any. The TSC is taken to be invariant and the same on all cores, as the engine takes it.
 * Memory    None.
 */
#ifndef IOREQ_BENCH_STAMP_H
#define IOREQ_BENCH_STAMP_H

#include <stdint.h>

#include <x86intrin.h>

/* Now; the processor may take it a few instructions early. For the begin of something that is about to start. */
static inline uint64_t ioreq_stamp_now(void)
{
	return __rdtsc();
}

/* Now, but not before the loads that stand before it: for the end of something that a load has shown. */
static inline uint64_t ioreq_stamp_after(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* CLOCK_MONOTONIC. */
uint64_t ioreq_stamp_monotonic_ns(void);

/*
 * Ticks per second, measured against CLOCK_MONOTONIC over `baseline_ns` (which is slept; 100 ms gives about 1 ppm).
 * Both ends are the tightest of many (TSC, clock, TSC) triples, so that an interruption between two readings, which
 * may last milliseconds on a virtual machine, does not count.
 */
uint64_t ioreq_stamp_hz(uint64_t baseline_ns);

/* Ticks to nanoseconds. */
static inline double ioreq_stamp_ns(uint64_t ticks, uint64_t hz)
{
	return (double)ticks * 1e9 / (double)hz;
}

#endif
