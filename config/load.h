/* SPDX-License-Identifier: MIT */
/*
 * What the steps of loading share: bytes -> tree (tree.c) -> structs (read.c) -> agreement among them (check.c).
 *
 * Threads   One. Memory: the tree and the problems live in `scratch`, the configuration in `memory`.
 */
#ifndef IOREQ_CONFIG_LOAD_H
#define IOREQ_CONFIG_LOAD_H

#include "config/arena.h"
#include "config/config.h"
#include "config/problems.h"
#include "config/tree.h"

#define CONFIG_PATH_BYTES 256u /* of a key's path, cut if a file has longer keys than ours */

struct config_loader {
	struct config_arena scratch;
	struct config_arena *memory;
	struct config_problems problems;
	const struct config_options *options;
	const struct config_node *root;
	struct config *config;
};

/* Fills `config` from `root`. What could not be read keeps its default; names NULL; ranges 1..0; doorbells size 0. */
void config_read(struct config_loader *loader);

/* Checks what no key can tell by itself: references, uniqueness, overlaps, cores. Passes over what was not read. */
void config_check(struct config_loader *loader);

#endif
