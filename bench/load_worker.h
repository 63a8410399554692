/* SPDX-License-Identifier: MIT */
/*
 * The threads of the load generator. A thread plays one or several vCPUs, each with one request in flight at most.
 *
 * Times     Service time: from just before the request is posted to when COMPLETE is seen. Response time (open loop):
 *           from when the request was due, so that a slow answer also counts against the requests that it delayed.
 *           A thread that plays several vCPUs looks at them in turn and sees COMPLETE as late as its turn comes.
 * Threads   Written by its worker; while that runs, others read only what _progress() reads.
 * Memory    All of one run's is allocated and touched before the run starts.
 */
#ifndef IOREQ_BENCH_LOAD_WORKER_H
#define IOREQ_BENCH_LOAD_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/shm.h>
#include <ioreq/stats.h>
#include <ioreq/vcpu.h>

#include "load_model.h"
#include "load_options.h"

struct ioreq_load_counts {
	uint64_t posted;
	uint64_t completed;
	uint64_t wrong;
	uint64_t failed; /* by restarts, as allowed */
	uint64_t lost;
	uint64_t overdue; /* open loop: were due before the end of the run, but never posted */
};

struct ioreq_load_vcpu {
	struct ioreq_vcpu vcpu;
	struct ioreq_load_request request;
	struct ioreq_load_counts counts;
	uint64_t quota; /* requests that may still be posted */
	uint64_t due_tsc;
	uint64_t due_fraction; /* of a tick, in 1/rate */
	uint64_t posted_tsc;
	bool in_flight;
	bool done;
	struct ioreq_load_model model;
};

struct ioreq_load_run;

struct ioreq_load_thread {
	struct ioreq_load_run *run;
	pthread_t id;
	struct ioreq_load_vcpu *vcpus;
	unsigned nr_vcpus;
	unsigned nr_done;
	unsigned nr_in_flight;   /* lost ones included */
	uint64_t nr_rounds;      /* looks at all vCPUs */
	uint64_t nr_idle_rounds; /* since something was done */
	uint64_t end_tsc;        /* last completion */
	struct ioreq_histogram service;
	struct ioreq_histogram response;
};

enum ioreq_load_gate {
	IOREQ_LOAD_GATE_SHUT,
	IOREQ_LOAD_GATE_OPEN,
	IOREQ_LOAD_GATE_OFF, /* no run: leave */
};

struct ioreq_load_run {
	const struct ioreq_load_options *options;
	struct ioreq_load_vcpu *vcpus;
	struct ioreq_load_thread *threads;
	unsigned nr_threads;
	enum ioreq_vcpu_how how;
	uint64_t tsc_hz;
	uint64_t start_tsc;
	uint64_t stop_tsc; /* written once, before `stop` */
	uint32_t stop;     /* any thread: post nothing more */
	uint32_t nr_reported;
	uint32_t gate; /* enum ioreq_load_gate: what threads wait for before their first request */
	int done_fd;   /* eventfd: 1 from each thread that is done */
};

/* Allocates and starts nothing yet. Returns 0, -ENOMEM, -errno. */
int ioreq_load_worker_create(struct ioreq_load_run *run, const struct ioreq_load_options *options,
			     struct ioreq_shm_file *file, enum ioreq_vcpu_how how, uint64_t tsc_hz);
void ioreq_load_worker_destroy(struct ioreq_load_run *run);

/*
 * Waits for the engine: for what an earlier producer left in the slots, which is dropped, and then for the first
 * request of vCPU 0. Looks every millisecond, until `until_ns` (CLOCK_MONOTONIC) or until interrupted(context) is
 * true. Returns 0; -ETIMEDOUT, -EINTR; -EBUSY somebody else posts, too.
 */
int ioreq_load_worker_wait_for_engine(struct ioreq_load_run *run, uint64_t until_ns, bool (*interrupted)(void *context),
				      void *context);

/* Starts all threads at once. Returns 0 or -errno (then none runs). */
int ioreq_load_worker_start(struct ioreq_load_run *run);

/* Asks the threads to post nothing more and to finish what is in flight. */
void ioreq_load_worker_stop(struct ioreq_load_run *run);

/* Waits for the end of all threads. */
void ioreq_load_worker_join(struct ioreq_load_run *run);

/* The counts so far, of all vCPUs. */
struct ioreq_load_counts ioreq_load_worker_progress(const struct ioreq_load_run *run);

#endif
