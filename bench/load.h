/* SPDX-License-Identifier: MIT */
/* `ioreq-bench load`: see load.c. */
#ifndef IOREQ_BENCH_LOAD_H
#define IOREQ_BENCH_LOAD_H

/* Runs the subcommand; arguments without the program's and its own name. Returns the exit status. */
int ioreq_load_run(int argc, char **argv);

#endif
