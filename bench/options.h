/* SPDX-License-Identifier: MIT */
/*
 * Command lines as data: a table says what the options of a subcommand are; parsing and --help come from it.
 *
 * Accepted are `--name VALUE`, `--name=VALUE`, `--flag`, `--` (the rest are operands) and at most one operand.
 *
 * Threads   One.
 * Memory    Texts point into argv.
 */
#ifndef IOREQ_BENCH_OPTIONS_H
#define IOREQ_BENCH_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ioreq/error.h>

enum ioreq_option_kind {
	IOREQ_OPTION_FLAG,    /* bool, no value */
	IOREQ_OPTION_COUNT,   /* uint64_t, decimal or 0x, minimum..maximum */
	IOREQ_OPTION_SECONDS, /* uint64_t nanoseconds, given in seconds with a fraction, more than 0 */
	IOREQ_OPTION_TEXT,    /* const char * */
	IOREQ_OPTION_CHOICE,  /* unsigned, index in `choices` */
	IOREQ_OPTION_CUSTOM,  /* `parse` does it: 0, or -EINVAL for a value that it does not know */
};

struct ioreq_option {
	const char *name; /* without dashes; NULL ends a table */
	enum ioreq_option_kind kind;
	size_t offset; /* of the member in the structure that is filled */
	uint64_t minimum;
	uint64_t maximum;
	const char *const *choices; /* NULL-terminated */
	int (*parse)(void *into, const char *text);
	const char *argument; /* for --help: N, SECONDS; NULL for a flag */
	const char *help;     /* one line; for CUSTOM it also says, in a failure's sentence, what is allowed */
};

/*
 * Fills the structure at `into`, whose defaults are set already, from argv[0..argc-1] (no program name there).
 * *operand_out is left alone without an operand. Returns 0, or -EINVAL with a sentence.
 */
int ioreq_options_parse(const struct ioreq_option *table, int argc, char *const *argv, void *into,
			const char **operand_out, struct ioreq_error *error);

/* One line per option. */
void ioreq_options_help(const struct ioreq_option *table, FILE *file);

#endif
