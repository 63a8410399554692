/* SPDX-License-Identifier: MIT */
/*
 * VMs from outside: created, given a page, cleared, detached, given tables.
 *
 * Threads   Any but the engine's own; one operation per VM at a time, under its lock.
 * Memory    Tables are immutable: published by RCU, retired when replaced. A page is let go of when the poller has
 *           acknowledged the detach and nobody is inside the backend.
 */
#include "core/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/access.h"
#include "core/atomic.h"
#include "core/client.h"
#include "core/doorbell.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/poller.h"
#include "core/rcu.h"
#include "core/stats.h"

#define DEFAULT_CLEAR_TIMEOUT_NS UINT64_C(100000000)
#define DRAIN_POLL_NS 50000
/* How long a COMPLETE that should have been notified may stay COMPLETE before it is notified again. */
#define RENOTIFY_NS 10000000

/* ---- tables ------------------------------------------------------------------------------------------------ */

int ioreq_vm_publish(struct ioreq_vm *vm, struct ioreq_owned_range *ranges, size_t nr_ranges, struct ioreq_error *error)
{
	struct ioreq_table_source source = {
		.ranges = ranges, .nr_ranges = nr_ranges, .default_client = vm->default_client};
	struct ioreq_table *old = vm->table, *table;
	struct ioreq_bell *bells;
	void *memory;
	int status = ioreq_route_sort(ranges, nr_ranges, error);

	if (status)
		return status;
	if (!ioreq_engine_can_retire(vm->engine))
		return ioreq_error_set(error, EAGAIN, "%s: %d old tables wait for poller %s; is a handler stuck?",
				       vm->name, IOREQ_MAX_RETIRED, vm->poller->name);
	bells = ioreq_doorbell_list(vm, &source.nr_bells);
	if (!bells)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", vm->name);
	source.bells = bells;
	memory = ioreq_engine_allocate(vm->engine, ioreq_route_bytes(&source), vm->poller->core);
	if (memory)
		table = ioreq_route_build(memory, &source);
	free(bells);
	if (!memory)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", vm->name);
	/* RT2 assign: the table is whole when it is found. Pairs with RT1. Without it: a range without its owner. */
	rcu_assign_pointer(vm->table, table);
	if (old)
		ioreq_engine_retire(vm->engine, vm->poller, old, old->bytes);
	if (vm->ranges != ranges)
		free(vm->ranges);
	vm->ranges = ranges;
	vm->nr_ranges = nr_ranges;
	return 0;
}

struct ioreq_client *ioreq_vm_find_client(const struct ioreq_vm *vm, const char *name)
{
	for (struct ioreq_client *client = vm->clients; client; client = client->next)
		if (strcmp(client->name, name) == 0)
			return client;
	return NULL;
}

int ioreq_vm_lock(struct ioreq_vm *vm, struct ioreq_error *error)
{
	if (ioreq_engine_check_context())
		return ioreq_error_set(error, EDEADLK, "%s: a handler cannot change the VM that it serves", vm->name);
	pthread_mutex_lock(&vm->lock);
	return 0;
}

void ioreq_vm_unlock(struct ioreq_vm *vm)
{
	pthread_mutex_unlock(&vm->lock);
}

/* ---- drains ------------------------------------------------------------------------------------------------ */

static const struct ioreq_client *journal_client(const struct ioreq_vm *vm, unsigned vcpu)
{
	uint32_t number = ioreq_journal_owner(vm->block, vcpu);

	for (const struct ioreq_client *client = vm->clients; client; client = client->next)
		if (client->number == number)
			return client;
	return NULL;
}

/* The client of a request that was begun and is not complete, of those that are inline or not. A look, no proof. */
static const struct ioreq_client *find_begun(const struct ioreq_vm *vm, bool is_inline)
{
	for (unsigned v = 0; v < load_relaxed(&vm->nr_vcpus); v++) {
		struct ioreq_slot_state slot = ioreq_page_state_and_sequence(&vm->slots->req_slot[v]);
		const struct ioreq_client *client = journal_client(vm, v);

		if (!client || !client->ring != is_inline)
			continue;
		if (slot.sequence != ioreq_journal_sequence(vm->block, v) || load_relaxed(&vm->inflight[v]))
			return client;
	}
	return NULL;
}

/* Who keeps a drain from ending. An inline handler first: while it holds the poller, no ring request can be ended. */
static const char *find_holder(const struct ioreq_vm *vm)
{
	const struct ioreq_client *client = find_begun(vm, true);

	if (!client)
		client = find_begun(vm, false);
	return client ? client->name : NULL;
}

bool ioreq_vm_inline_holder(struct ioreq_vm *vm, char name[IOREQ_NAME_BYTES])
{
	const struct ioreq_client *client;

	/* Tried only: whoever changes the clients now may be waiting for the same handler. */
	if (pthread_mutex_trylock(&vm->lock))
		return false;
	client = find_begun(vm, true);
	if (client)
		memcpy(name, client->name, IOREQ_NAME_BYTES);
	pthread_mutex_unlock(&vm->lock);
	return client;
}

/* While the poller does not run, the caller holds its place: nobody else looks at the slots. */
static void sweep_in_its_place(struct ioreq_vm *vm)
{
	pthread_mutex_lock(&vm->engine->lock);
	if (!ioreq_poller_running(vm->poller)) {
		ioreq_engine_enter_thread();
		ioreq_poller_sweep(vm);
		ioreq_engine_leave_thread();
	}
	pthread_mutex_unlock(&vm->engine->lock);
}

static int refuse_drain(const struct ioreq_vm *vm, struct ioreq_error *error)
{
	const char *name = find_holder(vm);

	if (name)
		return ioreq_error_set(error, EBUSY, "%s: client %s does not let go of its request", vm->name, name);
	return ioreq_error_set(
		error, EBUSY,
		"%s: poller %s did not come to an end: a handler of another VM holds it, or the hypervisor posts on",
		vm->name, vm->poller->name);
}

static int await_drain(struct ioreq_vm *vm, struct ioreq_error *error)
{
	uint64_t end_ns = ioreq_engine_now_ns() + vm->clear_timeout_ns + IOREQ_MARGIN_NS;

	/* A4 acquire: the poller's last completion is over. Pairs with A3. Without it: a reset overtakes it. */
	while (load_acquire(&vm->attention) & IOREQ_ATTEND_DRAIN) {
		if (!ioreq_poller_running(vm->poller))
			sweep_in_its_place(vm);
		if (ioreq_engine_now_ns() >= end_ns)
			return refuse_drain(vm, error);
		ioreq_engine_sleep_ns(DRAIN_POLL_NS);
	}
	return 0;
}

static uint64_t deadline_after(const struct ioreq_vm *vm, uint64_t ns)
{
	return tsc_now() + (uint64_t)((double)ns * (double)vm->engine->stats->tsc_hz / 1e9);
}

int ioreq_vm_drain(struct ioreq_vm *vm, struct ioreq_client *client, bool detach, struct ioreq_error *error)
{
	/* An earlier drain that its caller gave up on is still asked for. */
	int status = await_drain(vm, error);

	if (status)
		return status;
	vm->drain = (struct ioreq_drain){
		.client = client, .detach = detach, .deadline_tsc = deadline_after(vm, vm->clear_timeout_ns)};
	/* A5 release: the drain before its bit. Pairs with A2. Without it: the wrong client is drained. */
	or_release(&vm->attention, IOREQ_ATTEND_DRAIN);
	return await_drain(vm, error);
}

int ioreq_vm_clear(struct ioreq_vm *vm, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	if (!vm->attached || vm->detach_asked)
		status = ioreq_error_set(error, ENODEV, "%s: not attached", vm->name);
	else
		status = ioreq_vm_drain(vm, NULL, false, error);
	if (!status)
		add_relaxed(&vm->stats->clears, 1);
	ioreq_vm_unlock(vm);
	return status;
}

/* ---- attach ------------------------------------------------------------------------------------------------ */

static int check_page(const struct ioreq_vm *vm, const struct ioreq_page *page, struct ioreq_error *error)
{
	if (vm->attached)
		return ioreq_error_set(error, EBUSY, "%s: attached already", vm->name);
	if (page->nr_vcpus < 1 || page->nr_vcpus > IOREQ_MAX_VCPUS)
		return ioreq_error_set(error, EINVAL, "%s: %u vCPUs; allowed: 1..%u", vm->name, page->nr_vcpus,
				       IOREQ_MAX_VCPUS);
	if (!page->slots || (uintptr_t)page->slots % IOREQ_PAGE_BYTES)
		return ioreq_error_set(error, EINVAL, "%s: page at %p; allowed: 4096-byte aligned", vm->name,
				       (void *)page->slots);
	if (!page->ops || !page->ops->notify)
		return ioreq_error_set(error, EINVAL, "%s: a backend without notify", vm->name);
	if (page->ops->protocol != IOREQ_DIRECT)
		return ioreq_error_set(error, EINVAL, "%s: backend protocol %u; allowed: direct", vm->name,
				       (unsigned)page->ops->protocol);
	return 0;
}

/* A request whose handler may have run: answered, not run again. */
static void fail_request(struct ioreq_vm *vm, unsigned vcpu)
{
	struct ioreq_access access = {.reserved = {0}};

	access.seen_tsc = tsc_now();
	ioreq_access_copy(&vm->slots->req_slot[vcpu], vcpu, &access);
	access.sequence = ioreq_journal_sequence(vm->block, vcpu);
	count_one(&vm->stats->posted);
	ioreq_vm_answer_ones(vm, &access, IOREQ_RECOVERED);
}

/* A COMPLETE whose notify may have died with its engine. The only step decided by time; see the man page. */
static void renotify(struct ioreq_vm *vm, uint32_t suspects)
{
	struct ioreq_slot_state before[IOREQ_MAX_VCPUS], now;

	if (!suspects)
		return;
	for (unsigned v = 0; v < vm->nr_vcpus; v++)
		before[v] = ioreq_page_state_and_sequence(&vm->slots->req_slot[v]);
	ioreq_engine_sleep_ns(RENOTIFY_NS);
	for (; suspects; suspects &= suspects - 1) {
		unsigned v = (unsigned)__builtin_ctz(suspects);

		now = ioreq_page_state_and_sequence(&vm->slots->req_slot[v]);
		if (now.state == ACRN_IOREQ_STATE_COMPLETE && now.sequence == before[v].sequence)
			vm->ops->notify(vm->context, v, now.sequence);
	}
}

/* What an engine before this one left behind, slot by slot; before the poller sees the VM. */
static void adopt(struct ioreq_vm *vm, const struct ioreq_page *page)
{
	enum ioreq_kinship kinship = ioreq_journal_kinship(vm->block, page);
	uint32_t suspects = 0;

	vm->resume = 0;
	for (unsigned v = 0; v < vm->nr_vcpus; v++) {
		const struct acrn_io_request *request = &vm->slots->req_slot[v];
		struct ioreq_slot_state slot = ioreq_page_state_and_sequence(request);

		switch (ioreq_journal_adopt(vm->block, v, slot, kinship)) {
		case IOREQ_FAIL: fail_request(vm, v); break;
		case IOREQ_SERVE:
			if (slot.state == ACRN_IOREQ_STATE_PROCESSING)
				vm->resume |= 1u << v;
			break;
		case IOREQ_NOTHING:
			if (slot.state == ACRN_IOREQ_STATE_COMPLETE && !load_relaxed(&request->completion_polling))
				suspects |= 1u << v;
		}
	}
	renotify(vm, suspects);
}

/* Lines raised while there was no backend. Repeated until no change slipped in between. */
static void restore_lines(struct ioreq_vm *vm)
{
	uint64_t wanted, told;

	if (!vm->ops->set_line)
		return;
	/* All of them at first: a page may hold the levels of an engine that died. */
	told = ~load_relaxed(&vm->lines);
	/* B7 acquire: a level set after this is given to the backend by its setter. Pairs with B6. */
	while ((wanted = load_acquire(&vm->lines)) != told) {
		for (uint64_t left = wanted ^ told; left; left &= left - 1) {
			unsigned line = (unsigned)__builtin_ctzll(left);

			vm->ops->set_line(vm->context, line, wanted >> line & 1);
		}
		told = wanted;
	}
}

static int publish_vm(struct ioreq_vm *vm)
{
	int status;

	pthread_mutex_lock(&vm->engine->lock);
	status = ioreq_poller_add_vm(vm->poller, vm);
	pthread_mutex_unlock(&vm->engine->lock);
	return status;
}

static int attach_locked(struct ioreq_vm *vm, const struct ioreq_page *page, struct ioreq_error *error)
{
	int status = check_page(vm, page, error);

	if (status)
		return status;
	vm->slots = page->slots;
	vm->nr_vcpus = page->nr_vcpus;
	vm->ops = page->ops;
	vm->context = page->context;
	vm->watched = 0;
	vm->clearing = false;
	vm->leaving = false;
	vm->page_id = page->id;
	memset(vm->inflight, 0, sizeof(vm->inflight));
	adopt(vm, page);
	status = ioreq_journal_bind(vm->block, page);
	if (!status)
		status = publish_vm(vm);
	if (status) {
		vm->nr_vcpus = 0;
		return ioreq_error_set(error, -status, "%s: cannot be attached: %s", vm->name, strerror(-status));
	}
	/* Slots to resume are served from the attention path; there is no PENDING to find them by. */
	if (vm->resume)
		/* A1 release: resume before its bit. Pairs with A2. */
		or_release(&vm->attention, IOREQ_ATTEND_RESUME);
	store_relaxed(&vm->attached, true);
	vm->detach_asked = false;
	/* B4 full: ops and context before the door opens. Pairs with B3. */
	store_full(&vm->backend_ready, 1);
	restore_lines(vm);
	store_relaxed(&vm->stats->nr_vcpus, page->nr_vcpus);
	store_relaxed(&vm->stats->attached, 1);
	return 0;
}

int ioreq_vm_attach(struct ioreq_vm *vm, const struct ioreq_page *page, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = attach_locked(vm, page, error);
	ioreq_vm_unlock(vm);
	return status;
}

bool ioreq_vm_attached(const struct ioreq_vm *vm)
{
	return load_relaxed(&vm->attached);
}

/* ---- detach ------------------------------------------------------------------------------------------------ */

static void close_backend(struct ioreq_vm *vm)
{
	/* B2 full, twice: the door is closed before the callers are counted. Pairs with B1, B5. They stay for a call only. */
	store_full(&vm->backend_ready, 0);
	while (load_full(&vm->callers))
		ioreq_engine_sleep_ns(DRAIN_POLL_NS);
}

static int detach_locked(struct ioreq_vm *vm, struct ioreq_error *error)
{
	int status;

	if (!vm->attached)
		return ioreq_error_set(error, ENODEV, "%s: not attached", vm->name);
	/* Another drain that its caller gave up on comes first; while it is stuck, no detach is asked for. */
	status = await_drain(vm, error);
	if (!status && vm->nr_vcpus) {
		vm->detach_asked = true;
		status = ioreq_vm_drain(vm, NULL, true, error);
	}
	if (status)
		return status;
	pthread_mutex_lock(&vm->engine->lock);
	status = ioreq_poller_remove_vm(vm->poller, vm);
	pthread_mutex_unlock(&vm->engine->lock);
	if (status)
		return ioreq_error_set(error, -status, "%s: cannot be detached: %s", vm->name, strerror(-status));
	/* The poller may still walk a set that names the VM: its other fields change only after that. */
	if (ioreq_poller_quiesce(vm->poller, vm->clear_timeout_ns + IOREQ_MARGIN_NS))
		return ioreq_error_set(error, EBUSY, "%s: poller %s is held by a handler of another VM", vm->name,
				       vm->poller->name);
	close_backend(vm);
	/*
	 * J3 release: nothing is in flight, and the journal goes with the process: to the next engine the page is a new one,
	 * whose requests nobody has begun. Pairs with J2.
	 */
	if (vm->own_block && vm->page_id)
		store_release(vm->page_id, 0);
	store_relaxed(&vm->attached, false);
	vm->detach_asked = false;
	store_relaxed(&vm->stats->attached, 0);
	return 0;
}

int ioreq_vm_detach(struct ioreq_vm *vm, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = detach_locked(vm, error);
	ioreq_vm_unlock(vm);
	return status;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

static void free_vm(struct ioreq_vm *vm)
{
	struct ioreq_engine *engine = vm->engine;

	if (vm->stats)
		ioreq_engine_drop_record(engine, &vm->stats->used);
	if (vm->engine_stats)
		ioreq_engine_drop_record(engine, &vm->engine_stats->used);
	ioreq_doorbell_free_all(vm);
	if (vm->table)
		ioreq_engine_release(engine, vm->table, vm->table->bytes);
	if (vm->own_block)
		ioreq_engine_release(engine, vm->block, sizeof(*vm->block));
	free(vm->ranges);
	pthread_mutex_destroy(&vm->lock);
	pthread_mutex_destroy(&vm->bell_lock);
	ioreq_engine_release(engine, vm, sizeof(*vm));
}

static int take_block(struct ioreq_vm *vm, void *block, struct ioreq_error *error)
{
	vm->own_block = !block;
	vm->block = block ? block : ioreq_engine_allocate(vm->engine, sizeof(*vm->block), vm->poller->core);
	if (!vm->block)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", vm->name);
	if ((uintptr_t)vm->block % 64)
		return ioreq_error_set(error, EINVAL, "%s: block at %p; allowed: 64-byte aligned", vm->name, block);
	if (ioreq_block_open(vm->block))
		return ioreq_error_set(error, EPROTO, "%s: its state block is neither zeroed nor one of this version",
				       vm->name);
	return 0;
}

static int take_stats(struct ioreq_vm *vm, struct ioreq_error *error)
{
	struct ioreq_engine *engine = vm->engine;

	vm->stats = ioreq_stats_add_vm(engine->stats, vm->name);
	vm->engine_stats = ioreq_stats_add_client(engine->stats, "-");
	if (!vm->stats || !vm->engine_stats)
		return ioreq_error_set(error, ENOSPC, "%s: no stats record left", vm->name);
	vm->stats->poller = (uint64_t)(vm->poller->stats - engine->stats->pollers);
	vm->engine_stats->vm = (uint64_t)(vm->stats - engine->stats->vms);
	return 0;
}

static int name_free(const struct ioreq_engine *engine, const char *name, struct ioreq_error *error)
{
	for (unsigned i = 0; i < engine->nr_vms; i++)
		if (strcmp(engine->vms[i]->name, name) == 0)
			return ioreq_error_set(error, EEXIST, "VM %s: exists already", name);
	if (engine->nr_vms == IOREQ_STATS_MAX_VMS)
		return ioreq_error_set(error, ENOSPC, "VM %s: more than %d VMs", name, IOREQ_STATS_MAX_VMS);
	return 0;
}

static void drop_entry(const struct ioreq_vm *vm)
{
	struct ioreq_engine *engine = vm->engine;

	pthread_mutex_lock(&engine->lock);
	for (unsigned i = 0; i < engine->nr_vms; i++)
		if (engine->vms[i] == vm)
			engine->vms[i--] = engine->vms[--engine->nr_vms];
	pthread_mutex_unlock(&engine->lock);
}

static struct ioreq_vm *new_vm(struct ioreq_engine *engine, const struct ioreq_vm_config *config)
{
	struct ioreq_vm *vm = ioreq_engine_allocate(engine, sizeof(*vm), config->poller->core);

	if (!vm)
		return NULL;
	vm->engine = engine;
	vm->poller = config->poller;
	vm->strict_states = config->strict_states;
	vm->clear_timeout_ns = config->clear_timeout_ns ? config->clear_timeout_ns : DEFAULT_CLEAR_TIMEOUT_NS;
	strncpy(vm->name, config->name, sizeof(vm->name) - 1);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->bell_lock, NULL);
	return vm;
}

int ioreq_vm_create(struct ioreq_engine *engine, const struct ioreq_vm_config *config, struct ioreq_vm **vm_out,
		    struct ioreq_error *error)
{
	struct ioreq_vm *vm;
	int status = ioreq_engine_check_name("VM", config->name, error);

	if (status)
		return status;
	if (ioreq_engine_check_context())
		return ioreq_error_set(error, EDEADLK, "VM %s: cannot be created from a handler", config->name);
	vm = new_vm(engine, config);
	if (!vm)
		return ioreq_error_set(error, ENOMEM, "VM %s: out of memory", config->name);
	/* The entry is taken together with the look at the names: two creators must not get one name. */
	pthread_mutex_lock(&engine->lock);
	status = name_free(engine, config->name, error);
	if (!status)
		status = take_stats(vm, error);
	if (!status)
		engine->vms[engine->nr_vms++] = vm;
	pthread_mutex_unlock(&engine->lock);
	if (status) {
		free_vm(vm);
		return status;
	}
	status = take_block(vm, config->block, error);
	if (!status)
		status = ioreq_vm_publish(vm, NULL, 0, error);
	if (status) {
		drop_entry(vm);
		free_vm(vm);
		return status;
	}
	*vm_out = vm;
	return 0;
}

int ioreq_vm_destroy(struct ioreq_vm *vm, struct ioreq_error *error)
{
	int status = ioreq_vm_attached(vm) ? ioreq_vm_detach(vm, error) : 0;

	while (!status && vm->clients)
		status = ioreq_client_remove(vm->clients, error);
	if (status)
		return status;
	drop_entry(vm);
	free_vm(vm);
	return 0;
}
