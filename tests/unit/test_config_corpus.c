/* SPDX-License-Identifier: MIT */
/*
 * tests/config/bad: every file is refused, with exactly the lines in the .expected file beside it; base.yaml, from which
 * they are made, is not.
 *
 * Threads   One. Memory: the test's.
 */
#include "unit/test_config.h"

#include <glob.h>
#include <unistd.h>

#define LEAST_FILES 60

static void check_file(const char *path)
{
	char expected_path[256], expected[65536];
	struct config *config = UNTOUCHED;
	FILE *stream;
	size_t bytes;
	int status;

	snprintf(expected_path, sizeof(expected_path), "%.*s.expected", (int)(strlen(path) - strlen(".yaml")), path);
	stream = fopen(expected_path, "r");
	if (!stream)
		fail_msg("%s: no such file", expected_path);
	bytes = fread(expected, 1, sizeof(expected) - 1, stream);
	fclose(stream);
	expected[bytes] = 0;
	status = config_load(path, test_options(), &config);
	if (status != -EINVAL)
		fail_msg("%s: got %d; expected %d (-EINVAL)", path, status, -EINVAL);
	if (strcmp(reported.text, expected) != 0)
		fail_msg("%s: reported\n%sexpected\n%s", path, reported.text, expected);
	assert_ptr_equal(config, UNTOUCHED);
}

static void test_config_corpus_is_refused_with_exact_lines(void **unused)
{
	glob_t files;

	(void)unused;
	assert_int_equal(chdir(CONFIG_FILES "/bad"), 0);
	assert_int_equal(glob("*.yaml", 0, NULL, &files), 0);
	assert_true(files.gl_pathc >= LEAST_FILES);
	for (size_t i = 0; i < files.gl_pathc; i++)
		check_file(files.gl_pathv[i]);
	globfree(&files);
}

/* Nobody listens: the verdict is the same. */
static void test_config_corpus_is_refused_silently(void **unused)
{
	static const struct config_options silent = {.report = NULL};
	glob_t files;

	(void)unused;
	assert_int_equal(chdir(CONFIG_FILES "/bad"), 0);
	assert_int_equal(glob("*.yaml", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct config *config = UNTOUCHED;

		/* Without a list of devices any name will do. */
		if (strncmp(files.gl_pathv[i], "reference-device", strlen("reference-device")) == 0) {
			assert_int_equal(config_load(files.gl_pathv[i], &silent, &config), 0);
			config_free(config);
			continue;
		}
		assert_int_equal(config_load(files.gl_pathv[i], &silent, &config), -EINVAL);
		assert_ptr_equal(config, UNTOUCHED);
	}
	globfree(&files);
}

static void test_config_corpus_base_is_accepted(void **unused)
{
	struct config *config = NULL;

	(void)unused;
	assert_int_equal(config_load(CONFIG_FILES "/base.yaml", test_options(), &config), 0);
	assert_string_equal(reported.text, "");
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_corpus_is_refused_with_exact_lines),
		cmocka_unit_test(test_config_corpus_is_refused_silently),
		cmocka_unit_test(test_config_corpus_base_is_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
