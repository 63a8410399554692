/* SPDX-License-Identifier: MIT */
/*
 * All file access of the doctor: paths as the running system has them ("/proc/irq"), below a root that is either the
 * system or a recorded tree. In a tree no link leads out of it, and only plain files are read.
 *
 * Threads   Any number may read through one root.
 * Memory    A root owns a file descriptor; doctor_root_load() gives memory away.
 */
#ifndef PINNING_DOCTOR_ROOT_H
#define PINNING_DOCTOR_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pinning/doctor_cpus.h"

#define DOCTOR_PATH_BYTES 320
#define DOCTOR_LOAD_BYTES ((size_t)8 << 20) /* /proc/interrupts of 512 CPUs has 3 MiB */

struct doctor_root {
	int fd;
	bool system; /* "/": time passes, cores can be spun on */
};

/* Returns 0 or -errno. */
int doctor_root_open(const char *directory, struct doctor_root *root_out);
void doctor_root_close(struct doctor_root *root);

/*
 * Reads a whole file as text into `text`, trailing white space cut off, NUL-terminated. Returns its length or -errno;
 * -EFBIG: longer than bytes - 1, -EILSEQ: holds a NUL byte, -EISDIR or -EPERM: no file to be read.
 */
int doctor_root_read(const struct doctor_root *root, const char *path, char *text, size_t bytes);

/* The same without any cut and of any content, for records. */
int doctor_root_read_binary(const struct doctor_root *root, const char *path, void *data, size_t bytes);

/* The same as doctor_root_read() for files of up to DOCTOR_LOAD_BYTES. 0 or -errno; *text_out is to be freed. */
int doctor_root_load(const struct doctor_root *root, const char *path, char **text_out);

/* A file that holds one decimal number. -EINVAL: it does not; -ERANGE: beyond 64 bits. */
int doctor_root_number(const struct doctor_root *root, const char *path, int64_t *number_out);

/* A file that holds one list, or one mask, of CPUs. */
int doctor_root_list(const struct doctor_root *root, const char *path, struct doctor_cpus *cpus_out);
int doctor_root_mask(const struct doctor_root *root, const char *path, struct doctor_cpus *cpus_out);

bool doctor_root_exists(const struct doctor_root *root, const char *path);

/* Calls `each` for all entries of a folder, "." and ".." left out, until it returns something else than 0. -errno. */
int doctor_root_entries(const struct doctor_root *root, const char *path,
			int (*each)(void *context, const char *name, bool folder), void *context);

/* `text` as a decimal number without sign, spaces or anything behind it; -1 if it is none, or above INT32_MAX. */
int doctor_root_id(const char *text);

#endif
