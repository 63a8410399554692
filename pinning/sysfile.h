/* SPDX-License-Identifier: MIT */
/*
 * Small files of /proc and /sys, read under a root: "" is this machine, anything else a recorded tree.
 *
 * Threads   Any. Memory: the caller's.
 */
#ifndef IOREQ_PINNING_SYSFILE_H
#define IOREQ_PINNING_SYSFILE_H

#include <stddef.h>

#define SYSFILE_PATH_BYTES 512
#define SYSFILE_STATUS_BYTES 8192 /* of /proc/PID/status: its node masks alone are over a thousand */

/* The whole file without its last newline, terminated. 0; -EFBIG if it does not fit; -errno. */
int sysfile_read(const char *root, const char *path, char *text, size_t bytes);

/* A file that holds one decimal number. 0, -EINVAL, -errno. */
int sysfile_number(const char *root, const char *path, long long *number_out);

/* The rest of the line `name:` of a file like /proc/PID/status, blanks around it removed. 0, -ENOENT, -EFBIG. */
int sysfile_field(const char *text, const char *name, char *value, size_t bytes);

/*
 * The folder of this process's cgroup in the hierarchy that has `controller` ("cpuset", "cpu"): the one of version 1
 * that carries it, or the unified one. A path under the root, without its leading '/'. 0, -ENOENT, -errno.
 */
int sysfile_cgroup(const char *root, const char *controller, char *path, size_t bytes);

#endif
