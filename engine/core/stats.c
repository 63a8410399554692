/* SPDX-License-Identifier: MIT */
/*
 * The stats file's records.
 *
 * Threads   Adding and removing: under the engine's lock. Counting: the thread that completed the request.
 * Memory    One block of IOREQ_STATS_BYTES, the host's or the engine's own.
 */
#include "core/stats.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALIBRATION_NS 20000000

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ticks per second of the invariant TSC, against the clock that no NTP daemon bends. */
static uint64_t measure_tsc_hz(void)
{
	struct timespec wait = {.tv_nsec = CALIBRATION_NS};
	uint64_t start_ns = clock_ns(CLOCK_MONOTONIC_RAW), start_tsc = tsc_now();
	uint64_t passed_ns, passed_tsc;

	nanosleep(&wait, NULL);
	passed_tsc = tsc_now() - start_tsc;
	passed_ns = clock_ns(CLOCK_MONOTONIC_RAW) - start_ns;
	return (uint64_t)((double)passed_tsc * 1e9 / (double)passed_ns);
}

void ioreq_stats_start(struct ioreq_stats *stats)
{
	stats->version = IOREQ_STATS_VERSION;
	stats->bytes = IOREQ_STATS_BYTES;
	stats->tsc_hz = measure_tsc_hz();
	stats->pid = (uint64_t)getpid();
	stats->started_ns = clock_ns(CLOCK_REALTIME);
	/* ST1 release: a reader that sees the magic sees the header. Pairs with the acquire of ioreqctl (ST2). */
	store_release(&stats->magic, IOREQ_STATS_MAGIC);
}

static void publish(uint64_t *used, char name[IOREQ_STATS_NAME_BYTES], const char *text)
{
	strncpy(name, text, IOREQ_STATS_NAME_BYTES - 1);
	/* ST3 release: a reader that sees `used` sees the name and zeroed counters. Pairs with ST4 (ioreqctl). */
	store_release(used, 1);
}

struct ioreq_poller_stats *ioreq_stats_add_poller(struct ioreq_stats *stats, const char *name)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_POLLERS; i++) {
		struct ioreq_poller_stats *record = &stats->pollers[i];

		if (load_relaxed(&record->used))
			continue;
		memset(record, 0, sizeof(*record));
		publish(&record->used, record->name, name);
		return record;
	}
	return NULL;
}

struct ioreq_vm_stats *ioreq_stats_add_vm(struct ioreq_stats *stats, const char *name)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		struct ioreq_vm_stats *record = &stats->vms[i];

		if (load_relaxed(&record->used))
			continue;
		memset(record, 0, sizeof(*record));
		publish(&record->used, record->name, name);
		return record;
	}
	return NULL;
}

struct ioreq_client_stats *ioreq_stats_add_client(struct ioreq_stats *stats, const char *name)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		struct ioreq_client_stats *record = &stats->clients[i];

		if (load_relaxed(&record->used))
			continue;
		memset(record, 0, sizeof(*record));
		/* Touches every page of the histogram, so that the poller does not do it first. */
		ioreq_histogram_reset(&record->latency);
		publish(&record->used, record->name, name);
		return record;
	}
	return NULL;
}

void ioreq_stats_remove(uint64_t *used)
{
	store_relaxed(used, 0);
}

void ioreq_stats_completed(struct ioreq_client_stats *stats, const struct ioreq_access *access, bool shared)
{
	uint64_t *direction = access->direction == IOREQ_WRITE ? &stats->writes : &stats->reads;
	uint64_t ticks = tsc_now() - access->seen_tsc;

	if (shared) {
		ioreq_histogram_record_shared(&stats->latency, ticks);
		add_relaxed(direction, 1);
		/* ST5 release: last, so that `completed` never runs ahead of the histogram. Pairs with ST6 (ioreqctl). */
		add_release(&stats->completed, 1);
	} else {
		ioreq_histogram_record(&stats->latency, ticks);
		count_one(direction);
		count_one(&stats->completed);
	}
}

const char *ioreq_reason_name(unsigned reason)
{
	static const char *const names[IOREQ_NR_REASONS] = {
		[IOREQ_BAD_TYPE] = "bad type",    [IOREQ_BAD_DIRECTION] = "bad direction",
		[IOREQ_BAD_SIZE] = "bad size",    [IOREQ_BAD_ADDRESS] = "bad address",
		[IOREQ_UNCLAIMED] = "unclaimed",  [IOREQ_BAD_RESULT] = "bad result",
		[IOREQ_CLEARED] = "cleared",      [IOREQ_RECOVERED] = "recovered",
		[IOREQ_LATCHED] = "config latch", [IOREQ_RUNG] = "doorbell",
	};

	return reason < IOREQ_NR_REASONS ? names[reason] : "?";
}
