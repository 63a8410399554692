/* SPDX-License-Identifier: MIT */
/*
 * Resource limits and capabilities, judged before anything is asked of the kernel or EAL.
 *
 * Threads   Any. Memory: the caller's; no pointers inside.
 */
#ifndef IOREQ_PINNING_LIMITS_H
#define IOREQ_PINNING_LIMITS_H

#include "pinning/pinning.h"

/* RLIM_INFINITY as the kernel has it. */
struct limits {
	uint64_t memlock_bytes;
	uint64_t address_space_bytes;
	uint64_t file_bytes; /* EAL's memory are memfds, which RLIMIT_FSIZE kills */
	uint64_t priority;
	uint64_t real_time_us; /* RLIMIT_RTTIME kills a FIFO thread that never sleeps */
	uint64_t descriptors;
	uint64_t descriptors_used;
	bool may_lock; /* CAP_IPC_LOCK */
	bool may_nice; /* CAP_SYS_NICE */
};

/* The process's own. PINNING_UNREADABLE: capabilities or descriptors cannot be looked up. */
enum pinning_status limits_read(struct limits *limits_out, struct ioreq_error *error);

/* PINNING_PRIORITY, PINNING_MEMLOCK, PINNING_LIMIT. `huge`: with hugepages. */
enum pinning_status limits_check(const struct limits *limits, const struct pinning_config *config, bool huge,
				 struct ioreq_error *error);

#endif
