/* SPDX-License-Identifier: MIT */
/*
 * The engine as a program sees it: pollers, VMs, clients, ranges, doorbells.
 *
 *	engine -> poller (one core, one loop) -> VM (one page) -> client (one device) -> ranges
 *
 * A VM belongs to one poller and a client to one VM, for life. Ranges and clients come and go while the guest
 * runs: every change is one new immutable table, published through RCU.
 *
 * Life      create engine, pollers, VMs, clients; attach a page to each VM; start the pollers; change what must
 *           change; detach the VMs; stop the pollers; destroy the engine. A VM can be attached again.
 * Threads   Every function here may be called from any thread but a handler's (-EDEADLK from there) and is serialised
 *           inside; a device's create() and destroy() make no control calls on their own VM. None is for the poll core. They lock and allocate.
 * Memory    Handles are the engine's. Configurations are copied, strings too.
 * Errors    0 or -errno, with a sentence where a `struct ioreq_error *` is taken. Outputs are untouched on error.
 */
#ifndef IOREQ_ENGINE_H
#define IOREQ_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/backend.h>
#include <ioreq/client.h>
#include <ioreq/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ioreq_engine;
struct ioreq_poller;
struct ioreq_vm;

#define IOREQ_NAME_BYTES 32    /* of a poller, VM, client or doorbell, with the terminating 0 */
#define IOREQ_MAX_CLIENTS 128  /* per VM */
#define IOREQ_MAX_RANGES 16384 /* per VM, all spaces together */

/* ---- host ------------------------------------------------------------------------------------------------- */

/* What the host process does for the engine. A NULL member: libc and pthreads. */
struct ioreq_host {
	void *context;
	/* Zeroed memory, 64-byte aligned, for the poller on `core` (-1: none in particular). NULL: none left. */
	void *(*allocate)(void *context, size_t bytes, int core);
	void (*release)(void *context, void *memory, size_t bytes);
	/* Starts `run(argument)` on `core` (-1: the host's choice, never a poll core). Returns 0 or -errno. */
	int (*start_thread)(void *context, const char *name, int core, void *(*run)(void *), void *argument,
			    pthread_t *thread_out);
};

struct ioreq_engine_config {
	struct ioreq_host host;
	void *stats; /* IOREQ_STATS_BYTES of zeroed memory, page-aligned (stats.h), or NULL: private */
};

/* Creates an engine and its housekeeping thread (frees old tables; inherits the caller's affinity). -ENOMEM, -EAGAIN. */
int ioreq_engine_create(const struct ioreq_engine_config *config, struct ioreq_engine **engine_out);

/*
 * Stops the pollers, removes all clients and VMs, frees everything. Returns 0; -EBUSY, with the client's name in
 * `error`, if a handler does not return: then nothing that it may touch was freed, and the caller ends the process.
 */
int ioreq_engine_destroy(struct ioreq_engine *engine, struct ioreq_error *error);

/* ---- poller ----------------------------------------------------------------------------------------------- */

enum ioreq_idle {
	IOREQ_IDLE_PAUSE, /* a PAUSE per empty sweep: kinder to the sibling hyperthread */
	IOREQ_IDLE_SPIN,  /* nothing */
	IOREQ_IDLE_YIELD, /* sched_yield: for machines with fewer cores than spinning threads; a system call */
};

struct ioreq_poller_config {
	const char *name;
	int core; /* for ioreq_poller_start(); -1: no core in particular */
	enum ioreq_idle idle;
};

/* -EINVAL (name empty or too long), -EEXIST (name), -ENOSPC (16 pollers), -ENOMEM. */
int ioreq_poller_create(struct ioreq_engine *engine, const struct ioreq_poller_config *config,
			struct ioreq_poller **poller_out, struct ioreq_error *error);

/*
 * Runs the poll loop on the calling thread until ioreq_poller_stop(). Registers with RCU on entry, unregisters
 * before it returns. Returns 0; -EBUSY if the loop runs already. For a host that brings its own cores.
 */
int ioreq_poller_run(struct ioreq_poller *poller);

/*
 * The same on a thread of its own, through host.start_thread. Returns when it is started. 0, -EBUSY, or what starting a
 * thread answers: -EAGAIN, -EINVAL (no such core), -EPERM.
 */
int ioreq_poller_start(struct ioreq_poller *poller);

/*
 * Ends the loop that runs, and waits for it. Later requests stay PENDING for the next loop. Returns 0; -EBUSY, with
 * the client in `error`, if an inline handler does not return within a second: the loop ends when it does.
 */
int ioreq_poller_stop(struct ioreq_poller *poller, struct ioreq_error *error);

/* Sweeps so far. A number that does not move is a poller that is stuck or not running. */
uint64_t ioreq_poller_sweeps(const struct ioreq_poller *poller);

/* ---- VM --------------------------------------------------------------------------------------------------- */

struct ioreq_vm_config {
	const char *name;
	struct ioreq_poller *poller;
	/*
	 * true (the documented cycle): PROCESSING is stored before an inline handler runs. false: inline requests go
	 * from PENDING to COMPLETE, one line transfer less; the hypervisor looks only for COMPLETE.
	 */
	bool strict_states;
	uint64_t clear_timeout_ns; /* what clients get for the requests they hold; 0: 100 ms */
	/*
	 * Journal and device state: ioreq_block_bytes() of 64-byte aligned memory, zeroed when new, that outlives what
	 * shall be recovered. NULL: the engine's own, lost with the process.
	 */
	void *block;
};

/* Bytes of a VM's block. */
size_t ioreq_block_bytes(void);

/* -EINVAL, -EEXIST (name), -ENOSPC (64 VMs), -ENOMEM; -EPROTO for a block that is neither zeroed nor one of ours. */
int ioreq_vm_create(struct ioreq_engine *engine, const struct ioreq_vm_config *config, struct ioreq_vm **vm_out,
		    struct ioreq_error *error);

/*
 * Detaches, removes the clients one after the other, frees. Errors as ioreq_vm_detach() and ioreq_client_remove(): the VM
 * and the client named stay, clients removed before it are gone; call again.
 */
int ioreq_vm_destroy(struct ioreq_vm *vm, struct ioreq_error *error);

/*
 * Gives the VM a page and starts to serve it. What an engine before this one left in the page is settled first:
 * a request given to nobody is served, one whose handler may have begun is failed (all ones), never run twice.
 * `page` is copied; what it points at stays the caller's and stays mapped until ioreq_vm_detach() returned 0.
 * Returns 0, -EBUSY (attached already), -EINVAL (vCPU count outside 1..16, page not aligned), -EAGAIN (too many tables
 * wait to be freed), -ENOMEM; not attached then, but what was left behind may be settled already.
 */
int ioreq_vm_attach(struct ioreq_vm *vm, const struct ioreq_page *page, struct ioreq_error *error);

/*
 * Stops serving the page: clients get clear_timeout_ns for what they hold, the rest is taken away and answered with all
 * ones, then the poller lets go for good. New requests stay PENDING, for the next attach or the next engine. When 0 is
 * returned nobody in this process touches the page again. -EBUSY, with the client's name: a handler does not return; the
 * page must stay mapped, the request stays asked for, call again. -ENODEV: not attached. -EAGAIN, -ENOMEM: call again.
 */
int ioreq_vm_detach(struct ioreq_vm *vm, struct ioreq_error *error);

/*
 * Clears the VM before a reset (pause it first): new requests are completed at once with all ones, clients get
 * clear_timeout_ns for what they hold, the rest is taken away and completed for them, a completer that has won is
 * waited for. When 0 is returned no completion follows for a request posted before the call, and normal service
 * goes on. -EBUSY, with the client's name: a handler does not return (the request stays asked for). -ENODEV.
 */
int ioreq_vm_clear(struct ioreq_vm *vm, struct ioreq_error *error);

bool ioreq_vm_attached(const struct ioreq_vm *vm);

/* ---- clients, ranges, doorbells --------------------------------------------------------------------------- */

enum ioreq_delivery {
	IOREQ_INLINE, /* the handler runs on the poll core */
	IOREQ_THREAD, /* the handler runs on the client's own thread, behind a ring */
};

/* How a client's thread waits for requests. */
enum ioreq_wait {
	IOREQ_WAIT_PARK,  /* spins for a moment, then sleeps; the poller wakes it (a system call on the poll core) */
	IOREQ_WAIT_SPIN,  /* never sleeps: for a client with a core of its own */
	IOREQ_WAIT_YIELD, /* sched_yield between looks */
};

/* [start, last] of one space, both inclusive. */
struct ioreq_range {
	uint64_t start;
	uint64_t last;
	enum ioreq_space space;
};

struct ioreq_client_config {
	const char *name; /* unique in the VM */
	const struct ioreq_device_ops *ops;
	const struct ioreq_setting *settings;
	size_t nr_settings;
	enum ioreq_delivery delivery;
	int core;             /* thread delivery: its core, -1: the host's choice */
	enum ioreq_wait wait; /* thread delivery */
	bool is_default;      /* gets what no range contains whole, and what others answer UNHANDLED */
	const struct ioreq_range *ranges;
	size_t nr_ranges;
};

/*
 * Creates the device and publishes its ranges, all or nothing. Errors: the device's own; -EINVAL (name, range upside
 * down or outside its space); -EEXIST (client name, second default client, overlap: both owners and ranges named);
 * -ENOSPC (128 clients, IOREQ_MAX_RANGES, block full); -EAGAIN (too many tables wait to be freed); -ENOMEM.
 */
int ioreq_client_add(struct ioreq_vm *vm, const struct ioreq_client_config *config, struct ioreq_client **client_out,
		     struct ioreq_error *error);

/*
 * Takes the client's ranges away, lets it finish what it holds within clear_timeout_ns, completes the rest for it,
 * ends its thread, destroys the device. Its engine-kept state is kept in the block for a client of the same name.
 * -EBUSY: a handler does not return; ranges are gone, the client stays; call again. -EDEADLK from a handler. -EAGAIN,
 * -ENOMEM: nothing was changed.
 */
int ioreq_client_remove(struct ioreq_client *client, struct ioreq_error *error);

/* Adds or removes a range of a client. -EINVAL, -EEXIST (overlap), -ENOENT (not this client's), -ENOSPC, -EAGAIN, -ENOMEM. */
int ioreq_range_add(struct ioreq_client *client, const struct ioreq_range *range, struct ioreq_error *error);
int ioreq_range_remove(struct ioreq_client *client, const struct ioreq_range *range, struct ioreq_error *error);

struct ioreq_owned_range {
	struct ioreq_range range;
	struct ioreq_client *client;
};

/* Replaces all ranges of the VM at once: an access sees the old table or the new one. Errors as ioreq_range_add(). */
int ioreq_ranges_replace(struct ioreq_vm *vm, const struct ioreq_owned_range *ranges, size_t nr_ranges,
			 struct ioreq_error *error);

/*
 * Who would get an access of `size` bytes at `address`: writes the owner's name, the default client's, or "" into
 * `name` and the range (start = last = 0 without one) into `range_out`, which may be NULL. Returns 0, -EINVAL, -EDEADLK.
 */
int ioreq_range_owner(struct ioreq_vm *vm, enum ioreq_space space, uint64_t address, unsigned size,
		      char name[IOREQ_NAME_BYTES], struct ioreq_range *range_out);

/*
 * An eventfd that a guest's write signals instead of a handler. A write matches if its address is `address`, it is
 * not longer than `size`, and, unless `any_data`, its value equals `data`. Other accesses go to the range's owner.
 */
struct ioreq_doorbell {
	const char *name; /* unique in the VM; ioreq_doorbell_fd() finds it by this name */
	enum ioreq_space space;
	uint64_t address;
	unsigned size; /* 1, 2, 4; MMIO also 8 */
	uint64_t data;
	bool any_data;
};

/* -EINVAL, -EEXIST (name, or one that could match the same write), -EAGAIN, -ENOMEM, -EMFILE. */
int ioreq_doorbell_add(struct ioreq_vm *vm, const struct ioreq_doorbell *doorbell, struct ioreq_error *error);
/* Closes the eventfd once no poller can signal it. -ENOENT, -EBUSY (an inline handler does not return). */
int ioreq_doorbell_remove(struct ioreq_vm *vm, const char *name, struct ioreq_error *error);
/* The eventfd by name, which stays the engine's; -ENOENT. */
int ioreq_vm_doorbell_fd(struct ioreq_vm *vm, const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
