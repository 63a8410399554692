/* SPDX-License-Identifier: MIT */
/*
 * Memory: see memory.h.
 *
 * Threads   As memory.h says. Memory: heaps are mapped by EAL or here, and unmapped by EAL's end or memory_end().
 */
#include "pinning/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pinning/eal.h"
#include "pinning/refuse.h"
#include "pinning/sysfile.h"

/* Beside the heaps: EAL, stacks, libraries, the stats file. */
#define MEMORY_BESIDE (UINT64_C(32) << 20)

/* The usual hugepage; a whole number of ordinary pages and of the MiB that EAL is told. */
#define GRAIN_BYTES (UINT64_C(2) << 20)

#define MIB(bytes) ((bytes) >> 20)

/* ---- the plan ---------------------------------------------------------------------------------------------- */

static enum pinning_status check_hugepages(const struct memory *memory, struct ioreq_error *error)
{
	for (int n = 0; n < NODES_MAX; n++) {
		uint64_t free = memory->nodes.nodes[n].free_huge_bytes;

		if (!memory->wanted[n] || free >= memory->bytes)
			continue;
		return pinning_refuse(error, PINNING_NO_HUGEPAGES,
				      "node %d has %" PRIu64 " MiB of free hugepages, %" PRIu64
				      " MiB are asked for: echo %" PRIu64
				      " >/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
				      n, MIB(free), MIB(memory->bytes), memory->bytes / GRAIN_BYTES, n);
	}
	return PINNING_OK;
}

/* EAL reads this file for hugepages, too, and aborts without it. */
static enum pinning_status check_available(const char *root, const struct memory *memory, struct ioreq_error *error)
{
	char text[SYSFILE_STATUS_BYTES], value[32] = "";
	uint64_t needed = MEMORY_BESIDE, available;
	int status = sysfile_read(root, "proc/meminfo", text, sizeof(text));

	for (int n = 0; n < NODES_MAX; n++)
		needed += memory->wanted[n] ? memory->bytes : 0;
	if (!status)
		status = sysfile_field(text, "MemAvailable", value, sizeof(value));
	if (status || value[0] < '0' || value[0] > '9')
		return pinning_refuse(error, PINNING_UNREADABLE,
				      "/proc/meminfo: %s: free memory cannot be told; with ProcSubset=pid it is hidden",
				      strerror(status ? -status : EINVAL));
	available = strtoull(value, NULL, 10) << 10;
	if (!memory->huge && available < needed)
		return pinning_refuse(error, PINNING_NO_MEMORY,
				      "%" PRIu64 " MiB of memory are available, %" PRIu64
				      " MiB would be locked: reserve less",
				      MIB(available), MIB(needed));
	return PINNING_OK;
}

static void plan_nodes(const struct pinning_config *config, struct memory *memory)
{
	memory->bytes = (config->memory_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
	memory->home = nodes_of_core(&memory->nodes, config->pollers[0].core);
	for (unsigned i = 0; i < config->nr_pollers; i++)
		memory->wanted[nodes_of_core(&memory->nodes, config->pollers[i].core)] = true;
}

enum pinning_status memory_plan(const char *root, const struct pinning_config *config, struct memory *memory_out,
				struct ioreq_error *error)
{
	struct memory memory = {.huge = config->hugepages != PINNING_HUGEPAGES_OFF};
	enum pinning_status status;

	if (config->memory_bytes < PINNING_MIN_MEMORY || config->memory_bytes > PINNING_MAX_MEMORY)
		return pinning_refuse(error, PINNING_BAD_VALUE,
				      "memory of %" PRIu64 " bytes; allowed: %" PRIu64 " MiB..%" PRIu64 " MiB",
				      config->memory_bytes, MIB(PINNING_MIN_MEMORY), MIB(PINNING_MAX_MEMORY));
	status = nodes_read(root, &memory.nodes, error);
	if (status)
		return status;
	plan_nodes(config, &memory);
	status = memory.huge ? check_hugepages(&memory, &memory.missing) : PINNING_OK;
	if (status && config->hugepages == PINNING_HUGEPAGES_REQUIRE)
		return pinning_refuse(error, status, "%s", memory.missing.text);
	memory.huge = memory.huge && !status;
	status = check_available(root, &memory, error);
	if (!status)
		*memory_out = memory;
	return status;
}

uint64_t memory_limit(const struct memory *memory, int node)
{
	uint64_t page = memory->nodes.nodes[node].largest_free_bytes;

	if (!memory->wanted[node])
		return 0;
	return page ? (memory->bytes + page - 1) / page * page : memory->bytes;
}

/* ---- heaps ------------------------------------------------------------------------------------------------- */

/* Bound before it is touched, touched before it is used. A machine without nodes, or a kernel that forbids: as it comes. */
static enum pinning_status map_plain(struct memory *memory, int node, struct ioreq_error *error)
{
	char name[32];
	int status;
	void *mapping = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapping == MAP_FAILED)
		return pinning_refuse(error, PINNING_NO_MEMORY, "%" PRIu64 " MiB cannot be mapped: %s; reserve less",
				      MIB(memory->bytes), strerror(errno));
	memory->mappings[node] = mapping;
	if (memory->nodes.numa)
		nodes_bind(mapping, memory->bytes, node);
	memset(mapping, 0, memory->bytes);
	snprintf(name, sizeof(name), "ioreq-node%d", node);
	status = pinning_eal_add_heap(name, mapping, memory->bytes, &memory->heaps[node]);
	if (status)
		return pinning_refuse(error, PINNING_NO_MEMORY,
				      "%" PRIu64 " MiB on node %d cannot become a heap: %s; reserve another size",
				      MIB(memory->bytes), node, strerror(-status));
	return PINNING_OK;
}

static void report_remote(const struct memory *memory, const struct pinning_config *config, int node)
{
	void *probe = pinning_eal_allocate(64, memory->heaps[node]);
	int found;

	if (!probe)
		return;
	found = nodes_of_address(probe);
	pinning_eal_release(probe);
	if (found >= 0 && found < NODES_MAX && found != node)
		pinning_say(config, "pinning: remote-memory wanted_node=%d node=%d distance=%d", node, found,
			    memory->nodes.nodes[node].distance[found]);
}

enum pinning_status memory_make(struct memory *memory, const struct pinning_config *config, struct ioreq_error *error)
{
	enum pinning_status status = PINNING_OK;

	for (int n = 0; !status && n < NODES_MAX; n++) {
		if (!memory->wanted[n])
			continue;
		memory->heaps[n] = n;
		if (!memory->huge)
			status = map_plain(memory, n, error);
		if (!status && memory->nodes.numa)
			report_remote(memory, config, n);
	}
	return status;
}

void *memory_allocate(struct memory *memory, size_t bytes, int core)
{
	int node = core < 0 ? memory->home : nodes_of_core(&memory->nodes, core);
	void *block;

	block = pinning_eal_allocate(bytes, memory->heaps[memory->wanted[node] ? node : memory->home]);
	/* EAL promises nothing about what is in it; and the first touch shall not be a poller's. */
	return block ? memset(block, 0, bytes) : NULL;
}

void memory_release(void *block)
{
	pinning_eal_release(block);
}

void memory_end(struct memory *memory)
{
	for (int n = 0; n < NODES_MAX; n++)
		if (memory->mappings[n])
			munmap(memory->mappings[n], memory->bytes);
}

/* ---- locking ----------------------------------------------------------------------------------------------- */

enum pinning_status memory_lock(struct ioreq_error *error)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0)
		return PINNING_OK;
	return pinning_refuse(error, PINNING_MEMLOCK,
			      "memory cannot be locked: %s; set LimitMEMLOCK=infinity (ulimit -l unlimited), or give "
			      "CAP_IPC_LOCK",
			      strerror(errno));
}

enum pinning_status memory_verify(const char *root, struct ioreq_error *error)
{
	char text[SYSFILE_STATUS_BYTES], value[32];
	int status = sysfile_read(root, "proc/self/status", text, sizeof(text));

	if (!status)
		status = sysfile_field(text, "VmLck", value, sizeof(value));
	if (status)
		return pinning_refuse(error, PINNING_UNREADABLE,
				      "/proc/self/status: %s: that memory is locked cannot be proved",
				      strerror(-status));
	if (strtoull(value, NULL, 10) == 0)
		return pinning_refuse(error, PINNING_DISTURBED,
				      "no memory is locked any more: somebody called munlockall; restart");
	return PINNING_OK;
}
