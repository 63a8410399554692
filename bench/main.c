/* SPDX-License-Identifier: MIT */
/*
 * ioreq-bench: what puts load on the engine and measures it, one subcommand each.
 *
 * Threads   main() only; a subcommand starts its own.
 */
#include <stdio.h>
#include <string.h>

#include "load.h"

#define EXIT_USAGE 2

struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv); /* without program and subcommand; returns the exit status */
	const char *help;
};

static const struct subcommand subcommands[] = {
	{"load", ioreq_load_run, "be the hypervisor: drive a page, check every answer, measure every request"},
};
#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static int print_help(void)
{
	puts("usage: ioreq-bench SUBCOMMAND [OPTION...] [ARGUMENT]\n"
	     "\n"
	     "subcommands (each explains itself with --help):");
	for (size_t i = 0; i < NR_SUBCOMMANDS; i++)
		printf("  %-10s %s\n", subcommands[i].name, subcommands[i].help);
	puts("\n"
	     "options:\n"
	     "  --help     this\n"
	     "  --version  name and version");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("ioreq-bench: no subcommand given; see ioreq-bench --help\n", stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0) {
		puts("ioreq-bench " IOREQ_VERSION);
		return 0;
	}
	for (size_t i = 0; i < NR_SUBCOMMANDS; i++) {
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].run(argc - 2, argv + 2);
	}
	fprintf(stderr, "ioreq-bench: unknown %s '%s'; see ioreq-bench --help\n",
		argv[1][0] == '-' ? "option" : "subcommand", argv[1]);
	return EXIT_USAGE;
}
