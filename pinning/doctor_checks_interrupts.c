/* SPDX-License-Identifier: MIT */
/* Checks: which interrupts may come to the poll cores, and which do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_interrupts.h"

/* ---- where they are sent ----------------------------------------------------------------------------------- */

struct irqs {
	const struct doctor *doctor;
	struct doctor_cpus cpus;
	unsigned nr, nr_on_poll_cores;
	char names[160];
	char owner[48]; /* of the one being looked at: "" if nobody has asked for it */
	int rc;
	char path[DOCTOR_PATH_BYTES];
};

/* Who asked for an interrupt has a folder of his name below it. */
static int take_owner(void *context, const char *name, bool folder)
{
	struct irqs *irqs = context;

	if (!folder)
		return 0;
	snprintf(irqs->owner, sizeof(irqs->owner), "%s", name);
	return 1;
}

static int read_affinity(struct irqs *irqs, int irq, struct doctor_cpus *cpus_out)
{
	const struct doctor_root *root = irqs->doctor->root;
	int rc = doctor_root_list(root, doctor_path(irqs->path, "/proc/irq/%d/effective_affinity_list", irq), cpus_out);

	if (rc == -ENOENT)
		rc = doctor_root_list(root, doctor_path(irqs->path, "/proc/irq/%d/smp_affinity_list", irq), cpus_out);
	return rc;
}

static int look_at_irq(void *context, const char *name, bool folder)
{
	struct irqs *irqs = context;
	int irq = doctor_root_id(name), rc;
	size_t used = strlen(irqs->names);
	char path[DOCTOR_PATH_BYTES];
	struct doctor_cpus cpus;

	if (!folder || irq < 0)
		return 0;
	irqs->owner[0] = '\0';
	doctor_root_entries(irqs->doctor->root, doctor_path(path, "/proc/irq/%d", irq), take_owner, irqs);
	if (!irqs->owner[0])
		return 0;
	rc = read_affinity(irqs, irq, &cpus);
	if (rc) {
		irqs->rc = rc;
		return 1;
	}
	irqs->nr++;
	doctor_cpus_and(&cpus, &irqs->doctor->plan.poll);
	if (doctor_cpus_empty(&cpus))
		return 0;
	doctor_cpus_or(&irqs->cpus, &cpus);
	if (irqs->nr_on_poll_cores++ < 4)
		snprintf(irqs->names + used, sizeof(irqs->names) - used, "%s%d (%.24s)", used ? ", " : "", irq,
			 irqs->owner);
	return 0;
}

enum doctor_result doctor_check_irqs(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct irqs irqs = {.doctor = doctor};
	int rc = doctor_root_entries(doctor->root, "/proc/irq", look_at_irq, &irqs);

	if (rc)
		return doctor_unreadable(answer, "/proc/irq", rc);
	if (irqs.rc)
		return doctor_unreadable(answer, irqs.path, irqs.rc);
	/* Every machine has interrupts. */
	if (irqs.nr == 0)
		return doctor_unreadable(answer, "/proc/irq", -ENODATA);
	answer->cpus = irqs.cpus;
	if (irqs.nr_on_poll_cores == 0)
		return doctor_pass(answer, "/proc/irq/*/effective_affinity_list", "none of %u interrupts", irqs.nr);
	doctor_fix(answer,
		   "kernel parameter: irqaffinity=%s isolcpus=managed_irq,domain,%s; now: echo %s > "
		   "/proc/irq/<irq>/smp_affinity_list",
		   doctor_housekeeping_text(doctor).text, doctor_poll_text(doctor).text,
		   doctor_housekeeping_text(doctor).text);
	return doctor_find(answer, "/proc/irq/*/effective_affinity_list", "%u of %u interrupts go to cores %s: %s%s",
			   irqs.nr_on_poll_cores, irqs.nr, doctor_cores(&irqs.cpus).text, irqs.names,
			   irqs.nr_on_poll_cores > 4 ? ", ..." : "");
}

enum doctor_result doctor_check_irq_default(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/irq/default_smp_affinity";
	struct doctor_cpus cpus;
	int rc = doctor_root_mask(doctor->root, path, &cpus);

	if (rc)
		return doctor_unreadable(answer, path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_and(&answer->cpus, &cpus);
	if (doctor_cpus_empty(&answer->cpus))
		return doctor_pass(answer, path, "new interrupts go to cores %s", doctor_cores(&cpus).text);
	doctor_fix(answer, "kernel parameter: irqaffinity=%s", doctor_housekeeping_text(doctor).text);
	return doctor_find(answer, path, "new interrupts may go to cores %s", doctor_cores(&answer->cpus).text);
}

/* ---- where they come --------------------------------------------------------------------------------------- */

/* Adds the rows that grew on a poll core to `names`; returns the sum. */
static uint64_t add_growth(const struct doctor *doctor, const struct doctor_interrupts *before,
			   const struct doctor_interrupts *after, struct doctor_cpus *cpus, char *names, size_t bytes)
{
	uint64_t sum = 0;
	unsigned named = 0;

	for (unsigned i = 0; i < after->nr_rows; i++) {
		const struct doctor_interrupt *row = &after->rows[i];
		uint64_t grown = 0;
		size_t used = strlen(names);

		doctor_cpus_each(cpu, &doctor->plan.poll)
		{
			uint64_t here = doctor_interrupts_growth(before, after, row->label, cpu);

			if (here)
				doctor_cpus_add(cpus, (unsigned)cpu);
			grown += here;
		}
		sum += grown;
		if (grown && named++ < 6)
			snprintf(names + used, bytes - used, "%s%s %" PRIu64, used ? ", " : "", row->label, grown);
	}
	return sum;
}

enum doctor_result doctor_check_interrupts(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_interrupts before, after;
	char names[256] = "";
	uint64_t sum;
	int rc;

	if (!doctor->pause)
		return doctor_skip(answer, "a recorded tree stands still");
	rc = doctor_interrupts_load(doctor->root, &before);
	if (rc)
		return doctor_unreadable(answer, "/proc/interrupts", rc);
	doctor->pause(doctor->pause_context);
	rc = doctor_interrupts_load(doctor->root, &after);
	if (rc) {
		doctor_interrupts_free(&before);
		return doctor_unreadable(answer, "/proc/interrupts", rc);
	}
	sum = add_growth(doctor, &before, &after, &answer->cpus, names, sizeof(names));
	doctor_interrupts_free(&before);
	doctor_interrupts_free(&after);
	if (sum == 0)
		return doctor_pass(answer, "/proc/interrupts",
				   "no interrupt came to the poll cores while it was watched");
	doctor_fix(answer,
		   "numbers: see irqs; LOC: kernel parameter nohz_full=%s; RES, CAL, TLB: keep other tasks and "
		   "threads that share the poller's memory quiet",
		   doctor_poll_text(doctor).text);
	return doctor_find(answer, "/proc/interrupts",
			   "%" PRIu64 " interrupts came to cores %s in a quarter of a second: %s", sum,
			   doctor_cores(&answer->cpus).text, names);
}

enum doctor_result doctor_check_acrn_upcall(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct doctor_interrupts table;
	uint64_t sum = 0;
	int rc;

	if (!doctor_root_exists(doctor->root, "/dev/acrn_hsm"))
		return doctor_skip(answer, "this is no Service VM of ACRN");
	rc = doctor_interrupts_load(doctor->root, &table);
	if (rc)
		return doctor_unreadable(answer, "/proc/interrupts", rc);
	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		uint64_t count = doctor_interrupts_count(&table, "HYP", cpu);

		if (count)
			doctor_cpus_add(&answer->cpus, (unsigned)cpu);
		sum += count;
	}
	doctor_interrupts_free(&table);
	if (sum == 0)
		return doctor_pass(answer, "/proc/interrupts", "HYP has not come to the poll cores");
	doctor_fix(answer,
		   "choose poll cores to which the hypervisor sends no upcall, or let every request complete by "
		   "polling so that none is sent");
	return doctor_find(answer, "/proc/interrupts",
			   "HYP, ACRN's upcall, came %" PRIu64 " times to cores %s since boot", sum,
			   doctor_cores(&answer->cpus).text);
}
