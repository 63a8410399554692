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
#include <ioreq/stats.h>

#include "pinning/cores.h"
#include "pinning/pinning.h"
#include "service/attach.h"
#include "service/check.h"
#include "service/demo.h"
#include "service/log.h"
#include "service/stats_file.h"
#include "service/supervisor.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *page;
	const char *stats;
	unsigned nr_vcpus;
	bool pinned;     /* --core: EAL's worker; else a plain thread */
	bool needs_core; /* one of the options that say how */
	struct pinning_config pinning;
	enum ioreq_idle idle;
	bool strict_states;
	struct demo_config demo;
};

struct service {
	const struct options *options;
	struct pinning *pinning; /* NULL: plain threads */
	struct ioreq_engine *engine;
	int signals;
	int exit_status; /* of a failure; EXIT_FAILURE unless the pinning knows better */
};

static const char usage[] =
	"Usage: ioreqd [OPTION]...\n"
	"Serves the I/O requests of one VM, page file by page file, with the demo's devices.\n"
	"\n"
	"  --page FILE      page file to wait for and serve (default /run/ioreqd/vm0.page)\n"
	"  --vcpus N        vCPUs of that page, 1..16 (default 1)\n"
	"  --stats FILE     where counters are published (default /run/ioreqd/ioreqd.stats)\n"
	"  --core N         isolated core of the poller (default: the scheduler's choice)\n"
	"  --priority N     SCHED_FIFO priority there, 1..99 (default 0: ordinary)\n"
	"  --housekeeping LIST  cores of all other threads (default: all but the poller's)\n"
	"  --hugepages HOW  require, prefer or off (default prefer)\n"
	"  --memory-reserve SIZE  memory of the poller's node (default 64MiB)\n"
	"  --name NAME      of this service on this machine (default ioreqd)\n"
	"  --idle HOW       pause, spin or yield between empty sweeps (default pause)\n"
	"  --relaxed-states inline requests skip PROCESSING (strict_states: false)\n"
	"  --console FILE   output of the guest's debug console (default stdout)\n"
	"  --serial FILE    output of the guest's UART (default stdout)\n"
	"  --memory BYTES   guest memory that the CMOS reports (default 16777216)\n"
	"  --check FILE     only check a configuration, ioreqd.yaml(5), and report every problem in it\n"
	"  --print FILE     the same, and write it with every default\n"
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

static uint64_t parse_size(const char *option, const char *text)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB"};
	static const char allowed[] = "a number with KiB, MiB or GiB";
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || text[0] == '-')
		refuse(option, text, allowed);
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(end, units[i]) == 0 && value <= UINT64_MAX >> (10 * i))
			return (uint64_t)value << (10 * i);
	refuse(option, text, allowed);
	return 0;
}

static enum pinning_hugepages parse_hugepages(const char *text)
{
	static const char *const names[] = {"prefer", "require", "off"};

	for (unsigned i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum pinning_hugepages)i;
	refuse("hugepages", text, "require, prefer, off");
	return PINNING_HUGEPAGES_PREFER;
}

/* The options that say how the poller gets its core. */
static bool parse_pinning(int option, struct options *options)
{
	struct pinning_config *pinning = &options->pinning;
	struct pinning_poller *poller = &pinning->pollers[0];

	switch (option) {
	case 'P': poller->priority = (int)parse_number("priority", optarg, 0, 99, "0..99"); break;
	case 'H':
		if (cores_parse(optarg, &pinning->housekeeping))
			refuse("housekeeping", optarg, "cores such as 0,2-3, up to 1023");
		break;
	case 'G': pinning->hugepages = parse_hugepages(optarg); break;
	case 'M': pinning->memory_bytes = parse_size("memory-reserve", optarg); break;
	case 'N': pinning->name = optarg; break;
	default: return false;
	}
	options->needs_core = true;
	return true;
}

static void parse_option(int option, struct options *options)
{
	switch (option) {
	case 'p': options->page = optarg; break;
	case 's': options->stats = optarg; break;
	case 'v': options->nr_vcpus = (unsigned)parse_number("vcpus", optarg, 1, IOREQ_MAX_VCPUS, "1..16"); break;
	case 'c':
		options->pinning.pollers[0].core = (int)parse_number("core", optarg, 0, 1023, "0..1023");
		options->pinned = true;
		break;
	case 'i': options->idle = parse_idle(optarg); break;
	case 'r': options->strict_states = false; break;
	case 'o': options->demo.console = optarg; break;
	case 'u': options->demo.serial = optarg; break;
	case 'm':
		options->demo.memory_bytes = parse_number("memory", optarg, 1 << 20, UINT64_C(1) << 40, "1 MiB..1 TiB");
		break;
	case 'C': exit(check_config(optarg, false));
	case 'R': exit(check_config(optarg, true));
	case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
	case 'V': puts("ioreqd " IOREQ_VERSION); exit(EXIT_SUCCESS);
	default: fputs("ioreqd: see ioreqd --help\n", stderr); exit(EXIT_USAGE);
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"page", required_argument, NULL, 'p'},
		{"stats", required_argument, NULL, 's'},
		{"vcpus", required_argument, NULL, 'v'},
		{"core", required_argument, NULL, 'c'},
		{"idle", required_argument, NULL, 'i'},
		{"relaxed-states", no_argument, NULL, 'r'},
		{"console", required_argument, NULL, 'o'},
		{"serial", required_argument, NULL, 'u'},
		{"memory", required_argument, NULL, 'm'},
		{"priority", required_argument, NULL, 'P'},
		{"housekeeping", required_argument, NULL, 'H'},
		{"hugepages", required_argument, NULL, 'G'},
		{"memory-reserve", required_argument, NULL, 'M'},
		{"name", required_argument, NULL, 'N'},
		{"check", required_argument, NULL, 'C'},
		{"print", required_argument, NULL, 'R'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!parse_pinning(option, options))
			parse_option(option, options);
	if (options->needs_core && !options->pinned) {
		fputs("ioreqd: --priority, --housekeeping, --hugepages, --memory-reserve and --name need --core\n",
		      stderr);
		exit(EXIT_USAGE);
	}
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

/* A poller on its isolated core, or a plain thread. */
static int start_poller(struct service *service, struct ioreq_poller *poller, struct ioreq_error *error)
{
	int status;

	if (service->pinning) {
		status = (int)pinning_run_poller(service->pinning, 0, poller, error);
		if (!status)
			status = (int)pinning_verify(service->pinning, error);
		service->exit_status = status ? status : EXIT_FAILURE;
		return status ? -ECANCELED : 0;
	}
	status = ioreq_poller_start(poller);
	if (status)
		snprintf(error->text, sizeof(error->text), "poller p0: cannot start: %s", strerror(-status));
	return status;
}

static int build(struct service *service, struct ioreq_poller **poller_out, struct ioreq_vm **vm_out,
		 struct ioreq_error *error)
{
	const struct options *options = service->options;
	const struct ioreq_poller_config poller = {
		.name = "p0", .core = options->pinned ? options->pinning.pollers[0].core : -1, .idle = options->idle};
	struct ioreq_vm_config vm = {.name = "vm0", .strict_states = options->strict_states};
	int status = ioreq_poller_create(service->engine, &poller, poller_out, error);

	if (status)
		return status;
	vm.poller = *poller_out;
	status = ioreq_vm_create(service->engine, &vm, vm_out, error);
	if (!status)
		status = demo_add_devices(*vm_out, &options->demo, error);
	return status ? status : start_poller(service, *poller_out, error);
}

/* A page far from its poller costs every request: said once per page. */
static void report_place(void *context, const void *slots)
{
	const struct service *service = context;
	int core = service->options->pinning.pollers[0].core;
	struct pinning_place place;

	if (!service->pinning || pinning_locate(service->pinning, slots, core, &place))
		return;
	if (place.page_node != place.core_node)
		log_event("attach: remote vm=vm0 page_node=%d core=%d core_node=%d distance=%d", place.page_node, core,
			  place.core_node, place.distance);
}

static int serve(struct service *service, struct ioreq_error *error)
{
	const struct options *options = service->options;
	struct attachment attachment = {.name = "vm0",
					.path = options->page,
					.nr_vcpus = options->nr_vcpus,
					.attached = report_place,
					.context = service};
	struct supervisor supervisor = {.attachments = &attachment, .nr_attachments = 1, .signals = service->signals};
	int status = build(service, &supervisor.poller, &attachment.vm, error);
	int number;

	if (status)
		return status;
	log_event("ioreqd: ready version=%s page=%s stats=%s", IOREQ_VERSION, options->page, options->stats);
	number = supervisor_run(&supervisor);
	log_event("ioreqd: stopping signal=%d", number);
	status = attachment_end(&attachment);
	if (status)
		snprintf(error->text, sizeof(error->text), "%s", attachment.last_error);
	return status;
}

static void log_pinning(void *context, const char *line)
{
	(void)context;
	log_event("%s", line);
}

static int start_pinning(struct service *service, struct ioreq_error *error)
{
	struct pinning_config config = service->options->pinning;
	enum pinning_status status;

	if (!service->options->pinned)
		return 0;
	config.log = log_pinning;
	status = pinning_start(&config, &service->pinning, error);
	if (!status)
		return 0;
	service->exit_status = (int)status;
	return -ECANCELED;
}

static int start_engine(struct service *service, struct ioreq_error *error)
{
	const int core = service->options->pinning.pollers[0].core;
	struct ioreq_engine_config config = {.stats = NULL};
	int status = stats_file_create(service->options->stats, &config.stats, error);

	if (status)
		return status;
	if (service->pinning) {
		config.host = pinning_host(service->pinning);
		/* The counters are the poller's; where they cannot be moved they stay. */
		pinning_move_memory(service->pinning, config.stats, IOREQ_STATS_BYTES, core);
	}
	status = ioreq_engine_create(&config, &service->engine);
	if (status)
		snprintf(error->text, sizeof(error->text), "the engine cannot start: %s", strerror(-status));
	return status;
}

static int run(struct service *service, struct ioreq_error *error)
{
	int status;

	service->signals = take_signals();
	status = service->signals < 0 ? service->signals : ioreq_shm_guard();
	if (status) {
		snprintf(error->text, sizeof(error->text), "signals cannot be set up: %s", strerror(-status));
		return status;
	}
	status = start_pinning(service, error);
	if (!status)
		status = start_engine(service, error);
	if (status)
		return status;
	status = serve(service, error);
	/* A handler that does not return keeps what it may touch; the end of the process frees it. */
	if (ioreq_engine_destroy(service->engine, status ? NULL : error))
		return status ? status : -EBUSY;
	if (service->pinning)
		pinning_end(service->pinning);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {
		.page = "/run/ioreqd/vm0.page",
		.stats = "/run/ioreqd/ioreqd.stats",
		.nr_vcpus = 1,
		.pinning = {.name = "ioreqd",
			    .pollers = {{.name = "p0"}},
			    .nr_pollers = 1,
			    .hugepages = PINNING_HUGEPAGES_PREFER,
			    .memory_bytes = UINT64_C(64) << 20},
		.strict_states = true,
		.demo = {.console = "stdout", .serial = "stdout", .memory_bytes = 16 << 20},
	};
	struct service service = {.options = &options, .exit_status = EXIT_FAILURE};
	struct ioreq_error error = {.text = ""};

	parse_options(argc, argv, &options);
	if (run(&service, &error) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "ioreqd: %s\n", error.text);
	return service.exit_status;
}
