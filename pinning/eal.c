/* SPDX-License-Identifier: MIT */
/*
 * EAL: see eal.h. Linked statically and without drivers, so that nothing is loaded at run time.
 *
 * Threads   EAL logs from its own threads too: lines reach the configuration's log from any thread but a poller.
 * Memory    One static state, for EAL is one per process. EAL keeps pointers into neither arguments nor configuration.
 */
#include "pinning/eal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>

#include "pinning/refuse.h"
#include "pinning/threads.h"

static_assert(NODES_MAX == RTE_MAX_NUMA_NODES, "nodes");
static_assert(PINNING_MAX_POLLERS + 1 <= RTE_MAX_LCORE, "lcores");

#define MAX_ARGUMENTS 20u
#define LINES_BYTES 2048u
/* Without hugepages EAL's own heap serves only itself. */
#define OWN_MIB "2"

struct eal {
	bool used;
	bool starting;
	void (*log)(void *context, const char *line);
	void *log_context;
	FILE *stream;
	int stderr_fd;          /* the process's own, while EAL's stack traces go to nobody; -1: not moved */
	size_t nr_held;         /* bytes of `held` */
	char held[LINES_BYTES]; /* what EAL says while it starts */
};

static struct eal eal;

struct arguments {
	char lcores[PINNING_MAX_POLLERS * 16 + 16];
	char memory[NODES_MAX * 8];
	char limits[NODES_MAX * 8];
	char name[IOREQ_NAME_BYTES];
	char *values[MAX_ARGUMENTS];
	int nr;
};

/* ---- EAL's log --------------------------------------------------------------------------------------------- */

static void log_line(const char *line, size_t length)
{
	char text[IOREQ_ERROR_BYTES + 32];

	if (length && eal.log) {
		snprintf(text, sizeof(text), "eal: message text=\"%.*s\"", (int)length, line);
		eal.log(eal.log_context, text);
	}
}

static void log_lines(const char *text, size_t length)
{
	while (length) {
		const char *newline = memchr(text, '\n', length);
		size_t line = newline ? (size_t)(newline - text) : length;

		log_line(text, line);
		line += newline ? 1 : 0;
		text += line;
		length -= line;
	}
}

/* While EAL starts its words are held back: on failure the first line becomes our sentence, else all are logged. */
static ssize_t take_text(void *unused, const char *text, size_t length)
{
	size_t room = sizeof(eal.held) - eal.nr_held;
	size_t kept = length < room ? length : room;

	(void)unused;
	if (!eal.starting) {
		log_lines(text, length);
		return (ssize_t)length;
	}
	memcpy(eal.held + eal.nr_held, text, kept);
	eal.nr_held += kept;
	return (ssize_t)length;
}

/* The reason among what is held: the line after "PANIC in ...", or the first. Calls nothing that a signal forbids. */
static const char *reason(size_t *length_out)
{
	static const char panic[] = "PANIC in ";
	const char *at = eal.held, *last = eal.held + eal.nr_held, *found = at;

	while (at < last) {
		const char *newline = memchr(at, '\n', (size_t)(last - at));
		bool is_panic = (size_t)(last - at) > sizeof(panic) && memcmp(at, panic, sizeof(panic) - 1) == 0;

		if (!newline)
			break;
		at = newline + 1;
		if (is_panic && at < last) {
			found = at;
			break;
		}
	}
	at = memchr(found, '\n', (size_t)(last - found));
	*length_out = (size_t)((at ? at : last) - found);
	return found;
}

static void say(const char *text, size_t length)
{
	ssize_t written = write(eal.stderr_fd < 0 ? STDERR_FILENO : eal.stderr_fd, text, length);

	(void)written;
}

/* EAL's answer to what it calls impossible. There is nothing to return to; there is a sentence and a status. */
static void on_abort(int number)
{
	static const char before[] = ": DPDK's EAL gave up: ";
	static const char after[] = "; see what changed on this machine since the checks (ioreqctl doctor)\n";
	size_t length;
	const char *text = reason(&length);

	(void)number;
	say(program_invocation_short_name, strlen(program_invocation_short_name));
	say(before, sizeof(before) - 1);
	say(text, length);
	say(after, sizeof(after) - 1);
	_exit(PINNING_EAL);
}

/* ---- the start --------------------------------------------------------------------------------------------- */

static void add(struct arguments *arguments, const char *value)
{
	/* EAL's prototype wants char *, and writes into none. */
	arguments->values[arguments->nr++] = (char *)(uintptr_t)value;
	arguments->values[arguments->nr] = NULL;
}

static void list_nodes(const struct memory *memory, char *share, char *limit, size_t bytes)
{
	size_t share_used = 0, limit_used = 0;
	int last = 0;

	for (int n = 0; n < NODES_MAX; n++)
		last = memory->wanted[n] ? n : last;
	for (int n = 0; n <= last; n++) {
		share_used += (size_t)snprintf(share + share_used, bytes - share_used, "%s%" PRIu64, n ? "," : "",
					       memory->wanted[n] ? memory->bytes >> 20 : 0);
		limit_used += (size_t)snprintf(limit + limit_used, bytes - limit_used, "%s%" PRIu64, n ? "," : "",
					       memory_limit(memory, n) >> 20);
	}
}

/* Lcore 0 is the main one, i + 1 the core of entry i: numbers above EAL's 128 are no matter then. */
static void list_lcores(const struct pinning_config *config, int main_core, char *text, size_t bytes)
{
	size_t used = (size_t)snprintf(text, bytes, "0@%d", main_core);

	for (unsigned i = 0; i < config->nr_pollers; i++)
		used += (size_t)snprintf(text + used, bytes - used, ",%u@%d", i + 1, config->pollers[i].core);
}

static void make_arguments(const struct pinning_config *config, int main_core, const struct memory *memory,
			   struct arguments *arguments)
{
	list_lcores(config, main_core, arguments->lcores, sizeof(arguments->lcores));
	snprintf(arguments->name, sizeof(arguments->name), "%s", config->name);
	add(arguments, "ioreqd");
	add(arguments, "--lcores");
	add(arguments, arguments->lcores);
	add(arguments, "--file-prefix");
	add(arguments, arguments->name);
	add(arguments, "--no-pci");
	add(arguments, "--no-telemetry");
	add(arguments, "--iova-mode=va");
	add(arguments, "--log-level=error");
	if (!memory->huge) {
		add(arguments, "--no-huge");
		add(arguments, "--no-shconf");
		add(arguments, "-m");
		add(arguments, OWN_MIB);
		return;
	}
	list_nodes(memory, arguments->memory, arguments->limits, sizeof(arguments->memory));
	/* No hugetlbfs, nothing that outlives a kill; one descriptor per list of pages instead of one per page. */
	add(arguments, "--in-memory");
	add(arguments, "--single-file-segments");
	add(arguments, "--socket-mem");
	add(arguments, arguments->memory);
	add(arguments, "--socket-limit");
	add(arguments, arguments->limits);
}

static int open_stream(const struct pinning_config *config)
{
	eal.log = config->log;
	eal.log_context = config->log_context;
	eal.stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_text});
	if (!eal.stream)
		return -ENOMEM;
	setvbuf(eal.stream, NULL, _IOLBF, BUFSIZ);
	return rte_openlog_stream(eal.stream) ? -EINVAL : 0;
}

/* A stack trace goes to descriptor 2 itself. Without /dev/null the sentence still comes, after the trace. */
static void silence_stderr(void)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	eal.stderr_fd = nowhere < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (eal.stderr_fd >= 0)
		dup2(nowhere, STDERR_FILENO);
	if (nowhere >= 0)
		close(nowhere);
}

static void restore_stderr(void)
{
	if (eal.stderr_fd < 0)
		return;
	dup2(eal.stderr_fd, STDERR_FILENO);
	close(eal.stderr_fd);
	eal.stderr_fd = -1;
}

/* EAL prints some errors on stderr and its usage on stdout by itself: they go the way of its log. */
static int init_quietly(struct arguments *arguments)
{
	const struct sigaction guard = {.sa_handler = on_abort};
	FILE *out = stdout, *err = stderr;
	struct sigaction before_abort;
	sigset_t before;
	int status;

	threads_block_signals(&before);
	sigaction(SIGABRT, &guard, &before_abort);
	silence_stderr();
	eal.starting = true;
	stdout = eal.stream;
	stderr = eal.stream;
	status = rte_eal_init(arguments->nr, arguments->values);
	fflush(eal.stream);
	stdout = out;
	stderr = err;
	eal.starting = false;
	restore_stderr();
	sigaction(SIGABRT, &before_abort, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status < 0 ? -rte_errno : 0;
}

bool pinning_eal_used(void)
{
	return eal.used;
}

enum pinning_status pinning_eal_start(const struct pinning_config *config, int main_core, const struct memory *memory,
				      struct ioreq_error *error)
{
	struct arguments arguments = {.nr = 0};
	const char *text;
	size_t length;
	int status;

	eal.used = true;
	if (open_stream(config))
		return pinning_refuse(error, PINNING_NO_MEMORY, "no memory for EAL's log: free some and start again");
	make_arguments(config, main_core, memory, &arguments);
	status = init_quietly(&arguments);
	if (status == 0) {
		log_lines(eal.held, eal.nr_held);
		/* It holds nothing without telemetry. Another process of this name would have been refused. */
		rmdir(rte_eal_get_runtime_dir());
		return PINNING_OK;
	}
	text = reason(&length);
	return pinning_refuse(error, PINNING_EAL,
			      "DPDK's EAL does not start (%s): %.*s; see what changed on this machine since the checks "
			      "(ioreqctl doctor)",
			      strerror(-status), (int)(length > 100 ? 100 : length), text);
}

void pinning_eal_end(void)
{
	rte_eal_cleanup();
}

/* ---- lcores ------------------------------------------------------------------------------------------------ */

int pinning_eal_launch(unsigned index, int (*run)(void *), void *argument)
{
	return rte_eal_remote_launch(run, argument, index + 1) ? -EBUSY : 0;
}

void pinning_eal_wait(unsigned index)
{
	rte_eal_wait_lcore(index + 1);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

int pinning_eal_add_heap(const char *name, void *memory, size_t bytes, int *heap_out)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int heap;

	if (rte_malloc_heap_create(name) ||
	    rte_malloc_heap_memory_add(name, memory, bytes, NULL, (unsigned)(bytes / page), page))
		return -rte_errno;
	heap = rte_malloc_heap_get_socket(name);
	if (heap < 0)
		return -rte_errno;
	*heap_out = heap;
	return 0;
}

void *pinning_eal_allocate(size_t bytes, int heap)
{
	return rte_malloc_socket(NULL, bytes, RTE_CACHE_LINE_SIZE, heap);
}

void pinning_eal_release(void *block)
{
	rte_free(block);
}
