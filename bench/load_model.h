/* SPDX-License-Identifier: MIT */
/*
 * What one vCPU of the load generator asks for, and what it knows the answer to be.
 *
 * Each vCPU owns 192 bytes in the storage of every `registers` bank (vCPU 0 also the bank's last 8 bytes) and keeps a
 * shadow of them, so the answer to every read is known. Its first accesses write the shadow; then come random ones:
 *
 *	bank        own bytes, any width, alignment and direction: the shadow
 *	identity    the bank's ID register
 *	refused     inside the bank, but for no register of it (its device answers UNHANDLED): all ones
 *	straddle    across the end of the bank's range, so of no range: all ones, and the write is dropped
 *	unclaimed   where no device is: all ones
 *	hostile     what no well-formed guest access can say: bad size, type, direction, address
 *
 * Whatever must be dropped is aimed at bytes that this vCPU owns: a write that is carried out all the same is seen by a later read.
 *
 * Restarts  A request that an engine's death interrupts is failed: a read gets all ones, a write is dropped or not.
 *           With `restarts` allowed, one such answer each is counted as failed, not as wrong.
 * Threads   A model belongs to one thread.
 * Memory    The caller's; `map` must outlive the model.
 */
#ifndef IOREQ_BENCH_LOAD_MODEL_H
#define IOREQ_BENCH_LOAD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/abi.h>
#include <ioreq/access.h>

#define IOREQ_LOAD_MAX_TARGETS 16u
#define IOREQ_LOAD_BANK_BYTES 0x1000u
#define IOREQ_LOAD_STORAGE 0x40u      /* first byte of the storage in a bank */
#define IOREQ_LOAD_REGION_BYTES 0xc0u /* of it, each vCPU's */
#define IOREQ_LOAD_TAIL_BYTES 8u      /* the bank's last bytes: vCPU 0's, too */
#define IOREQ_LOAD_SHADOW_BYTES (IOREQ_LOAD_REGION_BYTES + IOREQ_LOAD_TAIL_BYTES)
#define IOREQ_LOAD_UNCLAIMED_BYTES 0x100u /* from an unclaimed address on, nobody answers */

/* A 4-KiB bank, or the begin of 256 bytes that nobody claims. */
struct ioreq_load_target {
	uint8_t space; /* enum ioreq_space */
	uint64_t address;
};

struct ioreq_load_map {
	struct ioreq_load_target banks[IOREQ_LOAD_MAX_TARGETS];
	struct ioreq_load_target unclaimed[IOREQ_LOAD_MAX_TARGETS];
	unsigned nr_banks;     /* 1.. */
	unsigned nr_unclaimed; /* 1.. */
};

enum ioreq_load_completion {
	IOREQ_LOAD_POLLING,
	IOREQ_LOAD_NOTIFY,
	IOREQ_LOAD_MIXED, /* either, at random */
};

struct ioreq_load_mix {
	unsigned read_percent;
	unsigned hostile_percent;
	enum ioreq_load_completion completion;
	uint64_t restarts; /* of the engine, that may fail one request of each vCPU */
};

enum ioreq_load_kind {
	IOREQ_LOAD_BANK,
	IOREQ_LOAD_IDENTITY,
	IOREQ_LOAD_REFUSED,
	IOREQ_LOAD_STRADDLE,
	IOREQ_LOAD_UNCLAIMED,
	IOREQ_LOAD_BAD_SIZE,
	IOREQ_LOAD_BAD_TYPE,
	IOREQ_LOAD_BAD_DIRECTION,
	IOREQ_LOAD_BAD_ADDRESS,
};

/* One request: the slot's fields, as wide as they are there, and the answer. */
struct ioreq_load_request {
	enum ioreq_load_kind kind;
	uint32_t type;
	uint32_t completion_polling;
	uint32_t direction;
	uint64_t address; /* PCI config: bits 63..28 are what does not fit into the slot's fields, see _fill() */
	uint64_t size;
	uint64_t value;
	uint64_t want; /* a read's answer, in the bits of want_mask */
	uint64_t want_mask;
	unsigned bank; /* kind BANK: which shadow, from which byte */
	unsigned at;
};

enum ioreq_load_verdict {
	IOREQ_LOAD_RIGHT,
	IOREQ_LOAD_FAILED, /* a restart's doing */
	IOREQ_LOAD_WRONG,
};

struct ioreq_load_shadow {
	uint8_t now[IOREQ_LOAD_SHADOW_BYTES];
	uint8_t before[IOREQ_LOAD_SHADOW_BYTES];  /* before the last write of each byte */
	uint32_t serial[IOREQ_LOAD_SHADOW_BYTES]; /* which write that was */
};

struct ioreq_load_model {
	const struct ioreq_load_map *map;
	struct ioreq_load_mix mix;
	unsigned vcpu;
	uint64_t random;
	uint64_t nr_failed;
	uint32_t serial;
	unsigned setup_bank; /* what is written first: map->nr_banks when all is */
	unsigned setup_at;
	struct ioreq_load_shadow shadows[IOREQ_LOAD_MAX_TARGETS];
};

/* The demo set-up's banks and empty addresses. */
struct ioreq_load_map ioreq_load_model_demo(void);

/* Same map, mix, vCPU (0..15) and seed: same requests. */
void ioreq_load_model_init(struct ioreq_load_model *model, const struct ioreq_load_map *map,
			   const struct ioreq_load_mix *mix, unsigned vcpu, uint64_t seed);

/* Draws the next request. One at a time: check it before the next is drawn. */
void ioreq_load_model_next(struct ioreq_load_model *model, struct ioreq_load_request *request);

/* Lines 0 and 1 of a slot. */
void ioreq_load_model_fill(const struct ioreq_load_request *request, struct acrn_io_request *slot);

/* Judges the answer (ignored for a write) and carries the request out on the shadow. */
enum ioreq_load_verdict ioreq_load_model_check(struct ioreq_load_model *model, const struct ioreq_load_request *request,
					       uint64_t got);

/* "mmio write of 4 at 0xfe000040 (bank)": for people. */
void ioreq_load_model_describe(const struct ioreq_load_request *request, char *text, size_t bytes);

#endif
