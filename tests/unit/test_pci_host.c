/* SPDX-License-Identifier: MIT */
/* Configuration space with one host bridge. Threads: one. Memory: static. */
#include "test_device.h"

static struct instance host;

static int make_host(void **unused)
{
	(void)unused;
	host = create_device(&ioreq_device_pci_host, NULL, 0);
	return 0;
}

static int end_host(void **unused)
{
	(void)unused;
	destroy_device(&host);
	return 0;
}

static void test_pci_host_header_identifies_the_bridge(void **unused)
{
	(void)unused;
	assert_int_equal(read_device(&host, 0x00, 4), 0x12378086);
	assert_int_equal(read_device(&host, 0x00, 2), 0x8086);
	assert_int_equal(read_device(&host, 0x02, 2), 0x1237);
	assert_int_equal(read_device(&host, 0x04, 4), 0x02800006);
	assert_int_equal(read_device(&host, 0x08, 4), 0x06000002);
	assert_int_equal(read_device(&host, 0x0a, 2), 0x0600);
	assert_int_equal(read_device(&host, 0x0e, 1), 0);
	assert_int_equal(read_device(&host, 0x2c, 4), 0x11001af4);
	assert_int_equal(read_device(&host, 0x10, 4), 0);
	assert_int_equal(read_device(&host, 0x72, 1), 0x02);
}

static void test_pci_host_header_ignores_writes(void **unused)
{
	uint32_t before[16];

	(void)unused;
	for (unsigned i = 0; i < 16; i++)
		before[i] = (uint32_t)read_device(&host, i * 4, 4);
	for (unsigned i = 0; i < 16; i++) {
		write_device(&host, i * 4, 4, ~before[i]);
		assert_int_equal(read_device(&host, i * 4, 4), before[i]);
	}
}

/* Every bit of the 256 bytes: writing all ones, then all zeros, shows which ones a guest can change. */
static void test_pci_host_only_memory_registers_are_writable(void **unused)
{
	(void)unused;
	for (unsigned at = 0; at < 256; at++) {
		unsigned ones, zeros, expected = 0;

		write_device(&host, at, 1, 0xff);
		ones = (unsigned)read_device(&host, at, 1);
		write_device(&host, at, 1, 0);
		zeros = (unsigned)read_device(&host, at, 1);
		if ((at >= 0x52 && at <= 0x58) || (at >= 0x60 && at <= 0x67) || at == 0x90)
			expected = 0xff;
		else if (at >= 0x5a && at <= 0x5f)
			expected = 0x33;
		else if (at == 0x70 || at == 0x71)
			expected = 0xf8;
		else
			expected = at == 0x50   ? 0x74
				   : at == 0x51 ? 0xc0
				   : at == 0x59 ? 0x30
				   : at == 0x68 ? 0xc0
				   : at == 0x72 ? 0x68
						: 0;
		assert_int_equal(ones ^ zeros, expected);
	}
}

static void test_pci_host_wide_write_reaches_each_byte(void **unused)
{
	(void)unused;
	write_device(&host, 0x58, 4, 0xffffffff);
	assert_int_equal(read_device(&host, 0x58, 4), 0x333330ff);
	write_device(&host, 0x5a, 2, 0x1122);
	assert_int_equal(read_device(&host, 0x58, 4), 0x112230ff);
	write_device(&host, 0x5b, 1, 0x31);
	assert_int_equal(read_device(&host, 0x5a, 2), 0x3122);
}

static void test_pci_host_elsewhere_reads_all_ones_drops_writes(void **unused)
{
	static const uint64_t elsewhere[] = {0x100, 0xffc, 0x1000, 0x8000, 0x00100000, 0x07ffff00, 0x0ffffffc};

	(void)unused;
	for (unsigned i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		write_device(&host, elsewhere[i], 4, 0);
		assert_int_equal(read_device(&host, elsewhere[i], 1), 0xff);
		assert_int_equal(read_device(&host, elsewhere[i], 2), 0xffff);
		assert_int_equal(read_device(&host, elsewhere[i], 4), 0xffffffff);
	}
	assert_int_equal(read_device(&host, ioreq_pci_address(0, 1, 0, 0), 4), 0xffffffff);
	assert_int_equal(read_device(&host, ioreq_pci_address(0, 0, 1, 0), 4), 0xffffffff);
}

static void test_pci_host_access_across_its_end_is_nobodys(void **unused)
{
	(void)unused;
	assert_int_equal(read_device(&host, 0xff, 1), 0);
	assert_int_equal(read_device(&host, 0xff, 2), 0xffff);
	write_device(&host, 0xfe, 4, 0x12345678);
	assert_int_equal(read_device(&host, 0xfc, 4), 0);
}

static void test_pci_host_recovered_keeps_what_was_written(void **unused)
{
	(void)unused;
	write_device(&host, 0x59, 1, 0x30);
	write_device(&host, 0x72, 1, 0x08);
	destroy_device(&host);
	host = recover_device(&ioreq_device_pci_host, NULL, 0);
	assert_int_equal(read_device(&host, 0x59, 1), 0x30);
	assert_int_equal(read_device(&host, 0x72, 1), 0x0a);
	assert_int_equal(read_device(&host, 0x00, 4), 0x12378086);
}

static void test_pci_host_any_setting_is_refused(void **unused)
{
	struct ioreq_setting setting = setting_string("bus", "0");

	(void)unused;
	refuse_device(&ioreq_device_pci_host, &setting, 1, -EINVAL, "dut: unknown setting 'bus'; allowed: none");
}

#define host_test(name) cmocka_unit_test_setup_teardown(name, make_host, end_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(test_pci_host_header_identifies_the_bridge),
		host_test(test_pci_host_header_ignores_writes),
		host_test(test_pci_host_only_memory_registers_are_writable),
		host_test(test_pci_host_wide_write_reaches_each_byte),
		host_test(test_pci_host_elsewhere_reads_all_ones_drops_writes),
		host_test(test_pci_host_access_across_its_end_is_nobodys),
		host_test(test_pci_host_recovered_keeps_what_was_written),
		cmocka_unit_test(test_pci_host_any_setting_is_refused),
	};

	return cmocka_run_group_tests_name("pci_host", tests, NULL, NULL);
}
