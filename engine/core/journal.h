/* SPDX-License-Identifier: MIT */
/* A VM's block: what a restarted engine must know. Journal, PCI latch, device state. */
#ifndef IOREQ_CORE_JOURNAL_H
#define IOREQ_CORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/backend.h>
#include <ioreq/engine.h>

#include "core/atomic.h"
#include "core/page.h"

/* Clients in the journal that are no clients. A client's own number is a hash of its name, never below 16. */
enum {
	IOREQ_JOURNAL_ENGINE = 0,   /* answered by the engine itself: without side effect, may be served again */
	IOREQ_JOURNAL_DOORBELL = 1, /* an eventfd may have been signalled */
};

#define IOREQ_BLOCK_STATES 128
#define IOREQ_BLOCK_STATE_BYTES (512u * 1024)

/* One device's memory: [offset, offset + bytes) of the block's state; bytes 0: entry free. */
struct ioreq_block_state {
	char name[IOREQ_NAME_BYTES];
	uint32_t offset;
	uint32_t bytes;
};

struct ioreq_block {
	uint64_t magic;
	uint64_t bytes;
	uint64_t id; /* equals the page's: this journal is about that page */
	uint32_t pci_latch;
	uint32_t pad[9];
	uint64_t journal[IOREQ_MAX_VCPUS]; /* low half: sequence; high half: client */
	struct ioreq_block_state states[IOREQ_BLOCK_STATES];
	uint8_t state[IOREQ_BLOCK_STATE_BYTES] __attribute__((aligned(64)));
};

/* Makes zeroed memory a block, or checks one that was used before. 0, -EPROTO. */
int ioreq_block_open(struct ioreq_block *block);

/*
 * Finds or takes `bytes` (up to 65536) for the device `name`. *recovered_out says that it was found. Returns NULL if no
 * entry or no room is left. What a device of that name but another size left is thrown away.
 */
void *ioreq_block_state(struct ioreq_block *block, const char *name, size_t bytes, bool *recovered_out);

/* A client's number in the journal. */
uint32_t ioreq_journal_client(const char *name);

/* What the journal says about a slot. */
static inline uint32_t ioreq_journal_sequence(const struct ioreq_block *block, unsigned vcpu)
{
	return (uint32_t)load_relaxed(&block->journal[vcpu]);
}

static inline uint32_t ioreq_journal_owner(const struct ioreq_block *block, unsigned vcpu)
{
	return (uint32_t)(load_relaxed(&block->journal[vcpu]) >> 32);
}

static inline void ioreq_journal_store(struct ioreq_block *block, unsigned vcpu, uint32_t sequence, uint32_t client)
{
	/*
	 * J1 release: after PROCESSING, before the handler's first effect and before POSTED. One 8-byte store: a kill leaves
	 * the old word or the new one. Pairs with J2 (the successor). Without it: a handler runs that nobody noted.
	 */
	store_release(&block->journal[vcpu], (uint64_t)client << 32 | sequence);
}

/* The next request of `vcpu` goes to `client`: returns the sequence that its completion will carry. */
static inline uint32_t ioreq_journal_begin(struct ioreq_block *block, unsigned vcpu, uint32_t client)
{
	uint32_t sequence = ioreq_journal_sequence(block, vcpu) + 1;

	ioreq_journal_store(block, vcpu, sequence, client);
	return sequence;
}

/* What a successor does with a slot. */
enum ioreq_verdict {
	IOREQ_NOTHING, /* no request */
	IOREQ_SERVE,   /* given to nobody, or to the engine itself: serve it */
	IOREQ_FAIL,    /* its handler may have begun: never again; complete it with the journal's sequence */
};

/* How the block knows the page. */
enum ioreq_kinship {
	IOREQ_PAGE_NEW,     /* no engine has served it */
	IOREQ_PAGE_KNOWN,   /* this block's */
	IOREQ_PAGE_FOREIGN, /* another block's, which is lost */
};

enum ioreq_kinship ioreq_journal_kinship(const struct ioreq_block *block, const struct ioreq_page *page);

/* Decides one slot and brings its journal word in step. The rules are design, "Restart". */
enum ioreq_verdict ioreq_journal_adopt(struct ioreq_block *block, unsigned vcpu, struct ioreq_slot_state slot,
				       enum ioreq_kinship kinship);

/* Binds block and page by a fresh random id, the last step of an attach. Nothing to do for a known page. */
int ioreq_journal_bind(struct ioreq_block *block, const struct ioreq_page *page);

#endif
