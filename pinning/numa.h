/* SPDX-License-Identifier: MIT */
/*
 * NUMA nodes: which CPUs, how far apart, how many free hugepages; and where memory lies.
 *
 * Threads   Any. Memory: the caller's; no pointers inside.
 */
#ifndef IOREQ_PINNING_NUMA_H
#define IOREQ_PINNING_NUMA_H

#include "pinning/pinning.h"

#define NODES_MAX 32 /* EAL's RTE_MAX_NUMA_NODES: eal.c asserts it */
#define NODES_LOCAL_DISTANCE 10

struct node {
	bool online;
	cpu_set_t cpus;
	int distance[NODES_MAX]; /* 0: not told */
	uint64_t free_huge_bytes;
	uint64_t largest_free_bytes; /* size of its largest hugepage that is free */
};

struct nodes {
	bool numa; /* false: the kernel knows no nodes; everything is on node 0 */
	struct node nodes[NODES_MAX];
};

/* PINNING_UNREADABLE: a node's CPU list makes no sense, or a node above NODES_MAX has CPUs. */
enum pinning_status nodes_read(const char *root, struct nodes *nodes_out, struct ioreq_error *error);

/* The node of a CPU; 0 if no node claims it. */
int nodes_of_core(const struct nodes *nodes, int core);

/* The node of the page behind a mapped address; it is touched. -errno. */
int nodes_of_address(const void *address);

/* Binds a page-aligned mapping to a node and moves what is there already. 0 or -errno. */
int nodes_bind(void *memory, size_t bytes, int node);

#endif
