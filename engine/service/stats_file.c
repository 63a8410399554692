/* SPDX-License-Identifier: MIT */
/*
 * The stats file's making. Threads: the main thread, at start. Memory: the mapping lives as long as the process.
 */
#include "service/stats_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ioreq/stats.h>

#include "core/error.h"

static int fill(int fd, const char *path, void **memory_out, struct ioreq_error *error)
{
	/* Blocks now, or the poller's first count on a full disk is a SIGBUS. */
	int status = posix_fallocate(fd, 0, IOREQ_STATS_BYTES);
	void *memory;

	if (status)
		return ioreq_error_set(error, status, "%s: no room for %zu bytes: %s", path, IOREQ_STATS_BYTES,
				       strerror(status));
	if (fchmod(fd, 0644))
		return ioreq_error_set(error, errno, "%s: mode 0644 refused: %s", path, strerror(errno));
	memory = mmap(NULL, IOREQ_STATS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		return ioreq_error_set(error, errno, "%s: cannot be mapped: %s", path, strerror(errno));
	*memory_out = memory;
	return 0;
}

/* One engine per file: its lock lives as long as the process, in the descriptor that stays open. */
static int take_ownership(int fd, const char *path, struct ioreq_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	if (fcntl(fd, F_OFD_SETLK, &lock))
		return ioreq_error_set(error, errno, "%s: cannot be locked: %s", path, strerror(errno));
	return 0;
}

static int check_predecessor(const char *path, struct ioreq_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool held;

	if (fd < 0)
		return 0;
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	if (held)
		return ioreq_error_set(error, EBUSY, "%s: another engine publishes there; allowed: one engine per file",
				       path);
	return 0;
}

int stats_file_create(const char *path, void **memory_out, struct ioreq_error *error)
{
	char temporary[4096];
	void *memory = NULL;
	int fd, status;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return ioreq_error_set(error, ENAMETOOLONG, "%s: name too long", path);
	status = check_predecessor(path, error);
	if (status)
		return status;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return ioreq_error_set(error, errno, "%s: cannot be created: %s", path, strerror(errno));
	status = take_ownership(fd, path, error);
	if (!status)
		status = fill(fd, path, &memory, error);
	if (!status && rename(temporary, path)) {
		status = ioreq_error_set(error, errno, "%s: cannot be renamed into place: %s", path, strerror(errno));
		munmap(memory, IOREQ_STATS_BYTES);
	}
	if (status) {
		unlink(temporary);
		close(fd);
		return status;
	}
	*memory_out = memory;
	return 0;
}
