/* SPDX-License-Identifier: MIT */
/* The doctor's file access: exact errors, no way out of a recorded tree, nothing that blocks. Threads: one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pinning/doctor_root.h"
#include "pinning/doctor_tasks.h"

static char folder[] = "/tmp/test_doctor_root.XXXXXX";
static struct doctor_root root;

static const char *inside(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const void *data, size_t bytes)
{
	int fd = open(inside(name), O_CREAT | O_TRUNC | O_WRONLY, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
	close(fd);
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(folder) && mkdir(inside("sub"), 0755) == 0 ? doctor_root_open(folder, &root) : -1;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	doctor_root_close(&root);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void test_root_missing_folder_is_refused(void **state)
{
	struct doctor_root other = {.fd = 77};

	(void)state;
	assert_int_equal(doctor_root_open("/nowhere/at/all", &other), -ENOENT);
	assert_int_equal(doctor_root_open("/proc/version", &other), -ENOTDIR);
	assert_int_equal(other.fd, 77);
	assert_false(root.system);
}

static void test_root_text_is_whole_or_an_error(void **state)
{
	char text[8];

	(void)state;
	put("seven", "1234567", 7);
	assert_int_equal(doctor_root_read(&root, "/seven", text, sizeof(text)), 7);
	assert_string_equal(text, "1234567");
	put("eight", "12345678", 8);
	assert_int_equal(doctor_root_read(&root, "/eight", text, sizeof(text)), -EFBIG);
	put("blank", "ab \n\n", 5);
	assert_int_equal(doctor_root_read(&root, "/blank", text, sizeof(text)), 2);
	assert_string_equal(text, "ab");
	put("nul", "a\0b", 3);
	assert_int_equal(doctor_root_read(&root, "/nul", text, sizeof(text)), -EILSEQ);
	assert_int_equal(doctor_root_read(&root, "/none", text, sizeof(text)), -ENOENT);
	assert_int_equal(doctor_root_read(&root, "/sub", text, sizeof(text)), -EISDIR);
}

static void test_root_links_stay_inside(void **state)
{
	char text[64];

	(void)state;
	put("etc", "mine", 4);
	assert_int_equal(symlink("../../../../../../etc", inside("up")), 0);
	assert_int_equal(symlink("/etc", inside("absolute")), 0);
	assert_int_equal(doctor_root_read(&root, "/up", text, sizeof(text)), 4);
	assert_int_equal(doctor_root_read(&root, "/absolute", text, sizeof(text)), 4);
	assert_int_equal(doctor_root_read(&root, "/../../etc", text, sizeof(text)), 4);
	assert_int_equal(symlink("loop", inside("loop")), 0);
	assert_int_equal(doctor_root_read(&root, "/loop", text, sizeof(text)), -ELOOP);
	assert_false(doctor_root_exists(&root, "/loop"));
	assert_true(doctor_root_exists(&root, "/absolute"));
}

static void test_root_fifo_does_not_block(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(mkfifo(inside("fifo"), 0600), 0);
	alarm(5);
	assert_int_equal(doctor_root_read(&root, "/fifo", text, sizeof(text)), -EPERM);
	alarm(0);
}

static void test_root_number_is_exact(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t number;
	} cases[] = {
		{"0\n", 0, 0},
		{"-1", 0, -1},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{" 5", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{"5 6", -EINVAL, 0},
		{"0x5", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t number = 4711;

		put("number", cases[i].text, strlen(cases[i].text));
		assert_int_equal(doctor_root_number(&root, "/number", &number), cases[i].rc);
		assert_int_equal(number, cases[i].rc ? 4711 : cases[i].number);
	}
}

static void test_root_load_has_a_limit(void **state)
{
	char *large = calloc(1, DOCTOR_LOAD_BYTES), *text = NULL;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', DOCTOR_LOAD_BYTES);
	put("large", large, DOCTOR_LOAD_BYTES);
	assert_int_equal(doctor_root_load(&root, "/large", &text), -EFBIG);
	assert_null(text);
	put("large", large, DOCTOR_LOAD_BYTES - 1);
	assert_int_equal(doctor_root_load(&root, "/large", &text), 0);
	assert_int_equal(strlen(text), DOCTOR_LOAD_BYTES - 1);
	free(text);
	free(large);
}

static int count(void *context, const char *name, bool is_folder)
{
	int *counts = context;

	(void)name;
	counts[is_folder]++;
	return counts[2]-- == 0;
}

static void test_root_entries_can_be_stopped(void **state)
{
	int all[3] = {0, 0, 1000}, few[3] = {0, 0, 1};

	(void)state;
	put("file", "", 0);
	assert_int_equal(doctor_root_entries(&root, "/", count, all), 0);
	assert_int_equal(all[1], 1);
	assert_true(all[0] >= 2);
	assert_int_equal(doctor_root_entries(&root, "/", count, few), 0);
	assert_int_equal(few[0] + few[1], 2);
	assert_int_equal(doctor_root_entries(&root, "/file", count, few), -ENOTDIR);
	assert_int_equal(doctor_root_entries(&root, "/none", count, few), -ENOENT);
}

static void test_root_task_line_is_parsed_behind_any_name(void **state)
{
	const char *line =
		"42 (a ) R (b)) S 1 1 1 0 -1 2129984 1 2 33 4 5 6 7 8 20 0 1 0 99 5 6 18446744073709551615 1 1 0 0 "
		"0 0 0 0 0 0 0 0 17 9 0 0";
	struct doctor_task task = {.pid = 7};

	(void)state;
	assert_int_equal(doctor_task_parse(line, &task), 0);
	assert_int_equal(task.pid, 7);
	assert_int_equal(task.tid, 42);
	assert_string_equal(task.name, "a ) R (b)");
	assert_int_equal(task.state, 'S');
	assert_true(task.kernel);
	assert_false(task.bound);
	assert_int_equal(task.major_faults, 33);
	assert_int_equal(task.started_ticks, 99);
	assert_int_equal(task.cpu, 9);
	assert_int_equal(doctor_task_parse("42 (x) S 1 1", &task), -EINVAL);
	assert_int_equal(doctor_task_parse(") (", &task), -EINVAL);
	assert_int_equal(doctor_task_parse("", &task), -EINVAL);
	assert_int_equal(task.tid, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_missing_folder_is_refused),
		cmocka_unit_test(test_root_text_is_whole_or_an_error),
		cmocka_unit_test(test_root_links_stay_inside),
		cmocka_unit_test(test_root_fifo_does_not_block),
		cmocka_unit_test(test_root_number_is_exact),
		cmocka_unit_test(test_root_load_has_a_limit),
		cmocka_unit_test(test_root_entries_can_be_stopped),
		cmocka_unit_test(test_root_task_line_is_parsed_behind_any_name),
	};

	return cmocka_run_group_tests(tests, start, end);
}
