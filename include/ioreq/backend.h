/* SPDX-License-Identifier: MIT */
/*
 * What stands behind a page: who filled it, how he is told that a request is finished, how an interrupt gets in.
 *
 * `shm` (shm.h) is one. A host process that owns a VM itself writes its own.
 *
 * Threads   notify() is called by the thread that completed the request (the poller, a client's thread, any
 *           thread that calls ioreq_complete()); set_line() and inject_msi() by any thread. All of them at once.
 * Memory    The page and `context` stay mapped and valid until ioreq_vm_detach() has returned 0.
 */
#ifndef IOREQ_BACKEND_H
#define IOREQ_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/abi.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* How a request is seen and how it is finished. */
enum ioreq_protocol {
	/*
	 * Seen as PENDING; finished by the release-store of COMPLETE, then notify() if the request's
	 * completion_polling was 0. The engine is the page's only dispatcher.
	 */
	IOREQ_DIRECT,
};

struct ioreq_backend_ops {
	const char *name;
	enum ioreq_protocol protocol;

	/*
	 * Tells the hypervisor that the request of `vcpu`, which did not ask for completion polling, is COMPLETE.
	 * Called exactly once per such request, after COMPLETE is visible. `sequence` is the number stored with
	 * COMPLETE. One system call at most. Returns 0 or -errno, which is counted and reported.
	 */
	int (*notify)(void *context, unsigned vcpu, uint32_t sequence);

	/* Sets interrupt line 0..63. Returns 0 or -errno. NULL: -ENOTSUP. */
	int (*set_line)(void *context, unsigned line, bool level);

	/* Sends an MSI. Returns 0, -EAGAIN if it must be tried again, or -errno. NULL: -ENOTSUP. */
	int (*inject_msi)(void *context, uint64_t address, uint32_t data);
};

/* A page ready to be served. */
struct ioreq_page {
	struct acrn_io_request_buffer *slots; /* 4096 bytes, 4096-aligned, every state set (see ioreq_page_prefill) */
	unsigned nr_vcpus;                    /* 1..16: slots swept */
	const struct ioreq_backend_ops *ops;
	void *context; /* first argument of the ops */
	/*
	 * The 64-bit word that binds page and state block, in memory that lives as long as the page; 0 on a page that no
	 * engine has served. NULL for a page that dies with the process.
	 */
	uint64_t *id;
};

/*
 * Makes 4096 bytes a page without requests: every state FREE, completion_polling 0, the rest zero. For who creates
 * a page, before anybody polls it; never on a page in use.
 */
void ioreq_page_prefill(struct acrn_io_request_buffer *slots);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
