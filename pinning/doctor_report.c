/* SPDX-License-Identifier: MIT */
/* The doctor's report for people: the findings, the worst first, what could not be read, and a verdict per core. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_spin.h"

struct page {
	const struct doctor *doctor;
	const struct doctor_answer *answers;
	unsigned nr;
	bool colour;
	FILE *file;
};

/* ---- words ------------------------------------------------------------------------------------------------- */

#define COLOUR_UNREADABLE "\033[36m"
#define COLOUR_PASS "\033[32m"

static const char *colour_of(enum doctor_severity severity)
{
	static const char *const colours[DOCTOR_NR_SEVERITIES] = {"",         "",         "\033[33m",
								  "\033[35m", "\033[31m", "\033[1;31m"};

	return colours[severity];
}

/* A word padded to `width`, coloured where that is wanted. */
static void put(const struct page *page, const char *colour, const char *word, int width)
{
	if (page->colour && *colour)
		fprintf(page->file, "%s%-*s\033[0m", colour, width, word);
	else
		fprintf(page->file, "%-*s", width, word);
}

static void put_heading(const struct page *page)
{
	const struct doctor *doctor = page->doctor;

	if (doctor->plan.survey)
		fprintf(page->file, "isolation doctor: no poll core was named, so every core (%s) is looked at",
			doctor_cores(&doctor->online).text);
	else
		fprintf(page->file, "isolation doctor: poll cores %s, housekeeping %s",
			doctor_cores(&doctor->plan.poll).text, doctor_cores(&doctor->plan.housekeeping).text);
	if (doctor->service)
		fprintf(page->file, "; ioreqd runs (pid %d)\n\n", (int)doctor->plan.pid);
	else
		fputs("; ioreqd is not running, so limits and memory are those of this process\n\n", page->file);
}

/* ---- answers ----------------------------------------------------------------------------------------------- */

static void put_finding(const struct page *page, const struct doctor_answer *answer)
{
	put(page, colour_of(answer->severity), doctor_severity_name(answer->severity), 7);
	fprintf(page->file, "%-16s %s\n", answer->check->id, answer->found);
	fprintf(page->file, "       read     %s\n", answer->path);
	fprintf(page->file, "       hurts    %s\n", answer->check->hurts);
	if (answer->fix[0])
		fprintf(page->file, "       mend     %s\n", answer->fix);
}

static void put_findings(const struct page *page)
{
	for (int severity = DOCTOR_FATAL; severity >= DOCTOR_INFO; severity--) {
		for (unsigned i = 0; i < page->nr; i++) {
			const struct doctor_answer *answer = &page->answers[i];

			if (answer->result == DOCTOR_FINDING && (int)answer->severity == severity)
				put_finding(page, answer);
		}
	}
}

/* One line for each answer of a kind. */
static void put_lines(const struct page *page, enum doctor_result result, const char *word, const char *colour)
{
	for (unsigned i = 0; i < page->nr; i++) {
		const struct doctor_answer *answer = &page->answers[i];

		if (answer->result != result)
			continue;
		put(page, colour, word, 7);
		fprintf(page->file, "%-16s %s%s%s%s", answer->check->id, answer->found, answer->path[0] ? " (" : "",
			answer->path, answer->path[0] ? ")" : "");
		if (result == DOCTOR_UNREADABLE)
			fprintf(page->file, "; it might be %s", doctor_severity_name(answer->severity));
		fputc('\n', page->file);
	}
}

/* ---- the verdict per core ---------------------------------------------------------------------------------- */

/* The findings about a core, the worst first. Returns the worst severity. */
static enum doctor_severity name_findings(const struct page *page, int cpu, char *names, size_t bytes)
{
	enum doctor_severity worst = DOCTOR_INFO;

	for (int severity = DOCTOR_FATAL; severity >= DOCTOR_LOW; severity--) {
		for (unsigned i = 0; i < page->nr; i++) {
			const struct doctor_answer *answer = &page->answers[i];
			size_t used = strlen(names);

			if (answer->result != DOCTOR_FINDING || (int)answer->severity != severity ||
			    !doctor_cpus_has(&answer->cpus, (unsigned)cpu))
				continue;
			if (!used)
				worst = answer->severity;
			snprintf(names + used, bytes - used, "%s%s", used ? ", " : "", answer->check->id);
		}
	}
	return worst;
}

/* What could not be read might concern any core: without findings such a core is not known to be quiet. */
static unsigned count_unknown(const struct page *page)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < page->nr; i++)
		nr += page->answers[i].result == DOCTOR_UNREADABLE && page->answers[i].severity > DOCTOR_INFO;
	return nr;
}

static void put_core(const struct page *page, int cpu)
{
	char names[512] = "";
	enum doctor_severity worst = name_findings(page, cpu, names, sizeof(names));
	unsigned unknown = count_unknown(page);

	fprintf(page->file, "core %-4d ", cpu);
	if (names[0])
		put(page, colour_of(worst), doctor_severity_name(worst), 6);
	else if (unknown)
		put(page, COLOUR_UNREADABLE, "?", 6);
	else
		put(page, COLOUR_PASS, "quiet", 6);
	fprintf(page->file, " %s", names);
	if (unknown)
		fprintf(page->file, "%s%u checks could not be read", names[0] ? "; " : "", unknown);
	fputc('\n', page->file);
}

static void put_cores(const struct page *page)
{
	fputc('\n', page->file);
	doctor_cpus_each(cpu, &page->doctor->plan.poll) put_core(page, cpu);
}

/* ---- the spin test ----------------------------------------------------------------------------------------- */

static void put_time(FILE *file, uint64_t ns)
{
	if (ns < 10000)
		fprintf(file, " %6.2f us", (double)ns / 1e3);
	else if (ns < 10000000)
		fprintf(file, " %6.0f us", (double)ns / 1e3);
	else
		fprintf(file, " %6.0f ms", (double)ns / 1e6);
}

static void put_share(FILE *file, const struct doctor_spin_core *core, enum doctor_gap_kind kind)
{
	if (core->kind_count[kind])
		fprintf(file, " %8.4f%%", 100.0 * (double)core->kind_ns[kind] / (double)core->spun_ns);
	else
		fprintf(file, " %9s", "-");
}

static void put_spin_core(const struct doctor_spin_core *core, FILE *file)
{
	if (core->error) {
		fprintf(file, "%-4d could not be run: %s\n", core->cpu, strerror(-core->error));
		return;
	}
	fprintf(file, "%-4d %8.4f%% %7" PRIu64, core->cpu, 100.0 * core->share, core->gaps.count);
	put_time(file, ioreq_histogram_quantile(&core->gaps, 0.5));
	put_time(file, ioreq_histogram_quantile(&core->gaps, 0.99));
	put_time(file, core->gaps.maximum);
	put_share(file, core, DOCTOR_GAP_TICK);
	put_share(file, core, DOCTOR_GAP_THROTTLE);
	put_share(file, core, DOCTOR_GAP_STEAL);
	put_share(file, core, DOCTOR_GAP_OTHER);
	fputc('\n', file);
}

/* How many gaps are shorter than that. A bucket counts as the longest gap that can be in it. */
static uint64_t gaps_below(const struct ioreq_histogram *gaps, uint64_t ns)
{
	struct ioreq_histogram one = {.maximum = gaps->maximum};
	uint64_t sum = 0;

	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++) {
		if (!gaps->buckets[i])
			continue;
		one.buckets[i] = 1;
		if (ioreq_histogram_quantile(&one, 1.0) < ns)
			sum += gaps->buckets[i];
		one.buckets[i] = 0;
	}
	return sum;
}

/* The gaps per power of two: "4 us 132" are those of 4 to 8 us. */
static void put_histogram(const struct doctor_spin_core *core, FILE *file)
{
	uint64_t below = 0, from_us = 1;

	if (core->error || !core->gaps.count)
		return;
	fprintf(file, "core %d, gaps per length:", core->cpu);
	while (below < core->gaps.count) {
		bool last = from_us * 2000 > core->gaps.maximum;
		uint64_t now = last ? core->gaps.count : gaps_below(&core->gaps, from_us * 2000);

		if (now > below)
			fprintf(file, "  %" PRIu64 " us %" PRIu64, from_us, now - below);
		below = now;
		from_us *= 2;
	}
	fputc('\n', file);
}

static void put_spin_notes(const struct doctor_spin_core *core, bool virtual_machine, FILE *file)
{
	if (core->error)
		return;
	fprintf(file, "core %d: %s; ", core->cpu,
		core->fifo ? "SCHED_FIFO in bursts below 0.9 s, so that throttling does not stop the test"
			   : "normal policy, since SCHED_FIFO is not allowed: other tasks count as gaps");
	if (core->witness >= 0)
		fprintf(file, "core %d spun at the same time: gaps of the same moment are %s; ", core->witness,
			virtual_machine ? "the hypervisor's" : "the firmware's");
	else
		fputs("no second core spun at the same time; ", file);
	if (core->tick_hz)
		fprintf(file, "a tick of %u Hz; ", core->tick_hz);
	if (core->local_timer != UINT32_MAX)
		fprintf(file, "%" PRIu64 " timer and %" PRIu64 " other interrupts, ", core->local_timer,
			core->interrupts);
	fprintf(file, "preempted %" PRIu64 " times\n", core->preempted);
}

static void put_spin(const struct page *page, const struct doctor_spin_report *spin)
{
	fprintf(page->file, "\nspin test, %.1f s per core; a gap is a loop of more than %d us\n", spin->seconds,
		DOCTOR_GAP_NS / 1000);
	fprintf(page->file, "%-4s %9s %7s %9s %9s %9s %9s %9s %9s %9s\n", "CORE", "LOST", "GAPS", "P50", "P99", "MAX",
		"TICK", "THROTTLE", spin->virtual_machine ? "STEAL" : "SMI", "OTHER");
	for (unsigned i = 0; i < spin->nr; i++)
		put_spin_core(&spin->cores[i], page->file);
	for (unsigned i = 0; i < spin->nr; i++)
		put_histogram(&spin->cores[i], page->file);
	for (unsigned i = 0; i < spin->nr; i++)
		put_spin_notes(&spin->cores[i], spin->virtual_machine, page->file);
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

void doctor_print(const struct doctor *doctor, const struct doctor_answer *answers, unsigned nr,
		  const struct doctor_spin_report *spin, bool colour, FILE *file)
{
	struct page page = {.doctor = doctor, .answers = answers, .nr = nr, .colour = colour, .file = file};

	put_heading(&page);
	put_findings(&page);
	put_lines(&page, DOCTOR_UNREADABLE, "?", COLOUR_UNREADABLE);
	put_lines(&page, DOCTOR_PASS, "ok", COLOUR_PASS);
	put_lines(&page, DOCTOR_NOT_APPLICABLE, "-", "");
	if (spin)
		put_spin(&page, spin);
	put_cores(&page);
}

void doctor_print_cmdline(const struct doctor *doctor, FILE *file)
{
	struct doctor_text poll = doctor_poll_text(doctor), others = doctor_housekeeping_text(doctor);

	fprintf(file,
		"isolcpus=managed_irq,domain,%s nohz_full=%s rcu_nocbs=%s irqaffinity=%s nmi_watchdog=0 nosoftlockup "
		"transparent_hugepage=madvise\n",
		poll.text, poll.text, poll.text, others.text);
}
