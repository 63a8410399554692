/* SPDX-License-Identifier: MIT */
/*
 * core/ring.c: every operation in every state of the token, the copy, parking.
 *
 * Threads   One; parking: a second. Memory: static.
 */
#include "unit/stand.h"

#include <pthread.h>

#include "core/ring.h"

static struct ioreq_ring ring;

static const struct ioreq_access sample = {.address = 0x1122334455667788,
					   .value = 0x99aabbccddeeff00,
					   .space = IOREQ_PCICFG,
					   .direction = IOREQ_WRITE,
					   .size = 8,
					   .vcpu = 15,
					   .completion_polling = 1,
					   .sequence = 0xdeadbeef,
					   .seen_tsc = 0x0102030405060708};

static uint64_t token(uint64_t generation, enum ioreq_token_state state)
{
	return generation << 3 | state;
}

static void set(enum ioreq_token_state state)
{
	memset(&ring, 0, sizeof(ring));
	ring.entries[15].token = token(5, state);
}

static void assert_token(uint64_t generation, enum ioreq_token_state state)
{
	assert_int_equal(ioreq_ring_token(&ring, 15), token(generation, state));
	assert_int_equal(ioreq_token_state(ioreq_ring_token(&ring, 15)), state);
}

static void assert_sample(const struct ioreq_access *access)
{
	assert_int_equal(access->address, sample.address);
	assert_int_equal(access->value, sample.value);
	assert_int_equal(access->space, sample.space);
	assert_int_equal(access->direction, sample.direction);
	assert_int_equal(access->size, sample.size);
	assert_int_equal(access->vcpu, sample.vcpu);
	assert_int_equal(access->completion_polling, sample.completion_polling);
	assert_int_equal(access->sequence, sample.sequence);
	assert_int_equal(access->seen_tsc, sample.seen_tsc);
}

static void test_ring_post_starts_the_next_generation(void **unused)
{
	(void)unused;
	set(IOREQ_TOKEN_EMPTY);
	ioreq_ring_post(&ring, &sample);
	assert_token(6, IOREQ_TOKEN_POSTED);
	set(IOREQ_TOKEN_EXPIRED);
	ioreq_ring_post(&ring, &sample);
	assert_token(6, IOREQ_TOKEN_POSTED);
	for (unsigned v = 0; v < 15; v++)
		assert_int_equal(ioreq_ring_token(&ring, v), 0);
}

static void test_ring_take_copies_what_was_posted(void **unused)
{
	struct ioreq_access access = {.reserved = {0}};

	(void)unused;
	set(IOREQ_TOKEN_EMPTY);
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_take(&ring, 15, &access));
	assert_sample(&access);
	assert_int_equal(access.token, token(6, IOREQ_TOKEN_TAKEN));
	assert_token(6, IOREQ_TOKEN_TAKEN);
}

/* Every small field at every value that it can have. */
static void test_ring_entry_carries_all_shapes(void **unused)
{
	(void)unused;
	memset(&ring, 0, sizeof(ring));
	for (unsigned i = 0; i < 3 * 2 * 4 * 16 * 2; i++) {
		const struct ioreq_access posted = {.space = (uint8_t)(i % 3),
						    .direction = i / 3 % 2,
						    .size = (uint8_t)(1u << i / 6 % 4),
						    .vcpu = i / 24 % 16,
						    .completion_polling = i / 384 % 2,
						    .sequence = ~i};
		struct ioreq_access taken = {.reserved = {0}};

		ioreq_ring_post(&ring, &posted);
		assert_true(ioreq_ring_take(&ring, posted.vcpu, &taken));
		assert_int_equal(taken.space, posted.space);
		assert_int_equal(taken.direction, posted.direction);
		assert_int_equal(taken.size, posted.size);
		assert_int_equal(taken.vcpu, posted.vcpu);
		assert_int_equal(taken.completion_polling, posted.completion_polling);
		assert_int_equal(taken.sequence, posted.sequence);
		assert_true(ioreq_ring_win(&ring, &taken));
		ioreq_ring_release(&ring, &taken);
	}
}

static bool try_take(void)
{
	struct ioreq_access access = {.reserved = {0}};

	return ioreq_ring_take(&ring, 15, &access);
}

static bool try_win(void)
{
	const struct ioreq_access access = {.vcpu = 15, .token = token(5, IOREQ_TOKEN_TAKEN)};

	return ioreq_ring_win(&ring, &access);
}

static bool try_win_of_another_generation(void)
{
	const struct ioreq_access access = {.vcpu = 15, .token = token(4, IOREQ_TOKEN_TAKEN)};

	return ioreq_ring_win(&ring, &access);
}

static bool try_return(void)
{
	const struct ioreq_access access = {.vcpu = 15, .token = token(5, IOREQ_TOKEN_TAKEN)};

	return ioreq_ring_return(&ring, &access);
}

static bool try_return_of_another_generation(void)
{
	const struct ioreq_access access = {.vcpu = 15, .token = token(6, IOREQ_TOKEN_TAKEN)};

	return ioreq_ring_return(&ring, &access);
}

static bool try_expire(void)
{
	struct ioreq_access access = {.reserved = {0}};

	return ioreq_ring_expire(&ring, 15, &access);
}

static bool try_fetch(void)
{
	struct ioreq_access access = {.reserved = {0}};

	return ioreq_ring_fetch_returned(&ring, 15, &access);
}

static void test_ring_operation_moves_only_the_states_that_are_its_own(void **unused)
{
	enum { NO = -1 }; /* refused, and the token as it was */
	static const struct {
		bool (*try)(void);
		int next[IOREQ_TOKEN_EXPIRED + 1]; /* by state: EMPTY POSTED TAKEN DONE RETURNED EXPIRED */
	} cases[] = {
		{try_take, {NO, IOREQ_TOKEN_TAKEN, NO, NO, NO, NO}},
		{try_win, {NO, NO, IOREQ_TOKEN_DONE, NO, NO, NO}},
		{try_win_of_another_generation, {NO, NO, NO, NO, NO, NO}},
		{try_return, {NO, NO, IOREQ_TOKEN_RETURNED, NO, NO, NO}},
		{try_return_of_another_generation, {NO, NO, NO, NO, NO, NO}},
		{try_expire, {NO, IOREQ_TOKEN_EXPIRED, IOREQ_TOKEN_EXPIRED, NO, IOREQ_TOKEN_EXPIRED, NO}},
		{try_fetch, {NO, NO, NO, NO, IOREQ_TOKEN_EMPTY, NO}},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++)
		for (unsigned state = 0; state <= IOREQ_TOKEN_EXPIRED; state++) {
			int next = cases[i].next[state];

			set((enum ioreq_token_state)state);
			assert_int_equal(cases[i].try(), next != NO);
			assert_token(5, next == NO ? (enum ioreq_token_state)state : (enum ioreq_token_state)next);
		}
}

static void test_ring_release_empties_the_entry_of_the_winner(void **unused)
{
	struct ioreq_access access = {.reserved = {0}};

	(void)unused;
	set(IOREQ_TOKEN_EMPTY);
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_take(&ring, 15, &access));
	assert_true(ioreq_ring_win(&ring, &access));
	assert_token(6, IOREQ_TOKEN_DONE);
	assert_false(ioreq_ring_win(&ring, &access));
	ioreq_ring_release(&ring, &access);
	assert_token(6, IOREQ_TOKEN_EMPTY);
	assert_false(ioreq_ring_win(&ring, &access));
}

static void test_ring_expired_or_returned_request_is_the_pollers_whole(void **unused)
{
	struct ioreq_access access = {.reserved = {0}}, taken = {.reserved = {0}};

	(void)unused;
	set(IOREQ_TOKEN_EMPTY);
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_expire(&ring, 15, &access));
	assert_sample(&access);
	assert_false(ioreq_ring_expire(&ring, 15, &access));

	memset(&access, 0, sizeof(access));
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_take(&ring, 15, &taken));
	assert_true(ioreq_ring_return(&ring, &taken));
	assert_false(ioreq_ring_win(&ring, &taken));
	assert_true(ioreq_ring_fetch_returned(&ring, 15, &access));
	assert_sample(&access);
	assert_false(ioreq_ring_fetch_returned(&ring, 15, &access));
}

static void test_ring_late_answer_never_meets_the_next_request(void **unused)
{
	struct ioreq_access late = {.reserved = {0}}, next = {.reserved = {0}};

	(void)unused;
	set(IOREQ_TOKEN_EMPTY);
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_take(&ring, 15, &late));
	assert_true(ioreq_ring_expire(&ring, 15, &next));
	ioreq_ring_post(&ring, &sample);
	assert_true(ioreq_ring_take(&ring, 15, &next));
	assert_false(ioreq_ring_win(&ring, &late));
	assert_false(ioreq_ring_return(&ring, &late));
	assert_token(7, IOREQ_TOKEN_TAKEN);
	assert_true(ioreq_ring_win(&ring, &next));
}

/* ---- parking ---------------------------------------------------------------------------------------------- */

static uint32_t stop, parked_out;

static void *park(void *unused)
{
	(void)unused;
	ioreq_ring_park(&ring, IOREQ_MAX_VCPUS, &stop);
	store_release(&parked_out, 1);
	return NULL;
}

static void start_parking(pthread_t *thread)
{
	stop = 0;
	parked_out = 0;
	memset(&ring, 0, sizeof(ring));
	assert_int_equal(pthread_create(thread, NULL, park, NULL), 0);
}

static void test_ring_wake_of_a_client_that_is_not_parked_costs_nothing(void **unused)
{
	(void)unused;
	memset(&ring, 0, sizeof(ring));
	assert_false(ioreq_ring_wake(&ring));
}

static void test_ring_parked_client_sleeps_until_it_is_woken(void **unused)
{
	pthread_t thread;

	(void)unused;
	start_parking(&thread);
	stand_await(load_relaxed(&ring.parked) == 1);
	ioreq_engine_sleep_ns(5000000);
	assert_int_equal(load_acquire(&parked_out), 0);
	assert_true(ioreq_ring_wake(&ring));
	stand_await(load_acquire(&parked_out));
	pthread_join(thread, NULL);
	assert_int_equal(ring.parked, 0);
	assert_false(ioreq_ring_wake(&ring));
}

static void test_ring_park_with_a_request_or_a_stop_does_not_sleep(void **unused)
{
	(void)unused;
	memset(&ring, 0, sizeof(ring));
	stop = 1;
	ioreq_ring_park(&ring, IOREQ_MAX_VCPUS, &stop);
	assert_int_equal(ring.parked, 0);
	stop = 0;
	ioreq_ring_post(&ring, &sample);
	ioreq_ring_park(&ring, IOREQ_MAX_VCPUS, &stop);
	assert_int_equal(ring.parked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_post_starts_the_next_generation),
		cmocka_unit_test(test_ring_take_copies_what_was_posted),
		cmocka_unit_test(test_ring_entry_carries_all_shapes),
		cmocka_unit_test(test_ring_operation_moves_only_the_states_that_are_its_own),
		cmocka_unit_test(test_ring_release_empties_the_entry_of_the_winner),
		cmocka_unit_test(test_ring_expired_or_returned_request_is_the_pollers_whole),
		cmocka_unit_test(test_ring_late_answer_never_meets_the_next_request),
		cmocka_unit_test(test_ring_wake_of_a_client_that_is_not_parked_costs_nothing),
		cmocka_unit_test(test_ring_parked_client_sleeps_until_it_is_woken),
		cmocka_unit_test(test_ring_park_with_a_request_or_a_stop_does_not_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
