/* SPDX-License-Identifier: MIT */
/*
 * core/access.c: what a slot holds becomes a valid access, or a reason and the shape of its answer.
 *
 * Threads   One. Memory: the stack.
 */
#include "unit/stand.h"

#include "core/access.h"

#define READ ACRN_IOREQ_DIR_READ
#define WRITE ACRN_IOREQ_DIR_WRITE

static struct acrn_io_request make(uint32_t type, uint32_t direction, uint64_t address, uint64_t size, uint64_t value)
{
	struct acrn_io_request slot;

	memset(&slot, 0, sizeof(slot));
	slot.type = type;
	slot.completion_polling = 1;
	slot.reqs.mmio_request.direction = direction;
	slot.reqs.mmio_request.address = address;
	slot.reqs.mmio_request.size = size;
	slot.reqs.mmio_request.value = value;
	return slot;
}

static struct acrn_io_request make_pci(uint32_t bus, uint32_t dev, uint32_t func, uint32_t reg, uint64_t size)
{
	struct acrn_io_request slot = make(ACRN_IOREQ_TYPE_PCICFG, READ, 0, size, 0);

	slot.reqs.pci_request.bus = bus;
	slot.reqs.pci_request.dev = dev;
	slot.reqs.pci_request.func = func;
	slot.reqs.pci_request.reg = reg;
	return slot;
}

static void test_access_valid_request_is_copied(void **unused)
{
	static const struct {
		uint32_t type, direction;
		uint64_t address, size, value, value_seen;
	} cases[] = {
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0, 1, 0x55, 0},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xffff, 1, 0x55, 0},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xfffe, 2, 0x55, 0},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xfffc, 4, 0x55, 0},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xcf9, 4, 0x55, 0},
		{ACRN_IOREQ_TYPE_PORTIO, WRITE, 0x3f8, 1, 0xffffffffffffff41, 0x41},
		{ACRN_IOREQ_TYPE_PORTIO, WRITE, 0x3f8, 2, 0xffffffffffff1241, 0x1241},
		{ACRN_IOREQ_TYPE_PORTIO, WRITE, 0x3f8, 4, 0xffffffff87651241, 0x87651241},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0, 8, 0x55, 0},
		{ACRN_IOREQ_TYPE_MMIO, READ, UINT64_MAX, 1, 0x55, 0},
		{ACRN_IOREQ_TYPE_MMIO, READ, UINT64_MAX - 7, 8, 0x55, 0},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0xfe000001, 4, 0x55, 0},
		{ACRN_IOREQ_TYPE_MMIO, WRITE, 0xfe000000, 1, 0x1122334455667788, 0x88},
		{ACRN_IOREQ_TYPE_MMIO, WRITE, 0xfe000000, 2, 0x1122334455667788, 0x7788},
		{ACRN_IOREQ_TYPE_MMIO, WRITE, 0xfe000000, 4, 0x1122334455667788, 0x55667788},
		{ACRN_IOREQ_TYPE_MMIO, WRITE, 0xfe000000, 8, 0x1122334455667788, 0x1122334455667788},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct acrn_io_request slot =
			make(cases[i].type, cases[i].direction, cases[i].address, cases[i].size, cases[i].value);
		struct ioreq_access access;

		memset(&access, 0xee, sizeof(access));
		assert_int_equal(ioreq_access_copy(&slot, 15, &access), -1);
		assert_int_equal(access.space, cases[i].type);
		assert_int_equal(access.direction, cases[i].direction);
		assert_int_equal(access.address, cases[i].address);
		assert_int_equal(access.size, cases[i].size);
		assert_int_equal(access.value, cases[i].value_seen);
		assert_int_equal(access.vcpu, 15);
		assert_int_equal(access.completion_polling, 1);
	}
}

static void test_access_config_address_is_packed_as_ecam(void **unused)
{
	static const struct {
		uint32_t bus, dev, func, reg;
		uint64_t address;
	} cases[] = {
		{0, 0, 0, 0, 0}, {1, 0, 0, 0, 0x100000},         {0, 1, 0, 0, 0x8000},           {0, 0, 1, 0, 0x1000},
		{0, 0, 0, 1, 1}, {255, 31, 7, 4092, 0x0ffffffc}, {0x80, 0, 0, 0x44, 0x08000044},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct acrn_io_request slot =
			make_pci(cases[i].bus, cases[i].dev, cases[i].func, cases[i].reg, 4);
		struct ioreq_access access;

		assert_int_equal(ioreq_access_copy(&slot, 0, &access), -1);
		assert_int_equal(access.space, IOREQ_PCICFG);
		assert_int_equal(access.address, cases[i].address);
		assert_int_equal(access.address,
				 ioreq_pci_address(cases[i].bus, cases[i].dev, cases[i].func, cases[i].reg));
	}
}

/* reqs.pci_request.value is 32 bits wide; what follows it is the bus. */
static void test_access_config_write_takes_no_bits_of_the_bus(void **unused)
{
	struct acrn_io_request slot = make_pci(0xab, 1, 2, 0x10, 4);
	struct ioreq_access access;

	(void)unused;
	slot.reqs.pci_request.direction = WRITE;
	slot.reqs.pci_request.value = 0x87654321;
	assert_int_equal(ioreq_access_copy(&slot, 0, &access), -1);
	assert_int_equal(access.value, 0x87654321);
}

static void test_access_bad_request_gives_its_reason_and_the_answers_width(void **unused)
{
	static const struct {
		uint32_t type, direction;
		uint64_t address, size;
		int reason;
		uint8_t space, direction_seen, size_seen;
	} cases[] = {
		{3, READ, 0x1000, 4, IOREQ_BAD_TYPE, IOREQ_MMIO, IOREQ_READ, 8},
		{3, WRITE, 0x1000, 4, IOREQ_BAD_TYPE, IOREQ_MMIO, IOREQ_WRITE, 8},
		{3, 7, 0x1000, 0, IOREQ_BAD_TYPE, IOREQ_MMIO, IOREQ_READ, 8},
		{UINT32_MAX, READ, 0x1000, 4, IOREQ_BAD_TYPE, IOREQ_MMIO, IOREQ_READ, 8},
		{0x100, READ, 0x1000, 4, IOREQ_BAD_TYPE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_PORTIO, 2, 0x3f8, 1, IOREQ_BAD_DIRECTION, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_MMIO, UINT32_MAX, 0x1000, 1, IOREQ_BAD_DIRECTION, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_PCICFG, 0x101, 0, 1, IOREQ_BAD_DIRECTION, IOREQ_PCICFG, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x3f8, 0, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, WRITE, 0x3f8, 3, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_WRITE, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x3f8, 5, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x3f8, 8, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x3f8, UINT64_C(1) << 63, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x3f8, (UINT64_C(1) << 32) + 1, IOREQ_BAD_SIZE, IOREQ_PIO, IOREQ_READ,
		 4},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0x1000, 0, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0x1000, 3, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0x1000, 7, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_MMIO, WRITE, 0x1000, 16, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_WRITE, 8},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0x1000, UINT64_C(1) << 63, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_MMIO, READ, 0x1000, UINT64_MAX, IOREQ_BAD_SIZE, IOREQ_MMIO, IOREQ_READ, 8},
		{ACRN_IOREQ_TYPE_PCICFG, READ, 0, 8, IOREQ_BAD_SIZE, IOREQ_PCICFG, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0x10000, 1, IOREQ_BAD_ADDRESS, IOREQ_PIO, IOREQ_READ, 1},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xffff, 2, IOREQ_BAD_ADDRESS, IOREQ_PIO, IOREQ_READ, 2},
		{ACRN_IOREQ_TYPE_PORTIO, READ, 0xfffd, 4, IOREQ_BAD_ADDRESS, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_PORTIO, WRITE, UINT64_C(0x1000003f8), 1, IOREQ_BAD_ADDRESS, IOREQ_PIO, IOREQ_WRITE, 1},
		{ACRN_IOREQ_TYPE_PORTIO, READ, UINT64_MAX, 4, IOREQ_BAD_ADDRESS, IOREQ_PIO, IOREQ_READ, 4},
		{ACRN_IOREQ_TYPE_MMIO, READ, UINT64_MAX, 2, IOREQ_BAD_ADDRESS, IOREQ_MMIO, IOREQ_READ, 2},
		{ACRN_IOREQ_TYPE_MMIO, READ, UINT64_MAX - 6, 8, IOREQ_BAD_ADDRESS, IOREQ_MMIO, IOREQ_READ, 8},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct acrn_io_request slot =
			make(cases[i].type, cases[i].direction, cases[i].address, cases[i].size, 0x1122334455667788);
		struct ioreq_access access;

		memset(&access, 0xee, sizeof(access));
		if (ioreq_access_copy(&slot, 5, &access) != cases[i].reason)
			fail_msg("case %zu: another reason than \"%s\"", i,
				 ioreq_reason_name((unsigned)cases[i].reason));
		assert_int_equal(access.space, cases[i].space);
		assert_int_equal(access.direction, cases[i].direction_seen);
		assert_int_equal(access.size, cases[i].size_seen);
		assert_int_equal(access.vcpu, 5);
		assert_int_equal(access.value, 0);
	}
}

static void test_access_config_field_out_of_range_is_a_bad_address(void **unused)
{
	static const struct {
		uint32_t bus, dev, func, reg;
		uint64_t size;
	} cases[] = {
		{256, 0, 0, 0, 4},        {0, 32, 0, 0, 4},         {0, 0, 8, 0, 4},          {0, 0, 0, 4096, 4},
		{UINT32_MAX, 0, 0, 0, 4}, {0, UINT32_MAX, 0, 0, 4}, {0, 0, UINT32_MAX, 0, 4}, {0, 0, 0, UINT32_MAX, 4},
		{255, 31, 7, 4095, 2},    {255, 31, 7, 4093, 4},    {0x80000000, 0, 0, 0, 1},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		const struct acrn_io_request slot =
			make_pci(cases[i].bus, cases[i].dev, cases[i].func, cases[i].reg, cases[i].size);
		struct ioreq_access access;

		assert_int_equal(ioreq_access_copy(&slot, 0, &access), IOREQ_BAD_ADDRESS);
		assert_int_equal(access.space, IOREQ_PCICFG);
		assert_int_equal(access.size, cases[i].size);
	}
}

static void test_access_any_flag_but_zero_is_completion_polling(void **unused)
{
	static const uint32_t flags[] = {0, 1, 2, 0x100, UINT32_MAX};

	(void)unused;
	for (size_t i = 0; i < NR_OF(flags); i++) {
		struct acrn_io_request slot = make(ACRN_IOREQ_TYPE_MMIO, READ, 0, 4, 0);
		struct ioreq_access access;

		slot.completion_polling = flags[i];
		assert_int_equal(ioreq_access_copy(&slot, 0, &access), -1);
		assert_int_equal(access.completion_polling, i > 0);
	}
}

static void test_access_all_ones_are_cut_to_the_width(void **unused)
{
	static const struct {
		uint8_t size;
		uint64_t value;
	} cases[] = {{1, 0xff}, {2, 0xffff}, {4, 0xffffffff}, {8, UINT64_MAX}};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_access access = {.size = cases[i].size};

		ioreq_access_all_ones(&access);
		assert_int_equal(access.value, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access_valid_request_is_copied),
		cmocka_unit_test(test_access_config_address_is_packed_as_ecam),
		cmocka_unit_test(test_access_config_write_takes_no_bits_of_the_bus),
		cmocka_unit_test(test_access_bad_request_gives_its_reason_and_the_answers_width),
		cmocka_unit_test(test_access_config_field_out_of_range_is_a_bad_address),
		cmocka_unit_test(test_access_any_flag_but_zero_is_completion_polling),
		cmocka_unit_test(test_access_all_ones_are_cut_to_the_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
