/* SPDX-License-Identifier: MIT */
/*
 * ioreqctl doctor: what on this machine will disturb a core that polls. It asks the kernel's files, not the engine.
 *
 * Threads   One, and those of the spin test.
 * Memory    The answers and the spin report, until the end.
 */
#include "service/ioreqctl_doctor.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pinning/doctor.h"
#include "pinning/doctor_spin.h"

#define EXIT_USAGE 2
#define DEFAULT_SPIN_S 2.0

struct request {
	struct doctor_plan plan;
	const char *root;
	double seconds;
	bool json, fix_cmdline, no_spin, help;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "ioreqctl: doctor: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static int end_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return errno == EPIPE ? status : complain("standard output", strerror(errno));
}

static int print_help(void)
{
	puts("usage: ioreqctl doctor [--cores LIST] [--housekeeping LIST] [--seconds S] [--no-spin] [--json]\n"
	     "                       [--root DIR]\n"
	     "       ioreqctl doctor --fix-cmdline --cores LIST [--housekeeping LIST]\n"
	     "\n"
	     "  --cores LIST         the cores that poll, or shall: 2-3,8; default: every core is looked at\n"
	     "  --housekeeping LIST  the cores for everything else; default: all others that are online\n"
	     "  --seconds S          spin so long on each poll core, 0.1 to 3600 (2)\n"
	     "  --no-spin            leave the spin test out\n"
	     "  --json               one JSON object instead of the table\n"
	     "  --fix-cmdline        print the kernel parameters that isolate the cores, and nothing else\n"
	     "  --root DIR           examine a recorded tree instead of this machine; never spins\n"
	     "\n"
	     "exit status, by the worst finding: 0 none above INFO, 10 LOW, 11 MED, 12 HIGH, 13 CRIT, 14 FATAL;\n"
	     "15 something could not be read that might be worse; 1 no report was possible, 2 usage");
	return end_output(EXIT_SUCCESS);
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

static bool parse_cores(const char *text, struct doctor_cpus *cpus)
{
	return doctor_cpus_parse_list(text, -1, cpus) == 0 && !doctor_cpus_empty(cpus);
}

static bool parse_seconds(const char *text, double *seconds)
{
	size_t length = strlen(text);

	*seconds = strtod(text, NULL);
	return length && strspn(text, "0123456789.") == length && strchr(text, '.') == strrchr(text, '.') &&
	       *seconds >= 0.1 && *seconds <= DOCTOR_MAX_SPIN_S;
}

enum { OPT_CORES, OPT_HOUSEKEEPING, OPT_SECONDS, OPT_ROOT, OPT_JSON, OPT_FIX_CMDLINE, OPT_NO_SPIN, OPT_HELP };

static const struct option known[] = {
	{"cores", required_argument, NULL, OPT_CORES},
	{"housekeeping", required_argument, NULL, OPT_HOUSEKEEPING},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"root", required_argument, NULL, OPT_ROOT},
	{"json", no_argument, NULL, OPT_JSON},
	{"fix-cmdline", no_argument, NULL, OPT_FIX_CMDLINE},
	{"no-spin", no_argument, NULL, OPT_NO_SPIN},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

/* Returns what the option needs if its value is wrong, else NULL. */
static const char *take_option(int option, const char *value, struct request *request)
{
	switch (option) {
	case OPT_CORES:
		request->plan.survey = false;
		return parse_cores(value, &request->plan.poll) ? NULL : "a list of cores such as 2-3,8";
	case OPT_HOUSEKEEPING:
		return parse_cores(value, &request->plan.housekeeping) ? NULL : "a list of cores such as 0-1";
	case OPT_SECONDS: return parse_seconds(value, &request->seconds) ? NULL : "seconds from 0.1 to 3600";
	case OPT_ROOT: request->root = value; return *value ? NULL : "a folder";
	case OPT_JSON: request->json = true; return NULL;
	case OPT_FIX_CMDLINE: request->fix_cmdline = true; return NULL;
	case OPT_NO_SPIN: request->no_spin = true; return NULL;
	default: request->help = true; return NULL;
	}
}

static int refuse(const char *what, const char *found)
{
	fprintf(stderr, "ioreqctl: doctor: %s '%s'; see ioreqctl doctor --help\n", what, found);
	return EXIT_USAGE;
}

/* argv[0] is the word "doctor". */
static int parse(int argc, char **argv, struct request *request)
{
	const char *needs;
	int option, index = 0;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", known, &index)) != -1) {
		if (option == '?')
			return refuse("unknown option, or a value where none belongs:", argv[optind - 1]);
		if (option == ':')
			return refuse("a value is missing behind", argv[optind - 1]);
		needs = take_option(option, optarg, request);
		if (needs) {
			fprintf(stderr, "ioreqctl: doctor: --%s is '%s', but needs %s\n", known[index].name, optarg,
				needs);
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return refuse("unexpected argument", argv[optind]);
	if (request->fix_cmdline && request->plan.survey && !request->help)
		return refuse("the cores to isolate are not named:", "--cores");
	return 0;
}

/* ---- the report -------------------------------------------------------------------------------------------- */

/* Long enough for a tick at 100 Hz and for most devices to be seen. */
static void let_time_pass(void *context)
{
	struct timespec pause = {.tv_nsec = 250000000};

	(void)context;
	nanosleep(&pause, NULL);
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static int report(const struct doctor *doctor, const struct request *request)
{
	static struct doctor_answer answers[DOCTOR_MAX_ANSWERS];
	struct doctor_spin_report spin = {.nr = 0};
	bool spins = doctor->root->system && !request->no_spin;
	unsigned nr = doctor_run(doctor, answers);

	if (spins) {
		if (doctor_spin(doctor, request->seconds, &spin))
			return complain("spin test", "out of memory");
		doctor_spin_judge(&spin, &answers[nr]);
		nr += DOCTOR_SPIN_ANSWERS;
	}
	if (request->json)
		doctor_print_json(doctor, answers, nr, spins ? &spin : NULL, stdout);
	else
		doctor_print(doctor, answers, nr, spins ? &spin : NULL, wants_colour(), stdout);
	doctor_spin_free(&spin);
	return end_output(doctor_status(answers, nr));
}

/* The parameters for a machine that will boot with them: a core that is not there would make it refuse them all. */
static int fix_cmdline(const struct doctor *doctor)
{
	struct doctor_cpus missing = doctor->plan.poll, both = doctor->plan.poll;
	char text[DOCTOR_CPUS_TEXT_BYTES];

	doctor_cpus_minus(&missing, &doctor->online);
	if (!doctor_cpus_empty(&missing))
		return refuse("no such cores online:", doctor_cpus_format(&missing, text, sizeof(text)));
	doctor_cpus_and(&both, &doctor->plan.housekeeping);
	if (!doctor_cpus_empty(&both))
		return refuse("cores that are to poll and to keep house:",
			      doctor_cpus_format(&both, text, sizeof(text)));
	if (doctor_cpus_empty(&doctor->plan.housekeeping))
		return refuse("no core is left for housekeeping; online are",
			      doctor_cpus_format(&doctor->online, text, sizeof(text)));
	doctor_print_cmdline(doctor, stdout);
	return end_output(EXIT_SUCCESS);
}

int ioreqctl_doctor(int argc, char **argv)
{
	struct request request = {.plan = {.survey = true}, .root = "/", .seconds = DEFAULT_SPIN_S};
	struct doctor_root root;
	struct doctor doctor;
	const char *path;
	int rc = parse(argc + 1, argv - 1, &request);

	if (rc)
		return rc;
	if (request.help)
		return print_help();
	rc = doctor_root_open(request.root, &root);
	if (rc)
		return complain(request.root, strerror(-rc));
	rc = doctor_start(&root, &request.plan, &doctor, &path);
	if (rc == 0 && root.system)
		doctor.pause = let_time_pass;
	if (rc)
		rc = complain(path, strerror(-rc));
	else
		rc = request.fix_cmdline ? fix_cmdline(&doctor) : report(&doctor, &request);
	doctor_root_close(&root);
	return rc;
}
