/* SPDX-License-Identifier: MIT */
/*
 * Scalars: text -> number, size, time, PCI function, boolean, and back.
 *
 * Numbers are decimal or 0x-hex, whole, without sign, blanks or anything behind them. Sizes and times are decimal with
 * a unit; 0 needs none.
 *
 * Threads   Any. Memory: the caller's.
 */
#ifndef IOREQ_CONFIG_SCALAR_H
#define IOREQ_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_NUMBER_BYTES 32 /* of a formatted number */

enum config_fault {
	CONFIG_FINE,
	CONFIG_NOT_A_NUMBER,
	CONFIG_LEADING_ZERO,
	CONFIG_NEGATIVE,
	CONFIG_FRACTION,
	CONFIG_TRAILING,
	CONFIG_TOO_BIG, /* for 64 bits */
	CONFIG_NO_UNIT,
	CONFIG_UNKNOWN_UNIT,
};

struct config_unit {
	const char *name;
	uint64_t factor;
};

/* From the smallest to the largest, ended by a NULL name. */
extern const struct config_unit config_size_units[];
extern const struct config_unit config_time_units[];

/* The fault in words; "" for CONFIG_FINE. */
const char *config_fault_text(enum config_fault fault);

/* Outputs are untouched unless CONFIG_FINE is returned. */
enum config_fault config_scalar_number(const char *text, uint64_t *value_out);
enum config_fault config_scalar_with_unit(const char *text, const struct config_unit *units, uint64_t *value_out);

/* "bb:dd.f", all hex, as an address of PCI config space. False: it is none. */
bool config_scalar_pci(const char *text, uint64_t *address_out);

/* `text` with the unit that was probably meant, into `meant` ("" if none comes to mind). */
void config_scalar_meant(const char *text, const struct config_unit *units, char *meant, size_t bytes);

/* With the largest unit that divides it. */
const char *config_scalar_format(uint64_t value, const struct config_unit *units, char text[CONFIG_NUMBER_BYTES]);

/* What other readers of YAML take for a boolean, nothing or a number. A plain word of that kind is no string here. */
bool config_scalar_is_truthy(const char *text, bool *value_out);
bool config_scalar_is_null(const char *text);
bool config_scalar_is_numeric(const char *text);

#endif
