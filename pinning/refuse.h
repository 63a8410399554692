/* SPDX-License-Identifier: MIT */
/* A status with its sentence, and lines for the log. */
#ifndef IOREQ_PINNING_REFUSE_H
#define IOREQ_PINNING_REFUSE_H

#include <stdarg.h>
#include <stdio.h>

#include "pinning/pinning.h"

/* Writes the sentence if anybody wants it: `return pinning_refuse(error, PINNING_LIMIT, ...)`. */
__attribute__((format(printf, 3, 4))) static inline enum pinning_status
pinning_refuse(struct ioreq_error *error, enum pinning_status status, const char *format, ...)
{
	va_list arguments;

	if (error) {
		va_start(arguments, format);
		vsnprintf(error->text, sizeof(error->text), format, arguments);
		va_end(arguments);
	}
	return status;
}

__attribute__((format(printf, 2, 3))) static inline void pinning_say(const struct pinning_config *config,
								     const char *format, ...)
{
	char line[2 * IOREQ_ERROR_BYTES];
	va_list arguments;

	if (!config->log)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	config->log(config->log_context, line);
}

#endif
