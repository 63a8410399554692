/* SPDX-License-Identifier: MIT */
/* Command lines from tables. See options.h. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 1e9

__attribute__((format(printf, 2, 3))) static int refuse(struct ioreq_error *error, const char *format, ...)
{
	va_list arguments;

	if (error) {
		va_start(arguments, format);
		vsnprintf(error->text, sizeof(error->text), format, arguments);
		va_end(arguments);
	}
	return -EINVAL;
}

static int parse_count(const struct ioreq_option *option, const char *text, uint64_t *out, struct ioreq_error *error)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	/* strtoull would take blanks and a sign. */
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < option->minimum || value > option->maximum)
		return refuse(error, "--%s is '%s', but must be a whole number from %llu to %llu", option->name, text,
			      (unsigned long long)option->minimum, (unsigned long long)option->maximum);
	*out = value;
	return 0;
}

static int parse_seconds(const struct ioreq_option *option, const char *text, uint64_t *out, struct ioreq_error *error)
{
	size_t length = strlen(text);
	double value = strtod(text, NULL);

	if (!length || strspn(text, "0123456789.") != length || strchr(text, '.') != strrchr(text, '.') ||
	    value * 1e9 < 1.0 || value > MAX_SECONDS)
		return refuse(error, "--%s is '%s', but must be seconds, as 10 or 0.5, and more than 0", option->name,
			      text);
	*out = (uint64_t)(value * 1e9);
	return 0;
}

static int parse_choice(const struct ioreq_option *option, const char *text, unsigned *out, struct ioreq_error *error)
{
	for (unsigned i = 0; option->choices[i]; i++) {
		if (strcmp(option->choices[i], text) == 0) {
			*out = i;
			return 0;
		}
	}
	return refuse(error, "--%s is '%s', but must be %s", option->name, text, option->argument);
}

static int parse_value(const struct ioreq_option *option, const char *text, void *into, struct ioreq_error *error)
{
	void *member = (char *)into + option->offset;

	switch (option->kind) {
	case IOREQ_OPTION_FLAG: *(bool *)member = true; return 0;
	case IOREQ_OPTION_COUNT: return parse_count(option, text, member, error);
	case IOREQ_OPTION_SECONDS: return parse_seconds(option, text, member, error);
	case IOREQ_OPTION_TEXT: *(const char **)member = text; return 0;
	case IOREQ_OPTION_CHOICE: return parse_choice(option, text, member, error);
	case IOREQ_OPTION_CUSTOM: break;
	}
	if (option->parse(into, text) == 0)
		return 0;
	return refuse(error, "--%s is '%s', but must be %s: %s", option->name, text, option->argument, option->help);
}

static const struct ioreq_option *find_option(const struct ioreq_option *table, const char *name, size_t length)
{
	for (const struct ioreq_option *option = table; option->name; option++) {
		if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
			return option;
	}
	return NULL;
}

/* Parses argv[*at], which begins with "--", and moves *at to the last word that belongs to it. */
static int parse_option(const struct ioreq_option *table, int argc, char *const *argv, int *at, void *into,
			struct ioreq_error *error)
{
	const char *name = argv[*at] + 2;
	const char *value = strchr(name, '=');
	size_t length = value ? (size_t)(value - name) : strlen(name);
	const struct ioreq_option *option = find_option(table, name, length);

	if (!option)
		return refuse(error, "unknown option '--%.*s'", (int)length, name);
	if (option->kind == IOREQ_OPTION_FLAG && value)
		return refuse(error, "--%s takes no value, but was given '%s'", option->name, value + 1);
	if (option->kind == IOREQ_OPTION_FLAG)
		return parse_value(option, NULL, into, error);
	if (value)
		return parse_value(option, value + 1, into, error);
	if (*at + 1 >= argc)
		return refuse(error, "--%s needs a value: %s", option->name, option->argument);
	return parse_value(option, argv[++*at], into, error);
}

int ioreq_options_parse(const struct ioreq_option *table, int argc, char *const *argv, void *into,
			const char **operand_out, struct ioreq_error *error)
{
	const char *operand = NULL;
	bool options_over = false;

	for (int i = 0; i < argc; i++) {
		if (!options_over && strcmp(argv[i], "--") == 0) {
			options_over = true;
		} else if (!options_over && strncmp(argv[i], "--", 2) == 0) {
			int rc = parse_option(table, argc, argv, &i, into, error);

			if (rc)
				return rc;
		} else if (!options_over && argv[i][0] == '-' && argv[i][1]) {
			return refuse(error, "unknown option '%s'", argv[i]);
		} else if (operand) {
			return refuse(error, "'%s' is one argument too many after '%s'", argv[i], operand);
		} else {
			operand = argv[i];
		}
	}
	if (operand)
		*operand_out = operand;
	return 0;
}

void ioreq_options_help(const struct ioreq_option *table, FILE *file)
{
	for (const struct ioreq_option *option = table; option->name; option++) {
		char left[48];

		snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		fprintf(file, "  %-34s %s\n", left, option->help);
	}
}
