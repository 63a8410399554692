/* SPDX-License-Identifier: MIT */
/* /proc/interrupts as a table. See doctor_interrupts.h. */
#include "pinning/doctor_interrupts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned count_lines(const char *text)
{
	unsigned nr = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		nr++;
	}
	return nr;
}

/* "           CPU0       CPU1": returns how many columns there are, or -EINVAL. */
static int parse_heading(const char *line, const char *end, int **cpu_of_column_out)
{
	int nr = 0, *columns = malloc(DOCTOR_MAX_CPUS * sizeof(*columns));

	if (!columns)
		return -ENOMEM;
	for (; line < end; line++) {
		char *after;
		long cpu;

		if (*line == ' ')
			continue;
		if (strncmp(line, "CPU", 3) != 0 || !isdigit((unsigned char)line[3]) || nr == DOCTOR_MAX_CPUS)
			break;
		cpu = strtol(line + 3, &after, 10);
		if (cpu < 0 || cpu >= DOCTOR_MAX_CPUS)
			break;
		columns[nr++] = (int)cpu;
		line = after - 1;
	}
	if (line != end || nr == 0) {
		free(columns);
		return -EINVAL;
	}
	*cpu_of_column_out = columns;
	return nr;
}

/* The last word of a numbered line is who asked for it; that of the others is all of their text. */
static void take_name(struct doctor_interrupt *row, const char *text, const char *end)
{
	const char *name = text;

	while (name < end && *name == ' ')
		name++;
	if (isdigit((unsigned char)row->label[0])) {
		for (const char *at = name; at + 1 < end; at++) {
			if (*at == ' ' && at[1] != ' ')
				name = at + 1;
		}
	}
	snprintf(row->name, sizeof(row->name), "%.*s", (int)(end - name), name);
}

/* Rows with one count for the whole machine (ERR, MIS) belong to no CPU: false. */
static bool parse_row(const char *line, const char *end, unsigned nr_columns, struct doctor_interrupt *row)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	unsigned nr = 0;

	while (line < end && *line == ' ')
		line++;
	if (!colon || colon <= line || (size_t)(colon - line) >= sizeof(row->label))
		return false;
	snprintf(row->label, sizeof(row->label), "%.*s", (int)(colon - line), line);
	for (line = colon + 1; line < end && nr < nr_columns; nr++) {
		char *after;

		while (line < end && *line == ' ')
			line++;
		if (line == end || !isdigit((unsigned char)*line))
			return false;
		row->counts[nr] = strtoull(line, &after, 10);
		line = after;
	}
	if (nr < nr_columns)
		return false;
	take_name(row, line, end);
	return true;
}

static void parse_rows(const char *text, struct doctor_interrupts *table)
{
	while (text) {
		const char *end = strchrnul(text, '\n');
		struct doctor_interrupt *row = &table->rows[table->nr_rows];

		row->counts = &table->counts[(size_t)table->nr_rows * table->nr_columns];
		if (parse_row(text, end, table->nr_columns, row))
			table->nr_rows++;
		text = *end ? end + 1 : NULL;
	}
}

int doctor_interrupts_parse(const char *text, struct doctor_interrupts *table_out)
{
	struct doctor_interrupts table = {.nr_rows = 0};
	const char *end = strchrnul(text, '\n');
	int nr = parse_heading(text, end, &table.cpu_of_column);
	unsigned lines;

	if (nr < 0)
		return nr;
	table.nr_columns = (unsigned)nr;
	lines = count_lines(end);
	/* A full row is longer than two characters per column: what is allocated is bounded by the file's length. */
	if ((size_t)lines * table.nr_columns > strlen(text) + table.nr_columns * (size_t)64 + 4096)
		lines = (unsigned)(strlen(text) / table.nr_columns) + 64;
	table.rows = calloc(lines, sizeof(*table.rows));
	table.counts = calloc((size_t)lines * table.nr_columns, sizeof(*table.counts));
	if (!table.rows || !table.counts) {
		doctor_interrupts_free(&table);
		return -ENOMEM;
	}
	parse_rows(*end ? end + 1 : end, &table);
	if (table.nr_rows == 0) {
		doctor_interrupts_free(&table);
		return -EINVAL;
	}
	*table_out = table;
	return 0;
}

int doctor_interrupts_load(const struct doctor_root *root, struct doctor_interrupts *table_out)
{
	char *text;
	int rc = doctor_root_load(root, "/proc/interrupts", &text);

	if (rc)
		return rc;
	rc = doctor_interrupts_parse(text, table_out);
	free(text);
	return rc;
}

void doctor_interrupts_free(struct doctor_interrupts *table)
{
	free(table->cpu_of_column);
	free(table->rows);
	free(table->counts);
	*table = (struct doctor_interrupts){.nr_rows = 0};
}

const struct doctor_interrupt *doctor_interrupts_row(const struct doctor_interrupts *table, const char *label)
{
	for (unsigned i = 0; i < table->nr_rows; i++) {
		if (strcmp(table->rows[i].label, label) == 0)
			return &table->rows[i];
	}
	return NULL;
}

uint64_t doctor_interrupts_count(const struct doctor_interrupts *table, const char *label, int cpu)
{
	const struct doctor_interrupt *row = doctor_interrupts_row(table, label);

	for (unsigned i = 0; row && i < table->nr_columns; i++) {
		if (table->cpu_of_column[i] == cpu)
			return row->counts[i];
	}
	return 0;
}

uint64_t doctor_interrupts_growth(const struct doctor_interrupts *before, const struct doctor_interrupts *after,
				  const char *label, int cpu)
{
	uint64_t old = doctor_interrupts_count(before, label, cpu), now = doctor_interrupts_count(after, label, cpu);

	return now >= old ? now - old : now;
}
