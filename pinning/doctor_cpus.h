/* SPDX-License-Identifier: MIT */
/*
 * Sets of CPUs, in the three spellings of the kernel: lists ("0-3,8"), masks ("ff,ffffffff"), and lists on the command
 * line ("2-N", "all", "0-31:2/4").
 *
 * Threads   Plain values; the caller's.
 * Memory    The caller's; nothing is allocated.
 */
#ifndef PINNING_DOCTOR_CPUS_H
#define PINNING_DOCTOR_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCTOR_MAX_CPUS 8192 /* the most an x86 kernel can be built for */
#define DOCTOR_CPUS_TEXT_BYTES 160

struct doctor_cpus {
	uint64_t words[DOCTOR_MAX_CPUS / 64];
};

/* cpu < DOCTOR_MAX_CPUS. */
void doctor_cpus_add(struct doctor_cpus *cpus, unsigned cpu);
/* false for a cpu that no set can hold. */
bool doctor_cpus_has(const struct doctor_cpus *cpus, unsigned cpu);
bool doctor_cpus_empty(const struct doctor_cpus *cpus);
unsigned doctor_cpus_count(const struct doctor_cpus *cpus);
/* The smallest CPU of the set above `after` (-1: from the start), or -1. */
int doctor_cpus_next(const struct doctor_cpus *cpus, int after);

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration has none around its name */
#define doctor_cpus_each(cpu, cpus) \
	for (int cpu = doctor_cpus_next((cpus), -1); cpu >= 0; cpu = doctor_cpus_next((cpus), cpu))

void doctor_cpus_or(struct doctor_cpus *cpus, const struct doctor_cpus *other);
void doctor_cpus_and(struct doctor_cpus *cpus, const struct doctor_cpus *other);
void doctor_cpus_minus(struct doctor_cpus *cpus, const struct doctor_cpus *other);
bool doctor_cpus_overlap(const struct doctor_cpus *cpus, const struct doctor_cpus *other);

/*
 * A list, blanks around it allowed; "" and the kernel's "(null)" are the empty set. `last`: what N stands for and where
 * `all` ends, or -1 where the kernel knows neither word. Returns 0, -EINVAL (no list), -ERANGE (a CPU of 8192 or more).
 */
int doctor_cpus_parse_list(const char *text, int last, struct doctor_cpus *cpus_out);

/* Hexadecimal words, the highest first, separated by commas. Returns 0, -EINVAL or -ERANGE. */
int doctor_cpus_parse_mask(const char *text, struct doctor_cpus *cpus_out);

/* Writes the list, "none" for the empty set, "..." where it does not fit. Returns `text`. */
char *doctor_cpus_format(const struct doctor_cpus *cpus, char *text, size_t bytes);

#endif
