/* SPDX-License-Identifier: MIT */
/* The doctor while the service runs. See doctor_watch.h. */
#include "pinning/doctor_watch.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_interrupts.h"
#include "pinning/doctor_tasks.h"

/* What was there at the last look. `born`: a number that is used again is somebody new. */
enum kind { SEEN_IRQ, SEEN_COUNT, SEEN_TASK, SEEN_THROTTLING, SEEN_STEAL, NR_KINDS };

struct seen {
	enum kind kind;
	int cpu;
	uint64_t number, born;
	bool still;
};

struct doctor_watch {
	const struct doctor_root *root;
	struct doctor_plan plan;
	doctor_watch_report *report;
	void *context;
	struct seen *seen;
	size_t nr_seen, room;
	struct doctor_interrupts interrupts;
	uint64_t steal[DOCTOR_MAX_CPUS];
	bool begun;
	unsigned reported[NR_KINDS];
};

static const char *const ids[NR_KINDS] = {"irqs", "interrupts", "other-tasks", "rt-throttling", "steal"};

/* ---- remembering ------------------------------------------------------------------------------------------- */

/* True if it is new. Without memory for it, it is old: silence is better than the same event every few seconds. */
static bool remember(struct doctor_watch *watch, struct seen what)
{
	struct seen *larger;

	for (size_t i = 0; i < watch->nr_seen; i++) {
		struct seen *seen = &watch->seen[i];

		if (seen->kind == what.kind && seen->cpu == what.cpu && seen->number == what.number &&
		    seen->born == what.born) {
			seen->still = true;
			return false;
		}
	}
	if (watch->nr_seen == watch->room) {
		larger = realloc(watch->seen, (watch->room + 64) * sizeof(*larger));
		if (!larger)
			return false;
		watch->seen = larger;
		watch->room += 64;
	}
	what.still = true;
	watch->seen[watch->nr_seen++] = what;
	return true;
}

/* Forgets what is no longer there, so that it is news when it comes back. */
static void forget_the_rest(struct doctor_watch *watch)
{
	size_t kept = 0;

	for (size_t i = 0; i < watch->nr_seen; i++) {
		if (!watch->seen[i].still)
			continue;
		watch->seen[kept] = watch->seen[i];
		watch->seen[kept++].still = false;
	}
	watch->nr_seen = kept;
}

__attribute__((format(printf, 4, 5))) static void tell(struct doctor_watch *watch, enum kind kind, int cpu,
						       const char *format, ...)
{
	struct doctor_watch_event event = {.id = ids[kind], .cpu = cpu};
	va_list arguments;

	if (!watch->begun || ++watch->reported[kind] > DOCTOR_WATCH_MAX_EVENTS)
		return;
	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	for (char *at = event.text; *at; at++) {
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	}
	watch->report(watch->context, &event);
}

/* What was too much for one look. */
static void tell_the_rest(struct doctor_watch *watch)
{
	for (unsigned kind = 0; kind < NR_KINDS; kind++) {
		unsigned more = watch->reported[kind] > DOCTOR_WATCH_MAX_EVENTS
					? watch->reported[kind] - DOCTOR_WATCH_MAX_EVENTS
					: 0;

		watch->reported[kind] = 0;
		if (more)
			tell(watch, (enum kind)kind, -1, "%u more of this kind", more);
		watch->reported[kind] = 0;
	}
}

/* ---- looking ----------------------------------------------------------------------------------------------- */

static int look_at_irq(void *context, const char *name, bool folder)
{
	struct doctor_watch *watch = context;
	char path[DOCTOR_PATH_BYTES];
	struct doctor_cpus cpus;
	int irq = doctor_root_id(name), cpu;

	if (!folder || irq < 0 ||
	    doctor_root_list(watch->root, doctor_path(path, "/proc/irq/%d/effective_affinity_list", irq), &cpus))
		return 0;
	doctor_cpus_and(&cpus, &watch->plan.poll);
	cpu = doctor_cpus_next(&cpus, -1);
	if (cpu >= 0 && remember(watch, (struct seen){.kind = SEEN_IRQ, .cpu = cpu, .number = (uint64_t)irq}))
		tell(watch, SEEN_IRQ, cpu, "interrupt %d is now sent to poll core %d", irq, cpu);
	return 0;
}

/* Devices' rows have numbers; of the others only the hypervisor's upcall is somebody's fault. */
static uint64_t number_of(const char *label)
{
	int irq = doctor_root_id(label);

	if (irq >= 0)
		return (uint64_t)irq;
	return strcmp(label, "HYP") == 0 ? UINT64_MAX - 1 : UINT64_MAX;
}

static void look_at_counts(struct doctor_watch *watch)
{
	struct doctor_interrupts now;

	if (doctor_interrupts_load(watch->root, &now))
		return;
	for (unsigned i = 0; watch->begun && i < now.nr_rows; i++) {
		const struct doctor_interrupt *row = &now.rows[i];
		uint64_t number = number_of(row->label);

		if (number == UINT64_MAX)
			continue;
		doctor_cpus_each(cpu, &watch->plan.poll)
		{
			if (doctor_interrupts_growth(&watch->interrupts, &now, row->label, cpu) &&
			    remember(watch, (struct seen){.kind = SEEN_COUNT, .cpu = cpu, .number = number}))
				tell(watch, SEEN_COUNT, cpu, "interrupt %s (%s) has come to poll core %d", row->label,
				     row->name, cpu);
		}
	}
	doctor_interrupts_free(&watch->interrupts);
	watch->interrupts = now;
}

static void look_at_task(void *context, const struct doctor_task *task)
{
	struct doctor_watch *watch = context;

	if (task->bound || !doctor_cpus_has(&watch->plan.poll, (unsigned)task->cpu))
		return;
	if (remember(watch, (struct seen){.kind = SEEN_TASK,
					  .cpu = task->cpu,
					  .number = (uint64_t)task->tid,
					  .born = task->started_ticks}))
		tell(watch, SEEN_TASK, task->cpu, "task %s (%d) was seen on poll core %d", task->name, task->tid,
		     task->cpu);
}

static void look_at_throttling(struct doctor_watch *watch)
{
	int64_t runtime_us, period_us;

	if (doctor_root_number(watch->root, "/proc/sys/kernel/sched_rt_runtime_us", &runtime_us) ||
	    doctor_root_number(watch->root, "/proc/sys/kernel/sched_rt_period_us", &period_us) || runtime_us < 0 ||
	    runtime_us >= period_us)
		return;
	if (remember(watch, (struct seen){.kind = SEEN_THROTTLING, .cpu = -1}))
		tell(watch, SEEN_THROTTLING, -1,
		     "real-time throttling was switched on: pollers get %" PRId64 " of %" PRId64 " us", runtime_us,
		     period_us);
}

static bool read_steal(const char *stat, int cpu, uint64_t *steal_out)
{
	char key[24];
	const char *at;
	char *end;

	snprintf(key, sizeof(key), "cpu%d ", cpu);
	at = doctor_line(stat, key);
	for (unsigned i = 0; at && i < 8; i++) {
		*steal_out = strtoull(at, &end, 10);
		at = end == at ? NULL : end;
	}
	return at;
}

static void look_at_steal(struct doctor_watch *watch)
{
	char *stat;

	if (doctor_root_load(watch->root, "/proc/stat", &stat))
		return;
	doctor_cpus_each(cpu, &watch->plan.poll)
	{
		uint64_t steal;

		if (!read_steal(stat, cpu, &steal))
			continue;
		if (watch->begun && steal > watch->steal[cpu] &&
		    remember(watch, (struct seen){.kind = SEEN_STEAL, .cpu = cpu}))
			tell(watch, SEEN_STEAL, cpu, "the hypervisor took %" PRIu64 " ms from poll core %d",
			     10 * (steal - watch->steal[cpu]), cpu);
		watch->steal[cpu] = steal;
	}
	free(stat);
}

void doctor_watch_look(struct doctor_watch *watch)
{
	doctor_root_entries(watch->root, "/proc/irq", look_at_irq, watch);
	look_at_counts(watch);
	doctor_all_tasks(watch->root, watch->plan.pid, look_at_task, watch);
	look_at_throttling(watch);
	look_at_steal(watch);
	tell_the_rest(watch);
	forget_the_rest(watch);
}

/* ---- life -------------------------------------------------------------------------------------------------- */

int doctor_watch_start(const struct doctor_root *root, const struct doctor_plan *plan, doctor_watch_report *report,
		       void *context, struct doctor_watch **watch_out)
{
	struct doctor_watch *watch;

	if (plan->survey || doctor_cpus_empty(&plan->poll))
		return -EINVAL;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->root = root;
	watch->plan = *plan;
	watch->report = report;
	watch->context = context;
	if (watch->plan.pid == 0 && root->system)
		watch->plan.pid = getpid();
	doctor_watch_look(watch);
	watch->begun = true;
	*watch_out = watch;
	return 0;
}

void doctor_watch_stop(struct doctor_watch *watch)
{
	doctor_interrupts_free(&watch->interrupts);
	free(watch->seen);
	free(watch);
}
