/* SPDX-License-Identifier: MIT */
/* The spin test. See doctor_spin.h. */
#include "pinning/doctor_spin.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/atomic.h"
#include "pinning/doctor_check.h"
#include "pinning/doctor_interrupts.h"

#define SECOND_NS UINT64_C(1000000000)
#define MAX_GAPS 65536u /* kept with their time; more are still counted */
#define USER_HZ 100u    /* the unit of /proc/stat on x86 */

/* When to spin: `burst` of every `period`, from `start` until `total` is spun. In TSC ticks. */
struct rhythm {
	uint64_t start, burst, period, total;
	double tick_ns;
};

struct spinner {
	struct doctor_spin_core core;
	const struct rhythm *rhythm;
	int priority; /* 0: normal policy */
	uint64_t spun;
	struct doctor_gap *gaps;
	size_t nr_gaps;
	pthread_t thread;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- the thread -------------------------------------------------------------------------------------------- */

static void note_gap(struct spinner *spinner, uint64_t start, uint64_t length)
{
	const struct rhythm *rhythm = spinner->rhythm;
	uint64_t length_ns = (uint64_t)((double)length * rhythm->tick_ns);

	ioreq_histogram_record(&spinner->core.gaps, length_ns);
	spinner->core.lost_ns += length_ns;
	if (spinner->nr_gaps == MAX_GAPS)
		return;
	spinner->gaps[spinner->nr_gaps].start_ns = (uint64_t)((double)(start - rhythm->start) * rhythm->tick_ns);
	spinner->gaps[spinner->nr_gaps++].length_ns = length_ns;
}

static void spin_until(struct spinner *spinner, uint64_t end)
{
	const int64_t threshold = (int64_t)(DOCTOR_GAP_NS / spinner->rhythm->tick_ns);
	uint64_t begin = tsc_now(), last = begin, now = begin;

	while ((int64_t)(end - now) > 0) {
		now = tsc_now();
		/* Signed: a TSC that goes backwards is another check's finding. */
		if ((int64_t)(now - last) > threshold) {
			note_gap(spinner, last, now - last);
			now = tsc_now();
		}
		last = now;
	}
	spinner->spun += now - begin;
}

static void sleep_until(uint64_t tsc, double tick_ns)
{
	int64_t left = (int64_t)(tsc - tsc_now());
	struct timespec pause;
	uint64_t left_ns;

	if (left <= 0)
		return;
	left_ns = (uint64_t)((double)left * tick_ns);
	pause = (struct timespec){.tv_sec = (time_t)(left_ns / SECOND_NS), .tv_nsec = (long)(left_ns % SECOND_NS)};
	nanosleep(&pause, NULL);
}

static void *spin(void *context)
{
	struct spinner *spinner = context;
	const struct rhythm *rhythm = spinner->rhythm;
	struct sched_param parameter = {.sched_priority = spinner->priority};
	struct rusage before, after;

	if (spinner->priority)
		spinner->core.fifo = sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0;
	getrusage(RUSAGE_THREAD, &before);
	for (uint64_t at = 0; at * rhythm->burst < rhythm->total; at++) {
		uint64_t start = rhythm->start + at * rhythm->period;
		uint64_t left = rhythm->total - at * rhythm->burst;

		sleep_until(start, rhythm->tick_ns);
		spin_until(spinner, start + (left < rhythm->burst ? left : rhythm->burst));
	}
	getrusage(RUSAGE_THREAD, &after);
	spinner->core.preempted = (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
	return NULL;
}

static int start_thread(struct spinner *spinner)
{
	size_t bytes = CPU_ALLOC_SIZE(DOCTOR_MAX_CPUS);
	cpu_set_t *set = CPU_ALLOC(DOCTOR_MAX_CPUS);
	pthread_attr_t attributes;
	int rc;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(bytes, set);
	CPU_SET_S((size_t)spinner->core.cpu, bytes, set);
	rc = pthread_attr_init(&attributes);
	if (rc == 0) {
		rc = pthread_attr_setaffinity_np(&attributes, bytes, set);
		if (rc == 0)
			rc = pthread_create(&spinner->thread, &attributes, spin, spinner);
		pthread_attr_destroy(&attributes);
	}
	CPU_FREE(set);
	return -rc;
}

/* ---- a pair of cores --------------------------------------------------------------------------------------- */

/* What the kernel counts beside us. */
struct counts {
	struct doctor_interrupts interrupts;
	char *stat;
};

static void take_counts(const struct doctor *doctor, struct counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	if (doctor_root_load(doctor->root, "/proc/stat", &counts->stat))
		counts->stat = NULL;
	if (doctor_interrupts_load(doctor->root, &counts->interrupts))
		counts->interrupts.nr_rows = 0;
}

static void free_counts(struct counts *counts)
{
	free(counts->stat);
	doctor_interrupts_free(&counts->interrupts);
}

/* The eighth number of the core's line. */
static uint64_t steal_of(const struct counts *counts, int cpu)
{
	char key[24];
	const char *at;
	char *end;
	uint64_t value = 0;

	snprintf(key, sizeof(key), "cpu%d ", cpu);
	at = counts->stat ? doctor_line(counts->stat, key) : NULL;
	for (unsigned i = 0; at && i < 8; i++) {
		value = strtoull(at, &end, 10);
		at = end;
	}
	return value;
}

static void add_counts(struct doctor_spin_core *core, const struct counts *before, const struct counts *after)
{
	if (!before->interrupts.nr_rows || !after->interrupts.nr_rows) {
		core->local_timer = UINT32_MAX;
		return;
	}
	for (unsigned i = 0; i < after->interrupts.nr_rows; i++) {
		const char *label = after->interrupts.rows[i].label;
		uint64_t grown = doctor_interrupts_growth(&before->interrupts, &after->interrupts, label, core->cpu);

		if (strcmp(label, "LOC") == 0)
			core->local_timer += grown;
		else
			core->interrupts += grown;
	}
}

/* How many ticks a nanosecond has: over 20 ms, against the kernel's clock. */
static double measure_tick_ns(void)
{
	struct timespec pause = {.tv_nsec = 20000000};
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC_RAW), start = tsc_now(), end_ns, end;

	nanosleep(&pause, NULL);
	end_ns = now_ns(CLOCK_MONOTONIC_RAW);
	end = tsc_now();
	return end > start ? (double)(end_ns - start_ns) / (double)(end - start) : 1.0;
}

static void *do_nothing(void *context)
{
	return context;
}

/* Whether a thread of ours may have that priority: asked of the kernel, with a thread that ends at once. */
static bool may_be_fifo(int priority)
{
	struct sched_param parameter = {.sched_priority = priority};
	pthread_attr_t attributes;
	pthread_t thread;
	bool may;

	if (pthread_attr_init(&attributes))
		return false;
	may = pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED) == 0 &&
	      pthread_attr_setschedpolicy(&attributes, SCHED_FIFO) == 0 &&
	      pthread_attr_setschedparam(&attributes, &parameter) == 0 &&
	      pthread_create(&thread, &attributes, do_nothing, NULL) == 0;
	pthread_attr_destroy(&attributes);
	if (may)
		pthread_join(thread, NULL);
	return may;
}

/*
 * The share of time that FIFO threads may have: below what throttling would take. Where the test covers every core, the
 * machine comes up for air four times a second. Normal threads spin without a pause.
 */
static void set_rhythm(const struct doctor *doctor, double seconds, bool covers_all, bool fifo, struct rhythm *rhythm)
{
	double burst_s = covers_all ? 0.2 : 0.85, period_s = covers_all ? 0.25 : 1.0;
	int64_t runtime_us, period_us;

	if (!fifo)
		burst_s = period_s = seconds;
	else if (doctor_root_number(doctor->root, "/proc/sys/kernel/sched_rt_runtime_us", &runtime_us) == 0 &&
		 doctor_root_number(doctor->root, "/proc/sys/kernel/sched_rt_period_us", &period_us) == 0 &&
		 runtime_us > 0 && period_us > 0 && 0.9 * (double)runtime_us / (double)period_us < burst_s / period_s)
		burst_s = period_s * 0.9 * (double)runtime_us / (double)period_us;
	rhythm->tick_ns = measure_tick_ns();
	rhythm->burst = (uint64_t)(burst_s * 1e9 / rhythm->tick_ns);
	rhythm->period = (uint64_t)(period_s * 1e9 / rhythm->tick_ns);
	rhythm->total = (uint64_t)(seconds * 1e9 / rhythm->tick_ns);
}

static void set_rules(const struct doctor *doctor, const struct spinner *spinner, uint64_t stolen_ns,
		      struct doctor_gap_rules *rules)
{
	const struct doctor_spin_core *core = &spinner->core;
	int64_t runtime_us, period_us;

	*rules = (struct doctor_gap_rules){.spun_ns = core->spun_ns - core->lost_ns,
					   .timer_interrupts = core->local_timer,
					   .stolen_ns = stolen_ns};
	if (!core->fifo || doctor_root_number(doctor->root, "/proc/sys/kernel/sched_rt_period_us", &period_us) ||
	    doctor_root_number(doctor->root, "/proc/sys/kernel/sched_rt_runtime_us", &runtime_us) || runtime_us < 0 ||
	    period_us <= runtime_us)
		return;
	rules->throttle_period_ns = (uint64_t)period_us * 1000;
	rules->throttle_stop_ns = (uint64_t)(period_us - runtime_us) * 1000;
}

static void sum_up(struct spinner *spinner, const struct spinner *other, const struct doctor_gap_rules *rules)
{
	struct doctor_spin_core *core = &spinner->core;

	core->witness = other ? other->core.cpu : -1;
	core->share = core->spun_ns ? (double)core->lost_ns / (double)core->spun_ns : 0.0;
	core->tick_hz = doctor_gaps_classify(spinner->gaps, spinner->nr_gaps, other ? other->gaps : NULL,
					     other ? other->nr_gaps : 0, rules);
	/* Gaps beyond those that were kept. */
	core->kind_count[DOCTOR_GAP_OTHER] = core->gaps.count - spinner->nr_gaps;
	core->kind_ns[DOCTOR_GAP_OTHER] = core->lost_ns;
	for (size_t i = 0; i < spinner->nr_gaps; i++)
		core->kind_ns[DOCTOR_GAP_OTHER] -= spinner->gaps[i].length_ns;
	for (size_t i = 0; i < spinner->nr_gaps; i++) {
		const struct doctor_gap *gap = &spinner->gaps[i];

		core->kind_count[gap->kind]++;
		core->kind_ns[gap->kind] += gap->length_ns;
		if (gap->length_ns > core->kind_max_ns[gap->kind])
			core->kind_max_ns[gap->kind] = gap->length_ns;
	}
}

/* Spins on one or two cores at the same time. */
static void spin_pair(const struct doctor *doctor, const struct rhythm *shape, struct spinner *spinners, unsigned nr)
{
	struct rhythm rhythm = *shape;
	struct counts before, after;
	struct doctor_gap_rules rules[2];

	take_counts(doctor, &before);
	/* Time enough to start both threads. */
	rhythm.start = tsc_now() + (uint64_t)(20e6 / rhythm.tick_ns);
	for (unsigned i = 0; i < nr; i++) {
		spinners[i].rhythm = &rhythm;
		spinners[i].core.error = start_thread(&spinners[i]);
	}
	for (unsigned i = 0; i < nr; i++) {
		if (!spinners[i].core.error)
			pthread_join(spinners[i].thread, NULL);
	}
	take_counts(doctor, &after);
	for (unsigned i = 0; i < nr; i++) {
		struct doctor_spin_core *core = &spinners[i].core;
		uint64_t stolen = steal_of(&after, core->cpu) - steal_of(&before, core->cpu);

		core->spun_ns = (uint64_t)((double)spinners[i].spun * rhythm.tick_ns);
		add_counts(core, &before, &after);
		set_rules(doctor, &spinners[i], stolen * (SECOND_NS / USER_HZ), &rules[i]);
	}
	for (unsigned i = 0; i < nr; i++) {
		bool alone = nr == 1 || spinners[1 - i].core.error;

		sum_up(&spinners[i], alone ? NULL : &spinners[1 - i], &rules[i]);
	}
	free_counts(&before);
	free_counts(&after);
}

/* ---- all cores --------------------------------------------------------------------------------------------- */

/*
 * A core that the test may use beside `cpu`: no poll core, and not one that shares its execution units. Without FIFO
 * and without isolation there is none: what the witness drives from its core would come to the poll core, as a gap.
 */
static int choose_witness(const struct doctor *doctor, int cpu, bool fifo)
{
	struct doctor_cpus usable = doctor->plan.housekeeping, siblings, isolated;
	char path[DOCTOR_PATH_BYTES];

	if (!fifo && (doctor_root_list(doctor->root, "/sys/devices/system/cpu/isolated", &isolated) ||
		      !doctor_cpus_has(&isolated, (unsigned)cpu)))
		return -1;
	doctor_cpus_and(&usable, &doctor->online);
	doctor_cpus_minus(&usable, &doctor->plan.poll);
	if (doctor_root_list(doctor->root,
			     doctor_path(path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu),
			     &siblings) == 0)
		doctor_cpus_minus(&usable, &siblings);
	return doctor_cpus_next(&usable, -1);
}

static void prepare(struct spinner *spinner, int cpu, int priority)
{
	struct doctor_gap *gaps = spinner->gaps;

	memset(spinner, 0, sizeof(*spinner));
	/* Touched now, so that the spinning thread does not fault. */
	memset(gaps, 0, MAX_GAPS * sizeof(*gaps));
	spinner->gaps = gaps;
	spinner->core.cpu = cpu;
	spinner->priority = priority;
	ioreq_histogram_reset(&spinner->core.gaps);
}

static void spin_all(const struct doctor *doctor, struct spinner spinners[2], struct doctor_spin_report *report)
{
	bool covers_all = doctor_cpus_count(&doctor->online) <= 2 && doctor_cpus_count(&doctor->plan.poll) == 2;
	int next = doctor_cpus_next(&doctor->plan.poll, -1);
	int priority = may_be_fifo(doctor->plan.priority) ? doctor->plan.priority : 0;
	struct rhythm rhythm = {.start = 0};

	set_rhythm(doctor, report->seconds, covers_all, priority > 0, &rhythm);
	while (next >= 0) {
		int cpu = next, second;
		bool witness;

		next = doctor_cpus_next(&doctor->plan.poll, cpu);
		witness = next < 0;
		second = witness ? choose_witness(doctor, cpu, priority > 0) : next;
		prepare(&spinners[0], cpu, priority);
		if (second >= 0)
			prepare(&spinners[1], second, witness ? 0 : priority);
		spin_pair(doctor, &rhythm, spinners, second >= 0 ? 2 : 1);
		report->cores[report->nr++] = spinners[0].core;
		if (witness)
			break;
		report->cores[report->nr++] = spinners[1].core;
		next = doctor_cpus_next(&doctor->plan.poll, second);
	}
}

static bool is_virtual(const struct doctor *doctor)
{
	char *text;
	bool found;

	if (doctor_root_load(doctor->root, "/proc/cpuinfo", &text))
		return false;
	found = strstr(text, " hypervisor");
	free(text);
	return found;
}

int doctor_spin(const struct doctor *doctor, double seconds, struct doctor_spin_report *report_out)
{
	struct doctor_spin_report report = {.seconds = seconds, .virtual_machine = is_virtual(doctor)};
	struct spinner *spinners = calloc(2, sizeof(*spinners));
	int rc = -ENOMEM;

	report.cores = calloc(doctor_cpus_count(&doctor->plan.poll) + 1, sizeof(*report.cores));
	if (!spinners || !report.cores)
		goto out;
	spinners[0].gaps = calloc(MAX_GAPS, sizeof(*spinners->gaps));
	spinners[1].gaps = calloc(MAX_GAPS, sizeof(*spinners->gaps));
	if (!spinners[0].gaps || !spinners[1].gaps)
		goto out;
	spin_all(doctor, spinners, &report);
	*report_out = report;
	rc = 0;
out:
	if (rc)
		free(report.cores);
	if (spinners) {
		free(spinners[0].gaps);
		free(spinners[1].gaps);
	}
	free(spinners);
	return rc;
}

void doctor_spin_free(struct doctor_spin_report *report)
{
	free(report->cores);
	*report = (struct doctor_spin_report){.nr = 0};
}
