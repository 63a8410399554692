/* SPDX-License-Identifier: MIT */
/*
 * core/pci_config.c: the port pair against the reference driver's rules.
 *
 * Threads   One. Memory: the stack.
 */
#include "unit/stand.h"

#include "core/pci_config.h"

#define ENABLE UINT32_C(0x80000000)

static void test_pci_config_pair_is_ports_cf8_to_cff_only(void **unused)
{
	(void)unused;
	for (uint8_t space = 0; space < IOREQ_NR_SPACES; space++)
		for (uint64_t address = 0; address <= 0x10000; address++) {
			const struct ioreq_access access = {.space = space, .address = address, .size = 1};

			assert_int_equal(ioreq_pci_config_is_port(&access),
					 space == IOREQ_PIO && address >= 0xcf8 && address <= 0xcff);
		}
}

static void test_pci_config_dword_at_cf8_is_the_latch(void **unused)
{
	struct ioreq_access access = stand_write(IOREQ_PIO, 0xcf8, 4, 0x80012345);
	uint32_t latch = 7;

	(void)unused;
	assert_true(ioreq_pci_config_port(&latch, &access));
	assert_int_equal(latch, 0x80012345);
	access = stand_read(IOREQ_PIO, 0xcf8, 4);
	assert_true(ioreq_pci_config_port(&latch, &access));
	assert_int_equal(access.value, 0x80012345);
	assert_int_equal(latch, 0x80012345);
}

static void test_pci_config_other_shapes_are_ordinary_ports(void **unused)
{
	static const struct {
		uint64_t address;
		unsigned size;
	} cases[] = {{0xcf8, 1}, {0xcf8, 2}, {0xcf9, 1}, {0xcf9, 4}, {0xcfa, 2}, {0xcfa, 4}, {0xcfb, 1},
		     {0xcfb, 2}, {0xcfb, 4}, {0xcfd, 4}, {0xcfe, 4}, {0xcff, 2}, {0xcff, 4}};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++)
		for (unsigned direction = 0; direction < 2; direction++) {
			struct ioreq_access access = stand_write(IOREQ_PIO, cases[i].address, cases[i].size, 0x5a);
			struct ioreq_access before;
			uint32_t latch = ENABLE | 0x1234;

			access.direction = (uint8_t)direction;
			before = access;
			assert_false(ioreq_pci_config_port(&latch, &access));
			assert_memory_equal(&access, &before, sizeof(access));
			assert_int_equal(latch, ENABLE | 0x1234);
		}
}

static void test_pci_config_data_while_off_reads_ones_and_drops_writes(void **unused)
{
	static const struct {
		uint64_t address;
		unsigned size;
		uint64_t value;
	} cases[] = {{0xcfc, 1, 0xff},   {0xcfd, 1, 0xff},   {0xcfe, 1, 0xff},   {0xcff, 1, 0xff},
		     {0xcfc, 2, 0xffff}, {0xcfd, 2, 0xffff}, {0xcfe, 2, 0xffff}, {0xcfc, 4, 0xffffffff}};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_access access = stand_read(IOREQ_PIO, cases[i].address, cases[i].size);
		uint32_t latch = 0x7fffffff;

		assert_true(ioreq_pci_config_port(&latch, &access));
		assert_int_equal(access.value, cases[i].value);
		access = stand_write(IOREQ_PIO, cases[i].address, cases[i].size, 0);
		assert_true(ioreq_pci_config_port(&latch, &access));
		assert_int_equal(latch, 0x7fffffff);
		assert_int_equal(access.space, IOREQ_PIO);
	}
}

/* The formula of the reference, written down a second time; every bit of the latch and every shape of the data port. */
static void assert_turned(uint32_t selected, uint64_t port, unsigned size)
{
	struct ioreq_access access = stand_write(IOREQ_PIO, port, size, 0x77);
	const unsigned bus = selected / 65536 % 256, dev = selected / 2048 % 32, func = selected / 256 % 8;
	const unsigned reg = selected % 256 / 4 * 4 + selected / 16777216 % 16 * 256 + (unsigned)(port - 0xcfc);
	uint32_t latch = selected;

	assert_false(ioreq_pci_config_port(&latch, &access));
	assert_int_equal(access.space, IOREQ_PCICFG);
	assert_int_equal(access.address, ioreq_pci_address(bus, dev, func, reg));
	assert_int_equal(access.size, size);
	assert_int_equal(access.value, 0x77);
	assert_int_equal(access.direction, IOREQ_WRITE);
	assert_int_equal(latch, selected);
	assert_true(access.address + size - 1 <= ioreq_space_last(IOREQ_PCICFG));
}

static void test_pci_config_data_while_on_becomes_a_config_access(void **unused)
{
	static const struct {
		uint64_t port;
		unsigned size;
	} shapes[] = {{0xcfc, 1}, {0xcfd, 1}, {0xcfe, 1}, {0xcff, 1}, {0xcfc, 2}, {0xcfd, 2}, {0xcfe, 2}, {0xcfc, 4}};

	(void)unused;
	for (size_t i = 0; i < NR_OF(shapes); i++) {
		assert_turned(ENABLE, shapes[i].port, shapes[i].size);
		assert_turned(UINT32_MAX, shapes[i].port, shapes[i].size);
		for (unsigned bit = 0; bit < 31; bit++)
			assert_turned(ENABLE | UINT32_C(1) << bit, shapes[i].port, shapes[i].size);
	}
}

static void test_pci_config_latch_survives_in_the_block(void **unused)
{
	struct ioreq_access access = stand_write(IOREQ_PIO, 0xcf8, 4, 0x80000810);
	struct ioreq_block *block = aligned_alloc(64, sizeof(*block));
	struct stand_device device;
	struct stand stand;

	(void)unused;
	memset(block, 0, sizeof(*block));
	stand_open(&stand, &(struct stand_config){.block = block});
	stand_request(&stand, 0, &access);
	assert_int_equal(stand_stats(&stand)->reasons[IOREQ_LATCHED], 1);
	stand_close(&stand);

	stand_open(&stand, &(struct stand_config){.block = block});
	stand_device(&stand, &device, 0x8086);
	stand_add(&device, &(struct stand_client){.name = "dev", .range = {0x8000, 0x8fff, IOREQ_PCICFG}});
	access = stand_read(IOREQ_PIO, 0xcfe, 2);
	assert_int_equal(stand_request(&stand, 3, &access), 0x8086);
	assert_int_equal(device.seen.address, 0x8012);
	assert_int_equal(device.seen.space, IOREQ_PCICFG);
	stand_close(&stand);
	free(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pci_config_pair_is_ports_cf8_to_cff_only),
		cmocka_unit_test(test_pci_config_dword_at_cf8_is_the_latch),
		cmocka_unit_test(test_pci_config_other_shapes_are_ordinary_ports),
		cmocka_unit_test(test_pci_config_data_while_off_reads_ones_and_drops_writes),
		cmocka_unit_test(test_pci_config_data_while_on_becomes_a_config_access),
		cmocka_unit_test(test_pci_config_latch_survives_in_the_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
