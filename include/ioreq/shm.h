/* SPDX-License-Identifier: MIT */
/*
 * The shared-memory backend: a page that any process can fill, in a file.
 *
 * File      8192 bytes. Bytes 0..4095: the slots (abi.h). Bytes 4096..8191: struct ioreq_shm_control, the rest of what
 *           a hypervisor and an engine tell each other: notify words, clear words, interrupt lines, MSIs.
 * Sides     The producer (a KVM monitor, a load generator, your hypervisor) creates the file under another name,
 *           prefilled, and renames it into place, so that a file that exists is whole. The engine waits for the file
 *           to appear, serves it, and lets go of it when the name is gone or means another file.
 * Owner     Each side holds an open-file-description lock while it has the file mapped: byte 0 the engine, byte 1
 *           the producer. The lock goes with the process, however it ends. A second engine is refused.
 * Trust     The producer is trusted with its own VM only. A truncated file raises SIGBUS: ioreq_shm_guard() turns it
 *           into a page of FREE slots, a fault that ioreq_shm_watch() reports, and one lost VM.
 * Threads   Functions: one thread at a time per handle, but for ioreq_shm_irq_wait(), beside which another may call others. Words: see the ordering named with each.
 */
#ifndef IOREQ_SHM_H
#define IOREQ_SHM_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/backend.h>
#include <ioreq/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define IOREQ_SHM_MAGIC UINT64_C(0x3147505145524f49) /* "IOREQPG1", little endian */
#define IOREQ_SHM_VERSION 1u
#define IOREQ_SHM_FILE_BYTES 8192u
#define IOREQ_SHM_NR_LINES 64u
#define IOREQ_SHM_NR_MSIS 32u

/* A word on a cache line of its own. */
struct ioreq_shm_word {
	uint32_t word;
	uint32_t pad[15];
};

/* A message-signalled interrupt; `turn` says whose the entry is (see ioreq_shm_msi_take). */
struct ioreq_shm_msi {
	uint64_t address;
	uint32_t data;
	uint32_t turn;
};

struct ioreq_shm_control {
	/* Written by the producer before the file gets its name, never again. */
	uint64_t magic;
	uint32_t version;
	uint32_t nr_vcpus; /* 1..16 */
	/* The engine's: binds the page to the engine's state block; 0 until an engine has served the page. */
	uint64_t id;
	uint64_t pad0[5];

	/*
	 * VM clear, asked for by the producer: it adds 1 to clear_request and waits (futex) until clear_ack equals it. The
	 * engine stores the value of clear_request that it has carried out, and wakes.
	 */
	struct ioreq_shm_word clear_request;
	struct ioreq_shm_word clear_ack;

	/*
	 * Interrupts, from the engine to the producer. `lines` holds the level of each line. Every change, and every
	 * MSI, adds 1 to irq_event (release) and wakes its sleeper (futex). The producer reads irq_event (acquire),
	 * then lines and MSIs, then sleeps while irq_event is still what it read.
	 */
	struct ioreq_shm_word irq_event;
	uint64_t lines;
	uint64_t pad1[7];

	/* MSI ring: engine threads write at msi_tail, the producer reads at msi_head. */
	struct ioreq_shm_word msi_tail;
	struct ioreq_shm_word msi_head;
	struct ioreq_shm_msi msis[IOREQ_SHM_NR_MSIS];

	/*
	 * One per vCPU, for requests without completion_polling: holds the sequence stored with the last COMPLETE that
	 * was notified. A vCPU sleeps (futex) until its slot is COMPLETE *and* this word equals the slot's sequence, so
	 * that a notify sent twice changes nothing.
	 */
	struct ioreq_shm_word notify[IOREQ_MAX_VCPUS];
	uint8_t reserved[4096 - 7 * 64 - IOREQ_SHM_NR_MSIS * 16 - IOREQ_MAX_VCPUS * 64];
};

static_assert(sizeof(struct ioreq_shm_control) == 4096, "page 1");
static_assert(offsetof(struct ioreq_shm_control, clear_request) == 64, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, clear_ack) == 128, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, irq_event) == 192, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, lines) == 256, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, msi_tail) == 320, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, msi_head) == 384, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, msis) == 448, "shm layout");
static_assert(offsetof(struct ioreq_shm_control, notify) == 960, "shm layout");

/* The file as it is mapped. */
struct ioreq_shm_file {
	struct acrn_io_request_buffer slots;
	struct ioreq_shm_control control;
};
static_assert(sizeof(struct ioreq_shm_file) == IOREQ_SHM_FILE_BYTES, "shm file");

struct ioreq_shm;

/* ---- the engine's side ------------------------------------------------------------------------------------ */

/*
 * Takes ownership of the file at `path` and maps it. nr_vcpus: 1..16, what the configuration says; the file must say
 * the same. Blocks for file system calls only.
 * Errors, each with its sentence: -ENOENT no such file (not a fault: wait for it); -EBUSY owned by another engine; -EACCES; -EPERM not a regular file, or writable by others than its owner and group; -EPROTO wrong
 * size, magic, version or vCPU count; -EINVAL nr_vcpus; -ENFILE 128 pages are mapped; -ENOMEM.
 */
int ioreq_shm_open(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error);

/* What ioreq_vm_attach() wants. Valid until ioreq_shm_close(). */
struct ioreq_page ioreq_shm_page(struct ioreq_shm *shm);

enum ioreq_shm_state {
	IOREQ_SHM_SAME,      /* the name still means this file */
	IOREQ_SHM_GONE,      /* no file of that name any more */
	IOREQ_SHM_REPLACED,  /* the name means another file: detach, close, open again */
	IOREQ_SHM_TRUNCATED, /* the file is too short, or SIGBUS was raised on it */
};

/* Looks at the name and the size. A few microseconds; for a housekeeping thread. */
enum ioreq_shm_state ioreq_shm_watch(const struct ioreq_shm *shm);

/* The clear that the producer asks for, if it is not done yet (true, *request_out is what to acknowledge). */
bool ioreq_shm_clear_requested(const struct ioreq_shm *shm, uint32_t *request_out);
void ioreq_shm_clear_acknowledge(struct ioreq_shm *shm, uint32_t request);

/* Unmaps, and gives ownership up. Only after ioreq_vm_detach() has returned 0. NULL is accepted. */
void ioreq_shm_close(struct ioreq_shm *shm);

/*
 * Installs the SIGBUS handler that survives a truncated page file, once per process; a SIGBUS that is not about one
 * of our mappings goes to the handler installed before. Returns 0 or -errno.
 */
int ioreq_shm_guard(void);

/* ---- the producer's side ---------------------------------------------------------------------------------- */

/*
 * Creates a prefilled file, takes the producer's lock and renames it to `path` (mode 0660), replacing one that no
 * producer holds. Errors: -EBUSY another producer holds the file; -EINVAL nr_vcpus outside 1..16; -errno of the calls.
 */
int ioreq_shm_create(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error);

/* The mapping, valid until ioreq_shm_close(). */
struct ioreq_shm_file *ioreq_shm_file(struct ioreq_shm *shm);

/*
 * Opens an existing file as its producer: for a load generator that works on any page. The slots are left as they are.
 * Errors: as ioreq_shm_open() (-EBUSY: another producer holds it). nr_vcpus 0: whatever the file says.
 */
int ioreq_shm_join(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error);

/* Asks the engine for a VM clear and waits for it. 0, or -ETIMEDOUT (still asked for). The vCPUs are paused. */
int ioreq_shm_clear(struct ioreq_shm *shm, uint64_t timeout_ns);

/*
 * Waits until irq_event is not `seen` any more or the time is over. Returns the new value, to be read before lines and
 * MSIs are looked at.
 */
uint32_t ioreq_shm_irq_wait(struct ioreq_shm *shm, uint32_t seen, uint64_t timeout_ns);

/* The levels of the lines (acquire). */
uint64_t ioreq_shm_lines(const struct ioreq_shm *shm);

/* Takes the oldest MSI. One consumer at a time. Returns false if there is none. */
bool ioreq_shm_msi_take(struct ioreq_shm *shm, uint64_t *address_out, uint32_t *data_out);

/* Removes the name, if it still means this file. */
void ioreq_shm_unlink(struct ioreq_shm *shm);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
