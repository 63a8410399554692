/* SPDX-License-Identifier: MIT */
/*
 * Checks: what the process may do, and how its memory fares. They look at the running service; while none runs, at the
 * process that asks, which tells at least what a service started from here would be allowed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_tasks.h"

enum { CAP_LOCK_MEMORY = 14, CAP_NICE = 23 }; /* CAP_IPC_LOCK, CAP_SYS_NICE of capabilities(7) */

/* ---- affinity ---------------------------------------------------------------------------------------------- */

struct allowed {
	const struct doctor *doctor;
	struct doctor_cpus cpus;
	int rc;
};

static int read_allowed(const struct doctor *doctor, const char *path, struct doctor_cpus *cpus_out)
{
	char text[8192];
	int length = doctor_root_read(doctor->root, path, text, sizeof(text));
	char *list;

	if (length < 0)
		return length;
	list = (char *)doctor_line(text, "Cpus_allowed_list:");
	if (!list)
		return -EINVAL;
	list[strcspn(list, "\n")] = '\0';
	return doctor_cpus_parse_list(list, -1, cpus_out);
}

static void add_allowed(void *context, const struct doctor_task *task)
{
	struct allowed *allowed = context;
	char path[DOCTOR_PATH_BYTES];
	struct doctor_cpus cpus;
	int rc = read_allowed(allowed->doctor, doctor_path(path, "/proc/%d/task/%d/status", task->pid, task->tid),
			      &cpus);

	if (rc == 0)
		doctor_cpus_or(&allowed->cpus, &cpus);
	else if (rc != -ENOENT && rc != -ESRCH)
		allowed->rc = rc;
}

/* A running service has a thread on each of its cores; its first thread is on a housekeeping core. */
static int service_allowed(const struct doctor *doctor, struct doctor_cpus *cpus_out)
{
	struct allowed allowed = {.doctor = doctor};
	int rc = doctor_process_tasks(doctor->root, doctor->plan.pid, add_allowed, &allowed);

	*cpus_out = allowed.cpus;
	return rc ? rc : allowed.rc;
}

enum doctor_result doctor_check_affinity(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus allowed, isolated;
	char path[DOCTOR_PATH_BYTES];
	int rc;

	if (doctor->plan.survey && doctor->service)
		return doctor_skip(answer, "no poll core was named, and ioreqd is not meant for all cores");
	doctor_process_path(doctor, doctor->service ? "task/*/status" : "status", path);
	rc = doctor->service ? service_allowed(doctor, &allowed) : read_allowed(doctor, path, &allowed);
	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &allowed);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "%s may run on cores %s", doctor_who(doctor).text,
				   doctor_cores(&allowed).text);
	doctor_fix(answer, "unit line: CPUAffinity=%s %s", doctor_housekeeping_text(doctor).text,
		   doctor_poll_text(doctor).text);
	/* isolcpus= itself takes the isolated cores out of everybody's affinity: the way back is open. */
	if (!doctor->service && doctor_root_list(doctor->root, "/sys/devices/system/cpu/isolated", &isolated) == 0) {
		struct doctor_cpus others = answer->cpus;

		doctor_cpus_minus(&others, &isolated);
		if (doctor_cpus_empty(&others))
			return doctor_find_as(answer, DOCTOR_INFO, path,
					      "isolated cores %s are in no process's affinity unless it asks for them",
					      doctor_cores(&answer->cpus).text);
	}
	return doctor_find(answer, path, "%s may run on cores %s only", doctor_who(doctor).text,
			   doctor_cores(&allowed).text);
}

/* ---- limits ------------------------------------------------------------------------------------------------ */

enum doctor_result doctor_check_memlock(const struct doctor *doctor, struct doctor_answer *answer)
{
	char limits[DOCTOR_PATH_BYTES], status[DOCTOR_PATH_BYTES];
	uint64_t limit;
	int rc = doctor_limit(doctor, "Max locked memory", &limit), capable;

	doctor_process_path(doctor, "limits", limits);
	if (rc)
		return doctor_unreadable(answer, limits, rc);
	if (limit == UINT64_MAX)
		return doctor_pass(answer, limits, "%s may lock all memory", doctor_who(doctor).text);
	capable = doctor_has_capability(doctor, CAP_LOCK_MEMORY);
	doctor_process_path(doctor, "status", status);
	if (capable < 0)
		return doctor_unreadable(answer, status, capable);
	if (capable)
		return doctor_pass(answer, status, "%s may lock all memory (CAP_IPC_LOCK)", doctor_who(doctor).text);
	doctor_fix(answer, "unit line: LimitMEMLOCK=infinity");
	return doctor_find(answer, limits, "%s may lock %" PRIu64 " KiB only, and has no CAP_IPC_LOCK",
			   doctor_who(doctor).text, limit / 1024);
}

enum doctor_result doctor_check_rtprio(const struct doctor *doctor, struct doctor_answer *answer)
{
	char limits[DOCTOR_PATH_BYTES], status[DOCTOR_PATH_BYTES];
	uint64_t limit;
	int rc = doctor_limit(doctor, "Max realtime priority", &limit), capable;

	doctor_process_path(doctor, "limits", limits);
	if (rc)
		return doctor_unreadable(answer, limits, rc);
	if (limit >= (uint64_t)doctor->plan.priority)
		return doctor_pass(answer, limits, "%s may use SCHED_FIFO up to priority %" PRIu64,
				   doctor_who(doctor).text, limit);
	capable = doctor_has_capability(doctor, CAP_NICE);
	doctor_process_path(doctor, "status", status);
	if (capable < 0)
		return doctor_unreadable(answer, status, capable);
	if (capable)
		return doctor_pass(answer, status, "%s may use SCHED_FIFO (CAP_SYS_NICE)", doctor_who(doctor).text);
	doctor_fix(answer, "unit line: LimitRTPRIO=%d", doctor->plan.priority);
	return doctor_find(answer, limits,
			   "%s may use SCHED_FIFO up to priority %" PRIu64 "; %d is needed, or CAP_SYS_NICE",
			   doctor_who(doctor).text, limit, doctor->plan.priority);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

enum doctor_result doctor_check_locked(const struct doctor *doctor, struct doctor_answer *answer)
{
	char path[DOCTOR_PATH_BYTES], text[8192];
	const char *value;
	int length;

	if (!doctor->service)
		return doctor_skip(answer, "ioreqd is not running");
	length = doctor_root_read(doctor->root, doctor_process_path(doctor, "status", path), text, sizeof(text));
	if (length < 0)
		return doctor_unreadable(answer, path, length);
	value = doctor_line(text, "VmLck:");
	if (!value || *value < '0' || *value > '9')
		return doctor_unreadable(answer, path, -EINVAL);
	if (strtoull(value, NULL, 10) > 0)
		return doctor_pass(answer, path, "%s has locked %.*s", doctor_who(doctor).text,
				   (int)strcspn(value, "\n"), value);
	doctor_fix(answer, "unit line: LimitMEMLOCK=infinity, and restart ioreqd so that it locks its memory");
	return doctor_find(answer, path, "%s has locked no memory", doctor_who(doctor).text);
}

struct faults {
	const struct doctor *doctor;
	struct doctor_answer *answer;
	uint64_t faults;
};

static void add_faults(void *context, const struct doctor_task *task)
{
	struct faults *sum = context;

	if (!task->major_faults || !doctor_cpus_has(&sum->doctor->plan.poll, (unsigned)task->cpu))
		return;
	sum->faults += task->major_faults;
	doctor_cpus_add(&sum->answer->cpus, (unsigned)task->cpu);
}

enum doctor_result doctor_check_major_faults(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct faults sum = {.doctor = doctor, .answer = answer};
	char path[DOCTOR_PATH_BYTES];
	int rc;

	if (!doctor->service)
		return doctor_skip(answer, "ioreqd is not running");
	doctor_process_path(doctor, "task/*/stat", path);
	rc = doctor_process_tasks(doctor->root, doctor->plan.pid, add_faults, &sum);
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (sum.faults == 0)
		return doctor_pass(answer, path, "no major page fault in its threads on the poll cores");
	doctor_fix(answer, "unit line: LimitMEMLOCK=infinity (memory that is locked is not paged out); swapoff -a");
	return doctor_find(answer, path, "%" PRIu64 " major page faults in its threads on the poll cores", sum.faults);
}
