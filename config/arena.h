/* SPDX-License-Identifier: MIT */
/* Memory that is given back all at once: a configuration, or a file's tree. */
#ifndef IOREQ_CONFIG_ARENA_H
#define IOREQ_CONFIG_ARENA_H

#include <stddef.h>

struct config_arena {
	struct config_arena_block *blocks;
};

/* Zeroed memory, aligned for everything. NULL: none left. */
void *config_arena_allocate(struct config_arena *arena, size_t bytes);

/* A copy with a terminating 0 of its own. */
char *config_arena_copy(struct config_arena *arena, const char *text, size_t length);

void config_arena_free(struct config_arena *arena);

#endif
