/* SPDX-License-Identifier: MIT */
/*
 * What must hold for any bytes given to the configuration: judged without the loader's own rules and tables.
 *
 * Threads   One. Memory: none is kept.
 */
#ifndef IOREQ_TEST_CONFIG_JUDGE_H
#define IOREQ_TEST_CONFIG_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Loads the bytes. Accepted: every rule of ioreqd.yaml(5) holds, and what is printed loads as an equal configuration.
 * Refused: with at least one line, each in the agreed form and in the order of the file, and nothing handed out.
 * Returns NULL, or what is wrong.
 */
const char *config_judge(const char *text, size_t bytes, bool *accepted_out);

#endif
