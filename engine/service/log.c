/* SPDX-License-Identifier: MIT */
/*
 * Log lines. Threads: any but a poller; a line is one write(2), so lines do not mix.
 */
#include "service/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_BYTES 512

void log_event(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	int used;
	ssize_t written;

	va_start(arguments, format);
	used = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (used < 0)
		return;
	if (used > LINE_BYTES - 2)
		used = LINE_BYTES - 2;
	line[used++] = '\n';
	/* Nobody to tell if standard error is gone. */
	written = write(STDERR_FILENO, line, (size_t)used);
	(void)written;
}
