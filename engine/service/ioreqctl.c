/* SPDX-License-Identifier: MIT */
/*
 * ioreqctl: what the engine has counted, live and as a closing table. It reads the stats file and asks nobody, so it
 * costs the engine nothing, and works when the engine is gone. The doctor has its own file, ioreqctl_doctor.c.
 *
 * Threads   One.
 * Memory    The view's mapping, and the snapshots of `watch`.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "service/ioreqctl_doctor.h"
#include "service/stats_view.h"

#define DEFAULT_STATS "/run/ioreqd/ioreqd.stats"
#define SETTLE_NS 200000000u
#define MAX_INTERVAL_S 86400.0
#define EXIT_USAGE 2

struct options {
	const char *stats;
	double interval_s;
	uint64_t count; /* lines; 0: no end */
	bool json;
};

static int complain(const char *sentence)
{
	fprintf(stderr, "ioreqctl: %s\n", sentence);
	return EXIT_FAILURE;
}

/* Ends the output; a reader that has seen enough is no failure, a full disk is. Returns `status`, or 1. */
static int end_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return errno == EPIPE ? status : complain(strerror(errno));
}

/* ---- watch ------------------------------------------------------------------------------------------------- */

static void print_line(const struct ioreq_stats *stats, const struct ioreq_stats_totals *now,
		       const struct ioreq_stats_totals *before, double seconds, bool terminal)
{
	static struct ioreq_histogram interval;
	char p50[IOREQ_STATS_VIEW_TIME_BYTES], p99_9[IOREQ_STATS_VIEW_TIME_BYTES], max[IOREQ_STATS_VIEW_TIME_BYTES];
	uint64_t done = now->completed > before->completed ? now->completed - before->completed : 0;
	uint64_t in_flight = now->posted > now->completed ? now->posted - now->completed : 0;

	ioreq_stats_view_interval(&now->latency, &before->latency, &interval);
	ioreq_stats_view_time(ioreq_histogram_quantile(&interval, 0.5), stats->tsc_hz, p50);
	ioreq_stats_view_time(ioreq_histogram_quantile(&interval, 0.999), stats->tsc_hz, p99_9);
	ioreq_stats_view_time(now->latency.maximum, stats->tsc_hz, max);
	printf("%s%10.0f req/s  p50 %8s  p99.9 %8s  max %8s  unclaimed %" PRIu64 "  in flight %" PRIu64 "%s%s",
	       terminal ? "\r" : "", (double)done / seconds, interval.count ? p50 : "-", interval.count ? p99_9 : "-",
	       now->latency.count ? max : "-", now->unclaimed, in_flight,
	       ioreq_stats_view_alive(stats) ? "" : "  (engine gone)", terminal ? "\033[K" : "\n");
}

static double monotonic_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Sleeps; false: a signal says that it is enough. */
static bool sleep_s(double seconds, const sigset_t *stop)
{
	struct timespec timeout = {.tv_sec = (time_t)seconds};

	timeout.tv_nsec = (long)((seconds - (double)timeout.tv_sec) * 1e9);
	return sigtimedwait(stop, NULL, &timeout) < 0;
}

/* Follows the name to a new engine's file. A file that is not whole yet is tried again at the next line. */
static void follow_name(const struct options *options, struct ioreq_stats_view *view)
{
	struct ioreq_stats_view fresh;

	if (!ioreq_stats_view_replaced(view, options->stats) || ioreq_stats_view_open(options->stats, &fresh, NULL))
		return;
	ioreq_stats_view_close(view);
	*view = fresh;
}

static void watch_lines(const struct options *options, struct ioreq_stats_view *view,
			struct ioreq_stats_totals totals[2], const sigset_t *stop)
{
	bool terminal = isatty(STDOUT_FILENO);
	double before_s = monotonic_s(), now_s;
	unsigned now = 0;

	ioreq_stats_view_total(view->stats, &totals[now]);
	for (uint64_t lines = 0; !options->count || lines < options->count; lines++) {
		if (!sleep_s(options->interval_s, stop))
			break;
		follow_name(options, view);
		now ^= 1;
		now_s = monotonic_s();
		ioreq_stats_view_total(view->stats, &totals[now]);
		/* Another engine counts from 0. */
		if (totals[now].started_ns != totals[now ^ 1].started_ns)
			memset(&totals[now ^ 1], 0, sizeof(totals[0]));
		print_line(view->stats, &totals[now], &totals[now ^ 1], now_s - before_s, terminal);
		before_s = now_s;
		if (fflush(stdout))
			return;
	}
	if (terminal)
		putchar('\n');
}

static int watch(const struct options *options)
{
	struct ioreq_stats_totals *totals = calloc(2, sizeof(*totals));
	struct ioreq_stats_view view;
	struct ioreq_error error;
	sigset_t stop;

	if (!totals)
		return complain("out of memory");
	if (ioreq_stats_view_open(options->stats, &view, &error)) {
		free(totals);
		return complain(error.text);
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	watch_lines(options, &view, totals, &stop);
	ioreq_stats_view_close(&view);
	free(totals);
	return end_output(EXIT_SUCCESS);
}

/* ---- summary ----------------------------------------------------------------------------------------------- */

static int summary(const struct options *options)
{
	struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS];
	struct ioreq_stats_view view;
	struct ioreq_error error;
	uint64_t lost;

	if (ioreq_stats_view_open(options->stats, &view, &error))
		return complain(error.text);
	lost = ioreq_stats_view_account(view.stats, SETTLE_NS, accounts);
	if (options->json)
		ioreq_stats_view_json(view.stats, accounts, stdout);
	else
		ioreq_stats_view_print(view.stats, accounts, stdout);
	ioreq_stats_view_close(&view);
	return end_output(lost ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- command line ------------------------------------------------------------------------------------------ */

enum { FOR_WATCH = 1, FOR_SUMMARY = 2 };

static const struct command {
	const char *name;
	int (*run)(const struct options *options);
	unsigned bit;
	int (*main)(int argc, char **argv); /* instead of run: it has options of its own */
} commands[] = {
	{"watch", watch, FOR_WATCH, NULL},
	{"summary", summary, FOR_SUMMARY, NULL},
	{"doctor", NULL, 0, ioreqctl_doctor},
};

static bool parse_interval(const char *text, struct options *options)
{
	size_t length = strlen(text);
	double value = strtod(text, NULL);

	if (!length || strspn(text, "0123456789.") != length || strchr(text, '.') != strrchr(text, '.') ||
	    value < 0.001 || value > MAX_INTERVAL_S)
		return false;
	options->interval_s = value;
	return true;
}

static bool parse_lines(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->count = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && options->count > 0;
}

static bool parse_stats(const char *text, struct options *options)
{
	options->stats = text;
	return *text != '\0';
}

static bool parse_json(const char *text, struct options *options)
{
	(void)text;
	options->json = true;
	return true;
}

static const struct argument {
	const char *name;
	bool (*parse)(const char *text, struct options *options);
	const char *needs; /* NULL: no value */
	unsigned commands;
} arguments[] = {
	{"--stats", parse_stats, "a file", FOR_WATCH | FOR_SUMMARY},
	{"--interval", parse_interval, "seconds from 0.001 to 86400", FOR_WATCH},
	{"--count", parse_lines, "a number of lines, 1 or more", FOR_WATCH},
	{"--json", parse_json, NULL, FOR_SUMMARY},
};

static int print_help(void)
{
	puts("usage: ioreqctl watch [--stats FILE] [--interval SECONDS] [--count LINES]\n"
	     "       ioreqctl summary [--stats FILE] [--json]\n"
	     "       ioreqctl doctor [--cores LIST] [option...]    (ioreqctl doctor --help)\n"
	     "\n"
	     "  watch      one line per interval: requests per second, latency, unclaimed, in flight\n"
	     "  summary    per client: requests and latency; per VM: posted, completed, lost\n"
	     "  doctor     what on this machine will disturb a core that polls, and what mends it\n"
	     "\n"
	     "  --stats FILE        the engine's stats file (" DEFAULT_STATS ")\n"
	     "  --interval SECONDS  between two lines (1)\n"
	     "  --count LINES       stop after that many; default: at Ctrl-C\n"
	     "  --json              one JSON object instead of the table\n"
	     "  --help, --version\n"
	     "\n"
	     "exit status: 0 all right, 1 requests were lost or the stats file cannot be read, 2 usage");
	return end_output(EXIT_SUCCESS);
}

static int refuse(const char *what, const char *found)
{
	fprintf(stderr, "ioreqctl: %s '%s'; see ioreqctl --help\n", what, found);
	return EXIT_USAGE;
}

static const struct argument *find_argument(const char *name, size_t length, unsigned command)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		if (strlen(arguments[i].name) == length && strncmp(arguments[i].name, name, length) == 0 &&
		    (arguments[i].commands & command))
			return &arguments[i];
	}
	return NULL;
}

/* argv: what follows the command. Returns 0, EXIT_USAGE (said why), or -1: help was asked for. */
static int parse_options(int argc, char **argv, unsigned command, struct options *options)
{
	for (int i = 0; i < argc; i++) {
		size_t length = strcspn(argv[i], "=");
		const struct argument *argument = find_argument(argv[i], length, command);
		const char *value = argv[i][length] ? &argv[i][length + 1] : NULL;

		if (strcmp(argv[i], "--help") == 0)
			return -1;
		if (!argument)
			return refuse(argv[i][0] == '-' ? "unknown option" : "unexpected argument", argv[i]);
		if (!argument->needs && value)
			return refuse("no value belongs to", argv[i]);
		if (argument->needs && !value && i + 1 < argc)
			value = argv[++i];
		if ((argument->needs && !value) || !argument->parse(value, options)) {
			fprintf(stderr, "ioreqctl: %s is '%s', but needs %s\n", argument->name, value ? value : "",
				argument->needs);
			return EXIT_USAGE;
		}
	}
	return 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct options options = {.stats = DEFAULT_STATS, .interval_s = 1.0};
	const struct command *command;
	int rc;

	/* A reader that has seen enough shall not kill us before the exit status is known. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		fputs("ioreqctl: no command given; see ioreqctl --help\n", stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0)
		return print_help();
	if (strcmp(argv[1], "--version") == 0) {
		puts("ioreqctl " IOREQ_VERSION);
		return end_output(EXIT_SUCCESS);
	}
	command = find_command(argv[1]);
	if (!command)
		return refuse(argv[1][0] == '-' ? "unknown option" : "unknown command", argv[1]);
	if (command->main)
		return command->main(argc - 2, argv + 2);
	rc = parse_options(argc - 2, argv + 2, command->bit, &options);
	if (rc)
		return rc < 0 ? print_help() : rc;
	return command->run(&options);
}
