/* SPDX-License-Identifier: MIT */
/*
 * The isolation doctor: what on this machine will disturb a core that polls, where that was read, why it hurts, and the
 * exact change that mends it. A check that cannot read its file says so; that is never a pass.
 *
 * Threads   One per struct doctor. It reads files and may sleep for a quarter of a second: never on a poll core.
 * Memory    The root and the plan are the caller's and outlive the doctor. Answers are plain values.
 */
#ifndef PINNING_DOCTOR_H
#define PINNING_DOCTOR_H

#include <stdio.h>
#include <sys/types.h>

#include "pinning/doctor_cpus.h"
#include "pinning/doctor_root.h"

enum doctor_severity {
	DOCTOR_INFO,
	DOCTOR_LOW,
	DOCTOR_MED,
	DOCTOR_HIGH,
	DOCTOR_CRIT,
	DOCTOR_FATAL,
	DOCTOR_NR_SEVERITIES
};

enum doctor_result {
	DOCTOR_PASS,
	DOCTOR_FINDING,
	DOCTOR_UNREADABLE,     /* nobody knows: never a pass */
	DOCTOR_NOT_APPLICABLE, /* `found` says why */
	DOCTOR_NR_RESULTS,
};

enum doctor_hugepages { DOCTOR_HUGEPAGES_PREFER, DOCTOR_HUGEPAGES_REQUIRE, DOCTOR_HUGEPAGES_OFF };

/* What the service is, or shall be; a configuration fills it, or the command line. */
struct doctor_plan {
	struct doctor_cpus poll;         /* the cores that poll; with `survey`: filled by doctor_start() */
	struct doctor_cpus housekeeping; /* empty: filled with all online cores that do not poll */
	bool survey;                     /* no core was named: every online core is looked at as if it polled */
	int priority;                    /* of the pollers' SCHED_FIFO; 0: 1 */
	pid_t pid;                       /* the service; 0: a process named ioreqd is looked for */
	enum doctor_hugepages hugepages;
	const char *page; /* the page's file as /proc/PID/numa_maps names it; NULL: every file named *.page */
};

#define DOCTOR_FOUND_BYTES 512

struct doctor_check;

struct doctor_answer {
	const struct doctor_check *check;
	enum doctor_result result;
	enum doctor_severity severity;
	struct doctor_cpus cpus; /* the poll cores it is about; empty: the whole machine */
	char found[DOCTOR_FOUND_BYTES];
	char path[DOCTOR_PATH_BYTES]; /* where it was read */
	char fix[DOCTOR_FOUND_BYTES]; /* the exact change; empty unless there is a finding */
};

struct doctor {
	const struct doctor_root *root;
	struct doctor_plan plan;
	struct doctor_cpus online;
	bool service; /* plan.pid is a running service; else what is read of "the process" is read of ourselves */
	/* Lets time pass between two looks at a counter; NULL: nothing will change (a recorded tree). */
	void (*pause)(void *context);
	void *pause_context;
};

struct doctor_check {
	const char *id; /* stable: scripts know it */
	enum doctor_severity severity;
	const char *hurts;
	enum doctor_result (*run)(const struct doctor *doctor, struct doctor_answer *answer);
};

/* All checks, the worst first. */
extern const struct doctor_check doctor_checks[];
extern const unsigned doctor_nr_checks;
#define DOCTOR_MAX_ANSWERS 64

/*
 * Reads what every check needs: which cores are online, whether the service runs. Returns 0, or -errno if the tree does
 * not even tell its online CPUs (*path_out: the file).
 */
int doctor_start(const struct doctor_root *root, const struct doctor_plan *plan, struct doctor *doctor_out,
		 const char **path_out);

/* Runs one check. */
void doctor_examine(const struct doctor *doctor, const struct doctor_check *check, struct doctor_answer *answer);

/* Runs all checks into `answers`; returns how many. */
unsigned doctor_run(const struct doctor *doctor, struct doctor_answer answers[DOCTOR_MAX_ANSWERS]);

/*
 * The exit status of a set of answers: 0 nothing above INFO, 10 LOW, 11 MED, 12 HIGH, 13 CRIT, 14 FATAL; 15: something
 * could not be read that would weigh more than everything that was found.
 */
int doctor_status(const struct doctor_answer *answers, unsigned nr);
#define DOCTOR_STATUS_UNREADABLE 15

const char *doctor_severity_name(enum doctor_severity severity);
const char *doctor_result_name(enum doctor_result result);

/* ---- doctor_report.c, doctor_json.c ------------------------------------------------------------------------ */

struct doctor_spin_report;

/* For people; `colour`: with terminal sequences. `spin`: NULL if there was none. */
void doctor_print(const struct doctor *doctor, const struct doctor_answer *answers, unsigned nr,
		  const struct doctor_spin_report *spin, bool colour, FILE *file);
/* One JSON object; its keys are stable. */
void doctor_print_json(const struct doctor *doctor, const struct doctor_answer *answers, unsigned nr,
		       const struct doctor_spin_report *spin, FILE *file);
/* The kernel parameters that isolate the plan's poll cores, on one line. */
void doctor_print_cmdline(const struct doctor *doctor, FILE *file);

#endif
