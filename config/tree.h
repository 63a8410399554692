/* SPDX-License-Identifier: MIT */
/*
 * A YAML file as a tree of scalars, lists and mappings, each with its place. The subset is small on purpose: one
 * document of UTF-8 without anchors, aliases and tags, so that what is written is what is meant, and all of it.
 *
 * Threads   One. Memory: the tree lives in the arena that config_tree_build() was given.
 */
#ifndef IOREQ_CONFIG_TREE_H
#define IOREQ_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/arena.h"
#include "config/config.h"
#include "config/problems.h"

#define CONFIG_MAX_DEPTH 16u /* twice what a configuration needs */

enum config_node_kind {
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_LIST,
	CONFIG_NODE_MAP,
	CONFIG_NODE_REFUSED, /* an alias: reported already, to be passed over */
};

struct config_node {
	enum config_node_kind kind;
	struct config_place place;
	bool plain;       /* a scalar without quotes, which may be a number or a boolean */
	const char *text; /* of a scalar; without NULs, which escapes could make: refused */
	size_t length;
	struct config_node *next;          /* sibling */
	struct config_node *first, *final; /* children; of a mapping: key, value, key, value ... */
	size_t nr;
};

/*
 * Builds the tree of one file. Returns its root; NULL if there is none: the problems say why, or `out_of_memory` in
 * them does. With a root there may be problems too: the walk over the tree goes on to find the others.
 */
struct config_node *config_tree_build(const char *text, size_t bytes, struct config_arena *arena,
				      struct config_problems *problems);

/* The value of `key` in a mapping, the first one; NULL without it. */
const struct config_node *config_tree_value(const struct config_node *map, const char *key);

/* The item of a list; NULL beyond its last. */
const struct config_node *config_tree_item(const struct config_node *list, size_t index);

/* Reads one character of UTF-8. Returns its bytes, 0 if it is malformed. */
size_t config_utf8_read(const char *text, size_t bytes, uint32_t *character_out);

/* May this character stand in a file as it is? */
bool config_utf8_allowed(uint32_t character);

#endif
