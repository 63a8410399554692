/* SPDX-License-Identifier: MIT */
/*
 * Reading of /proc and /sys: see sysfile.h.
 *
 * Threads   Any. Memory: the caller's.
 */
#include "pinning/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t bytes)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, text + used, bytes - used)) > 0) {
		used += (size_t)got;
		if (used == bytes)
			return -EFBIG;
	}
	if (got < 0)
		return -errno;
	while (used && text[used - 1] == '\n')
		used--;
	text[used] = 0;
	return 0;
}

int sysfile_read(const char *root, const char *path, char *text, size_t bytes)
{
	char full[2 * SYSFILE_PATH_BYTES];
	int fd, status;

	if (snprintf(full, sizeof(full), "%s/%s", root, path) >= (int)sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	status = read_all(fd, text, bytes);
	close(fd);
	return status;
}

int sysfile_number(const char *root, const char *path, long long *number_out)
{
	char text[64], *end;
	long long number;
	int status = sysfile_read(root, path, text, sizeof(text));

	if (status)
		return status;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return -EINVAL;
	*number_out = number;
	return 0;
}

int sysfile_field(const char *text, const char *name, char *value, size_t bytes)
{
	size_t name_length = strlen(name), length;
	const char *line = text;

	while (strncmp(line, name, name_length) != 0 || line[name_length] != ':') {
		line = strchr(line, '\n');
		if (!line)
			return -ENOENT;
		line++;
	}
	line += name_length + 1;
	line += strspn(line, " \t");
	length = strcspn(line, "\n");
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	if (length >= bytes)
		return -EFBIG;
	memcpy(value, line, length);
	value[length] = 0;
	return 0;
}

/* Does the comma-separated `list` of `length` characters name `controller`? */
static bool names(const char *list, size_t length, const char *controller)
{
	size_t wanted = strlen(controller);

	while (length >= wanted) {
		size_t item = strcspn(list, ",:");

		if (item == wanted && strncmp(list, controller, wanted) == 0)
			return true;
		if (item >= length)
			return false;
		list += item + 1;
		length -= item + 1;
	}
	return false;
}

/* Lines are `number:controllers:/path`; version 2 has number 0 and no controllers. */
int sysfile_cgroup(const char *root, const char *controller, char *path, size_t bytes)
{
	char text[SYSFILE_STATUS_BYTES];
	int status = sysfile_read(root, "proc/self/cgroup", text, sizeof(text));
	const char *unified = NULL;
	char *rest;
	int used = -1;

	if (status)
		return status;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *list = strchr(line, ':');
		char *place = list ? strchr(list + 1, ':') : NULL;

		if (!place)
			continue;
		if (place == list + 1)
			unified = place + 1;
		if (names(list + 1, (size_t)(place - list - 1), controller))
			used = snprintf(path, bytes, "sys/fs/cgroup/%s%s", controller, place + 1);
	}
	if (used < 0 && unified)
		used = snprintf(path, bytes, "sys/fs/cgroup%s", unified);
	if (used < 0)
		return -ENOENT;
	if (used >= (int)bytes)
		return -ENAMETOOLONG;
	while (used && path[used - 1] == '/')
		path[--used] = 0;
	return 0;
}
