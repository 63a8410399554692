/* SPDX-License-Identifier: MIT */
/*
 * The schema as data: which keys a mapping has, what each takes, where it goes and what stands there without it. The
 * loader, the printer and the comparison walk the same tables.
 *
 * Threads   Any; all of it is constant. Memory: static.
 */
#ifndef IOREQ_CONFIG_SCHEMA_H
#define IOREQ_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEMA_MAX_KEYS 16

enum schema_type {
	SCHEMA_NAME,     /* const char *: 1..31 printable characters */
	SCHEMA_PATH,     /* const char * */
	SCHEMA_INTEGER,  /* any unsigned integer: minimum..maximum */
	SCHEMA_CORE,     /* int: a core, or the word `any` for -1 */
	SCHEMA_SIZE,     /* uint64_t, bytes: with a unit */
	SCHEMA_SPAN,     /* uint64_t, a number of addresses: with a unit or without */
	SCHEMA_TIME,     /* uint64_t, ns: with a unit */
	SCHEMA_ADDRESS,  /* uint64_t: a number, or bb:dd.f */
	SCHEMA_DATA,     /* uint64_t: a number, or the word `any` for 0 */
	SCHEMA_BOOLEAN,  /* bool */
	SCHEMA_WORD,     /* an enum: index into `words` */
	SCHEMA_CORES,    /* unsigned *, size_t: a list of cores */
	SCHEMA_SETTINGS, /* struct ioreq_setting *, size_t: a mapping of a device's own keys */
	SCHEMA_MAP,      /* a struct in place, described by `map` */
	SCHEMA_LIST,     /* struct *, size_t: minimum..maximum items, described by `map` */
};

struct schema_map;

struct schema_key {
	const char *name;
	enum schema_type type;
	bool required;
	size_t offset, bytes; /* of the member; bytes of numbers only */
	size_t count_offset;  /* of the size_t beside a pointer */
	uint64_t minimum, maximum;
	uint64_t preset; /* what the member holds without the key; a pointer: NULL */
	const char *const *words;
	const struct schema_map *map;
	bool (*applies)(const void *object); /* is it printed for this object? NULL: yes, if it is not NULL */
};

struct schema_map {
	const char *what; /* "a poller" */
	size_t bytes;
	bool placed;  /* the struct begins with its struct config_place */
	bool in_line; /* printed as {a: b} */
	size_t nr_keys;
	struct schema_key keys[SCHEMA_MAX_KEYS];
};

/* The root: struct config. */
extern const struct schema_map schema_config;
extern const struct schema_map schema_engine, schema_poller, schema_vm, schema_client, schema_range, schema_doorbell;

/* The value of an integer member of any width, a bool or an enum; -1 of an int as UINT64_MAX. */
uint64_t schema_load(const void *object, const struct schema_key *key);
void schema_store(void *object, const struct schema_key *key, uint64_t value);

/* The pointer, and the number beside it, of a member that has them. */
const void *schema_load_pointer(const void *object, const struct schema_key *key, size_t *count_out);
void schema_store_pointer(void *object, const struct schema_key *key, const void *pointer, size_t count);

const struct schema_key *schema_find(const struct schema_map *map, const char *name);

/* "a number from 1 to 16", "pause, spin or yield": what the key takes, for people. */
void schema_allowed(const struct schema_key *key, char *text, size_t bytes);

#endif
