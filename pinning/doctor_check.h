/* SPDX-License-Identifier: MIT */
/*
 * What the checks share: ways to answer, words for cores, and small facts about the machine. Internal to the doctor.
 *
 * Threads   As doctor.h.
 * Memory    Nothing is kept.
 */
#ifndef PINNING_DOCTOR_CHECK_H
#define PINNING_DOCTOR_CHECK_H

#include "pinning/doctor.h"

/* ---- answers: `return doctor_pass(...)` -------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) enum doctor_result doctor_pass(struct doctor_answer *answer, const char *path,
								     const char *format, ...);
/* A finding of the check's own severity; doctor_find_as() says which. doctor_fix() before it or after it. */
__attribute__((format(printf, 3, 4))) enum doctor_result doctor_find(struct doctor_answer *answer, const char *path,
								     const char *format, ...);
__attribute__((format(printf, 4, 5))) enum doctor_result
doctor_find_as(struct doctor_answer *answer, enum doctor_severity severity, const char *path, const char *format, ...);
/* rc: the -errno of doctor_root_*(). */
enum doctor_result doctor_unreadable(struct doctor_answer *answer, const char *path, int rc);
__attribute__((format(printf, 2, 3))) enum doctor_result doctor_skip(struct doctor_answer *answer, const char *format,
								     ...);
__attribute__((format(printf, 2, 3))) void doctor_fix(struct doctor_answer *answer, const char *format, ...);

/* Puts a path together; what does not fit is cut off and then not found. Returns `path`. */
__attribute__((format(printf, 2, 3))) const char *doctor_path(char path[DOCTOR_PATH_BYTES], const char *format, ...);

/* ---- words ------------------------------------------------------------------------------------------------- */

struct doctor_text {
	char text[DOCTOR_CPUS_TEXT_BYTES];
};

/* A set of cores: "2-3". */
struct doctor_text doctor_cores(const struct doctor_cpus *cpus);
/* The poll cores and the housekeeping cores for a fix; placeholders when no core was named. */
struct doctor_text doctor_poll_text(const struct doctor *doctor);
struct doctor_text doctor_housekeeping_text(const struct doctor *doctor);
/* "ioreqd (pid 12)" or "this process". */
struct doctor_text doctor_who(const struct doctor *doctor);

/* ---- facts ------------------------------------------------------------------------------------------------- */

/* A file below /proc/PID of the service, or of ourselves while it does not run. Returns `path`. */
const char *doctor_process_path(const struct doctor *doctor, const char *name, char path[DOCTOR_PATH_BYTES]);

/* The text behind `key` at the start of a line of `text` ("VmLck:"), leading blanks skipped; NULL: no such line. */
const char *doctor_line(const char *text, const char *key);

/* A capability bit in the CapEff line of a status file. -errno, 0 or 1. */
int doctor_has_capability(const struct doctor *doctor, unsigned bit);
/* The soft limit of a line of /proc/PID/limits; UINT64_MAX: unlimited. -errno. */
int doctor_limit(const struct doctor *doctor, const char *name, uint64_t *limit_out);

/*
 * The value of the last `name=` on the kernel's command line. Returns its length, -ENOENT if it is not there, -E2BIG if
 * it does not fit, or why /proc/cmdline cannot be read.
 */
int doctor_cmdline(const struct doctor *doctor, const char *name, char *value, size_t bytes);

/* The kernel's version as major * 1000 + minor, or -errno. *path_out: where it is read. */
int doctor_kernel_version(const struct doctor *doctor, const char **path_out);

#define DOCTOR_MAX_NODES 1024
/*
 * Calls `each` for every NUMA node with its cores until it returns something else than 0, which is returned. -errno if
 * the nodes cannot be read (-ENOENT: a kernel without NUMA); `path` then names the file.
 */
int doctor_each_node(const struct doctor *doctor, char path[DOCTOR_PATH_BYTES],
		     int (*each)(void *context, unsigned node, const struct doctor_cpus *cpus), void *context);

/*
 * Reads a decimal file per poll core. Cores whose file is missing go to `missing`, the others to `set` if accept()
 * likes the number. -errno of the first other failure; `path` then names the file, else the last one read.
 */
int doctor_each_number(const struct doctor *doctor, const char *format, char path[DOCTOR_PATH_BYTES],
		       bool (*accept)(int64_t number), struct doctor_cpus *set, struct doctor_cpus *missing);

/* ---- the checks, by file ----------------------------------------------------------------------------------- */

typedef enum doctor_result doctor_check_function(const struct doctor *doctor, struct doctor_answer *answer);

/* doctor_checks_process.c: the rights and the memory of the process */
doctor_check_function doctor_check_affinity, doctor_check_memlock, doctor_check_rtprio, doctor_check_locked,
	doctor_check_major_faults;
/* doctor_checks_cores.c: the cores themselves, and who may use them */
doctor_check_function doctor_check_cores_exist, doctor_check_housekeeping, doctor_check_cpuset, doctor_check_isolated,
	doctor_check_managed_irq, doctor_check_other_tasks, doctor_check_smt;
/* doctor_checks_kernel.c: how the kernel was told to behave */
doctor_check_function doctor_check_rt_throttling, doctor_check_rt_group, doctor_check_fair_server,
	doctor_check_nohz_full, doctor_check_rcu_nocbs, doctor_check_timer_migration, doctor_check_stat_interval,
	doctor_check_nmi_watchdog, doctor_check_watchdog_cpus, doctor_check_workqueue, doctor_check_preempt_rt,
	doctor_check_mitigations;
/* doctor_checks_interrupts.c */
doctor_check_function doctor_check_irqs, doctor_check_irq_default, doctor_check_interrupts, doctor_check_acrn_upcall;
/* doctor_checks_machine.c: clocks, power, what is below us */
doctor_check_function doctor_check_clocksource, doctor_check_tsc, doctor_check_steal, doctor_check_governor,
	doctor_check_cstates, doctor_check_hypervisor;
/* doctor_checks_memory.c */
doctor_check_function doctor_check_hugepages, doctor_check_numa, doctor_check_swap, doctor_check_thp, doctor_check_ksm,
	doctor_check_numa_balancing;

#endif
