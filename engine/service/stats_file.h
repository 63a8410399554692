/* SPDX-License-Identifier: MIT */
/* The file in which the engine publishes its counters. */
#ifndef IOREQ_SERVICE_STATS_FILE_H
#define IOREQ_SERVICE_STATS_FILE_H

#include <ioreq/error.h>

/*
 * Creates IOREQ_STATS_BYTES of zeroes under another name, maps and prefaults them, and renames them to `path` (mode
 * 0644): who has the old file mapped keeps it. The file is locked for the process's life: -EBUSY if another engine's is.
 * Returns 0, or -errno with a sentence.
 */
int stats_file_create(const char *path, void **memory_out, struct ioreq_error *error);

#endif
