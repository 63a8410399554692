/* SPDX-License-Identifier: MIT */
/* The threads of the load generator. See load_worker.h. */
#include "load_worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "stamp.h"

#define MAX_REPORTS 10u         /* wrong answers that are printed */
#define ROUNDS_PER_CLOCK 64u    /* between two looks for a stall */
#define SPIN_ROUNDS 1000u       /* idle rounds, 20..40 us, after which a spinning thread lets others run */
#define SLEEP_NS 50000000u      /* of a thread that waits for a notify, between two looks for a stall */
#define ENGINE_LOOK_NS 1000000u /* between two looks for an engine */

/* Words that another thread reads while this one writes: counters and flags, which order nothing but `stop`. */
#define peek(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define poke(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define count(p) poke((p), peek(p) + 1)

/* ---- reports ----------------------------------------------------------------------------------------------- */

static void report_wrong(struct ioreq_load_run *run, const struct ioreq_load_vcpu *vcpu, uint64_t got)
{
	char text[128];

	if (__atomic_fetch_add(&run->nr_reported, 1, __ATOMIC_RELAXED) >= MAX_REPORTS)
		return;
	ioreq_load_model_describe(&vcpu->request, text, sizeof(text));
	fprintf(stderr, "ioreq-bench load: vCPU %u: %s: got 0x%llx, want 0x%llx\n", vcpu->vcpu.index, text,
		(unsigned long long)got, (unsigned long long)(vcpu->request.want & vcpu->request.want_mask));
}

static void report_lost(struct ioreq_load_run *run, const struct ioreq_load_vcpu *vcpu)
{
	static const char *const names[] = {"PENDING", "COMPLETE", "PROCESSING", "FREE"};
	uint32_t state = peek(&vcpu->vcpu.slot->processed);
	char text[128];

	ioreq_load_model_describe(&vcpu->request, text, sizeof(text));
	fprintf(stderr, "ioreq-bench load: vCPU %u: %s: no answer for %.1f s, the slot is %s%s\n", vcpu->vcpu.index,
		text, ioreq_stamp_ns(ioreq_stamp_now() - vcpu->posted_tsc, run->tsc_hz) / 1e9,
		state < 4 ? names[state] : "?", state == ACRN_IOREQ_STATE_COMPLETE ? " but was not notified" : "");
}

static void report_taken(const struct ioreq_load_vcpu *vcpu)
{
	fprintf(stderr,
		"ioreq-bench load: vCPU %u: the slot is not FREE although its last request is finished: "
		"somebody else stores into this page\n",
		vcpu->vcpu.index);
}

/* ---- one vCPU ---------------------------------------------------------------------------------------------- */

static void finish_vcpu(struct ioreq_load_thread *thread, struct ioreq_load_vcpu *vcpu)
{
	vcpu->done = true;
	thread->nr_done++;
}

static void advance_due(const struct ioreq_load_run *run, struct ioreq_load_vcpu *vcpu)
{
	uint64_t rate = run->options->rate_hz;

	vcpu->due_tsc += run->tsc_hz / rate;
	vcpu->due_fraction += run->tsc_hz % rate;
	if (vcpu->due_fraction >= rate) {
		vcpu->due_fraction -= rate;
		vcpu->due_tsc++;
	}
}

static uint64_t count_overdue(const struct ioreq_load_run *run, const struct ioreq_load_vcpu *vcpu)
{
	uint64_t rate = run->options->rate_hz, stop_tsc = peek(&run->stop_tsc), nr;

	if (!rate || vcpu->due_tsc >= stop_tsc)
		return 0;
	nr = (uint64_t)((double)(stop_tsc - vcpu->due_tsc) * (double)rate / (double)run->tsc_hz) + 1;
	return nr < vcpu->quota ? nr : vcpu->quota;
}

static int post_request(struct ioreq_load_vcpu *vcpu)
{
	struct acrn_io_request slot;
	int rc;

	ioreq_load_model_next(&vcpu->model, &vcpu->request);
	ioreq_load_model_fill(&vcpu->request, &slot);
	vcpu->posted_tsc = ioreq_stamp_now();
	rc = ioreq_vcpu_post_raw(&vcpu->vcpu, &slot);
	if (rc)
		return rc;
	vcpu->in_flight = true;
	vcpu->quota--;
	count(&vcpu->counts.posted);
	return 0;
}

/* Posts the next request, if there is one and it is due. Returns whether anything was done. */
static bool try_post(struct ioreq_load_thread *thread, struct ioreq_load_vcpu *vcpu)
{
	struct ioreq_load_run *run = thread->run;

	/* Acquire: stop_tsc. Pairs with ioreq_load_worker_stop(). */
	if (__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE)) {
		poke(&vcpu->counts.overdue, count_overdue(run, vcpu));
		finish_vcpu(thread, vcpu);
		return true;
	}
	if (vcpu->quota == 0) {
		finish_vcpu(thread, vcpu);
		return true;
	}
	if (run->options->rate_hz && (int64_t)(ioreq_stamp_now() - vcpu->due_tsc) < 0)
		return false;
	if (post_request(vcpu)) {
		report_taken(vcpu);
		count(&vcpu->counts.wrong);
		finish_vcpu(thread, vcpu);
		return true;
	}
	thread->nr_in_flight++;
	return true;
}

/* Takes and judges the answer of a completed request. */
static void take_answer(struct ioreq_load_run *run, struct ioreq_load_vcpu *vcpu)
{
	uint64_t got = ioreq_vcpu_finish(&vcpu->vcpu);
	enum ioreq_load_verdict verdict = ioreq_load_model_check(&vcpu->model, &vcpu->request, got);

	vcpu->in_flight = false;
	count(&vcpu->counts.completed);
	if (verdict == IOREQ_LOAD_WRONG) {
		count(&vcpu->counts.wrong);
		report_wrong(run, vcpu, got);
	}
	poke(&vcpu->counts.failed, vcpu->model.nr_failed);
}

/* One look at one vCPU. Returns whether anything was done. */
static bool step(struct ioreq_load_thread *thread, struct ioreq_load_vcpu *vcpu)
{
	if (vcpu->done)
		return false;
	if (!vcpu->in_flight)
		return try_post(thread, vcpu);
	if (!ioreq_vcpu_completed(&vcpu->vcpu))
		return false;
	thread->end_tsc = ioreq_stamp_after();
	ioreq_histogram_record(&thread->service, thread->end_tsc - vcpu->posted_tsc);
	if (thread->run->options->rate_hz) {
		ioreq_histogram_record(&thread->response, thread->end_tsc - vcpu->due_tsc);
		advance_due(thread->run, vcpu);
	}
	take_answer(thread->run, vcpu);
	thread->nr_in_flight--;
	try_post(thread, vcpu);
	return true;
}

/* ---- a thread ---------------------------------------------------------------------------------------------- */

/* Gives up on requests that are without an answer for too long, and ends the run. */
static void look_for_stall(struct ioreq_load_thread *thread)
{
	struct ioreq_load_run *run = thread->run;
	uint64_t now = ioreq_stamp_now();
	double stall_ns = (double)run->options->stall_ns;

	for (unsigned i = 0; i < thread->nr_vcpus; i++) {
		struct ioreq_load_vcpu *vcpu = &thread->vcpus[i];

		if (vcpu->done || !vcpu->in_flight || ioreq_stamp_ns(now - vcpu->posted_tsc, run->tsc_hz) < stall_ns)
			continue;
		report_lost(run, vcpu);
		count(&vcpu->counts.lost);
		finish_vcpu(thread, vcpu);
		ioreq_load_worker_stop(run);
	}
}

/* A thread with one vCPU whose request will be notified has nothing to poll: it sleeps as a real vCPU does. */
static bool can_sleep(const struct ioreq_load_thread *thread)
{
	return thread->nr_vcpus == 1 && thread->vcpus[0].in_flight && !thread->vcpus[0].request.completion_polling;
}

/*
 * A wait that long is for somebody who may need this very core, as a client's thread that has just been woken. Waiting
 * for the next due time is not: a core given away then is missed when it counts.
 */
static bool should_yield(const struct ioreq_load_thread *thread)
{
	return thread->run->how == IOREQ_VCPU_YIELD || (thread->nr_idle_rounds > SPIN_ROUNDS && thread->nr_in_flight);
}

static void wait_a_moment(struct ioreq_load_thread *thread)
{
	thread->nr_idle_rounds++;
	if (can_sleep(thread))
		ioreq_vcpu_wait(&thread->vcpus[0].vcpu, IOREQ_VCPU_SLEEP, SLEEP_NS);
	else if (should_yield(thread))
		sched_yield();
	else
		_mm_pause();
}

static void play_round(struct ioreq_load_thread *thread)
{
	bool busy = false;

	for (unsigned i = 0; i < thread->nr_vcpus; i++)
		busy |= step(thread, &thread->vcpus[i]);
	if (busy)
		thread->nr_idle_rounds = 0;
	else
		wait_a_moment(thread);
	/* A sleep ends by time only if there was no notify: then each round is a look. */
	if (++thread->nr_rounds % ROUNDS_PER_CLOCK == 0 || can_sleep(thread))
		look_for_stall(thread);
}

/* Waits for the start of the run; false: there is none. */
static bool pass_gate(const struct ioreq_load_run *run)
{
	uint32_t gate;

	/* Acquire: the due times. Pairs with ioreq_load_worker_start(). */
	while ((gate = __atomic_load_n(&run->gate, __ATOMIC_ACQUIRE)) == IOREQ_LOAD_GATE_SHUT)
		sched_yield();
	return gate == IOREQ_LOAD_GATE_OPEN;
}

static void *run_thread(void *argument)
{
	struct ioreq_load_thread *thread = argument;
	uint64_t one = 1;

	if (!pass_gate(thread->run))
		return NULL;
	while (thread->nr_done < thread->nr_vcpus)
		play_round(thread);
	if (write(thread->run->done_fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes 2^64 - 2 of these */
	return NULL;
}

/* ---- a run ------------------------------------------------------------------------------------------------- */

static void init_vcpus(struct ioreq_load_run *run, struct ioreq_shm_file *file)
{
	const struct ioreq_load_options *options = run->options;
	struct ioreq_load_mix mix = {
		.read_percent = (unsigned)options->read_percent,
		.hostile_percent = (unsigned)options->hostile_percent,
		.completion = options->completion,
		.restarts = options->restarts,
	};
	uint64_t nr = options->nr_vcpus;

	for (unsigned i = 0; i < nr; i++) {
		struct ioreq_load_vcpu *vcpu = &run->vcpus[i];

		ioreq_vcpu_init(&vcpu->vcpu, &file->slots, &file->control, i);
		ioreq_load_model_init(&vcpu->model, &options->map, &mix, i, options->seed);
		vcpu->quota = UINT64_MAX;
		if (options->nr_requests)
			vcpu->quota = options->nr_requests / nr + (i < options->nr_requests % nr);
	}
}

/* vCPUs in runs of equal length, the first threads one more. */
static void init_threads(struct ioreq_load_run *run)
{
	unsigned nr_vcpus = (unsigned)run->options->nr_vcpus, first = 0;

	for (unsigned i = 0; i < run->nr_threads; i++) {
		struct ioreq_load_thread *thread = &run->threads[i];

		thread->run = run;
		thread->vcpus = &run->vcpus[first];
		thread->nr_vcpus = nr_vcpus / run->nr_threads + (i < nr_vcpus % run->nr_threads);
		first += thread->nr_vcpus;
		ioreq_histogram_reset(&thread->service);
		ioreq_histogram_reset(&thread->response);
	}
}

/* Zeroed, and on cache lines of its own. */
static void *new_array(size_t nr, size_t bytes)
{
	size_t all = (nr * bytes + 63) & ~(size_t)63;
	char *memory = aligned_alloc(64, all);

	for (size_t i = 0; memory && i < all; i++)
		memory[i] = 0;
	return memory;
}

int ioreq_load_worker_create(struct ioreq_load_run *run, const struct ioreq_load_options *options,
			     struct ioreq_shm_file *file, enum ioreq_vcpu_how how, uint64_t tsc_hz)
{
	*run = (struct ioreq_load_run){
		.options = options,
		.nr_threads = (unsigned)options->nr_threads,
		.how = how,
		.tsc_hz = tsc_hz,
		.done_fd = eventfd(0, EFD_CLOEXEC),
	};
	if (run->done_fd < 0)
		return -errno;
	run->vcpus = new_array(options->nr_vcpus, sizeof(*run->vcpus));
	run->threads = new_array(options->nr_threads, sizeof(*run->threads));
	if (!run->vcpus || !run->threads) {
		ioreq_load_worker_destroy(run);
		return -ENOMEM;
	}
	init_vcpus(run, file);
	init_threads(run);
	return 0;
}

void ioreq_load_worker_destroy(struct ioreq_load_run *run)
{
	free(run->vcpus);
	free(run->threads);
	close(run->done_fd);
}

static int wait_for_vcpu(struct ioreq_load_vcpu *vcpu, uint64_t until_ns, bool (*interrupted)(void *context),
			 void *context)
{
	struct timespec look = {.tv_nsec = ENGINE_LOOK_NS};

	while (!ioreq_vcpu_completed(&vcpu->vcpu)) {
		if (interrupted(context))
			return -EINTR;
		if (ioreq_stamp_monotonic_ns() >= until_ns)
			return -ETIMEDOUT;
		nanosleep(&look, NULL);
	}
	return 0;
}

int ioreq_load_worker_wait_for_engine(struct ioreq_load_run *run, uint64_t until_ns, bool (*interrupted)(void *context),
				      void *context)
{
	int rc;

	for (unsigned i = 0; i < run->options->nr_vcpus; i++) {
		struct ioreq_load_vcpu *vcpu = &run->vcpus[i];

		/* Acquire: an earlier producer's FREE, before the slot is filled. */
		if (__atomic_load_n(&vcpu->vcpu.slot->processed, __ATOMIC_ACQUIRE) == ACRN_IOREQ_STATE_FREE)
			continue;
		rc = wait_for_vcpu(vcpu, until_ns, interrupted, context);
		if (rc)
			return rc;
		ioreq_vcpu_finish(&vcpu->vcpu);
	}
	rc = post_request(&run->vcpus[0]);
	if (rc)
		return rc;
	rc = wait_for_vcpu(&run->vcpus[0], until_ns, interrupted, context);
	if (rc) {
		count(&run->vcpus[0].counts.lost);
		return rc;
	}
	take_answer(run, &run->vcpus[0]);
	return 0;
}

/* The vCPUs' first requests are due spread over one period, not all in the same moment. */
static void set_first_due(struct ioreq_load_run *run)
{
	uint64_t nr = run->options->nr_vcpus, rate = run->options->rate_hz;

	run->start_tsc = ioreq_stamp_now();
	for (unsigned i = 0; i < nr; i++)
		run->vcpus[i].due_tsc = run->start_tsc + (rate ? run->tsc_hz / rate * i / nr : 0);
}

static void move_gate(struct ioreq_load_run *run, enum ioreq_load_gate gate)
{
	/* Release: the due times. Pairs with pass_gate(). */
	__atomic_store_n(&run->gate, gate, __ATOMIC_RELEASE);
}

int ioreq_load_worker_start(struct ioreq_load_run *run)
{
	for (unsigned i = 0; i < run->nr_threads; i++) {
		int rc = pthread_create(&run->threads[i].id, NULL, run_thread, &run->threads[i]);

		if (!rc)
			continue;
		move_gate(run, IOREQ_LOAD_GATE_OFF);
		while (i--)
			pthread_join(run->threads[i].id, NULL);
		return -rc;
	}
	set_first_due(run);
	move_gate(run, IOREQ_LOAD_GATE_OPEN);
	return 0;
}

void ioreq_load_worker_stop(struct ioreq_load_run *run)
{
	uint64_t nobody = 0;

	/* The first who stops the run says when. */
	__atomic_compare_exchange_n(&run->stop_tsc, &nobody, ioreq_stamp_now(), false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
	/* Release: stop_tsc. Pairs with try_post(). */
	__atomic_store_n(&run->stop, 1, __ATOMIC_RELEASE);
}

void ioreq_load_worker_join(struct ioreq_load_run *run)
{
	for (unsigned i = 0; i < run->nr_threads; i++)
		pthread_join(run->threads[i].id, NULL);
}

struct ioreq_load_counts ioreq_load_worker_progress(const struct ioreq_load_run *run)
{
	struct ioreq_load_counts sum = {0};

	for (unsigned i = 0; i < run->options->nr_vcpus; i++) {
		const struct ioreq_load_counts *counts = &run->vcpus[i].counts;

		sum.posted += peek(&counts->posted);
		sum.completed += peek(&counts->completed);
		sum.wrong += peek(&counts->wrong);
		sum.failed += peek(&counts->failed);
		sum.lost += peek(&counts->lost);
		sum.overdue += peek(&counts->overdue);
	}
	return sum;
}
