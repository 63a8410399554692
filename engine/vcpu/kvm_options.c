/* SPDX-License-Identifier: MIT */
/*
 * The command line of ioreq-kvm: one function per kind of value, one table for getopt.
 *
 * Threads   Before any other thread exists.
 * Memory    Strings point into argv.
 */
#include "kvm_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <ioreq/abi.h>

#include "core/error.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_MIN_BYTES MIB
#define MEMORY_MAX_BYTES (3072 * MIB) /* above it: device registers, interrupt controllers, firmware */
#define SECONDS_MAX 86400.0

static const char usage[] =
	"Usage: ioreq-kvm --page PATH [options]\n"
	"       ioreq-kvm --check\n"
	"Runs a guest under KVM and hands every port and MMIO access to the engine that serves the page.\n"
	"\n"
	"  --page PATH           the request page, created here and removed at the end\n"
	"  --firmware FILE       image the guest starts from (default /usr/share/seabios/bios.bin)\n"
	"  --vcpus N             1..16 (default 1)\n"
	"  --memory SIZE         1MiB..3GiB (default 16MiB)\n"
	"  --completion HOW      polling, notify or mixed (default polling)\n"
	"  --yield               poll with sched_yield: for fewer cores than spinning threads\n"
	"  --until-output TEXT   end well when the guest has written TEXT to the debug console, port 0x402\n"
	"  --until-idle SECONDS  end well after so long without an access\n"
	"  --timeout SECONDS     end as a failure after so long\n"
	"  --check               only try whether KVM can run a guest here\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 the guest ended: triple fault, idle, or its output; 1 failure; 2 bad arguments; 3 requests were not\n"
	"completed; 4 timeout; 77 --check: no working KVM; 128+N ended by signal N.\n";

const char *ioreq_kvm_options_usage(void)
{
	return usage;
}

static int parse_vcpus(const char *text, unsigned *nr_vcpus_out, struct ioreq_error *error)
{
	char *rest;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &rest, 10);
	if (text[0] < '0' || text[0] > '9' || *rest || errno || number < 1 || number > IOREQ_MAX_VCPUS)
		return ioreq_error_set(error, EINVAL, "--vcpus: '%s' is not a number from 1 to %u", text,
				       IOREQ_MAX_VCPUS);
	*nr_vcpus_out = (unsigned)number;
	return 0;
}

/* Shift of a size's unit; -1 for one we do not know. A bare number is bytes. */
static int unit_shift(const char *unit)
{
	static const struct {
		const char *name;
		int shift;
	} units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].name))
			return units[i].shift;
	return -1;
}

static int parse_memory(const char *text, uint64_t *bytes_out, struct ioreq_error *error)
{
	char *rest;
	unsigned long long number;
	uint64_t bytes;
	int shift;

	errno = 0;
	number = strtoull(text, &rest, 10);
	shift = unit_shift(rest);
	if (text[0] < '0' || text[0] > '9' || errno || shift < 0)
		return ioreq_error_set(error, EINVAL,
				       "--memory: '%s' is not a size such as 16MiB (bytes, KiB, MiB, GiB)", text);
	bytes = (uint64_t)number << shift;
	if (bytes >> shift != number || bytes < MEMORY_MIN_BYTES || bytes > MEMORY_MAX_BYTES || bytes % 4096 != 0)
		return ioreq_error_set(error, EINVAL, "--memory: '%s' is not a multiple of 4KiB from 1MiB to 3GiB",
				       text);
	*bytes_out = bytes;
	return 0;
}

static int parse_seconds(const char *name, const char *text, uint64_t *ns_out, struct ioreq_error *error)
{
	char *rest;
	double seconds;

	errno = 0;
	seconds = strtod(text, &rest);
	if (text[0] < '0' || text[0] > '9' || *rest || errno || !isfinite(seconds) || seconds < 0.001 ||
	    seconds > SECONDS_MAX)
		return ioreq_error_set(error, EINVAL, "--%s: '%s' is not a number of seconds from 0.001 to 86400", name,
				       text);
	*ns_out = (uint64_t)(seconds * 1e9);
	return 0;
}

static int parse_output(const char *text, const char **text_out, struct ioreq_error *error)
{
	if (!text[0] || strlen(text) > IOREQ_KVM_OUTPUT_BYTES)
		return ioreq_error_set(error, EINVAL, "--until-output: '%s' is not a text of 1 to %u bytes", text,
				       IOREQ_KVM_OUTPUT_BYTES);
	*text_out = text;
	return 0;
}

static int parse_completion(const char *text, enum ioreq_kvm_completion *completion_out, struct ioreq_error *error)
{
	static const char *const names[] = {
		[IOREQ_KVM_POLLING] = "polling", [IOREQ_KVM_NOTIFY] = "notify", [IOREQ_KVM_MIXED] = "mixed"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			*completion_out = (enum ioreq_kvm_completion)i;
			return 0;
		}
	}
	return ioreq_error_set(error, EINVAL, "--completion: '%s' is not one of polling, notify, mixed", text);
}

static const struct option long_options[] = {
	{"page", required_argument, NULL, 'p'},
	{"firmware", required_argument, NULL, 'f'},
	{"vcpus", required_argument, NULL, 'n'},
	{"memory", required_argument, NULL, 'm'},
	{"completion", required_argument, NULL, 'c'},
	{"until-idle", required_argument, NULL, 'i'},
	{"until-output", required_argument, NULL, 'o'},
	{"timeout", required_argument, NULL, 't'},
	{"check", no_argument, NULL, 'k'},
	{"yield", no_argument, NULL, 'y'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static int parse_one(int option, const char *word, struct ioreq_kvm_options *options, struct ioreq_error *error)
{
	switch (option) {
	case 'p': options->page = optarg; return 0;
	case 'f': options->firmware = optarg; return 0;
	case 'n': return parse_vcpus(optarg, &options->nr_vcpus, error);
	case 'm': return parse_memory(optarg, &options->memory_bytes, error);
	case 'c': return parse_completion(optarg, &options->completion, error);
	case 'i': return parse_seconds("until-idle", optarg, &options->until_idle_ns, error);
	case 'o': return parse_output(optarg, &options->until_output, error);
	case 't': return parse_seconds("timeout", optarg, &options->timeout_ns, error);
	case 'k': options->check = true; return 0;
	case 'y': options->yield = true; return 0;
	case 'h': options->help = true; return 0;
	case 'v': options->version = true; return 0;
	case ':': return ioreq_error_set(error, EINVAL, "%s: a value is missing; see --help", word);
	default:
		return ioreq_error_set(error, EINVAL, "%s: not an option, or one that takes no value; see --help",
				       word);
	}
}

int ioreq_kvm_options_parse(int argc, char **argv, struct ioreq_kvm_options *options_out, struct ioreq_error *error)
{
	struct ioreq_kvm_options options = {
		.firmware = "/usr/share/seabios/bios.bin",
		.memory_bytes = 16 * MIB,
		.nr_vcpus = 1,
	};
	int option;
	int err;

	opterr = 0;
	for (;;) {
		option = getopt_long(argc, argv, "+:", long_options, NULL);
		if (option == -1)
			break;
		err = parse_one(option, argv[optind - 1], &options, error);
		if (err)
			return err;
	}
	if (optind < argc)
		return ioreq_error_set(error, EINVAL, "'%s': only options are taken; see --help", argv[optind]);
	if (!options.page && !options.check && !options.help && !options.version)
		return ioreq_error_set(error, EINVAL,
				       "--page is missing: the path of the request page that the engine serves");
	if (options.page && !options.page[0])
		return ioreq_error_set(error, EINVAL, "--page: '' is not a path");
	*options_out = options;
	return 0;
}
