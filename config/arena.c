/* SPDX-License-Identifier: MIT */
/*
 * A list of blocks, filled one after the other.
 *
 * Threads   One per arena. Memory: blocks of at least BLOCK_BYTES, each freed by config_arena_free().
 */
#include "config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384u
#define ALIGNMENT alignof(max_align_t)

struct config_arena_block {
	struct config_arena_block *next;
	size_t used, bytes;
	alignas(max_align_t) unsigned char memory[];
};

static struct config_arena_block *add_block(struct config_arena *arena, size_t bytes)
{
	struct config_arena_block *block = calloc(1, sizeof(*block) + bytes);

	if (!block)
		return NULL;
	block->bytes = bytes;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *config_arena_allocate(struct config_arena *arena, size_t bytes)
{
	struct config_arena_block *block = arena->blocks;
	void *memory;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	/* Never 0 bytes: NULL must mean that there is no memory. */
	bytes = (bytes + !bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!block || bytes > block->bytes - block->used)
		block = add_block(arena, bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES);
	if (!block)
		return NULL;
	memory = block->memory + block->used;
	block->used += bytes;
	return memory;
}

char *config_arena_copy(struct config_arena *arena, const char *text, size_t length)
{
	char *copy = config_arena_allocate(arena, length + 1);

	return copy ? memcpy(copy, text, length) : NULL;
}

void config_arena_free(struct config_arena *arena)
{
	while (arena->blocks) {
		struct config_arena_block *next = arena->blocks->next;

		free(arena->blocks);
		arena->blocks = next;
	}
}
