/* SPDX-License-Identifier: MIT */
/*
 * The engine: host services, the reclaimer, creation and the end.
 *
 * Threads   The reclaimer frees what pollers have forgotten; it is the only thread that waits for a grace period.
 * Memory    Everything comes from the host's allocator, or libc's.
 */
#include "core/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/atomic.h"
#include "core/client.h"
#include "core/error.h"
#include "core/poller.h"
#include "core/rcu.h"
#include "core/stats.h"
#include "core/vm.h"

#define RECLAIM_POLL_NS 100000

static _Thread_local bool on_engine_thread;

void ioreq_engine_enter_thread(void)
{
	on_engine_thread = true;
}

void ioreq_engine_leave_thread(void)
{
	on_engine_thread = false;
}

int ioreq_engine_check_context(void)
{
	return on_engine_thread ? -EDEADLK : 0;
}

uint64_t ioreq_engine_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void ioreq_engine_sleep_ns(uint64_t ns)
{
	struct timespec time = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	nanosleep(&time, NULL);
}

int ioreq_engine_check_name(const char *what, const char *name, struct ioreq_error *error)
{
	size_t length = name ? strlen(name) : 0;

	if (length < 1 || length >= IOREQ_NAME_BYTES)
		return ioreq_error_set(error, EINVAL, "%s '%s': a name of %zu characters; allowed: 1..%d", what,
				       name ? name : "", length, IOREQ_NAME_BYTES - 1);
	for (const char *at = name; *at; at++)
		if (*at <= ' ' || *at == '/' || *at > '~')
			return ioreq_error_set(error, EINVAL,
					       "%s '%s': allowed: printable ASCII without blanks and '/'", what, name);
	return 0;
}

/* ---- host -------------------------------------------------------------------------------------------------- */

static void *libc_allocate(void *context, size_t bytes, int core)
{
	size_t rounded = (bytes + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, rounded);

	(void)context;
	(void)core;
	/* The store is also the first touch of every page, so that the poller's is not. */
	return memory ? memset(memory, 0, rounded) : NULL;
}

static void libc_release(void *context, void *memory, size_t bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

static int pin(pthread_attr_t *attributes, int core)
{
	cpu_set_t cpus;

	if (core < 0)
		return 0;
	if (core >= CPU_SETSIZE)
		return EINVAL;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)core, &cpus);
	return pthread_attr_setaffinity_np(attributes, sizeof(cpus), &cpus);
}

/* Signals go to the threads of the host that wait for them. */
static int pthread_start(void *context, const char *name, int core, void *(*run)(void *), void *argument,
			 pthread_t *thread_out)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	char short_name[16]; /* the kernel's limit */
	int status;

	(void)context;
	pthread_attr_init(&attributes);
	sigfillset(&all);
	/* A truncated page is noticed by the thread that touches it. */
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pin(&attributes, core);
	if (!status)
		status = pthread_create(thread_out, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (!status) {
		snprintf(short_name, sizeof(short_name), "%s", name);
		pthread_setname_np(*thread_out, short_name);
	}
	return -status;
}

void *ioreq_engine_allocate(struct ioreq_engine *engine, size_t bytes, int core)
{
	return engine->host.allocate(engine->host.context, bytes, core);
}

void ioreq_engine_release(struct ioreq_engine *engine, void *memory, size_t bytes)
{
	if (memory)
		engine->host.release(engine->host.context, memory, bytes);
}

int ioreq_engine_start_thread(struct ioreq_engine *engine, const char *name, int core, void *(*run)(void *),
			      void *argument, pthread_t *thread_out)
{
	return engine->host.start_thread(engine->host.context, name, core, run, argument, thread_out);
}

void ioreq_engine_drop_record(struct ioreq_engine *engine, uint64_t *used)
{
	if (!engine->ended)
		ioreq_stats_remove(used);
}

/* ---- the reclaimer ----------------------------------------------------------------------------------------- */

bool ioreq_engine_can_retire(struct ioreq_engine *engine)
{
	bool room;

	pthread_mutex_lock(&engine->retire_lock);
	room = engine->nr_retired < IOREQ_MAX_RETIRED;
	pthread_mutex_unlock(&engine->retire_lock);
	return room;
}

void ioreq_engine_retire(struct ioreq_engine *engine, struct ioreq_poller *poller, void *memory, size_t bytes)
{
	struct ioreq_retired *retired = memory ? malloc(sizeof(*retired)) : NULL;

	/* Without memory for the note the block is kept: a leak is answered, a use after free is not. */
	if (!retired)
		return;
	*retired = (struct ioreq_retired){
		.memory = memory, .bytes = bytes, .poller = poller, .ticket = ioreq_poller_ask(poller)};
	pthread_mutex_lock(&engine->retire_lock);
	retired->next = engine->retired;
	engine->retired = retired;
	engine->nr_retired++;
	pthread_cond_signal(&engine->retire_wake);
	pthread_mutex_unlock(&engine->retire_lock);
}

static bool passed(const struct ioreq_retired *retired)
{
	return ioreq_poller_answered(retired->poller, retired->ticket);
}

/* Takes from the queue what its poller has let go of. */
static struct ioreq_retired *take_passed(struct ioreq_engine *engine)
{
	struct ioreq_retired **at = &engine->retired, *taken = NULL;

	while (*at) {
		struct ioreq_retired *retired = *at;

		if (!passed(retired)) {
			at = &retired->next;
			continue;
		}
		*at = retired->next;
		retired->next = taken;
		taken = retired;
		engine->nr_retired--;
	}
	return taken;
}

static void free_retired(struct ioreq_engine *engine, struct ioreq_retired *taken)
{
	/*
	 * RT4 grace period: every poller has announced a quiescent state. It is over at once, for they were seen to
	 * move: an updater that waits long would have the poller pay for its wake-up. Pairs with RT3, RT9, RT10.
	 */
	synchronize_rcu();
	while (taken) {
		struct ioreq_retired *next = taken->next;

		ioreq_engine_release(engine, taken->memory, taken->bytes);
		free(taken);
		taken = next;
	}
}

static void *reclaim(void *argument)
{
	struct ioreq_engine *engine = argument;
	struct ioreq_retired *taken;

	pthread_mutex_lock(&engine->retire_lock);
	while (engine->retired || !engine->ending) {
		if (!engine->retired) {
			pthread_cond_wait(&engine->retire_wake, &engine->retire_lock);
			continue;
		}
		taken = take_passed(engine);
		pthread_mutex_unlock(&engine->retire_lock);
		if (taken)
			free_retired(engine, taken);
		else
			ioreq_engine_sleep_ns(RECLAIM_POLL_NS);
		pthread_mutex_lock(&engine->retire_lock);
	}
	pthread_mutex_unlock(&engine->retire_lock);
	return NULL;
}

static void end_reclaimer(struct ioreq_engine *engine)
{
	pthread_mutex_lock(&engine->retire_lock);
	engine->ending = true;
	pthread_cond_signal(&engine->retire_wake);
	pthread_mutex_unlock(&engine->retire_lock);
	pthread_join(engine->reclaimer, NULL);
}

/* ---- life -------------------------------------------------------------------------------------------------- */

static int take_stats(struct ioreq_engine *engine, void *stats)
{
	engine->own_stats = !stats;
	engine->stats = stats ? stats : ioreq_engine_allocate(engine, IOREQ_STATS_BYTES, -1);
	if (!engine->stats)
		return -ENOMEM;
	ioreq_stats_start(engine->stats);
	return 0;
}

static void free_engine(struct ioreq_engine *engine)
{
	if (engine->own_stats)
		ioreq_engine_release(engine, engine->stats, IOREQ_STATS_BYTES);
	pthread_cond_destroy(&engine->retire_wake);
	pthread_mutex_destroy(&engine->retire_lock);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

int ioreq_engine_create(const struct ioreq_engine_config *config, struct ioreq_engine **engine_out)
{
	struct ioreq_engine *engine = calloc(1, sizeof(*engine));
	int status;

	if (!engine)
		return -ENOMEM;
	engine->host = config->host;
	if (!engine->host.allocate || !engine->host.release) {
		engine->host.allocate = libc_allocate;
		engine->host.release = libc_release;
	}
	if (!engine->host.start_thread)
		engine->host.start_thread = pthread_start;
	pthread_mutex_init(&engine->lock, NULL);
	pthread_mutex_init(&engine->retire_lock, NULL);
	pthread_cond_init(&engine->retire_wake, NULL);
	status = take_stats(engine, config->stats);
	if (!status)
		status = ioreq_engine_start_thread(engine, "ioreq-reclaim", -1, reclaim, engine, &engine->reclaimer);
	if (status) {
		free_engine(engine);
		return status;
	}
	*engine_out = engine;
	return 0;
}

int ioreq_engine_destroy(struct ioreq_engine *engine, struct ioreq_error *error)
{
	int status = 0;

	engine->ended = true;
	while (!status && engine->nr_vms)
		status = ioreq_vm_destroy(engine->vms[0], error);
	for (unsigned i = 0; !status && i < engine->nr_pollers; i++)
		status = ioreq_poller_stop(engine->pollers[i], error);
	if (status) {
		/* It goes on, and so does the giving back of records. */
		engine->ended = false;
		return status;
	}
	end_reclaimer(engine);
	for (unsigned i = 0; i < engine->nr_pollers; i++)
		ioreq_poller_free(engine->pollers[i]);
	free_engine(engine);
	return 0;
}
