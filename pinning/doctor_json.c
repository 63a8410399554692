/* SPDX-License-Identifier: MIT */
/* The doctor's report for programs: one JSON object with stable keys, listed in ioreqctl(1). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_spin.h"

/* Answers hold printable ASCII only. */
static void put_text(const char *key, const char *text, FILE *file)
{
	fprintf(file, "\"%s\": \"", key);
	for (; *text; text++)
		fprintf(file, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	fputc('"', file);
}

static void put_number(const char *key, uint64_t number, FILE *file)
{
	fprintf(file, ", \"%s\": %" PRIu64, key, number);
}

/* A list of numbers, whole however many there are. */
static void put_cpus(const char *key, const struct doctor_cpus *cpus, FILE *file)
{
	const char *separator = "";

	fprintf(file, "\"%s\": [", key);
	doctor_cpus_each(cpu, cpus)
	{
		fprintf(file, "%s%d", separator, cpu);
		separator = ", ";
	}
	fputc(']', file);
}

static void put_answer(const struct doctor_answer *answer, FILE *file)
{
	fputc('{', file);
	put_text("id", answer->check->id, file);
	fputs(", ", file);
	put_text("result", doctor_result_name(answer->result), file);
	fputs(", ", file);
	put_text("severity", doctor_severity_name(answer->severity), file);
	fputs(", ", file);
	put_cpus("cores", &answer->cpus, file);
	fputs(", ", file);
	put_text("found", answer->found, file);
	fputs(", ", file);
	put_text("path", answer->path, file);
	fputs(", ", file);
	put_text("hurts", answer->check->hurts, file);
	fputs(", ", file);
	put_text("mend", answer->fix, file);
	fputc('}', file);
}

static void put_kinds(const struct doctor_spin_core *core, FILE *file)
{
	static const char *const names[DOCTOR_NR_GAP_KINDS] = {"other", "tick", "throttle", "steal"};

	fputs(", \"kinds\": {", file);
	for (unsigned kind = 0; kind < DOCTOR_NR_GAP_KINDS; kind++)
		fprintf(file, "%s\"%s\": {\"count\": %" PRIu64 ", \"lost_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}",
			kind ? ", " : "", names[kind], core->kind_count[kind], core->kind_ns[kind],
			core->kind_max_ns[kind]);
	fputc('}', file);
}

static void put_spin_core(const struct doctor_spin_core *core, FILE *file)
{
	static const struct {
		const char *key;
		double fraction;
	} quantiles[] = {{"p50_ns", 0.5}, {"p99_ns", 0.99}, {"p99_9_ns", 0.999}};

	fprintf(file, "{\"core\": %d, ", core->cpu);
	put_text("error", core->error ? strerror(-core->error) : "", file);
	fprintf(file, ", \"policy\": \"%s\", \"witness\": %d, \"lost_share\": %.9f", core->fifo ? "fifo" : "normal",
		core->witness, core->share);
	put_number("spun_ns", core->spun_ns, file);
	put_number("lost_ns", core->lost_ns, file);
	put_number("gaps", core->gaps.count, file);
	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		put_number(quantiles[i].key, ioreq_histogram_quantile(&core->gaps, quantiles[i].fraction), file);
	put_number("max_ns", core->gaps.maximum, file);
	put_number("tick_hz", core->tick_hz, file);
	/* Not known is not many. */
	if (core->local_timer == UINT32_MAX)
		fputs(", \"timer_interrupts\": null", file);
	else
		put_number("timer_interrupts", core->local_timer, file);
	put_number("other_interrupts", core->interrupts, file);
	put_number("preempted", core->preempted, file);
	put_kinds(core, file);
	fputc('}', file);
}

static void put_spin(const struct doctor_spin_report *spin, FILE *file)
{
	if (!spin) {
		fputs("  \"spin\": null,\n", file);
		return;
	}
	fprintf(file, "  \"spin\": {\"seconds\": %.3f, \"gap_ns\": %d, \"virtual_machine\": %s, \"cores\": [",
		spin->seconds, DOCTOR_GAP_NS, spin->virtual_machine ? "true" : "false");
	for (unsigned i = 0; i < spin->nr; i++) {
		fputs(i ? ",\n    " : "\n    ", file);
		put_spin_core(&spin->cores[i], file);
	}
	fputs("]},\n", file);
}

void doctor_print_json(const struct doctor *doctor, const struct doctor_answer *answers, unsigned nr,
		       const struct doctor_spin_report *spin, FILE *file)
{
	fputs("{\n  \"version\": 1, ", file);
	put_cpus("poll", &doctor->plan.poll, file);
	fputs(", ", file);
	put_cpus("housekeeping", &doctor->plan.housekeeping, file);
	fputs(", ", file);
	put_cpus("online", &doctor->online, file);
	fprintf(file, ", \"survey\": %s, \"service_pid\": %d,\n  \"checks\": [", doctor->plan.survey ? "true" : "false",
		doctor->service ? (int)doctor->plan.pid : 0);
	for (unsigned i = 0; i < nr; i++) {
		fputs(i ? ",\n    " : "\n    ", file);
		put_answer(&answers[i], file);
	}
	fputs("],\n", file);
	put_spin(spin, file);
	fprintf(file, "  \"exit_status\": %d\n}\n", doctor_status(answers, nr));
}
