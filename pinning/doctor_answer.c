/* SPDX-License-Identifier: MIT */
/* How a check answers, and the words for cores and processes. See doctor_check.h. */
#include "pinning/doctor_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a file held goes to terminals and into JSON: nothing but printable ASCII. */
static void clean(char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
	}
}

static enum doctor_result answer_with(struct doctor_answer *answer, enum doctor_result result, const char *path,
				      const char *format, va_list arguments)
{
	vsnprintf(answer->found, sizeof(answer->found), format, arguments);
	snprintf(answer->path, sizeof(answer->path), "%s", path);
	clean(answer->found);
	clean(answer->path);
	return result;
}

enum doctor_result doctor_pass(struct doctor_answer *answer, const char *path, const char *format, ...)
{
	enum doctor_result result;
	va_list arguments;

	va_start(arguments, format);
	result = answer_with(answer, DOCTOR_PASS, path, format, arguments);
	va_end(arguments);
	return result;
}

enum doctor_result doctor_find(struct doctor_answer *answer, const char *path, const char *format, ...)
{
	enum doctor_result result;
	va_list arguments;

	va_start(arguments, format);
	result = answer_with(answer, DOCTOR_FINDING, path, format, arguments);
	va_end(arguments);
	return result;
}

enum doctor_result doctor_find_as(struct doctor_answer *answer, enum doctor_severity severity, const char *path,
				  const char *format, ...)
{
	enum doctor_result result;
	va_list arguments;

	answer->severity = severity;
	va_start(arguments, format);
	result = answer_with(answer, DOCTOR_FINDING, path, format, arguments);
	va_end(arguments);
	return result;
}

enum doctor_result doctor_skip(struct doctor_answer *answer, const char *format, ...)
{
	enum doctor_result result;
	va_list arguments;

	va_start(arguments, format);
	result = answer_with(answer, DOCTOR_NOT_APPLICABLE, "", format, arguments);
	va_end(arguments);
	return result;
}

enum doctor_result doctor_unreadable(struct doctor_answer *answer, const char *path, int rc)
{
	const char *why = strerror(-rc);

	if (rc == -EINVAL)
		why = "what it holds is not understood";
	else if (rc == -ERANGE)
		why = "it holds a number that cannot be";
	else if (rc == -EFBIG)
		why = "it is longer than such a file can be";
	else if (rc == -EILSEQ)
		why = "it is no text";
	snprintf(answer->found, sizeof(answer->found), "could not be read: %s", why);
	snprintf(answer->path, sizeof(answer->path), "%s", path);
	clean(answer->path);
	return DOCTOR_UNREADABLE;
}

void doctor_fix(struct doctor_answer *answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(answer->fix, sizeof(answer->fix), format, arguments);
	va_end(arguments);
	clean(answer->fix);
}

const char *doctor_path(char path[DOCTOR_PATH_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, DOCTOR_PATH_BYTES, format, arguments);
	va_end(arguments);
	return path;
}

struct doctor_text doctor_cores(const struct doctor_cpus *cpus)
{
	struct doctor_text words;

	doctor_cpus_format(cpus, words.text, sizeof(words.text));
	return words;
}

struct doctor_text doctor_poll_text(const struct doctor *doctor)
{
	struct doctor_text words = {"<poll cores>"};

	return doctor->plan.survey ? words : doctor_cores(&doctor->plan.poll);
}

struct doctor_text doctor_housekeeping_text(const struct doctor *doctor)
{
	struct doctor_text words = {"<housekeeping cores>"};

	return doctor->plan.survey ? words : doctor_cores(&doctor->plan.housekeeping);
}

struct doctor_text doctor_who(const struct doctor *doctor)
{
	struct doctor_text words = {"this process"};

	if (doctor->service)
		snprintf(words.text, sizeof(words.text), "ioreqd (pid %d)", (int)doctor->plan.pid);
	return words;
}
