/* SPDX-License-Identifier: MIT */
/*
 * Checks between parts of a configuration.
 *
 * They work on the structs and name what they complain about by its path; the path leads to the place in the file.
 *
 * Threads   One. Memory: sorted lists in the loader's scratch arena.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define PLACE_BYTES 32

/* A range, and where it stands in the configuration. */
struct owned {
	const struct ioreq_range *range;
	size_t client, index;
};

/* ---- places ------------------------------------------------------------------------------------------------ */

/* Follows "vms[2].backend.path" as far as the file has it: what is missing there has a default. */
static const struct config_node *locate(const struct config_loader *loader, const char *path)
{
	const struct config_node *node = loader->root, *next;

	for (; *path; node = next) {
		char key[CONFIG_PATH_BYTES] = "";
		size_t length = strcspn(path + 1, ".[");

		if (*path == '[') {
			next = config_tree_item(node, strtoul(path + 1, NULL, 10));
			path += strcspn(path, "]") + 1;
		} else {
			bool dot = *path == '.';

			length += !dot;
			memcpy(key, path + dot, length);
			next = config_tree_value(node, key);
			path += dot + length;
		}
		if (!next)
			break;
	}
	return node;
}

/* "line:column" of the other place. */
static const char *place_text(const struct config_loader *loader, const char *path, char text[PLACE_BYTES])
{
	struct config_place place = locate(loader, path)->place;

	snprintf(text, PLACE_BYTES, "%u:%u", place.line, place.column);
	return text;
}

__attribute__((format(printf, 3, 4))) static void complain(struct config_loader *loader, const char *path,
							   const char *format, ...)
{
	char sentence[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	config_problem_add(&loader->problems, locate(loader, path)->place, path, "%s", sentence);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

/* Names of one kind of thing: `list` is its path, `key` the key that holds the name. */
struct names {
	const char *list, *key;
	const char **names; /* NULL-terminated for config_nearest(); unreadable ones are "" */
	size_t nr;
	bool whole; /* all of them are known */
};

static bool start_names(struct config_loader *loader, struct names *names, size_t nr)
{
	names->names = config_arena_allocate(&loader->scratch, (nr + 1) * sizeof(*names->names));
	names->nr = 0;
	names->whole = true;
	if (!names->names)
		loader->problems.out_of_memory = true;
	return names->names != NULL;
}

static void add_name(struct names *names, const char *name)
{
	names->whole &= name != NULL;
	names->names[names->nr++] = name ? name : "";
}

static void check_unique(struct config_loader *loader, const struct names *names)
{
	char path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];

	for (size_t i = 1; i < names->nr; i++) {
		size_t j = 0;

		while (j < i && (!names->names[i][0] || strcmp(names->names[i], names->names[j]) != 0))
			j++;
		if (j == i)
			continue;
		snprintf(path, sizeof(path), "%s[%zu].%s", names->list, i, names->key);
		snprintf(other, sizeof(other), "%s[%zu].%s", names->list, j, names->key);
		complain(loader, path, "a duplicate name: found '%s', which is %s at %s; allowed: each name once",
			 names->names[i], other, place_text(loader, other, place));
	}
}

/* An unknown name is not reported while it could be one that is unreadable. */
static void check_reference(struct config_loader *loader, const struct names *names, const char *path, const char *name)
{
	char allowed[256] = "none, it is empty";
	const char *meant;
	size_t used = 0;

	for (size_t i = 0; i < names->nr; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	if (!names->whole)
		return;
	meant = config_nearest(name, names->names);
	for (size_t i = 0; i < names->nr && used < sizeof(allowed); i++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "",
					 names->names[i]);
	if (used >= sizeof(allowed))
		memcpy(allowed + sizeof(allowed) - 4, "...", 4);
	complain(loader, path, "an unknown name: found '%s'; allowed in %s: %s%s%s%s", name, names->list, allowed,
		 meant ? " (did you mean '" : "", meant ? meant : "", meant ? "'?)" : "");
}

/* ---- cores ------------------------------------------------------------------------------------------------- */

static bool is_housekeeping(const struct config *config, unsigned core)
{
	for (size_t i = 0; i < config->engine.nr_housekeeping; i++)
		if (config->engine.housekeeping[i] == core)
			return true;
	return false;
}

static void check_poller_core(struct config_loader *loader, size_t index)
{
	const struct config *config = loader->config;
	int core = config->pollers[index].core;
	char path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];

	if (core == CONFIG_ANY_CORE)
		return;
	snprintf(path, sizeof(path), "pollers[%zu].core", index);
	if (is_housekeeping(config, (unsigned)core))
		complain(loader, path,
			 "a housekeeping core: found %d; allowed: a core that is not in engine.housekeeping%s", core,
			 config_tree_value(loader->root, "engine") ? "" : ", which is [0] if it is not given");
	for (size_t i = 0; i < index; i++) {
		if (config->pollers[i].core != core)
			continue;
		snprintf(other, sizeof(other), "pollers[%zu].core", i);
		complain(loader, path,
			 "a core with two pollers: found %d, which is %s at %s; allowed: a core of its own", core,
			 other, place_text(loader, other, place));
		return;
	}
}

static void check_client_core(struct config_loader *loader, size_t vm, size_t client)
{
	const struct config *config = loader->config;
	int core = config->vms[vm].clients[client].core;
	char path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];

	for (size_t i = 0; core != CONFIG_ANY_CORE && i < config->nr_pollers; i++) {
		if (config->pollers[i].core != core)
			continue;
		snprintf(path, sizeof(path), "vms[%zu].clients[%zu].core", vm, client);
		snprintf(other, sizeof(other), "pollers[%zu].core", i);
		complain(loader, path, "a poll core: found %d, which is %s at %s; allowed: a core without a poller",
			 core, other, place_text(loader, other, place));
		return;
	}
}

/* ---- ranges ------------------------------------------------------------------------------------------------ */

static int compare_ranges(const struct ioreq_range *a, const struct ioreq_range *b)
{
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int compare_owned(const void *left, const void *right)
{
	const struct owned *a = left, *b = right;
	int order = compare_ranges(a->range, b->range);

	if (order)
		return order;
	if (a->client != b->client)
		return a->client < b->client ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static const char *const spaces[IOREQ_NR_SPACES] = {"pio", "mmio", "pcicfg"};

static void refuse_overlap(struct config_loader *loader, size_t vm, const struct owned *a, const struct owned *b)
{
	/* The one further down in the file is the one to complain about. */
	bool swap = a->client > b->client || (a->client == b->client && a->index > b->index);
	const struct owned *late = swap ? a : b, *early = swap ? b : a;
	const struct config_client *owner = &loader->config->vms[vm].clients[early->client];
	char path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];

	snprintf(path, sizeof(path), "vms[%zu].clients[%zu].ranges[%zu]", vm, late->client, late->index);
	snprintf(other, sizeof(other), "vms[%zu].clients[%zu].ranges[%zu]", vm, early->client, early->index);
	complain(loader, path,
		 "an overlap: found %s 0x%" PRIx64 "..0x%" PRIx64 ", and 0x%" PRIx64 "..0x%" PRIx64
		 " of %s at %s; allowed: "
		 "one owner for each address",
		 spaces[late->range->space], late->range->start, late->range->last, early->range->start,
		 early->range->last, owner->name ? owner->name : other, place_text(loader, other, place));
}

/* All readable ranges of a VM, sorted. NULL: no memory, or too many. */
static struct owned *sort_ranges(struct config_loader *loader, size_t vm, size_t *nr_out)
{
	const struct config_vm *config = &loader->config->vms[vm];
	char path[CONFIG_PATH_BYTES];
	struct owned *owned;
	size_t nr = 0;

	for (size_t i = 0; i < config->nr_clients; i++)
		nr += config->clients[i].nr_ranges;
	if (nr > IOREQ_MAX_RANGES) {
		snprintf(path, sizeof(path), "vms[%zu].clients", vm);
		complain(loader, path, "too many ranges: found %zu in all clients; allowed: %d", nr, IOREQ_MAX_RANGES);
		return NULL;
	}
	owned = config_arena_allocate(&loader->scratch, nr * sizeof(*owned));
	if (!owned) {
		loader->problems.out_of_memory = true;
		return NULL;
	}
	nr = 0;
	for (size_t i = 0; i < config->nr_clients; i++)
		for (size_t k = 0; k < config->clients[i].nr_ranges; k++)
			if (config->clients[i].ranges[k].start <= config->clients[i].ranges[k].last)
				owned[nr++] = (struct owned){&config->clients[i].ranges[k], i, k};
	if (nr)
		qsort(owned, nr, sizeof(*owned), compare_owned);
	*nr_out = nr;
	return owned;
}

static void check_ranges(struct config_loader *loader, size_t vm)
{
	size_t nr = 0, furthest = 0;
	const struct owned *owned = sort_ranges(loader, vm, &nr);

	for (size_t i = 1; owned && i < nr; i++) {
		bool same = owned[i].range->space == owned[furthest].range->space;

		/* The one that reaches furthest of all before: a long range may overlap many. */
		if (same && owned[i].range->start <= owned[furthest].range->last)
			refuse_overlap(loader, vm, &owned[furthest], &owned[i]);
		if (!same || owned[i].range->last > owned[furthest].range->last)
			furthest = i;
	}
}

/* ---- doorbells --------------------------------------------------------------------------------------------- */

/* Could one write ring both? The engine's rule: sizes make no difference, a short write fits into each. */
static bool conflict(const struct ioreq_doorbell *one, const struct ioreq_doorbell *other)
{
	return one->size && other->size && one->space == other->space && one->address == other->address &&
	       (one->any_data || other->any_data || one->data == other->data);
}

static void check_doorbells(struct config_loader *loader, size_t vm)
{
	const struct config_vm *config = &loader->config->vms[vm];
	char list[CONFIG_PATH_BYTES], path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];
	struct names names = {.list = list, .key = "eventfd"};

	snprintf(list, sizeof(list), "vms[%zu].doorbells", vm);
	if (!start_names(loader, &names, config->nr_doorbells))
		return;
	for (size_t i = 0; i < config->nr_doorbells; i++) {
		size_t j = 0;

		add_name(&names, config->doorbells[i].name);
		while (j < i && !conflict(&config->doorbells[i], &config->doorbells[j]))
			j++;
		if (j == i)
			continue;
		snprintf(path, sizeof(path), "vms[%zu].doorbells[%zu]", vm, i);
		snprintf(other, sizeof(other), "vms[%zu].doorbells[%zu]", vm, j);
		complain(loader, path, "a write to %s 0x%" PRIx64 " could also ring %s at %s; allowed: different data",
			 spaces[config->doorbells[i].space], config->doorbells[i].address, other,
			 place_text(loader, other, place));
	}
	check_unique(loader, &names);
}

/* ---- VMs --------------------------------------------------------------------------------------------------- */

static void check_clients(struct config_loader *loader, size_t vm)
{
	const struct config_vm *config = &loader->config->vms[vm];
	char list[CONFIG_PATH_BYTES], path[CONFIG_PATH_BYTES];
	struct names names = {.list = list, .key = "name"};
	const struct config_node *clients;

	snprintf(list, sizeof(list), "vms[%zu].clients", vm);
	if (!start_names(loader, &names, config->nr_clients))
		return;
	/* What is no list was reported as such; the clients in it, if any, are unknown. */
	snprintf(path, sizeof(path), "vms[%zu]", vm);
	clients = config_tree_value(locate(loader, path), "clients");
	names.whole = !clients || clients->kind == CONFIG_NODE_LIST;
	for (size_t i = 0; i < config->nr_clients; i++) {
		add_name(&names, config->clients[i].name);
		check_client_core(loader, vm, i);
	}
	check_unique(loader, &names);
	snprintf(path, sizeof(path), "vms[%zu].default_client", vm);
	if (config->default_client)
		check_reference(loader, &names, path, config->default_client);
}

static void check_page(struct config_loader *loader, size_t vm)
{
	const struct config_vm *vms = loader->config->vms;
	char path[CONFIG_PATH_BYTES], other[CONFIG_PATH_BYTES], place[PLACE_BYTES];

	for (size_t i = 0; vms[vm].backend.path && i < vm; i++) {
		if (!vms[i].backend.path || strcmp(vms[i].backend.path, vms[vm].backend.path) != 0)
			continue;
		snprintf(path, sizeof(path), "vms[%zu].backend.path", vm);
		snprintf(other, sizeof(other), "vms[%zu].backend.path", i);
		complain(loader, path, "a page of two VMs: this path is %s at %s; allowed: a page for each", other,
			 place_text(loader, other, place));
		return;
	}
}

/* The engine keeps counters of a fixed number of clients; each VM takes one more for what no client answers. */
static void check_records(struct config_loader *loader)
{
	const struct config *config = loader->config;
	size_t nr = config->nr_vms;

	for (size_t i = 0; i < config->nr_vms; i++)
		nr += config->vms[i].nr_clients;
	if (nr > IOREQ_STATS_MAX_CLIENTS)
		complain(loader, "vms", "too many clients: found %zu VMs and clients together; allowed: %d", nr,
			 IOREQ_STATS_MAX_CLIENTS);
}

static void check_vms(struct config_loader *loader, const struct names *pollers)
{
	const struct config *config = loader->config;
	struct names names = {.list = "vms", .key = "name"};
	char path[CONFIG_PATH_BYTES];

	if (!start_names(loader, &names, config->nr_vms))
		return;
	for (size_t i = 0; i < config->nr_vms; i++) {
		add_name(&names, config->vms[i].name);
		snprintf(path, sizeof(path), "vms[%zu].poller", i);
		if (config->vms[i].poller)
			check_reference(loader, pollers, path, config->vms[i].poller);
		check_page(loader, i);
		check_clients(loader, i);
		check_ranges(loader, i);
		check_doorbells(loader, i);
	}
	check_unique(loader, &names);
	check_records(loader);
}

void config_check(struct config_loader *loader)
{
	const struct config *config = loader->config;
	struct names pollers = {.list = "pollers", .key = "name"};

	if (!start_names(loader, &pollers, config->nr_pollers))
		return;
	/* Without one, that is the problem, and was reported. */
	pollers.whole = config->nr_pollers > 0;
	for (size_t i = 0; i < config->nr_pollers; i++) {
		add_name(&pollers, config->pollers[i].name);
		check_poller_core(loader, i);
	}
	check_unique(loader, &pollers);
	check_vms(loader, &pollers);
}
