/* SPDX-License-Identifier: MIT */
/* `ioreqd --check FILE` and `--print FILE`: a configuration looked at without touching the machine. */
#ifndef IOREQ_SERVICE_CHECK_H
#define IOREQ_SERVICE_CHECK_H

#include <stdbool.h>

/* Reports every problem of the file on standard error; with `print`, writes the effective one. Returns an exit status. */
int check_config(const char *path, bool print);

#endif
