/* SPDX-License-Identifier: MIT */
/*
 * /proc/interrupts as a table, and what happened between two of them.
 *
 * Threads   As doctor.h.
 * Memory    A table owns its rows until doctor_interrupts_free().
 */
#ifndef PINNING_DOCTOR_INTERRUPTS_H
#define PINNING_DOCTOR_INTERRUPTS_H

#include "pinning/doctor_root.h"

struct doctor_interrupt {
	char label[16]; /* "41", "LOC", "HYP" */
	char name[48];  /* what the line ends with: "virtio3-rx", "Local timer interrupts" */
	uint64_t *counts;
};

struct doctor_interrupts {
	unsigned nr_rows, nr_columns;
	int *cpu_of_column;
	struct doctor_interrupt *rows;
	uint64_t *counts;
};

/* 0, -EINVAL (no such table), -ENOMEM, or why it cannot be read. On failure *table_out is untouched. */
int doctor_interrupts_load(const struct doctor_root *root, struct doctor_interrupts *table_out);
int doctor_interrupts_parse(const char *text, struct doctor_interrupts *table_out);
void doctor_interrupts_free(struct doctor_interrupts *table);

/* NULL: no such row. */
const struct doctor_interrupt *doctor_interrupts_row(const struct doctor_interrupts *table, const char *label);

/* The count of a row on one CPU; 0 for a row or a CPU that the table does not have. */
uint64_t doctor_interrupts_count(const struct doctor_interrupts *table, const char *label, int cpu);

/*
 * How much a row of `after` grew on a CPU since `before`. A count that fell (an interrupt that was freed and requested
 * again) grew from 0.
 */
uint64_t doctor_interrupts_growth(const struct doctor_interrupts *before, const struct doctor_interrupts *after,
				  const char *label, int cpu);

#endif
