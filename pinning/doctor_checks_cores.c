/* SPDX-License-Identifier: MIT */
/* Checks: the poll cores themselves, who may run on them, and who does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_tasks.h"

#define ONLINE "/sys/devices/system/cpu/online"

enum doctor_result doctor_check_cores_exist(const struct doctor *doctor, struct doctor_answer *answer)
{
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &doctor->online);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, ONLINE, "cores %s are online", doctor_cores(&doctor->plan.poll).text);
	doctor_fix(answer, "configuration: choose poll cores out of %s", doctor_cores(&doctor->online).text);
	return doctor_find(answer, ONLINE, "cores %s are missing or offline; online are %s",
			   doctor_cores(&answer->cpus).text, doctor_cores(&doctor->online).text);
}

enum doctor_result doctor_check_housekeeping(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus usable = doctor->plan.housekeeping, both = doctor->plan.housekeeping;

	if (doctor->plan.survey)
		return doctor_skip(answer, "no poll core was named");
	doctor_cpus_and(&both, &doctor->plan.poll);
	if (!doctor_cpus_empty(&both)) {
		answer->cpus = both;
		doctor_fix(answer, "configuration: take cores %s out of one of the two lists",
			   doctor_cores(&both).text);
		return doctor_find(answer, ONLINE, "cores %s are to poll and to keep house", doctor_cores(&both).text);
	}
	doctor_cpus_and(&usable, &doctor->online);
	if (!doctor_cpus_empty(&usable))
		return doctor_pass(answer, ONLINE, "cores %s keep house", doctor_cores(&usable).text);
	doctor_fix(answer, "configuration: leave at least one online core out of the poll cores");
	return doctor_find(answer, ONLINE, "no online core is left for housekeeping; online are %s",
			   doctor_cores(&doctor->online).text);
}

/* ---- cpuset ------------------------------------------------------------------------------------------------ */

/* The process's folder below /sys/fs/cgroup, and what its file of effective cores is called there. */
static int find_cpuset(const struct doctor *doctor, char folder[DOCTOR_PATH_BYTES], const char **file_out)
{
	char path[DOCTOR_PATH_BYTES], text[8192], *line, *rest;
	int length = doctor_root_read(doctor->root, doctor_process_path(doctor, "cgroup", path), text, sizeof(text));
	bool found = false;

	/* Without the file nothing is known; with it, but without a line for it, there is no cpuset. */
	if (length < 0)
		return length == -ENOENT ? -ESRCH : length;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *controllers = strchr(line, ':'), *where = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!where)
			return -EINVAL;
		*where++ = '\0';
		if (strcmp(controllers + 1, "cpuset") == 0) {
			doctor_path(folder, "/sys/fs/cgroup/cpuset%s", where);
			*file_out = "cpuset.effective_cpus";
			return 0;
		}
		if (controllers[1] == '\0') {
			doctor_path(folder, "/sys/fs/cgroup%s", where);
			*file_out = "cpuset.cpus.effective";
			found = true;
		}
	}
	return found ? 0 : -ENOENT;
}

/* A group without the controller is bound by the nearest ancestor that has it. */
static int read_cpuset(const struct doctor *doctor, char path[DOCTOR_PATH_BYTES], struct doctor_cpus *cpus_out)
{
	char folder[DOCTOR_PATH_BYTES] = "";
	const char *file = "";
	char *slash;
	int rc = find_cpuset(doctor, folder, &file);

	if (rc) {
		doctor_process_path(doctor, "cgroup", path);
		return rc;
	}
	for (;;) {
		slash = strrchr(folder, '/');
		if (slash && slash[1] == '\0') {
			*slash = '\0';
			continue;
		}
		snprintf(path, DOCTOR_PATH_BYTES, "%.*s/%s", DOCTOR_PATH_BYTES - 40, folder, file);
		rc = doctor_root_list(doctor->root, path, cpus_out);
		if (rc != -ENOENT || !slash || strcmp(folder, "/sys/fs/cgroup") == 0)
			return rc;
		*slash = '\0';
	}
}

enum doctor_result doctor_check_cpuset(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus allowed;
	char path[DOCTOR_PATH_BYTES];
	int rc = read_cpuset(doctor, path, &allowed);

	if (rc == -ENOENT)
		return doctor_skip(answer, "no cpuset is in use");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &allowed);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "the cpuset of %s is %s", doctor_who(doctor).text,
				   doctor_cores(&allowed).text);
	doctor_fix(answer, "unit line: AllowedCPUs=%s %s, in the unit and in the slice that holds it",
		   doctor_housekeeping_text(doctor).text, doctor_poll_text(doctor).text);
	return doctor_find(answer, path, "the cpuset of %s is %s: without %s", doctor_who(doctor).text,
			   doctor_cores(&allowed).text, doctor_cores(&answer->cpus).text);
}

/* ---- isolation --------------------------------------------------------------------------------------------- */

/* Enough for every slice and service of a large machine; a hostile tree is deeper. */
enum { MAX_DEPTH = 5, MAX_FOLDERS = 5000 };

struct partitions {
	const struct doctor *doctor;
	struct doctor_cpus isolated, rooted; /* partition "isolated", partition "root" */
	char path[DOCTOR_PATH_BYTES];
	char found[DOCTOR_PATH_BYTES]; /* a partition that has poll cores */
	char invalid[128];             /* what an invalid one says */
	unsigned depth, folders;
	int rc;
};

/* One cgroup's cpuset.cpus.partition: "member", "root", "isolated", or one of the latter with " invalid (why)". */
static void look_at_partition(struct partitions *partitions)
{
	char path[DOCTOR_PATH_BYTES + 64], text[256];
	const struct doctor_root *root = partitions->doctor->root;
	struct doctor_cpus cpus;
	int rc;

	snprintf(path, sizeof(path), "%s/cpuset.cpus.partition", partitions->path);
	rc = doctor_root_read(root, path, text, sizeof(text));
	if (rc == -ENOENT || (rc >= 0 && strcmp(text, "member") == 0))
		return;
	snprintf(path, sizeof(path), "%s/cpuset.cpus.effective", partitions->path);
	if (rc >= 0)
		rc = doctor_root_list(root, path, &cpus);
	if (rc < 0) {
		partitions->rc = rc;
		return;
	}
	if (!doctor_cpus_overlap(&cpus, &partitions->doctor->plan.poll))
		return;
	snprintf(partitions->found, sizeof(partitions->found), "%.*s/cpuset.cpus.partition", DOCTOR_PATH_BYTES - 32,
		 partitions->path);
	if (strcmp(text, "isolated") == 0)
		doctor_cpus_or(&partitions->isolated, &cpus);
	else if (strcmp(text, "root") == 0)
		doctor_cpus_or(&partitions->rooted, &cpus);
	else
		snprintf(partitions->invalid, sizeof(partitions->invalid), "%.100s", text);
}

static int walk_partitions(void *context, const char *name, bool folder)
{
	struct partitions *partitions = context;
	size_t length = strlen(partitions->path);

	if (!folder || partitions->depth == MAX_DEPTH || length + strlen(name) + 2 > DOCTOR_PATH_BYTES)
		return 0;
	if (partitions->folders++ == MAX_FOLDERS)
		return 1;
	snprintf(partitions->path + length, DOCTOR_PATH_BYTES - length, "/%s", name);
	partitions->depth++;
	look_at_partition(partitions);
	doctor_root_entries(partitions->doctor->root, partitions->path, walk_partitions, partitions);
	partitions->depth--;
	partitions->path[length] = '\0';
	return 0;
}

static enum doctor_result find_not_isolated(const struct doctor *doctor, const struct partitions *partitions,
					    struct doctor_answer *answer)
{
	struct doctor_cpus rest = answer->cpus;
	struct doctor_text text = doctor_cores(&answer->cpus);

	doctor_fix(answer, "kernel parameter: isolcpus=managed_irq,domain,%s (or cpuset.cpus.partition=isolated)",
		   doctor_poll_text(doctor).text);
	doctor_cpus_minus(&rest, &partitions->rooted);
	if (doctor_cpus_empty(&rest)) {
		doctor_fix(answer, "echo isolated > %s", partitions->found);
		return doctor_find_as(answer, DOCTOR_HIGH, partitions->found,
				      "cores %s have a partition of their own, but it balances its load (root)",
				      text.text);
	}
	if (partitions->invalid[0])
		return doctor_find(answer, partitions->found, "the partition for cores %s is not in force: %s",
				   text.text, partitions->invalid);
	return doctor_find(answer, "/sys/devices/system/cpu/isolated", "cores %s are not isolated", text.text);
}

enum doctor_result doctor_check_isolated(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct partitions partitions = {.doctor = doctor, .path = "/sys/fs/cgroup"};
	struct doctor_cpus isolated;
	int rc = doctor_root_list(doctor->root, "/sys/devices/system/cpu/isolated", &isolated);

	if (rc)
		return doctor_unreadable(answer, "/sys/devices/system/cpu/isolated", rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &isolated);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, "/sys/devices/system/cpu/isolated", "cores %s are isolated",
				   doctor_cores(&isolated).text);
	/* Before Linux 6.7 a partition is told by its cgroup only. */
	doctor_root_entries(doctor->root, partitions.path, walk_partitions, &partitions);
	doctor_cpus_minus(&answer->cpus, &partitions.isolated);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, partitions.found, "an isolated partition has cores %s",
				   doctor_cores(&partitions.isolated).text);
	if (partitions.rc)
		return doctor_unreadable(answer, "/sys/fs/cgroup/**/cpuset.cpus.partition", partitions.rc);
	return find_not_isolated(doctor, &partitions, answer);
}

enum doctor_result doctor_check_managed_irq(const struct doctor *doctor, struct doctor_answer *answer)
{
	char value[1024];
	int length = doctor_cmdline(doctor, "isolcpus", value, sizeof(value));

	if (length == -ENOENT && doctor_root_exists(doctor->root, "/proc/cmdline"))
		return doctor_skip(answer, "isolcpus= is not used");
	if (length < 0)
		return doctor_unreadable(answer, "/proc/cmdline", length);
	if (strstr(value, "managed_irq"))
		return doctor_pass(answer, "/proc/cmdline", "isolcpus=%s", value);
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer, "kernel parameter: isolcpus=managed_irq,domain,%s", doctor_poll_text(doctor).text);
	return doctor_find(answer, "/proc/cmdline", "isolcpus=%s does not keep managed interrupts away", value);
}

/* ---- other tasks ------------------------------------------------------------------------------------------- */

struct crowd {
	const struct doctor_cpus *poll;
	struct doctor_cpus cpus;
	unsigned nr;
	char names[128];
};

static void note_task(void *context, const struct doctor_task *task)
{
	struct crowd *crowd = context;
	size_t used = strlen(crowd->names);

	if (task->bound || !doctor_cpus_has(crowd->poll, (unsigned)task->cpu))
		return;
	doctor_cpus_add(&crowd->cpus, (unsigned)task->cpu);
	if (crowd->nr++ < 3)
		snprintf(crowd->names + used, sizeof(crowd->names) - used, "%s%.20s (%d)", used ? ", " : "", task->name,
			 task->tid);
}

enum doctor_result doctor_check_other_tasks(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct crowd crowd = {.poll = &doctor->plan.poll};
	int rc = doctor_all_tasks(doctor->root, doctor->service ? doctor->plan.pid : 0, note_task, &crowd);
	const char *path = "/proc/*/task/*/stat";

	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = crowd.cpus;
	if (crowd.nr == 0)
		return doctor_pass(answer, path, "no task that could be elsewhere ran last on cores %s",
				   doctor_cores(&doctor->plan.poll).text);
	doctor_fix(answer,
		   "kernel parameter: isolcpus=managed_irq,domain,%s; units that name these cores in CPUAffinity= or "
		   "AllowedCPUs=: take them out",
		   doctor_poll_text(doctor).text);
	return doctor_find(answer, path, "%u tasks ran last on cores %s: %s%s", crowd.nr,
			   doctor_cores(&crowd.cpus).text, crowd.names, crowd.nr > 3 ? ", ..." : "");
}

/* ---- SMT --------------------------------------------------------------------------------------------------- */

enum doctor_result doctor_check_smt(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus siblings, all = {{0}};
	char path[DOCTOR_PATH_BYTES] = "";

	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		int rc;

		doctor_path(path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		rc = doctor_root_list(doctor->root, path, &siblings);
		/* A core is its own sibling. */
		if (rc == 0 && !doctor_cpus_has(&siblings, (unsigned)cpu))
			rc = -EINVAL;
		if (rc)
			return doctor_unreadable(answer, path, rc);
		doctor_cpus_and(&siblings, &doctor->online);
		siblings.words[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
		if (doctor_cpus_empty(&siblings))
			continue;
		doctor_cpus_add(&answer->cpus, (unsigned)cpu);
		doctor_cpus_or(&all, &siblings);
	}
	doctor_path(path, "/sys/devices/system/cpu/cpu*/topology/thread_siblings_list");
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "no core shares its execution units with another that is online");
	doctor_fix(answer, "kernel parameter: nosmt, or switch the siblings off: echo 0 > "
			   "/sys/devices/system/cpu/cpu<sibling>/online");
	return doctor_find(answer, path, "cores %s share their execution units with %s",
			   doctor_cores(&answer->cpus).text, doctor_cores(&all).text);
}
