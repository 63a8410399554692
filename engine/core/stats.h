/* SPDX-License-Identifier: MIT */
/* Records of the stats file: taken, named, given back, counted into. */
#ifndef IOREQ_CORE_STATS_H
#define IOREQ_CORE_STATS_H

#include <stdbool.h>

#include <ioreq/stats.h>

#include "core/atomic.h"

/* Writes the header and measures the TSC (20 ms). `memory` is zeroed. */
void ioreq_stats_start(struct ioreq_stats *stats);

/* Takes a free record and names it; NULL: all in use. Under the engine's lock. */
struct ioreq_poller_stats *ioreq_stats_add_poller(struct ioreq_stats *stats, const char *name);
struct ioreq_vm_stats *ioreq_stats_add_vm(struct ioreq_stats *stats, const char *name);
struct ioreq_client_stats *ioreq_stats_add_client(struct ioreq_stats *stats, const char *name);

/* Gives a record back; `used` is the record's first word. */
void ioreq_stats_remove(uint64_t *used);

/*
 * A request was completed: after COMPLETE, nothing here is on the guest's way. `shared`: several threads may count into
 * this record at once.
 */
void ioreq_stats_completed(struct ioreq_client_stats *stats, const struct ioreq_access *access, bool shared);

#endif
