/* SPDX-License-Identifier: MIT */
/*
 * The tables. A key exists here once its behaviour does; config/man/ioreqd.yaml.5 explains every one of them.
 *
 * Threads   Any. Memory: static.
 */
#include "config/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "config/scalar.h"

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MEMBER(type, member) .offset = offsetof(type, member), .bytes = sizeof(((type *)0)->member)
#define AT(type, member) .offset = offsetof(type, member)
#define COUNTED(type, member, count) AT(type, member), .count_offset = offsetof(type, count)
#define SECOND_NS UINT64_C(1000000000)

/* Words stand in the order of their enums. */
static const char *const hugepages_words[] = {"require", "prefer", "off", NULL};
static const char *const idle_words[] = {"pause", "spin", "yield", NULL};
static const char *const delivery_words[] = {"inline", "thread", NULL};
static const char *const wait_words[] = {"park", "spin", "yield", NULL};
static const char *const space_words[] = {"pio", "mmio", "pcicfg", NULL};
static const char *const backend_words[] = {"shm", NULL};

/* The tables below have to fit the structs of the public header. */
static_assert(CONFIG_HUGEPAGES_OFF == NR_OF(hugepages_words) - 2, "words of hugepages");
static_assert(IOREQ_IDLE_YIELD == NR_OF(idle_words) - 2, "words of idle");
static_assert(IOREQ_THREAD == NR_OF(delivery_words) - 2, "words of delivery");
static_assert(IOREQ_WAIT_YIELD == NR_OF(wait_words) - 2, "words of wait");
static_assert(IOREQ_NR_SPACES == NR_OF(space_words) - 1 && IOREQ_PIO == 0 && IOREQ_MMIO == 1, "words of space");

static bool has_thread(const void *object)
{
	return ((const struct config_client *)object)->delivery == IOREQ_THREAD;
}

static bool never(const void *object)
{
	(void)object;
	return false;
}

/* `last` or `size`, one of them; both end in `last` (load.c). */
const struct schema_map schema_range = {
	.what = "a range",
	.bytes = sizeof(struct ioreq_range),
	.in_line = true,
	.nr_keys = 4,
	.keys = {{"space", SCHEMA_WORD, .required = true, MEMBER(struct ioreq_range, space), .words = space_words},
		 {"start", SCHEMA_ADDRESS, .required = true, MEMBER(struct ioreq_range, start), .maximum = UINT64_MAX},
		 {"last", SCHEMA_ADDRESS, MEMBER(struct ioreq_range, last), .maximum = UINT64_MAX},
		 {"size", SCHEMA_SPAN, MEMBER(struct ioreq_range, last), .minimum = 1, .maximum = UINT64_MAX,
		  .applies = never}},
};

const struct schema_map schema_doorbell = {
	.what = "a doorbell",
	.bytes = sizeof(struct ioreq_doorbell),
	.in_line = true,
	.nr_keys = 5,
	.keys = {{"eventfd", SCHEMA_NAME, .required = true, AT(struct ioreq_doorbell, name)},
		 {"space", SCHEMA_WORD, .required = true, MEMBER(struct ioreq_doorbell, space), .words = space_words},
		 {"address", SCHEMA_ADDRESS, .required = true, MEMBER(struct ioreq_doorbell, address),
		  .maximum = UINT64_MAX},
		 {"size", SCHEMA_INTEGER, .required = true, MEMBER(struct ioreq_doorbell, size), .minimum = 1,
		  .maximum = 8},
		 {"data", SCHEMA_DATA, MEMBER(struct ioreq_doorbell, data), .maximum = UINT64_MAX}},
};

const struct schema_map schema_client = {
	.what = "a client",
	.bytes = sizeof(struct config_client),
	.placed = true,
	.nr_keys = 8,
	.keys = {{"name", SCHEMA_NAME, .required = true, AT(struct config_client, name)},
		 {"delivery", SCHEMA_WORD, MEMBER(struct config_client, delivery), .words = delivery_words,
		  .preset = IOREQ_INLINE},
		 {"wait", SCHEMA_WORD, MEMBER(struct config_client, wait), .words = wait_words,
		  .preset = IOREQ_WAIT_PARK, .applies = has_thread},
		 {"core", SCHEMA_CORE, MEMBER(struct config_client, core), .maximum = CONFIG_MAX_CORE,
		  .preset = UINT64_MAX, .applies = has_thread},
		 {"device", SCHEMA_NAME, AT(struct config_client, device)},
		 {"plugin", SCHEMA_PATH, AT(struct config_client, plugin)},
		 {"settings", SCHEMA_SETTINGS, COUNTED(struct config_client, settings, nr_settings),
		  .maximum = CONFIG_MAX_SETTINGS},
		 {"ranges", SCHEMA_LIST, COUNTED(struct config_client, ranges, nr_ranges), .maximum = IOREQ_MAX_RANGES,
		  .map = &schema_range}},
};

static const struct schema_map schema_backend = {
	.what = "a backend",
	.bytes = sizeof(struct config_backend),
	.placed = true,
	.in_line = true,
	.nr_keys = 2,
	.keys = {{"type", SCHEMA_WORD, .required = true, MEMBER(struct config_backend, type), .words = backend_words},
		 {"path", SCHEMA_PATH, .required = true, AT(struct config_backend, path)}},
};

const struct schema_map schema_vm = {
	.what = "a VM",
	.bytes = sizeof(struct config_vm),
	.placed = true,
	.nr_keys = 9,
	.keys = {{"name", SCHEMA_NAME, .required = true, AT(struct config_vm, name)},
		 {"poller", SCHEMA_NAME, .required = true, AT(struct config_vm, poller)},
		 {"vcpus", SCHEMA_INTEGER, .required = true, MEMBER(struct config_vm, nr_vcpus), .minimum = 1,
		  .maximum = IOREQ_MAX_VCPUS},
		 {"strict_states", SCHEMA_BOOLEAN, MEMBER(struct config_vm, strict_states), .preset = true},
		 {"clear_timeout", SCHEMA_TIME, MEMBER(struct config_vm, clear_timeout_ns), .minimum = SECOND_NS / 1000,
		  .maximum = 60 * SECOND_NS, .preset = SECOND_NS / 10},
		 {"backend", SCHEMA_MAP, .required = true, AT(struct config_vm, backend), .map = &schema_backend},
		 {"default_client", SCHEMA_NAME, AT(struct config_vm, default_client)},
		 {"clients", SCHEMA_LIST, COUNTED(struct config_vm, clients, nr_clients), .maximum = CONFIG_MAX_CLIENTS,
		  .map = &schema_client},
		 {"doorbells", SCHEMA_LIST, COUNTED(struct config_vm, doorbells, nr_doorbells),
		  .maximum = CONFIG_MAX_DOORBELLS, .map = &schema_doorbell}},
};

const struct schema_map schema_poller = {
	.what = "a poller",
	.bytes = sizeof(struct config_poller),
	.placed = true,
	.in_line = true,
	.nr_keys = 4,
	.keys = {{"name", SCHEMA_NAME, .required = true, AT(struct config_poller, name)},
		 {"core", SCHEMA_CORE, .required = true, MEMBER(struct config_poller, core), .maximum = CONFIG_MAX_CORE,
		  .preset = UINT64_MAX},
		 {"priority", SCHEMA_INTEGER, MEMBER(struct config_poller, priority), .maximum = 99},
		 {"idle", SCHEMA_WORD, MEMBER(struct config_poller, idle), .words = idle_words,
		  .preset = IOREQ_IDLE_PAUSE}},
};

const struct schema_map schema_engine = {
	.what = "the engine's settings",
	.bytes = sizeof(struct config_engine),
	.placed = true,
	.nr_keys = 3,
	.keys = {{"housekeeping", SCHEMA_CORES, COUNTED(struct config_engine, housekeeping, nr_housekeeping),
		  .minimum = 1, .maximum = CONFIG_MAX_CORE},
		 {"hugepages", SCHEMA_WORD, MEMBER(struct config_engine, hugepages), .words = hugepages_words,
		  .preset = CONFIG_HUGEPAGES_PREFER},
		 {"memory", SCHEMA_SIZE, MEMBER(struct config_engine, memory_bytes), .minimum = UINT64_C(1) << 20,
		  .maximum = UINT64_C(1) << 40, .preset = UINT64_C(64) << 20}},
};

const struct schema_map schema_config = {
	.what = "a configuration",
	.bytes = sizeof(struct config),
	.placed = true,
	.nr_keys = 3,
	.keys = {{"engine", SCHEMA_MAP, AT(struct config, engine), .map = &schema_engine},
		 {"pollers", SCHEMA_LIST, .required = true, COUNTED(struct config, pollers, nr_pollers), .minimum = 1,
		  .maximum = CONFIG_MAX_POLLERS, .map = &schema_poller},
		 {"vms", SCHEMA_LIST, .required = true, COUNTED(struct config, vms, nr_vms), .maximum = CONFIG_MAX_VMS,
		  .map = &schema_vm}},
};

/* ---- members ----------------------------------------------------------------------------------------------- */

uint64_t schema_load(const void *object, const struct schema_key *key)
{
	const unsigned char *member = (const unsigned char *)object + key->offset;
	uint64_t value = 0;
	uint32_t word;

	switch (key->bytes) {
	case 1: return *member;
	case 4:
		memcpy(&word, member, sizeof(word));
		return key->type == SCHEMA_CORE ? (uint64_t)(int64_t)(int32_t)word : word;
	default: memcpy(&value, member, sizeof(value)); return value;
	}
}

void schema_store(void *object, const struct schema_key *key, uint64_t value)
{
	unsigned char *member = (unsigned char *)object + key->offset;
	uint32_t word = (uint32_t)value;

	switch (key->bytes) {
	case 1: *member = (unsigned char)value; break;
	case 4: memcpy(member, &word, sizeof(word)); break;
	default: memcpy(member, &value, sizeof(value));
	}
}

const void *schema_load_pointer(const void *object, const struct schema_key *key, size_t *count_out)
{
	const void *pointer;

	memcpy(&pointer, (const unsigned char *)object + key->offset, sizeof(pointer));
	if (count_out)
		memcpy(count_out, (const unsigned char *)object + key->count_offset, sizeof(*count_out));
	return pointer;
}

void schema_store_pointer(void *object, const struct schema_key *key, const void *pointer, size_t count)
{
	memcpy((unsigned char *)object + key->offset, &pointer, sizeof(pointer));
	if (key->count_offset)
		memcpy((unsigned char *)object + key->count_offset, &count, sizeof(count));
}

const struct schema_key *schema_find(const struct schema_map *map, const char *name)
{
	for (size_t k = 0; k < map->nr_keys; k++)
		if (strcmp(map->keys[k].name, name) == 0)
			return &map->keys[k];
	return NULL;
}

/* ---- words for people -------------------------------------------------------------------------------------- */

static void join_words(const char *const *words, char *text, size_t bytes)
{
	size_t used = 0;

	for (size_t i = 0; words[i] && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? ", " : "", words[i]);
}

static void describe_limits(const struct schema_key *key, const struct config_unit *units, char *text, size_t bytes)
{
	char first[CONFIG_NUMBER_BYTES], last[CONFIG_NUMBER_BYTES];
	size_t used;

	config_scalar_format(key->minimum, units, first);
	config_scalar_format(key->maximum, units, last);
	used = (size_t)snprintf(text, bytes, "%s..%s, in ", first, last);
	for (size_t i = 0; units[i].name && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? ", " : "", units[i].name);
}

void schema_allowed(const struct schema_key *key, char *text, size_t bytes)
{
	switch (key->type) {
	case SCHEMA_NAME:
		snprintf(text, bytes, "a name of 1..%d printable characters without blanks and '/'",
			 IOREQ_NAME_BYTES - 1);
		break;
	case SCHEMA_PATH:
		snprintf(text, bytes, "a path of 1..%d bytes without control characters", FILENAME_MAX - 1);
		break;
	case SCHEMA_INTEGER: snprintf(text, bytes, "%" PRIu64 "..%" PRIu64, key->minimum, key->maximum); break;
	case SCHEMA_CORE: snprintf(text, bytes, "a core 0..%u, or any", CONFIG_MAX_CORE); break;
	case SCHEMA_SIZE: describe_limits(key, config_size_units, text, bytes); break;
	case SCHEMA_SPAN:
		snprintf(text, bytes, "a number of addresses from 1 on, also with KiB, MiB, GiB or TiB");
		break;
	case SCHEMA_TIME: describe_limits(key, config_time_units, text, bytes); break;
	case SCHEMA_ADDRESS: snprintf(text, bytes, "a number, decimal or 0x-hex, in pcicfg also bb:dd.f"); break;
	case SCHEMA_DATA: snprintf(text, bytes, "a number, decimal or 0x-hex, or any"); break;
	case SCHEMA_BOOLEAN: snprintf(text, bytes, "true, false"); break;
	case SCHEMA_WORD: join_words(key->words, text, bytes); break;
	case SCHEMA_CORES: snprintf(text, bytes, "a list of cores 0..%u", CONFIG_MAX_CORE); break;
	case SCHEMA_SETTINGS: snprintf(text, bytes, "a mapping of the device's settings"); break;
	case SCHEMA_MAP: snprintf(text, bytes, "a mapping: %s", key->map->what); break;
	case SCHEMA_LIST: snprintf(text, bytes, "a list, each item %s", key->map->what); break;
	}
}
