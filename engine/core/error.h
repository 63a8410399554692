/* SPDX-License-Identifier: MIT */
/* Filling a `struct ioreq_error`. */
#ifndef IOREQ_CORE_ERROR_H
#define IOREQ_CORE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#include <ioreq/error.h>

/* Writes the sentence if anybody wants it and returns -number: `return ioreq_error_set(error, EINVAL, ...)`. */
__attribute__((format(printf, 3, 4))) static inline int ioreq_error_set(struct ioreq_error *error, int number,
									const char *format, ...)
{
	va_list arguments;

	if (error) {
		va_start(arguments, format);
		vsnprintf(error->text, sizeof(error->text), format, arguments);
		va_end(arguments);
	}
	return -number;
}

#endif
