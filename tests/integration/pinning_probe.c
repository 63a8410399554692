/* SPDX-License-Identifier: MIT */
/*
 * The pinning library from outside: starts it as told, runs an engine's pollers on it, looks at what came out.
 *
 *	pinning_probe [--name N] --core CORE[:PRIORITY]... [--housekeeping LIST] [--hugepages prefer|require|off]
 *	              [--memory MIB] [--run MS] [--break-thread N] [--stray] [--unlock] [--twice]
 *
 * Exit status: the pinning's, or 1 with a line that says what was wrong.
 *
 * Threads   The main thread, the pollers, and with --stray one that belongs nowhere. Memory: the process's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pinning/cores.h"
#include "pinning/pinning.h"

static struct {
	struct pinning_config config;
	unsigned run_ms;
	unsigned break_thread; /* which pthread_create() of the process fails; 0: none */
	bool stray;
	bool unlock;
	bool twice;
} probe = {.config = {.name = "probe", .memory_bytes = 8 << 20}};

static unsigned nr_created;

/* Stands before libc's: EAL is linked statically and finds this one. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (++nr_created == probe.break_thread)
		return EAGAIN;
	return real(thread, attributes, run, argument);
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("probe: FAILED: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(EXIT_FAILURE);
}

static void finish(enum pinning_status status, const struct ioreq_error *error)
{
	if (status == PINNING_OK)
		return;
	fprintf(stderr, "probe: %s\n", error->text);
	exit((int)status);
}

static void log_line(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* The lines of the mapping that holds `address`: its page size and whether it stays: locked, or hugetlb, never paged out. */
static void find_mapping(const void *address, unsigned *page_kib_out, bool *locked_out)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	uintptr_t wanted = (uintptr_t)address, start, last;
	char line[512];
	bool inside = false;

	if (!maps)
		fail("/proc/self/smaps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &last) == 2)
			inside = wanted >= start && wanted < last;
		if (inside && strncmp(line, "KernelPageSize:", 15) == 0)
			*page_kib_out = (unsigned)strtoul(line + 15, NULL, 10);
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			*locked_out = strstr(line, " lo") || strstr(line, " ht");
	}
	fclose(maps);
}

static void check_block(const unsigned char *block, size_t bytes)
{
	if (!block)
		fail("no memory");
	if ((uintptr_t)block % 64)
		fail("memory at %p is not aligned", (const void *)block);
	for (size_t i = 0; i < bytes; i++)
		if (block[i])
			fail("memory is not zeroed");
}

static void look_at_memory(struct pinning *pinning)
{
	struct ioreq_host host = pinning_host(pinning);
	const int core = probe.config.pollers[0].core;
	struct pinning_place place = {.page_node = -1};
	const size_t bytes = (3 << 20) + 7;
	unsigned page_kib = 0;
	bool locked = false;
	unsigned char *block = host.allocate(host.context, bytes, core);

	check_block(block, bytes);
	memset(block, 0xff, bytes);
	host.release(host.context, block, bytes);
	block = host.allocate(host.context, bytes, -1);
	check_block(block, bytes);
	find_mapping(block, &page_kib, &locked);
	if (pinning_locate(pinning, block, core, &place))
		fail("the node of the memory cannot be told");
	if (host.allocate(host.context, (size_t)probe.config.memory_bytes, core))
		fail("more memory than was reserved");
	printf("probe: memory page_kib=%u locked=%s page_node=%d core_node=%d distance=%d\n", page_kib,
	       locked ? "yes" : "no", place.page_node, place.core_node, place.distance);
	host.release(host.context, block, bytes);
}

/* ---- threads ----------------------------------------------------------------------------------------------- */

static void *sleep_on(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

/* A thread made behind the library's back, on a poll core. */
static void start_stray(int core)
{
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)core, &cpus);
	if (pthread_create(&thread, NULL, sleep_on, NULL) || pthread_setaffinity_np(thread, sizeof(cpus), &cpus))
		fail("the stray thread could not be started");
	pthread_setname_np(thread, "stray");
}

static void look_at_threads(struct pinning *pinning)
{
	struct ioreq_host host = pinning_host(pinning);
	pthread_t thread;

	if (host.start_thread(host.context, "intruder", probe.config.pollers[0].core, sleep_on, NULL, &thread) !=
	    -EINVAL)
		fail("a thread was let onto a poll core");
	if (host.start_thread(host.context, "guest", -1, sleep_on, NULL, &thread))
		fail("a housekeeping thread could not be started");
}

/* ---- pollers ----------------------------------------------------------------------------------------------- */

static void rest(unsigned milliseconds)
{
	const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static void run_pollers(struct pinning *pinning, struct ioreq_poller *const pollers[], unsigned nr)
{
	struct ioreq_error error = {.text = ""};
	uint64_t sweeps[PINNING_MAX_POLLERS];

	for (unsigned i = 0; i < nr; i++)
		finish(pinning_run_poller(pinning, i, pollers[i], &error), &error);
	if (pinning_run_poller(pinning, 0, pollers[0], NULL) != PINNING_BAD_VALUE)
		fail("two pollers on one core");
	if (probe.stray)
		start_stray(probe.config.pollers[0].core);
	if (probe.unlock)
		munlockall();
	finish(pinning_verify(pinning, &error), &error);
	for (unsigned i = 0; i < nr; i++)
		sweeps[i] = ioreq_poller_sweeps(pollers[i]);
	rest(probe.run_ms);
	for (unsigned i = 0; i < nr; i++) {
		/* The host, or a tick's worth of other work, may hold the core for a moment. */
		for (unsigned tries = 0; ioreq_poller_sweeps(pollers[i]) == sweeps[i]; tries++) {
			if (tries == 3000)
				fail("poller %u does not sweep", i);
			rest(1);
		}
		if (ioreq_poller_stop(pollers[i], &error))
			fail("%s", error.text);
		pinning_wait_poller(pinning, i);
	}
	finish(pinning_verify(pinning, &error), &error);
}

static void run_engine(struct pinning *pinning)
{
	const struct ioreq_engine_config config = {.host = pinning_host(pinning)};
	struct ioreq_poller *pollers[PINNING_MAX_POLLERS];
	struct ioreq_error error = {.text = ""};
	struct ioreq_engine *engine;

	if (ioreq_engine_create(&config, &engine))
		fail("no engine");
	for (unsigned i = 0; i < probe.config.nr_pollers; i++) {
		const struct ioreq_poller_config poller = {.name = probe.config.pollers[i].name,
							   .core = probe.config.pollers[i].core,
							   .idle = IOREQ_IDLE_PAUSE};

		if (ioreq_poller_create(engine, &poller, &pollers[i], &error))
			fail("%s", error.text);
	}
	/* Twice: a core that was given back runs a poller again. */
	for (unsigned turn = 0; turn < 2; turn++)
		run_pollers(pinning, pollers, probe.config.nr_pollers);
	if (ioreq_engine_destroy(engine, &error))
		fail("%s", error.text);
}

/* ---- options ----------------------------------------------------------------------------------------------- */

static void add_core(char *text)
{
	struct pinning_poller *poller = &probe.config.pollers[probe.config.nr_pollers];
	const char *priority = strchr(text, ':');

	snprintf(poller->name, sizeof(poller->name), "p%u", probe.config.nr_pollers++);
	poller->core = (int)strtol(text, NULL, 10);
	poller->priority = priority ? (int)strtol(priority + 1, NULL, 10) : 0;
}

static void take_option(int option)
{
	switch (option) {
	case 'n': probe.config.name = optarg; break;
	case 'c': add_core(optarg); break;
	case 'k':
		if (cores_parse(optarg, &probe.config.housekeeping))
			fail("--housekeeping %s", optarg);
		break;
	case 'g':
		probe.config.hugepages = strcmp(optarg, "require") == 0 ? PINNING_HUGEPAGES_REQUIRE
					 : strcmp(optarg, "off") == 0   ? PINNING_HUGEPAGES_OFF
									: PINNING_HUGEPAGES_PREFER;
		break;
	case 'm': probe.config.memory_bytes = strtoull(optarg, NULL, 10) << 20; break;
	case 'r': probe.run_ms = (unsigned)strtoul(optarg, NULL, 10); break;
	case 'b': probe.break_thread = (unsigned)strtoul(optarg, NULL, 10); break;
	case 's': probe.stray = true; break;
	case 'u': probe.unlock = true; break;
	case 't': probe.twice = true; break;
	default: fail("unknown option");
	}
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"name", required_argument, NULL, 'n'},
		{"core", required_argument, NULL, 'c'},
		{"housekeeping", required_argument, NULL, 'k'},
		{"hugepages", required_argument, NULL, 'g'},
		{"memory", required_argument, NULL, 'm'},
		{"run", required_argument, NULL, 'r'},
		{"break-thread", required_argument, NULL, 'b'},
		{"stray", no_argument, NULL, 's'},
		{"unlock", no_argument, NULL, 'u'},
		{"twice", no_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct pinning *pinning = NULL;
	struct ioreq_error error = {.text = ""};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		take_option(option);
	probe.config.log = log_line;
	finish(pinning_start(&probe.config, &pinning, &error), &error);
	if (probe.twice) {
		probe.config.name = "probe-again";
		finish(pinning_start(&probe.config, &pinning, &error), &error);
	}
	look_at_memory(pinning);
	look_at_threads(pinning);
	run_engine(pinning);
	pinning_end(pinning);
	puts("probe: done");
	return EXIT_SUCCESS;
}
