/* SPDX-License-Identifier: MIT */
/* A client: one device of one VM, and how requests reach it. */
#ifndef IOREQ_CORE_CLIENT_H
#define IOREQ_CORE_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>

#include "core/ring.h"

struct ioreq_client {
	/* Read by the poller for every request. */
	enum ioreq_result (*handle)(void *device, struct ioreq_access *access);
	void *device;
	struct ioreq_ring *ring; /* NULL: inline */
	struct ioreq_vm *vm;
	struct ioreq_client_stats *stats;
	uint32_t number; /* in the journal */

	/* The client's thread. */
	uint32_t stop;
	uint32_t ended;
	enum ioreq_wait wait;
	pthread_t thread;
	bool started;
	bool created; /* the device's destroy() is owed */

	/* Control side, under the VM's lock. */
	const struct ioreq_device_ops *ops;
	struct ioreq_client *next;
	char name[IOREQ_NAME_BYTES];
};

/* ---- the poller's ---- */

/* Gives the access of that slot to a client of the VM: runs its handler and completes, or posts it on its ring. */
void ioreq_client_deliver(struct ioreq_vm *vm, struct ioreq_client *client, struct acrn_io_request *slot,
			  struct ioreq_access *access);

/* After an UNHANDLED of `from`: to the default client, without one all ones. */
void ioreq_client_deliver_default(struct ioreq_client *from, struct ioreq_access *access);

/* ---- the client's thread ---- */

/* Takes, handles, waits, until `stop`. The argument is the client. */
void *ioreq_client_thread(void *argument);

#endif
