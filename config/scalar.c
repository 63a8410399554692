/* SPDX-License-Identifier: MIT */
/*
 * Scalars, read strictly: strtoull() would take " 5", "+5", "-5" and "010".
 *
 * Threads   Any. Memory: static tables.
 */
#include "config/scalar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ioreq/access.h>

#include "config/problems.h"

const struct config_unit config_size_units[] = {
	{"B", 1},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{NULL, 0},
};

const struct config_unit config_time_units[] = {
	{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {NULL, 0},
};

const char *config_fault_text(enum config_fault fault)
{
	static const char *const texts[] = {
		[CONFIG_FINE] = "",
		[CONFIG_NOT_A_NUMBER] = "not a number",
		[CONFIG_LEADING_ZERO] = "a leading zero, which is not octal here",
		[CONFIG_NEGATIVE] = "negative",
		[CONFIG_FRACTION] = "not a whole number",
		[CONFIG_TRAILING] = "something behind the number",
		[CONFIG_TOO_BIG] = "too big for 64 bits",
		[CONFIG_NO_UNIT] = "no unit",
		[CONFIG_UNKNOWN_UNIT] = "an unknown unit",
	};

	return texts[fault];
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Digits of `base` from `text` on; at least one is there. */
static enum config_fault read_digits(const char *text, unsigned base, uint64_t *value_out, const char **rest_out)
{
	bool overflow = false;
	uint64_t value = 0;

	for (; (unsigned)digit_value(*text) < base; text++)
		overflow |= __builtin_mul_overflow(value, base, &value) ||
			    __builtin_add_overflow(value, (uint64_t)digit_value(*text), &value);
	*value_out = value;
	*rest_out = text;
	return overflow ? CONFIG_TOO_BIG : CONFIG_FINE;
}

static enum config_fault read_decimal(const char *text, uint64_t *value_out, const char **rest_out)
{
	if (text[0] == '-' && is_digit(text[1]))
		return CONFIG_NEGATIVE;
	if (!is_digit(text[0]))
		return CONFIG_NOT_A_NUMBER;
	if (text[0] == '0' && is_digit(text[1]))
		return CONFIG_LEADING_ZERO;
	return read_digits(text, 10, value_out, rest_out);
}

static enum config_fault judge_rest(const char *rest)
{
	if (*rest == 0)
		return CONFIG_FINE;
	return rest[0] == '.' && is_digit(rest[1]) ? CONFIG_FRACTION : CONFIG_TRAILING;
}

enum config_fault config_scalar_number(const char *text, uint64_t *value_out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	enum config_fault fault;
	const char *rest;
	uint64_t value;

	if (!hex)
		fault = read_decimal(text, &value, &rest);
	else if (digit_value(text[2]) < 16)
		fault = read_digits(text + 2, 16, &value, &rest);
	else
		return CONFIG_NOT_A_NUMBER;
	if (fault == CONFIG_FINE)
		fault = judge_rest(rest);
	if (fault == CONFIG_FINE)
		*value_out = value;
	return fault;
}

static const struct config_unit *find_unit(const char *name, const struct config_unit *units)
{
	while (units->name && strcmp(units->name, name) != 0)
		units++;
	return units->name ? units : NULL;
}

enum config_fault config_scalar_with_unit(const char *text, const struct config_unit *units, uint64_t *value_out)
{
	const struct config_unit *unit;
	const char *rest;
	uint64_t value;
	enum config_fault fault = read_decimal(text, &value, &rest);

	if (fault)
		return fault;
	if (*rest == 0 && value != 0)
		return CONFIG_NO_UNIT;
	if (judge_rest(rest) == CONFIG_FRACTION)
		return CONFIG_FRACTION;
	unit = *rest ? find_unit(rest, units) : units;
	if (!unit)
		return CONFIG_UNKNOWN_UNIT;
	if (__builtin_mul_overflow(value, unit->factor, &value))
		return CONFIG_TOO_BIG;
	*value_out = value;
	return CONFIG_FINE;
}

/* A field of a PCI function's address: as many hex digits as `last` has, or fewer, then `behind`. */
static const char *read_pci_field(const char *text, unsigned last, char behind, unsigned *value_out)
{
	const char *rest;
	uint64_t value;

	if (digit_value(*text) > 15 || read_digits(text, 16, &value, &rest) || rest - text > (last > 15 ? 2 : 1) ||
	    value > last || *rest != behind)
		return NULL;
	*value_out = (unsigned)value;
	return rest + 1;
}

bool config_scalar_pci(const char *text, uint64_t *address_out)
{
	unsigned bus, device, function;

	text = read_pci_field(text, 255, ':', &bus);
	if (text)
		text = read_pci_field(text, 31, '.', &device);
	if (text)
		text = read_pci_field(text, 7, 0, &function);
	if (text)
		*address_out = ioreq_pci_address(bus, device, function, 0);
	return text != NULL;
}

void config_scalar_meant(const char *text, const struct config_unit *units, char *meant, size_t bytes)
{
	size_t digits = strspn(text, "0123456789");
	const char *names[8], *nearest = NULL;
	size_t nr = 0;

	for (const struct config_unit *unit = units; unit->name; unit++)
		names[nr++] = unit->name;
	names[nr] = NULL;
	meant[0] = 0;
	if (digits == 0 || digits >= 20 || text[digits] == 0)
		return;
	nearest = config_nearest(text + digits, names);
	for (size_t i = 0; i < nr && !nearest; i++)
		if (strncasecmp(names[i], text + digits, strlen(text + digits)) == 0)
			nearest = names[i];
	if (nearest)
		snprintf(meant, bytes, "%.*s%s", (int)digits, text, nearest);
}

/* ---- showing ----------------------------------------------------------------------------------------------- */

const char *config_scalar_format(uint64_t value, const struct config_unit *units, char text[CONFIG_NUMBER_BYTES])
{
	const struct config_unit *best = units;

	for (const struct config_unit *unit = units; unit->name && value; unit++)
		if (value % unit->factor == 0)
			best = unit;
	snprintf(text, CONFIG_NUMBER_BYTES, "%" PRIu64 "%s", value / best->factor, value ? best->name : "");
	return text;
}

/* ---- words that other readers would not take for strings ----------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && strcasecmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

bool config_scalar_is_truthy(const char *text, bool *value_out)
{
	static const char *const trues[] = {"true", "yes", "on", "y", NULL};
	static const char *const falses[] = {"false", "no", "off", "n", NULL};

	*value_out = is_one_of(text, trues);
	return *value_out || is_one_of(text, falses);
}

bool config_scalar_is_null(const char *text)
{
	return text[0] == 0 || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}

bool config_scalar_is_numeric(const char *text)
{
	const char *digits = text + (text[0] == '-' || text[0] == '+');
	char *rest;

	if (strcasecmp(digits, ".inf") == 0 || strcasecmp(digits, ".nan") == 0)
		return true;
	digits += digits[0] == '.';
	if (!is_digit(*digits))
		return false;
	strtod(text, &rest);
	return *rest == 0;
}
