/* SPDX-License-Identifier: MIT */
/*
 * core/route.c: what is refused, and the table's search against a plain one.
 *
 * Threads   One. Memory: the heap, freed by each test.
 */
#include "unit/stand.h"

#include "core/route.h"

static struct ioreq_client uart = {.name = "uart0"}, timer = {.name = "timer"};

static struct ioreq_owned_range range(enum ioreq_space space, uint64_t start, uint64_t last,
				      struct ioreq_client *client)
{
	return (struct ioreq_owned_range){.range = {.start = start, .last = last, .space = space}, .client = client};
}

static struct ioreq_table *build(struct ioreq_owned_range *ranges, size_t nr_ranges, const struct ioreq_bell *bells,
				 size_t nr_bells)
{
	const struct ioreq_table_source source = {
		.ranges = ranges, .nr_ranges = nr_ranges, .bells = bells, .nr_bells = nr_bells};
	struct ioreq_error error = {.text = ""};
	void *memory;

	assert_int_equal(ioreq_route_sort(ranges, nr_ranges, &error), 0);
	assert_sentence(error, "");
	memory = calloc(1, ioreq_route_bytes(&source));
	assert_non_null(memory);
	return ioreq_route_build(memory, &source);
}

/* ---- sorting ---------------------------------------------------------------------------------------------- */

static void test_route_bad_ranges_are_refused_by_name(void **unused)
{
	static const struct {
		struct ioreq_range ranges[2];
		int status;
		const char *sentence;
	} cases[] = {
		{{{5, 4, IOREQ_PIO}}, -EINVAL, "uart0: range pio 0x5..0x4 ends before it starts"},
		{{{0, 0x10000, IOREQ_PIO}},
		 -EINVAL,
		 "uart0: range pio 0x0..0x10000 leaves its space; allowed: 0..0xffff"},
		{{{0, 0x10000000, IOREQ_PCICFG}},
		 -EINVAL,
		 "uart0: range pcicfg 0x0..0x10000000 leaves its space; allowed: 0..0xfffffff"},
		{{{0, 1, (enum ioreq_space)3}}, -EINVAL, "uart0: space 3; allowed: 0 (pio), 1 (mmio), 2 (pcicfg)"},
		{{{0x3f8, 0x3ff, IOREQ_PIO}, {0x3ff, 0x400, IOREQ_PIO}},
		 -EEXIST,
		 "pio 0x3f8..0x3ff of uart0 overlaps 0x3ff..0x400 of timer"},
		{{{0x3f9, 0x3f9, IOREQ_PIO}, {0x3f8, 0x3ff, IOREQ_PIO}},
		 -EEXIST,
		 "pio 0x3f8..0x3ff of timer overlaps 0x3f9..0x3f9 of uart0"},
		{{{UINT64_MAX, UINT64_MAX, IOREQ_MMIO}, {0, UINT64_MAX, IOREQ_MMIO}},
		 -EEXIST,
		 "mmio 0x0..0xffffffffffffffff of timer overlaps 0xffffffffffffffff..0xffffffffffffffff of uart0"},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_owned_range ranges[] = {{.range = cases[i].ranges[0], .client = &uart},
						     {.range = cases[i].ranges[1], .client = &timer}};
		size_t nr = cases[i].ranges[1].last ? 2 : 1;
		struct ioreq_error error = {.text = "untouched"};

		assert_int_equal(ioreq_route_sort(ranges, nr, &error), cases[i].status);
		assert_sentence(error, cases[i].sentence);
	}
}

static void test_route_adjacent_ranges_and_other_spaces_do_not_overlap(void **unused)
{
	struct ioreq_owned_range ranges[] = {
		range(IOREQ_MMIO, 0x3f8, 0x3ff, &uart), range(IOREQ_PIO, 0x400, 0x400, &timer),
		range(IOREQ_PCICFG, 0, 0x0fffffff, &uart), range(IOREQ_PIO, 0x3f8, 0x3ff, &uart),
		range(IOREQ_MMIO, 0x400, UINT64_MAX, &timer)};
	struct ioreq_error error = {.text = "untouched"};

	(void)unused;
	assert_int_equal(ioreq_route_sort(ranges, NR_OF(ranges), &error), 0);
	assert_sentence(error, "untouched");
	for (size_t i = 1; i < NR_OF(ranges); i++)
		assert_true(ranges[i - 1].range.space < ranges[i].range.space ||
			    ranges[i - 1].range.last < ranges[i].range.start);
	assert_int_equal(ioreq_route_sort(NULL, 0, &error), 0);
}

static void test_route_space_names_are_those_of_the_configuration(void **unused)
{
	(void)unused;
	assert_string_equal(ioreq_route_space_name(IOREQ_PIO), "pio");
	assert_string_equal(ioreq_route_space_name(IOREQ_MMIO), "mmio");
	assert_string_equal(ioreq_route_space_name(IOREQ_PCICFG), "pcicfg");
	assert_string_equal(ioreq_route_space_name(3), "?");
	assert_string_equal(ioreq_route_space_name(UINT32_MAX), "?");
}

/* ---- searching -------------------------------------------------------------------------------------------- */

static const struct ioreq_owned_range *find_plainly(const struct ioreq_owned_range *ranges, size_t nr_ranges,
						    const struct ioreq_access *access)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		const struct ioreq_range *at = &ranges[i].range;

		if (at->space == access->space && access->address >= at->start && access->address <= at->last &&
		    at->last - access->address >= access->size - 1u)
			return &ranges[i];
	}
	return NULL;
}

static void assert_found(const struct ioreq_table *table, const struct ioreq_owned_range *ranges, size_t nr_ranges,
			 const struct ioreq_access *access)
{
	const struct ioreq_owned_range *wanted = find_plainly(ranges, nr_ranges, access);
	const struct ioreq_route_target *found = ioreq_route_find(table, access);

	if (!wanted) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_ptr_equal(found->client, wanted->client);
	assert_int_equal(found->last, wanted->range.last);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* `nr` ranges of all spaces, in address order, with and without gaps. */
static void make_ranges(struct ioreq_owned_range *ranges, size_t nr, uint64_t *random)
{
	uint64_t next[IOREQ_NR_SPACES] = {0, 0, 0};

	for (size_t i = 0; i < nr; i++) {
		unsigned space = (unsigned)(next_random(random) % IOREQ_NR_SPACES);
		uint64_t start = next[space] + next_random(random) % 3 * 5;
		uint64_t last = start + next_random(random) % 8;

		ranges[i] = range((enum ioreq_space)space, start, last, next_random(random) % 2 ? &uart : &timer);
		next[space] = last + 1;
	}
}

static void test_route_find_agrees_with_a_plain_search(void **unused)
{
	static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 100, 257, 1024};
	uint64_t random = 1;

	(void)unused;
	for (size_t i = 0; i < NR_OF(counts); i++) {
		struct ioreq_owned_range *ranges = calloc(counts[i] + 1, sizeof(*ranges));
		struct ioreq_table *table;

		assert_non_null(ranges);
		make_ranges(ranges, counts[i], &random);
		table = build(ranges, counts[i], NULL, 0);
		for (uint8_t space = 0; space < IOREQ_NR_SPACES; space++)
			for (uint64_t address = 0; address < 8 * counts[i] + 16; address++)
				for (uint8_t size = 1; size <= 8; size = (uint8_t)(size * 2)) {
					const struct ioreq_access access = {
						.space = space, .address = address, .size = size};

					assert_found(table, ranges, counts[i], &access);
				}
		free(table);
		free(ranges);
	}
}

static void test_route_find_holds_at_the_ends_of_the_space(void **unused)
{
	static const uint64_t top = UINT64_MAX;
	static const struct {
		uint64_t address;
		uint8_t size;
		bool found;
	} cases[] = {{top, 1, true},       {top - 7, 8, true}, {top - 8, 8, false}, {top - 8, 1, false},
		     {top - 15, 8, false}, {0, 8, true},       {0, 1, true},        {7, 1, true},
		     {7, 2, false},        {1, 8, false},      {8, 1, false}};
	struct ioreq_owned_range ranges[] = {range(IOREQ_MMIO, top - 7, top, &uart), range(IOREQ_MMIO, 0, 7, &timer)};
	struct ioreq_table *table = build(ranges, NR_OF(ranges), NULL, 0);

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct ioreq_access access = {
			.space = IOREQ_MMIO, .address = cases[i].address, .size = cases[i].size};

		assert_int_equal(ioreq_route_find(table, &access) != NULL, cases[i].found);
	}
	free(table);
	/* A space without ranges has no owner at its ends either. */
	table = build(NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct ioreq_access access = {.space = IOREQ_MMIO, .address = i ? top : 0, .size = 1};

		assert_null(ioreq_route_find(table, &access));
	}
	free(table);
}

/* An access that lies in two ranges of one client is nobody's whole. */
static void test_route_straddling_access_has_no_owner(void **unused)
{
	struct ioreq_owned_range ranges[] = {range(IOREQ_PIO, 0x10, 0x13, &uart), range(IOREQ_PIO, 0x14, 0x17, &uart)};
	struct ioreq_table *table = build(ranges, NR_OF(ranges), NULL, 0);
	const struct ioreq_access access = {.space = IOREQ_PIO, .address = 0x12, .size = 4};

	(void)unused;
	assert_null(ioreq_route_find(table, &access));
	free(table);
}

/* ---- doorbells -------------------------------------------------------------------------------------------- */

static struct ioreq_bell bell(uint8_t space, uint64_t address, uint32_t size, uint64_t data, bool any_data)
{
	return (struct ioreq_bell){
		.space = space, .address = address, .size = size, .data = data, .any_data = any_data};
}

static void test_route_bell_matches_address_space_size_and_data(void **unused)
{
	const struct ioreq_bell bells[] = {
		bell(IOREQ_MMIO, 0x1000, 4, 7, false), bell(IOREQ_MMIO, 0x1000, 8, 8, false),
		bell(IOREQ_PIO, 0x1000, 1, 7, false),  bell(IOREQ_MMIO, 0x2000, 8, 0, true),
		bell(IOREQ_MMIO, 0x1000, 4, 0, false), bell(IOREQ_PCICFG, 0x44, 2, 1, false)};
	static const struct {
		uint8_t space;
		uint64_t address;
		unsigned size;
		uint64_t value;
		int bell;
	} cases[] = {
		{IOREQ_MMIO, 0x1000, 4, 7, 0},      {IOREQ_MMIO, 0x1000, 1, 7, 0},     {IOREQ_MMIO, 0x1000, 8, 7, -1},
		{IOREQ_MMIO, 0x1000, 8, 8, 1},      {IOREQ_MMIO, 0x1000, 1, 8, 1},     {IOREQ_MMIO, 0x1000, 4, 9, -1},
		{IOREQ_MMIO, 0x1000, 4, 0, 4},      {IOREQ_MMIO, 0x1000, 8, 0, -1},    {IOREQ_MMIO, 0x1001, 1, 7, -1},
		{IOREQ_MMIO, 0xfff, 2, 0x700, -1},  {IOREQ_PIO, 0x1000, 1, 7, 2},      {IOREQ_PIO, 0x1000, 2, 7, -1},
		{IOREQ_PIO, 0x2000, 1, 0, -1},      {IOREQ_MMIO, 0x2000, 8, ~0ull, 3}, {IOREQ_MMIO, 0x2000, 1, 0, 3},
		{IOREQ_MMIO, 0x2004, 4, 0, -1},     {IOREQ_PCICFG, 0x44, 2, 1, 5},     {IOREQ_PCICFG, 0x44, 4, 1, -1},
		{IOREQ_MMIO, UINT64_MAX, 1, 0, -1}, {IOREQ_MMIO, 0, 1, 0, -1},
	};
	struct ioreq_table *table = build(NULL, 0, bells, NR_OF(bells));

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct ioreq_access access =
			stand_write(cases[i].space, cases[i].address, cases[i].size, cases[i].value);
		const struct ioreq_bell *found = ioreq_route_find_bell(table, &access);

		if (cases[i].bell < 0) {
			assert_null(found);
			continue;
		}
		assert_non_null(found);
		assert_memory_equal(found, &bells[cases[i].bell], sizeof(*found));
	}
	free(table);
}

static void test_route_bells_conflict_only_where_one_write_rings_both(void **unused)
{
	static const struct {
		struct ioreq_bell one, other;
		bool conflict;
	} cases[] = {
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 1},
		 {.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 1},
		 true},
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 1},
		 {.space = IOREQ_MMIO, .address = 8, .size = 2, .data = 1},
		 true},
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 1},
		 {.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 2},
		 false},
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .any_data = 1},
		 {.space = IOREQ_MMIO, .address = 8, .size = 4, .data = 2},
		 true},
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .any_data = 1},
		 {.space = IOREQ_MMIO, .address = 9, .size = 4, .any_data = 1},
		 false},
		{{.space = IOREQ_MMIO, .address = 8, .size = 4, .any_data = 1},
		 {.space = IOREQ_PIO, .address = 8, .size = 4, .any_data = 1},
		 false},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		assert_int_equal(ioreq_route_bells_conflict(&cases[i].one, &cases[i].other), cases[i].conflict);
		assert_int_equal(ioreq_route_bells_conflict(&cases[i].other, &cases[i].one), cases[i].conflict);
	}
}

static void test_route_build_keeps_everything_in_one_allocation(void **unused)
{
	struct ioreq_owned_range ranges[] = {range(IOREQ_PIO, 1, 2, &uart), range(IOREQ_PCICFG, 1, 2, &timer)};
	const struct ioreq_bell bells[] = {bell(IOREQ_MMIO, 0x1000, 4, 7, false)};
	const struct ioreq_table_source source = {
		.ranges = ranges, .nr_ranges = 2, .bells = bells, .nr_bells = 1, .default_client = &timer};
	size_t bytes = ioreq_route_bytes(&source);
	uint8_t *memory = calloc(1, bytes + 1);
	const struct ioreq_table *table;

	(void)unused;
	assert_non_null(memory);
	memory[bytes] = 0xa5;
	table = ioreq_route_build(memory, &source);
	assert_ptr_equal(table, memory);
	assert_int_equal(table->bytes, bytes);
	assert_ptr_equal(table->default_client, &timer);
	for (unsigned space = 0; space < IOREQ_NR_SPACES; space++)
		assert_int_equal(table->spaces[space].steps, 0);
	assert_true((const uint8_t *)&table->spaces[IOREQ_PCICFG].starts[1] <= memory + bytes);
	assert_int_equal(memory[bytes], 0xa5);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_bad_ranges_are_refused_by_name),
		cmocka_unit_test(test_route_adjacent_ranges_and_other_spaces_do_not_overlap),
		cmocka_unit_test(test_route_space_names_are_those_of_the_configuration),
		cmocka_unit_test(test_route_find_agrees_with_a_plain_search),
		cmocka_unit_test(test_route_find_holds_at_the_ends_of_the_space),
		cmocka_unit_test(test_route_straddling_access_has_no_owner),
		cmocka_unit_test(test_route_bell_matches_address_space_size_and_data),
		cmocka_unit_test(test_route_bells_conflict_only_where_one_write_rings_both),
		cmocka_unit_test(test_route_build_keeps_everything_in_one_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
