/* SPDX-License-Identifier: MIT */
/*
 * Tree -> structs, along the schema. Goes on after a problem, to find them all.
 *
 * Threads   One. Memory: strings and arrays in the configuration's arena.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "config/load.h"
#include "config/scalar.h"
#include "config/schema.h"

#define ALLOWED_BYTES 256
#define MAX_SETTING_KEY 63u

/* Where the walk is: a key of the mapping `up`, or item `index` of the list `up` (key NULL). */
struct spot {
	const struct spot *up;
	const char *key;
	size_t index;
};

/* A mapping that was read, for what its schema cannot say. */
struct finished {
	const struct spot *spot;
	const struct schema_map *map;
	const struct config_node *node;
	const struct config_node *const *values; /* by the place of their key in `map`; NULL: not in the file */
	bool clean;                              /* all of it could be read */
};

/* ---- problems ---------------------------------------------------------------------------------------------- */

static size_t write_path(const struct spot *spot, char path[CONFIG_PATH_BYTES])
{
	char found[CONFIG_FOUND_BYTES];
	size_t used = spot->up ? write_path(spot->up, path) : 0;
	size_t length;

	path[used] = 0;
	if (spot->key) {
		config_quote(spot->key, strlen(spot->key), '.', found);
		length = strlen(found);
		found[length - 1] = 0;
		snprintf(path + used, CONFIG_PATH_BYTES - used, "%s", used ? found : found + 1);
	} else if (spot->up) {
		snprintf(path + used, CONFIG_PATH_BYTES - used, "[%zu]", spot->index);
	}
	return strlen(path);
}

__attribute__((format(printf, 4, 5))) static void complain(struct config_loader *loader, const struct spot *spot,
							   const struct config_node *node, const char *format, ...)
{
	char path[CONFIG_PATH_BYTES], sentence[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	write_path(spot, path);
	config_problem_add(&loader->problems, node->place, path, "%s", sentence);
}

static const char *describe(const struct config_node *node, char found[CONFIG_FOUND_BYTES])
{
	switch (node->kind) {
	case CONFIG_NODE_LIST: return "a list";
	case CONFIG_NODE_MAP: return "a mapping";
	default: break;
	}
	if (node->length == 0)
		return node->plain ? "nothing" : "an empty string";
	return config_quote(node->text, node->length, node->plain ? '\'' : '"', found);
}

/* `meant`: what was probably meant; "" or NULL: nobody knows. */
static void refuse(struct config_loader *loader, const struct spot *spot, const struct config_node *node,
		   const struct schema_key *key, const char *what, const char *meant)
{
	char allowed[ALLOWED_BYTES], found[CONFIG_FOUND_BYTES];
	bool hint = meant && meant[0];

	schema_allowed(key, allowed, sizeof(allowed));
	complain(loader, spot, node, "%s: found %s; allowed: %s%s%s%s", what, describe(node, found), allowed,
		 hint ? " (did you mean '" : "", hint ? meant : "", hint ? "'?)" : "");
}

static void *allocate(struct config_loader *loader, size_t bytes)
{
	void *memory = config_arena_allocate(loader->memory, bytes);

	if (!memory)
		loader->problems.out_of_memory = true;
	return memory;
}

static const char *keep(struct config_loader *loader, const struct config_node *node)
{
	const char *copy = config_arena_copy(loader->memory, node->text, node->length);

	if (!copy)
		loader->problems.out_of_memory = true;
	return copy;
}

/* ---- scalars ----------------------------------------------------------------------------------------------- */

/* A plain word that is no string for other readers of YAML: what to say of it, or NULL. */
static const char *judge_plain(const struct config_node *node)
{
	bool value;

	if (!node->plain)
		return NULL;
	if (config_scalar_is_null(node->text))
		return "nothing given";
	if (config_scalar_is_truthy(node->text, &value))
		return "a boolean where a string belongs, or a string without its quotes";
	if (config_scalar_is_numeric(node->text))
		return "a number where a string belongs, or a string without its quotes";
	return NULL;
}

static bool is_name(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '/')
			return false;
	return length >= 1 && length < IOREQ_NAME_BYTES;
}

static void read_name(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		      const struct config_node *node, void *object)
{
	const char *what = judge_plain(node);

	if (!what && !is_name(node->text))
		what = "no name";
	if (what)
		refuse(loader, spot, node, key, what, NULL);
	else
		schema_store_pointer(object, key, keep(loader, node), 0);
}

static bool is_path(const struct config_node *node)
{
	for (size_t i = 0; i < node->length; i++)
		if ((unsigned char)node->text[i] < ' ' || node->text[i] == 0x7f)
			return false;
	return node->length >= 1 && node->length < FILENAME_MAX;
}

static void read_path(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		      const struct config_node *node, void *object)
{
	const char *what = judge_plain(node);

	if (!what && !is_path(node))
		what = "no path";
	if (what)
		refuse(loader, spot, node, key, what, NULL);
	else
		schema_store_pointer(object, key, keep(loader, node), 0);
}

static void read_boolean(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
			 const struct config_node *node, void *object)
{
	const char *meant = NULL;
	bool value;

	if (node->plain && config_scalar_is_truthy(node->text, &value))
		meant = value ? "true" : "false";
	if (meant && strcmp(node->text, meant) == 0)
		schema_store(object, key, value);
	else
		refuse(loader, spot, node, key, "not a boolean", meant);
}

static void read_word(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		      const struct config_node *node, void *object)
{
	for (size_t i = 0; key->words[i]; i++) {
		if (strcmp(node->text, key->words[i]) == 0) {
			schema_store(object, key, i);
			return;
		}
	}
	refuse(loader, spot, node, key, "an unknown word", config_nearest(node->text, key->words));
}

static const struct config_unit *units_of(const struct schema_key *key)
{
	if (key->type == SCHEMA_TIME)
		return config_time_units;
	return key->type == SCHEMA_SIZE || key->type == SCHEMA_SPAN ? config_size_units : NULL;
}

static enum config_fault parse_number(const struct schema_key *key, const char *text, uint64_t *value_out)
{
	bool plain_number = key->type != SCHEMA_SIZE && key->type != SCHEMA_TIME;
	enum config_fault fault = CONFIG_TRAILING;

	if (key->type == SCHEMA_ADDRESS && config_scalar_pci(text, value_out))
		return CONFIG_FINE;
	if (plain_number)
		fault = config_scalar_number(text, value_out);
	if (fault == CONFIG_TRAILING && units_of(key))
		fault = config_scalar_with_unit(text, units_of(key), value_out);
	return fault;
}

static void read_number(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
			const struct config_node *node, void *object)
{
	char meant[CONFIG_NUMBER_BYTES] = "";
	enum config_fault fault;
	uint64_t value = 0;

	/* Other readers of YAML take an unquoted 80:00.0 for a number of base 60: quotes are welcome there. */
	if (!node->plain && !(key->type == SCHEMA_ADDRESS && config_scalar_pci(node->text, &value))) {
		refuse(loader, spot, node, key, "a string where a number belongs", NULL);
		return;
	}
	fault = parse_number(key, node->text, &value);
	if (fault == CONFIG_UNKNOWN_UNIT)
		config_scalar_meant(node->text, units_of(key), meant, sizeof(meant));
	if (fault && key->type == SCHEMA_ADDRESS && strchr(node->text, ':'))
		refuse(loader, spot, node, key, "no PCI function", NULL);
	else if (fault)
		refuse(loader, spot, node, key, config_fault_text(fault), meant);
	else if (value < key->minimum || value > key->maximum)
		refuse(loader, spot, node, key, "out of range", NULL);
	else
		schema_store(object, key, value);
}

/* A core or a doorbell's data: a number, or a word for "whichever", which is what stands there without the key. */
static void read_number_or_any(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
			       const struct config_node *node, void *object)
{
	if (strcmp(node->text, "any") == 0)
		schema_store(object, key, key->type == SCHEMA_CORE ? UINT64_MAX : 0);
	else
		read_number(loader, spot, key, node, object);
}

/* ---- lists of cores, settings ------------------------------------------------------------------------------ */

static void read_core(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		      const struct config_node *node, unsigned *cores, size_t *nr)
{
	const struct schema_key number = {.type = SCHEMA_INTEGER, .maximum = key->maximum, .bytes = sizeof(*cores)};
	size_t before = loader->problems.nr;

	if (node->kind == CONFIG_NODE_REFUSED)
		return;
	if (node->kind != CONFIG_NODE_SCALAR) {
		refuse(loader, spot, node, &number, "the wrong type", NULL);
		return;
	}
	read_number(loader, spot, &number, node, &cores[*nr]);
	if (loader->problems.nr != before)
		return;
	for (size_t i = 0; i < *nr; i++)
		if (cores[i] == cores[*nr]) {
			complain(loader, spot, node, "a core twice: found %u; allowed: once", cores[i]);
			return;
		}
	++*nr;
}

static void read_cores(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		       const struct config_node *node, void *object)
{
	size_t most = key->maximum + 1, nr = 0, index = 0;
	unsigned *cores = allocate(loader, (node->nr < most ? node->nr : most) * sizeof(*cores));

	if (!cores)
		return;
	if (node->nr == 0 || node->nr > most) {
		complain(loader, spot, node, "the wrong number of cores: found %zu; allowed: 1..%zu", node->nr, most);
		return;
	}
	for (const struct config_node *item = node->first; item; item = item->next, index++)
		read_core(loader, &(struct spot){.up = spot, .index = index}, key, item, cores, &nr);
	schema_store_pointer(object, key, cores, nr);
}

/* Plain text is a number if it begins like one: a digit by mistake shall not make a string. */
static bool begins_like_number(const char *text)
{
	text += *text == '-' || *text == '+';
	text += *text == '.';
	return *text >= '0' && *text <= '9';
}

static const char *read_setting_number(const char *text, struct ioreq_setting *setting)
{
	enum config_fault fault = config_scalar_number(text, &setting->integer);

	setting->type = IOREQ_SETTING_INTEGER;
	if (fault == CONFIG_TRAILING)
		fault = config_scalar_with_unit(text, config_size_units, &setting->integer);
	return fault ? config_fault_text(fault) : NULL;
}

/* Returns what is wrong, or NULL. */
static const char *read_setting_value(struct config_loader *loader, const struct config_node *node,
				      struct ioreq_setting *setting, const char **meant_out)
{
	bool value;

	if (node->plain && begins_like_number(node->text))
		return read_setting_number(node->text, setting);
	if (node->plain && config_scalar_is_truthy(node->text, &value)) {
		setting->type = IOREQ_SETTING_BOOLEAN;
		setting->integer = value;
		*meant_out = value ? "true" : "false";
		return strcmp(node->text, *meant_out) == 0
			       ? NULL
			       : "a boolean by another name, or a string without its quotes";
	}
	setting->type = IOREQ_SETTING_STRING;
	setting->string = keep(loader, node);
	return judge_plain(node);
}

static bool is_setting_key(const struct config_node *node)
{
	if (node->kind != CONFIG_NODE_SCALAR || node->length < 1 || node->length > MAX_SETTING_KEY)
		return false;
	for (size_t i = 0; i < node->length; i++)
		if (node->text[i] <= ' ' || node->text[i] > '~')
			return false;
	return true;
}

static void read_setting(struct config_loader *loader, const struct spot *spot, const struct config_node *key,
			 struct ioreq_setting *settings, size_t *nr)
{
	struct ioreq_setting *setting = &settings[*nr];
	const struct config_node *node = key->next;
	char found[CONFIG_FOUND_BYTES];
	const char *what, *meant = NULL;
	struct spot at = {.up = spot, .key = key->text};

	if (!is_setting_key(key)) {
		complain(loader, spot, key, "no key: found %s; allowed: 1..%u printable characters without blanks",
			 describe(key, found), MAX_SETTING_KEY);
		return;
	}
	for (size_t i = 0; i < *nr; i++)
		if (strcmp(settings[i].key, key->text) == 0) {
			complain(loader, &at, key, "a duplicate key; allowed: once");
			return;
		}
	if (node->kind == CONFIG_NODE_REFUSED)
		return;
	what = node->kind == CONFIG_NODE_SCALAR ? read_setting_value(loader, node, setting, &meant) : "the wrong type";
	if (what)
		complain(loader, &at, node,
			 "%s: found %s; allowed: a whole number, a size, true, false, a string (in quotes, if it looks "
			 "like one of them)%s%s%s",
			 what, describe(node, found), meant ? " (did you mean '" : "", meant ? meant : "",
			 meant ? "'?)" : "");
	setting->key = keep(loader, key);
	*nr += setting->key != NULL;
}

static void read_settings(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
			  const struct config_node *node, void *object)
{
	struct ioreq_setting *settings;
	size_t nr = 0;

	if (node->nr / 2 > key->maximum) {
		complain(loader, spot, node, "too many settings: found %zu; allowed: %" PRIu64, node->nr / 2,
			 key->maximum);
		return;
	}
	settings = allocate(loader, (node->nr / 2 + 1) * sizeof(*settings));
	if (!settings)
		return;
	for (const struct config_node *at = node->first; at; at = at->next->next)
		read_setting(loader, spot, at, settings, &nr);
	schema_store_pointer(object, key, settings, nr);
}

/* ---- what a mapping's schema cannot say -------------------------------------------------------------------- */

static const struct config_node *value_of(const struct finished *finished, const char *name)
{
	return finished->values[schema_find(finished->map, name) - finished->map->keys];
}

static bool is_pci(const struct config_node *node)
{
	return node && node->kind == CONFIG_NODE_SCALAR && strchr(node->text, ':');
}

/* bb:dd.f outside of pcicfg? */
static void check_notation(struct config_loader *loader, const struct finished *finished, const char *name,
			   enum ioreq_space space)
{
	const struct config_node *node = value_of(finished, name);
	char found[CONFIG_FOUND_BYTES];

	if (space != IOREQ_PCICFG && is_pci(node))
		complain(loader, &(struct spot){.up = finished->spot, .key = name}, node,
			 "a PCI function in another space: found %s; allowed: a number, decimal or 0x-hex",
			 describe(node, found));
}

static bool find_last(const struct finished *finished, struct ioreq_range *range)
{
	bool wraps = false;

	if (value_of(finished, "size"))
		wraps = __builtin_add_overflow(range->start, range->last - 1, &range->last);
	else if (!value_of(finished, "last"))
		range->last = range->start + 0xfff;
	else if (is_pci(value_of(finished, "last")))
		range->last |= 0xfff;
	return !wraps;
}

static void check_range(struct config_loader *loader, const struct finished *finished, struct ioreq_range *range)
{
	uint64_t space_last = ioreq_space_last(range->space);
	const char *space = schema_find(finished->map, "space")->words[range->space];
	bool fits = find_last(finished, range);

	if (!fits)
		complain(loader, finished->spot, finished->node,
			 "the range leaves its space: found a start of 0x%" PRIx64
			 " and a size beyond 2^64; allowed in %s: "
			 "0..0x%" PRIx64,
			 range->start, space, space_last);
	else if (range->start > range->last)
		complain(loader, finished->spot, finished->node,
			 "the range ends before it starts: found 0x%" PRIx64 "..0x%" PRIx64 "; allowed: start <= last",
			 range->start, range->last);
	else if (range->last > space_last)
		complain(loader, finished->spot, finished->node,
			 "the range leaves its space: found 0x%" PRIx64 "..0x%" PRIx64 "; allowed in %s: 0..0x%" PRIx64,
			 range->start, range->last, space, space_last);
}

static void finish_range(struct config_loader *loader, const struct finished *finished, void *object)
{
	const struct config_node *last = value_of(finished, "last"), *size = value_of(finished, "size");
	struct ioreq_range *range = object;
	size_t before = loader->problems.nr;

	if (last && size)
		complain(loader, &(struct spot){.up = finished->spot, .key = "size"}, size,
			 "both last and size; allowed: one of them");
	else if (!last && !size && !is_pci(value_of(finished, "start")))
		complain(loader, finished->spot, finished->node, "neither last nor size; allowed: one of them");
	if (finished->clean) {
		check_notation(loader, finished, "start", range->space);
		check_notation(loader, finished, "last", range->space);
	}
	if (finished->clean && loader->problems.nr == before)
		check_range(loader, finished, range);
	if (!finished->clean || loader->problems.nr != before)
		*range = (struct ioreq_range){.start = 1, .last = 0};
}

static void check_doorbell(struct config_loader *loader, const struct finished *finished,
			   const struct ioreq_doorbell *bell)
{
	unsigned widest = bell->space == IOREQ_MMIO ? 8 : 4;
	const struct spot size = {.up = finished->spot, .key = "size"}, data = {.up = finished->spot, .key = "data"};
	uint64_t space_last = ioreq_space_last(bell->space);

	if (bell->size > widest || (bell->size & (bell->size - 1))) {
		complain(loader, &size, value_of(finished, "size"),
			 "no access has this size: found %u; allowed: 1, 2, 4, in mmio also 8", bell->size);
		return;
	}
	if (bell->address > space_last || bell->size - 1 > space_last - bell->address)
		complain(loader, finished->spot, finished->node,
			 "the doorbell leaves its space: found 0x%" PRIx64 " with size %u; allowed: up to 0x%" PRIx64,
			 bell->address, bell->size, space_last);
	if (bell->data > ioreq_width_mask(bell->size))
		complain(loader, &data, value_of(finished, "data"),
			 "wider than the access: found 0x%" PRIx64 "; allowed with size %u: 0..0x%" PRIx64, bell->data,
			 bell->size, ioreq_width_mask(bell->size));
}

static void finish_doorbell(struct config_loader *loader, const struct finished *finished, void *object)
{
	const struct config_node *data = value_of(finished, "data");
	struct ioreq_doorbell *bell = object;
	size_t before = loader->problems.nr;

	if (finished->clean) {
		bell->any_data = !data || strcmp(data->text, "any") == 0;
		check_notation(loader, finished, "address", bell->space);
		check_doorbell(loader, finished, bell);
	}
	if (!finished->clean || loader->problems.nr != before)
		bell->size = 0;
}

static void check_device(struct config_loader *loader, const struct finished *finished, const char *device)
{
	const char *const *known = loader->options->devices;
	char allowed[ALLOWED_BYTES] = "", found[CONFIG_FOUND_BYTES];
	const char *meant;
	size_t used = 0;

	for (size_t i = 0; known[i]; i++) {
		if (strcmp(known[i], device) == 0)
			return;
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "", known[i]);
		if (used >= sizeof(allowed))
			used = sizeof(allowed) - 1;
	}
	meant = config_nearest(device, known);
	complain(loader, &(struct spot){.up = finished->spot, .key = "device"}, value_of(finished, "device"),
		 "an unknown device: found %s; allowed: %s, or a plugin%s%s%s",
		 config_quote(device, strlen(device), '\'', found), allowed, meant ? " (did you mean '" : "",
		 meant ? meant : "", meant ? "'?)" : "");
}

static void finish_client(struct config_loader *loader, const struct finished *finished, void *object)
{
	static const char *const for_threads[] = {"wait", "core"};
	const struct config_node *delivery = value_of(finished, "delivery"), *plugin = value_of(finished, "plugin");
	const struct config_client *client = object;

	if (plugin && value_of(finished, "device"))
		complain(loader, &(struct spot){.up = finished->spot, .key = "plugin"}, plugin,
			 "both device and plugin; allowed: one of them");
	else if (!plugin && !value_of(finished, "device"))
		complain(loader, finished->spot, finished->node, "neither device nor plugin; allowed: one of them");
	if (client->device && loader->options->devices)
		check_device(loader, finished, client->device);
	/* A delivery that could not be read is a problem by itself, not one of these keys. */
	if (delivery && (delivery->kind != CONFIG_NODE_SCALAR || strcmp(delivery->text, "inline") != 0))
		return;
	for (size_t i = 0; i < 2; i++)
		if (value_of(finished, for_threads[i]))
			complain(loader, &(struct spot){.up = finished->spot, .key = for_threads[i]},
				 value_of(finished, for_threads[i]),
				 "an inline client has no thread; allowed: with delivery: thread");
}

static void finish(struct config_loader *loader, const struct finished *finished, void *object)
{
	if (finished->map == &schema_range)
		finish_range(loader, finished, object);
	else if (finished->map == &schema_doorbell)
		finish_doorbell(loader, finished, object);
	else if (finished->map == &schema_client)
		finish_client(loader, finished, object);
}

/* ---- mappings, lists --------------------------------------------------------------------------------------- */

static void read_map(struct config_loader *loader, const struct spot *spot, const struct schema_map *map,
		     const struct config_node *node, void *object);

static void preset(const struct schema_map *map, void *object)
{
	for (size_t k = 0; k < map->nr_keys; k++) {
		const struct schema_key *key = &map->keys[k];

		if (key->type == SCHEMA_MAP)
			preset(key->map, (unsigned char *)object + key->offset);
		else if (key->preset)
			schema_store(object, key, key->preset);
	}
}

static void read_list(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		      const struct config_node *node, void *object)
{
	size_t most = key->maximum, nr = node->nr < most ? node->nr : most, index = 0;
	unsigned char *items = allocate(loader, nr * key->map->bytes);
	const struct config_node *item = node->first;

	if (!items)
		return;
	if (node->nr < key->minimum)
		complain(loader, spot, node, "too few items: found %zu; allowed: %" PRIu64 "..%zu", node->nr,
			 key->minimum, most);
	for (; index < nr; item = item->next, index++)
		read_map(loader, &(struct spot){.up = spot, .index = index}, key->map, item,
			 items + index * key->map->bytes);
	if (item)
		complain(loader, spot, item, "too many items: found %zu; allowed: %" PRIu64 "..%zu", node->nr,
			 key->minimum, most);
	schema_store_pointer(object, key, items, nr);
}

static enum config_node_kind kind_of(const struct schema_key *key)
{
	if (key->type == SCHEMA_LIST || key->type == SCHEMA_CORES)
		return CONFIG_NODE_LIST;
	return key->type == SCHEMA_MAP || key->type == SCHEMA_SETTINGS ? CONFIG_NODE_MAP : CONFIG_NODE_SCALAR;
}

static void read_value(struct config_loader *loader, const struct spot *spot, const struct schema_key *key,
		       const struct config_node *node, void *object)
{
	if (node->kind == CONFIG_NODE_REFUSED)
		return;
	if (node->kind != kind_of(key)) {
		refuse(loader, spot, node, key, "the wrong type", NULL);
		return;
	}
	switch (key->type) {
	case SCHEMA_NAME: read_name(loader, spot, key, node, object); break;
	case SCHEMA_PATH: read_path(loader, spot, key, node, object); break;
	case SCHEMA_BOOLEAN: read_boolean(loader, spot, key, node, object); break;
	case SCHEMA_WORD: read_word(loader, spot, key, node, object); break;
	case SCHEMA_CORE:
	case SCHEMA_DATA: read_number_or_any(loader, spot, key, node, object); break;
	case SCHEMA_INTEGER:
	case SCHEMA_SIZE:
	case SCHEMA_SPAN:
	case SCHEMA_TIME:
	case SCHEMA_ADDRESS: read_number(loader, spot, key, node, object); break;
	case SCHEMA_CORES: read_cores(loader, spot, key, node, object); break;
	case SCHEMA_SETTINGS: read_settings(loader, spot, key, node, object); break;
	case SCHEMA_LIST: read_list(loader, spot, key, node, object); break;
	case SCHEMA_MAP: read_map(loader, spot, key->map, node, (unsigned char *)object + key->offset); break;
	}
}

static void refuse_key(struct config_loader *loader, const struct spot *spot, const struct schema_map *map,
		       const struct config_node *node)
{
	const char *names[SCHEMA_MAX_KEYS + 1] = {NULL}, *meant = NULL;
	char allowed[ALLOWED_BYTES] = "", found[CONFIG_FOUND_BYTES];
	struct spot at = {.up = spot, .key = node->text};
	size_t used = 0;

	for (size_t k = 0; k < map->nr_keys; k++) {
		names[k] = map->keys[k].name;
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", k ? ", " : "", names[k]);
	}
	if (node->kind == CONFIG_NODE_SCALAR)
		meant = config_nearest(node->text, names);
	if (node->kind != CONFIG_NODE_SCALAR || node->length == 0)
		complain(loader, spot, node, "no key: found %s; allowed: %s", describe(node, found), allowed);
	else
		complain(loader, &at, node, "an unknown key; allowed: %s%s%s%s", allowed,
			 meant ? " (did you mean '" : "", meant ? meant : "", meant ? "'?)" : "");
}

/* Sorts a mapping's values by the schema's keys. */
static void collect(struct config_loader *loader, const struct spot *spot, const struct schema_map *map,
		    const struct config_node *node, const struct config_node **values)
{
	for (const struct config_node *at = node->first; at; at = at->next->next) {
		const struct schema_key *key = at->kind == CONFIG_NODE_SCALAR ? schema_find(map, at->text) : NULL;
		const struct config_node **value;

		if (!key) {
			if (at->kind != CONFIG_NODE_REFUSED)
				refuse_key(loader, spot, map, at);
			continue;
		}
		value = &values[key - map->keys];
		if (*value)
			complain(loader, &(struct spot){.up = spot, .key = key->name}, at,
				 "a duplicate key, whose first value is at %u:%u; allowed: once", (*value)->place.line,
				 (*value)->place.column);
		else
			*value = at->next;
	}
}

static void read_map(struct config_loader *loader, const struct spot *spot, const struct schema_map *map,
		     const struct config_node *node, void *object)
{
	const struct config_node *values[SCHEMA_MAX_KEYS] = {NULL};
	size_t before = loader->problems.nr;
	char found[CONFIG_FOUND_BYTES];
	bool whole = true;

	preset(map, object);
	if (node->kind == CONFIG_NODE_MAP) {
		collect(loader, spot, map, node, values);
	} else {
		if (node->kind != CONFIG_NODE_REFUSED)
			complain(loader, spot, node, "the wrong type: found %s; allowed: a mapping: %s",
				 describe(node, found), map->what);
		if (map == &schema_range)
			*(struct ioreq_range *)object = (struct ioreq_range){.start = 1, .last = 0};
		return;
	}
	if (map->placed)
		memcpy(object, &node->place, sizeof(node->place));
	for (size_t k = 0; k < map->nr_keys; k++) {
		const struct schema_key *key = &map->keys[k];
		const struct spot at = {.up = spot, .key = key->name};
		char allowed[ALLOWED_BYTES];

		if (values[k]) {
			whole &= values[k]->kind != CONFIG_NODE_REFUSED;
			read_value(loader, &at, key, values[k], object);
		} else if (key->required) {
			schema_allowed(key, allowed, sizeof(allowed));
			complain(loader, &at, node, "missing; allowed: %s", allowed);
		}
	}
	finish(loader,
	       &(struct finished){.spot = spot,
				  .map = map,
				  .node = node,
				  .values = values,
				  .clean = whole && loader->problems.nr == before},
	       object);
}

void config_read(struct config_loader *loader)
{
	static const unsigned first_core = 0;
	const struct config_node *engine = config_tree_value(loader->root, "engine");
	struct config *config = loader->config;

	read_map(loader, &(struct spot){.up = NULL}, &schema_config, loader->root, config);
	/* Without the key, not without a readable value: a poller on core 0 would be blamed for that. */
	if (!engine || !config_tree_value(engine, "housekeeping")) {
		config->engine.housekeeping = &first_core;
		config->engine.nr_housekeeping = 1;
	}
}
