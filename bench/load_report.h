/* SPDX-License-Identifier: MIT */
/*
 * What a run of the load generator came to, for people and as JSON.
 *
 * Threads   One, after the run.
 * Memory    The caller's.
 */
#ifndef IOREQ_BENCH_LOAD_REPORT_H
#define IOREQ_BENCH_LOAD_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ioreq/stats.h>

#include "load_options.h"
#include "load_worker.h"

struct ioreq_load_result {
	struct ioreq_load_counts counts;
	double seconds; /* from the start to the last completion */
	double per_second;
	uint64_t tsc_hz;
	bool interrupted;
	struct ioreq_histogram service;
	struct ioreq_histogram response; /* empty in a closed loop */
};

/* Adds up a run whose threads have ended. */
void ioreq_load_report_collect(const struct ioreq_load_run *run, struct ioreq_load_result *result);

/* The summary. Its last line is for scripts: `ioreq-bench load: posted N completed N wrong N lost N`. */
void ioreq_load_report_print(const struct ioreq_load_options *options, const struct ioreq_load_result *result,
			     FILE *file);

/* One JSON object. */
void ioreq_load_report_json(const struct ioreq_load_options *options, const struct ioreq_load_result *result,
			    FILE *file);

/* 0 all right, 1 wrong answers, 3 lost requests, 130 interrupted; the worst of them. */
int ioreq_load_report_status(const struct ioreq_load_result *result);

#endif
