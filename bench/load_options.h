/* SPDX-License-Identifier: MIT */
/*
 * The command line of `ioreq-bench load`.
 *
 * Threads   One.
 * Memory    Texts point into argv.
 */
#ifndef IOREQ_BENCH_LOAD_OPTIONS_H
#define IOREQ_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ioreq/error.h>

#include "load_model.h"

struct ioreq_load_options {
	const char *page;
	const char *json; /* NULL: none; "-": standard output */
	bool help;
	bool join;
	bool keep;
	uint64_t nr_vcpus;    /* 0: not given */
	uint64_t page_vcpus;  /* 0: as many as are driven */
	uint64_t nr_threads;  /* 0: chosen */
	uint64_t nr_requests; /* 0: no limit */
	uint64_t duration_ns; /* 0: no limit */
	uint64_t rate_hz;     /* of each vCPU; 0: closed loop */
	uint64_t read_percent;
	uint64_t hostile_percent;
	uint64_t restarts;
	uint64_t seed;
	uint64_t stall_ns;
	uint64_t wait_ns;
	unsigned completion; /* enum ioreq_load_completion */
	struct ioreq_load_map map;
};

/* "polling", "notify", "mixed". */
extern const char *const ioreq_load_options_completions[];

/* Fills all of *options, with defaults where nothing is said. Returns 0 (help may be asked for), or -EINVAL. */
int ioreq_load_options_parse(int argc, char *const *argv, struct ioreq_load_options *options,
			     struct ioreq_error *error);

void ioreq_load_options_help(FILE *file);

/*
 * Settles what depends on the page and the machine: nr_vcpus, page_vcpus, nr_threads. file_vcpus: what a joined page
 * says, else 0. nr_spinners: threads that may spin without taking the engine's core. Returns 0; -EINVAL: more vCPUs
 * are asked for than the page has.
 */
int ioreq_load_options_settle(struct ioreq_load_options *options, unsigned file_vcpus, unsigned nr_spinners,
			      struct ioreq_error *error);

#endif
