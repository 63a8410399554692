/* SPDX-License-Identifier: MIT */
/*
 * Clients and ranges from outside: added, removed, looked up, wired to interrupts.
 *
 * Threads   Any but the engine's own; serialised by the VM's lock. ioreq_set_line() and ioreq_inject_msi(): any.
 * Memory    A client's struct and ring belong to the poller's node; both are freed when
 *           the poller was seen to pass without them in its table.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/atomic.h"
#include "core/client.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/poller.h"
#include "core/stats.h"
#include "core/vm.h"

#define JOIN_POLL_NS 50000

/* ---- adding ------------------------------------------------------------------------------------------------ */

static int check_config(struct ioreq_vm *vm, const struct ioreq_client_config *config, struct ioreq_error *error)
{
	int status = ioreq_engine_check_name("client", config->name, error);
	unsigned nr_clients = 0;

	if (status)
		return status;
	if (!config->ops || !config->ops->handle)
		return ioreq_error_set(error, EINVAL, "client %s: no device, or one without a handler", config->name);
	if ((unsigned)config->delivery > IOREQ_THREAD)
		return ioreq_error_set(error, EINVAL, "client %s: delivery %u; allowed: inline, thread", config->name,
				       (unsigned)config->delivery);
	for (const struct ioreq_client *other = vm->clients; other; other = other->next, nr_clients++)
		if (strcmp(other->name, config->name) == 0 || other->number == ioreq_journal_client(config->name))
			return ioreq_error_set(
				error, EEXIST, "client %s: the VM has a client %s%s", config->name, other->name,
				strcmp(other->name, config->name) ? ", and their journal numbers agree: rename one"
								  : " already");
	if (nr_clients >= IOREQ_MAX_CLIENTS)
		return ioreq_error_set(error, ENOSPC, "client %s: more than %d clients in %s", config->name,
				       IOREQ_MAX_CLIENTS, vm->name);
	if (config->is_default && vm->default_client)
		return ioreq_error_set(error, EEXIST, "client %s: %s is the default client already", config->name,
				       vm->default_client->name);
	return 0;
}

static struct ioreq_client *new_client(struct ioreq_vm *vm, const struct ioreq_client_config *config)
{
	struct ioreq_client *client = ioreq_engine_allocate(vm->engine, sizeof(*client), vm->poller->core);

	if (!client)
		return NULL;
	client->vm = vm;
	client->ops = config->ops;
	client->handle = config->ops->handle;
	client->wait = config->wait;
	client->number = ioreq_journal_client(config->name);
	strncpy(client->name, config->name, sizeof(client->name) - 1);
	if (config->delivery == IOREQ_THREAD) {
		client->ring = ioreq_engine_allocate(vm->engine, sizeof(*client->ring), vm->poller->core);
		if (!client->ring)
			goto fail;
	}
	return client;
fail:
	ioreq_engine_release(vm->engine, client, sizeof(*client));
	return NULL;
}

static int take_record(struct ioreq_client *client, const struct ioreq_client_config *config, struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;

	pthread_mutex_lock(&vm->engine->lock);
	client->stats = ioreq_stats_add_client(vm->engine->stats, config->name);
	pthread_mutex_unlock(&vm->engine->lock);
	if (!client->stats)
		return ioreq_error_set(error, ENOSPC, "client %s: more than %d clients in all VMs together",
				       config->name, IOREQ_STATS_MAX_CLIENTS);
	client->stats->vm = (uint64_t)(vm->stats - vm->engine->stats->vms);
	client->stats->delivery = config->delivery;
	return 0;
}

static int create_device(struct ioreq_client *client, const struct ioreq_client_config *config,
			 struct ioreq_error *error)
{
	struct ioreq_error local = {.text = ""};
	struct ioreq_create create = {.client = client,
				      .name = client->name,
				      .settings = config->settings,
				      .nr_settings = config->nr_settings};
	int status;

	if (config->ops->state_bytes) {
		create.state =
			ioreq_block_state(client->vm->block, client->name, config->ops->state_bytes, &create.recovered);
		if (!create.state)
			return ioreq_error_set(error, ENOSPC,
					       "client %s: no room for %zu bytes of device state; allowed: %u per "
					       "device, %u per VM",
					       client->name, config->ops->state_bytes, 65536u, IOREQ_BLOCK_STATE_BYTES);
	}
	status = config->ops->create ? config->ops->create(&create, &client->device, &local) : 0;
	client->created = !status;
	if (status)
		return ioreq_error_set(error, -status, "client %s: %s", client->name,
				       local.text[0] ? local.text : strerror(-status));
	return 0;
}

static int start_thread(struct ioreq_client *client, int core, struct ioreq_error *error)
{
	int status;

	if (!client->ring)
		return 0;
	status = ioreq_engine_start_thread(client->vm->engine, client->name, core, ioreq_client_thread, client,
					   &client->thread);
	if (status)
		return ioreq_error_set(error, -status, "client %s: its thread cannot be started: %s", client->name,
				       strerror(-status));
	client->started = true;
	return 0;
}

/* The VM's ranges with one client's `added` behind them; NULL without memory. */
static struct ioreq_owned_range *ranges_with(const struct ioreq_vm *vm, struct ioreq_client *client,
					     const struct ioreq_range *added, size_t nr_added)
{
	struct ioreq_owned_range *ranges = calloc(vm->nr_ranges + nr_added + 1, sizeof(*ranges));

	if (!ranges)
		return NULL;
	if (vm->nr_ranges)
		memcpy(ranges, vm->ranges, vm->nr_ranges * sizeof(*ranges));
	for (size_t i = 0; i < nr_added; i++)
		ranges[vm->nr_ranges + i] = (struct ioreq_owned_range){.range = added[i], .client = client};
	return ranges;
}

static int publish_added(struct ioreq_client *client, const struct ioreq_range *added, size_t nr_added,
			 struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;
	struct ioreq_owned_range *ranges;
	int status;

	if (nr_added > IOREQ_MAX_RANGES - vm->nr_ranges)
		return ioreq_error_set(error, ENOSPC, "client %s: more than %d ranges in one VM", client->name,
				       IOREQ_MAX_RANGES);
	ranges = ranges_with(vm, client, added, nr_added);
	if (!ranges)
		return ioreq_error_set(error, ENOMEM, "client %s: out of memory", client->name);
	status = ioreq_vm_publish(vm, ranges, vm->nr_ranges + nr_added, error);
	if (status)
		free(ranges);
	return status;
}

static void free_client(struct ioreq_client *client)
{
	struct ioreq_vm *vm = client->vm;

	if (client->created && client->ops->destroy)
		client->ops->destroy(client->device);
	if (client->stats && !vm->engine->ended)
		add_relaxed(&vm->stats->departed, load_relaxed(&client->stats->completed));
	if (client->stats)
		ioreq_engine_drop_record(vm->engine, &client->stats->used);
	ioreq_engine_release(vm->engine, client->ring, sizeof(*client->ring));
	ioreq_engine_release(vm->engine, client, sizeof(*client));
}

/* Ends the thread. -EBUSY if its handler does not return. */
static int end_thread(struct ioreq_client *client)
{
	uint64_t end_ns = ioreq_engine_now_ns() + client->vm->clear_timeout_ns + IOREQ_MARGIN_NS;

	if (!client->started)
		return 0;
	store_relaxed(&client->stop, 1);
	/* CL2 acquire: the handler is over. Pairs with CL1. */
	while (!load_acquire(&client->ended)) {
		ioreq_ring_wake(client->ring);
		if (ioreq_engine_now_ns() >= end_ns)
			return -EBUSY;
		ioreq_engine_sleep_ns(JOIN_POLL_NS);
	}
	pthread_join(client->thread, NULL);
	client->started = false;
	return 0;
}

static int add_locked(struct ioreq_vm *vm, const struct ioreq_client_config *config, struct ioreq_client **client_out,
		      struct ioreq_error *error)
{
	struct ioreq_client *client, *old_default = vm->default_client;
	int status = check_config(vm, config, error);

	if (status)
		return status;
	client = new_client(vm, config);
	if (!client)
		return ioreq_error_set(error, ENOMEM, "client %s: out of memory", config->name);
	status = take_record(client, config, error);
	if (!status)
		status = create_device(client, config, error);
	if (status) {
		free_client(client);
		return status;
	}
	status = start_thread(client, config->core, error);
	if (config->is_default)
		vm->default_client = client;
	if (!status)
		status = publish_added(client, config->ranges, config->nr_ranges, error);
	if (status) {
		vm->default_client = old_default;
		/* Nothing was ever posted to it: its thread ends as soon as it is scheduled, whatever the VM's timeout is. */
		while (end_thread(client))
			;
		free_client(client);
		return status;
	}
	client->next = vm->clients;
	vm->clients = client;
	*client_out = client;
	return 0;
}

int ioreq_client_add(struct ioreq_vm *vm, const struct ioreq_client_config *config, struct ioreq_client **client_out,
		     struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = add_locked(vm, config, client_out, error);
	ioreq_vm_unlock(vm);
	return status;
}

/* ---- removing ---------------------------------------------------------------------------------------------- */

static int unpublish(struct ioreq_client *client, struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;
	struct ioreq_owned_range *ranges = calloc(vm->nr_ranges + 1, sizeof(*ranges));
	struct ioreq_client *old_default = vm->default_client;
	size_t kept = 0;
	int status;

	if (!ranges)
		return ioreq_error_set(error, ENOMEM, "client %s: out of memory", client->name);
	for (size_t i = 0; i < vm->nr_ranges; i++)
		if (vm->ranges[i].client != client)
			ranges[kept++] = vm->ranges[i];
	if (old_default == client)
		vm->default_client = NULL;
	status = ioreq_vm_publish(vm, ranges, kept, error);
	if (status) {
		vm->default_client = old_default;
		free(ranges);
	}
	return status;
}

static void unlink_client(struct ioreq_client *client)
{
	struct ioreq_client **at = &client->vm->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
}

static int remove_locked(struct ioreq_client *client, struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;
	int status = unpublish(client, error);

	if (status)
		return status;
	/* No sweep that could still deliver to it; then nothing of it in flight; then its thread; then the device. */
	if (ioreq_poller_quiesce(vm->poller, vm->clear_timeout_ns + IOREQ_MARGIN_NS))
		return ioreq_error_set(error, EBUSY,
				       "client %s: poller %s is held by an inline handler that does not return",
				       client->name, vm->poller->name);
	if (client->ring && vm->attached) {
		status = ioreq_vm_drain(vm, client, false, error);
		if (status)
			return status;
	}
	if (end_thread(client))
		return ioreq_error_set(error, EBUSY, "client %s: its handler does not return", client->name);
	unlink_client(client);
	free_client(client);
	return 0;
}

int ioreq_client_remove(struct ioreq_client *client, struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = remove_locked(client, error);
	ioreq_vm_unlock(vm);
	return status;
}

/* ---- ranges ------------------------------------------------------------------------------------------------ */

int ioreq_range_add(struct ioreq_client *client, const struct ioreq_range *range, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(client->vm, error);

	if (status)
		return status;
	status = publish_added(client, range, 1, error);
	ioreq_vm_unlock(client->vm);
	return status;
}

static int remove_range_locked(struct ioreq_client *client, const struct ioreq_range *range, struct ioreq_error *error)
{
	struct ioreq_vm *vm = client->vm;
	struct ioreq_owned_range *ranges = calloc(vm->nr_ranges + 1, sizeof(*ranges));
	size_t kept = 0;
	int status;

	if (!ranges)
		return ioreq_error_set(error, ENOMEM, "client %s: out of memory", client->name);
	for (size_t i = 0; i < vm->nr_ranges; i++) {
		const struct ioreq_owned_range *owned = &vm->ranges[i];

		if (owned->client != client || owned->range.space != range->space ||
		    owned->range.start != range->start || owned->range.last != range->last)
			ranges[kept++] = *owned;
	}
	if (kept == vm->nr_ranges)
		status = ioreq_error_set(error, ENOENT, "client %s: owns no range %s 0x%" PRIx64 "..0x%" PRIx64,
					 client->name, ioreq_route_space_name(range->space), range->start, range->last);
	else
		status = ioreq_vm_publish(vm, ranges, kept, error);
	if (status)
		free(ranges);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the VM has taken them over */
	return status;
}

int ioreq_range_remove(struct ioreq_client *client, const struct ioreq_range *range, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(client->vm, error);

	if (status)
		return status;
	status = remove_range_locked(client, range, error);
	ioreq_vm_unlock(client->vm);
	return status;
}

static int replace_locked(struct ioreq_vm *vm, const struct ioreq_owned_range *wanted, size_t nr_wanted,
			  struct ioreq_error *error)
{
	struct ioreq_owned_range *ranges;
	int status;

	if (nr_wanted > IOREQ_MAX_RANGES)
		return ioreq_error_set(error, ENOSPC, "%s: %zu ranges; allowed: %d", vm->name, nr_wanted,
				       IOREQ_MAX_RANGES);
	for (size_t i = 0; i < nr_wanted; i++)
		if (!wanted[i].client || wanted[i].client->vm != vm)
			return ioreq_error_set(error, EINVAL, "%s: range %zu belongs to no client of this VM", vm->name,
					       i);
	ranges = calloc(nr_wanted + 1, sizeof(*ranges));
	if (!ranges)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", vm->name);
	if (nr_wanted)
		memcpy(ranges, wanted, nr_wanted * sizeof(*ranges));
	status = ioreq_vm_publish(vm, ranges, nr_wanted, error);
	if (status)
		free(ranges);
	return status;
}

int ioreq_ranges_replace(struct ioreq_vm *vm, const struct ioreq_owned_range *ranges, size_t nr_ranges,
			 struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = replace_locked(vm, ranges, nr_ranges, error);
	ioreq_vm_unlock(vm);
	return status;
}

int ioreq_range_owner(struct ioreq_vm *vm, enum ioreq_space space, uint64_t address, unsigned size,
		      char name[IOREQ_NAME_BYTES], struct ioreq_range *range_out)
{
	const struct ioreq_access access = {.space = (uint8_t)space, .address = address, .size = (uint8_t)size};
	const struct ioreq_route_target *target;
	const struct ioreq_client *client;

	if ((unsigned)space >= IOREQ_NR_SPACES || size < 1 || size > 8 || address > ioreq_space_last(space) ||
	    size - 1 > ioreq_space_last(space) - address)
		return -EINVAL;
	if (ioreq_vm_lock(vm, NULL))
		return -EDEADLK;
	/* Plain read of the table: under the lock that every update holds. */
	target = ioreq_route_find(vm->table, &access);
	client = target ? target->client : vm->default_client;
	memset(name, 0, IOREQ_NAME_BYTES);
	if (client)
		strcpy(name, client->name);
	if (range_out) {
		*range_out = (struct ioreq_range){.space = space};
		if (target) {
			range_out->start = *ioreq_route_start_of(&vm->table->spaces[space], target);
			range_out->last = target->last;
		}
	}
	ioreq_vm_unlock(vm);
	return 0;
}

/* ---- interrupts -------------------------------------------------------------------------------------------- */

/*
 * Callers come from any thread, the poll core too, and must not find a backend that is being taken away: they count
 * themselves in before they look, the detach looks for them after it has closed the door.
 */
static bool enter_backend(struct ioreq_vm *vm)
{
	/* B1 full: counted in before the door is looked at. Pairs with B2. Without it: inside after the detach. */
	add_full(&vm->callers, 1);
	/* B3 full: ops and context are set. Pairs with B4. */
	if (load_full(&vm->backend_ready))
		return true;
	/* B5 release: nothing was touched. Pairs with B2. */
	sub_release(&vm->callers, 1);
	return false;
}

static void leave_backend(struct ioreq_vm *vm)
{
	/* B5 release: the backend's last access before the count. Pairs with B2. Without it: unmapped under it. */
	sub_release(&vm->callers, 1);
}

int ioreq_set_line(struct ioreq_client *client, unsigned line, bool level)
{
	struct ioreq_vm *vm = client->vm;
	uint64_t bit = UINT64_C(1) << (line & 63);
	int status;

	if (line > 63)
		return -EINVAL;
	/* B6 release: remembered before the backend is told, so that an attach in between tells it too. Pairs with B7. */
	if (level)
		or_release(&vm->lines, bit);
	else
		and_release(&vm->lines, ~bit);
	if (!enter_backend(vm))
		return -ENODEV;
	add_relaxed(&vm->stats->interrupts, 1);
	status = vm->ops->set_line ? vm->ops->set_line(vm->context, line, level) : -ENOTSUP;
	leave_backend(vm);
	return status;
}

int ioreq_inject_msi(struct ioreq_client *client, uint64_t address, uint32_t data)
{
	struct ioreq_vm *vm = client->vm;
	int status;

	if (!enter_backend(vm))
		return -ENODEV;
	add_relaxed(&vm->stats->interrupts, 1);
	status = vm->ops->inject_msi ? vm->ops->inject_msi(vm->context, address, data) : -ENOTSUP;
	leave_backend(vm);
	return status;
}
