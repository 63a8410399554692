/* SPDX-License-Identifier: MIT */
/* The debug console. Threads: the test's and the sink's. Memory: static. */
#include "no_system_calls.h"
#include "test_device.h"

static char *path;
static struct instance console;

static int make_console(void **unused)
{
	struct ioreq_setting setting;

	(void)unused;
	path = make_path();
	setting = setting_string("output", path);
	console = create_device(&ioreq_device_debug_console, &setting, 1);
	return 0;
}

static int remove_file(void **unused)
{
	(void)unused;
	remove_path(path);
	return 0;
}

static void test_debug_console_read_shows_presence(void **unused)
{
	(void)unused;
	assert_int_equal(read_device(&console, 0x402, 1), 0xe9);
	assert_int_equal(read_device(&console, 0x402, 1), 0xe9);
	destroy_device(&console);
	assert_content(path, "");
}

static void test_debug_console_written_bytes_are_printed(void **unused)
{
	(void)unused;
	for (const char *byte = "SeaBIOS (version 1)\n"; *byte; byte++)
		write_device(&console, 0x402, 1, (uint8_t)*byte);
	destroy_device(&console);
	assert_content(path, "SeaBIOS (version 1)\n");
}

static void test_debug_console_wide_access_is_unhandled_prints_nothing(void **unused)
{
	(void)unused;
	assert_unhandled(&console, 0x402, 2);
	assert_unhandled(&console, 0x402, 4);
	destroy_device(&console);
	assert_content(path, "");
}

static void print_much(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++)
		write_device(&console, 0x402, 1, 'x');
}

static void test_debug_console_print_makes_no_system_call(void **unused)
{
	(void)unused;
	run_without_system_calls(print_much, NULL);
	destroy_device(&console);
}

/* Whether a new byte gets through behind the old ones, sooner or later. */
static bool print_and_look(int fifo)
{
	char buffer[4096];
	ssize_t count;

	write_device(&console, 0x402, 1, '!');
	count = read(fifo, buffer, sizeof(buffer));
	return count > 0 && buffer[count - 1] == '!';
}

/* Nobody reads the pipe: what finds no room is dropped, and the guest goes on. */
static void test_debug_console_full_drops_and_goes_on(void **unused)
{
	struct ioreq_setting setting = setting_string("output", path);
	int fifo;

	(void)unused;
	destroy_device(&console);
	unlink(path);
	fifo = make_fifo(path);
	console = create_device(&ioreq_device_debug_console, &setting, 1);
	for (int i = 0; i < 1000000; i++)
		write_device(&console, 0x402, 1, 'x');
	assert_int_equal(read_device(&console, 0x402, 1), 0xe9);
	assert_soon(print_and_look(fifo));
	destroy_device(&console);
	close(fifo);
}

static void test_debug_console_bad_settings_are_refused(void **unused)
{
	struct ioreq_setting unknown = setting_string("file", "stdout");
	struct ioreq_setting type = setting_integer("output", 1);
	struct ioreq_setting impossible = setting_string("output", "/nowhere/file");

	(void)unused;
	refuse_device(&ioreq_device_debug_console, NULL, 0, -EINVAL,
		      "dut: setting 'output' is missing; allowed: a path, or \"stdout\"");
	refuse_device(&ioreq_device_debug_console, &unknown, 1, -EINVAL,
		      "dut: unknown setting 'file'; allowed: output");
	refuse_device(&ioreq_device_debug_console, &type, 1, -EINVAL,
		      "dut: setting 'output' is an integer; allowed: a string");
	refuse_device(&ioreq_device_debug_console, &impossible, 1, -ENOENT,
		      "dut: setting 'output': cannot open '/nowhere/file': No such file or directory");
}

#define console_test(name) cmocka_unit_test_setup_teardown(name, make_console, remove_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		console_test(test_debug_console_read_shows_presence),
		console_test(test_debug_console_written_bytes_are_printed),
		console_test(test_debug_console_wide_access_is_unhandled_prints_nothing),
		console_test(test_debug_console_print_makes_no_system_call),
		console_test(test_debug_console_full_drops_and_goes_on),
		cmocka_unit_test(test_debug_console_bad_settings_are_refused),
	};

	return cmocka_run_group_tests_name("debug_console", tests, NULL, NULL);
}
