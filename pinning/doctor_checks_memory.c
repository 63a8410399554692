/* SPDX-License-Identifier: MIT */
/* Checks: memory of the poll cores' nodes, and what the kernel does with memory behind everybody's back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/doctor_check.h"

/* ---- hugepages --------------------------------------------------------------------------------------------- */

struct pages {
	const struct doctor *doctor;
	struct doctor_cpus seen; /* cores that have a node */
	struct doctor_cpus poor; /* cores whose node has none */
	unsigned nr_poor, first_poor;
	char path[DOCTOR_PATH_BYTES];
};

/* Those of both sizes below `folder`; a running service may have taken them all. -errno: none can be counted. */
static int64_t count_hugepages(const struct doctor *doctor, const char *folder, char path[DOCTOR_PATH_BYTES])
{
	static const char *const sizes[] = {"2048kB", "1048576kB"};
	const char *what = doctor->service ? "nr" : "free";
	int64_t sum = -ENOENT, nr;

	for (unsigned i = 0; i < 2; i++) {
		int rc = doctor_root_number(
			doctor->root, doctor_path(path, "%s/hugepages-%s/%s_hugepages", folder, sizes[i], what), &nr);

		if (rc == 0 && nr < 0)
			rc = -ERANGE;
		if (rc == -ENOENT)
			continue;
		if (rc)
			return rc;
		sum = (sum < 0 ? 0 : sum) + nr;
	}
	return sum;
}

static int look_at_node(void *context, unsigned node, const struct doctor_cpus *cpus)
{
	struct pages *pages = context;
	char folder[64];
	int64_t nr;

	doctor_cpus_or(&pages->seen, cpus);
	if (!doctor_cpus_overlap(cpus, &pages->doctor->plan.poll))
		return 0;
	snprintf(folder, sizeof(folder), "/sys/devices/system/node/node%u/hugepages", node);
	nr = count_hugepages(pages->doctor, folder, pages->path);
	if (nr < 0)
		return nr == -ENOENT ? -EIO : (int)nr;
	if (nr > 0)
		return 0;
	doctor_cpus_or(&pages->poor, cpus);
	if (pages->nr_poor++ == 0)
		pages->first_poor = node;
	return 0;
}

static enum doctor_result find_no_hugepages(const struct doctor *doctor, struct doctor_answer *answer,
					    const struct pages *pages, const char *where)
{
	answer->cpus = pages->poor;
	doctor_cpus_and(&answer->cpus, &doctor->plan.poll);
	if (doctor->plan.hugepages != DOCTOR_HUGEPAGES_REQUIRE)
		answer->severity = DOCTOR_MED;
	doctor_fix(answer,
		   "sysctl: vm.nr_hugepages=64; on one node: echo 64 > "
		   "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages",
		   pages->first_poor);
	return doctor_find(answer, where, "no %shugepages on the nodes of cores %s", doctor->service ? "" : "free ",
			   doctor_cores(&answer->cpus).text);
}

enum doctor_result doctor_check_hugepages(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct pages pages = {.doctor = doctor};
	char path[DOCTOR_PATH_BYTES];
	int64_t nr;
	int rc;

	if (doctor->plan.hugepages == DOCTOR_HUGEPAGES_OFF)
		return doctor_skip(answer, "the configuration wants none");
	rc = doctor_each_node(doctor, path, look_at_node, &pages);
	if (rc == -ENOENT) {
		nr = count_hugepages(doctor, "/sys/kernel/mm/hugepages", path);
		if (nr < 0)
			return doctor_unreadable(answer, path, (int)nr);
		pages.poor = doctor->plan.poll;
		if (nr == 0)
			return find_no_hugepages(doctor, answer, &pages, path);
		return doctor_pass(answer, path, "%" PRId64 "%s", nr, doctor->service ? "" : " free");
	}
	if (rc)
		return doctor_unreadable(answer, pages.path[0] ? pages.path : path, rc);
	answer->cpus = doctor->plan.poll;
	doctor_cpus_minus(&answer->cpus, &pages.seen);
	/* A core without a node: but for one that is missing, the lists are wrong. */
	doctor_cpus_and(&answer->cpus, &doctor->online);
	if (!doctor_cpus_empty(&answer->cpus))
		return doctor_unreadable(answer, "/sys/devices/system/node/node*/cpulist", -ENODATA);
	if (pages.nr_poor)
		return find_no_hugepages(doctor, answer, &pages, "/sys/devices/system/node/node*/hugepages");
	return doctor_pass(answer, "/sys/devices/system/node/node*/hugepages", "every node of a poll core has some%s",
			   doctor->service ? "" : " that are free");
}

/* ---- the page's node --------------------------------------------------------------------------------------- */

struct nodes {
	const struct doctor_cpus *poll;
	bool near[DOCTOR_MAX_NODES]; /* has poll cores */
	unsigned nr, first_near;
};

static int note_node(void *context, unsigned node, const struct doctor_cpus *cpus)
{
	struct nodes *nodes = context;

	nodes->nr++;
	nodes->near[node] = doctor_cpus_overlap(cpus, nodes->poll);
	if (nodes->near[node])
		nodes->first_near = node;
	return 0;
}

static bool is_page_line(const char *line, size_t length, const char *page)
{
	char text[1024];
	const char *file;
	size_t end;

	snprintf(text, sizeof(text), "%.*s", (int)length, line);
	file = strstr(text, " file=");
	if (!file)
		return false;
	file += 6;
	end = strcspn(file, " ");
	if (page)
		return strlen(page) == end && strncmp(file, page, end) == 0;
	return end > 5 && strncmp(file + end - 5, ".page", 5) == 0;
}

/* The node of " N1=2" in a line of numa_maps; -1: no page of it is in memory. */
static int node_of(const char *line, size_t length)
{
	const char *end = line + length;

	for (; line + 2 < end; line++) {
		if (line[0] == ' ' && line[1] == 'N' && line[2] >= '0' && line[2] <= '9') {
			long node = strtol(line + 2, NULL, 10);

			return node >= 0 && node < DOCTOR_MAX_NODES ? (int)node : -1;
		}
	}
	return -1;
}

/* The `to`-th number of a node's distances; -1: not told. */
static int read_distance(const struct doctor *doctor, unsigned from, unsigned to)
{
	char path[DOCTOR_PATH_BYTES], text[8192], *word, *rest;

	if (doctor_root_read(doctor->root, doctor_path(path, "/sys/devices/system/node/node%u/distance", from), text,
			     sizeof(text)) < 0)
		return -1;
	word = strtok_r(text, " ", &rest);
	while (word && to-- > 0)
		word = strtok_r(NULL, " ", &rest);
	return word ? doctor_root_id(word) : -1;
}

/* The node of a page that no poll core is near, or -1; *nr_out: how many pages were found. */
static int find_far_page(const char *text, const struct nodes *nodes, const char *page, unsigned *nr_out)
{
	int far = -1;

	while (text) {
		size_t length = strcspn(text, "\n");
		int node = is_page_line(text, length, page) ? node_of(text, length) : -1;

		*nr_out += node >= 0;
		if (node >= 0 && !nodes->near[node])
			far = node;
		text = text[length] ? text + length + 1 : NULL;
	}
	return far;
}

enum doctor_result doctor_check_numa(const struct doctor *doctor, struct doctor_answer *answer)
{
	struct nodes nodes = {.poll = &doctor->plan.poll};
	char path[DOCTOR_PATH_BYTES], *text;
	unsigned nr = 0;
	int rc = doctor_each_node(doctor, path, note_node, &nodes), far, distance;

	if (rc && rc != -ENOENT)
		return doctor_unreadable(answer, path, rc);
	if (nodes.nr <= 1)
		return doctor_pass(answer, "/sys/devices/system/node", "one node: all memory is near");
	if (!doctor->service)
		return doctor_skip(answer, "%u nodes, but ioreqd is not running: where its page lies is not known",
				   nodes.nr);
	rc = doctor_root_load(doctor->root, doctor_process_path(doctor, "numa_maps", path), &text);
	if (rc)
		return doctor_unreadable(answer, path, rc);
	far = find_far_page(text, &nodes, doctor->plan.page, &nr);
	free(text);
	if (nr == 0)
		return doctor_skip(answer, "ioreqd has no page yet");
	if (far < 0)
		return doctor_pass(answer, path, "every page lies on a node with a poll core");
	answer->cpus = doctor->plan.poll;
	doctor_fix(answer,
		   "let the producer make its page on node %u (numactl --membind=%u), or poll on a core of node %d",
		   nodes.first_near, nodes.first_near, far);
	distance = read_distance(doctor, nodes.first_near, (unsigned)far);
	if (distance < 0)
		return doctor_find(answer, path, "a page lies on node %d, its poll core on node %u", far,
				   nodes.first_near);
	return doctor_find(answer, path, "a page lies on node %d, its poll core on node %u: distance %d (10 is near)",
			   far, nodes.first_near, distance);
}

/* ---- what happens to memory -------------------------------------------------------------------------------- */

enum doctor_result doctor_check_swap(const struct doctor *doctor, struct doctor_answer *answer)
{
	char text[4096], *line;
	int length = doctor_root_read(doctor->root, "/proc/swaps", text, sizeof(text));

	if (length == -ENOENT)
		return doctor_skip(answer, "this kernel does not swap");
	/* The heading is there without any swap. */
	if (length >= 0 && strncmp(text, "Filename", 8) != 0)
		length = -EINVAL;
	if (length < 0)
		return doctor_unreadable(answer, "/proc/swaps", length);
	line = strchr(text, '\n');
	if (!line)
		return doctor_pass(answer, "/proc/swaps", "none");
	doctor_fix(
		answer,
		"swapoff -a, and take swap out of /etc/fstab; or leave it and lock the memory: LimitMEMLOCK=infinity");
	return doctor_find(answer, "/proc/swaps", "%.*s and what follows it", (int)strcspn(line + 1, " \t\n"),
			   line + 1);
}

enum doctor_result doctor_check_thp(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/enabled";
	char text[128];
	int length = doctor_root_read(doctor->root, path, text, sizeof(text));

	if (length == -ENOENT)
		return doctor_skip(answer, "this kernel has none");
	if (length >= 0 && (!strchr(text, '[') || !strchr(text, ']')))
		length = -EINVAL;
	if (length < 0)
		return doctor_unreadable(answer, path, length);
	if (!strstr(text, "[always]"))
		return doctor_pass(answer, path, "%s", text);
	doctor_fix(answer, "kernel parameter: transparent_hugepage=madvise");
	return doctor_find(answer, path, "%s", text);
}

enum doctor_result doctor_check_ksm(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/sys/kernel/mm/ksm/run";
	int64_t on;
	int rc = doctor_root_number(doctor->root, path, &on);

	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel has none");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	/* 2: stopped, and all merged pages were given back. */
	if (on != 1)
		return doctor_pass(answer, path, "%" PRId64 ": stopped", on);
	doctor_fix(answer, "echo 2 > %s, and disable ksm.service and ksmtuned.service", path);
	return doctor_find(answer, path, "1: running");
}

enum doctor_result doctor_check_numa_balancing(const struct doctor *doctor, struct doctor_answer *answer)
{
	const char *path = "/proc/sys/kernel/numa_balancing";
	int64_t on;
	int rc = doctor_root_number(doctor->root, path, &on);

	if (rc == -ENOENT)
		return doctor_skip(answer, "this kernel has none");
	if (rc)
		return doctor_unreadable(answer, path, rc);
	if (on == 0)
		return doctor_pass(answer, path, "0: off");
	doctor_fix(answer, "sysctl: kernel.numa_balancing=0");
	return doctor_find(answer, path, "%" PRId64 ": on", on);
}
