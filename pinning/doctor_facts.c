/* SPDX-License-Identifier: MIT */
/* Small facts about the machine that more than one check needs. See doctor_check.h. */
#include "pinning/doctor_check.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_BYTES 8192

const char *doctor_process_path(const struct doctor *doctor, const char *name, char path[DOCTOR_PATH_BYTES])
{
	if (doctor->service)
		return doctor_path(path, "/proc/%d/%s", (int)doctor->plan.pid, name);
	return doctor_path(path, "/proc/self/%s", name);
}

const char *doctor_line(const char *text, const char *key)
{
	size_t length = strlen(key);

	while (text) {
		if (strncmp(text, key, length) == 0) {
			text += length;
			return text + strspn(text, " \t");
		}
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

int doctor_has_capability(const struct doctor *doctor, unsigned bit)
{
	char text[STATUS_BYTES], path[DOCTOR_PATH_BYTES];
	int length = doctor_root_read(doctor->root, doctor_process_path(doctor, "status", path), text, sizeof(text));
	const char *mask;
	char *end;
	unsigned long long bits;

	if (length < 0)
		return length;
	mask = doctor_line(text, "CapEff:");
	if (!mask || !isxdigit((unsigned char)*mask))
		return -EINVAL;
	bits = strtoull(mask, &end, 16);
	return *end && *end != '\n' ? -EINVAL : (int)(bits >> bit & 1);
}

int doctor_limit(const struct doctor *doctor, const char *name, uint64_t *limit_out)
{
	char text[STATUS_BYTES], path[DOCTOR_PATH_BYTES];
	int length = doctor_root_read(doctor->root, doctor_process_path(doctor, "limits", path), text, sizeof(text));
	const char *value;

	if (length < 0)
		return length;
	value = doctor_line(text, name);
	if (!value)
		return -EINVAL;
	if (strncmp(value, "unlimited", 9) == 0) {
		*limit_out = UINT64_MAX;
		return 0;
	}
	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	*limit_out = strtoull(value, NULL, 10);
	return -errno;
}

int doctor_cmdline(const struct doctor *doctor, const char *name, char *value, size_t bytes)
{
	char text[8192], *rest, *word;
	int length = doctor_root_read(doctor->root, "/proc/cmdline", text, sizeof(text));
	size_t name_length = strlen(name);
	int found = -ENOENT;

	if (length < 0)
		return length;
	for (word = strtok_r(text, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
		/* What follows is for init. */
		if (strcmp(word, "--") == 0)
			break;
		if (strncmp(word, name, name_length) != 0 || word[name_length] != '=')
			continue;
		found = snprintf(value, bytes, "%s", word + name_length + 1);
		if ((size_t)found >= bytes)
			return -E2BIG;
	}
	return found;
}

int doctor_kernel_version(const struct doctor *doctor, const char **path_out)
{
	char text[256];
	unsigned major, minor;
	int length;

	*path_out = "/proc/sys/kernel/osrelease";
	length = doctor_root_read(doctor->root, *path_out, text, sizeof(text));
	if (length < 0)
		return length;
	if (!isdigit((unsigned char)text[0]) || sscanf(text, "%3u.%3u", &major, &minor) != 2)
		return -EINVAL;
	return (int)(major * 1000 + minor);
}

/* ---- NUMA nodes -------------------------------------------------------------------------------------------- */

struct nodes {
	bool there[DOCTOR_MAX_NODES];
	unsigned nr;
};

static int note_node(void *context, const char *name, bool folder)
{
	struct nodes *nodes = context;
	int node = strncmp(name, "node", 4) == 0 ? doctor_root_id(name + 4) : -1;

	(void)folder;
	if (node >= 0 && node < DOCTOR_MAX_NODES && !nodes->there[node]) {
		nodes->there[node] = true;
		nodes->nr++;
	}
	return 0;
}

int doctor_each_node(const struct doctor *doctor, char path[DOCTOR_PATH_BYTES],
		     int (*each)(void *context, unsigned node, const struct doctor_cpus *cpus), void *context)
{
	struct nodes nodes = {.nr = 0};
	struct doctor_cpus cpus;
	int rc;

	doctor_path(path, "/sys/devices/system/node");
	rc = doctor_root_entries(doctor->root, path, note_node, &nodes);
	if (rc == 0 && nodes.nr == 0)
		rc = -ENOENT;
	for (unsigned node = 0; rc == 0 && node < DOCTOR_MAX_NODES; node++) {
		if (!nodes.there[node])
			continue;
		rc = doctor_root_list(doctor->root, doctor_path(path, "/sys/devices/system/node/node%u/cpulist", node),
				      &cpus);
		/* A node without its list is no kernel without NUMA. */
		if (rc == -ENOENT)
			rc = -EIO;
		if (rc == 0)
			rc = each(context, node, &cpus);
	}
	return rc;
}

/* ---- a number per core ------------------------------------------------------------------------------------- */

int doctor_each_number(const struct doctor *doctor, const char *format, char path[DOCTOR_PATH_BYTES],
		       bool (*accept)(int64_t number), struct doctor_cpus *set, struct doctor_cpus *missing)
{
	const char *hole = strstr(format, "%d");
	int64_t number;
	int rc;

	doctor_cpus_each(cpu, &doctor->plan.poll)
	{
		doctor_path(path, "%.*s%d%s", (int)(hole - format), format, cpu, hole + 2);
		rc = doctor_root_number(doctor->root, path, &number);
		if (rc == -ENOENT)
			doctor_cpus_add(missing, (unsigned)cpu);
		else if (rc)
			return rc;
		else if (accept(number))
			doctor_cpus_add(set, (unsigned)cpu);
	}
	return 0;
}
