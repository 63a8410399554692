/* SPDX-License-Identifier: MIT */
/*
 * Doorbells: added, removed, found by name.
 *
 * Threads   Adding and removing: any but the engine's own, under the VM's lock. Finding: any but a poller; a lock of its
 *           own, so that a device can ask while it is being created under the VM's lock.
 * Memory    An eventfd is closed when the poller has answered that it no longer has the doorbell in its table.
 */
#include "core/doorbell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/client.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/poller.h"

struct ioreq_bell *ioreq_doorbell_list(struct ioreq_vm *vm, size_t *nr_out)
{
	struct ioreq_bell *bells = calloc(vm->nr_bells + 1, sizeof(*bells));

	if (!bells)
		return NULL;
	for (size_t i = 0; i < vm->nr_bells; i++)
		bells[i] = vm->bells[i].bell;
	*nr_out = vm->nr_bells;
	return bells;
}

void ioreq_doorbell_free_all(struct ioreq_vm *vm)
{
	for (size_t i = 0; i < vm->nr_bells; i++)
		close(vm->bells[i].bell.eventfd);
	free(vm->bells);
}

static int check(struct ioreq_vm *vm, const struct ioreq_doorbell *doorbell, const struct ioreq_bell *bell,
		 struct ioreq_error *error)
{
	unsigned widest = doorbell->space == IOREQ_MMIO ? 8 : 4;
	int status = ioreq_engine_check_name("doorbell", doorbell->name, error);

	if (status)
		return status;
	if ((unsigned)doorbell->space >= IOREQ_NR_SPACES || doorbell->address > ioreq_space_last(doorbell->space))
		return ioreq_error_set(error, EINVAL, "doorbell %s: no such address in its space", doorbell->name);
	if (!doorbell->size || doorbell->size > widest || (doorbell->size & (doorbell->size - 1)))
		return ioreq_error_set(error, EINVAL, "doorbell %s: size %u; allowed: 1, 2, 4, mmio also 8",
				       doorbell->name, doorbell->size);
	for (size_t i = 0; i < vm->nr_bells; i++) {
		if (strcmp(vm->bells[i].name, doorbell->name) == 0)
			return ioreq_error_set(error, EEXIST, "doorbell %s: exists already", doorbell->name);
		if (ioreq_route_bells_conflict(&vm->bells[i].bell, bell))
			return ioreq_error_set(error, EEXIST,
					       "doorbell %s: a write to %s 0x%" PRIx64 " could ring %s too",
					       doorbell->name, ioreq_route_space_name(doorbell->space),
					       doorbell->address, vm->bells[i].name);
	}
	return 0;
}

/* Swaps the list; the caller publishes it. Returns the old one. */
static struct ioreq_named_bell *swap_list(struct ioreq_vm *vm, struct ioreq_named_bell *bells, size_t nr_bells)
{
	struct ioreq_named_bell *old = vm->bells;

	pthread_mutex_lock(&vm->bell_lock);
	vm->bells = bells;
	vm->nr_bells = nr_bells;
	pthread_mutex_unlock(&vm->bell_lock);
	return old;
}

static int add_locked(struct ioreq_vm *vm, const struct ioreq_doorbell *doorbell, struct ioreq_error *error)
{
	struct ioreq_named_bell added = {.bell = {.space = (uint8_t)doorbell->space,
						  .address = doorbell->address,
						  .size = doorbell->size,
						  .data = doorbell->data,
						  .any_data = doorbell->any_data}};
	struct ioreq_named_bell *bells, *old;
	size_t nr = vm->nr_bells;
	int status = check(vm, doorbell, &added.bell, error);

	if (status)
		return status;
	strncpy(added.name, doorbell->name, sizeof(added.name) - 1);
	added.bell.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (added.bell.eventfd < 0)
		return ioreq_error_set(error, errno, "doorbell %s: no eventfd: %s", doorbell->name, strerror(errno));
	bells = calloc(nr + 1, sizeof(*bells));
	if (!bells) {
		close(added.bell.eventfd);
		return ioreq_error_set(error, ENOMEM, "doorbell %s: out of memory", doorbell->name);
	}
	if (nr)
		memcpy(bells, vm->bells, nr * sizeof(*bells));
	bells[nr] = added;
	old = swap_list(vm, bells, nr + 1);
	status = ioreq_vm_publish(vm, vm->ranges, vm->nr_ranges, error);
	if (status) {
		swap_list(vm, old, nr);
		close(added.bell.eventfd);
		old = bells;
	}
	free(old);
	return status;
}

int ioreq_doorbell_add(struct ioreq_vm *vm, const struct ioreq_doorbell *doorbell, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = add_locked(vm, doorbell, error);
	ioreq_vm_unlock(vm);
	return status;
}

static int remove_locked(struct ioreq_vm *vm, const char *name, struct ioreq_error *error)
{
	struct ioreq_named_bell *bells = calloc(vm->nr_bells + 1, sizeof(*bells)), *old;
	size_t kept = 0, nr = vm->nr_bells;
	int fd = -1, status;

	if (!bells)
		return ioreq_error_set(error, ENOMEM, "doorbell %s: out of memory", name);
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(vm->bells[i].name, name) == 0)
			fd = vm->bells[i].bell.eventfd;
		else
			bells[kept++] = vm->bells[i];
	}
	if (fd < 0) {
		free(bells);
		return ioreq_error_set(error, ENOENT, "doorbell %s: no such doorbell", name);
	}
	old = swap_list(vm, bells, kept);
	status = ioreq_vm_publish(vm, vm->ranges, vm->nr_ranges, error);
	if (!status && ioreq_poller_quiesce(vm->poller, vm->clear_timeout_ns + IOREQ_MARGIN_NS))
		status = ioreq_error_set(error, EBUSY, "doorbell %s: poller %s does not move", name, vm->poller->name);
	if (status) {
		/* Back as it was, in the table too where that is possible: the caller may try again. */
		free(swap_list(vm, old, nr));
		ioreq_vm_publish(vm, vm->ranges, vm->nr_ranges, NULL);
		return status;
	}
	free(old);
	close(fd);
	return 0;
}

int ioreq_doorbell_remove(struct ioreq_vm *vm, const char *name, struct ioreq_error *error)
{
	int status = ioreq_vm_lock(vm, error);

	if (status)
		return status;
	status = remove_locked(vm, name, error);
	ioreq_vm_unlock(vm);
	return status;
}

int ioreq_vm_doorbell_fd(struct ioreq_vm *vm, const char *name)
{
	int fd = -ENOENT;

	pthread_mutex_lock(&vm->bell_lock);
	for (size_t i = 0; i < vm->nr_bells; i++)
		if (strcmp(vm->bells[i].name, name) == 0)
			fd = vm->bells[i].bell.eventfd;
	pthread_mutex_unlock(&vm->bell_lock);
	return fd;
}

int ioreq_doorbell_fd(struct ioreq_client *client, const char *name)
{
	return ioreq_vm_doorbell_fd(client->vm, name);
}
