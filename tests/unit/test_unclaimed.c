/* SPDX-License-Identifier: MIT */
/* The default client's device. Threads: one. Memory: static. */
#include "test_device.h"

static void test_unclaimed_read_answers_all_ones_of_the_width(void **unused)
{
	struct instance instance = create_device(&ioreq_device_unclaimed, NULL, 0);

	(void)unused;
	assert_int_equal(read_device(&instance, 0x80, 1), 0xff);
	assert_int_equal(read_device(&instance, 0xfffe, 2), 0xffff);
	assert_int_equal(read_device(&instance, 0xcfc, 4), 0xffffffff);
	assert_true(read_device(&instance, UINT64_MAX - 7, 8) == UINT64_MAX);
	destroy_device(&instance);
}

static void test_unclaimed_write_is_dropped(void **unused)
{
	struct instance instance = create_device(&ioreq_device_unclaimed, NULL, 0);

	(void)unused;
	write_device(&instance, 0x80, 1, 0x12);
	assert_int_equal(read_device(&instance, 0x80, 1), 0xff);
	destroy_device(&instance);
}

static void test_unclaimed_any_setting_is_refused(void **unused)
{
	struct ioreq_setting setting = setting_integer("irq", 4);

	(void)unused;
	refuse_device(&ioreq_device_unclaimed, &setting, 1, -EINVAL, "dut: unknown setting 'irq'; allowed: none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unclaimed_read_answers_all_ones_of_the_width),
		cmocka_unit_test(test_unclaimed_write_is_dropped),
		cmocka_unit_test(test_unclaimed_any_setting_is_refused),
	};

	return cmocka_run_group_tests_name("unclaimed", tests, NULL, NULL);
}
