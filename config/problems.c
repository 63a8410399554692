/* SPDX-License-Identifier: MIT */
/*
 * Problems: kept, sorted, worded.
 *
 * Threads   One. Memory: problems live in the caller's arena.
 */
#include "config/problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_BYTES 1024
#define MAX_WORD 63u /* words longer than that resemble nothing */

struct config_problem {
	struct config_problem *next;
	size_t number; /* order of discovery, among those of one place */
	struct config_place place;
	const char *path;
	const char *sentence;
};

/* ---- the list ---------------------------------------------------------------------------------------------- */

void config_problem_add(struct config_problems *problems, struct config_place place, const char *path,
			const char *format, ...)
{
	struct config_problem *problem;
	char sentence[SENTENCE_BYTES];
	va_list arguments;

	if (problems->nr++ >= CONFIG_MAX_PROBLEMS)
		return;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	problem = config_arena_allocate(problems->arena, sizeof(*problem));
	if (problem) {
		problem->number = problems->nr;
		problem->place = place;
		problem->path = config_arena_copy(problems->arena, path, strlen(path));
		problem->sentence = config_arena_copy(problems->arena, sentence, strlen(sentence));
		problem->next = problems->first;
		problems->first = problem;
	}
	if (!problem || !problem->path || !problem->sentence)
		problems->out_of_memory = true;
}

static int compare_problems(const void *left, const void *right)
{
	const struct config_problem *a = left, *b = right;

	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static void report_one(const struct config_problems *problems, const struct config_options *options,
		       const struct config_problem *problem)
{
	const char *colon = problem->path[0] ? ": " : "";
	char *line = NULL;
	int length;

	if (problem->place.line)
		length = asprintf(&line, "%s:%u:%u: error: %s%s%s", problems->file, problem->place.line,
				  problem->place.column, problem->path, colon, problem->sentence);
	else
		length = asprintf(&line, "%s: error: %s%s%s", problems->file, problem->path, colon, problem->sentence);
	options->report(options->context, length < 0 ? "out of memory" : line);
	if (length >= 0)
		free(line);
}

void config_problems_report(struct config_problems *problems, const struct config_options *options)
{
	struct config_problem sorted[CONFIG_MAX_PROBLEMS];
	size_t nr = 0;

	if (!options->report)
		return;
	for (const struct config_problem *problem = problems->first; problem; problem = problem->next)
		if (problem->path && problem->sentence)
			sorted[nr++] = *problem;
	if (nr)
		qsort(sorted, nr, sizeof(sorted[0]), compare_problems);
	for (size_t i = 0; i < nr; i++)
		report_one(problems, options, &sorted[i]);
	if (problems->nr > CONFIG_MAX_PROBLEMS) {
		char sentence[64];
		struct config_problem more = {.path = "", .sentence = sentence};

		snprintf(sentence, sizeof(sentence), "%zu more problems are not shown",
			 problems->nr - CONFIG_MAX_PROBLEMS);
		report_one(problems, options, &more);
	}
}

/* ---- words ------------------------------------------------------------------------------------------------- */

const char *config_quote(const char *text, size_t length, char quote, char found[CONFIG_FOUND_BYTES])
{
	static const char more[] = "...";
	size_t room = CONFIG_FOUND_BYTES - 2 - sizeof(more), used = 0, kept = length < room ? length : room;

	/* Back to the border of a UTF-8 character. */
	while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
		kept--;
	found[used++] = quote;
	for (size_t i = 0; i < kept; i++) {
		bool control = (unsigned char)text[i] < ' ' || text[i] == 0x7f;

		found[used++] = text[i];
		if (control)
			found[used - 1] = '?';
	}
	if (kept < length) {
		memcpy(found + used, more, sizeof(more) - 1);
		used += sizeof(more) - 1;
	}
	found[used++] = quote;
	found[used] = 0;
	return found;
}

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Insertions, deletions and replacements between two words; letters' case does not count. */
static unsigned distance(const char *one, const char *other)
{
	size_t length = strlen(other);
	unsigned row[MAX_WORD + 1];

	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; one[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= length; j++) {
			unsigned above = row[j];
			unsigned differs = tolower((unsigned char)one[i - 1]) != tolower((unsigned char)other[j - 1]);

			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + differs);
			diagonal = above;
		}
	}
	return row[length];
}

const char *config_nearest(const char *text, const char *const *words)
{
	size_t length = strlen(text);
	unsigned least = 1 + (unsigned)(length / 4);
	const char *nearest = NULL;

	if (length < 2 || length > MAX_WORD)
		return NULL;
	for (; *words; words++) {
		unsigned far = strlen(*words) <= MAX_WORD ? distance(text, *words) : MAX_WORD;

		if (far > least || (nearest && far == least) || far >= strlen(*words))
			continue;
		least = far;
		nearest = *words;
	}
	return nearest;
}
