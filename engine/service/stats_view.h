/* SPDX-License-Identifier: MIT */
/*
 * The stats file (stats.h) as a reader sees it: mapping it, adding it up, writing it down.
 *
 * Threads   One; an engine may write the file meanwhile.
 * Memory    A view owns its mapping. The engine may be gone: the file stays as it left it.
 */
#ifndef IOREQ_SERVICE_STATS_VIEW_H
#define IOREQ_SERVICE_STATS_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <ioreq/error.h>
#include <ioreq/stats.h>

struct ioreq_stats_view {
	const struct ioreq_stats *stats;
	void *memory; /* the same, as it was mapped */
	dev_t device;
	ino_t inode;
};

/*
 * Maps the file at `path` for reading, if it is a stats file of this version. 0, or -errno with a sentence: as open();
 * -EPROTO not a regular file, too short, another magic or version.
 */
int ioreq_stats_view_open(const char *path, struct ioreq_stats_view *view, struct ioreq_error *error);
void ioreq_stats_view_close(struct ioreq_stats_view *view);

/* Does the name mean another file by now? false if there is none of that name. */
bool ioreq_stats_view_replaced(const struct ioreq_stats_view *view, const char *path);

/* Is there a process with the engine's pid? */
bool ioreq_stats_view_alive(const struct ioreq_stats *stats);

/* ---- everything together, for a live line ------------------------------------------------------------------ */

struct ioreq_stats_totals {
	uint64_t started_ns; /* which engine: another one counts from 0 */
	uint64_t posted;
	uint64_t completed;
	uint64_t unclaimed;
	struct ioreq_histogram latency;
};

void ioreq_stats_view_total(const struct ioreq_stats *stats, struct ioreq_stats_totals *totals);

/*
 * What was recorded between two snapshots of one histogram, for quantiles. Its minimum is 0 and its maximum that of
 * `now`: the exact ones of an interval are not kept.
 */
void ioreq_stats_view_interval(const struct ioreq_histogram *now, const struct ioreq_histogram *before,
			       struct ioreq_histogram *interval_out);

/* ---- the account ------------------------------------------------------------------------------------------- */

struct ioreq_stats_account {
	bool used;
	uint64_t posted;
	uint64_t completed;
	uint64_t lost;
};

/*
 * The account of every VM. While an engine lives, what looks lost may be in flight: it is looked at again for up to
 * settle_ns, and what was missing in every look is lost. Returns the requests lost, all VMs together.
 */
uint64_t ioreq_stats_view_account(const struct ioreq_stats *stats, uint64_t settle_ns,
				  struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS]);

/* ---- writing it down --------------------------------------------------------------------------------------- */

#define IOREQ_STATS_VIEW_TIME_BYTES 24

/* Ticks as "812 ns", "1.24 us", "33.1 ms": three digits and a unit. */
void ioreq_stats_view_time(uint64_t ticks, uint64_t tsc_hz, char text[IOREQ_STATS_VIEW_TIME_BYTES]);

/* The closing tables, and the same as one JSON object. */
void ioreq_stats_view_print(const struct ioreq_stats *stats,
			    const struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS], FILE *file);
void ioreq_stats_view_json(const struct ioreq_stats *stats,
			   const struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS], FILE *file);

#endif
