/* SPDX-License-Identifier: MIT */
/* The table of devices. Threads: one. Memory: static. */
#include "test_device.h"

static void test_devices_every_name_is_found(void **unused)
{
	static const char *const names[] = {"cmos", "debug_console", "pci_host", "registers", "uart16550", "unclaimed"};

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct ioreq_device_ops *device = ioreq_device_find(names[i]);

		assert_non_null(device);
		assert_string_equal(device->name, names[i]);
		assert_ptr_equal(device, ioreq_device_at(i));
		assert_non_null(device->create);
		assert_non_null(device->handle);
		assert_true(device->state_bytes <= 65536);
	}
	assert_null(ioreq_device_at(sizeof(names) / sizeof(names[0])));
	assert_null(ioreq_device_at(SIZE_MAX));
}

static void test_devices_another_name_is_not_found(void **unused)
{
	(void)unused;
	assert_null(ioreq_device_find("uart"));
	assert_null(ioreq_device_find("uart16550a"));
	assert_null(ioreq_device_find("UNCLAIMED"));
	assert_null(ioreq_device_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices_every_name_is_found),
		cmocka_unit_test(test_devices_another_name_is_not_found),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
