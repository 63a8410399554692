/* SPDX-License-Identifier: MIT */
/*
 * Structs -> YAML, along the schema: what config_load() makes of the output is equal to what was printed.
 *
 * Threads   Any. Memory: none.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "config/scalar.h"
#include "config/schema.h"
#include "config/tree.h"

#define INDENT 2

/* ---- strings ----------------------------------------------------------------------------------------------- */

/* Needs no quotes, here or in any other reader of YAML? */
static bool is_plain(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/0123456789.-";
	bool truthy;

	return text[0] && strchr(letters, text[0]) && text[strspn(text, others)] == 0 &&
	       !config_scalar_is_truthy(text, &truthy) && !config_scalar_is_null(text);
}

static void print_string(FILE *stream, const char *text)
{
	size_t left = strlen(text), length;
	uint32_t character;

	if (is_plain(text)) {
		fputs(text, stream);
		return;
	}
	fputc('"', stream);
	for (; left; text += length, left -= length) {
		/* A string that came from a file is UTF-8; bytes of another origin are escaped one by one. */
		length = config_utf8_read(text, left, &character);
		if (length == 0) {
			length = 1;
			fprintf(stream, "\\x%02x", (unsigned char)*text);
		} else if (character == '"' || character == '\\') {
			fprintf(stream, "\\%c", (int)character);
		} else if (character < ' ' || !config_utf8_allowed(character)) {
			fprintf(stream, "\\u%04x", (unsigned)character);
		} else {
			fwrite(text, 1, length, stream);
		}
	}
	fputc('"', stream);
}

/* ---- values ------------------------------------------------------------------------------------------------ */

static bool is_any(const void *object, const struct schema_key *key)
{
	if (key->type == SCHEMA_DATA)
		return ((const struct ioreq_doorbell *)object)->any_data;
	return key->type == SCHEMA_CORE && schema_load(object, key) == UINT64_MAX;
}

static void print_number(FILE *stream, const void *object, const struct schema_key *key)
{
	uint64_t value = schema_load(object, key);
	char text[CONFIG_NUMBER_BYTES];

	if (is_any(object, key)) {
		fputs("any", stream);
		return;
	}
	switch (key->type) {
	case SCHEMA_SIZE: fputs(config_scalar_format(value, config_size_units, text), stream); break;
	case SCHEMA_TIME: fputs(config_scalar_format(value, config_time_units, text), stream); break;
	case SCHEMA_BOOLEAN: fputs(value ? "true" : "false", stream); break;
	case SCHEMA_WORD: fputs(key->words[value], stream); break;
	case SCHEMA_ADDRESS:
	case SCHEMA_DATA: fprintf(stream, "0x%" PRIx64, value); break;
	default: fprintf(stream, "%" PRIu64, value);
	}
}

static void print_cores(FILE *stream, const void *object, const struct schema_key *key)
{
	size_t nr;
	const unsigned *cores = schema_load_pointer(object, key, &nr);

	for (size_t i = 0; i < nr; i++)
		fprintf(stream, "%s%u", i ? ", " : "[", cores[i]);
	fputc(']', stream);
}

static void print_settings(FILE *stream, const void *object, const struct schema_key *key, int indent)
{
	size_t nr;
	const struct ioreq_setting *settings = schema_load_pointer(object, key, &nr);

	if (nr == 0)
		fputs("{}", stream);
	for (size_t i = 0; i < nr; i++) {
		fprintf(stream, "\n%*s", indent + INDENT, "");
		print_string(stream, settings[i].key);
		fputs(": ", stream);
		switch (settings[i].type) {
		case IOREQ_SETTING_INTEGER: fprintf(stream, "%" PRIu64, settings[i].integer); break;
		case IOREQ_SETTING_BOOLEAN: fputs(settings[i].integer ? "true" : "false", stream); break;
		case IOREQ_SETTING_STRING: print_string(stream, settings[i].string); break;
		}
	}
}

/* ---- mappings, lists --------------------------------------------------------------------------------------- */

static void print_map(FILE *stream, const struct schema_map *map, const void *object, int indent);

static void print_list(FILE *stream, const void *object, const struct schema_key *key, int indent)
{
	size_t nr;
	const unsigned char *items = schema_load_pointer(object, key, &nr);

	if (nr == 0)
		fputs("[]", stream);
	for (size_t i = 0; i < nr; i++) {
		fprintf(stream, "\n%*s- ", indent + INDENT, "");
		print_map(stream, key->map, items + i * key->map->bytes, indent + 2 * INDENT);
	}
}

static void print_value(FILE *stream, const void *object, const struct schema_key *key, int indent)
{
	switch (key->type) {
	case SCHEMA_NAME:
	case SCHEMA_PATH: print_string(stream, schema_load_pointer(object, key, NULL)); break;
	case SCHEMA_CORES: print_cores(stream, object, key); break;
	case SCHEMA_SETTINGS: print_settings(stream, object, key, indent); break;
	case SCHEMA_LIST: print_list(stream, object, key, indent); break;
	case SCHEMA_MAP:
		if (!key->map->in_line)
			fprintf(stream, "\n%*s", indent + INDENT, "");
		print_map(stream, key->map, (const unsigned char *)object + key->offset, indent + INDENT);
		break;
	default: print_number(stream, object, key);
	}
}

static bool is_printed(const void *object, const struct schema_key *key)
{
	if (key->applies && !key->applies(object))
		return false;
	return (key->type != SCHEMA_NAME && key->type != SCHEMA_PATH) || schema_load_pointer(object, key, NULL);
}

/* The first key goes where the stream stands, the others below it or behind a comma. */
static void print_map(FILE *stream, const struct schema_map *map, const void *object, int indent)
{
	bool first = true;

	if (map->in_line)
		fputc('{', stream);
	for (size_t k = 0; k < map->nr_keys; k++) {
		const struct schema_key *key = &map->keys[k];
		bool nested = !map->in_line && (key->type == SCHEMA_LIST || key->type == SCHEMA_SETTINGS);
		size_t nr = 1;

		if (!is_printed(object, key))
			continue;
		if (!first && map->in_line)
			fputs(", ", stream);
		else if (!first)
			fprintf(stream, "\n%*s", indent, "");
		first = false;
		if (nested)
			schema_load_pointer(object, key, &nr);
		nested = (nested && nr) || (key->type == SCHEMA_MAP && !key->map->in_line);
		fprintf(stream, "%s:%s", key->name, nested ? "" : " ");
		print_value(stream, object, key, indent);
	}
	if (map->in_line)
		fputc('}', stream);
}

int config_print(const struct config *config, FILE *stream)
{
	print_map(stream, &schema_config, config, 0);
	fputc('\n', stream);
	return fflush(stream) || ferror(stream) ? -EIO : 0;
}
