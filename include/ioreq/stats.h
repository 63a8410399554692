/* SPDX-License-Identifier: MIT */
/*
 * The engine's counters and histograms, as a file that others read while the engine writes.
 *
 * Shape     A header and three arrays of fixed size: pollers, VMs, clients. `used` says which records are live. The
 *           file is IOREQ_STATS_BYTES long and sparse: unused records cost nothing.
 * Threads   Written by the engine's threads with relaxed atomic stores and no locks, read by anybody with relaxed loads
 *           (plain loads of aligned 64-bit words from a mapping). Every word is right by itself; words read together
 *           may be a request apart. Every counter only grows, for as long as its record is `used`.
 * Account   Every request seen is counted once in its VM's `posted` and, when COMPLETE is stored, once in the
 *           `completed` of exactly one client record: who answered it. What the engine answers by itself (no owner,
 *           invalid, doorbells, the config-address latch, taken away) is in the VM's first record, named "-".
 *           What clients completed that were removed since is in the VM's `departed`.
 *           posted - departed - sum of completed = requests in flight.
 *           An engine that ends leaves its records as they were.
 * Units     Histograms are in TSC ticks, from PENDING seen to COMPLETE stored; tsc_hz converts.
 */
#ifndef IOREQ_STATS_H
#define IOREQ_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <ioreq/access.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define IOREQ_STATS_MAGIC UINT64_C(0x3154535145524f49) /* "IOREQST1", little endian */
#define IOREQ_STATS_VERSION 1u
#define IOREQ_STATS_MAX_POLLERS 16
#define IOREQ_STATS_MAX_VMS 64
#define IOREQ_STATS_MAX_CLIENTS 256 /* all VMs together, the "-" records included */
#define IOREQ_STATS_NAME_BYTES 32

/*
 * Log-linear: 128 linear sub-buckets per power of two, so a value is known within 0.8 %; values from 0 up to 2^34,
 * larger ones are counted in the last bucket. minimum and maximum are exact. minimum is UINT64_MAX while count is 0.
 */
#define IOREQ_HISTOGRAM_SUB_BITS 7
#define IOREQ_HISTOGRAM_BUCKETS ((34 - IOREQ_HISTOGRAM_SUB_BITS + 1) << IOREQ_HISTOGRAM_SUB_BITS)

struct ioreq_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t minimum;
	uint64_t maximum;
	uint64_t buckets[IOREQ_HISTOGRAM_BUCKETS];
};

/* Why the engine answered a request itself, or otherwise noticed it. */
enum ioreq_reason {
	IOREQ_BAD_TYPE,      /* not PIO, MMIO or PCI config (the hypervisor's WP is 3) */
	IOREQ_BAD_DIRECTION, /* neither READ nor WRITE */
	IOREQ_BAD_SIZE,      /* not 1, 2, 4, or 8 for MMIO */
	IOREQ_BAD_ADDRESS,   /* wraps, or outside its space */
	IOREQ_UNCLAIMED,     /* no owner, no default client, or UNHANDLED by all */
	IOREQ_BAD_RESULT,    /* a handler's answer was none of ioreq_result, or DEFER inline */
	IOREQ_CLEARED,       /* completed for the guest during a clear or detach, or taken away from its client */
	IOREQ_RECOVERED,     /* found at attach, its handler may have begun: failed */
	IOREQ_LATCHED,       /* an access to the config-address latch, or data while it is off */
	IOREQ_RUNG,          /* a doorbell took the write */
	IOREQ_NR_REASONS,
};

struct ioreq_poller_stats {
	uint64_t used;
	char name[IOREQ_STATS_NAME_BYTES];
	int64_t core;
	uint64_t sweeps;
	uint64_t notifies;  /* system calls: notify of a non-polling request */
	uint64_t doorbells; /* system calls: eventfd signals */
	uint64_t wakes;     /* system calls: a parked client */
};

struct ioreq_vm_stats {
	uint64_t used;
	char name[IOREQ_STATS_NAME_BYTES];
	uint64_t poller; /* index of its poller's record */
	uint64_t nr_vcpus;
	uint64_t attached;
	uint64_t posted;
	uint64_t reasons[IOREQ_NR_REASONS];
	uint64_t reposted;      /* PENDING seen in a slot whose request a client still holds: the producer's error */
	uint64_t notify_errors; /* a backend's notify failed */
	uint64_t clears;
	uint64_t interrupts; /* lines set and MSIs sent: up to one system call each, by whoever did it */
	uint64_t departed;   /* completed by clients that were removed since */
};

struct ioreq_client_stats {
	uint64_t used;
	char name[IOREQ_STATS_NAME_BYTES]; /* "-": answered by the engine itself */
	uint64_t vm;                       /* index of its VM's record */
	uint64_t delivery;                 /* enum ioreq_delivery */
	uint64_t reads;
	uint64_t writes;
	uint64_t unhandled; /* answered UNHANDLED, passed on */
	uint64_t completed;
	uint64_t notifies; /* completions that were notified, whichever thread did it */
	struct ioreq_histogram latency;
};

struct ioreq_stats {
	uint64_t magic;
	uint32_t version;
	uint32_t bytes; /* IOREQ_STATS_BYTES of the writer */
	uint64_t tsc_hz;
	uint64_t pid;
	uint64_t started_ns; /* CLOCK_REALTIME */
	struct ioreq_poller_stats pollers[IOREQ_STATS_MAX_POLLERS];
	struct ioreq_vm_stats vms[IOREQ_STATS_MAX_VMS];
	struct ioreq_client_stats clients[IOREQ_STATS_MAX_CLIENTS];
};

#define IOREQ_STATS_BYTES (((sizeof(struct ioreq_stats)) + 4095) & ~(size_t)4095)

/* Empties a histogram. */
void ioreq_histogram_reset(struct ioreq_histogram *histogram);

/* Counts one value. One writer at a time; readers at any time. */
void ioreq_histogram_record(struct ioreq_histogram *histogram, uint64_t value);

/* The same for several writers at once; dearer (locked instructions). */
void ioreq_histogram_record_shared(struct ioreq_histogram *histogram, uint64_t value);

/* Adds `from` to `into`. `into` has one writer; `from` may be written meanwhile. */
void ioreq_histogram_merge(struct ioreq_histogram *into, const struct ioreq_histogram *from);

/*
 * The value at or below which `fraction` (0..1) of the counted values lie: the upper bound of its bucket, never above
 * the exact maximum nor below the exact minimum. 0 if nothing was counted.
 */
uint64_t ioreq_histogram_quantile(const struct ioreq_histogram *histogram, double fraction);

/* Words for an enum ioreq_reason: "bad type", "unclaimed". "?" out of range. */
const char *ioreq_reason_name(unsigned reason);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
