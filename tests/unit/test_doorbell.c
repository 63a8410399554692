/* SPDX-License-Identifier: MIT */
/*
 * core/doorbell.c: which write rings, what its owner gets instead, and names, conflicts and the end of a doorbell.
 *
 * Threads   One; the stuck poller: its own. Memory: a stand per test.
 */
#include "unit/stand.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

static struct stand stand;
static struct stand_device owner;

static int set_up(void **unused)
{
	(void)unused;
	stand_open(&stand, &(struct stand_config){.clear_timeout_ns = 20000000});
	stand_device(&stand, &owner, 0x5a);
	stand_add(&owner, &(struct stand_client){.name = "owner", .range = {0x1000, 0x1fff, IOREQ_MMIO}});
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	stand_assert_account(&stand);
	stand_close(&stand);
	return 0;
}

static int add(const char *name, enum ioreq_space space, uint64_t address, unsigned size, uint64_t data)
{
	const struct ioreq_doorbell doorbell = {
		.name = name, .space = space, .address = address, .size = size, .data = data};

	return ioreq_doorbell_add(stand.vm, &doorbell, NULL);
}

/* How often it was rung since the last look. */
static uint64_t rings(const char *name)
{
	uint64_t count = 0;
	int fd = ioreq_vm_doorbell_fd(stand.vm, name);

	assert_true(fd >= 0);
	if (read(fd, &count, sizeof(count)) < 0)
		assert_int_equal(errno, EAGAIN);
	return count;
}

static uint64_t request(struct ioreq_access access)
{
	return stand_request(&stand, 2, &access);
}

static void test_doorbell_matching_write_rings_and_no_handler_runs(void **unused)
{
	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	request(stand_write(IOREQ_MMIO, 0x1008, 4, 7));
	request(stand_write(IOREQ_MMIO, 0x1008, 1, 7));
	request(stand_sleeping(stand_write(IOREQ_MMIO, 0x1008, 2, 7)));
	assert_int_equal(rings("bell"), 3);
	assert_int_equal(owner.entered, 0);
	assert_int_equal(stand_stats(&stand)->reasons[IOREQ_RUNG], 3);
	assert_int_equal(stand.poller->stats->doorbells, 3);
	assert_int_equal(stand.backend.notified[2], 1);
}

static void test_doorbell_other_accesses_go_to_the_owner(void **unused)
{
	static const struct {
		uint64_t address;
		unsigned size;
		uint64_t value;
	} writes[] = {{0x1008, 4, 8}, {0x1008, 8, 7}, {0x1007, 2, 7}, {0x1009, 1, 7}, {0x100c, 4, 7}, {0x1004, 8, 7}};
	unsigned expected = 0;

	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	for (size_t i = 0; i < NR_OF(writes); i++) {
		request(stand_write(IOREQ_MMIO, writes[i].address, writes[i].size, writes[i].value));
		assert_int_equal(owner.entered, ++expected);
		assert_int_equal(owner.seen.value, writes[i].value);
	}
	assert_int_equal(request(stand_read(IOREQ_MMIO, 0x1008, 4)), 0x5a);
	assert_int_equal(owner.entered, expected + 1);
	assert_int_equal(rings("bell"), 0);
}

static void test_doorbell_outside_any_range_rings_and_the_rest_is_unclaimed(void **unused)
{
	(void)unused;
	assert_int_equal(add("bell", IOREQ_PIO, 0x600, 2, 0), 0);
	request(stand_write(IOREQ_PIO, 0x600, 2, 0));
	assert_int_equal(rings("bell"), 1);
	assert_int_equal(request(stand_read(IOREQ_PIO, 0x600, 2)), 0xffff);
	request(stand_write(IOREQ_PIO, 0x600, 2, 1));
	assert_int_equal(rings("bell"), 0);
	assert_int_equal(stand_stats(&stand)->reasons[IOREQ_UNCLAIMED], 2);
}

static void test_doorbell_for_any_data_takes_every_value(void **unused)
{
	const struct ioreq_doorbell any = {
		.name = "any", .space = IOREQ_PCICFG, .address = 0x44, .size = 4, .any_data = true};

	(void)unused;
	assert_int_equal(ioreq_doorbell_add(stand.vm, &any, NULL), 0);
	request(stand_write(IOREQ_PCICFG, 0x44, 4, 0));
	request(stand_write(IOREQ_PCICFG, 0x44, 1, 0xff));
	request(stand_write(IOREQ_PCICFG, 0x44, 4, 0xffffffff));
	assert_int_equal(rings("any"), 3);
}

static void test_doorbell_that_is_full_still_answers_the_guest(void **unused)
{
	uint64_t full = UINT64_MAX - 1;

	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	assert_int_equal(write(ioreq_vm_doorbell_fd(stand.vm, "bell"), &full, sizeof(full)), sizeof(full));
	request(stand_write(IOREQ_MMIO, 0x1008, 4, 7));
	assert_int_equal(rings("bell"), full);
	assert_int_equal(stand_stats(&stand)->reasons[IOREQ_RUNG], 1);
}

static void test_doorbell_is_found_by_its_name(void **unused)
{
	int fd;

	(void)unused;
	assert_int_equal(add("one", IOREQ_MMIO, 0x1008, 4, 7), 0);
	assert_int_equal(add("two", IOREQ_MMIO, 0x1008, 4, 8), 0);
	fd = ioreq_vm_doorbell_fd(stand.vm, "two");
	assert_true(fd >= 0);
	assert_int_equal(ioreq_doorbell_fd(owner.client, "two"), fd);
	assert_int_not_equal(ioreq_vm_doorbell_fd(stand.vm, "one"), fd);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(ioreq_vm_doorbell_fd(stand.vm, "three"), -ENOENT);
	assert_int_equal(ioreq_doorbell_fd(owner.client, ""), -ENOENT);
}

static void test_doorbell_bad_ones_are_refused_with_what_is_allowed(void **unused)
{
	static const struct {
		struct ioreq_doorbell doorbell;
		int status;
		const char *sentence;
	} cases[] = {
		{{.name = "", .space = IOREQ_PIO, .address = 1, .size = 1},
		 -EINVAL,
		 "doorbell '': a name of 0 characters; allowed: 1..31"},
		{{.name = "a b", .space = IOREQ_PIO, .address = 1, .size = 1},
		 -EINVAL,
		 "doorbell 'a b': allowed: printable ASCII without blanks and '/'"},
		{{.name = "b", .space = IOREQ_PIO, .address = 0x10000, .size = 1},
		 -EINVAL,
		 "doorbell b: no such address in its space"},
		{{.name = "b", .space = (enum ioreq_space)3, .address = 1, .size = 1},
		 -EINVAL,
		 "doorbell b: no such address in its space"},
		{{.name = "b", .space = IOREQ_PIO, .address = 1, .size = 0},
		 -EINVAL,
		 "doorbell b: size 0; allowed: 1, 2, 4, mmio also 8"},
		{{.name = "b", .space = IOREQ_MMIO, .address = 1, .size = 3},
		 -EINVAL,
		 "doorbell b: size 3; allowed: 1, 2, 4, mmio also 8"},
		{{.name = "b", .space = IOREQ_MMIO, .address = 1, .size = 16},
		 -EINVAL,
		 "doorbell b: size 16; allowed: 1, 2, 4, mmio also 8"},
		{{.name = "b", .space = IOREQ_PIO, .address = 1, .size = 8},
		 -EINVAL,
		 "doorbell b: size 8; allowed: 1, 2, 4, mmio also 8"},
		{{.name = "bell", .space = IOREQ_PIO, .address = 1, .size = 1},
		 -EEXIST,
		 "doorbell bell: exists already"},
		{{.name = "b", .space = IOREQ_MMIO, .address = 0x1008, .size = 2, .data = 7},
		 -EEXIST,
		 "doorbell b: a write to mmio 0x1008 could ring bell too"},
		{{.name = "b", .space = IOREQ_MMIO, .address = 0x1008, .size = 8, .any_data = true},
		 -EEXIST,
		 "doorbell b: a write to mmio 0x1008 could ring bell too"},
	};

	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_error error = {.text = ""};

		assert_int_equal(ioreq_doorbell_add(stand.vm, &cases[i].doorbell, &error), cases[i].status);
		assert_sentence(error, cases[i].sentence);
		assert_int_equal(ioreq_vm_doorbell_fd(stand.vm, "b"), -ENOENT);
	}
}

static void test_doorbell_without_a_descriptor_left_is_emfile(void **unused)
{
	struct ioreq_error error = {.text = ""};
	struct rlimit before, none;
	const struct ioreq_doorbell doorbell = {.name = "bell", .space = IOREQ_PIO, .address = 1, .size = 1};
	int free_fd = dup(0), status;

	(void)unused;
	close(free_fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)free_fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	status = ioreq_doorbell_add(stand.vm, &doorbell, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(status, -EMFILE);
	assert_sentence(error, "doorbell bell: no eventfd: Too many open files");
	assert_int_equal(ioreq_vm_doorbell_fd(stand.vm, "bell"), -ENOENT);
	assert_int_equal(add("bell", IOREQ_PIO, 1, 1, 0), 0);
}

static void test_doorbell_removed_is_closed_and_its_owner_gets_the_write(void **unused)
{
	struct ioreq_error error = {.text = ""};
	int fd;

	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	assert_int_equal(add("other", IOREQ_MMIO, 0x1008, 4, 8), 0);
	fd = ioreq_vm_doorbell_fd(stand.vm, "bell");
	assert_int_equal(ioreq_doorbell_remove(stand.vm, "bell", &error), 0);
	assert_sentence(error, "");
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	request(stand_write(IOREQ_MMIO, 0x1008, 4, 7));
	assert_int_equal(owner.entered, 1);
	request(stand_write(IOREQ_MMIO, 0x1008, 4, 8));
	assert_int_equal(rings("other"), 1);
	assert_int_equal(ioreq_doorbell_remove(stand.vm, "bell", &error), -ENOENT);
	assert_sentence(error, "doorbell bell: no such doorbell");
}

static void test_doorbell_of_a_stuck_poller_stays_and_rings(void **unused)
{
	const struct ioreq_access stuck = stand_read(IOREQ_MMIO, 0x1000, 4);
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(add("bell", IOREQ_MMIO, 0x1008, 4, 7), 0);
	owner.gated = true;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	stand_post(&stand, 0, &stuck);
	stand_await(stand_entered(&owner) == 1);
	assert_int_equal(ioreq_doorbell_remove(stand.vm, "bell", &error), -EBUSY);
	assert_sentence(error, "doorbell bell: poller p0 does not move");
	stand_let_go(&owner, 1);
	stand_finish(&stand, 0);
	request(stand_write(IOREQ_MMIO, 0x1008, 4, 7));
	assert_int_equal(rings("bell"), 1);
	assert_int_equal(ioreq_doorbell_remove(stand.vm, "bell", &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_doorbell_matching_write_rings_and_no_handler_runs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_other_accesses_go_to_the_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_outside_any_range_rings_and_the_rest_is_unclaimed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_for_any_data_takes_every_value, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_that_is_full_still_answers_the_guest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_is_found_by_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_bad_ones_are_refused_with_what_is_allowed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_without_a_descriptor_left_is_emfile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_removed_is_closed_and_its_owner_gets_the_write, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_doorbell_of_a_stuck_poller_stays_and_rings, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
