/* SPDX-License-Identifier: MIT */
/* Checks: how the kernel was told to behave, on its command line and by sysctl. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"

/* ---- real-time bandwidth ----------------------------------------------------------------------------------- */

#define RT_RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"
#define RT_PERIOD "/proc/sys/kernel/sched_rt_period_us"

enum doctor_result doctor_check_rt_throttling(const struct doctor *doctor, struct doctor_answer *answer)
{
	int64_t runtime_us, period_us;
	const char *path = RT_RUNTIME;
	int rc = doctor_root_number(doctor->root, path, &runtime_us);

	if (rc == 0 && runtime_us == -1)
		return doctor_pass(answer, RT_RUNTIME, "-1: off");
	if (rc == 0) {
		path = RT_PERIOD;
		rc = doctor_root_number(doctor->root, path, &period_us);
	}
	if (rc == 0 && (runtime_us < 0 || period_us <= 0))
		rc = -ERANGE;
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (runtime_us >= period_us)
		return doctor_pass(answer, RT_RUNTIME, "%" PRId64 " of %" PRId64 " us: off", runtime_us, period_us);
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer, "sysctl: kernel.sched_rt_runtime_us=-1");
	return doctor_find(answer, RT_RUNTIME,
			   "SCHED_FIFO tasks get %" PRId64 " of %" PRId64
			   " us: a core that polls stands still for %" PRId64 " us of them",
			   runtime_us, period_us, period_us - runtime_us);
}

/* The folder of the cpu controller of cgroup v1. */
static int find_cpu_group(const struct doctor *doctor, char path[DOCTOR_PATH_BYTES], char group[DOCTOR_PATH_BYTES])
{
	char text[8192], *line, *rest;
	int length = doctor_root_read(doctor->root, doctor_process_path(doctor, "cgroup", path), text, sizeof(text));

	if (length < 0)
		return length;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;

		if (!where)
			return -EINVAL;
		*where = '\0';
		if (strcmp(names, ":cpu") != 0 && strcmp(names, ":cpu,cpuacct") != 0 &&
		    strcmp(names, ":cpuacct,cpu") != 0)
			continue;
		doctor_path(group, "/sys/fs/cgroup/%s%s", names + 1, strcmp(where + 1, "/") ? where + 1 : "");
		return 0;
	}
	return -ENOENT;
}

enum doctor_result doctor_check_rt_group(const struct doctor *doctor, struct doctor_answer *answer)
{
	char path[DOCTOR_PATH_BYTES], group[DOCTOR_PATH_BYTES], file[DOCTOR_PATH_BYTES + 32];
	int64_t runtime_us, period_us = 0;
	int rc = find_cpu_group(doctor, path, group);

	if (rc == -ENOENT && doctor_root_exists(doctor->root, path))
		return doctor_skip(answer, "no cgroup v1 cpu controller");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	snprintf(file, sizeof(file), "%s/cpu.rt_runtime_us", group);
	rc = doctor_root_number(doctor->root, file, &runtime_us);
	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel has no real-time groups");
	if (rc)
		return doctor_unreadable(answer, file, rc);
	if (runtime_us == -1)
		return doctor_pass(answer, file, "-1: not limited");
	snprintf(file, sizeof(file), "%s/cpu.rt_period_us", group);
	rc = doctor_root_number(doctor->root, file, &period_us);
	if (rc == 0 && (runtime_us < 0 || period_us <= 0))
		rc = -ERANGE;
	if (rc)
		return doctor_unreadable(answer, file, rc);
	snprintf(file, sizeof(file), "%s/cpu.rt_runtime_us", group);
	if (runtime_us >= period_us)
		return doctor_pass(answer, file, "%" PRId64 " of %" PRId64 " us: not limited", runtime_us, period_us);
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer, "sysctl: kernel.sched_rt_runtime_us=-1, then echo -1 > %s", file);
	return doctor_find(answer, file, "the group of %s gets %" PRId64 " of %" PRId64 " us of real time%s",
			   doctor_who(doctor).text, runtime_us, period_us, runtime_us ? "" : ": SCHED_FIFO is refused");
}

static bool is_not_zero(int64_t number)
{
	return number != 0;
}

/* Linux 6.12 put a deadline server in the place of throttling: it runs normal tasks that starve behind a poller. */
enum doctor_result doctor_check_fair_server(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus missing = {{0}};
	char path[DOCTOR_PATH_BYTES] = "";
	const char *release;
	int version = doctor_kernel_version(doctor, &release), rc;

	if (version < 0)
		return doctor_unreadable(answer, release, version);
	if (version < 6012)
		return doctor_skip(answer, "Linux %d.%d has none", version / 1000, version % 1000);
	rc = doctor_each_number(doctor, "/sys/kernel/debug/sched/fair_server/cpu%d/runtime", path, is_not_zero,
				&answer->cpus, &missing);
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (!doctor_cpus_empty(&answer->cpus)) {
		doctor_fix(answer,
			   "for each of these cores: echo 0 > /sys/kernel/debug/sched/fair_server/cpu<core>/runtime");
		return doctor_find(answer, "/sys/kernel/debug/sched/fair_server/cpu*/runtime",
				   "on cores %s it gives normal tasks that wait behind a poller time of their own",
				   doctor_cores(&answer->cpus).text);
	}
	if (!doctor_cpus_empty(&missing))
		return doctor_unreadable(answer, "/sys/kernel/debug/sched/fair_server/cpu*/runtime", -ENOENT);
	return doctor_pass(answer, "/sys/kernel/debug/sched/fair_server/cpu*/runtime", "off");
}

/* ---- ticks and callbacks ----------------------------------------------------------------------------------- */

#define NOHZ_FULL "/sys/devices/system/cpu/nohz_full"

/* A kernel without adaptive ticks has no such file: then no core has them. */
static int read_nohz_full(const struct doctor *doctor, struct doctor_cpus *cpus_out)
{
	int rc = doctor_root_list(doctor->root, NOHZ_FULL, cpus_out);

	if (rc == -ENOENT) {
		*cpus_out = (struct doctor_cpus){{0}};
		return 0;
	}
	return rc;
}

enum doctor_result doctor_check_nohz_full(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus tickless;
	int rc = read_nohz_full(doctor, &tickless);

	if (rc)
		return doctor_unreadable(answer, NOHZ_FULL, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &tickless);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, NOHZ_FULL, "cores %s stop their tick", doctor_cores(&tickless).text);
	doctor_fix(answer, "kernel parameter: nohz_full=%s", doctor_poll_text(doctor).text);
	return doctor_find(
		answer, NOHZ_FULL, "cores %s keep their timer tick%s", doctor_cores(&answer->cpus).text,
		doctor_root_exists(doctor->root, NOHZ_FULL) ? "" : "; this kernel is built without CONFIG_NO_HZ_FULL");
}

/* N and all of the command line: every CPU that there can be. */
static int read_cmdline_cpus(const struct doctor *doctor, const char *name, struct doctor_cpus *cpus_out)
{
	struct doctor_cpus possible;
	char value[2048];
	int length = doctor_cmdline(doctor, name, value, sizeof(value)), last = -1;

	if (length < 0)
		return length;
	if (doctor_root_list(doctor->root, "/sys/devices/system/cpu/possible", &possible))
		possible = doctor->online;
	doctor_cpus_each(cpu, &possible) last = cpu;
	return doctor_cpus_parse_list(value, last, cpus_out);
}

enum doctor_result doctor_check_rcu_nocbs(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_cpus offloaded = {{0}}, tickless;
	int rc = read_cmdline_cpus(doctor, "rcu_nocbs", &offloaded);

	if (rc && !(rc == -ENOENT && doctor_root_exists(doctor->root, "/proc/cmdline")))
		return doctor_unreadable(answer, "/proc/cmdline", rc);
	/* Tickless cores have their callbacks taken away without being named again. */
	rc = read_nohz_full(doctor, &tickless);
	if (rc)
		return doctor_unreadable(answer, NOHZ_FULL, rc);
	doctor_cpus_or(&offloaded, &tickless);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &offloaded);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, "/proc/cmdline", "callbacks of cores %s are done elsewhere",
				   doctor_cores(&offloaded).text);
	doctor_fix(answer, "kernel parameter: rcu_nocbs=%s", doctor_poll_text(doctor).text);
	return doctor_find(answer, "/proc/cmdline", "cores %s do the kernel's RCU callbacks themselves",
			   doctor_cores(&answer->cpus).text);
}

enum doctor_result doctor_check_timer_migration(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/sys/kernel/timer_migration";
	struct doctor_cpus tickless;
	int64_t on;
	int rc = doctor_root_number(doctor->root, path, &on);

	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel does not migrate timers");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (on == 0)
		return doctor_pass(answer, path, "0: off");
	answer->cpus = doctor->plan.poll;
	if (read_nohz_full(doctor, &tickless) == 0)
		doctor_cpus_minus(&answer->cpus, &tickless);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "on, but timers do not go to tickless cores");
	doctor_fix(answer, "sysctl: kernel.timer_migration=0");
	return doctor_find(answer, path, "timers of idle cores may be moved to cores %s",
			   doctor_cores(&answer->cpus).text);
}

enum doctor_result doctor_check_stat_interval(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/sys/vm/stat_interval";
	int64_t seconds;
	int rc = doctor_root_number(doctor->root, path, &seconds);

	if (rc == 0 && seconds < 0)
		rc = -ERANGE;
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (seconds >= 10)
		return doctor_pass(answer, path, "every %" PRId64 " s", seconds);
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer, "sysctl: vm.stat_interval=120");
	return doctor_find(answer, path, "memory statistics are folded every %" PRId64 " s", seconds);
}

/* ---- watchdogs and workers --------------------------------------------------------------------------------- */

enum doctor_result doctor_check_nmi_watchdog(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/sys/kernel/nmi_watchdog";
	int64_t on;
	int rc = doctor_root_number(doctor->root, path, &on);

	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel has none");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (on == 0)
		return doctor_pass(answer, path, "0: off");
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer, "sysctl: kernel.nmi_watchdog=0");
	return doctor_find(answer, path, "%" PRId64 ": on", on);
}

enum doctor_result doctor_check_watchdog_cpus(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/sys/kernel/watchdog";
	struct doctor_cpus watched;
	int64_t on;
	int rc = doctor_root_number(doctor->root, path, &on);

	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel has none");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (on == 0)
		return doctor_pass(answer, path, "0: off");
	path = "/proc/sys/kernel/watchdog_cpumask";
	/* A list, its name notwithstanding. */
	rc = doctor_root_list(doctor->root, path, &watched);
	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_and(&answer->cpus, &watched);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "watches cores %s only", doctor_cores(&watched).text);
	doctor_fix(answer, "sysctl: kernel.watchdog_cpumask=%s", doctor_housekeeping_text(doctor).text);
	return doctor_find(answer, path, "the lockup watchdog runs on cores %s", doctor_cores(&answer->cpus).text);
}

enum doctor_result doctor_check_workqueue(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/sys/devices/virtual/workqueue/cpumask";
	struct doctor_cpus workers;
	int rc = doctor_root_mask(doctor->root, path, &workers);

	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_and(&answer->cpus, &workers);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "unbound kernel work runs on cores %s", doctor_cores(&workers).text);
	doctor_fix(answer, "write the hexadecimal mask of cores %s to %s", doctor_housekeeping_text(doctor).text, path);
	if (!doctor->plan.survey && doctor_cpus_next(&doctor->plan.housekeeping, 31) < 0)
		doctor_fix(answer, "echo %" PRIx64 " > %s", doctor->plan.housekeeping.words[0], path);
	return doctor_find(answer, path, "unbound kernel work may run on cores %s", doctor_cores(&answer->cpus).text);
}

/* ---- for information --------------------------------------------------------------------------------------- */

enum doctor_result doctor_check_preempt_rt(const struct doctor *doctor, struct doctor_answer *answer)
{
	char text[512];
	int64_t on = 0;
	int rc = doctor_root_number(doctor->root, "/sys/kernel/realtime", &on);

	if (rc == 0 && on == 1)
		return doctor_pass(answer, "/sys/kernel/realtime", "1: PREEMPT_RT");
	if (rc && rc != -ENOENT)
		return doctor_unreadable(answer, "/sys/kernel/realtime", rc);
	rc = doctor_root_read(doctor->root, "/proc/version", text, sizeof(text));
	if (rc < 0)
		return doctor_unreadable(answer, "/proc/version", rc);
	if (strstr(text, "PREEMPT_RT"))
		return doctor_pass(answer, "/proc/version", "PREEMPT_RT");
	doctor_fix(answer, "install a PREEMPT_RT kernel (Debian: linux-image-rt-amd64) if the guests need its bounds");
	return doctor_find(answer, "/proc/version", "the kernel is not PREEMPT_RT");
}

struct vulnerabilities {
	const struct doctor_root *root;
	unsigned nr, mitigated;
	int rc;
};

static int count_mitigation(void *context, const char *name, bool folder)
{
	struct vulnerabilities *sum = context;
	char path[DOCTOR_PATH_BYTES], text[1024];
	int length;

	if (folder)
		return 0;
	length = doctor_root_read(sum->root, doctor_path(path, "/sys/devices/system/cpu/vulnerabilities/%s", name),
				  text, sizeof(text));
	if (length < 0)
		sum->rc = length;
	sum->nr++;
	sum->mitigated += length >= 0 && strncmp(text, "Mitigation", 10) == 0;
	return 0;
}

enum doctor_result doctor_check_mitigations(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/sys/devices/system/cpu/vulnerabilities";
	struct vulnerabilities sum = {.root = doctor->root};
	int rc = doctor_root_entries(doctor->root, path, count_mitigation, &sum);

	if (rc || sum.rc)
		return doctor_unreadable(answer, path, rc ? rc : sum.rc);
	if (sum.mitigated == 0)
		return doctor_pass(answer, path, "none of %u is in force", sum.nr);
	doctor_fix(answer, "kernel parameter: mitigations=off, only where every program on the machine is trusted");
	return doctor_find(answer, path, "%u of %u are in force", sum.mitigated, sum.nr);
}
