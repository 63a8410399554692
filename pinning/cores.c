/* SPDX-License-Identifier: MIT */
/*
 * CPU lists and the checks on them: see cores.h.
 *
 * Threads   Any. Memory: the caller's.
 */
#include "pinning/cores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/refuse.h"

/* ---- lists ------------------------------------------------------------------------------------------------- */

/* One CPU number; the position after it, or NULL. */
static const char *parse_cpu(const char *text, unsigned long *cpu_out)
{
	unsigned long cpu = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++) {
		cpu = cpu * 10 + (unsigned long)(*text - '0');
		if (cpu >= CPU_SETSIZE)
			return NULL;
	}
	*cpu_out = cpu;
	return text;
}

int cores_parse(const char *text, cpu_set_t *cpus_out)
{
	unsigned long first, last;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	while (*text) {
		text = parse_cpu(text, &first);
		if (!text)
			return -EINVAL;
		last = first;
		if (*text == '-')
			text = parse_cpu(text + 1, &last);
		if (!text || last < first)
			return -EINVAL;
		for (; first <= last; first++)
			CPU_SET(first, &cpus);
		if (*text == ',' && text[1])
			text++;
		else if (*text)
			return -EINVAL;
	}
	*cpus_out = cpus;
	return 0;
}

void cores_format(const cpu_set_t *cpus, char *text, size_t bytes)
{
	const char *comma = "";
	size_t used = 0;

	text[0] = 0;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		size_t first = cpu;
		char item[16];

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, cpus))
			cpu++;
		if (first == cpu)
			snprintf(item, sizeof(item), "%s%zu", comma, cpu);
		else
			snprintf(item, sizeof(item), "%s%zu-%zu", comma, first, cpu);
		/* What does not fit is cut between two items. */
		if (used + strlen(item) + sizeof("...") > bytes) {
			strcpy(text + used, "...");
			return;
		}
		strcpy(text + used, item);
		used += strlen(item);
		comma = ",";
	}
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static int read_list(const char *root, const char *path, cpu_set_t *cpus_out)
{
	char text[4096];
	int status = sysfile_read(root, path, text, sizeof(text));

	return status ? status : cores_parse(text, cpus_out);
}

static int read_allowed(const char *root, cpu_set_t *cpus_out)
{
	char text[SYSFILE_STATUS_BYTES], list[4096];
	int status = sysfile_read(root, "proc/self/status", text, sizeof(text));

	if (!status)
		status = sysfile_field(text, "Cpus_allowed_list", list, sizeof(list));
	return status ? status : cores_parse(list, cpus_out);
}

/* The nearest group on the way up that has the controller says what is allowed. */
static void read_cpuset(const char *root, struct cores *cores)
{
	static const char *const names[] = {"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"};
	char path[SYSFILE_PATH_BYTES + 32];
	char *slash;

	cores->cpuset = cores->present;
	if (sysfile_cgroup(root, "cpuset", cores->cgroup, sizeof(cores->cgroup)))
		cores->cgroup[0] = 0;
	while (cores->cgroup[0]) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(path, sizeof(path), "%s/%s", cores->cgroup, names[i]);
			if (read_list(root, path, &cores->cpuset) == 0 && CPU_COUNT(&cores->cpuset))
				return;
		}
		slash = strrchr(cores->cgroup, '/');
		if (!slash || strcmp(cores->cgroup, "sys/fs/cgroup") == 0)
			break;
		*slash = 0;
	}
	cores->cpuset = cores->present;
	cores->cgroup[0] = 0;
}

enum pinning_status cores_read(const char *root, struct cores *cores_out, struct ioreq_error *error)
{
	struct cores cores;
	const char *path = "sys/devices/system/cpu/present";
	int status = read_list(root, path, &cores.present);

	memset(cores.cgroup, 0, sizeof(cores.cgroup));
	if (!status) {
		path = "sys/devices/system/cpu/online";
		status = read_list(root, path, &cores.online);
	}
	if (!status) {
		path = "proc/self/status";
		status = read_allowed(root, &cores.allowed);
	}
	if (status)
		return pinning_refuse(
			error, PINNING_UNREADABLE,
			"/%s: %s: the CPUs cannot be counted; are /proc and /sys mounted and visible here?", path,
			strerror(-status));
	if (read_list(root, "sys/devices/system/cpu/isolated", &cores.isolated))
		CPU_ZERO(&cores.isolated);
	read_cpuset(root, &cores);
	*cores_out = cores;
	return PINNING_OK;
}

/* ---- checking ---------------------------------------------------------------------------------------------- */

void cores_of_pollers(const struct pinning_config *config, cpu_set_t *cpus_out)
{
	CPU_ZERO(cpus_out);
	for (unsigned i = 0; i < config->nr_pollers; i++)
		CPU_SET((size_t)config->pollers[i].core, cpus_out);
}

static enum pinning_status check_values(const struct pinning_config *config, struct ioreq_error *error)
{
	if (config->nr_pollers < 1 || config->nr_pollers > PINNING_MAX_POLLERS)
		return pinning_refuse(error, PINNING_BAD_VALUE, "%u pollers; allowed: 1..%d", config->nr_pollers,
				      PINNING_MAX_POLLERS);
	for (unsigned i = 0; i < config->nr_pollers; i++) {
		const struct pinning_poller *poller = &config->pollers[i];

		if (poller->core < 0 || poller->core >= CPU_SETSIZE)
			return pinning_refuse(error, PINNING_BAD_VALUE, "poller %s: core %d; allowed: 0..%d",
					      poller->name, poller->core, CPU_SETSIZE - 1);
		if (poller->priority < 0 || poller->priority > 99)
			return pinning_refuse(error, PINNING_BAD_VALUE,
					      "poller %s: priority %d; allowed: 1..99 (SCHED_FIFO), 0 (ordinary)",
					      poller->name, poller->priority);
		for (unsigned k = 0; k < i; k++)
			if (config->pollers[k].core == poller->core)
				return pinning_refuse(error, PINNING_CORE_TWICE,
						      "core %d is given to pollers %s and %s: give each one a core of "
						      "its own",
						      poller->core, config->pollers[k].name, poller->name);
	}
	return PINNING_OK;
}

/* May a thread of this process be put on the core? What isolcpus= took out of the affinity may be asked for. */
static bool usable(const struct cores *cores, size_t core)
{
	if (!CPU_ISSET(core, &cores->online) || !CPU_ISSET(core, &cores->cpuset))
		return false;
	return CPU_ISSET(core, &cores->allowed) || CPU_ISSET(core, &cores->isolated);
}

static enum pinning_status check_core(const struct cores *cores, const struct pinning_poller *poller,
				      struct ioreq_error *error)
{
	size_t core = (size_t)poller->core;
	char list[CORES_TEXT_BYTES];

	if (!CPU_ISSET(core, &cores->present)) {
		cores_format(&cores->present, list, sizeof(list));
		return pinning_refuse(error, PINNING_NO_CORE,
				      "poller %s: core %zu does not exist, this machine has %s: name one of those",
				      poller->name, core, list);
	}
	if (!CPU_ISSET(core, &cores->online))
		return pinning_refuse(error, PINNING_NO_CORE,
				      "poller %s: core %zu is offline: echo 1 >/sys/devices/system/cpu/cpu%zu/online",
				      poller->name, core, core);
	if (!CPU_ISSET(core, &cores->cpuset)) {
		cores_format(&cores->cpuset, list, sizeof(list));
		return pinning_refuse(
			error, PINNING_OUTSIDE,
			"poller %s: core %zu is outside the cpuset %s of /%.80s: add it there (AllowedCPUs= "
			"in systemd)",
			poller->name, core, list, cores->cgroup);
	}
	if (!usable(cores, core)) {
		cores_format(&cores->allowed, list, sizeof(list));
		return pinning_refuse(error, PINNING_OUTSIDE,
				      "poller %s: core %zu is outside the CPUs this process may use, %s: add it to "
				      "CPUAffinity= of the unit, or to taskset's list",
				      poller->name, core, list);
	}
	return PINNING_OK;
}

static enum pinning_status check_housekeeping(const struct cores *cores, const cpu_set_t *wanted,
					      const struct pinning_config *config, struct ioreq_error *error)
{
	char list[CORES_TEXT_BYTES];

	for (unsigned i = 0; i < config->nr_pollers; i++)
		if (CPU_ISSET((size_t)config->pollers[i].core, wanted))
			return pinning_refuse(error, PINNING_HOUSEKEEPING,
					      "core %d is both a housekeeping core and the core of poller %s: take it "
					      "out of one of the two",
					      config->pollers[i].core, config->pollers[i].name);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, wanted) || usable(cores, cpu))
			continue;
		cores_format(&cores->allowed, list, sizeof(list));
		return pinning_refuse(
			error, PINNING_HOUSEKEEPING,
			"housekeeping core %zu is not there or not allowed, this process may use %s: name "
			"one of those",
			cpu, list);
	}
	return PINNING_OK;
}

/* Everything that may be used and no poller wants; isolated CPUs only if there is nothing else. */
static enum pinning_status choose_housekeeping(const struct cores *cores, const struct pinning_config *config,
					       cpu_set_t *chosen, struct ioreq_error *error)
{
	cpu_set_t free, ordinary, pollers;
	unsigned nr_usable = 0;

	cores_of_pollers(config, &pollers);
	CPU_ZERO(&free);
	CPU_ZERO(&ordinary);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!usable(cores, cpu))
			continue;
		nr_usable++;
		if (CPU_ISSET(cpu, &pollers))
			continue;
		CPU_SET(cpu, &free);
		if (!CPU_ISSET(cpu, &cores->isolated))
			CPU_SET(cpu, &ordinary);
	}
	if (CPU_COUNT(&free) == 0 && nr_usable == 1)
		return pinning_refuse(error, PINNING_ONE_CPU,
				      "CPU %d is the only one this process may use, and a poller needs one beside the "
				      "housekeeping core: give it a second one (CPUAffinity=, taskset), or run without "
				      "pinning",
				      config->pollers[0].core);
	if (CPU_COUNT(&free) == 0)
		return pinning_refuse(
			error, PINNING_HOUSEKEEPING,
			"the pollers take all %u CPUs that this process may use: leave one for housekeeping",
			nr_usable);
	*chosen = CPU_COUNT(&ordinary) ? ordinary : free;
	return PINNING_OK;
}

enum pinning_status cores_check(const struct cores *cores, const struct pinning_config *config,
				cpu_set_t *housekeeping_out, struct ioreq_error *error)
{
	enum pinning_status status = check_values(config, error);
	cpu_set_t housekeeping = config->housekeeping;

	for (unsigned i = 0; !status && i < config->nr_pollers; i++)
		status = check_core(cores, &config->pollers[i], error);
	if (!status && CPU_COUNT(&housekeeping) == 0)
		status = choose_housekeeping(cores, config, &housekeeping, error);
	else if (!status)
		status = check_housekeeping(cores, &housekeeping, config, error);
	if (!status)
		*housekeeping_out = housekeeping;
	return status;
}

/* ---- throttling -------------------------------------------------------------------------------------------- */

/* The two files of one throttle. On if the pollers' share of the period is less than all of it. */
static bool throttle_on(const char *root, const char *runtime_path, const char *period_path, long long *lost_us,
			long long *period_us)
{
	long long runtime_us;

	if (sysfile_number(root, runtime_path, &runtime_us) || sysfile_number(root, period_path, period_us))
		return false;
	*lost_us = *period_us - runtime_us;
	return runtime_us >= 0 && *lost_us > 0;
}

bool cores_throttled(const char *root, char *text, size_t bytes)
{
	static const char system_runtime[] = "proc/sys/kernel/sched_rt_runtime_us";
	char group[SYSFILE_PATH_BYTES], runtime[SYSFILE_PATH_BYTES + 32], period[SYSFILE_PATH_BYTES + 32];
	long long lost_us, period_us;
	bool by_system, by_group = false;

	by_system = throttle_on(root, system_runtime, "proc/sys/kernel/sched_rt_period_us", &lost_us, &period_us);
	if (sysfile_cgroup(root, "cpu", group, sizeof(group)) == 0) {
		long long group_lost_us, group_period_us;

		snprintf(runtime, sizeof(runtime), "%s/cpu.rt_runtime_us", group);
		snprintf(period, sizeof(period), "%s/cpu.rt_period_us", group);
		by_group = throttle_on(root, runtime, period, &group_lost_us, &group_period_us);
		if (by_group && !by_system) {
			lost_us = group_lost_us;
			period_us = group_period_us;
		}
	}
	if (!by_system && !by_group)
		return false;
	snprintf(text, bytes,
		 "real-time throttling: while another task waits for its core, a FIFO poller, which never sleeps, is "
		 "stopped for %lld of every %lld us; write -1 to %s%s%s%.80s",
		 lost_us, period_us, by_system ? "/" : "", by_system ? system_runtime : "",
		 !by_group ? "" : (by_system ? " and /" : "/"), by_group ? runtime : "");
	return true;
}
