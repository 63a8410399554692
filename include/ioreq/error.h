/* SPDX-License-Identifier: MIT */
/*
 * One sentence for a human beside the errno for the program.
 *
 * A function that takes a `struct ioreq_error *` returns 0 or -errno and, on failure, fills `text` with one
 * sentence that names the place, the value found and what is allowed. On success the text is left untouched.
 * NULL is accepted where the sentence is not wanted.
 *
 * Memory    The caller's, no pointers inside.
 */
#ifndef IOREQ_ERROR_H
#define IOREQ_ERROR_H

#define IOREQ_ERROR_BYTES 256

struct ioreq_error {
	char text[IOREQ_ERROR_BYTES];
};

#endif
