/* SPDX-License-Identifier: MIT */
/*
 * What the gaps of a spinning core were: the timer tick, real-time throttling, a hypervisor or firmware that took the
 * machine away, or something else.
 *
 * Threads   Plain functions over the caller's arrays.
 * Memory    The caller's; nothing is allocated.
 */
#ifndef PINNING_DOCTOR_GAPS_H
#define PINNING_DOCTOR_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum doctor_gap_kind {
	DOCTOR_GAP_OTHER,    /* an interrupt, another task, or unknown */
	DOCTOR_GAP_TICK,     /* short, once per 1/HZ */
	DOCTOR_GAP_THROTTLE, /* FIFO only: the rest of the real-time period, once per period */
	DOCTOR_GAP_STEAL,    /* the same moment on two cores, or as much as the kernel counts as stolen */
	DOCTOR_NR_GAP_KINDS,
};

struct doctor_gap {
	uint64_t start_ns; /* since the start of the test, the same for all cores */
	uint64_t length_ns;
	enum doctor_gap_kind kind;
};

struct doctor_gap_rules {
	uint64_t spun_ns;            /* how long the core was ours */
	uint64_t timer_interrupts;   /* that the kernel counted meanwhile; UINT32_MAX: not known */
	uint64_t throttle_period_ns; /* 0: not FIFO, or not throttled */
	uint64_t throttle_stop_ns;   /* how much of the period is taken */
	uint64_t stolen_ns;          /* by which the kernel's count of steal grew */
};

/*
 * Decides the kind of each gap. gaps and `other` (those of a core that spun at the same time; may be none) are in order
 * of time. Returns the frequency of the tick that was found, or 0.
 */
unsigned doctor_gaps_classify(struct doctor_gap *gaps, size_t nr, const struct doctor_gap *other, size_t nr_other,
			      const struct doctor_gap_rules *rules);

#endif
