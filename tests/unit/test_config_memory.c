/* SPDX-License-Identifier: MIT */
/*
 * The configuration without memory: each allocation of ours fails once, in turn. The program is linked with wrappers
 * around the allocators, which libyaml and libc do not see.
 *
 * Threads   One. Memory: the test's.
 */
#include "unit/test_config.h"

void *__real_calloc(size_t number, size_t bytes);
void *__real_malloc(size_t bytes);
void *__real_reallocarray(void *memory, size_t number, size_t bytes);
void *__wrap_calloc(size_t number, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_reallocarray(void *memory, size_t number, size_t bytes);

static struct {
	bool armed;
	unsigned left; /* allocations until one fails */
	unsigned failed;
} plan;

static bool fails(void)
{
	if (!plan.armed || plan.left-- > 0)
		return false;
	plan.armed = false;
	plan.failed++;
	return true;
}

void *__wrap_calloc(size_t number, size_t bytes)
{
	return fails() ? NULL : __real_calloc(number, bytes);
}

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_reallocarray(void *memory, size_t number, size_t bytes)
{
	return fails() ? NULL : __real_reallocarray(memory, number, bytes);
}

static void arm(unsigned left)
{
	plan.failed = 0;
	plan.left = left;
	plan.armed = true;
}

/* Returns how many allocations a load of the file makes that can fail. */
static unsigned load_with_each_failure(const char *path, int wanted)
{
	for (unsigned left = 0;; left++) {
		struct config *config = UNTOUCHED;
		int status;

		test_options();
		arm(left);
		status = config_load(path, test_options(), &config);
		plan.armed = false;
		if (plan.failed == 0) {
			assert_int_equal(status, wanted);
			if (!status)
				config_free(config);
			return left;
		}
		assert_int_equal(status, -ENOMEM);
		assert_ptr_equal(config, UNTOUCHED);
		assert_non_null(strstr(reported.text, ": error: out of memory\n"));
	}
}

static void test_config_memory_of_load_runs_out_cleanly(void **unused)
{
	(void)unused;
	assert_true(load_with_each_failure(CONFIG_EXAMPLES "/production.yaml", 0) > 4);
}

static void test_config_memory_of_refusal_runs_out_cleanly(void **unused)
{
	(void)unused;
	assert_true(load_with_each_failure(CONFIG_FILES "/bad/many-many-problems.yaml", -EINVAL) > 4);
}

static void test_config_memory_of_comparison_runs_out_cleanly(void **unused)
{
	struct config *demo = NULL, *production = NULL;
	struct config_changes changes = {.nr_changes = 4711};
	unsigned left = 0;

	(void)unused;
	assert_int_equal(config_load(CONFIG_EXAMPLES "/demo.yaml", test_options(), &demo), 0);
	assert_int_equal(config_load(CONFIG_EXAMPLES "/production.yaml", test_options(), &production), 0);
	for (;; left++) {
		int status;

		arm(left);
		status = config_compare(demo, production, &changes);
		plan.armed = false;
		if (plan.failed == 0) {
			assert_int_equal(status, 0);
			break;
		}
		assert_int_equal(status, -ENOMEM);
		assert_int_equal(changes.nr_changes, 4711);
	}
	assert_true(left >= 2);
	config_changes_free(&changes);
	arm(0);
	assert_false(config_equal(demo, demo));
	plan.armed = false;
	assert_true(config_equal(demo, demo));
	config_free(demo);
	config_free(production);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_memory_of_load_runs_out_cleanly),
		cmocka_unit_test(test_config_memory_of_refusal_runs_out_cleanly),
		cmocka_unit_test(test_config_memory_of_comparison_runs_out_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
