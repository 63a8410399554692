/* SPDX-License-Identifier: MIT */
/*
 * A configuration: what a YAML file says, as plain structs; ioreqd.yaml(5) is the same for people.
 *
 * A file is taken whole or not at all. Every problem in it is reported in one run, in the order of the file, as
 *
 *	file:line:column: error: path.to.key: what is wrong: found what; allowed: what (did you mean 'this'?)
 *
 * Nothing here looks at the machine: whether a core exists, a plugin loads or a device takes its settings is found
 * out by who applies the configuration.
 *
 * Threads   A plain value: any number of readers. Loading keeps no state between calls.
 * Memory    A configuration is one object, strings and arrays included, constant from config_load() to config_free().
 */
#ifndef IOREQ_CONFIG_CONFIG_H
#define IOREQ_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>

#define CONFIG_MAX_FILE_BYTES (1u << 20)
#define CONFIG_MAX_CORE 1023u
#define CONFIG_MAX_POLLERS ((size_t)IOREQ_STATS_MAX_POLLERS)
#define CONFIG_MAX_VMS ((size_t)IOREQ_STATS_MAX_VMS)
#define CONFIG_MAX_CLIENTS ((size_t)128)   /* per VM */
#define CONFIG_MAX_DOORBELLS ((size_t)256) /* per VM; each takes a file descriptor */
#define CONFIG_MAX_SETTINGS ((size_t)64)   /* per client */
#define CONFIG_ANY_CORE (-1)

/* Where something stands in the file, both from 1; columns count characters. */
struct config_place {
	unsigned line, column;
};

enum config_hugepages {
	CONFIG_HUGEPAGES_REQUIRE, /* not started without */
	CONFIG_HUGEPAGES_PREFER,  /* ordinary pages, if there are too few */
	CONFIG_HUGEPAGES_OFF,
};

struct config_engine {
	struct config_place place;
	const unsigned *housekeeping; /* cores of everything that may sleep */
	size_t nr_housekeeping;
	enum config_hugepages hugepages;
	uint64_t memory_bytes;
};

struct config_poller {
	struct config_place place;
	const char *name;
	int core;          /* CONFIG_ANY_CORE: the scheduler's choice */
	unsigned priority; /* SCHED_FIFO 1..99; 0: no real-time priority */
	enum ioreq_idle idle;
};

enum config_backend_type {
	CONFIG_BACKEND_SHM,
};

struct config_backend {
	struct config_place place;
	enum config_backend_type type;
	const char *path;
};

struct config_client {
	struct config_place place;
	const char *name;
	enum ioreq_delivery delivery;
	enum ioreq_wait wait;
	int core;           /* thread delivery; CONFIG_ANY_CORE: none of its own */
	const char *device; /* a built-in one, or NULL: then `plugin` */
	const char *plugin; /* path of a shared object, or NULL */
	const struct ioreq_setting *settings;
	size_t nr_settings;
	const struct ioreq_range *ranges; /* sorted by space and start, without overlap in the VM */
	size_t nr_ranges;
	bool is_default; /* the VM's `default_client` */
};

struct config_vm {
	struct config_place place;
	const char *name;
	const char *poller; /* name of one of the pollers */
	unsigned nr_vcpus;
	bool strict_states;
	uint64_t clear_timeout_ns;
	struct config_backend backend;
	const char *default_client; /* name of one of the clients, or NULL */
	const struct config_client *clients;
	size_t nr_clients;
	const struct ioreq_doorbell *doorbells;
	size_t nr_doorbells;
};

struct config {
	struct config_place place;
	struct config_engine engine;
	const struct config_poller *pollers;
	size_t nr_pollers;
	const struct config_vm *vms;
	size_t nr_vms;
	const char *path; /* of the file, as it was given: for messages */
	struct config_arena *memory;
};

/* ---- load and show ---------------------------------------------------------------------------------------- */

struct config_options {
	const char *const *devices; /* the built-in devices' names, NULL-terminated; NULL: names are not checked */
	/* Is given each problem as one line without newline. NULL: nobody wants them. */
	void (*report)(void *context, const char *line);
	void *context;
};

/* A `report` whose context is a FILE. */
void config_report_to_stream(void *stream, const char *line);

/*
 * Reads, checks and resolves a file. Returns 0; -EINVAL: problems were reported; -errno: the file cannot be opened or
 * read (reported too); -ENOMEM. `config_out` is untouched unless 0 is returned; freed by config_free(), NULL allowed.
 */
int config_load(const char *path, const struct config_options *options, struct config **config_out);
void config_free(struct config *config);

/* The same for text in memory; `path` appears in messages only. */
int config_parse(const char *path, const char *text, size_t bytes, const struct config_options *options,
		 struct config **config_out);

/*
 * Writes the effective configuration, every default included, as a file that loads as an equal one. Returns 0, or
 * -EIO if the stream took an error.
 */
int config_print(const struct config *config, FILE *stream);

/* Is `core` used at all: housekeeping, a poller, a client's thread? */
bool config_uses_core(const struct config *config, unsigned core);

/* ---- compare ---------------------------------------------------------------------------------------------- */

enum config_change_kind {
	/* Not possible in a running engine. */
	CONFIG_ENGINE_CHANGED, /* `key` of engine */
	CONFIG_POLLER_ADDED,
	CONFIG_POLLER_REMOVED,
	CONFIG_POLLER_CHANGED, /* `key` */
	/*
	 * Possible live, in this order: what goes, then what comes, doorbells before the clients that may ask for them.
	 * Ranges move between clients; ioreq_ranges_replace() moves all of a VM at once.
	 */
	CONFIG_CLIENT_REMOVED,
	CONFIG_DOORBELL_REMOVED,
	CONFIG_VM_REMOVED,
	CONFIG_VM_REPLACED,      /* `key`: the VM must be removed and added again; what is in it is not listed */
	CONFIG_VM_ADDED,         /* with all that is in it */
	CONFIG_DOORBELL_CHANGED, /* `key` */
	CONFIG_DOORBELL_ADDED,
	CONFIG_CLIENT_REPLACED, /* `key`: the client must be removed and added again, ranges included */
	CONFIG_CLIENT_ADDED,
	CONFIG_RANGES_CHANGED, /* of a client that stays as it is */
};

/* One difference. Pointers lead into the configurations compared; those that do not apply are NULL. */
struct config_change {
	enum config_change_kind kind;
	const char *key; /* the first key that differs, where a kind mentions it */
	const struct config_poller *old_poller, *new_poller;
	const struct config_vm *old_vm, *new_vm;
	const struct config_client *old_client, *new_client;
	const struct ioreq_doorbell *old_doorbell, *new_doorbell;
};

struct config_changes {
	struct config_change *changes; /* sorted by kind, as it must be applied */
	size_t nr_changes;
	bool live; /* none of them needs a restart */
};

/*
 * What leads from `before` to `after`. Things are matched by name; the order of the file, its comments and whether a
 * default is written out make no difference. Returns 0, -ENOMEM (`changes_out` untouched).
 */
int config_compare(const struct config *before, const struct config *after, struct config_changes *changes_out);
void config_changes_free(struct config_changes *changes);

/* One change in words: "vm vm0: client uart0: ranges changed", always cut to `bytes`. */
void config_change_describe(const struct config_change *change, char *text, size_t bytes);

/* Without any difference? False too if there is no memory to find out. */
bool config_equal(const struct config *one, const struct config *other);

#endif
