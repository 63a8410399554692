/* SPDX-License-Identifier: MIT */
/*
 * Limits: see limits.h.
 *
 * Threads   Any. Memory: the caller's.
 */
#include "pinning/limits.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pinning/refuse.h"
#include "pinning/sysfile.h"

/* EAL: two pipes per poller, epoll, timer, interrupt pipe, a memfd per list of pages; then the engine's and devices'. */
#define DESCRIPTORS_PER_POLLER 4u
#define DESCRIPTORS_BESIDE 64u
/* EAL reserves a place for every page it could ever get: 134 GB. */
#define HUGE_ADDRESS_SPACE (UINT64_C(160) << 30)
#define PLAIN_ADDRESS_SPACE (UINT64_C(256) << 20)

static uint64_t limit_of(__rlimit_resource_t resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return 0;
	return limit.rlim_cur;
}

static int count_descriptors(uint64_t *count_out)
{
	const struct dirent *entry;
	DIR *entries = opendir("/proc/self/fd");

	if (!entries)
		return -errno;
	*count_out = 0;
	while ((entry = readdir(entries)))
		*count_out += entry->d_name[0] != '.';
	closedir(entries);
	return 0;
}

static int read_capabilities(uint64_t *capabilities_out)
{
	char text[SYSFILE_STATUS_BYTES], value[32];
	int status = sysfile_read("", "proc/self/status", text, sizeof(text));

	if (!status)
		status = sysfile_field(text, "CapEff", value, sizeof(value));
	if (!status)
		*capabilities_out = strtoull(value, NULL, 16);
	return status;
}

enum pinning_status limits_read(struct limits *limits_out, struct ioreq_error *error)
{
	struct limits limits = {
		.memlock_bytes = limit_of(RLIMIT_MEMLOCK),
		.address_space_bytes = limit_of(RLIMIT_AS),
		.file_bytes = limit_of(RLIMIT_FSIZE),
		.priority = limit_of(RLIMIT_RTPRIO),
		.real_time_us = limit_of(RLIMIT_RTTIME),
		.descriptors = limit_of(RLIMIT_NOFILE),
	};
	uint64_t capabilities = 0;
	int status = count_descriptors(&limits.descriptors_used);

	if (!status)
		status = read_capabilities(&capabilities);
	if (status)
		return pinning_refuse(error, PINNING_UNREADABLE,
				      "/proc/self/fd or status: %s: rights cannot be looked up; is /proc mounted here?",
				      strerror(-status));
	limits.may_lock = capabilities >> CAP_IPC_LOCK & 1;
	limits.may_nice = capabilities >> CAP_SYS_NICE & 1;
	*limits_out = limits;
	return PINNING_OK;
}

static enum pinning_status check_priorities(const struct limits *limits, const struct pinning_config *config,
					    struct ioreq_error *error)
{
	for (unsigned i = 0; i < config->nr_pollers; i++) {
		const struct pinning_poller *poller = &config->pollers[i];

		if (poller->priority == 0)
			continue;
		if (!limits->may_nice && limits->priority < (uint64_t)poller->priority)
			return pinning_refuse(error, PINNING_PRIORITY,
					      "poller %s: SCHED_FIFO %d is not allowed, RLIMIT_RTPRIO is %" PRIu64
					      ": set LimitRTPRIO=%d (ulimit -r), or give CAP_SYS_NICE",
					      poller->name, poller->priority, limits->priority, poller->priority);
		if (limits->real_time_us != RLIM_INFINITY)
			return pinning_refuse(error, PINNING_LIMIT,
					      "poller %s: RLIMIT_RTTIME is %" PRIu64
					      " us and would kill a FIFO poller, which never sleeps: set "
					      "LimitRTTIME=infinity (ulimit -R unlimited)",
					      poller->name, limits->real_time_us);
	}
	return PINNING_OK;
}

/* A finite limit that fits today makes a later mapping fail, for MCL_FUTURE locks that too. */
static enum pinning_status check_memlock(const struct limits *limits, struct ioreq_error *error)
{
	if (limits->may_lock || limits->memlock_bytes == RLIM_INFINITY)
		return PINNING_OK;
	return pinning_refuse(error, PINNING_MEMLOCK,
			      "memory cannot be locked, RLIMIT_MEMLOCK is %" PRIu64
			      " KiB: set LimitMEMLOCK=infinity (ulimit -l unlimited), or give CAP_IPC_LOCK",
			      limits->memlock_bytes >> 10);
}

enum pinning_status limits_check(const struct limits *limits, const struct pinning_config *config, bool huge,
				 struct ioreq_error *error)
{
	uint64_t descriptors =
		limits->descriptors_used + DESCRIPTORS_BESIDE + (uint64_t)DESCRIPTORS_PER_POLLER * config->nr_pollers;
	uint64_t space = huge ? HUGE_ADDRESS_SPACE : PLAIN_ADDRESS_SPACE + config->memory_bytes * config->nr_pollers;
	enum pinning_status status = check_priorities(limits, config, error);

	if (!status)
		status = check_memlock(limits, error);
	if (status)
		return status;
	if (limits->descriptors < descriptors)
		return pinning_refuse(error, PINNING_LIMIT,
				      "RLIMIT_NOFILE is %" PRIu64 " and %" PRIu64 " are needed: set LimitNOFILE=1024 "
				      "(ulimit -n)",
				      limits->descriptors, descriptors);
	if (limits->address_space_bytes < space)
		return pinning_refuse(error, PINNING_LIMIT,
				      "RLIMIT_AS is %" PRIu64 " MiB and %" PRIu64
				      " MiB of addresses are reserved: set LimitAS=infinity (ulimit -v unlimited)",
				      limits->address_space_bytes >> 20, space >> 20);
	if (limits->file_bytes < config->memory_bytes * config->nr_pollers)
		return pinning_refuse(error, PINNING_LIMIT,
				      "RLIMIT_FSIZE is %" PRIu64
				      " KiB, which memory files count against: set LimitFSIZE=infinity (ulimit -f "
				      "unlimited)",
				      limits->file_bytes >> 10);
	return PINNING_OK;
}
