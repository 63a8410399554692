/* SPDX-License-Identifier: MIT */
/*
 * What a device author needs: a table of functions, an answer, and a few calls back into the engine.
 *
 * A device is a `struct ioreq_device_ops`. The engine creates an instance (a client of one VM), hands it every
 * access to its ranges and sends the answer to the guest:
 *
 *	static enum ioreq_result handle(void *device, struct ioreq_access *access)
 *	{
 *		struct latch *latch = device;
 *		if (access->direction == IOREQ_WRITE)
 *			latch->value = (uint32_t)access->value;
 *		else
 *			access->value = latch->value;
 *		return IOREQ_DONE;
 *	}
 *
 * Threads   handle() of one client is never called by two threads at once. Inline delivery calls it on the poll
 *           core: no system call, no lock, no allocation, no blocking; every microsecond there is one for all VMs
 *           of the poller. Thread delivery calls it on the client's own thread, where it may block. create() and
 *           destroy() run on the thread that adds or removes the client, never while handle() runs.
 * Memory    An instance is what create() makes and destroy() frees. `state` is the engine's (see below).
 */
#ifndef IOREQ_CLIENT_H
#define IOREQ_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/access.h>
#include <ioreq/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ioreq_result {
	IOREQ_DONE,      /* answered: a read's answer is in access->value */
	IOREQ_UNHANDLED, /* not ours: the default client gets it, without one all ones / dropped */
	IOREQ_DEFER,     /* thread delivery only: ioreq_complete() follows, from any thread */
};

enum ioreq_setting_type {
	IOREQ_SETTING_INTEGER,
	IOREQ_SETTING_STRING,
	IOREQ_SETTING_BOOLEAN,
};

/* One typed key/value from the configuration. Valid during create() only. */
struct ioreq_setting {
	const char *key;
	enum ioreq_setting_type type;
	uint64_t integer; /* also a boolean's 0 or 1 */
	const char *string;
};

/* What create() is given. Valid during the call only, but for `client` and `state`. */
struct ioreq_create {
	struct ioreq_client *client; /* for the calls below; valid until destroy() returns */
	const char *name;            /* the client's name */
	const struct ioreq_setting *settings;
	size_t nr_settings;
	/*
	 * `state_bytes` bytes of memory, 64-byte aligned, that survive a restart of the engine: an index register, a
	 * latch. Zeroed when new; `recovered` says that it holds what the instance before this one left there.
	 */
	void *state;
	bool recovered;
};

struct ioreq_device_ops {
	const char *name;   /* the device's name in a configuration */
	size_t state_bytes; /* engine-kept memory, 0..65536 */

	/*
	 * Makes an instance. Blocks as it likes. Returns 0, or -errno with a sentence in `error` (never NULL); -EINVAL
	 * for a setting it does not know. Untouched `device_out` (NULL) is a valid instance.
	 */
	int (*create)(const struct ioreq_create *create, void **device_out, struct ioreq_error *error);

	/* Ends an instance: the device's own threads, that may call ioreq_complete(), end here. Optional. */
	void (*destroy)(void *device);

	/* Answers one access. Context: see Threads. */
	enum ioreq_result (*handle)(void *device, struct ioreq_access *access);
};

/*
 * Completes a request whose handler answered IOREQ_DEFER. `access` is a copy of what the handler was given;
 * `value` is a read's answer, cut to the access width, and ignored for a write. May be called before that
 * handler has returned.
 *
 * Context: any thread but a poller; does not block; one system call if the request waits for a notify.
 * Returns 0; -ESTALE if the request was taken away meanwhile (VM clear, detach) or is completed already: the
 * caller forgets it, nothing was touched. Ordering: see R5 and R6 in engine/ARCHITECTURE.md.
 */
int ioreq_complete(const struct ioreq_access *access, uint64_t value);

/*
 * Sets interrupt line `line` of the client's VM (0..63; the numbers are the backend's, for KVM the GSI) to
 * `level`. A level, not an edge: setting it twice is setting it once.
 *
 * Context: any thread, handlers included; at most one system call, counted.
 * Returns 0; -EINVAL for a line out of range; -ENODEV while the VM is not attached (the level is remembered and
 * given to the backend at the next attach).
 */
int ioreq_set_line(struct ioreq_client *client, unsigned line, bool level);

/*
 * Sends a message-signalled interrupt to the client's VM.
 *
 * Context: as ioreq_set_line(). Returns 0; -EAGAIN if the hypervisor side has not taken earlier ones yet (nothing
 * was sent, the caller tries again); -ENODEV while the VM is not attached.
 */
int ioreq_inject_msi(struct ioreq_client *client, uint64_t address, uint32_t data);

/*
 * The eventfd of the doorbell `name` of the client's VM, to wait on or to add to an epoll set.
 *
 * Context: create() or later, not in an inline handler (takes a lock).
 * Returns the descriptor, which stays the engine's and is not closed by the caller; -ENOENT without one.
 */
int ioreq_doorbell_fd(struct ioreq_client *client, const char *name);

/* The setting `key`, if it has that type, else NULL. Use after ioreq_setting_check(). */
const struct ioreq_setting *ioreq_setting_find(const struct ioreq_create *create, const char *key,
					       enum ioreq_setting_type type);

/*
 * Checks that every setting is one of `keys` (NULL-terminated) and has the type of its place in `types`.
 * Returns 0 or -EINVAL with a sentence that names the key, what was found and the keys allowed.
 */
int ioreq_setting_check(const struct ioreq_create *create, const char *const *keys,
			const enum ioreq_setting_type *types, struct ioreq_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
