/* SPDX-License-Identifier: MIT */
/* What a run of the load generator came to. See load_report.h. */
#include "load_report.h"

#include <inttypes.h>

#include "stamp.h"

static const struct {
	const char *name;
	const char *key;
	double fraction;
} quantiles[] = {
	{"p50", "p50_ns", 0.5},
	{"p90", "p90_ns", 0.9},
	{"p99", "p99_ns", 0.99},
	{"p99.9", "p99_9_ns", 0.999},
};
#define NR_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

void ioreq_load_report_collect(const struct ioreq_load_run *run, struct ioreq_load_result *result)
{
	uint64_t end_tsc = run->start_tsc;

	result->counts = ioreq_load_worker_progress(run);
	result->tsc_hz = run->tsc_hz;
	ioreq_histogram_reset(&result->service);
	ioreq_histogram_reset(&result->response);
	for (unsigned i = 0; i < run->nr_threads; i++) {
		const struct ioreq_load_thread *thread = &run->threads[i];

		ioreq_histogram_merge(&result->service, &thread->service);
		ioreq_histogram_merge(&result->response, &thread->response);
		if (thread->end_tsc > end_tsc)
			end_tsc = thread->end_tsc;
	}
	result->seconds = ioreq_stamp_ns(end_tsc - run->start_tsc, run->tsc_hz) / 1e9;
	result->per_second = result->seconds > 0.0 ? (double)result->service.count / result->seconds : 0.0;
}

static void print_quantiles(const struct ioreq_histogram *histogram, uint64_t tsc_hz, FILE *file)
{
	for (size_t i = 0; i < NR_QUANTILES; i++)
		fprintf(file, "%s %.0f ", quantiles[i].name,
			ioreq_stamp_ns(ioreq_histogram_quantile(histogram, quantiles[i].fraction), tsc_hz));
	fprintf(file, "max %.0f ns\n", ioreq_stamp_ns(histogram->maximum, tsc_hz));
}

void ioreq_load_report_print(const struct ioreq_load_options *options, const struct ioreq_load_result *result,
			     FILE *file)
{
	const struct ioreq_load_counts *counts = &result->counts;

	fprintf(file, "%" PRIu64 " requests, %" PRIu64 " wrong, %" PRIu64 " lost, %.0f/s, ", counts->completed,
		counts->wrong, counts->lost, result->per_second);
	print_quantiles(&result->service, result->tsc_hz, file);
	if (options->rate_hz) {
		fprintf(file, "response from the intended start at %" PRIu64 " Hz per vCPU: ", options->rate_hz);
		print_quantiles(&result->response, result->tsc_hz, file);
	}
	/* One of each vCPU is due while its last request is in flight. */
	if (counts->overdue > options->nr_vcpus)
		fprintf(file, "%" PRIu64 " more were due but could not be posted in time: the rate is not reached\n",
			counts->overdue);
	if (options->restarts)
		fprintf(file, "%" PRIu64 " failed by restarts of the engine\n", counts->failed);
	fprintf(file, "ioreq-bench load: posted %" PRIu64 " completed %" PRIu64 " wrong %" PRIu64 " lost %" PRIu64 "\n",
		counts->posted, counts->completed, counts->wrong, counts->lost);
}

static void print_json_times(const char *key, const struct ioreq_histogram *histogram, uint64_t tsc_hz, FILE *file)
{
	uint64_t minimum = histogram->count ? histogram->minimum : 0;
	double mean = histogram->count ? (double)histogram->sum / (double)histogram->count : 0.0;

	fprintf(file, "  \"%s\": {\"count\": %" PRIu64 ", \"min_ns\": %.1f, \"mean_ns\": %.1f", key, histogram->count,
		ioreq_stamp_ns(minimum, tsc_hz), mean * 1e9 / (double)tsc_hz);
	for (size_t i = 0; i < NR_QUANTILES; i++)
		fprintf(file, ", \"%s\": %.1f", quantiles[i].key,
			ioreq_stamp_ns(ioreq_histogram_quantile(histogram, quantiles[i].fraction), tsc_hz));
	fprintf(file, ", \"max_ns\": %.1f}", ioreq_stamp_ns(histogram->maximum, tsc_hz));
}

static void print_json_string(const char *text, FILE *file)
{
	putc('"', file);
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(file, "\\%c", *c);
		else if ((unsigned char)*c < 0x20)
			fprintf(file, "\\u%04x", (unsigned)(unsigned char)*c);
		else
			putc(*c, file);
	}
	putc('"', file);
}

void ioreq_load_report_json(const struct ioreq_load_options *options, const struct ioreq_load_result *result,
			    FILE *file)
{
	const struct ioreq_load_counts *counts = &result->counts;

	fputs("{\n  \"program\": \"ioreq-bench load\",\n  \"version\": \"" IOREQ_VERSION "\",\n  \"page\": ", file);
	print_json_string(options->page, file);
	fprintf(file,
		",\n  \"vcpus\": %" PRIu64 ", \"page_vcpus\": %" PRIu64 ", \"threads\": %" PRIu64
		",\n  \"completion\": \"%s\", \"rate_hz\": %" PRIu64 ", \"read_percent\": %" PRIu64
		", \"hostile_percent\": %" PRIu64 ", \"restarts\": %" PRIu64 ", \"seed\": %" PRIu64 ",\n",
		options->nr_vcpus, options->page_vcpus, options->nr_threads,
		ioreq_load_options_completions[options->completion], options->rate_hz, options->read_percent,
		options->hostile_percent, options->restarts, options->seed);
	fprintf(file,
		"  \"posted\": %" PRIu64 ", \"completed\": %" PRIu64 ", \"wrong\": %" PRIu64 ", \"failed\": %" PRIu64
		", \"lost\": %" PRIu64 ", \"overdue\": %" PRIu64 ",\n",
		counts->posted, counts->completed, counts->wrong, counts->failed, counts->lost, counts->overdue);
	fprintf(file, "  \"interrupted\": %s, \"seconds\": %.6f, \"per_second\": %.1f, \"tsc_hz\": %" PRIu64 ",\n",
		result->interrupted ? "true" : "false", result->seconds, result->per_second, result->tsc_hz);
	print_json_times("service", &result->service, result->tsc_hz, file);
	if (options->rate_hz) {
		fputs(",\n", file);
		print_json_times("response", &result->response, result->tsc_hz, file);
	}
	fputs("\n}\n", file);
}

int ioreq_load_report_status(const struct ioreq_load_result *result)
{
	if (result->counts.lost)
		return 3;
	if (result->counts.wrong)
		return 1;
	return result->interrupted ? 130 : 0;
}
