/* SPDX-License-Identifier: MIT */
/*
 * NUMA nodes: see numa.h. The topology is read from /sys, under a root; the system calls are libnuma's.
 *
 * Threads   Any. Memory: the caller's.
 */
#include "pinning/numa.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <numaif.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/cores.h"
#include "pinning/refuse.h"
#include "pinning/sysfile.h"

static const char nodes_folder[] = "sys/devices/system/node";

static DIR *open_folder(const char *root, const char *path)
{
	char full[2 * SYSFILE_PATH_BYTES];

	if (snprintf(full, sizeof(full), "%s/%s", root, path) >= (int)sizeof(full))
		return NULL;
	return opendir(full);
}

/* Entries of `folder` are hugepages-<kB>kB. */
static void read_hugepages(const char *root, const char *folder, struct node *node)
{
	char path[SYSFILE_PATH_BYTES];
	const struct dirent *entry;
	DIR *entries = open_folder(root, folder);

	while (entries && (entry = readdir(entries))) {
		unsigned long kilobytes;
		long long count;

		if (strncmp(entry->d_name, "hugepages-", 10) != 0)
			continue;
		kilobytes = strtoul(entry->d_name + 10, NULL, 10);
		snprintf(path, sizeof(path), "%s/%.64s/free_hugepages", folder, entry->d_name);
		if (sysfile_number(root, path, &count) || count <= 0)
			continue;
		node->free_huge_bytes += (uint64_t)count * kilobytes * 1024;
		if (kilobytes * UINT64_C(1024) > node->largest_free_bytes)
			node->largest_free_bytes = kilobytes * UINT64_C(1024);
	}
	if (entries)
		closedir(entries);
}

/* One number per online node, in order. */
static void read_distances(const char *root, struct nodes *nodes, unsigned number)
{
	char path[SYSFILE_PATH_BYTES], text[1024], *at = text, *end;

	snprintf(path, sizeof(path), "%s/node%u/distance", nodes_folder, number);
	if (sysfile_read(root, path, text, sizeof(text)))
		return;
	for (unsigned other = 0; other < NODES_MAX; other++) {
		long distance;

		if (!nodes->nodes[other].online)
			continue;
		distance = strtol(at, &end, 10);
		if (end == at || distance < NODES_LOCAL_DISTANCE || distance > 255)
			return;
		nodes->nodes[number].distance[other] = (int)distance;
		at = end;
	}
}

static enum pinning_status read_node(const char *root, struct nodes *nodes, unsigned number, struct ioreq_error *error)
{
	struct node *node = &nodes->nodes[number];
	char path[SYSFILE_PATH_BYTES], text[4096];
	int status;

	snprintf(path, sizeof(path), "%s/node%u/cpulist", nodes_folder, number);
	status = sysfile_read(root, path, text, sizeof(text));
	if (!status)
		status = cores_parse(text, &node->cpus);
	if (status)
		return pinning_refuse(error, PINNING_UNREADABLE,
				      "/%s: %s: the node of a core cannot be told; is /sys whole and visible here?",
				      path, strerror(-status));
	snprintf(path, sizeof(path), "%s/node%u/hugepages", nodes_folder, number);
	read_hugepages(root, path, node);
	read_distances(root, nodes, number);
	return PINNING_OK;
}

/* The list of nodes has the shape of a list of CPUs. */
static int read_online(const char *root, cpu_set_t *numbers_out)
{
	char path[SYSFILE_PATH_BYTES], text[1024];
	int status;

	snprintf(path, sizeof(path), "%s/online", nodes_folder);
	status = sysfile_read(root, path, text, sizeof(text));
	return status ? status : cores_parse(text, numbers_out);
}

static void without_nodes(const char *root, struct nodes *nodes)
{
	nodes->nodes[0].online = true;
	nodes->nodes[0].distance[0] = NODES_LOCAL_DISTANCE;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &nodes->nodes[0].cpus);
	read_hugepages(root, "sys/kernel/mm/hugepages", &nodes->nodes[0]);
}

enum pinning_status nodes_read(const char *root, struct nodes *nodes_out, struct ioreq_error *error)
{
	struct nodes nodes = {.numa = true};
	enum pinning_status status = PINNING_OK;
	cpu_set_t numbers;
	int found = read_online(root, &numbers);

	if (found == -ENOENT) {
		nodes.numa = false;
		without_nodes(root, &nodes);
		*nodes_out = nodes;
		return PINNING_OK;
	}
	if (found)
		return pinning_refuse(error, PINNING_UNREADABLE, "/%s/online: %s: the NUMA nodes cannot be counted",
				      nodes_folder, strerror(-found));
	for (size_t number = 0; number < CPU_SETSIZE; number++) {
		if (!CPU_ISSET(number, &numbers))
			continue;
		if (number >= NODES_MAX)
			return pinning_refuse(error, PINNING_UNREADABLE, "/%s/online: node %zu; allowed: 0..%d",
					      nodes_folder, number, NODES_MAX - 1);
		nodes.nodes[number].online = true;
	}
	for (unsigned number = 0; !status && number < NODES_MAX; number++)
		if (nodes.nodes[number].online)
			status = read_node(root, &nodes, number, error);
	if (!status)
		*nodes_out = nodes;
	return status;
}

int nodes_of_core(const struct nodes *nodes, int core)
{
	for (int number = 0; number < NODES_MAX && core >= 0; number++)
		if (nodes->nodes[number].online && CPU_ISSET((size_t)core, &nodes->nodes[number].cpus))
			return number;
	return 0;
}

int nodes_of_address(const void *address)
{
	int node = -1;

	/* The kernel's interface takes the address as void *, and only looks. */
	if (get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)address, MPOL_F_NODE | MPOL_F_ADDR))
		return -errno;
	return node;
}

int nodes_bind(void *memory, size_t bytes, int node)
{
	unsigned long mask = 1UL << node;

	static_assert(NODES_MAX <= sizeof(mask) * CHAR_BIT, "one word of node mask");
	/* The kernel counts one bit less than it is told. */
	if (mbind(memory, bytes, MPOL_BIND, &mask, sizeof(mask) * CHAR_BIT + 1, MPOL_MF_MOVE))
		return -errno;
	return 0;
}
