/* SPDX-License-Identifier: MIT */
/*
 * core/setting.c: settings found by key and type, refused by name.
 *
 * Threads   One. Memory: static.
 */
#include "unit/stand.h"

static const struct ioreq_setting settings[] = {
	{.key = "irq", .type = IOREQ_SETTING_INTEGER, .integer = 4},
	{.key = "output", .type = IOREQ_SETTING_STRING, .string = "/tmp/x"},
	{.key = "echo", .type = IOREQ_SETTING_BOOLEAN, .integer = 1},
};

static const struct ioreq_create all = {.name = "uart0", .settings = settings, .nr_settings = NR_OF(settings)};

static const char *const keys[] = {"echo", "output", "irq", NULL};
static const enum ioreq_setting_type types[] = {IOREQ_SETTING_BOOLEAN, IOREQ_SETTING_STRING, IOREQ_SETTING_INTEGER};

static void test_setting_find_takes_key_and_type(void **unused)
{
	(void)unused;
	assert_ptr_equal(ioreq_setting_find(&all, "irq", IOREQ_SETTING_INTEGER), &settings[0]);
	assert_ptr_equal(ioreq_setting_find(&all, "output", IOREQ_SETTING_STRING), &settings[1]);
	assert_ptr_equal(ioreq_setting_find(&all, "echo", IOREQ_SETTING_BOOLEAN), &settings[2]);
	assert_null(ioreq_setting_find(&all, "irq", IOREQ_SETTING_STRING));
	assert_null(ioreq_setting_find(&all, "echo", IOREQ_SETTING_INTEGER));
	assert_null(ioreq_setting_find(&all, "ir", IOREQ_SETTING_INTEGER));
	assert_null(ioreq_setting_find(&(struct ioreq_create){.name = "x"}, "irq", IOREQ_SETTING_INTEGER));
}

static void test_setting_check_accepts_known_keys_of_their_type(void **unused)
{
	struct ioreq_error error = {.text = "untouched"};

	(void)unused;
	assert_int_equal(ioreq_setting_check(&all, keys, types, &error), 0);
	assert_int_equal(ioreq_setting_check(&(struct ioreq_create){.name = "x"}, keys, types, &error), 0);
	assert_sentence(error, "untouched");
}

static void test_setting_check_refuses_with_what_is_allowed(void **unused)
{
	static const struct ioreq_setting wrong[] = {
		{.key = "irqs", .type = IOREQ_SETTING_INTEGER},
		{.key = "irq", .type = IOREQ_SETTING_STRING},
		{.key = "echo", .type = IOREQ_SETTING_INTEGER},
		{.key = "output", .type = IOREQ_SETTING_BOOLEAN},
	};
	static const char *const sentences[] = {
		"uart0: unknown setting 'irqs'; allowed: echo, output, irq",
		"uart0: setting 'irq' is a string; allowed: an integer",
		"uart0: setting 'echo' is an integer; allowed: true or false",
		"uart0: setting 'output' is true or false; allowed: a string",
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(wrong); i++) {
		const struct ioreq_create create = {.name = "uart0", .settings = &wrong[i], .nr_settings = 1};
		struct ioreq_error error = {.text = ""};

		assert_int_equal(ioreq_setting_check(&create, keys, types, &error), -EINVAL);
		assert_sentence(error, sentences[i]);
		assert_int_equal(ioreq_setting_check(&create, keys, types, NULL), -EINVAL);
	}
}

static void test_setting_check_of_a_device_without_settings_says_none(void **unused)
{
	static const char *const nothing[] = {NULL};
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_setting_check(&all, nothing, types, &error), -EINVAL);
	assert_sentence(error, "uart0: unknown setting 'irq'; allowed: none");
}

static void test_setting_check_of_many_keys_keeps_the_sentence_whole(void **unused)
{
	static const char *const many[] = {
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"cccccccccccccccccccccccccccccccccccccccc", "dddddddddddddddddddddddddddddddddddddddd", NULL};
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_setting_check(&all, many, types, &error), -EINVAL);
	assert_sentence(error, "uart0: unknown setting 'irq'; allowed: "
			       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, "
			       "cccccccccccccccccccccccccccccccccccccccc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setting_find_takes_key_and_type),
		cmocka_unit_test(test_setting_check_accepts_known_keys_of_their_type),
		cmocka_unit_test(test_setting_check_refuses_with_what_is_allowed),
		cmocka_unit_test(test_setting_check_of_a_device_without_settings_says_none),
		cmocka_unit_test(test_setting_check_of_many_keys_keeps_the_sentence_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
