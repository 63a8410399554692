/* SPDX-License-Identifier: MIT */
/*
 * Pollers from outside: created, started, stopped, waited for, given VMs.
 *
 * Threads   Any but the engine's own; serialised by the engine's lock.
 * Memory    A poller lives as long as its engine; VM sets are retired when they are replaced.
 */
#include "core/poller.h"

#include <errno.h>
#include <string.h>

#include "core/atomic.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/rcu.h"
#include "core/stats.h"
#include "core/vm.h"

#define STOP_TIMEOUT_NS UINT64_C(1000000000)
#define QUIESCE_POLL_NS 20000

bool ioreq_poller_running(const struct ioreq_poller *poller)
{
	/* RT7 full: the loop's last accesses are over when it does not run. Pairs with RT8, RT13. */
	return load_full(&poller->running);
}

uint64_t ioreq_poller_sweeps(const struct ioreq_poller *poller)
{
	return load_relaxed(&poller->stats->sweeps);
}

static int claim_loop(struct ioreq_poller *poller)
{
	int status = ioreq_engine_check_context();

	if (status)
		return status;
	pthread_mutex_lock(&poller->engine->lock);
	if (ioreq_poller_running(poller)) {
		status = -EBUSY;
	} else {
		/* A stop that gave up leaves its wish, and a thread that has ended since. */
		if (poller->own_thread)
			pthread_join(poller->thread, NULL);
		poller->own_thread = false;
		store_relaxed(&poller->stop, 0);
		/* RT13 full: running before the first table is looked up. Pairs with RT12, RT7. Without it: freed unseen. */
		store_full(&poller->running, 1);
	}
	pthread_mutex_unlock(&poller->engine->lock);
	return status;
}

int ioreq_poller_run(struct ioreq_poller *poller)
{
	int status = claim_loop(poller);

	if (status)
		return status;
	ioreq_poller_loop(poller);
	return 0;
}

static void *poller_thread(void *argument)
{
	ioreq_poller_loop(argument);
	return NULL;
}

int ioreq_poller_start(struct ioreq_poller *poller)
{
	int status = claim_loop(poller);

	if (status)
		return status;
	status = ioreq_engine_start_thread(poller->engine, poller->name, poller->core, poller_thread, poller,
					   &poller->thread);
	if (status)
		store_relaxed(&poller->running, 0);
	else
		poller->own_thread = true;
	return status;
}

static int refuse_to_stop(struct ioreq_poller *poller, struct ioreq_error *error)
{
	char name[IOREQ_NAME_BYTES] = "that cannot be named";

	pthread_mutex_lock(&poller->engine->lock);
	for (unsigned i = 0; i < poller->vms->nr; i++)
		if (ioreq_vm_inline_holder(poller->vms->vms[i], name))
			break;
	pthread_mutex_unlock(&poller->engine->lock);
	return ioreq_error_set(error, EBUSY, "poller %s: the handler of client %s does not return", poller->name, name);
}

int ioreq_poller_stop(struct ioreq_poller *poller, struct ioreq_error *error)
{
	uint64_t end_ns = ioreq_engine_now_ns() + STOP_TIMEOUT_NS;
	int status = ioreq_engine_check_context();

	if (status)
		return ioreq_error_set(error, EDEADLK, "%s: cannot be stopped from a handler", poller->name);
	store_relaxed(&poller->stop, 1);
	while (ioreq_poller_running(poller)) {
		if (ioreq_engine_now_ns() >= end_ns)
			return refuse_to_stop(poller, error);
		ioreq_engine_sleep_ns(QUIESCE_POLL_NS);
	}
	pthread_mutex_lock(&poller->engine->lock);
	if (poller->own_thread)
		pthread_join(poller->thread, NULL);
	poller->own_thread = false;
	store_relaxed(&poller->stop, 0);
	pthread_mutex_unlock(&poller->engine->lock);
	return 0;
}

uint64_t ioreq_poller_ask(struct ioreq_poller *poller)
{
	/*
	 * RT12 full: what was unpublished, before the question, and before the look whether the poller runs. Pairs with RT11,
	 * RT13. Without it: found once more, by this poller or one that has just started.
	 */
	return add_full(&poller->asked, 1) + 1;
}

bool ioreq_poller_answered(const struct ioreq_poller *poller, uint64_t ticket)
{
	/* RT6 acquire: the sweep's reads are over. Pairs with RT5. A poller that does not run reads nothing. */
	return load_acquire(&poller->answered) >= ticket || !ioreq_poller_running(poller);
}

int ioreq_poller_quiesce(struct ioreq_poller *poller, uint64_t timeout_ns)
{
	uint64_t ticket = ioreq_poller_ask(poller);
	uint64_t end_ns = ioreq_engine_now_ns() + timeout_ns;

	while (!ioreq_poller_answered(poller, ticket)) {
		if (ioreq_engine_now_ns() >= end_ns)
			return -EBUSY;
		ioreq_engine_sleep_ns(QUIESCE_POLL_NS);
	}
	return 0;
}

static int publish_set(struct ioreq_poller *poller, const struct ioreq_vm_set *wanted)
{
	struct ioreq_vm_set *old = poller->vms;
	struct ioreq_vm_set *set;

	if (!ioreq_engine_can_retire(poller->engine))
		return -EAGAIN;
	set = ioreq_engine_allocate(poller->engine, sizeof(*set), poller->core);
	if (!set)
		return -ENOMEM;
	*set = *wanted;
	/* RT2 assign: the set is whole when it is found. Pairs with RT1. Without it: a VM that is half attached. */
	rcu_assign_pointer(poller->vms, set);
	ioreq_engine_retire(poller->engine, poller, old, sizeof(*old));
	return 0;
}

int ioreq_poller_add_vm(struct ioreq_poller *poller, struct ioreq_vm *vm)
{
	struct ioreq_vm_set wanted = *poller->vms;

	wanted.vms[wanted.nr++] = vm;
	return publish_set(poller, &wanted);
}

int ioreq_poller_remove_vm(struct ioreq_poller *poller, struct ioreq_vm *vm)
{
	const struct ioreq_vm_set *now = poller->vms;
	struct ioreq_vm_set wanted = {.nr = 0};

	for (unsigned i = 0; i < now->nr; i++)
		if (now->vms[i] != vm)
			wanted.vms[wanted.nr++] = now->vms[i];
	return wanted.nr == now->nr ? 0 : publish_set(poller, &wanted);
}

static int name_free(const struct ioreq_engine *engine, const char *name, struct ioreq_error *error)
{
	for (unsigned i = 0; i < engine->nr_pollers; i++)
		if (strcmp(engine->pollers[i]->name, name) == 0)
			return ioreq_error_set(error, EEXIST, "poller %s: exists already", name);
	if (engine->nr_pollers == IOREQ_STATS_MAX_POLLERS)
		return ioreq_error_set(error, ENOSPC, "poller %s: more than %d pollers", name, IOREQ_STATS_MAX_POLLERS);
	return 0;
}

static struct ioreq_poller *new_poller(struct ioreq_engine *engine, const struct ioreq_poller_config *config)
{
	struct ioreq_poller *poller = ioreq_engine_allocate(engine, sizeof(*poller), config->core);

	if (!poller)
		return NULL;
	poller->engine = engine;
	poller->core = config->core;
	poller->idle = config->idle;
	strncpy(poller->name, config->name, sizeof(poller->name) - 1);
	poller->vms = ioreq_engine_allocate(engine, sizeof(*poller->vms), config->core);
	poller->stats = ioreq_stats_add_poller(engine->stats, config->name);
	if (poller->vms && poller->stats) {
		poller->stats->core = config->core;
		return poller;
	}
	ioreq_poller_free(poller);
	return NULL;
}

int ioreq_poller_create(struct ioreq_engine *engine, const struct ioreq_poller_config *config,
			struct ioreq_poller **poller_out, struct ioreq_error *error)
{
	struct ioreq_poller *poller;
	int status = ioreq_engine_check_name("poller", config->name, error);

	if (status)
		return status;
	if (ioreq_engine_check_context())
		return ioreq_error_set(error, EDEADLK, "poller %s: cannot be created from a handler", config->name);
	pthread_mutex_lock(&engine->lock);
	status = name_free(engine, config->name, error);
	if (status)
		goto out;
	poller = new_poller(engine, config);
	if (!poller) {
		status = ioreq_error_set(error, ENOMEM, "poller %s: out of memory", config->name);
		goto out;
	}
	engine->pollers[engine->nr_pollers++] = poller;
	*poller_out = poller;
out:
	pthread_mutex_unlock(&engine->lock);
	return status;
}

void ioreq_poller_free(struct ioreq_poller *poller)
{
	if (poller->vms)
		ioreq_engine_release(poller->engine, poller->vms, sizeof(*poller->vms));
	if (poller->stats)
		ioreq_engine_drop_record(poller->engine, &poller->stats->used);
	ioreq_engine_release(poller->engine, poller, sizeof(*poller));
}
