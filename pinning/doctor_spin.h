/* SPDX-License-Identifier: MIT */
/*
 * The spin test: what a poll core really loses. A thread on each core reads the TSC without end; a loop that took more
 * than 2 us is a gap. Two cores spin at the same time, so that what stops both can be told from what stops one; a poll
 * core that is alone gets a housekeeping core as its witness.
 *
 * Threads   doctor_spin() makes its own, one or two at a time, and waits for them. SCHED_FIFO if that is allowed, in
 *           bursts of less than 0.9 s with pauses in between, so that real-time throttling neither stops the test nor
 *           starves the machine; the witness never.
 * Memory    The report owns its cores until doctor_spin_free().
 */
#ifndef PINNING_DOCTOR_SPIN_H
#define PINNING_DOCTOR_SPIN_H

#include <ioreq/stats.h>

#include "pinning/doctor.h"
#include "pinning/doctor_gaps.h"

#define DOCTOR_GAP_NS 2000
#define DOCTOR_MAX_SPIN_S 3600.0

struct doctor_spin_core {
	int cpu;
	int error; /* 0, or why it could not spin there: -errno */
	bool fifo;
	int witness;      /* the core that spun at the same time, or -1 */
	double share;     /* of its time that was lost in gaps, 0..1 */
	uint64_t spun_ns; /* gaps included */
	uint64_t lost_ns;
	struct ioreq_histogram gaps; /* ns */
	uint64_t kind_count[DOCTOR_NR_GAP_KINDS];
	uint64_t kind_ns[DOCTOR_NR_GAP_KINDS];
	uint64_t kind_max_ns[DOCTOR_NR_GAP_KINDS];
	unsigned tick_hz; /* 0: no regular tick */
	uint64_t
		local_timer; /* timer interrupts that the kernel counted on the core meanwhile; UINT32_MAX: not known */
	uint64_t interrupts; /* all others */
	uint64_t preempted;  /* involuntary context switches of the spinning thread */
};

struct doctor_spin_report {
	double seconds;
	bool virtual_machine; /* what stops two cores at once is the host; on a bare machine it is the firmware (SMI) */
	unsigned nr;
	struct doctor_spin_core *cores;
};

/*
 * Spins on every poll core of the doctor's plan for `seconds`, two at a time. Blocks for as long as that takes. A core
 * that cannot be spun on has its `error`. Returns 0 or -ENOMEM.
 */
int doctor_spin(const struct doctor *doctor, double seconds, struct doctor_spin_report *report_out);
void doctor_spin_free(struct doctor_spin_report *report);

/* The two answers that a report gives, `spin` and `spin-steal`. */
#define DOCTOR_SPIN_ANSWERS 2
void doctor_spin_judge(const struct doctor_spin_report *report, struct doctor_answer answers[DOCTOR_SPIN_ANSWERS]);

#endif
