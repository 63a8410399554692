/* SPDX-License-Identifier: MIT */
/*
 * What the unit tests of the core share: an engine with one VM on a page of this process, a backend that writes down
 * what it is told, and a device that does what the test says.
 *
 * The poller is stepped by the test (stand_sweep) unless the test starts it: what happens between two sweeps is then
 * decided by the test and by nothing else.
 *
 * Threads   The test's, which also takes the poller's place; devices with thread delivery have their own.
 * Memory    A stand is opened and closed by the test; devices are the test's and outlive it.
 */
#ifndef IOREQ_TEST_STAND_H
#define IOREQ_TEST_STAND_H

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>
#include <ioreq/vcpu.h>

#include "core/atomic.h"
#include "core/client.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/page.h"
#include "core/poller.h"
#include "core/vm.h"

#define NR_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND_NS UINT64_C(1000000000)

/* What a test waits for another thread at most: the machine may be busy, or a sanitizer slow. */
#define STAND_PATIENCE_NS (20 * SECOND_NS)

/* Fails the test if `condition` does not come true; looks every 50 us. */
#define stand_await(condition)                                                     \
	do {                                                                       \
		uint64_t stand_end_ns = ioreq_engine_now_ns() + STAND_PATIENCE_NS; \
		while (!(condition) && ioreq_engine_now_ns() < stand_end_ns)       \
			ioreq_engine_sleep_ns(50000);                              \
		assert_true(condition);                                            \
	} while (0)

/* The sentence of an error, exactly. */
#define assert_sentence(error, sentence) assert_string_equal((error).text, (sentence))

struct stand_msi {
	uint64_t address;
	uint32_t data;
};

/* The backend's notes. Words are atomic: threads of clients write them too. */
struct stand_backend {
	uint32_t notified[IOREQ_MAX_VCPUS]; /* how often */
	uint32_t sequence[IOREQ_MAX_VCPUS]; /* told with the last one */
	uint32_t early;                     /* notifies that came before COMPLETE was in the slot */
	uint64_t levels;
	uint32_t line_calls;
	struct stand_msi msi;
	uint32_t nr_msis;
	int notify_result, line_result, msi_result; /* what the test wants to be returned */
	sem_t *notify_gate;                         /* a notify waits for it, if there is one */
	uint32_t in_notify;                         /* notifies begun */
};

struct stand {
	struct ioreq_engine *engine;
	struct ioreq_poller *poller;
	struct ioreq_vm *vm;
	struct acrn_io_request_buffer *slots;
	struct ioreq_shm_control *control; /* its notify words only */
	struct ioreq_vcpu vcpus[IOREQ_MAX_VCPUS];
	struct stand_backend backend;
	struct ioreq_backend_ops ops;
	uint64_t id;
	unsigned nr_vcpus;
};

/* Members left 0 take what their comment says. */
struct stand_config {
	bool strict_states;
	unsigned nr_vcpus;         /* 16 */
	uint64_t clear_timeout_ns; /* the engine's own */
	void *block;
	bool detached; /* do not attach the page */
	struct ioreq_host host;
	void *stats;
};

/* Creates all of it; the page is prefilled and attached. */
void stand_open(struct stand *stand, const struct stand_config *config);

/* Everything was given back: fails the test if the engine cannot be destroyed. */
void stand_close(struct stand *stand);

/* The page as ioreq_vm_attach() wants it. */
struct ioreq_page stand_page(struct stand *stand);

/* One sweep in the poller's place, as one of the engine's threads. Returns what ioreq_poller_sweep() does. */
unsigned stand_sweep(struct stand *stand);

/* Posts; fails the test if the slot is not FREE. */
void stand_post(struct stand *stand, unsigned vcpu, const struct ioreq_access *access);

/* What a wrong producer does: PENDING over whatever is there. */
void stand_force_pending(struct stand *stand, unsigned vcpu);

/* Sweeps until the vCPU's request is COMPLETE (thread delivery takes its time), takes the answer, frees the slot. */
uint64_t stand_finish(struct stand *stand, unsigned vcpu);

/* All three. */
uint64_t stand_request(struct stand *stand, unsigned vcpu, const struct ioreq_access *access);

uint32_t stand_state(const struct stand *stand, unsigned vcpu);
uint32_t stand_sequence(const struct stand *stand, unsigned vcpu);

/* The VM's counters. */
struct ioreq_vm_stats *stand_stats(struct stand *stand);

/* Sum of `completed` over the VM's client records. */
uint64_t stand_completed(struct stand *stand);

/* Every request seen was completed once, and counted so. */
void stand_assert_account(struct stand *stand);

/* ---- accesses --------------------------------------------------------------------------------------------- */

struct ioreq_access stand_read(enum ioreq_space space, uint64_t address, unsigned size);
struct ioreq_access stand_write(enum ioreq_space space, uint64_t address, unsigned size, uint64_t value);
/* The same, for a hypervisor that sleeps until it is notified. */
struct ioreq_access stand_sleeping(struct ioreq_access access);

/* ---- devices ---------------------------------------------------------------------------------------------- */

struct stand_device {
	/* What the test wants. */
	uint32_t result; /* of the handler; any number */
	uint64_t value;  /* a read's answer */
	bool gated;      /* the handler waits for `gate` before it returns */
	int create_result;
	const char *create_sentence;
	void (*inside)(struct stand_device *device, const struct ioreq_access *access); /* called by the handler */
	void *context;

	/* What the test sees. */
	uint32_t entered, left, created, destroyed;
	struct ioreq_access seen; /* the last one's, as the handler was given it */
	uint32_t state;           /* of the slot, when the handler was entered */
	uint32_t kernel_handled;
	bool recovered;
	uint8_t *kept;
	struct ioreq_client *client;

	struct stand *stand;
	sem_t gate;
	struct ioreq_device_ops ops; /* state_bytes may be changed before stand_add() */
};

/* A device that answers DONE and `value`. */
void stand_device(struct stand *stand, struct stand_device *device, uint64_t value);

struct stand_client {
	const char *name;
	enum ioreq_delivery delivery;
	enum ioreq_wait wait;
	bool is_default;
	struct ioreq_range range; /* last 0: none */
};

/* Adds it as a client; returns what ioreq_client_add() does. */
int stand_try_add(struct stand_device *device, const struct stand_client *client, struct ioreq_error *error);

/* The same, fails the test on an error. */
struct ioreq_client *stand_add(struct stand_device *device, const struct stand_client *client);

/* Lets `count` gated calls go on. */
void stand_let_go(struct stand_device *device, unsigned count);

uint32_t stand_entered(struct stand_device *device);

#endif
