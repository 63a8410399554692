/* SPDX-License-Identifier: MIT */
/*
 * Pinning: the order in which things are checked, started, locked and proved. See pinning.h.
 *
 * Threads   poll() runs on EAL's worker threads; the rest on the thread that called pinning_start().
 * Memory    One struct pinning per process. What a job shares with its worker is handed over by its semaphores.
 */
#include "pinning/pinning.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "pinning/cores.h"
#include "pinning/eal.h"
#include "pinning/limits.h"
#include "pinning/memory.h"
#include "pinning/refuse.h"
#include "pinning/threads.h"

/* From the launch of a poller to its first sweep: the host may stop a VM for that long. */
#define FIRST_SWEEP_MS 2000

/* A poller on its lcore. The owner writes before the launch and reads after a semaphore; the worker in between. */
struct job {
	struct ioreq_poller *poller; /* NULL: none runs here */
	const char *name;
	pid_t tid;
	int priority;
	int priority_status;
	int run_status;
	sem_t ready;
	sem_t ended;
};

struct pinning {
	struct pinning_config config;
	char name[IOREQ_NAME_BYTES];
	int name_fd;
	cpu_set_t poll_cores;
	cpu_set_t housekeeping;
	cpu_set_t before; /* affinity of the thread that starts the pinning */
	pthread_attr_t before_stack;
	bool small_stacks; /* before_stack is set */
	struct memory memory;
	struct worker workers[PINNING_MAX_POLLERS];
	struct job jobs[PINNING_MAX_POLLERS];
};

/* ---- the name ---------------------------------------------------------------------------------------------- */

static bool good_name(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length < 1 || length >= IOREQ_NAME_BYTES || name[0] == '.')
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") == length;
}

/*
 * EAL does not notice a second process of the same name. An abstract socket is a lock that needs no folder and no right,
 * and is gone with its process.
 */
static enum pinning_status take_name(struct pinning *pinning, struct ioreq_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length, status;

	if (!good_name(pinning->config.name))
		return pinning_refuse(error, PINNING_BAD_VALUE,
				      "name '%.40s'; allowed: 1..%d letters, digits, '_', '-' and '.', no '.' in front",
				      pinning->config.name ? pinning->config.name : "", IOREQ_NAME_BYTES - 1);
	strcpy(pinning->name, pinning->config.name);
	pinning->config.name = pinning->name;
	length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "ioreqd/%s", pinning->name);
	pinning->name_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pinning->name_fd < 0)
		return pinning_refuse(error, PINNING_LIMIT,
				      "the name '%s' cannot be locked: %s; raise LimitNOFILE=, allow AF_UNIX",
				      pinning->name, strerror(errno));
	if (bind(pinning->name_fd, (struct sockaddr *)&address,
		 (socklen_t)(sizeof(address.sun_family) + 1 + (size_t)length)) == 0)
		return PINNING_OK;
	status = errno;
	close(pinning->name_fd);
	pinning->name_fd = -1;
	return pinning_refuse(error, PINNING_NAME_USED,
			      "another process runs under the name '%s' (%s): stop it, or give this one another name",
			      pinning->name, strerror(status));
}

/* ---- before EAL -------------------------------------------------------------------------------------------- */

static enum pinning_status check(struct pinning *pinning, struct ioreq_error *error)
{
	struct limits limits;
	struct cores cores;
	enum pinning_status status = cores_read("", &cores, error);

	if (!status)
		status = cores_check(&cores, &pinning->config, &pinning->housekeeping, error);
	if (!status)
		status = memory_plan("", &pinning->config, &pinning->memory, error);
	if (!status)
		status = limits_read(&limits, error);
	if (!status)
		status = limits_check(&limits, &pinning->config, pinning->memory.huge, error);
	return status;
}

/* The caller becomes a housekeeping thread, so that what it starts is one; and EAL's threads get small stacks. */
static enum pinning_status prepare(struct pinning *pinning, struct ioreq_error *error)
{
	int status;

	if (sched_getaffinity(0, sizeof(pinning->before), &pinning->before) ||
	    sched_setaffinity(0, sizeof(pinning->housekeeping), &pinning->housekeeping))
		return pinning_refuse(
			error, PINNING_HOUSEKEEPING,
			"the housekeeping cores are refused by the kernel: %s; are they online and in the "
			"cpuset of this process?",
			strerror(errno));
	status = threads_shrink_stack(&pinning->before_stack);
	if (status)
		return pinning_refuse(error, PINNING_LIMIT,
				      "small stacks are refused: %s; raise LimitSTACK=", strerror(-status));
	return threads_try(&pinning->config, error);
}

static void undo(struct pinning *pinning)
{
	sched_setaffinity(0, sizeof(pinning->before), &pinning->before);
	if (!pinning->small_stacks)
		return;
	threads_restore_stack(&pinning->before_stack);
	pthread_attr_destroy(&pinning->before_stack);
}

/* ---- after EAL --------------------------------------------------------------------------------------------- */

static int introduce(void *argument)
{
	struct job *job = argument;

	job->tid = gettid();
	return 0;
}

static void meet_workers(struct pinning *pinning)
{
	for (unsigned i = 0; i < pinning->config.nr_pollers; i++) {
		struct job *job = &pinning->jobs[i];

		job->name = pinning->config.pollers[i].name;
		job->priority = pinning->config.pollers[i].priority;
		sem_init(&job->ready, 0, 0);
		sem_init(&job->ended, 0, 0);
		pinning_eal_launch(i, introduce, job);
		pinning_eal_wait(i);
		pinning->workers[i] = (struct worker){.tid = job->tid, .core = pinning->config.pollers[i].core};
	}
}

static void report(const struct pinning *pinning, uint64_t start_us)
{
	char pollers[CORES_TEXT_BYTES], housekeeping[CORES_TEXT_BYTES], text[IOREQ_ERROR_BYTES];
	bool fifo = false;

	cores_format(&pinning->poll_cores, pollers, sizeof(pollers));
	cores_format(&pinning->housekeeping, housekeeping, sizeof(housekeeping));
	pinning_say(&pinning->config,
		    "pinning: started name=%s cores=%s housekeeping=%s hugepages=%s memory_mib=%llu start_us=%llu",
		    pinning->name, pollers, housekeeping, pinning->memory.huge ? "yes" : "no",
		    (unsigned long long)pinning->memory.bytes >> 20, (unsigned long long)start_us);
	for (unsigned i = 0; i < pinning->config.nr_pollers; i++)
		fifo |= pinning->config.pollers[i].priority > 0;
	if (fifo && cores_throttled("", text, sizeof(text)))
		pinning_say(&pinning->config, "pinning: throttled reason=\"%s\"", text);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static enum pinning_status establish(struct pinning *pinning, struct ioreq_error *error)
{
	enum pinning_status status = memory_make(&pinning->memory, &pinning->config, error);

	if (!status) {
		meet_workers(pinning);
		status = threads_confine(&pinning->housekeeping, pinning->workers, pinning->config.nr_pollers, error);
	}
	if (!status)
		status = memory_lock(error);
	if (!status)
		status = pinning_verify(pinning, error);
	return status;
}

static int first_of(const cpu_set_t *cpus)
{
	int cpu = 0;

	while (!CPU_ISSET((size_t)cpu, cpus))
		cpu++;
	return cpu;
}

static enum pinning_status start(struct pinning *pinning, struct ioreq_error *error)
{
	enum pinning_status status;

	if (pinning_eal_used())
		return pinning_refuse(error, PINNING_EAL,
				      "DPDK's EAL was started before in this process, and starts only once: end the "
				      "process and start it again");
	status = take_name(pinning, error);
	if (!status)
		status = check(pinning, error);
	if (status)
		return status;
	cores_of_pollers(&pinning->config, &pinning->poll_cores);
	status = prepare(pinning, error);
	if (status) {
		undo(pinning);
		return status;
	}
	if (pinning->memory.missing.text[0])
		pinning_say(&pinning->config, "pinning: no-hugepages reason=\"ordinary pages instead: %s\"",
			    pinning->memory.missing.text);
	status = pinning_eal_start(&pinning->config, first_of(&pinning->housekeeping), &pinning->memory, error);
	return status ? status : establish(pinning, error);
}

enum pinning_status pinning_start(const struct pinning_config *config, struct pinning **pinning_out,
				  struct ioreq_error *error)
{
	struct pinning *pinning = calloc(1, sizeof(*pinning));
	uint64_t before_us = now_us();
	enum pinning_status status;

	if (!pinning)
		return pinning_refuse(error, PINNING_NO_MEMORY, "out of memory");
	pinning->config = *config;
	pinning->name_fd = -1;
	status = start(pinning, error);
	if (status) {
		if (pinning->name_fd >= 0)
			close(pinning->name_fd);
		free(pinning);
		return status;
	}
	report(pinning, now_us() - before_us);
	*pinning_out = pinning;
	return PINNING_OK;
}

/* ---- what the engine asks of its host ---------------------------------------------------------------------- */

static void *host_allocate(void *context, size_t bytes, int core)
{
	struct pinning *pinning = context;

	return memory_allocate(&pinning->memory, bytes, core);
}

static void host_release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	memory_release(memory);
}

static int host_start_thread(void *context, const char *name, int core, void *(*run)(void *), void *argument,
			     pthread_t *thread_out)
{
	const struct pinning *pinning = context;

	return threads_start(&pinning->housekeeping, &pinning->poll_cores, name, core, run, argument, thread_out);
}

struct ioreq_host pinning_host(struct pinning *pinning)
{
	return (struct ioreq_host){
		.context = pinning,
		.allocate = host_allocate,
		.release = host_release,
		.start_thread = host_start_thread,
	};
}

/* ---- pollers ----------------------------------------------------------------------------------------------- */

static int poll(void *argument)
{
	struct job *job = argument;
	char short_name[16]; /* the kernel's limit */

	snprintf(short_name, sizeof(short_name), "%s", job->name);
	pthread_setname_np(pthread_self(), short_name);
	job->priority_status = job->priority ? threads_take_priority(job->priority) : 0;
	sem_post(&job->ready);
	if (!job->priority_status)
		job->run_status = ioreq_poller_run(job->poller);
	if (job->priority)
		threads_take_priority(0);
	sem_post(&job->ended);
	return 0;
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) && errno == EINTR)
		;
}

static void end_job(struct pinning *pinning, unsigned index)
{
	pinning_eal_wait(index);
	pinning->jobs[index].poller = NULL;
	pinning->workers[index].priority = 0;
}

/* True when the loop sweeps; false when it has ended. A loop that does neither is the supervisor's to see. */
static bool wait_for_sweep(struct job *job, uint64_t sweeps_before)
{
	const struct timespec pause = {.tv_nsec = 200000};

	for (unsigned tries = 0; tries < FIRST_SWEEP_MS * 5; tries++) {
		if (ioreq_poller_sweeps(job->poller) != sweeps_before)
			return true;
		if (sem_trywait(&job->ended) == 0)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

enum pinning_status pinning_run_poller(struct pinning *pinning, unsigned index, struct ioreq_poller *poller,
				       struct ioreq_error *error)
{
	struct job *job;
	uint64_t sweeps;

	if (index >= pinning->config.nr_pollers || pinning->jobs[index].poller)
		return pinning_refuse(error, PINNING_BAD_VALUE, "poller %u; allowed: 0..%u, and one poller on each",
				      index, pinning->config.nr_pollers - 1);
	job = &pinning->jobs[index];
	job->poller = poller;
	sweeps = ioreq_poller_sweeps(poller);
	if (pinning_eal_launch(index, poll, job)) {
		job->poller = NULL;
		return pinning_refuse(error, PINNING_EAL, "poller %s: its lcore is busy: restart", job->name);
	}
	wait_for(&job->ready);
	if (job->priority_status) {
		wait_for(&job->ended);
		end_job(pinning, index);
		return pinning_refuse(
			error, PINNING_PRIORITY,
			"poller %s: SCHED_FIFO %d is refused by the kernel: %s; was a right taken away since "
			"the start?",
			job->name, job->priority, strerror(-job->priority_status));
	}
	pinning->workers[index].priority = job->priority;
	if (wait_for_sweep(job, sweeps))
		return PINNING_OK;
	end_job(pinning, index);
	return pinning_refuse(error, PINNING_BAD_VALUE, "poller %s: its loop ended at once: %s", job->name,
			      job->run_status ? strerror(-job->run_status) : "it was stopped");
}

void pinning_wait_poller(struct pinning *pinning, unsigned index)
{
	struct job *job = &pinning->jobs[index];

	if (!job->poller)
		return;
	wait_for(&job->ended);
	end_job(pinning, index);
}

enum pinning_status pinning_verify(struct pinning *pinning, struct ioreq_error *error)
{
	enum pinning_status status = threads_verify("", pinning->workers, pinning->config.nr_pollers, error);

	return status ? status : memory_verify("", error);
}

/* ---- places ------------------------------------------------------------------------------------------------ */

int pinning_locate(const struct pinning *pinning, const void *address, int core, struct pinning_place *place_out)
{
	struct pinning_place place = {.core_node = nodes_of_core(&pinning->memory.nodes, core)};

	place.page_node = pinning->memory.nodes.numa ? nodes_of_address(address) : 0;
	if (place.page_node < 0)
		return place.page_node;
	if (place.page_node >= NODES_MAX)
		return -ERANGE;
	place.distance = pinning->memory.nodes.nodes[place.core_node].distance[place.page_node];
	*place_out = place;
	return 0;
}

int pinning_move_memory(const struct pinning *pinning, void *memory, size_t bytes, int core)
{
	if (!pinning->memory.nodes.numa)
		return 0;
	return nodes_bind(memory, bytes, nodes_of_core(&pinning->memory.nodes, core));
}

void pinning_end(struct pinning *pinning)
{
	for (unsigned i = 0; i < pinning->config.nr_pollers; i++) {
		pinning_wait_poller(pinning, i);
		sem_destroy(&pinning->jobs[i].ready);
		sem_destroy(&pinning->jobs[i].ended);
	}
	pinning_eal_end();
	memory_end(&pinning->memory);
	undo(pinning);
	close(pinning->name_fd);
	free(pinning);
}
