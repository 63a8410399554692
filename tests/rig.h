/* SPDX-License-Identifier: MIT */
/*
 * What the stress tests share: an engine with a poller, a VM on a page in memory, devices and vCPUs that check.
 *
 * Workload  Request number `sequence` of a vCPU is a function of the two: rig_access_make() says its space, direction,
 *           size, address, value and whether it asks for completion polling. So a handler can tell that what it was
 *           given is what was posted, and whether it has seen it before; and a vCPU that the answer is of its request.
 * Windows   Addresses come from up to 15 windows of 4 KiB, each in all three spaces. The low bits of the sequence are
 *           in the address: 256 consecutive requests of a vCPU differ in it.
 * Answers   A function of the device, the vCPU and the sequence. Bit 0 is 0, so that no answer is all ones.
 * Notifies  The page's backend fails the test for a notify before COMPLETE, for a second one, and for one of a request
 *           that asked for polling; it counts the others per vCPU.
 * Failing   RIG_CHECK() prints where, what was found and what was expected, and ends the process with 1, from any
 *           thread.
 *
 * Threads   One per vCPU. Devices are called by the engine's threads. The rest: the test's main thread.
 * Memory    Everything is the caller's; pages are mappings that live until rig_page_destroy().
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include <ioreq/engine.h>
#include <ioreq/shm.h>
#include <ioreq/stats.h>
#include <ioreq/vcpu.h>

#include "core/atomic.h"

#define RIG_MAX_DEVICES 12
#define RIG_MAX_WINDOWS 15
#define RIG_WINDOW_BYTES 0x1000u
#define RIG_MARKS 1024u

/* A request that takes longer is lost. Far beyond what a loaded machine needs. */
#define RIG_PATIENCE_NS UINT64_C(30000000000)

#if defined(__SANITIZE_THREAD__)
#define RIG_SLOWNESS 20u
#define RIG_UNDER_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define RIG_SLOWNESS 4u
#define RIG_UNDER_TSAN 0
#else
#define RIG_SLOWNESS 1u
#define RIG_UNDER_TSAN 0
#endif

/* ---- failing, time, chance --------------------------------------------------------------------------------- */

_Noreturn void rig_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define RIG_CHECK(condition, ...)                                  \
	do {                                                       \
		if (__builtin_expect(!(condition), 0))             \
			rig_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/* Ends the test with 77 and the reason: the machine, or the build, lacks something. */
_Noreturn void rig_skip(const char *reason);

/* True with the argument --full; any other argument is refused. */
bool rig_is_full(int argc, char **argv);

uint64_t rig_now_ns(void);
void rig_sleep_ns(uint64_t ns);

/* Bijective: different numbers, different results. */
uint64_t rig_mix(uint64_t number);

void rig_thread(pthread_t *thread, void *(*run)(void *), void *argument);

/* Pins the calling thread; false if the machine has no such core for us. */
bool rig_pin(int core);

/* CPUs that this process may use. */
unsigned rig_nr_cpus(void);

/* ---- engine ------------------------------------------------------------------------------------------------ */

struct rig {
	struct ioreq_engine *engine;
	struct ioreq_stats *stats;
	struct ioreq_poller *poller;
};

/* Engine and one poller that runs on `core` (-1: any). */
void rig_create(struct rig *rig, enum ioreq_idle idle, int core);

/* The same, but the poller does not run yet. */
void rig_prepare(struct rig *rig, enum ioreq_idle idle, int core);

/*
 * Everything must end. Here and below -EBUSY is what a poller or a client's thread without a core looks like too: it is
 * a failure if it lasts for RIG_PATIENCE_NS.
 */
void rig_destroy(struct rig *rig);

/* ---- page -------------------------------------------------------------------------------------------------- */

struct rig_page {
	struct ioreq_shm_file *file;   /* the vCPUs' mapping */
	struct ioreq_shm_file *served; /* the engine's, of the same memory */
	bool repeats_allowed;          /* an attach repeats the notify of a request that stayed COMPLETE */
	uint32_t stall;                /* 1: notify does not return */
	uint32_t nr_stalled;
	uint32_t notified[IOREQ_MAX_VCPUS]; /* the sequence of the last notify */
	uint64_t notifies[IOREQ_MAX_VCPUS];
};

/*
 * `apart`: the engine gets a mapping of its own, which the test may close (rig_page_close) while the engine should keep
 * its hands off. Not under ThreadSanitizer, for which two addresses are two variables: there both are one mapping.
 */
void rig_page_create(struct rig_page *page, bool apart);
void rig_page_destroy(struct rig_page *page);

/* The engine's mapping becomes inaccessible, or accessible again. */
void rig_page_close(struct rig_page *page);
void rig_page_open(struct rig_page *page);

/* What ioreq_vm_attach() takes. */
struct ioreq_page rig_page_source(struct rig_page *page, unsigned nr_vcpus);

/* State and sequence of a slot. */
uint64_t rig_page_word(const struct rig_page *page, unsigned vcpu);

/* ---- VM ---------------------------------------------------------------------------------------------------- */

struct rig_device;

struct rig_vm {
	/* Set before rig_vm_create(). */
	const char *name;
	unsigned nr_vcpus;
	unsigned nr_windows;
	unsigned notify_percent; /* share of requests that wait for a notify */
	bool strict_states;
	bool late;                 /* requests may be taken away: a handler may run late, a completion be stale */
	uint64_t clear_timeout_ns; /* 0: a minute; nothing is to be taken away */
	bool apart;            /* engine and vCPUs map the page at two addresses, which ThreadSanitizer cannot relate */
	uint16_t refused;      /* windows (bits) whose owner answers UNHANDLED */
	uint16_t rare;         /* windows (bits) that get one request in 64 of the usual share */
	struct rig_page *page; /* NULL: a page of its own */

	struct rig *rig;
	struct ioreq_vm *vm;
	struct rig_page own_page;
	uint64_t posted[IOREQ_MAX_VCPUS];           /* sequence posted last */
	uint64_t marks[IOREQ_MAX_VCPUS][RIG_MARKS]; /* sequence << 1 | handled: who ran a handler for what */
	uint64_t nr_unmatched;                      /* late handlers that were later than a vCPU's 256 requests */
};

void rig_vm_create(struct rig_vm *vm, struct rig *rig);
void rig_vm_attach(struct rig_vm *vm);
void rig_vm_detach(struct rig_vm *vm);
void rig_vm_clear(struct rig_vm *vm);

/* The VM's record, and its client's ("-": the engine's). */
const struct ioreq_vm_stats *rig_vm_stats(const struct rig_vm *vm);
const struct ioreq_client_stats *rig_client_stats(const struct rig_vm *vm, const char *name);

/* What all records of the VM completed; histograms and directions of each add up. Once nobody is counting any more. */
uint64_t rig_completed(const struct rig_vm *vm);

/*
 * Checks that every request posted was completed by exactly one record: posted == sum of completed == `requests`; that
 * histograms and directions add up; that no producer's error and no failed notify was counted. `removed`: completions
 * in records of clients that are gone. For a VM that is detached, so that nobody is still counting.
 */
void rig_check_account(const struct rig_vm *vm, uint64_t requests, uint64_t removed);

/* Request `sequence` of a vCPU; returns its window. */
unsigned rig_access_make(const struct rig_vm *vm, unsigned vcpu, uint64_t sequence, struct ioreq_access *access);

/* A window in one space. */
struct ioreq_range rig_window(enum ioreq_space space, unsigned window);

/* ---- devices ----------------------------------------------------------------------------------------------- */

enum rig_kind {
	RIG_PLAIN,
	RIG_REFUSES, /* UNHANDLED */
	RIG_DEFERS,  /* a third thread completes: later, before the handler returns, or the handler itself does */
	RIG_SLOW,    /* sleeps up to slow_ns */
	RIG_STUCK,   /* does not return while `held` is set */
};

struct rig_box {
	uint32_t full;
	struct ioreq_access access;
	uint64_t answer;
};

struct rig_device {
	/* Set before rig_device_add(). */
	struct rig_vm *vm;
	const char *name;
	enum rig_kind kind;
	enum ioreq_delivery delivery;
	enum ioreq_wait wait;
	bool is_default;
	uint16_t windows; /* bits */
	uint64_t slow_ns; /* RIG_SLOW, and RIG_DEFERS: longest delay */

	struct ioreq_client *client;
	uint64_t tag;
	uint32_t inside; /* 1 while handle() runs */
	uint32_t held;
	uint32_t nr_held; /* 1: a handler is stuck in there */
	uint64_t runs;
	/*
	 * The last sequence handled, per vCPU (rig_seen). Plain, unless the VM says `apart`: the vCPU reads it after COMPLETE,
	 * and only the protocol orders the two.
	 */
	uint64_t seen[IOREQ_MAX_VCPUS];

	struct rig_box boxes[IOREQ_MAX_VCPUS];
	sem_t filled;
	uint32_t ending;
	pthread_t completer;
	uint64_t nr_completed; /* by ioreq_complete(), successfully */
	uint64_t nr_stale;
};

extern const struct ioreq_device_ops rig_device_ops;

/* The last request of a vCPU that the device has handled. */
uint64_t rig_seen(const struct rig_device *device, unsigned vcpu);

void rig_device_add(struct rig_device *device);
void rig_device_remove(struct rig_device *device);

/* The answer of `device` to a read, uncut; never odd. */
uint64_t rig_answer(const struct rig_device *device, unsigned vcpu, uint64_t sequence);

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

struct rig_vcpu {
	struct rig_vm *vm;
	unsigned index;
	enum ioreq_vcpu_how how;

	struct ioreq_vcpu side;
	uint64_t sequence;
	struct ioreq_access access; /* of the request posted last */
	unsigned window;
	uint64_t nr_notify; /* posted without completion_polling */
	pthread_t thread;
};

void rig_vcpu_init(struct rig_vcpu *vcpu, struct rig_vm *vm, unsigned index, enum ioreq_vcpu_how how);

/* Makes the next request (`access`, `window`), as rig_vcpu_post() does, and tells the handlers of it. */
void rig_vcpu_prepare(struct rig_vcpu *vcpu);

/* Posts the next request. */
void rig_vcpu_post(struct rig_vcpu *vcpu);

/* Waits; a request that does not come back fails the test and prints its slot. */
void rig_vcpu_wait(struct rig_vcpu *vcpu);

/* Frees the slot and returns the value; a write's must be untouched. */
uint64_t rig_vcpu_finish(struct rig_vcpu *vcpu);

/* The value is `device`'s answer to this very request, and it was `device` that handled it. */
void rig_vcpu_check(const struct rig_vcpu *vcpu, uint64_t value, const struct rig_device *device);

/* Is the value of a read all ones of its width? */
bool rig_vcpu_is_ones(const struct rig_vcpu *vcpu, uint64_t value);

/* Every request that waited for a notify got one: compares the page's count. */
void rig_vcpu_check_notifies(const struct rig_vcpu *vcpu);

#endif
