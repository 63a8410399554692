/* SPDX-License-Identifier: MIT */
/*
 * Isolated poll cores: "run this poller on core 3".
 *
 *	check everything -> EAL, once -> every other thread off the poll cores -> memory locked -> proved from /proc
 *
 * Life      pinning_start(); pinning_host() into the engine's configuration; create engine, pollers, VMs;
 *           pinning_run_poller() for each poller; ... ioreq_poller_stop(), pinning_wait_poller();
 *           ioreq_engine_destroy(); pinning_end(). If the engine could not be destroyed, the process ends without
 *           pinning_end(): a handler may still use the memory.
 * Threads   All calls but those of the host structure: the thread that called pinning_start(), which becomes EAL's main
 *           lcore, on the housekeeping cores. They allocate, log and wait. None is for a poll core.
 * Memory    Configurations are copied. Memory from the host's allocator lives until pinning_end() at the latest.
 * Errors    An enum whose values are exit statuses of ioreqd(8), and one sentence with cause and remedy. Outputs are
 *           untouched on error. DPDK's EAL starts once per process: after PINNING_EAL or a later status of
 *           pinning_start(), the process cannot try again.
 */
#ifndef IOREQ_PINNING_PINNING_H
#define IOREQ_PINNING_PINNING_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/engine.h>

#define PINNING_MAX_POLLERS 16
#define PINNING_MIN_MEMORY (UINT64_C(8) << 20)  /* a VM's block, its tables and their successors */
#define PINNING_MAX_MEMORY (UINT64_C(16) << 30) /* of one list of 2-MiB pages in EAL, half */

/* What went wrong. The numbers are exit statuses: never reuse one. */
enum pinning_status {
	PINNING_OK = 0,
	PINNING_BAD_VALUE = 20,    /* a name, priority, size or number of pollers outside what is allowed */
	PINNING_CORE_TWICE = 21,   /* two pollers on one core */
	PINNING_NO_CORE = 22,      /* a core that does not exist or is offline */
	PINNING_OUTSIDE = 23,      /* a core outside this process's cpuset or affinity */
	PINNING_ONE_CPU = 24,      /* one usable CPU: nothing left for housekeeping */
	PINNING_HOUSEKEEPING = 25, /* no housekeeping core, or one that is also a poll core */
	PINNING_NAME_USED = 26,    /* another process runs under this name */
	PINNING_NO_HUGEPAGES = 27, /* hugepages are required and too few are free on a poller's node */
	PINNING_NO_MEMORY = 28,    /* the memory asked for is not there */
	PINNING_MEMLOCK = 29,      /* no right to lock memory */
	PINNING_PRIORITY = 30,     /* no right to real-time scheduling */
	PINNING_LIMIT = 31,        /* another resource limit: threads, descriptors, address space, file size */
	PINNING_UNREADABLE = 32,   /* a file of /proc or /sys that is needed cannot be read or makes no sense */
	PINNING_EAL = 33,          /* DPDK's EAL does not start, or was started before in this process */
	PINNING_DISTURBED = 34,    /* afterwards: another thread may run on a poll core, or a poller elsewhere */
};

enum pinning_hugepages {
	PINNING_HUGEPAGES_PREFER, /* ordinary pages, and one line in the log, where hugepages are missing */
	PINNING_HUGEPAGES_REQUIRE,
	PINNING_HUGEPAGES_OFF,
};

struct pinning_poller {
	char name[IOREQ_NAME_BYTES];
	int core;
	int priority; /* SCHED_FIFO 1..99; 0: the scheduler's ordinary class */
};

struct pinning_config {
	const char *name; /* of this service on this machine: 1..31 letters, digits, '_', '-', '.' */
	struct pinning_poller pollers[PINNING_MAX_POLLERS];
	unsigned nr_pollers;
	cpu_set_t housekeeping; /* empty: every CPU of this process that is neither a poll core nor isolated */
	enum pinning_hugepages hugepages;
	uint64_t memory_bytes; /* on each NUMA node that has a poller */
	/* One event per call, without newline; EAL's messages too. From any thread but a poller. NULL: dropped. */
	void (*log)(void *context, const char *line);
	void *log_context;
};

struct pinning;

/*
 * Checks, starts EAL, moves every thread that the process has to the housekeeping cores, locks the memory, verifies.
 * Blocks for about 150 ms. On an error before EAL's start the process is as it was before.
 */
enum pinning_status pinning_start(const struct pinning_config *config, struct pinning **pinning_out,
				  struct ioreq_error *error);

/*
 * What the engine needs of its host: memory on the node of a core, zeroed, touched, locked, in hugepages if there are
 * any; threads on housekeeping cores, or on a core of their own that no poller has (-EINVAL for a poller's).
 */
struct ioreq_host pinning_host(struct pinning *pinning);

/*
 * Runs `poller` on the core of configuration entry `index`, under its priority, and returns when it sweeps. Call it
 * when the engine has given the poller that core. PINNING_PRIORITY; PINNING_BAD_VALUE: no such entry, or it is taken.
 */
enum pinning_status pinning_run_poller(struct pinning *pinning, unsigned index, struct ioreq_poller *poller,
				       struct ioreq_error *error);

/* Waits until the loop has ended: call ioreq_poller_stop() first. The entry can run a poller again. */
void pinning_wait_poller(struct pinning *pinning, unsigned index);

/*
 * Proves from /proc/self that each poller may run on its core only, with its policy and priority, that no other thread
 * may run there, and that the memory is locked. PINNING_DISTURBED names the thread; PINNING_UNREADABLE.
 */
enum pinning_status pinning_verify(struct pinning *pinning, struct ioreq_error *error);

/* Where a page lies, seen from a core. */
struct pinning_place {
	int page_node;
	int core_node;
	int distance; /* as the firmware tells it: 10 is local */
};

/* Looks up the node of the page at `address`, which must be mapped. -errno if the kernel does not tell. */
int pinning_locate(const struct pinning *pinning, const void *address, int core, struct pinning_place *place_out);

/* Moves a page-aligned mapping of the caller's to the node of `core`. -errno: it stays where it is, and works. */
int pinning_move_memory(const struct pinning *pinning, void *memory, size_t bytes, int core);

/*
 * Gives everything back, the caller's affinity too, but for EAL's threads, which sleep, and the lock on memory. All
 * pollers have been stopped.
 */
void pinning_end(struct pinning *pinning);

#endif
