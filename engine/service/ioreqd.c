/* SPDX-License-Identifier: MIT */
/*
 * ioreqd: the engine as a daemon.
 *
 * Threads   Main thread: the supervisor. Others: the poller, thread clients, the reclaimer, devices' own.
 * Memory    Everything lives until the process ends; every failure of the start is unwound.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include <ioreq/engine.h>
#include <ioreq/shm.h>

#include "service/attach.h"
#include "service/demo.h"
#include "service/log.h"
#include "service/stats_file.h"
#include "service/supervisor.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *page;
	const char *stats;
	unsigned nr_vcpus;
	int core;
	enum ioreq_idle idle;
	bool strict_states;
	struct demo_config demo;
};

static const char usage[] = "Usage: ioreqd [OPTION]...\n"
			    "Serves the I/O requests of one VM, page file by page file, with the demo's devices.\n"
			    "\n"
			    "  --page FILE      page file to wait for and serve (default /run/ioreqd/vm0.page)\n"
			    "  --vcpus N        vCPUs of that page, 1..16 (default 1)\n"
			    "  --stats FILE     where counters are published (default /run/ioreqd/ioreqd.stats)\n"
			    "  --core N         core of the poller (default: the scheduler's choice)\n"
			    "  --idle HOW       pause, spin or yield between empty sweeps (default pause)\n"
			    "  --relaxed-states inline requests skip PROCESSING (strict_states: false)\n"
			    "  --console FILE   output of the guest's debug console (default stdout)\n"
			    "  --serial FILE    output of the guest's UART (default stdout)\n"
			    "  --memory BYTES   guest memory that the CMOS reports (default 16777216)\n"
			    "  --help, --version\n"
			    "\n"
			    "See ioreqd(8).\n";

static void refuse(const char *option, const char *value, const char *allowed)
{
	fprintf(stderr, "ioreqd: --%s: '%s'; allowed: %s\n", option, value, allowed);
	exit(EXIT_USAGE);
}

static uint64_t parse_number(const char *option, const char *text, uint64_t first, uint64_t last, const char *allowed)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || value < first || value > last)
		refuse(option, text, allowed);
	return value;
}

static enum ioreq_idle parse_idle(const char *text)
{
	static const char *const names[] = {"pause", "spin", "yield"};

	for (unsigned i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum ioreq_idle)i;
	refuse("idle", text, "pause, spin, yield");
	return IOREQ_IDLE_PAUSE;
}

static void parse_option(int option, struct options *options)
{
	switch (option) {
	case 'p': options->page = optarg; break;
	case 's': options->stats = optarg; break;
	case 'v': options->nr_vcpus = (unsigned)parse_number("vcpus", optarg, 1, IOREQ_MAX_VCPUS, "1..16"); break;
	case 'c': options->core = (int)parse_number("core", optarg, 0, 1023, "0..1023"); break;
	case 'i': options->idle = parse_idle(optarg); break;
	case 'r': options->strict_states = false; break;
	case 'o': options->demo.console = optarg; break;
	case 'u': options->demo.serial = optarg; break;
	case 'm':
		options->demo.memory_bytes = parse_number("memory", optarg, 1 << 20, UINT64_C(1) << 40, "1 MiB..1 TiB");
		break;
	case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
	case 'V': puts("ioreqd " IOREQ_VERSION); exit(EXIT_SUCCESS);
	default: fputs("ioreqd: see ioreqd --help\n", stderr); exit(EXIT_USAGE);
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"page", required_argument, NULL, 'p'},    {"stats", required_argument, NULL, 's'},
		{"vcpus", required_argument, NULL, 'v'},   {"core", required_argument, NULL, 'c'},
		{"idle", required_argument, NULL, 'i'},    {"relaxed-states", no_argument, NULL, 'r'},
		{"console", required_argument, NULL, 'o'}, {"serial", required_argument, NULL, 'u'},
		{"memory", required_argument, NULL, 'm'},  {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		parse_option(option, options);
	if (optind < argc) {
		fprintf(stderr, "ioreqd: unexpected argument '%s'; see ioreqd --help\n", argv[optind]);
		exit(EXIT_USAGE);
	}
}

/* SIGTERM and SIGINT are read by the supervisor; a dead reader of a device's output is no reason to die. */
static int take_signals(void)
{
	sigset_t taken;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&taken);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGINT);
	if (sigprocmask(SIG_BLOCK, &taken, NULL))
		return -errno;
	return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int build(struct ioreq_engine *engine, const struct options *options, struct ioreq_poller **poller_out,
		 struct ioreq_vm **vm_out, struct ioreq_error *error)
{
	const struct ioreq_poller_config poller = {.name = "p0", .core = options->core, .idle = options->idle};
	struct ioreq_vm_config vm = {.name = "vm0", .strict_states = options->strict_states};
	int status = ioreq_poller_create(engine, &poller, poller_out, error);

	if (status)
		return status;
	vm.poller = *poller_out;
	status = ioreq_vm_create(engine, &vm, vm_out, error);
	if (!status)
		status = demo_add_devices(*vm_out, &options->demo, error);
	if (status)
		return status;
	status = ioreq_poller_start(*poller_out);
	if (status)
		snprintf(error->text, sizeof(error->text), "poller p0: cannot start on core %d: %s", options->core,
			 strerror(-status));
	return status;
}

static int serve(struct ioreq_engine *engine, const struct options *options, int signals, struct ioreq_error *error)
{
	struct attachment attachment = {.name = "vm0", .path = options->page, .nr_vcpus = options->nr_vcpus};
	struct supervisor supervisor = {.attachments = &attachment, .nr_attachments = 1, .signals = signals};
	int status = build(engine, options, &supervisor.poller, &attachment.vm, error);
	int number;

	if (status)
		return status;
	log_event("ioreqd: ready version=%s page=%s stats=%s", IOREQ_VERSION, options->page, options->stats);
	number = supervisor_run(&supervisor);
	log_event("ioreqd: stopping signal=%d", number);
	return attachment_end(&attachment);
}

static int run(const struct options *options, struct ioreq_error *error)
{
	struct ioreq_engine_config config = {.stats = NULL};
	struct ioreq_engine *engine;
	int signals = take_signals();
	int status = signals < 0 ? signals : ioreq_shm_guard();

	if (status) {
		snprintf(error->text, sizeof(error->text), "signals cannot be set up: %s", strerror(-status));
		return status;
	}
	status = stats_file_create(options->stats, &config.stats, error);
	if (status)
		return status;
	status = ioreq_engine_create(&config, &engine);
	if (status) {
		snprintf(error->text, sizeof(error->text), "the engine cannot start: %s", strerror(-status));
		return status;
	}
	status = serve(engine, options, signals, error);
	/* A handler that does not return keeps what it may touch; the end of the process frees it. */
	if (ioreq_engine_destroy(engine, status ? NULL : error))
		return status ? status : -EBUSY;
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {
		.page = "/run/ioreqd/vm0.page",
		.stats = "/run/ioreqd/ioreqd.stats",
		.nr_vcpus = 1,
		.core = -1,
		.strict_states = true,
		.demo = {.console = "stdout", .serial = "stdout", .memory_bytes = 16 << 20},
	};
	struct ioreq_error error = {.text = ""};

	parse_options(argc, argv, &options);
	if (run(&options, &error) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "ioreqd: %s\n", error.text);
	return EXIT_FAILURE;
}
