/* SPDX-License-Identifier: MIT */
/*
 * The doctor while the service runs: cheap checks, repeated by the housekeeping thread, that report a change once.
 *
 * What is watched: interrupts that are moved to a poll core, or come to one (devices' and HYP), other tasks that are
 * seen there, real-time throttling that is switched on, and steal. What was so when the watch began is no change: the
 * doctor has told it. A thing that goes away and comes back is reported again.
 *
 * Threads   One: the housekeeping thread makes, asks and ends it. A look reads a few files per interrupt and per thread
 *           of the machine: milliseconds, so not more often than every few seconds, and never on a poll core.
 * Memory    The watch owns what it remembers; its root is the caller's and outlives it.
 */
#ifndef PINNING_DOCTOR_WATCH_H
#define PINNING_DOCTOR_WATCH_H

#include "pinning/doctor.h"

struct doctor_watch;

struct doctor_watch_event {
	const char *id; /* of the check that says more: "irqs", "interrupts", "other-tasks", "rt-throttling", "steal" */
	int cpu;        /* the poll core, or -1 */
	char text[160]; /* one sentence, printable ASCII */
};

typedef void doctor_watch_report(void *context, const struct doctor_watch_event *event);

/* At most so many events of one kind in one look; the last one says how many more there were. */
#define DOCTOR_WATCH_MAX_EVENTS 8

/*
 * Begins: takes a first look and remembers it. plan->pid is the service's own (0: the caller's); plan->survey must be
 * false. Returns 0, -EINVAL (no poll cores), -ENOMEM. What cannot be read is not watched: doctor_run() says so.
 */
int doctor_watch_start(const struct doctor_root *root, const struct doctor_plan *plan, doctor_watch_report *report,
		       void *context, struct doctor_watch **watch_out);

/* Looks again and reports what is new, from inside this call. */
void doctor_watch_look(struct doctor_watch *watch);

void doctor_watch_stop(struct doctor_watch *watch);

#endif
