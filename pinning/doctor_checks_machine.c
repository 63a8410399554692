/* SPDX-License-Identifier: MIT */
/* Checks: clocks, power, and what runs below this kernel. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/doctor_check.h"

/* ---- clocks ------------------------------------------------------------------------------------------------ */

enum doctor_result doctor_check_clocksource(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
	char text[64];
	int length = doctor_root_read(doctor->root, path, text, sizeof(text));

	if (length == 0)
		length = -EINVAL;
	if (length < 0)
		return doctor_unreadable(answer, path, length);
	if (strcmp(text, "tsc") == 0)
		return doctor_pass(answer, path, "tsc");
	doctor_fix(answer, "kernel parameter: clocksource=tsc tsc=reliable, if the machine's TSC is known to be good");
	return doctor_find(answer, path, "%s", text);
}

/* The first line of flags of /proc/cpuinfo, with a blank on either side. NULL: there is none. */
static char *load_flags(const struct doctor *doctor, int *rc_out)
{
	char *text, *flags = NULL;
	const char *line;

	*rc_out = doctor_root_load(doctor->root, "/proc/cpuinfo", &text);
	if (*rc_out)
		return NULL;
	line = doctor_line(text, "flags");
	if (!line || *line != ':')
		*rc_out = -EINVAL;
	else if (asprintf(&flags, " %.*s ", (int)strcspn(line + 1, "\n"), line + 1) < 0)
		*rc_out = -ENOMEM;
	free(text);
	return *rc_out ? NULL : flags;
}

enum doctor_result doctor_check_tsc(const struct doctor *doctor, struct doctor_answer *answer)
{
	bool constant, nonstop;
	int rc;
	char *flags = load_flags(doctor, &rc);

	if (!flags)
		return doctor_unreadable(answer, "/proc/cpuinfo", rc);
	constant = strstr(flags, " constant_tsc ");
	nonstop = strstr(flags, " nonstop_tsc ");
	free(flags);
	if (constant && nonstop)
		return doctor_pass(answer, "/proc/cpuinfo", "constant_tsc and nonstop_tsc");
	doctor_fix(answer, "a processor with an invariant TSC; under a hypervisor: let it pass the invariant TSC on");
	return doctor_find(answer, "/proc/cpuinfo", "%s%s%s missing in the flags", constant ? "" : "constant_tsc",
			   constant || nonstop ? "" : " and ", nonstop ? "" : "nonstop_tsc");
}

/* ---- steal ------------------------------------------------------------------------------------------------- */

/* Columns of a cpu line of /proc/stat, proc(5). guest and guest_nice are contained in user and nice. */
enum { STAT_STEAL = 7, STAT_COLUMNS = 8 };

static int read_steal(const char *text, int cpu, uint64_t *steal_out, uint64_t *sum_out)
{
	char key[24];
	const char *at;
	char *end;

	snprintf(key, sizeof(key), "cpu%d ", cpu);
	at = doctor_line(text, key);
	if (!at)
		return -EINVAL;
	for (unsigned i = 0; i < STAT_COLUMNS; i++) {
		uint64_t value = strtoull(at, &end, 10);

		if (end == at || memchr(at, '-', (size_t)(end - at)) || memchr(at, '\n', (size_t)(end - at)))
			return -EINVAL;
		at = end;
		*sum_out += value;
		if (i == STAT_STEAL)
			*steal_out += value;
		if (i == STAT_STEAL && value)
			return 1;
	}
	return 0;
}

enum doctor_result doctor_check_steal(const struct doctor *doctor, struct doctor_answer *answer)
{
	uint64_t steal = 0, sum = 0;
	double share;
	char *text;
	int rc = doctor_root_load(doctor->root, "/proc/stat", &text);

	if (rc)
		return doctor_unreadable(answer, "/proc/stat", rc);
	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		rc = read_steal(text, cpu, &steal, &sum);
		if (rc < 0)
			break;
		if (rc)
			doctor_cpus_add(&answer->cpus, (unsigned)cpu);
	}
	free(text);
	if (rc < 0)
		return doctor_unreadable(answer, "/proc/stat", rc);
	if (steal == 0)
		return doctor_pass(answer, "/proc/stat", "none since boot");
	share = 100.0 * (double)steal / (double)sum;
	doctor_fix(answer, "on the host: give each of these vCPUs a physical core of its own");
	return doctor_find_as(answer, share >= 0.01 ? DOCTOR_HIGH : DOCTOR_MED, "/proc/stat",
			      "%.4f %% of the time of cores %s since boot", share, doctor_cores(&answer->cpus).text);
}

/* ---- power ------------------------------------------------------------------------------------------------- */

enum doctor_result doctor_check_governor(const struct doctor *doctor, struct doctor_answer *answer)
{
	char path[DOCTOR_PATH_BYTES] = "", text[64], found[64] = "";
	unsigned nr = 0, missing = 0;

	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		int length = doctor_root_read(
			doctor->root, doctor_path(path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu),
			text, sizeof(text));

		if (length == -ENOENT && nr == 0) {
			missing++;
			continue;
		}
		if (length == 0)
			length = -EINVAL;
		/* All cores have a governor, or none has. */
		if (length < 0 || missing)
			return doctor_unreadable(answer, path, length < 0 ? length : -ENODATA);
		nr++;
		if (strcmp(text, "performance") == 0)
			continue;
		doctor_cpus_add(&answer->cpus, (unsigned)cpu);
		snprintf(found, sizeof(found), "%s", text);
	}
	if (nr == 0)
		return doctor_skip(answer, "the kernel does not control the frequency");
	doctor_path(path, "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "performance");
	doctor_fix(answer, "kernel parameter: cpufreq.default_governor=performance; now: echo performance > %s", path);
	return doctor_find(answer, path, "cores %s: %s", doctor_cores(&answer->cpus).text, found);
}

enum { MAX_IDLE_STATES = 16, MAX_WAKE_US = 10 };

/* The longest wake-up time of the idle states that a core may use; -ENOENT: it has none. */
static int64_t longest_wake_us(const struct doctor *doctor, int cpu, char path[DOCTOR_PATH_BYTES])
{
	int64_t longest = -ENOENT, latency, disabled;

	for (int state = 0; state < MAX_IDLE_STATES; state++) {
		int rc = doctor_root_number(
			doctor->root,
			doctor_path(path, "/sys/devices/system/cpu/cpu%d/cpuidle/state%d/latency", cpu, state),
			&latency);

		if (rc == -ENOENT)
			break;
		if (rc == 0)
			rc = doctor_root_number(
				doctor->root,
				doctor_path(path, "/sys/devices/system/cpu/cpu%d/cpuidle/state%d/disable", cpu, state),
				&disabled);
		if (rc == 0 && latency < 0)
			rc = -ERANGE;
		if (rc)
			return rc == -ENOENT ? -EIO : rc;
		if (!disabled && latency > longest)
			longest = latency;
		else if (longest < 0)
			longest = 0;
	}
	return longest;
}

enum doctor_result doctor_check_cstates(const struct doctor *doctor, struct doctor_answer *answer)
{
	char path[DOCTOR_PATH_BYTES] = "";
	int64_t longest = -ENOENT;
	int32_t held_us;

	if (doctor_root_read_binary(doctor->root, "/dev/cpu_dma_latency", &held_us, sizeof(held_us)) ==
		    (int)sizeof(held_us) &&
	    held_us >= 0 && held_us <= MAX_WAKE_US)
		return doctor_pass(answer, "/dev/cpu_dma_latency", "somebody holds it at %d us", held_us);
	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		int64_t wake_us = longest_wake_us(doctor, cpu, path);

		if (wake_us < 0 && wake_us != -ENOENT)
			return doctor_unreadable(answer, path, (int)wake_us);
		if (wake_us > MAX_WAKE_US)
			doctor_cpus_add(&answer->cpus, (unsigned)cpu);
		longest = wake_us > longest ? wake_us : longest;
	}
	if (longest < 0)
		return doctor_skip(answer, "the kernel offers no idle states");
	doctor_path(path, "/sys/devices/system/cpu/cpu*/cpuidle/state*/latency");
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "no idle state takes more than %" PRId64 " us to leave", longest);
	doctor_fix(answer, "hold /dev/cpu_dma_latency open with 0 in it, or kernel parameter: processor.max_cstate=1 "
			   "intel_idle.max_cstate=1");
	return doctor_find(answer, path, "cores %s may enter idle states that take %" PRId64 " us to leave",
			   doctor_cores(&answer->cpus).text, longest);
}

/* ---- what is below ----------------------------------------------------------------------------------------- */

/* Whose machine it pretends to be, as far as the files say: "KVM", "Xen", a vendor's name; "" if none says. */
static void name_hypervisor(const struct doctor *doctor, char *name, size_t bytes)
{
	char text[256], product[128];

	if (doctor_root_read(doctor->root, "/sys/hypervisor/type", name, bytes) > 0)
		return;
	if (doctor_root_read(doctor->root, "/sys/devices/system/clocksource/clocksource0/available_clocksource", text,
			     sizeof(text)) > 0 &&
	    strstr(text, "kvm-clock")) {
		snprintf(name, bytes, "KVM");
		return;
	}
	if (doctor_root_read(doctor->root, "/sys/class/dmi/id/sys_vendor", text, sizeof(text)) <= 0) {
		name[0] = '\0';
		return;
	}
	if (doctor_root_read(doctor->root, "/sys/class/dmi/id/product_name", product, sizeof(product)) < 0)
		product[0] = '\0';
	snprintf(name, bytes, "%.60s %.60s", text, product);
}

enum doctor_result doctor_check_hypervisor(const struct doctor *doctor, struct doctor_answer *answer)
{
	bool guest, nested;
	char name[128];
	int rc;
	char *flags = load_flags(doctor, &rc);

	if (!flags)
		return doctor_unreadable(answer, "/proc/cpuinfo", rc);
	guest = strstr(flags, " hypervisor ") || doctor_root_exists(doctor->root, "/sys/hypervisor/type");
	nested = strstr(flags, " vmx ") || strstr(flags, " svm ") || doctor_root_exists(doctor->root, "/dev/kvm");
	free(flags);
	if (!guest)
		return doctor_pass(answer, "/proc/cpuinfo", "none below: this is the bare machine");
	if (doctor_root_exists(doctor->root, "/dev/acrn_hsm"))
		return doctor_find_as(answer, DOCTOR_INFO, "/dev/acrn_hsm", "this is a Service VM of ACRN");
	name_hypervisor(doctor, name, sizeof(name));
	doctor_fix(answer,
		   "on the host: pin each vCPU to an isolated core, give it real-time priority, and reserve its "
		   "memory; then look at steal and at the spin test");
	return doctor_find(
		answer, "/proc/cpuinfo", "this is a virtual machine%s%.80s%s%s", name[0] ? " (" : "", name,
		name[0] ? ")" : "",
		nested ? ", and guests that are started in it are nested virtualisation: every exit of theirs "
			 "passes two hypervisors"
		       : "");
}
