/* SPDX-License-Identifier: MIT */
/* The register bank, every register and its side effect. Threads: one. Memory: static. */
#include <sys/eventfd.h>

#include "test_device.h"

#define BANK UINT64_C(0xfe000000)

enum {
	ID = 0x00,
	READS = 0x04,
	STATUS = 0x08,
	SET = 0x0c,
	WRITES = 0x10,
	LINE = 0x14,
	BELLS = 0x18,
	MSI_ADDRESS = 0x1c,
	MSI_DATA = 0x20
};

static struct instance bank;

static int make_bank(void **unused)
{
	(void)unused;
	bank = create_device(&ioreq_device_registers, NULL, 0);
	return 0;
}

static int end_bank(void **unused)
{
	(void)unused;
	destroy_device(&bank);
	return 0;
}

static uint32_t read_register(unsigned offset)
{
	return (uint32_t)read_device(&bank, BANK + offset, 4);
}

static void write_register(unsigned offset, uint32_t value)
{
	write_device(&bank, BANK + offset, 4, value);
}

static void test_registers_id_reads_constant_ignores_writes(void **unused)
{
	(void)unused;
	assert_int_equal(read_register(ID), 0x31475242);
	write_register(ID, 0);
	assert_int_equal(read_register(ID), 0x31475242);
}

static void test_registers_reads_counts_its_own_reads(void **unused)
{
	(void)unused;
	assert_int_equal(read_register(READS), 1);
	assert_int_equal(read_register(READS), 2);
	read_register(ID);
	assert_int_equal(read_register(READS), 3);
	write_register(READS, 0xffffffff);
	assert_int_equal(read_register(READS), 0);
	assert_int_equal(read_register(READS), 1);
}

static void test_registers_status_is_set_and_cleared_by_ones(void **unused)
{
	(void)unused;
	assert_int_equal(read_register(STATUS), 0);
	write_register(SET, 0x80000011);
	write_register(SET, 0x00000002);
	assert_int_equal(read_register(SET), 0);
	assert_int_equal(read_register(STATUS), 0x80000013);
	write_register(STATUS, 0x80000010);
	assert_int_equal(read_register(STATUS), 0x00000003);
	write_register(STATUS, 0);
	assert_int_equal(read_register(STATUS), 0x00000003);
}

static void test_registers_writes_counts_storage_writes_only(void **unused)
{
	(void)unused;
	write_register(SET, 1);
	assert_int_equal(read_register(WRITES), 0);
	write_device(&bank, BANK + 0x40, 1, 1);
	write_device(&bank, BANK + 0xff8, 8, 1);
	read_device(&bank, BANK + 0x40, 4);
	assert_int_equal(read_register(WRITES), 2);
	write_register(WRITES, 41);
	write_device(&bank, BANK + 0x100, 2, 1);
	assert_int_equal(read_register(WRITES), 42);
}

static void test_registers_line_sets_line_and_level(void **unused)
{
	unsigned before = fake.nr_lines;

	(void)unused;
	write_register(LINE, 0x80000000 | 63);
	assert_int_equal(fake.nr_lines, before + 1);
	assert_int_equal(fake.line, 63);
	assert_true(fake.level);
	assert_int_equal(read_register(LINE), 0x8000003f);
	write_register(LINE, 0x7fffffc0 | 5);
	assert_int_equal(fake.line, 5);
	assert_false(fake.level);
	assert_int_equal(read_register(LINE), 0x7fffffc5);
	assert_int_equal(fake.nr_lines, before + 2);
}

static void test_registers_msi_is_sent_and_its_result_kept(void **unused)
{
	unsigned before = fake.nr_msis;

	(void)unused;
	write_register(MSI_ADDRESS, 0xfee01000);
	assert_int_equal(read_register(MSI_ADDRESS), 0xfee01000);
	assert_int_equal(fake.nr_msis, before);
	fake.msi_result = -EAGAIN;
	write_register(MSI_DATA, 0x4041);
	assert_int_equal(fake.nr_msis, before + 1);
	assert_true(fake.msi_address == 0xfee01000);
	assert_int_equal(fake.msi_data, 0x4041);
	assert_int_equal(read_register(MSI_DATA), EAGAIN);
	fake.msi_result = 0;
	write_register(MSI_DATA, 0xffffffff);
	assert_int_equal(fake.msi_data, 0xffffffff);
	assert_int_equal(read_register(MSI_DATA), 0);
	assert_int_equal(fake.nr_msis, before + 2);
}

static void test_registers_bells_without_doorbell_reads_zero(void **unused)
{
	(void)unused;
	assert_int_equal(read_register(BELLS), 0);
	write_register(BELLS, 7);
	assert_int_equal(read_register(BELLS), 0);
}

static void ring(int fd, uint64_t times)
{
	assert_int_equal(write(fd, &times, sizeof(times)), sizeof(times));
}

/* flags: the engine's eventfd may block or not. */
static void check_bells(int flags)
{
	struct ioreq_setting setting = setting_string("doorbell", "bell0");

	fake.doorbell_name = "bell0";
	fake.doorbell_fd = eventfd(0, flags);
	destroy_device(&bank);
	bank = create_device(&ioreq_device_registers, &setting, 1);
	assert_int_equal(read_register(BELLS), 0);
	ring(fake.doorbell_fd, 1);
	ring(fake.doorbell_fd, 2);
	assert_int_equal(read_register(BELLS), 3);
	assert_int_equal(read_register(BELLS), 3);
	ring(fake.doorbell_fd, 1);
	assert_int_equal(read_register(BELLS), 4);
	destroy_device(&bank);
	ring(fake.doorbell_fd, 5); /* while the engine restarts */
	bank = recover_device(&ioreq_device_registers, &setting, 1);
	assert_int_equal(read_register(BELLS), 9);
	close(fake.doorbell_fd);
	fake.doorbell_fd = -1;
	fake.doorbell_name = NULL;
}

static void test_registers_bells_adds_up_blocking_eventfd(void **unused)
{
	(void)unused;
	check_bells(0);
}

static void test_registers_bells_adds_up_nonblocking_eventfd(void **unused)
{
	(void)unused;
	check_bells(EFD_NONBLOCK);
}

static void test_registers_storage_keeps_any_size_and_alignment(void **unused)
{
	static const uint8_t sizes[] = {1, 2, 4, 8};

	(void)unused;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned offset = 0x40; offset + sizes[i] <= 0x1000; offset++) {
			uint64_t value = (UINT64_C(0x0123456789abcdef) * (offset + 1)) & ioreq_width_mask(sizes[i]);

			write_device(&bank, BANK + offset, sizes[i], value);
			assert_true(read_device(&bank, BANK + offset, sizes[i]) == value);
		}
}

static void test_registers_storage_is_little_endian(void **unused)
{
	(void)unused;
	write_device(&bank, BANK + 0x41, 4, 0x44332211);
	assert_int_equal(read_device(&bank, BANK + 0x41, 1), 0x11);
	assert_int_equal(read_device(&bank, BANK + 0x44, 1), 0x44);
	write_device(&bank, BANK + 0x42, 1, 0x99);
	assert_true(read_device(&bank, BANK + 0x40, 8) == 0x4433991100);
}

static void test_registers_every_register_at_another_width_is_unhandled(void **unused)
{
	static const uint8_t sizes[] = {1, 2, 8};

	(void)unused;
	for (unsigned offset = 0; offset < 0x40; offset += 4)
		for (unsigned i = 0; i < 3; i++)
			assert_unhandled(&bank, BANK + offset, sizes[i]);
	assert_int_equal(read_register(READS), 1);
}

static void test_registers_unaligned_or_unlisted_is_unhandled(void **unused)
{
	(void)unused;
	for (unsigned offset = 0; offset < 0x40; offset++)
		if (offset % 4 != 0 || offset > MSI_DATA)
			assert_unhandled(&bank, BANK + offset, 4);
	assert_int_equal(read_register(WRITES), 0);
}

static void test_registers_access_across_the_border_to_storage_is_unhandled(void **unused)
{
	(void)unused;
	assert_unhandled(&bank, BANK + 0x3f, 2);
	assert_unhandled(&bank, BANK + 0x3e, 4);
	assert_unhandled(&bank, BANK + 0x3d, 4);
	assert_unhandled(&bank, BANK + 0x39, 8);
	assert_int_equal(read_device(&bank, BANK + 0x40, 4), 0);
}

/* A range at 0x800 lets it through; the state behind the bank must not change. */
static void test_registers_access_across_the_end_is_unhandled(void **unused)
{
	(void)unused;
	assert_unhandled(&bank, BANK + 0xfff, 2);
	assert_unhandled(&bank, BANK + 0xffd, 4);
	assert_unhandled(&bank, BANK + 0xff9, 8);
	assert_int_equal(read_register(WRITES), 0);
	assert_int_equal(read_register(READS), 1);
}

static void test_registers_recovered_keeps_everything(void **unused)
{
	(void)unused;
	read_register(READS);
	write_register(SET, 0x55);
	write_device(&bank, BANK + 0xffc, 4, 0xdeadbeef);
	write_register(LINE, 0x80000003);
	write_register(MSI_ADDRESS, 0xfee00000);
	fake.msi_result = -ENODEV;
	write_register(MSI_DATA, 1);
	fake.msi_result = 0;
	destroy_device(&bank);
	bank = recover_device(&ioreq_device_registers, NULL, 0);
	assert_int_equal(read_register(READS), 2);
	assert_int_equal(read_register(STATUS), 0x55);
	assert_int_equal(read_device(&bank, BANK + 0xffc, 4), 0xdeadbeef);
	assert_int_equal(read_register(WRITES), 1);
	assert_int_equal(read_register(LINE), 0x80000003);
	assert_int_equal(read_register(MSI_ADDRESS), 0xfee00000);
	assert_int_equal(read_register(MSI_DATA), ENODEV);
}

static void test_registers_bad_settings_are_refused(void **unused)
{
	struct ioreq_setting unknown = setting_string("bell", "bell0");
	struct ioreq_setting type = setting_integer("doorbell", 0);
	struct ioreq_setting missing = setting_string("doorbell", "bell9");

	(void)unused;
	refuse_device(&ioreq_device_registers, &unknown, 1, -EINVAL, "dut: unknown setting 'bell'; allowed: doorbell");
	refuse_device(&ioreq_device_registers, &type, 1, -EINVAL,
		      "dut: setting 'doorbell' is an integer; allowed: a string");
	refuse_device(
		&ioreq_device_registers, &missing, 1, -EINVAL,
		"dut: setting 'doorbell': 'bell9' is not a doorbell of this VM; allowed: one that was added before");
}

#define bank_test(name) cmocka_unit_test_setup_teardown(name, make_bank, end_bank)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bank_test(test_registers_id_reads_constant_ignores_writes),
		bank_test(test_registers_reads_counts_its_own_reads),
		bank_test(test_registers_status_is_set_and_cleared_by_ones),
		bank_test(test_registers_writes_counts_storage_writes_only),
		bank_test(test_registers_line_sets_line_and_level),
		bank_test(test_registers_msi_is_sent_and_its_result_kept),
		bank_test(test_registers_bells_without_doorbell_reads_zero),
		bank_test(test_registers_bells_adds_up_blocking_eventfd),
		bank_test(test_registers_bells_adds_up_nonblocking_eventfd),
		bank_test(test_registers_storage_keeps_any_size_and_alignment),
		bank_test(test_registers_storage_is_little_endian),
		bank_test(test_registers_every_register_at_another_width_is_unhandled),
		bank_test(test_registers_unaligned_or_unlisted_is_unhandled),
		bank_test(test_registers_access_across_the_border_to_storage_is_unhandled),
		bank_test(test_registers_access_across_the_end_is_unhandled),
		bank_test(test_registers_recovered_keeps_everything),
		cmocka_unit_test(test_registers_bad_settings_are_refused),
	};

	return cmocka_run_group_tests_name("registers", tests, NULL, NULL);
}
