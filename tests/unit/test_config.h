/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the configuration share: problems collected as one text, configurations from strings.
 *
 * Threads   The test's. Memory: static; configurations are the test's to free.
 */
#ifndef IOREQ_TEST_CONFIG_H
#define IOREQ_TEST_CONFIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Never handed out by the loader: to see that an output is untouched. */
#define UNTOUCHED ((struct config *)&reported)

/* A file with one poller, and the VM's mapping left open: append to it. */
#define HEAD                        \
	"pollers:\n"                \
	"  - {name: p0, core: 1}\n" \
	"vms:\n"                    \
	"  - name: vm0\n"           \
	"    poller: p0\n"          \
	"    vcpus: 1\n"            \
	"    backend: {type: shm, path: /x}\n"

static struct {
	char text[65536];
	size_t used, nr_lines;
} reported;

static inline void report_line(void *context, const char *line)
{
	assert_ptr_equal(context, &reported);
	assert_null(strchr(line, '\n'));
	reported.used +=
		(size_t)snprintf(reported.text + reported.used, sizeof(reported.text) - reported.used, "%s\n", line);
	assert_true(reported.used < sizeof(reported.text));
	reported.nr_lines++;
}

static inline const struct config_options *test_options(void)
{
	static const char *const devices[] = {"cmos",      "debug_console", "pci_host", "registers",
					      "uart16550", "unclaimed",     NULL};
	static const struct config_options options = {.devices = devices, .report = report_line, .context = &reported};

	memset(&reported, 0, sizeof(reported));
	return &options;
}

/* The configuration of a text that must be good. */
static inline struct config *parse_good(const char *text)
{
	struct config *config = NULL;
	int status = config_parse("good", text, strlen(text), test_options(), &config);

	if (status)
		fail_msg("refused with %d:\n%s", status, reported.text);
	assert_string_equal(reported.text, "");
	assert_non_null(config);
	return config;
}

/* The exact lines of a text that must be refused. */
static inline void parse_bad(const char *text, const char *lines)
{
	struct config *config = UNTOUCHED;

	assert_int_equal(config_parse("bad", text, strlen(text), test_options(), &config), -EINVAL);
	assert_string_equal(reported.text, lines);
	assert_ptr_equal(config, UNTOUCHED);
}

static inline char *print_to_string(const struct config *config)
{
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	assert_non_null(stream);
	assert_int_equal(config_print(config, stream), 0);
	fclose(stream);
	return text;
}

#endif
