/* SPDX-License-Identifier: MIT */
/* Who owns an address: one immutable table per VM for the three spaces, looked up by the poller, replaced through RCU. */
#ifndef IOREQ_CORE_ROUTE_H
#define IOREQ_CORE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioreq/access.h>
#include <ioreq/engine.h>
#include <ioreq/error.h>

struct ioreq_client;

struct ioreq_route_target {
	uint64_t last;
	struct ioreq_client *client;
};

/*
 * The ranges of one space, sorted. The starts stand by themselves: the search reads nothing else. There are 2^steps of
 * them, the last range being repeated as often as it takes; a space without ranges has one that contains nothing.
 */
struct ioreq_route_space {
	uint64_t steps; /* 0..14 */
	const uint64_t *starts;
	uintptr_t skew; /* the targets' address less twice the starts': see below */
};

static_assert(sizeof(struct ioreq_route_target) == 2 * sizeof(uint64_t), "the skew of a space");

/* The target that belongs to a start, and back. Targets are twice as wide, so that no index has to be computed. */
static inline const struct ioreq_route_target *ioreq_route_target_of(const struct ioreq_route_space *space,
								     const uint64_t *start)
{
	return (const struct ioreq_route_target *)(2 * (uintptr_t)start + space->skew);
}

static inline const uint64_t *ioreq_route_start_of(const struct ioreq_route_space *space,
						   const struct ioreq_route_target *target)
{
	return (const uint64_t *)(((uintptr_t)target - space->skew) / 2);
}

/* A doorbell as the poller sees it. */
struct ioreq_bell {
	uint64_t address;
	uint64_t data;
	uint32_t size;
	uint8_t space;
	uint8_t any_data;
	int eventfd;
};

struct ioreq_table {
	struct ioreq_route_space spaces[IOREQ_NR_SPACES];
	struct ioreq_client *default_client; /* NULL: none */
	size_t nr_bells;
	const struct ioreq_bell *bells; /* sorted by space, then address */
	size_t bytes;
};

/* What a table is made from. Ranges sorted by space and start (ioreq_route_sort). */
struct ioreq_table_source {
	const struct ioreq_owned_range *ranges;
	size_t nr_ranges;
	const struct ioreq_bell *bells;
	size_t nr_bells;
	struct ioreq_client *default_client;
};

/* Sorts ranges and refuses bad and overlapping ones: -EINVAL, -EEXIST with both owners and ranges named. */
int ioreq_route_sort(struct ioreq_owned_range *ranges, size_t nr_ranges, struct ioreq_error *error);

/* Bytes of the table that ioreq_route_build() makes. */
size_t ioreq_route_bytes(const struct ioreq_table_source *source);

/* Fills zeroed memory of that size. */
struct ioreq_table *ioreq_route_build(void *memory, const struct ioreq_table_source *source);

/* The range that contains the access whole, or NULL. */
const struct ioreq_route_target *ioreq_route_find(const struct ioreq_table *table, const struct ioreq_access *access);

/* The doorbell that this write rings, or NULL. */
const struct ioreq_bell *ioreq_route_find_bell(const struct ioreq_table *table, const struct ioreq_access *access);

/* Could one write ring both? */
bool ioreq_route_bells_conflict(const struct ioreq_bell *one, const struct ioreq_bell *other);

/* "pio", "mmio", "pcicfg". */
const char *ioreq_route_space_name(unsigned space);

#endif
