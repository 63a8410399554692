/* SPDX-License-Identifier: MIT */
/*
 * The problems of one file: collected as they are found, reported in the order of the file.
 *
 * Threads   One. Memory: `arena` is the caller's and outlives the list.
 */
#ifndef IOREQ_CONFIG_PROBLEMS_H
#define IOREQ_CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/arena.h"
#include "config/config.h"

#define CONFIG_MAX_PROBLEMS 100u /* kept; more are counted: a file of garbage must not cost more than a look */
#define CONFIG_FOUND_BYTES 64u

struct config_problem;

struct config_problems {
	struct config_arena *arena;
	const char *file;
	struct config_problem *first;
	size_t nr; /* the ones that were not kept included */
	bool out_of_memory;
};

/*
 * Adds one. `path`: the key's, "" for a problem of the file itself. Line 0: of no place in the file. The sentence is
 * cut to what fits into a line for a terminal.
 */
__attribute__((format(printf, 4, 5))) void config_problem_add(struct config_problems *problems,
							      struct config_place place, const char *path,
							      const char *format, ...);

/* Hands all of them to `report`, sorted by place. */
void config_problems_report(struct config_problems *problems, const struct config_options *options);

/* What was found, fit to be shown: cut at a character's border, control characters replaced. `text` may hold zeros. */
const char *config_quote(const char *text, size_t length, char quote, char found[CONFIG_FOUND_BYTES]);

/* The word of `words` (NULL-terminated) that `text` was probably meant to be, or NULL. */
const char *config_nearest(const char *text, const char *const *words);

#endif
