/* SPDX-License-Identifier: MIT */
/*
 * core/journal.c: the block, what it refuses, the devices' memory in it, and every case of adoption.
 *
 * Threads   One. Memory: a block for the whole program.
 */
#include "unit/stand.h"

#define VCPU 3

static struct ioreq_block *block;

static int set_up(void **unused)
{
	(void)unused;
	block = aligned_alloc(64, (ioreq_block_bytes() + 63) & ~(size_t)63);
	if (!block)
		return -1;
	memset(block, 0, ioreq_block_bytes());
	return ioreq_block_open(block);
}

static int tear_down(void **unused)
{
	(void)unused;
	free(block);
	return 0;
}

/* ---- the block -------------------------------------------------------------------------------------------- */

static void test_journal_block_opens_when_zeroed_and_again_when_used(void **unused)
{
	bool recovered;
	uint8_t *state;

	(void)unused;
	assert_int_equal(ioreq_block_bytes(), sizeof(*block));
	state = ioreq_block_state(block, "uart0", 100, &recovered);
	assert_non_null(state);
	state[99] = 0x5a;
	block->id = 77;
	assert_int_equal(ioreq_block_open(block), 0);
	assert_int_equal(block->id, 77);
	assert_ptr_equal(ioreq_block_state(block, "uart0", 100, &recovered), state);
	assert_true(recovered);
	assert_int_equal(state[99], 0x5a);
}

/* A kill between the first store and the magic leaves the length and no magic. */
static void test_journal_block_of_a_killed_start_is_made_new(void **unused)
{
	(void)unused;
	block->magic = 0;
	block->pci_latch = 9;
	assert_int_equal(ioreq_block_open(block), 0);
	assert_int_not_equal(block->magic, 0);
	assert_int_equal(block->pci_latch, 0);
}

static void break_magic(void)
{
	block->magic ^= 1;
}

static void break_bytes(void)
{
	block->bytes--;
}

static void break_without_magic(void)
{
	memset(block, 0, sizeof(*block));
	block->journal[15] = 1;
}

static void break_offset(void)
{
	block->states[127] = (struct ioreq_block_state){.offset = IOREQ_BLOCK_STATE_BYTES - 64, .bytes = 65};
}

static void break_offset_wildly(void)
{
	block->states[0] = (struct ioreq_block_state){.offset = 0xffffffc0, .bytes = 64};
}

static void break_alignment(void)
{
	block->states[0] = (struct ioreq_block_state){.offset = 32, .bytes = 32};
}

static void break_length(void)
{
	block->states[0] = (struct ioreq_block_state){.offset = 0, .bytes = 65537};
}

static void break_name(void)
{
	memset(block->states[5].name, 'x', sizeof(block->states[5].name));
}

static void break_apart(void)
{
	block->states[2] = (struct ioreq_block_state){.offset = 640, .bytes = 100};
	block->states[9] = (struct ioreq_block_state){.offset = 704, .bytes = 4};
}

static void test_journal_block_that_is_corrupted_is_refused(void **unused)
{
	static void (*const breaks[])(void) = {break_magic,     break_bytes,  break_without_magic,
					       break_offset,    break_length, break_offset_wildly,
					       break_alignment, break_name,   break_apart};

	(void)unused;
	for (size_t i = 0; i < NR_OF(breaks); i++) {
		memset(block, 0, sizeof(*block));
		assert_int_equal(ioreq_block_open(block), 0);
		breaks[i]();
		if (ioreq_block_open(block) != -EPROTO)
			fail_msg("corruption %zu was accepted", i);
	}
}

/* ---- devices' memory -------------------------------------------------------------------------------------- */

static void test_journal_state_is_zeroed_aligned_and_separate(void **unused)
{
	uint8_t *taken[8];
	bool recovered = true;

	(void)unused;
	memset(block->state, 0xee, sizeof(block->state));
	for (unsigned i = 0; i < NR_OF(taken); i++) {
		char name[IOREQ_NAME_BYTES];

		snprintf(name, sizeof(name), "device%u", i);
		taken[i] = ioreq_block_state(block, name, 100 + i, &recovered);
		assert_non_null(taken[i]);
		assert_false(recovered);
		assert_int_equal((uintptr_t)taken[i] % 64, 0);
		for (unsigned k = 0; k < 100 + i; k++)
			assert_int_equal(taken[i][k], 0);
		memset(taken[i], (int)i + 1, 100 + i);
	}
	for (unsigned i = 0; i < NR_OF(taken); i++)
		for (unsigned k = 0; k < 100 + i; k++)
			assert_int_equal(taken[i][k], i + 1);
}

static void test_journal_state_of_another_size_is_thrown_away(void **unused)
{
	bool recovered = true;
	uint8_t *state = ioreq_block_state(block, "uart0", 64, &recovered);

	(void)unused;
	assert_non_null(state);
	memset(state, 0xee, 64);
	state = ioreq_block_state(block, "uart0", 128, &recovered);
	assert_non_null(state);
	assert_false(recovered);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(state[i], 0);
	state = ioreq_block_state(block, "uart0", 64, &recovered);
	assert_non_null(state);
	assert_false(recovered);
}

static void test_journal_state_without_room_is_null(void **unused)
{
	bool recovered = true;
	char name[IOREQ_NAME_BYTES];

	(void)unused;
	assert_null(ioreq_block_state(block, "huge", 65537, &recovered));
	assert_null(ioreq_block_state(block, "none", 0, &recovered));
	for (unsigned i = 0; i < IOREQ_BLOCK_STATE_BYTES / 65536; i++) {
		snprintf(name, sizeof(name), "device%u", i);
		assert_non_null(ioreq_block_state(block, name, 65536, &recovered));
	}
	assert_null(ioreq_block_state(block, "one-more", 1, &recovered));
	assert_false(recovered);
	/* A hole that one of them leaves is found again. */
	assert_non_null(ioreq_block_state(block, "device3", 1, &recovered));
	assert_non_null(ioreq_block_state(block, "one-more", 65536 - 64, &recovered));
	assert_null(ioreq_block_state(block, "two-more", 1, &recovered));
}

static void test_journal_state_without_a_free_entry_is_null(void **unused)
{
	char name[IOREQ_NAME_BYTES];
	bool recovered;

	(void)unused;
	for (unsigned i = 0; i < IOREQ_BLOCK_STATES; i++) {
		snprintf(name, sizeof(name), "device%u", i);
		assert_non_null(ioreq_block_state(block, name, 1, &recovered));
	}
	assert_null(ioreq_block_state(block, "one-more", 1, &recovered));
	assert_non_null(ioreq_block_state(block, "device127", 1, &recovered));
	assert_true(recovered);
}

/* ---- journal ---------------------------------------------------------------------------------------------- */

static void test_journal_client_number_is_never_one_of_the_engines(void **unused)
{
	char name[16];

	(void)unused;
	/* FNV-1a, so that a block written by one version is read by the next. */
	assert_int_equal(ioreq_journal_client("a"), 0xe40c292c);
	assert_int_equal(ioreq_journal_client("foobar"), 0xbf9cf968);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "client%u", i);
		assert_true(ioreq_journal_client(name) >= 16);
	}
}

static void test_journal_begin_counts_on_and_notes_the_client(void **unused)
{
	(void)unused;
	ioreq_journal_store(block, VCPU, UINT32_MAX, 5);
	assert_int_equal(ioreq_journal_begin(block, VCPU, 0x12345678), 0);
	assert_int_equal(ioreq_journal_begin(block, VCPU, 0x87654321), 1);
	assert_int_equal(ioreq_journal_sequence(block, VCPU), 1);
	assert_int_equal(ioreq_journal_owner(block, VCPU), 0x87654321);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
		assert_int_equal(ioreq_journal_sequence(block, v), v == VCPU);
}

static void test_journal_adopt_decides_by_state_sequence_owner_and_page(void **unused)
{
	enum { PENDING = ACRN_IOREQ_STATE_PENDING, PROCESSING = ACRN_IOREQ_STATE_PROCESSING };
	enum { FREE = ACRN_IOREQ_STATE_FREE, COMPLETE = ACRN_IOREQ_STATE_COMPLETE, CLIENT = 0x1000 };
	static const struct {
		enum ioreq_kinship page;
		uint32_t state, sequence; /* of the slot; the journal says 10 */
		uint32_t owner;           /* in the journal */
		enum ioreq_verdict verdict;
		uint32_t sequence_after, owner_after; /* in the journal */
	} cases[] = {
		/* Given to nobody: the slot shows the number that the journal has. */
		{IOREQ_PAGE_KNOWN, PENDING, 10, CLIENT, IOREQ_SERVE, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PROCESSING, 10, CLIENT, IOREQ_SERVE, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PENDING, 10, IOREQ_JOURNAL_DOORBELL, IOREQ_SERVE, 10, IOREQ_JOURNAL_DOORBELL},
		/* Its handler may have begun: never again. */
		{IOREQ_PAGE_KNOWN, PENDING, 9, CLIENT, IOREQ_FAIL, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PROCESSING, 9, CLIENT, IOREQ_FAIL, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PENDING, 11, CLIENT, IOREQ_FAIL, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PENDING, 0, CLIENT, IOREQ_FAIL, 10, CLIENT},
		{IOREQ_PAGE_KNOWN, PROCESSING, 9, IOREQ_JOURNAL_DOORBELL, IOREQ_FAIL, 10, IOREQ_JOURNAL_DOORBELL},
		/* Begun by the engine itself: no side effect, served again. */
		{IOREQ_PAGE_KNOWN, PENDING, 9, IOREQ_JOURNAL_ENGINE, IOREQ_SERVE, 10, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_KNOWN, PROCESSING, 9, IOREQ_JOURNAL_ENGINE, IOREQ_SERVE, 10, IOREQ_JOURNAL_ENGINE},
		/* No request: the journal takes the slot's number over. */
		{IOREQ_PAGE_KNOWN, FREE, 9, CLIENT, IOREQ_NOTHING, 9, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_KNOWN, FREE, 10, CLIENT, IOREQ_NOTHING, 10, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_KNOWN, COMPLETE, 10, CLIENT, IOREQ_NOTHING, 10, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_KNOWN, COMPLETE, 3, CLIENT, IOREQ_NOTHING, 3, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_KNOWN, 99, 3, CLIENT, IOREQ_NOTHING, 3, IOREQ_JOURNAL_ENGINE},
		/* A page that no engine has served: nobody has begun anything. */
		{IOREQ_PAGE_NEW, PENDING, 0, CLIENT, IOREQ_SERVE, 0, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_NEW, PENDING, 9, CLIENT, IOREQ_SERVE, 9, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_NEW, PROCESSING, 4, CLIENT, IOREQ_SERVE, 4, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_NEW, FREE, 0, CLIENT, IOREQ_NOTHING, 0, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_NEW, COMPLETE, 5, CLIENT, IOREQ_NOTHING, 5, IOREQ_JOURNAL_ENGINE},
		/* Another block's page, which is lost: whatever is asked for may have begun. */
		{IOREQ_PAGE_FOREIGN, PENDING, 10, CLIENT, IOREQ_FAIL, 11, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_FOREIGN, PROCESSING, 9, CLIENT, IOREQ_FAIL, 10, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_FOREIGN, PENDING, UINT32_MAX, CLIENT, IOREQ_FAIL, 0, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_FOREIGN, FREE, 9, CLIENT, IOREQ_NOTHING, 9, IOREQ_JOURNAL_ENGINE},
		{IOREQ_PAGE_FOREIGN, COMPLETE, 9, CLIENT, IOREQ_NOTHING, 9, IOREQ_JOURNAL_ENGINE},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct ioreq_slot_state slot = {.state = cases[i].state, .sequence = cases[i].sequence};

		ioreq_journal_store(block, VCPU, 10, cases[i].owner);
		if (ioreq_journal_adopt(block, VCPU, slot, cases[i].page) != cases[i].verdict)
			fail_msg("case %zu: another verdict", i);
		if (ioreq_journal_sequence(block, VCPU) != cases[i].sequence_after ||
		    ioreq_journal_owner(block, VCPU) != cases[i].owner_after)
			fail_msg("case %zu: the journal says {%u, %u}", i, ioreq_journal_sequence(block, VCPU),
				 ioreq_journal_owner(block, VCPU));
	}
}

static void test_journal_page_is_new_known_or_foreign_by_its_id(void **unused)
{
	uint64_t id = 0;
	struct ioreq_page page = {.id = &id};

	(void)unused;
	assert_int_equal(ioreq_journal_kinship(block, &page), IOREQ_PAGE_NEW);
	assert_int_equal(ioreq_journal_bind(block, &page), 0);
	assert_int_not_equal(id, 0);
	assert_int_equal(id, block->id);
	assert_int_equal(ioreq_journal_kinship(block, &page), IOREQ_PAGE_KNOWN);
	id++;
	assert_int_equal(ioreq_journal_kinship(block, &page), IOREQ_PAGE_FOREIGN);
	page.id = NULL;
	assert_int_equal(ioreq_journal_kinship(block, &page), IOREQ_PAGE_NEW);
}

static void test_journal_bind_keeps_a_known_pages_id_and_renews_a_foreign_ones(void **unused)
{
	uint64_t id = 0, first;
	struct ioreq_page page = {.id = &id};

	(void)unused;
	assert_int_equal(ioreq_journal_bind(block, &page), 0);
	first = id;
	assert_int_equal(ioreq_journal_bind(block, &page), 0);
	assert_int_equal(id, first);
	id = first + 1;
	assert_int_equal(ioreq_journal_bind(block, &page), 0);
	assert_int_not_equal(id, first);
	assert_int_not_equal(id, first + 1);
	assert_int_equal(id, block->id);
	first = block->id;
	page.id = NULL;
	assert_int_equal(ioreq_journal_bind(block, &page), 0);
	assert_int_equal(block->id, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_journal_block_opens_when_zeroed_and_again_when_used, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_journal_block_of_a_killed_start_is_made_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_block_that_is_corrupted_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_state_is_zeroed_aligned_and_separate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_state_of_another_size_is_thrown_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_state_without_room_is_null, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_state_without_a_free_entry_is_null, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_client_number_is_never_one_of_the_engines, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_journal_begin_counts_on_and_notes_the_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_adopt_decides_by_state_sequence_owner_and_page, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_journal_page_is_new_known_or_foreign_by_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_bind_keeps_a_known_pages_id_and_renews_a_foreign_ones,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
