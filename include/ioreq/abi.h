/* SPDX-License-Identifier: MIT */
/*
 * The I/O request page, as the hypervisor and this engine share it.
 *
 * The layout is <linux/acrn.h>; this header asserts every offset, size and constant that the engine relies on
 * and writes down the protocol that the layout does not show.
 *
 * Shape     One page of 4096 bytes = 16 slots of 256 bytes, one per vCPU, indexed by vCPU id. A slot uses three
 *           cache lines: line 0 (type, completion_polling), line 1 (direction, address, size, value), line 2
 *           (kernel_handled, the state, the sequence).
 *
 * States    FREE -> PENDING -> [PROCESSING ->] COMPLETE -> FREE. Who may store into the slot in each of them:
 *
 *             FREE        hypervisor   fills lines 0 and 1
 *             PENDING     engine       copies the request; nobody else looks at it
 *             PROCESSING  engine       the handler, or the one client that holds the request
 *             COMPLETE    hypervisor   reads the value, nothing else
 *
 *           PENDING is 0: a zeroed page reads as sixteen requests. Prefill before anybody polls.
 *
 * Timeline  hypervisor, vCPU v                  engine
 *
 *           (a) fill type, address, size, value
 *           (b) store-release PENDING
 *                                               (c) load-acquire PENDING
 *                                               (d) copy the request once, validate the copy
 *                                               (e) [store PROCESSING]  strict_states, or a client's ring
 *                                               (f) journal: this sequence, this client
 *                                               (g) the handler runs; the value is stored into the slot
 *                                               (h) one 8-byte store-release {COMPLETE, sequence}
 *           (i) load-acquire COMPLETE           (i') completion_polling was 0: notify, exactly once
 *           (j) read the value
 *           (k) store-release FREE
 *
 * Rules     b -> c  the request is whole when it is seen;
 *           d -> h  completion_polling belongs to the copy: after (h) the slot is the hypervisor's, and a second
 *                   look could read the next request's flag;
 *           g -> h -> i -> j  the value is visible before COMPLETE;
 *           h       is one event: "this request is finished" and "it was that one" cannot be torn by a crash;
 *           h -> i' a notify before COMPLETE wakes a vCPU into an unfinished request, a second one finishes the
 *                   next request early: the hypervisor's event is sticky;
 *           j -> k -> a  the value is read before the slot is filled again.
 *
 * Sequence  The four bytes behind the state (offset 140) are tail padding of the 256-byte slot that no
 *           hypervisor and no driver reads or writes. The engine stores there the number of the request that it
 *           completed. Every other state store is 4 bytes wide and leaves it alone.
 *
 * Threads   Data only. Ordered accesses are named in engine/ARCHITECTURE.md.
 * Source    <linux/acrn.h> (Linux 5.12 and later).
 */
#ifndef IOREQ_ABI_H
#define IOREQ_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/acrn.h>

#define IOREQ_PAGE_BYTES 4096u
#define IOREQ_SLOT_BYTES 256u
#define IOREQ_MAX_VCPUS 16u

/* Offset of the 8-byte word {state: low half, sequence: high half}. */
#define IOREQ_STATE_OFFSET 136u
#define IOREQ_SEQUENCE_OFFSET 140u

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the state is the low half of {state, sequence}");

static_assert(ACRN_IO_REQUEST_MAX == IOREQ_MAX_VCPUS, "slots in a page");
static_assert(sizeof(struct acrn_io_request_buffer) == IOREQ_PAGE_BYTES, "page");
static_assert(sizeof(struct acrn_io_request) == IOREQ_SLOT_BYTES, "slot");
static_assert(offsetof(struct acrn_io_request, type) == 0, "line 0");
static_assert(offsetof(struct acrn_io_request, completion_polling) == 4, "line 0");
static_assert(offsetof(struct acrn_io_request, reqs) == 64, "line 1");
static_assert(offsetof(struct acrn_io_request, kernel_handled) == 132, "line 2");
static_assert(offsetof(struct acrn_io_request, processed) == IOREQ_STATE_OFFSET, "line 2");
static_assert(IOREQ_STATE_OFFSET % 8 == 0 && IOREQ_SEQUENCE_OFFSET == IOREQ_STATE_OFFSET + 4, "one 8-byte store");

static_assert(offsetof(struct acrn_pio_request, direction) == 0, "pio");
static_assert(offsetof(struct acrn_pio_request, address) == 8, "pio");
static_assert(offsetof(struct acrn_pio_request, size) == 16, "pio");
static_assert(offsetof(struct acrn_pio_request, value) == 24, "pio");
static_assert(sizeof(((struct acrn_pio_request *)0)->value) == 4, "pio");
static_assert(offsetof(struct acrn_mmio_request, direction) == 0, "mmio");
static_assert(offsetof(struct acrn_mmio_request, address) == 8, "mmio");
static_assert(offsetof(struct acrn_mmio_request, size) == 16, "mmio");
static_assert(offsetof(struct acrn_mmio_request, value) == 24, "mmio");
static_assert(sizeof(((struct acrn_mmio_request *)0)->value) == 8, "mmio");
static_assert(offsetof(struct acrn_pci_request, direction) == 0, "pci");
static_assert(offsetof(struct acrn_pci_request, size) == 16, "pci");
static_assert(offsetof(struct acrn_pci_request, value) == 24, "pci");
static_assert(offsetof(struct acrn_pci_request, bus) == 28, "pci");
static_assert(offsetof(struct acrn_pci_request, dev) == 32, "pci");
static_assert(offsetof(struct acrn_pci_request, func) == 36, "pci");
static_assert(offsetof(struct acrn_pci_request, reg) == 40, "pci");

static_assert(ACRN_IOREQ_STATE_PENDING == 0, "state");
static_assert(ACRN_IOREQ_STATE_COMPLETE == 1, "state");
static_assert(ACRN_IOREQ_STATE_PROCESSING == 2, "state");
static_assert(ACRN_IOREQ_STATE_FREE == 3, "state");
static_assert(ACRN_IOREQ_TYPE_PORTIO == 0, "type");
static_assert(ACRN_IOREQ_TYPE_MMIO == 1, "type");
static_assert(ACRN_IOREQ_TYPE_PCICFG == 2, "type");
static_assert(ACRN_IOREQ_DIR_READ == 0, "direction");
static_assert(ACRN_IOREQ_DIR_WRITE == 1, "direction");

#endif
