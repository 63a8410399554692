/* SPDX-License-Identifier: MIT */
/*
 * The memory of the pollers: planned before EAL starts, made after, one heap per NUMA node.
 *
 * With hugepages a heap is EAL's own of that node. Without, it is a mapping of ordinary pages, bound to the node and
 * given to EAL's allocator, so that both kinds behave alike.
 *
 * Threads   memory_allocate(), memory_release(): any but a poller. The rest: the one that starts and ends the pinning.
 * Memory    A heap lives until memory_end().
 */
#ifndef IOREQ_PINNING_MEMORY_H
#define IOREQ_PINNING_MEMORY_H

#include "pinning/numa.h"
#include "pinning/pinning.h"

struct memory {
	struct nodes nodes;
	bool huge;
	struct ioreq_error missing; /* why there are no hugepages though they are preferred; or "" */
	bool wanted[NODES_MAX];     /* nodes with a poller */
	uint64_t bytes;             /* on each of them */
	int home;                   /* node of the first poller: for what belongs to no core */
	int heaps[NODES_MAX];       /* EAL's number for the node's heap */
	void *mappings[NODES_MAX];
};

/*
 * Sizes, hugepages, free memory; decides between hugepages and ordinary pages. PINNING_BAD_VALUE, PINNING_NO_HUGEPAGES,
 * PINNING_NO_MEMORY, PINNING_UNREADABLE.
 */
enum pinning_status memory_plan(const char *root, const struct pinning_config *config, struct memory *memory_out,
				struct ioreq_error *error);

/* What EAL may take from a node at most: its share, in whole pages of the largest size that is free there. */
uint64_t memory_limit(const struct memory *memory, int node);

/* After EAL's start: the heaps, and one line in the log for memory that came to lie on another node. PINNING_NO_MEMORY. */
enum pinning_status memory_make(struct memory *memory, const struct pinning_config *config, struct ioreq_error *error);

/* Everything mapped, now and later, stays in memory. PINNING_MEMLOCK. */
enum pinning_status memory_lock(struct ioreq_error *error);

/* VmLck of root/proc/self/status says so. PINNING_DISTURBED, PINNING_UNREADABLE. */
enum pinning_status memory_verify(const char *root, struct ioreq_error *error);

/* As struct ioreq_host has them. */
void *memory_allocate(struct memory *memory, size_t bytes, int core);
void memory_release(void *block);

void memory_end(struct memory *memory);

#endif
