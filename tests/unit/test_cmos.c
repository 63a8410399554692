/* SPDX-License-Identifier: MIT */
/*
 * CMOS RAM and clock. The clock is the test's: linked with -Wl,--wrap=clock_gettime.
 *
 * Threads   One. Memory: static.
 */
#include "test_device.h"

#define MIB (UINT64_C(1) << 20)

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_gettime(clockid_t clock, struct timespec *now);

static time_t fake_time; /* 0: the real one */
static struct instance cmos;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_REALTIME || fake_time == 0)
		return __real_clock_gettime(clock, now);
	*now = (struct timespec){.tv_sec = fake_time, .tv_nsec = 999999999};
	return 0;
}

static int make_cmos(void **unused)
{
	(void)unused;
	fake_time = 0;
	cmos = create_device(&ioreq_device_cmos, NULL, 0);
	return 0;
}

static int end_cmos(void **unused)
{
	(void)unused;
	destroy_device(&cmos);
	return 0;
}

static uint8_t read_cmos(unsigned index)
{
	write_device(&cmos, 0x70, 1, index);
	return (uint8_t)read_device(&cmos, 0x71, 1);
}

static void write_cmos(unsigned index, uint8_t value)
{
	write_device(&cmos, 0x70, 1, index);
	write_device(&cmos, 0x71, 1, value);
}

static void assert_time(time_t time, const char *text)
{
	char found[64];

	fake_time = time;
	snprintf(found, sizeof(found), "%02x%02x-%02x-%02x %02x:%02x:%02x day %x", read_cmos(0x32), read_cmos(0x09),
		 read_cmos(0x08), read_cmos(0x07), read_cmos(0x04), read_cmos(0x02), read_cmos(0x00), read_cmos(0x06));
	assert_string_equal(found, text);
}

static void test_cmos_time_is_utc_in_bcd(void **unused)
{
	(void)unused;
	assert_time(1, "1970-01-01 00:00:01 day 5");
	assert_time(951782399, "2000-02-28 23:59:59 day 2");
	assert_time(951782400, "2000-02-29 00:00:00 day 3");
	assert_time(951868800, "2000-03-01 00:00:00 day 4");
	assert_time(1735689599, "2024-12-31 23:59:59 day 3");
	assert_time(1735689600, "2025-01-01 00:00:00 day 4");
	assert_time(2147483648, "2038-01-19 03:14:08 day 3");
	assert_time(4107542400, "2100-03-01 00:00:00 day 2");
}

/* Every day of five centuries, against libc. */
static void test_cmos_date_agrees_with_libc(void **unused)
{
	(void)unused;
	for (time_t time = 86399; time < (time_t)500 * 365 * 86400; time += 86400) {
		char found[32], expected[32];
		struct tm date;

		fake_time = time;
		gmtime_r(&time, &date);
		strftime(expected, sizeof(expected), "%Y%m%d", &date);
		snprintf(found, sizeof(found), "%02x%02x%02x%02x", read_cmos(0x32), read_cmos(0x09), read_cmos(0x08),
			 read_cmos(0x07));
		assert_string_equal(found, expected);
		assert_int_equal(read_cmos(0x06), date.tm_wday + 1);
	}
}

static void test_cmos_time_follows_the_host(void **unused)
{
	time_t before = time(NULL);
	struct tm date;
	int found;

	(void)unused;
	found = read_cmos(0x09);
	gmtime_r(&before, &date);
	assert_in_range(found / 16 * 10 + found % 16, date.tm_year - 100, date.tm_year - 99);
}

static void test_cmos_time_ignores_writes(void **unused)
{
	static const uint8_t parts[] = {0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32};

	(void)unused;
	for (unsigned i = 0; i < sizeof(parts); i++)
		write_cmos(parts[i], 0x77);
	assert_time(951782400, "2000-02-29 00:00:00 day 3");
}

static void test_cmos_status_a_never_shows_an_update(void **unused)
{
	(void)unused;
	assert_int_equal(read_cmos(0x0a), 0x26);
	write_cmos(0x0a, 0xaf);
	assert_int_equal(read_cmos(0x0a), 0x2f);
}

static void test_cmos_status_b_keeps_format_and_refuses_interrupts(void **unused)
{
	(void)unused;
	assert_int_equal(read_cmos(0x0b), 0x02);
	write_cmos(0x0b, 0xff);
	assert_int_equal(read_cmos(0x0b), 0x83);
	write_cmos(0x0b, 0x00);
	assert_int_equal(read_cmos(0x0b), 0x02);
}

static void test_cmos_status_c_and_d_are_fixed(void **unused)
{
	(void)unused;
	assert_int_equal(read_cmos(0x0c), 0x00);
	assert_int_equal(read_cmos(0x0d), 0x80);
	write_cmos(0x0c, 0xff);
	write_cmos(0x0d, 0x00);
	assert_int_equal(read_cmos(0x0c), 0x00);
	assert_int_equal(read_cmos(0x0d), 0x80);
}

static bool is_ram(unsigned index)
{
	static const uint8_t others[] = {0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
					 0x0d, 0x15, 0x16, 0x17, 0x18, 0x30, 0x31, 0x32, 0x34, 0x35};

	return !memchr(others, (int)index, sizeof(others));
}

static void test_cmos_ram_keeps_every_byte(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 128; i++)
		write_cmos(i, (uint8_t)(i ^ 0xa5));
	for (unsigned i = 0; i < 128; i++)
		if (is_ram(i))
			assert_int_equal(read_cmos(i), i ^ 0xa5);
}

static void test_cmos_index_drops_the_nmi_bit(void **unused)
{
	(void)unused;
	write_cmos(0x40, 0x12);
	write_device(&cmos, 0x70, 1, 0x80 | 0x40);
	assert_int_equal(read_device(&cmos, 0x71, 1), 0x12);
	write_device(&cmos, 0x71, 1, 0x34);
	assert_int_equal(read_cmos(0x40), 0x34);
}

static void test_cmos_index_reads_all_ones(void **unused)
{
	(void)unused;
	write_device(&cmos, 0x70, 1, 0x0d);
	assert_int_equal(read_device(&cmos, 0x70, 1), 0xff);
	assert_int_equal(read_device(&cmos, 0x71, 1), 0x80);
}

static void test_cmos_wide_access_is_unhandled(void **unused)
{
	(void)unused;
	write_device(&cmos, 0x70, 1, 0x40);
	assert_unhandled(&cmos, 0x70, 2);
	assert_unhandled(&cmos, 0x70, 4);
	assert_unhandled(&cmos, 0x71, 2);
	assert_int_equal(read_device(&cmos, 0x71, 1), 0);
}

static unsigned read_word(unsigned index)
{
	return (unsigned)(read_cmos(index) | read_cmos(index + 1) << 8);
}

static void assert_memory(uint64_t memory, unsigned above_1m_kib, unsigned above_16m_blocks)
{
	struct ioreq_setting setting = setting_integer("memory", memory);

	destroy_device(&cmos);
	cmos = create_device(&ioreq_device_cmos, &setting, 1);
	assert_int_equal(read_word(0x15), 640);
	assert_int_equal(read_word(0x17), above_1m_kib);
	assert_int_equal(read_word(0x30), above_1m_kib);
	assert_int_equal(read_word(0x34), above_16m_blocks);
}

static void test_cmos_memory_size_follows_the_setting(void **unused)
{
	(void)unused;
	assert_int_equal(read_word(0x30), 15 * 1024);
	assert_int_equal(read_word(0x34), 0);
	assert_memory(1 * MIB, 0, 0);
	assert_memory(16 * MIB, 15 * 1024, 0);
	assert_memory(16 * MIB + 65536, 15 * 1024 + 64, 1);
	assert_memory(64 * MIB, 63 * 1024, 48 * 16);
	assert_memory(65 * MIB, 0xffff, 49 * 16);
	assert_memory(3072 * MIB, 0xffff, 3056 * 16);
	assert_memory(4096 * MIB, 0xffff, 4080 * 16);
}

static void test_cmos_memory_size_ignores_writes(void **unused)
{
	static const uint8_t sizes[] = {0x15, 0x16, 0x17, 0x18, 0x30, 0x31, 0x34, 0x35};

	(void)unused;
	for (unsigned i = 0; i < sizeof(sizes); i++) {
		uint8_t before = read_cmos(sizes[i]);

		write_cmos(sizes[i], (uint8_t)~before);
		assert_int_equal(read_cmos(sizes[i]), before);
	}
}

static void test_cmos_recovered_keeps_index_and_ram(void **unused)
{
	struct ioreq_setting setting = setting_integer("memory", 32 * MIB);

	(void)unused;
	write_cmos(0x0a, 0x20);
	write_cmos(0x0b, 0x80);
	write_cmos(0x7f, 0x42);
	destroy_device(&cmos);
	cmos = recover_device(&ioreq_device_cmos, &setting, 1);
	assert_int_equal(read_device(&cmos, 0x71, 1), 0x42);
	assert_int_equal(read_cmos(0x0a), 0x20);
	assert_int_equal(read_cmos(0x0b), 0x82);
	assert_int_equal(read_word(0x34), 16 * 16);
}

static void test_cmos_recovered_garbage_stays_inside(void **unused)
{
	(void)unused;
	memset(state, 0xff, ioreq_device_cmos.state_bytes);
	cmos = recover_device(&ioreq_device_cmos, NULL, 0);
	write_device(&cmos, 0x71, 1, 0x99);
	assert_int_equal(read_cmos(0x7f), 0x99);
}

static void test_cmos_bad_settings_are_refused(void **unused)
{
	struct ioreq_setting unknown = setting_integer("ram", MIB);
	struct ioreq_setting type = setting_string("memory", "16MiB");
	struct ioreq_setting small = setting_integer("memory", MIB - 65536);
	struct ioreq_setting big = setting_integer("memory", 4096 * MIB + 65536);
	struct ioreq_setting odd = setting_integer("memory", 16 * MIB + 4096);

	(void)unused;
	refuse_device(&ioreq_device_cmos, &unknown, 1, -EINVAL, "dut: unknown setting 'ram'; allowed: memory");
	refuse_device(&ioreq_device_cmos, &type, 1, -EINVAL, "dut: setting 'memory' is a string; allowed: an integer");
	refuse_device(&ioreq_device_cmos, &small, 1, -EINVAL,
		      "dut: setting 'memory' is 983040; allowed: 1 MiB to 4 GiB, in steps of 64 KiB");
	refuse_device(&ioreq_device_cmos, &big, 1, -EINVAL,
		      "dut: setting 'memory' is 4295032832; allowed: 1 MiB to 4 GiB, in steps of 64 KiB");
	refuse_device(&ioreq_device_cmos, &odd, 1, -EINVAL,
		      "dut: setting 'memory' is 16781312; allowed: 1 MiB to 4 GiB, in steps of 64 KiB");
}

#define cmos_test(name) cmocka_unit_test_setup_teardown(name, make_cmos, end_cmos)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmos_test(test_cmos_time_is_utc_in_bcd),
		cmos_test(test_cmos_date_agrees_with_libc),
		cmos_test(test_cmos_time_follows_the_host),
		cmos_test(test_cmos_time_ignores_writes),
		cmos_test(test_cmos_status_a_never_shows_an_update),
		cmos_test(test_cmos_status_b_keeps_format_and_refuses_interrupts),
		cmos_test(test_cmos_status_c_and_d_are_fixed),
		cmos_test(test_cmos_ram_keeps_every_byte),
		cmos_test(test_cmos_index_drops_the_nmi_bit),
		cmos_test(test_cmos_index_reads_all_ones),
		cmos_test(test_cmos_wide_access_is_unhandled),
		cmos_test(test_cmos_memory_size_follows_the_setting),
		cmos_test(test_cmos_memory_size_ignores_writes),
		cmos_test(test_cmos_recovered_keeps_index_and_ram),
		cmos_test(test_cmos_recovered_garbage_stays_inside),
		cmocka_unit_test(test_cmos_bad_settings_are_refused),
	};

	return cmocka_run_group_tests_name("cmos", tests, NULL, NULL);
}
