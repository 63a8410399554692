/* SPDX-License-Identifier: MIT */
/*
 * Range tables.
 *
 * Threads   Built by one thread, published whole (vm.c), then read by the poller only.
 * Memory    One allocation per table: header, starts and targets of the three spaces, doorbells.
 */
#include "core/route.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/client.h"
#include "core/error.h"

const char *ioreq_route_space_name(unsigned space)
{
	static const char *const names[IOREQ_NR_SPACES] = {"pio", "mmio", "pcicfg"};

	return space < IOREQ_NR_SPACES ? names[space] : "?";
}

static int compare_ranges(const void *left, const void *right)
{
	const struct ioreq_range *a = &((const struct ioreq_owned_range *)left)->range;
	const struct ioreq_range *b = &((const struct ioreq_owned_range *)right)->range;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static int check_range(const struct ioreq_owned_range *owned, struct ioreq_error *error)
{
	const struct ioreq_range *range = &owned->range;

	if ((unsigned)range->space >= IOREQ_NR_SPACES)
		return ioreq_error_set(error, EINVAL, "%s: space %u; allowed: 0 (pio), 1 (mmio), 2 (pcicfg)",
				       owned->client->name, (unsigned)range->space);
	if (range->start > range->last)
		return ioreq_error_set(error, EINVAL, "%s: range %s 0x%" PRIx64 "..0x%" PRIx64 " ends before it starts",
				       owned->client->name, ioreq_route_space_name(range->space), range->start,
				       range->last);
	if (range->last > ioreq_space_last(range->space))
		return ioreq_error_set(error, EINVAL,
				       "%s: range %s 0x%" PRIx64 "..0x%" PRIx64
				       " leaves its space; allowed: 0..0x%" PRIx64,
				       owned->client->name, ioreq_route_space_name(range->space), range->start,
				       range->last, ioreq_space_last(range->space));
	return 0;
}

int ioreq_route_sort(struct ioreq_owned_range *ranges, size_t nr_ranges, struct ioreq_error *error)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		int status = check_range(&ranges[i], error);

		if (status)
			return status;
	}
	if (nr_ranges)
		qsort(ranges, nr_ranges, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < nr_ranges; i++) {
		const struct ioreq_owned_range *a = &ranges[i - 1], *b = &ranges[i];

		if (a->range.space != b->range.space || a->range.last < b->range.start)
			continue;
		return ioreq_error_set(error, EEXIST,
				       "%s 0x%" PRIx64 "..0x%" PRIx64 " of %s overlaps 0x%" PRIx64 "..0x%" PRIx64
				       " of %s",
				       ioreq_route_space_name(a->range.space), a->range.start, a->range.last,
				       a->client->name, b->range.start, b->range.last, b->client->name);
	}
	return 0;
}

size_t ioreq_route_bytes(const struct ioreq_table_source *source)
{
	return sizeof(struct ioreq_table) + source->nr_ranges * (sizeof(uint64_t) + sizeof(struct ioreq_route_target)) +
	       source->nr_bells * sizeof(struct ioreq_bell);
}

static int compare_bells(const void *left, const void *right)
{
	const struct ioreq_bell *a = left, *b = right;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

struct ioreq_table *ioreq_route_build(void *memory, const struct ioreq_table_source *source)
{
	struct ioreq_table *table = memory;
	struct ioreq_route_target *targets = (struct ioreq_route_target *)(table + 1);
	struct ioreq_bell *bells = (struct ioreq_bell *)(targets + source->nr_ranges);
	uint64_t *starts = (uint64_t *)(bells + source->nr_bells);

	for (size_t i = 0; i < source->nr_ranges; i++) {
		const struct ioreq_owned_range *owned = &source->ranges[i];
		struct ioreq_route_space *space = &table->spaces[owned->range.space];

		if (space->nr++ == 0) {
			space->starts = &starts[i];
			space->targets = &targets[i];
		}
		starts[i] = owned->range.start;
		targets[i] = (struct ioreq_route_target){.last = owned->range.last, .client = owned->client};
	}
	if (source->nr_bells) {
		memcpy(bells, source->bells, source->nr_bells * sizeof(*bells));
		qsort(bells, source->nr_bells, sizeof(*bells), compare_bells);
	}
	table->bells = bells;
	table->nr_bells = source->nr_bells;
	table->default_client = source->default_client;
	table->bytes = ioreq_route_bytes(source);
	return table;
}

/*
 * A binary search without a branch on the data: the loop's length depends on the number of ranges only, so its time
 * does not depend on what the guest touched before.
 */
const struct ioreq_route_target *ioreq_route_find(const struct ioreq_table *table, const struct ioreq_access *access)
{
	const struct ioreq_route_space *space = &table->spaces[access->space];
	const uint64_t *at = space->starts;
	const struct ioreq_route_target *target;
	const uint64_t address = access->address;
	uint64_t left = space->nr;

	if (left == 0)
		return NULL;
	while (left > 1) {
		uint64_t half = left / 2;
		const uint64_t *middle = at + half;

		left -= half;
		at = *middle <= address ? middle : at;
	}
	target = &space->targets[at - space->starts];
	/* Valid accesses do not wrap, so neither does the sum. */
	return *at <= address && address + (access->size - 1u) <= target->last ? target : NULL;
}

static bool rings(const struct ioreq_bell *bell, const struct ioreq_access *access)
{
	return access->size <= bell->size && (bell->any_data || bell->data == access->value);
}

const struct ioreq_bell *ioreq_route_find_bell(const struct ioreq_table *table, const struct ioreq_access *access)
{
	const struct ioreq_bell key = {.space = access->space, .address = access->address};
	size_t low = 0, high = table->nr_bells;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_bells(&table->bells[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < table->nr_bells && compare_bells(&table->bells[low], &key) == 0; low++)
		if (rings(&table->bells[low], access))
			return &table->bells[low];
	return NULL;
}

bool ioreq_route_bells_conflict(const struct ioreq_bell *one, const struct ioreq_bell *other)
{
	return compare_bells(one, other) == 0 && (one->any_data || other->any_data || one->data == other->data);
}
