/* SPDX-License-Identifier: MIT */
/*
 * The load generator's oracle against a small world of its own: right answers must be accepted, and each defect that
 * an engine could have must be found.
 *
 * Threads   One. Memory: static.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "load_model.h"

#define NR_REQUESTS 40000u

/* One fault of an engine or a device, each. */
enum defect {
	NONE,
	LOSES_WRITES,
	WRITES_ACROSS_END,
	WRITES_FROM_REGISTERS,
	CUTS_SIZE_TO_BYTE,
	CUTS_SIZE_TO_WORD,
	CUTS_TYPE_TO_BYTE,
	CUTS_DIRECTION_TO_BYTE,
	CUTS_PORT,
	CUTS_PCI_FIELDS,
	ONES_TOO_WIDE,
	LEAVES_VALUE_ALONE,
	SIGN_EXTENDS,
	SWAPS_VCPUS,
	NR_DEFECTS,
};

static struct world {
	enum defect defect;
	uint64_t nr_writes;
	uint8_t banks[4][IOREQ_LOAD_BANK_BYTES];
} world;

static struct ioreq_load_map demo;
static struct ioreq_load_model models[IOREQ_MAX_VCPUS];

/* What the engine would make of the slot; -1: refused. */
static int find_bank(uint32_t type, uint64_t address, uint64_t size, unsigned *offset_out)
{
	for (unsigned i = 0; i < demo.nr_banks; i++) {
		uint64_t at = address - demo.banks[i].address;

		if (demo.banks[i].space != type || at >= IOREQ_LOAD_BANK_BYTES)
			continue;
		if (at + size > IOREQ_LOAD_BANK_BYTES && world.defect != WRITES_ACROSS_END)
			return -1;
		*offset_out = (unsigned)at;
		return (int)i;
	}
	return -1;
}

static uint64_t access_bank(uint8_t *bank, unsigned offset, bool is_write, unsigned size, uint64_t value)
{
	bool crosses = offset < IOREQ_LOAD_STORAGE && offset + size > IOREQ_LOAD_STORAGE;

	if (offset == 0 && size == 4)
		return 0x31475242;
	if (offset < IOREQ_LOAD_STORAGE && !(crosses && world.defect == WRITES_FROM_REGISTERS))
		return ioreq_width_mask(size);
	if (offset + size > IOREQ_LOAD_BANK_BYTES)
		size = IOREQ_LOAD_BANK_BYTES - offset;
	if (is_write && world.defect == LOSES_WRITES && ++world.nr_writes % 1000 == 0)
		return 0;
	else if (is_write)
		memcpy(&bank[offset], &value, size);
	value = 0;
	memcpy(&value, &bank[offset], size);
	return value;
}

static uint64_t slot_address(const struct acrn_io_request *slot, uint32_t type)
{
	const struct acrn_pci_request *pci = &slot->reqs.pci_request;

	if (type == IOREQ_PIO && world.defect == CUTS_PORT)
		return slot->reqs.pio_request.address & 0xffff;
	if (type != IOREQ_PCICFG)
		return slot->reqs.mmio_request.address;
	if ((pci->bus > 255 || pci->dev > 31 || pci->func > 7 || pci->reg > 4095) && world.defect != CUTS_PCI_FIELDS)
		return UINT64_MAX;
	return ioreq_pci_address(pci->bus & 255, pci->dev & 31, pci->func & 7, pci->reg & 4095);
}

static uint64_t whole_field(uint32_t type)
{
	return type == IOREQ_PIO || type == IOREQ_PCICFG ? UINT32_MAX : UINT64_MAX;
}

/* The answer of a world with the defect. */
static uint64_t answer(const struct acrn_io_request *slot)
{
	uint32_t type = world.defect == CUTS_TYPE_TO_BYTE ? slot->type & 0xff : slot->type;
	uint32_t direction = slot->reqs.mmio_request.direction;
	uint64_t size = slot->reqs.mmio_request.size, address = slot_address(slot, type);
	uint64_t value = slot->reqs.mmio_request.value, got;
	unsigned offset;
	int bank;

	if (world.defect == CUTS_DIRECTION_TO_BYTE)
		direction &= 0xff;
	if (world.defect == CUTS_SIZE_TO_BYTE)
		size &= 0xff;
	if (world.defect == CUTS_SIZE_TO_WORD)
		size &= 0xffffffff;
	if (type > IOREQ_PCICFG || direction > IOREQ_WRITE)
		return whole_field(type);
	if ((size != 1 && size != 2 && size != 4 && !(size == 8 && type == IOREQ_MMIO)))
		return whole_field(type);
	bank = address + size - 1 < address ? -1 : find_bank(type, address, size, &offset);
	got = world.defect == ONES_TOO_WIDE ? whole_field(type) : ioreq_width_mask((unsigned)size);
	if (bank < 0 && world.defect == LEAVES_VALUE_ALONE)
		return value;
	if (bank >= 0)
		got = access_bank(world.banks[bank], offset, direction == IOREQ_WRITE, (unsigned)size, value);
	if (bank >= 0 && world.defect == SIGN_EXTENDS && size == 1 && (got & 0x80))
		got |= UINT64_C(0xffffff00);
	return got;
}

static void start(enum defect defect, const struct ioreq_load_mix *mix, unsigned nr_vcpus)
{
	memset(&world, 0x5a, sizeof(world));
	world.defect = defect;
	world.nr_writes = 0;
	demo = ioreq_load_model_demo();
	for (unsigned v = 0; v < nr_vcpus; v++)
		ioreq_load_model_init(&models[v], &demo, mix, v, 7);
}

/* Plays all vCPUs in turn; returns how many answers were taken for wrong. */
static unsigned play(unsigned nr_vcpus, unsigned nr_requests)
{
	struct ioreq_load_request requests[IOREQ_MAX_VCPUS];
	struct acrn_io_request slot;
	uint64_t got[IOREQ_MAX_VCPUS];
	unsigned wrong = 0;

	memset(&slot, 0, sizeof(slot));
	for (unsigned n = 0; n < nr_requests; n += nr_vcpus) {
		for (unsigned v = 0; v < nr_vcpus; v++) {
			ioreq_load_model_next(&models[v], &requests[v]);
			ioreq_load_model_fill(&requests[v], &slot);
			got[v] = answer(&slot);
		}
		for (unsigned v = 0; v < nr_vcpus; v++) {
			unsigned of = world.defect == SWAPS_VCPUS && n == 8000 ? nr_vcpus - 1 - v : v;

			wrong += ioreq_load_model_check(&models[v], &requests[v], got[of]) == IOREQ_LOAD_WRONG;
		}
	}
	return wrong;
}

static const struct ioreq_load_mix rough = {.read_percent = 50, .hostile_percent = 20};

static void test_load_model_right_world_no_wrong_answers(void **state)
{
	(void)state;
	start(NONE, &rough, IOREQ_MAX_VCPUS);
	assert_int_equal(play(IOREQ_MAX_VCPUS, 20 * NR_REQUESTS), 0);
}

static void test_load_model_each_defect_found(void **state)
{
	(void)state;
	for (unsigned defect = NONE + 1; defect < NR_DEFECTS; defect++) {
		start(defect, &rough, 4);
		if (play(4, NR_REQUESTS) == 0)
			fail_msg("defect %u was not found", defect);
	}
}

static void draw_bank_access(struct ioreq_load_request *request, unsigned direction)
{
	do {
		ioreq_load_model_next(&models[0], request);
		if (request->kind == IOREQ_LOAD_BANK && request->direction == direction &&
		    models[0].setup_bank == demo.nr_banks)
			return;
		ioreq_load_model_check(&models[0], request, request->want);
	} while (true);
}

/* One fault is one wrong answer: what was read is what later reads must find. */
static void test_load_model_wrong_read_taken_over(void **state)
{
	struct ioreq_load_request first, request;

	(void)state;
	start(NONE, &(struct ioreq_load_mix){.read_percent = 100}, 1);
	draw_bank_access(&first, IOREQ_READ);
	assert_int_equal(ioreq_load_model_check(&models[0], &first, first.want ^ 1), IOREQ_LOAD_WRONG);
	do {
		draw_bank_access(&request, IOREQ_READ);
		assert_int_equal(ioreq_load_model_check(&models[0], &request, request.want), IOREQ_LOAD_RIGHT);
	} while (request.bank != first.bank || request.at != first.at);
	assert_int_equal(request.want & 0xff, (first.want ^ 1) & 0xff);
}

static void test_load_model_begins_with_writes_of_all_own_bytes(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 2; v++) {
		unsigned nr[4] = {0}, bytes = v == 0 ? 200 : 192;

		start(NONE, &rough, 2);
		while (models[v].setup_bank < demo.nr_banks) {
			struct ioreq_load_request request;

			ioreq_load_model_next(&models[v], &request);
			assert_int_equal(request.kind, IOREQ_LOAD_BANK);
			assert_int_equal(request.direction, IOREQ_WRITE);
			assert_int_equal(request.at, nr[request.bank]);
			nr[request.bank] += (unsigned)request.size;
			assert_int_equal(ioreq_load_model_check(&models[v], &request, 0), IOREQ_LOAD_RIGHT);
		}
		for (unsigned b = 0; b < 4; b++)
			assert_int_equal(nr[b], bytes);
	}
}

/* Nobody's well-formed access touches another vCPU's bytes. */
static void test_load_model_own_bytes_only_own(void **state)
{
	(void)state;
	start(NONE, &(struct ioreq_load_mix){.read_percent = 50}, IOREQ_MAX_VCPUS);
	for (unsigned n = 0; n < NR_REQUESTS; n++) {
		struct ioreq_load_request request;
		unsigned v = n % IOREQ_MAX_VCPUS, offset, first = 0x40 + v * 0xc0;

		ioreq_load_model_next(&models[v], &request);
		assert_int_equal(ioreq_load_model_check(&models[v], &request, request.want), IOREQ_LOAD_RIGHT);
		if (request.kind != IOREQ_LOAD_BANK)
			continue;
		offset = (unsigned)(request.address - demo.banks[request.bank].address);
		if (v == 0 && offset >= 0xff8)
			assert_in_range(offset + request.size, 0xff8 + 1, 0x1000);
		else
			assert_true(offset >= first && offset + request.size <= first + 0xc0);
	}
}

static void test_load_model_same_seed_same_requests(void **state)
{
	struct ioreq_load_request a, b;
	unsigned nr_differences = 0;

	(void)state;
	start(NONE, &rough, 2);
	ioreq_load_model_init(&models[2], &demo, &rough, 0, 7);
	for (unsigned n = 0; n < 2000; n++) {
		ioreq_load_model_next(&models[0], &a);
		ioreq_load_model_next(&models[2], &b);
		assert_memory_equal(&a, &b, sizeof(a));
		ioreq_load_model_next(&models[1], &b);
		nr_differences += a.address != b.address || a.value != b.value;
		ioreq_load_model_check(&models[0], &a, a.want);
		ioreq_load_model_check(&models[2], &a, a.want);
	}
	assert_in_range(nr_differences, 1990, 2000);
}

static void test_load_model_read_never_posted_with_its_answer(void **state)
{
	struct ioreq_load_request request;

	(void)state;
	start(NONE, &(struct ioreq_load_mix){.read_percent = 100, .hostile_percent = 10}, 1);
	for (unsigned n = 0; n < NR_REQUESTS; n++) {
		ioreq_load_model_next(&models[0], &request);
		if (request.direction == IOREQ_READ && request.want_mask)
			assert_int_not_equal(request.value & request.want_mask, request.want & request.want_mask);
		ioreq_load_model_check(&models[0], &request, request.want);
	}
}

static void test_load_model_completion_as_asked(void **state)
{
	static const struct {
		enum ioreq_load_completion how;
		unsigned least, most;
	} cases[] = {{IOREQ_LOAD_POLLING, 1000, 1000}, {IOREQ_LOAD_NOTIFY, 0, 0}, {IOREQ_LOAD_MIXED, 400, 600}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct ioreq_load_request request;
		unsigned nr_polling = 0;

		start(NONE, &(struct ioreq_load_mix){.completion = cases[i].how}, 1);
		for (unsigned n = 0; n < 1000; n++) {
			ioreq_load_model_next(&models[0], &request);
			nr_polling += request.completion_polling;
			ioreq_load_model_check(&models[0], &request, request.want);
		}
		assert_in_range(nr_polling, cases[i].least, cases[i].most);
	}
}

static void test_load_model_failed_read_needs_a_restart(void **state)
{
	struct ioreq_load_request request;

	(void)state;
	for (uint64_t restarts = 0; restarts < 3; restarts++) {
		start(NONE, &(struct ioreq_load_mix){.read_percent = 50, .restarts = restarts}, 1);
		for (uint64_t n = 0; n < 3; n++) {
			enum ioreq_load_verdict want = n < restarts ? IOREQ_LOAD_FAILED : IOREQ_LOAD_WRONG;

			do
				draw_bank_access(&request, IOREQ_READ);
			while (request.want == ioreq_width_mask((unsigned)request.size));
			assert_int_equal(
				ioreq_load_model_check(&models[0], &request, ioreq_width_mask((unsigned)request.size)),
				want);
		}
		assert_int_equal(models[0].nr_failed, restarts);
	}
}

/* A world in which the requests before a restart are failed: reads get all ones, writes are dropped. */
static unsigned play_with_restarts(unsigned every, uint64_t restarts, uint64_t *failed_out)
{
	struct ioreq_load_request request;
	struct acrn_io_request slot;
	unsigned wrong = 0;

	memset(&slot, 0, sizeof(slot));
	start(NONE, &(struct ioreq_load_mix){.read_percent = 50, .restarts = restarts}, 1);
	for (unsigned n = 1; n < NR_REQUESTS; n++) {
		bool fail = n > 1000 && n % every == 0;
		uint64_t got;

		ioreq_load_model_next(&models[0], &request);
		ioreq_load_model_fill(&request, &slot);
		got = fail ? ioreq_width_mask((unsigned)request.size) : answer(&slot);
		wrong += ioreq_load_model_check(&models[0], &request, got) == IOREQ_LOAD_WRONG;
	}
	*failed_out = models[0].nr_failed;
	return wrong;
}

static void test_load_model_restarts_explain_one_request_each(void **state)
{
	uint64_t failed;

	(void)state;
	assert_int_equal(play_with_restarts(1000, NR_REQUESTS / 1000, &failed), 0);
	assert_in_range(failed, 20, NR_REQUESTS / 1000);
	assert_true(play_with_restarts(1000, 5, &failed) > 10);
	assert_int_equal(failed, 5);
}

static void test_load_model_describe_names_what_is_odd(void **state)
{
	struct ioreq_load_request request = {.kind = IOREQ_LOAD_STRADDLE,
					     .type = IOREQ_PCICFG,
					     .direction = IOREQ_WRITE,
					     .size = 4,
					     .address = 0x8000ffe};
	char text[128];

	(void)state;
	ioreq_load_model_describe(&request, text, sizeof(text));
	assert_string_equal(text, "pcicfg write of 4 at 0x8000ffe (straddle)");
	request.type = 3;
	request.direction = 9;
	request.kind = IOREQ_LOAD_BAD_TYPE;
	ioreq_load_model_describe(&request, text, sizeof(text));
	assert_string_equal(text, "type 3 direction 9 of 4 at 0x8000ffe (bad type)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_model_right_world_no_wrong_answers),
		cmocka_unit_test(test_load_model_each_defect_found),
		cmocka_unit_test(test_load_model_wrong_read_taken_over),
		cmocka_unit_test(test_load_model_begins_with_writes_of_all_own_bytes),
		cmocka_unit_test(test_load_model_own_bytes_only_own),
		cmocka_unit_test(test_load_model_same_seed_same_requests),
		cmocka_unit_test(test_load_model_read_never_posted_with_its_answer),
		cmocka_unit_test(test_load_model_completion_as_asked),
		cmocka_unit_test(test_load_model_failed_read_needs_a_restart),
		cmocka_unit_test(test_load_model_restarts_explain_one_request_each),
		cmocka_unit_test(test_load_model_describe_names_what_is_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
