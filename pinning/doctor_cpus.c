/* SPDX-License-Identifier: MIT */
/* Sets of CPUs. See doctor_cpus.h. */
#include "pinning/doctor_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NR_WORDS (DOCTOR_MAX_CPUS / 64)

void doctor_cpus_add(struct doctor_cpus *cpus, unsigned cpu)
{
	cpus->words[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

bool doctor_cpus_has(const struct doctor_cpus *cpus, unsigned cpu)
{
	return cpu < DOCTOR_MAX_CPUS && (cpus->words[cpu / 64] >> (cpu % 64) & 1);
}

bool doctor_cpus_empty(const struct doctor_cpus *cpus)
{
	return doctor_cpus_next(cpus, -1) < 0;
}

unsigned doctor_cpus_count(const struct doctor_cpus *cpus)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NR_WORDS; i++)
		count += (unsigned)__builtin_popcountll(cpus->words[i]);
	return count;
}

int doctor_cpus_next(const struct doctor_cpus *cpus, int after)
{
	unsigned from = (unsigned)(after + 1), at = from / 64;
	uint64_t word;

	if (from >= DOCTOR_MAX_CPUS)
		return -1;
	word = cpus->words[at] & ~UINT64_C(0) << (from % 64);
	while (!word && ++at < NR_WORDS)
		word = cpus->words[at];
	return word ? (int)(at * 64 + (unsigned)__builtin_ctzll(word)) : -1;
}

void doctor_cpus_or(struct doctor_cpus *cpus, const struct doctor_cpus *other)
{
	for (unsigned i = 0; i < NR_WORDS; i++)
		cpus->words[i] |= other->words[i];
}

void doctor_cpus_and(struct doctor_cpus *cpus, const struct doctor_cpus *other)
{
	for (unsigned i = 0; i < NR_WORDS; i++)
		cpus->words[i] &= other->words[i];
}

void doctor_cpus_minus(struct doctor_cpus *cpus, const struct doctor_cpus *other)
{
	for (unsigned i = 0; i < NR_WORDS; i++)
		cpus->words[i] &= ~other->words[i];
}

bool doctor_cpus_overlap(const struct doctor_cpus *cpus, const struct doctor_cpus *other)
{
	for (unsigned i = 0; i < NR_WORDS; i++) {
		if (cpus->words[i] & other->words[i])
			return true;
	}
	return false;
}

/* ---- lists ------------------------------------------------------------------------------------------------- */

/* Reads a number (or N, where there is a last CPU) and moves on. */
static int take_number(const char **text, int last, unsigned *number_out)
{
	unsigned number = 0;

	if (**text == 'N' && last >= 0) {
		(*text)++;
		*number_out = (unsigned)last;
		return 0;
	}
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	for (; isdigit((unsigned char)**text); (*text)++) {
		number = number * 10 + (unsigned)(**text - '0');
		if (number >= DOCTOR_MAX_CPUS)
			return -ERANGE;
	}
	*number_out = number;
	return 0;
}

/* ":used/group" behind a range: of each `group` CPUs the first `used`. */
static int take_stride(const char **text, unsigned *used_out, unsigned *group_out)
{
	int rc;

	*used_out = *group_out = 1;
	if (**text != ':')
		return 0;
	(*text)++;
	rc = take_number(text, -1, used_out);
	if (rc)
		return rc;
	if (*(*text)++ != '/')
		return -EINVAL;
	rc = take_number(text, -1, group_out);
	if (rc)
		return rc;
	return *group_out == 0 || *used_out > *group_out ? -EINVAL : 0;
}

static int take_range(const char **text, int last, struct doctor_cpus *cpus)
{
	unsigned from, to, used, group;
	int rc = take_number(text, last, &from);

	if (rc)
		return rc;
	to = from;
	if (**text == '-') {
		(*text)++;
		rc = take_number(text, last, &to);
		if (rc)
			return rc;
	}
	rc = take_stride(text, &used, &group);
	if (rc)
		return rc;
	if (to < from)
		return -EINVAL;
	for (unsigned cpu = from; cpu <= to; cpu++) {
		if ((cpu - from) % group < used)
			doctor_cpus_add(cpus, cpu);
	}
	return 0;
}

static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static bool is_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && *skip_blanks(text + length) == '\0';
}

int doctor_cpus_parse_list(const char *text, int last, struct doctor_cpus *cpus_out)
{
	struct doctor_cpus cpus = {{0}};
	int rc;

	text = skip_blanks(text);
	if (last >= 0 && is_word(text, "all"))
		text = "0-N";
	/* What /sys/devices/system/cpu/nohz_full says without the parameter. */
	if (is_word(text, "(null)"))
		text = "";
	while (*text) {
		rc = take_range(&text, last, &cpus);
		if (rc)
			return rc;
		text = skip_blanks(text);
		if (*text == '\0')
			break;
		if (*text != ',' || text[1] == '\0')
			return -EINVAL;
		text++;
	}
	*cpus_out = cpus;
	return 0;
}

/* ---- masks ------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int doctor_cpus_parse_mask(const char *text, struct doctor_cpus *cpus_out)
{
	struct doctor_cpus cpus = {{0}};
	size_t length;
	unsigned cpu = 0;

	text = skip_blanks(text);
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	if (length == 0 || text[0] == ',' || text[length - 1] == ',')
		return -EINVAL;
	/* From the lowest digit up. Every word but the highest has its eight digits, so commas carry no meaning. */
	while (length-- > 0) {
		int digit = hex_digit(text[length]);

		if (text[length] == ',')
			continue;
		if (digit < 0)
			return -EINVAL;
		if (cpu + 4 > DOCTOR_MAX_CPUS && digit)
			return -ERANGE;
		if (digit)
			cpus.words[cpu / 64] |= (uint64_t)digit << (cpu % 64);
		cpu += 4;
	}
	*cpus_out = cpus;
	return 0;
}

/* ---- text -------------------------------------------------------------------------------------------------- */

char *doctor_cpus_format(const struct doctor_cpus *cpus, char *text, size_t bytes)
{
	size_t used = 0;
	char range[32];

	snprintf(text, bytes, "none");
	for (int from = doctor_cpus_next(cpus, -1), to; from >= 0; from = doctor_cpus_next(cpus, to)) {
		int length;

		for (to = from; doctor_cpus_has(cpus, (unsigned)to + 1); to++)
			;
		length = to == from ? snprintf(range, sizeof(range), "%s%d", used ? "," : "", from)
				    : snprintf(range, sizeof(range), "%s%d-%d", used ? "," : "", from, to);
		/* Room for "..." is kept behind every range. */
		if (used + (size_t)length + 4 > bytes) {
			snprintf(text + used, bytes - used, "...");
			break;
		}
		memcpy(text + used, range, (size_t)length + 1);
		used += (size_t)length;
	}
	return text;
}
