/* SPDX-License-Identifier: MIT */
/*
 * The block that outlives the engine, and what a successor reads in it.
 *
 * Threads   The journal words: the VM's poller. Opening, states, adoption: the thread that attaches, before the poller
 *           sees the VM.
 * Memory    The caller's block; it may be a file's mapping. Only aligned 4- and 8-byte stores matter after a kill.
 */
#include "core/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK_MAGIC UINT64_C(0x314b4c425145524f) /* "OREQBLK1", little endian */
#define MAX_STATE_BYTES 65536u
#define ALIGN 64u

static_assert(sizeof(struct ioreq_block_state) == 40, "block layout");
static_assert(offsetof(struct ioreq_block, journal) == 64, "the journal fills two cache lines of its own");

size_t ioreq_block_bytes(void)
{
	return sizeof(struct ioreq_block);
}

static bool all_zero(const struct ioreq_block *block)
{
	const uint64_t *words = (const uint64_t *)(const void *)block;

	for (size_t i = 0; i < offsetof(struct ioreq_block, state) / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

/* Two devices that shared memory would corrupt each other's state. */
static bool overlaps_earlier(const struct ioreq_block *block, unsigned index)
{
	const struct ioreq_block_state *entry = &block->states[index];

	for (unsigned i = 0; i < index; i++) {
		const struct ioreq_block_state *other = &block->states[i];

		if (entry->bytes && other->bytes && entry->offset < other->offset + other->bytes &&
		    other->offset < entry->offset + entry->bytes)
			return true;
	}
	return false;
}

static bool states_fit(const struct ioreq_block *block)
{
	for (unsigned i = 0; i < IOREQ_BLOCK_STATES; i++) {
		const struct ioreq_block_state *entry = &block->states[i];

		if (entry->bytes > MAX_STATE_BYTES || entry->offset > IOREQ_BLOCK_STATE_BYTES - entry->bytes ||
		    entry->offset % ALIGN || !memchr(entry->name, 0, sizeof(entry->name)) || overlaps_earlier(block, i))
			return false;
	}
	return true;
}

int ioreq_block_open(struct ioreq_block *block)
{
	if (block->magic == BLOCK_MAGIC)
		return block->bytes == sizeof(*block) && states_fit(block) ? 0 : -EPROTO;
	/* The magic comes last: a block without it that is not zero is a start that was killed, or not ours. */
	if (block->magic || (!all_zero(block) && block->bytes != sizeof(*block)))
		return -EPROTO;
	memset(block, 0, sizeof(*block));
	block->bytes = sizeof(*block);
	/* J3 release: a block with a magic is whole. Pairs with J2. Without it: a successor trusts half a block. */
	store_release(&block->magic, BLOCK_MAGIC);
	return 0;
}

/* First gap of `bytes` between the entries in use; there are few, and this is no hot path. */
static bool find_gap(const struct ioreq_block *block, uint32_t bytes, uint32_t *offset_out)
{
	uint32_t offset = 0;
	unsigned i = 0;

	while (i < IOREQ_BLOCK_STATES) {
		const struct ioreq_block_state *entry = &block->states[i++];

		if (entry->bytes && offset < entry->offset + entry->bytes && entry->offset < offset + bytes) {
			offset = (entry->offset + entry->bytes + ALIGN - 1) & ~(ALIGN - 1);
			i = 0;
		}
	}
	*offset_out = offset;
	return offset + bytes <= IOREQ_BLOCK_STATE_BYTES;
}

static void *take_state(struct ioreq_block *block, const char *name, uint32_t bytes)
{
	uint32_t offset;

	if (!find_gap(block, bytes, &offset))
		return NULL;
	for (unsigned i = 0; i < IOREQ_BLOCK_STATES; i++) {
		struct ioreq_block_state *entry = &block->states[i];

		if (entry->bytes)
			continue;
		memset(block->state + offset, 0, bytes);
		memset(entry->name, 0, sizeof(entry->name));
		strncpy(entry->name, name, sizeof(entry->name) - 1);
		entry->offset = offset;
		/* J3 release: an entry with a size is whole. Pairs with J2. Without it: a successor finds half an entry. */
		store_release(&entry->bytes, bytes);
		return block->state + offset;
	}
	return NULL;
}

void *ioreq_block_state(struct ioreq_block *block, const char *name, size_t bytes, bool *recovered_out)
{
	for (unsigned i = 0; i < IOREQ_BLOCK_STATES; i++) {
		struct ioreq_block_state *entry = &block->states[i];

		if (!entry->bytes || strncmp(entry->name, name, sizeof(entry->name)) != 0)
			continue;
		if (entry->bytes == bytes) {
			*recovered_out = true;
			return block->state + entry->offset;
		}
		store_relaxed(&entry->bytes, 0);
	}
	*recovered_out = false;
	return bytes && bytes <= MAX_STATE_BYTES ? take_state(block, name, (uint32_t)bytes) : NULL;
}

uint32_t ioreq_journal_client(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash < 16 ? hash + 16 : hash;
}

enum ioreq_kinship ioreq_journal_kinship(const struct ioreq_block *block, const struct ioreq_page *page)
{
	/* J2 acquire: the page as the engine before this one left it. Pairs with J1, J3. */
	uint64_t id = page->id ? load_acquire(page->id) : 0;

	if (id == 0)
		return IOREQ_PAGE_NEW;
	return id == block->id ? IOREQ_PAGE_KNOWN : IOREQ_PAGE_FOREIGN;
}

static enum ioreq_verdict adopt_known(const struct ioreq_block *block, unsigned vcpu, struct ioreq_slot_state slot)
{
	if (slot.sequence == ioreq_journal_sequence(block, vcpu))
		return IOREQ_SERVE;
	return ioreq_journal_owner(block, vcpu) == IOREQ_JOURNAL_ENGINE ? IOREQ_SERVE : IOREQ_FAIL;
}

enum ioreq_verdict ioreq_journal_adopt(struct ioreq_block *block, unsigned vcpu, struct ioreq_slot_state slot,
				       enum ioreq_kinship kinship)
{
	bool request = slot.state == ACRN_IOREQ_STATE_PENDING || slot.state == ACRN_IOREQ_STATE_PROCESSING;

	if (request && kinship == IOREQ_PAGE_KNOWN)
		return adopt_known(block, vcpu, slot);
	if (request && kinship == IOREQ_PAGE_FOREIGN) {
		/* A number that the slot does not hold; a kill before COMPLETE finds a foreign page again. */
		ioreq_journal_store(block, vcpu, slot.sequence + 1, IOREQ_JOURNAL_ENGINE);
		return IOREQ_FAIL;
	}
	/* Free or complete: a reset may have passed while no engine lived. New page: nobody has begun anything. */
	ioreq_journal_store(block, vcpu, slot.sequence, IOREQ_JOURNAL_ENGINE);
	return request ? IOREQ_SERVE : IOREQ_NOTHING;
}

int ioreq_journal_bind(struct ioreq_block *block, const struct ioreq_page *page)
{
	uint64_t id = 0;

	if (!page->id || ioreq_journal_kinship(block, page) == IOREQ_PAGE_KNOWN)
		return 0;
	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -errno;
	/*
	 * J3 release, twice: the journal is in step before the block has the id, the block has it before the page. A kill in
	 * between leaves a page of another id or none: adopted anew. Pairs with J2.
	 */
	store_release(&block->id, id);
	store_release(page->id, id);
	return 0;
}
