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

/* How many of the sorted ranges, from `first` on, are of that space. */
static size_t count_space(const struct ioreq_table_source *source, size_t first, unsigned space)
{
	size_t nr = 0;

	while (first + nr < source->nr_ranges && (unsigned)source->ranges[first + nr].range.space == space)
		nr++;
	return nr;
}

/* The power of two that they are filled up to. */
static size_t fill_up(size_t nr)
{
	size_t filled = 1;

	while (filled < nr)
		filled *= 2;
	return filled;
}

static size_t count_targets(const struct ioreq_table_source *source)
{
	size_t total = 0, first = 0;

	for (unsigned space = 0; space < IOREQ_NR_SPACES; space++) {
		size_t nr = count_space(source, first, space);

		total += fill_up(nr);
		first += nr;
	}
	return total;
}

size_t ioreq_route_bytes(const struct ioreq_table_source *source)
{
	return sizeof(struct ioreq_table) +
	       count_targets(source) * (sizeof(uint64_t) + sizeof(struct ioreq_route_target)) +
	       source->nr_bells * sizeof(struct ioreq_bell);
}

static int compare_bells(const void *left, const void *right)
{
	const struct ioreq_bell *a = left, *b = right;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return a->address < b->address ? -1 : a->address > b->address;
}

static void build_space(const struct ioreq_table_source *source, size_t first, size_t nr, uint64_t *starts,
			struct ioreq_route_target *targets)
{
	/* What contains nothing: no address is at or above its start and at or below its last. */
	static const struct ioreq_owned_range nothing = {.range = {.start = UINT64_MAX, .last = 0}};

	for (size_t i = 0; i < fill_up(nr); i++) {
		const struct ioreq_owned_range *owned =
			nr == 0 ? &nothing : &source->ranges[first + (i < nr ? i : nr - 1)];

		starts[i] = owned->range.start;
		targets[i] = (struct ioreq_route_target){.last = owned->range.last, .client = owned->client};
	}
}

struct ioreq_table *ioreq_route_build(void *memory, const struct ioreq_table_source *source)
{
	struct ioreq_table *table = memory;
	struct ioreq_route_target *targets = (struct ioreq_route_target *)(table + 1);
	struct ioreq_bell *bells = (struct ioreq_bell *)(targets + count_targets(source));
	uint64_t *starts = (uint64_t *)(bells + source->nr_bells);
	size_t first = 0;

	for (unsigned space = 0; space < IOREQ_NR_SPACES; space++) {
		size_t nr = count_space(source, first, space);

		build_space(source, first, nr, starts, targets);
		table->spaces[space] = (struct ioreq_route_space){.steps = (uint64_t)__builtin_ctzll(fill_up(nr)),
								  .starts = starts,
								  .skew = (uintptr_t)targets - 2 * (uintptr_t)starts};
		starts += fill_up(nr);
		targets += fill_up(nr);
		first += nr;
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

static_assert(IOREQ_MAX_RANGES == 1 << 14, "the first step of a search");

static inline const uint64_t *step(const uint64_t *at, uint64_t half, uint64_t address)
{
	const uint64_t *next = at + half;

	__asm__("" : "+r"(next));
	at = __builtin_expect_with_probability(*next <= address, 1, 0.5) ? next : at;
	/* Hides from the compiler how `at` came about: it would rather branch on what the guest asks for. */
	__asm__("" : "+r"(at));
	return at;
}

/*
 * The last start at or below the address. A binary search without a branch on the data: its length depends on the number
 * of ranges only, so its time does not depend on what the guest touched before. Unrolled, for a loop nearly doubles it.
 */
static inline const uint64_t *search(const struct ioreq_route_space *space, uint64_t address)
{
	const uint64_t *at = space->starts;

	switch (space->steps) {
	case 14: at = step(at, 8192, address); __attribute__((fallthrough));
	case 13: at = step(at, 4096, address); __attribute__((fallthrough));
	case 12: at = step(at, 2048, address); __attribute__((fallthrough));
	case 11: at = step(at, 1024, address); __attribute__((fallthrough));
	case 10: at = step(at, 512, address); __attribute__((fallthrough));
	case 9: at = step(at, 256, address); __attribute__((fallthrough));
	case 8: at = step(at, 128, address); __attribute__((fallthrough));
	case 7: at = step(at, 64, address); __attribute__((fallthrough));
	case 6: at = step(at, 32, address); __attribute__((fallthrough));
	case 5: at = step(at, 16, address); __attribute__((fallthrough));
	case 4: at = step(at, 8, address); __attribute__((fallthrough));
	case 3: at = step(at, 4, address); __attribute__((fallthrough));
	case 2: at = step(at, 2, address); __attribute__((fallthrough));
	case 1: at = step(at, 1, address); break;
	case 0: break;
	default: __builtin_unreachable();
	}
	return at;
}

const struct ioreq_route_target *ioreq_route_find(const struct ioreq_table *table, const struct ioreq_access *access)
{
	/* A copy, so that it is read at once and its place is not computed again after the search. */
	const struct ioreq_route_space space = table->spaces[access->space];
	const uint64_t address = access->address;
	const uint64_t *at = search(&space, address);
	const struct ioreq_route_target *target = ioreq_route_target_of(&space, at);

	/* Valid accesses do not wrap, so neither does the sum. */
	return *at <= address && address + access->size - 1 <= target->last ? target : NULL;
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
