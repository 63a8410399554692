/* SPDX-License-Identifier: MIT */
/*
 * Which CPUs there are, which this process may use, and whether a configuration's cores are among them.
 *
 * Threads   Any. Memory: the caller's; no pointers inside.
 */
#ifndef IOREQ_PINNING_CORES_H
#define IOREQ_PINNING_CORES_H

#include "pinning/pinning.h"
#include "pinning/sysfile.h"

#define CORES_TEXT_BYTES 128 /* for a list in a sentence; a longer one is cut, with "..." */

struct cores {
	cpu_set_t present;
	cpu_set_t online;
	cpu_set_t allowed;  /* affinity of the process, within its cpuset */
	cpu_set_t isolated; /* by isolcpus=: outside every inherited affinity, but not forbidden */
	cpu_set_t cpuset;   /* of the cgroup; without one: all */
	char cgroup[SYSFILE_PATH_BYTES];
};

/* "0-3,5" as the kernel writes it; "" is empty. Strict: no blanks, no CPU above 1023, no range upside down. 0, -EINVAL. */
int cores_parse(const char *text, cpu_set_t *cpus_out);
void cores_format(const cpu_set_t *cpus, char *text, size_t bytes);

/* PINNING_UNREADABLE. A cgroup without a cpuset, and kernels without isolation, are no errors. */
enum pinning_status cores_read(const char *root, struct cores *cores_out, struct ioreq_error *error);

/* Names, priorities, cores and housekeeping of a configuration; fills the housekeeping cores to be used. */
enum pinning_status cores_check(const struct cores *cores, const struct pinning_config *config,
				cpu_set_t *housekeeping_out, struct ioreq_error *error);

void cores_of_pollers(const struct pinning_config *config, cpu_set_t *cpus_out);

/*
 * Is real-time throttling on? Then one sentence that says what it costs and how it is switched off. False as well when
 * it cannot be read.
 */
bool cores_throttled(const char *root, char *text, size_t bytes);

#endif
