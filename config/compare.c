/* SPDX-License-Identifier: MIT */
/*
 * What changed from one configuration to another, matched by name: the plan of a live reload.
 *
 * Threads   Any. Memory: the list is the caller's (config_changes_free); what it points at is the configurations'.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/schema.h"

struct list {
	struct config_change *changes;
	size_t nr, room;
	bool out_of_memory;
};

static void add(struct list *list, const struct config_change *change)
{
	if (list->nr == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct config_change *grown = reallocarray(list->changes, room, sizeof(*grown));

		if (!grown) {
			list->out_of_memory = true;
			return;
		}
		list->changes = grown;
		list->room = room;
	}
	list->changes[list->nr++] = *change;
}

/* ---- equality of parts, along the schema ------------------------------------------------------------------- */

static const char *find_difference(const struct schema_map *map, const void *one, const void *other,
				   const char *const *except);

static bool same_string(const char *one, const char *other)
{
	return one == other || (one && other && strcmp(one, other) == 0);
}

static bool same_setting(const struct ioreq_setting *one, const struct ioreq_setting *other)
{
	if (strcmp(one->key, other->key) != 0 || one->type != other->type)
		return false;
	return one->type == IOREQ_SETTING_STRING ? same_string(one->string, other->string)
						 : one->integer == other->integer;
}

/* In any order: keys are unique, so as many matches as settings are all. */
static bool same_settings(const void *one, const void *other, const struct schema_key *key)
{
	size_t nr, nr_other, matches = 0;
	const struct ioreq_setting *settings = schema_load_pointer(one, key, &nr);
	const struct ioreq_setting *others = schema_load_pointer(other, key, &nr_other);

	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < nr_other; k++)
			matches += same_setting(&settings[i], &others[k]);
	return nr == nr_other && matches == nr;
}

static bool same_cores(const void *one, const void *other, const struct schema_key *key)
{
	size_t nr, nr_other;
	const unsigned *cores = schema_load_pointer(one, key, &nr);
	const unsigned *others = schema_load_pointer(other, key, &nr_other);

	return nr == nr_other && memcmp(cores, others, nr * sizeof(*cores)) == 0;
}

/* In this order: only lists whose order is canonical are compared so. */
static bool same_list(const void *one, const void *other, const struct schema_key *key)
{
	size_t nr, nr_other, i = 0;
	const unsigned char *items = schema_load_pointer(one, key, &nr);
	const unsigned char *others = schema_load_pointer(other, key, &nr_other);
	size_t bytes = key->map->bytes;

	if (nr != nr_other)
		return false;
	while (i < nr && !find_difference(key->map, items + i * bytes, others + i * bytes, NULL))
		i++;
	return i == nr;
}

static bool same_value(const void *one, const void *other, const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_NAME:
	case SCHEMA_PATH:
		return same_string(schema_load_pointer(one, key, NULL), schema_load_pointer(other, key, NULL));
	case SCHEMA_SETTINGS: return same_settings(one, other, key);
	case SCHEMA_CORES: return same_cores(one, other, key);
	case SCHEMA_LIST: return same_list(one, other, key);
	case SCHEMA_MAP:
		return !find_difference(key->map, (const unsigned char *)one + key->offset,
					(const unsigned char *)other + key->offset, NULL);
	case SCHEMA_DATA:
		return ((const struct ioreq_doorbell *)one)->any_data ==
			       ((const struct ioreq_doorbell *)other)->any_data &&
		       schema_load(one, key) == schema_load(other, key);
	default: return schema_load(one, key) == schema_load(other, key);
	}
}

static bool is_among(const char *name, const char *const *names)
{
	while (names && *names && strcmp(name, *names) != 0)
		names++;
	return names && *names;
}

/* The first key whose values differ, or NULL. */
static const char *find_difference(const struct schema_map *map, const void *one, const void *other,
				   const char *const *except)
{
	for (size_t k = 0; k < map->nr_keys; k++)
		if (!is_among(map->keys[k].name, except) && !same_value(one, other, &map->keys[k]))
			return map->keys[k].name;
	return NULL;
}

/* ---- doorbells --------------------------------------------------------------------------------------------- */

static const struct ioreq_doorbell *find_doorbell(const struct config_vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->nr_doorbells; i++)
		if (strcmp(vm->doorbells[i].name, name) == 0)
			return &vm->doorbells[i];
	return NULL;
}

static void compare_doorbells(struct list *list, const struct config_vm *before, const struct config_vm *after)
{
	struct config_change change = {.old_vm = before, .new_vm = after};

	for (size_t i = 0; i < before->nr_doorbells; i++) {
		change.old_doorbell = &before->doorbells[i];
		change.new_doorbell = find_doorbell(after, before->doorbells[i].name);
		change.kind = change.new_doorbell ? CONFIG_DOORBELL_CHANGED : CONFIG_DOORBELL_REMOVED;
		change.key = change.new_doorbell
				     ? find_difference(&schema_doorbell, change.old_doorbell, change.new_doorbell, NULL)
				     : NULL;
		if (!change.new_doorbell || change.key)
			add(list, &change);
	}
	change = (struct config_change){.kind = CONFIG_DOORBELL_ADDED, .old_vm = before, .new_vm = after};
	for (size_t i = 0; i < after->nr_doorbells; i++) {
		change.new_doorbell = &after->doorbells[i];
		if (!find_doorbell(before, after->doorbells[i].name))
			add(list, &change);
	}
}

/* ---- clients ----------------------------------------------------------------------------------------------- */

static const struct config_client *find_client(const struct config_vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->nr_clients; i++)
		if (strcmp(vm->clients[i].name, name) == 0)
			return &vm->clients[i];
	return NULL;
}

static void compare_client(struct list *list, struct config_change *change)
{
	static const char *const but_ranges[] = {"ranges", NULL};
	const struct config_client *before = change->old_client, *after = change->new_client;

	change->key = find_difference(&schema_client, before, after, but_ranges);
	if (!change->key && before->is_default != after->is_default)
		change->key = "default_client";
	change->kind = CONFIG_CLIENT_REPLACED;
	if (!change->key) {
		change->kind = CONFIG_RANGES_CHANGED;
		change->key = find_difference(&schema_client, before, after, NULL);
	}
	if (change->key)
		add(list, change);
}

static void compare_clients(struct list *list, const struct config_vm *before, const struct config_vm *after)
{
	struct config_change change = {.old_vm = before, .new_vm = after};

	for (size_t i = 0; i < before->nr_clients; i++) {
		change.old_client = &before->clients[i];
		change.new_client = find_client(after, before->clients[i].name);
		change.kind = CONFIG_CLIENT_REMOVED;
		change.key = NULL;
		if (change.new_client)
			compare_client(list, &change);
		else
			add(list, &change);
	}
	change = (struct config_change){.kind = CONFIG_CLIENT_ADDED, .old_vm = before, .new_vm = after};
	for (size_t i = 0; i < after->nr_clients; i++) {
		change.new_client = &after->clients[i];
		if (!find_client(before, after->clients[i].name))
			add(list, &change);
	}
}

/* ---- VMs, pollers ------------------------------------------------------------------------------------------ */

static const struct config_vm *find_vm(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->nr_vms; i++)
		if (strcmp(config->vms[i].name, name) == 0)
			return &config->vms[i];
	return NULL;
}

static void compare_vm(struct list *list, const struct config_vm *before, const struct config_vm *after)
{
	static const char *const live[] = {"default_client", "clients", "doorbells", NULL};
	struct config_change change = {.kind = CONFIG_VM_REPLACED, .old_vm = before, .new_vm = after};

	change.key = find_difference(&schema_vm, before, after, live);
	if (change.key) {
		add(list, &change);
		return;
	}
	compare_clients(list, before, after);
	compare_doorbells(list, before, after);
}

static void compare_vms(struct list *list, const struct config *before, const struct config *after)
{
	for (size_t i = 0; i < before->nr_vms; i++) {
		const struct config_vm *vm = find_vm(after, before->vms[i].name);

		if (vm)
			compare_vm(list, &before->vms[i], vm);
		else
			add(list, &(struct config_change){.kind = CONFIG_VM_REMOVED, .old_vm = &before->vms[i]});
	}
	for (size_t i = 0; i < after->nr_vms; i++)
		if (!find_vm(before, after->vms[i].name))
			add(list, &(struct config_change){.kind = CONFIG_VM_ADDED, .new_vm = &after->vms[i]});
}

static const struct config_poller *find_poller(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->nr_pollers; i++)
		if (strcmp(config->pollers[i].name, name) == 0)
			return &config->pollers[i];
	return NULL;
}

static void compare_pollers(struct list *list, const struct config *before, const struct config *after)
{
	struct config_change change = {.key = NULL};

	for (size_t i = 0; i < before->nr_pollers; i++) {
		change.old_poller = &before->pollers[i];
		change.new_poller = find_poller(after, before->pollers[i].name);
		change.kind = change.new_poller ? CONFIG_POLLER_CHANGED : CONFIG_POLLER_REMOVED;
		change.key = change.new_poller
				     ? find_difference(&schema_poller, change.old_poller, change.new_poller, NULL)
				     : NULL;
		if (!change.new_poller || change.key)
			add(list, &change);
	}
	change = (struct config_change){.kind = CONFIG_POLLER_ADDED};
	for (size_t i = 0; i < after->nr_pollers; i++) {
		change.new_poller = &after->pollers[i];
		if (!find_poller(before, after->pollers[i].name))
			add(list, &change);
	}
}

/* ---- all --------------------------------------------------------------------------------------------------- */

/* By kind, and within one as the files have them: one pass for each, since qsort() does not keep the latter. */
static struct config_change *sort(const struct list *list)
{
	struct config_change *sorted = calloc(list->nr + 1, sizeof(*sorted));
	size_t nr = 0;

	for (unsigned kind = 0; sorted && kind <= CONFIG_RANGES_CHANGED; kind++)
		for (size_t i = 0; i < list->nr; i++)
			if (list->changes[i].kind == kind)
				sorted[nr++] = list->changes[i];
	return sorted;
}

int config_compare(const struct config *before, const struct config *after, struct config_changes *changes_out)
{
	struct list list = {.changes = NULL};
	struct config_change change = {.kind = CONFIG_ENGINE_CHANGED};
	struct config_change *sorted;

	change.key = find_difference(&schema_engine, &before->engine, &after->engine, NULL);
	if (change.key)
		add(&list, &change);
	compare_pollers(&list, before, after);
	compare_vms(&list, before, after);
	sorted = list.out_of_memory ? NULL : sort(&list);
	free(list.changes);
	if (!sorted)
		return -ENOMEM;
	*changes_out = (struct config_changes){.changes = sorted, .nr_changes = list.nr};
	changes_out->live = list.nr == 0 || sorted[0].kind > CONFIG_POLLER_CHANGED;
	return 0;
}

void config_changes_free(struct config_changes *changes)
{
	free(changes->changes);
	*changes = (struct config_changes){.changes = NULL};
}

bool config_equal(const struct config *one, const struct config *other)
{
	struct config_changes changes;
	bool equal;

	if (config_compare(one, other, &changes))
		return false;
	equal = changes.nr_changes == 0;
	config_changes_free(&changes);
	return equal;
}

void config_change_describe(const struct config_change *change, char *text, size_t bytes)
{
	static const char *const verbs[] = {
		[CONFIG_ENGINE_CHANGED] = "changed", [CONFIG_POLLER_ADDED] = "added",
		[CONFIG_POLLER_REMOVED] = "removed", [CONFIG_POLLER_CHANGED] = "changed",
		[CONFIG_CLIENT_REMOVED] = "removed", [CONFIG_DOORBELL_REMOVED] = "removed",
		[CONFIG_VM_REMOVED] = "removed",     [CONFIG_VM_REPLACED] = "replaced",
		[CONFIG_VM_ADDED] = "added",         [CONFIG_DOORBELL_CHANGED] = "changed",
		[CONFIG_DOORBELL_ADDED] = "added",   [CONFIG_CLIENT_REPLACED] = "replaced",
		[CONFIG_CLIENT_ADDED] = "added",     [CONFIG_RANGES_CHANGED] = "changed",
	};
	const struct config_poller *poller = change->new_poller ? change->new_poller : change->old_poller;
	const struct config_vm *vm = change->new_vm ? change->new_vm : change->old_vm;
	const struct config_client *client = change->new_client ? change->new_client : change->old_client;
	const struct ioreq_doorbell *bell = change->new_doorbell ? change->new_doorbell : change->old_doorbell;
	char what[2 * IOREQ_NAME_BYTES + 32] = "engine";

	if (poller)
		snprintf(what, sizeof(what), "poller %s", poller->name);
	else if (client)
		snprintf(what, sizeof(what), "vm %s: client %s", vm->name, client->name);
	else if (bell)
		snprintf(what, sizeof(what), "vm %s: doorbell %s", vm->name, bell->name);
	else if (vm)
		snprintf(what, sizeof(what), "vm %s", vm->name);
	snprintf(text, bytes, "%s: %s%s%s", what, change->key ? change->key : "", change->key ? " " : "",
		 change->key ? "changed" : verbs[change->kind]);
	if (change->kind == CONFIG_VM_REPLACED || change->kind == CONFIG_CLIENT_REPLACED)
		snprintf(text, bytes, "%s: replaced, because %s changed", what, change->key);
}
