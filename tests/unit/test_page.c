/* SPDX-License-Identifier: MIT */
/*
 * core/page.c: which bytes of a slot each of the engine's stores changes, and which it leaves alone.
 *
 * Threads   One. Memory: static.
 */
#include "unit/stand.h"

static _Alignas(4096) struct acrn_io_request_buffer page;

/* Every byte of the slot is different from what any store writes. */
static struct acrn_io_request *fill(void)
{
	memset(&page, 0xa5, sizeof(page));
	return &page.req_slot[3];
}

/* Fails if bytes outside [first, first + count) and [second, second + more) of the slot, or other slots, changed. */
static void assert_changed_only(size_t first, size_t count, size_t second, size_t more)
{
	const uint8_t *bytes = (const uint8_t *)&page;
	const size_t slot = 3 * IOREQ_SLOT_BYTES;

	for (size_t i = 0; i < sizeof(page); i++) {
		if ((i >= slot + first && i < slot + first + count) || (i >= slot + second && i < slot + second + more))
			continue;
		if (bytes[i] != 0xa5)
			fail_msg("byte %zu of slot %zu was changed", i % IOREQ_SLOT_BYTES, i / IOREQ_SLOT_BYTES);
	}
}

static void test_page_prefill_leaves_no_request(void **unused)
{
	const uint8_t *bytes = (const uint8_t *)&page;

	(void)unused;
	fill();
	ioreq_page_prefill(&page);
	for (size_t i = 0; i < sizeof(page); i++)
		assert_int_equal(bytes[i], i % IOREQ_SLOT_BYTES == IOREQ_STATE_OFFSET ? ACRN_IOREQ_STATE_FREE : 0);
}

static void test_page_state_is_the_low_half_of_the_word(void **unused)
{
	struct acrn_io_request *slot = fill();
	const uint32_t words[2] = {ACRN_IOREQ_STATE_PROCESSING, 0x12345678};
	struct ioreq_slot_state both;

	(void)unused;
	memcpy((uint8_t *)slot + IOREQ_STATE_OFFSET, words, sizeof(words));
	both = ioreq_page_state_and_sequence(slot);
	assert_int_equal(ioreq_page_state(slot), ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(both.state, ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(both.sequence, 0x12345678);
}

static void test_page_claim_stores_processing_and_leaves_the_sequence(void **unused)
{
	struct acrn_io_request *slot = fill();

	(void)unused;
	ioreq_page_claim(slot);
	assert_int_equal(slot->processed, ACRN_IOREQ_STATE_PROCESSING);
	assert_int_equal(slot->kernel_handled, 1);
	assert_changed_only(132, 4, 136, 4);
	ioreq_page_claim(slot);
	assert_int_equal(slot->processed, ACRN_IOREQ_STATE_PROCESSING);
	assert_changed_only(132, 4, 136, 4);
}

static void test_page_complete_of_a_read_stores_the_value_cut_to_its_width(void **unused)
{
	static const struct {
		uint8_t space, size;
		uint64_t stored;
		size_t bytes;
	} cases[] = {
		{IOREQ_PIO, 1, 0x88, 4},        {IOREQ_PIO, 2, 0x7788, 4},
		{IOREQ_PIO, 4, 0x55667788, 4},  {IOREQ_PCICFG, 1, 0x88, 4},
		{IOREQ_PCICFG, 2, 0x7788, 4},   {IOREQ_PCICFG, 4, 0x55667788, 4},
		{IOREQ_MMIO, 1, 0x88, 8},       {IOREQ_MMIO, 2, 0x7788, 8},
		{IOREQ_MMIO, 4, 0x55667788, 8}, {IOREQ_MMIO, 8, 0x1122334455667788, 8},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct acrn_io_request *slot = fill();
		const struct ioreq_access access = {.space = cases[i].space,
						    .size = cases[i].size,
						    .direction = IOREQ_READ,
						    .sequence = 0xcafe0001,
						    .value = 0x1122334455667788};
		struct ioreq_slot_state both;
		uint64_t stored = 0;

		ioreq_page_complete(slot, &access);
		both = ioreq_page_state_and_sequence(slot);
		memcpy(&stored, (const uint8_t *)slot + 88, cases[i].bytes);
		assert_int_equal(stored, cases[i].stored);
		assert_int_equal(both.state, ACRN_IOREQ_STATE_COMPLETE);
		assert_int_equal(both.sequence, 0xcafe0001);
		assert_changed_only(88, cases[i].bytes, 136, 8);
	}
}

static void test_page_complete_of_a_write_leaves_the_value(void **unused)
{
	(void)unused;
	for (uint8_t space = 0; space < IOREQ_NR_SPACES; space++) {
		struct acrn_io_request *slot = fill();
		const struct ioreq_access access = {
			.space = space, .size = 4, .direction = IOREQ_WRITE, .sequence = 7, .value = 1};

		ioreq_page_complete(slot, &access);
		assert_int_equal(slot->processed, ACRN_IOREQ_STATE_COMPLETE);
		assert_int_equal(ioreq_page_state_and_sequence(slot).sequence, 7);
		assert_changed_only(136, 8, 136, 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_prefill_leaves_no_request),
		cmocka_unit_test(test_page_state_is_the_low_half_of_the_word),
		cmocka_unit_test(test_page_claim_stores_processing_and_leaves_the_sequence),
		cmocka_unit_test(test_page_complete_of_a_read_stores_the_value_cut_to_its_width),
		cmocka_unit_test(test_page_complete_of_a_write_leaves_the_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
