/* SPDX-License-Identifier: MIT */
/*
 * vcpu/vcpu.c: what a hypervisor stores and waits for; the engine's side is played by hand.
 *
 * Threads   One; sleeping: a second. Memory: static.
 */
#include "unit/stand.h"

#include <pthread.h>
#include <unistd.h>

#define VCPU 5
#define MS UINT64_C(1000000)

static _Alignas(4096) struct acrn_io_request_buffer slots;
static _Alignas(64) struct ioreq_shm_control control;
static struct ioreq_vcpu vcpu;

static int set_up(void **unused)
{
	(void)unused;
	memset(&slots, 0xa5, sizeof(slots));
	memset(&control, 0, sizeof(control));
	slots.req_slot[VCPU].processed = ACRN_IOREQ_STATE_FREE;
	ioreq_vcpu_init(&vcpu, &slots, &control, VCPU);
	return 0;
}

static void complete(uint32_t sequence, uint64_t value)
{
	const struct ioreq_access access = {.space = IOREQ_MMIO, .size = 8, .sequence = sequence, .value = value};

	ioreq_page_complete(vcpu.slot, &access);
}

/* As the shared-memory backend does it. */
static void notify(uint32_t sequence)
{
	store_release(&control.notify[VCPU].word, sequence);
}

static void assert_other_slots_untouched(void)
{
	const uint8_t *bytes = (const uint8_t *)&slots;

	for (size_t i = 0; i < sizeof(slots); i++)
		if (i / IOREQ_SLOT_BYTES != VCPU)
			assert_int_equal(bytes[i], 0xa5);
}

static void test_vcpu_init_finds_its_slot_and_word(void **unused)
{
	(void)unused;
	assert_ptr_equal(vcpu.slot, &slots.req_slot[VCPU]);
	assert_ptr_equal(vcpu.notify, &control.notify[VCPU].word);
	assert_int_equal(vcpu.index, VCPU);
	ioreq_vcpu_init(&vcpu, &slots, NULL, 15);
	assert_ptr_equal(vcpu.slot, &slots.req_slot[15]);
	assert_null(vcpu.notify);
}

static void test_vcpu_post_fills_the_slot_of_its_space(void **unused)
{
	const struct ioreq_access pio = stand_write(IOREQ_PIO, 0x3f8, 1, 0x41);
	const struct ioreq_access mmio = stand_write(IOREQ_MMIO, 0xfe000008, 8, 0x1122334455667788);
	const struct ioreq_access pci = stand_write(IOREQ_PCICFG, ioreq_pci_address(0x80, 31, 7, 0xffc), 4, 0x87654321);

	(void)unused;
	assert_int_equal(ioreq_vcpu_post(&vcpu, &pio), 0);
	assert_int_equal(vcpu.slot->type, ACRN_IOREQ_TYPE_PORTIO);
	assert_int_equal(vcpu.slot->completion_polling, 1);
	assert_int_equal(vcpu.slot->reqs.pio_request.direction, ACRN_IOREQ_DIR_WRITE);
	assert_int_equal(vcpu.slot->reqs.pio_request.address, 0x3f8);
	assert_int_equal(vcpu.slot->reqs.pio_request.size, 1);
	assert_int_equal(vcpu.slot->reqs.pio_request.value, 0x41);
	assert_int_equal(vcpu.slot->processed, ACRN_IOREQ_STATE_PENDING);
	/* The sequence is the engine's. */
	assert_int_equal(ioreq_page_state_and_sequence(vcpu.slot).sequence, 0xa5a5a5a5);
	ioreq_vcpu_reset(&vcpu);

	assert_int_equal(ioreq_vcpu_post(&vcpu, &mmio), 0);
	assert_int_equal(vcpu.slot->type, ACRN_IOREQ_TYPE_MMIO);
	assert_int_equal(vcpu.slot->reqs.mmio_request.address, 0xfe000008);
	assert_int_equal(vcpu.slot->reqs.mmio_request.size, 8);
	assert_int_equal(vcpu.slot->reqs.mmio_request.value, 0x1122334455667788);
	ioreq_vcpu_reset(&vcpu);

	assert_int_equal(ioreq_vcpu_post(&vcpu, &pci), 0);
	assert_int_equal(vcpu.slot->type, ACRN_IOREQ_TYPE_PCICFG);
	assert_int_equal(vcpu.slot->reqs.pci_request.bus, 0x80);
	assert_int_equal(vcpu.slot->reqs.pci_request.dev, 31);
	assert_int_equal(vcpu.slot->reqs.pci_request.func, 7);
	assert_int_equal(vcpu.slot->reqs.pci_request.reg, 0xffc);
	assert_int_equal(vcpu.slot->reqs.pci_request.value, 0x87654321);
	assert_other_slots_untouched();
}

static void test_vcpu_post_over_a_slot_in_use_touches_nothing(void **unused)
{
	static const uint32_t states[] = {ACRN_IOREQ_STATE_PENDING, ACRN_IOREQ_STATE_PROCESSING,
					  ACRN_IOREQ_STATE_COMPLETE, 99};
	const struct ioreq_access access = stand_read(IOREQ_PIO, 0x3f8, 1);
	const struct acrn_io_request raw = {.completion_polling = 1};

	(void)unused;
	for (size_t i = 0; i < NR_OF(states); i++) {
		struct acrn_io_request before;

		vcpu.slot->processed = states[i];
		before = *vcpu.slot;
		assert_int_equal(ioreq_vcpu_post(&vcpu, &access), -EBUSY);
		assert_int_equal(ioreq_vcpu_post_raw(&vcpu, &raw), -EBUSY);
		assert_memory_equal(vcpu.slot, &before, sizeof(before));
	}
}

static void test_vcpu_post_without_a_notify_word_needs_polling(void **unused)
{
	struct ioreq_access access = stand_sleeping(stand_read(IOREQ_PIO, 0x3f8, 1));
	struct acrn_io_request raw = {.completion_polling = 0}, before;

	(void)unused;
	ioreq_vcpu_init(&vcpu, &slots, NULL, VCPU);
	before = *vcpu.slot;
	assert_int_equal(ioreq_vcpu_post(&vcpu, &access), -EINVAL);
	assert_int_equal(ioreq_vcpu_post_raw(&vcpu, &raw), -EINVAL);
	assert_memory_equal(vcpu.slot, &before, sizeof(before));
	access.completion_polling = 1;
	assert_int_equal(ioreq_vcpu_post(&vcpu, &access), 0);
}

static void test_vcpu_post_raw_stores_what_no_access_can_say(void **unused)
{
	struct acrn_io_request raw;

	(void)unused;
	memset(&raw, 0x3c, sizeof(raw));
	assert_int_equal(ioreq_vcpu_post_raw(&vcpu, &raw), 0);
	assert_int_equal(vcpu.slot->type, 0x3c3c3c3c);
	assert_int_equal(vcpu.slot->completion_polling, 0x3c3c3c3c);
	assert_memory_equal(&vcpu.slot->reqs, &raw.reqs, sizeof(raw.reqs));
	assert_int_equal(vcpu.slot->processed, ACRN_IOREQ_STATE_PENDING);
	assert_int_equal((uint32_t)vcpu.slot->kernel_handled, 0xa5a5a5a5);
	assert_int_equal(ioreq_page_state_and_sequence(vcpu.slot).sequence, 0xa5a5a5a5);
	assert_other_slots_untouched();
}

static void test_vcpu_completed_of_a_polling_request_is_complete(void **unused)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, 0, 8);

	(void)unused;
	ioreq_vcpu_post(&vcpu, &access);
	assert_false(ioreq_vcpu_completed(&vcpu));
	ioreq_page_claim(vcpu.slot);
	assert_false(ioreq_vcpu_completed(&vcpu));
	complete(7, 0);
	assert_true(ioreq_vcpu_completed(&vcpu));
	ioreq_vcpu_reset(&vcpu);
	assert_false(ioreq_vcpu_completed(&vcpu));
}

static void test_vcpu_completed_of_a_sleeping_request_needs_its_own_notify(void **unused)
{
	const struct ioreq_access access = stand_sleeping(stand_read(IOREQ_MMIO, 0, 8));

	(void)unused;
	ioreq_vcpu_post(&vcpu, &access);
	notify(7);
	assert_false(ioreq_vcpu_completed(&vcpu));
	complete(8, 0);
	assert_false(ioreq_vcpu_completed(&vcpu));
	notify(7);
	assert_false(ioreq_vcpu_completed(&vcpu));
	notify(8);
	assert_true(ioreq_vcpu_completed(&vcpu));
	notify(8);
	assert_true(ioreq_vcpu_completed(&vcpu));
}

static void test_vcpu_finish_returns_the_value_uncut_and_frees(void **unused)
{
	static const struct {
		uint32_t type;
		uint64_t value;
	} cases[] = {{ACRN_IOREQ_TYPE_PORTIO, 0x55667788},
		     {ACRN_IOREQ_TYPE_PCICFG, 0x55667788},
		     {ACRN_IOREQ_TYPE_MMIO, 0x1122334455667788},
		     {3, 0x1122334455667788}};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		vcpu.slot->type = cases[i].type;
		complete(7, 0x1122334455667788);
		assert_int_equal(ioreq_vcpu_finish(&vcpu), cases[i].value);
		assert_int_equal(vcpu.slot->processed, ACRN_IOREQ_STATE_FREE);
		assert_int_equal(ioreq_page_state_and_sequence(vcpu.slot).sequence, 7);
	}
}

static void test_vcpu_wait_without_an_answer_times_out_and_can_go_on(void **unused)
{
	static const enum ioreq_vcpu_how hows[] = {IOREQ_VCPU_SPIN, IOREQ_VCPU_YIELD, IOREQ_VCPU_SLEEP};
	struct ioreq_access access = stand_read(IOREQ_MMIO, 0, 8);

	(void)unused;
	for (unsigned i = 0; i < 2 * NR_OF(hows); i++) {
		uint64_t start_ns = ioreq_engine_now_ns();

		access.completion_polling = i % 2;
		assert_int_equal(ioreq_vcpu_post(&vcpu, &access), 0);
		assert_int_equal(ioreq_vcpu_wait(&vcpu, hows[i / 2], 2 * MS), -ETIMEDOUT);
		assert_true(ioreq_engine_now_ns() - start_ns >= 2 * MS);
		assert_int_equal(vcpu.slot->processed, ACRN_IOREQ_STATE_PENDING);
		complete(100 + i, 5);
		notify(100 + i);
		assert_int_equal(ioreq_vcpu_wait(&vcpu, hows[i / 2], 2 * MS), 0);
		assert_int_equal(ioreq_vcpu_wait(&vcpu, hows[i / 2], 0), 0);
		assert_int_equal(ioreq_vcpu_finish(&vcpu), 5);
	}
}

static uint32_t wait_result;

static void *sleep_on_it(void *unused)
{
	(void)unused;
	store_release(&wait_result, (uint32_t)ioreq_vcpu_wait(&vcpu, IOREQ_VCPU_SLEEP, STAND_PATIENCE_NS) + 1000);
	return NULL;
}

/* Notifies of an earlier request, told again, wake the sleeper and change nothing. */
static void test_vcpu_sleeper_is_not_fooled_by_a_repeated_notify(void **unused)
{
	const struct ioreq_access access = stand_sleeping(stand_read(IOREQ_MMIO, 0, 8));
	struct ioreq_shm *shm;
	pthread_t thread;
	char path[64];

	(void)unused;
	snprintf(path, sizeof(path), "/tmp/test_vcpu.%d.page", getpid());
	assert_int_equal(ioreq_shm_create(path, 16, &shm, NULL), 0);
	ioreq_shm_unlink(shm);
	ioreq_vcpu_init(&vcpu, &ioreq_shm_file(shm)->slots, &ioreq_shm_file(shm)->control, VCPU);
	wait_result = 0;
	assert_int_equal(ioreq_vcpu_post(&vcpu, &access), 0);
	assert_int_equal(pthread_create(&thread, NULL, sleep_on_it, NULL), 0);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(ioreq_shm_page(shm).ops->notify(shm, VCPU, i % 3), 0);
		ioreq_engine_sleep_ns(MS / 10);
	}
	assert_int_equal(load_acquire(&wait_result), 0);
	complete(42, 5);
	ioreq_engine_sleep_ns(5 * MS);
	assert_int_equal(load_acquire(&wait_result), 0);
	assert_int_equal(ioreq_shm_page(shm).ops->notify(shm, VCPU, 42), 0);
	stand_await(load_acquire(&wait_result) == 1000);
	pthread_join(thread, NULL);
	ioreq_shm_close(shm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_vcpu_init_finds_its_slot_and_word, set_up),
		cmocka_unit_test_setup(test_vcpu_post_fills_the_slot_of_its_space, set_up),
		cmocka_unit_test_setup(test_vcpu_post_over_a_slot_in_use_touches_nothing, set_up),
		cmocka_unit_test_setup(test_vcpu_post_without_a_notify_word_needs_polling, set_up),
		cmocka_unit_test_setup(test_vcpu_post_raw_stores_what_no_access_can_say, set_up),
		cmocka_unit_test_setup(test_vcpu_completed_of_a_polling_request_is_complete, set_up),
		cmocka_unit_test_setup(test_vcpu_completed_of_a_sleeping_request_needs_its_own_notify, set_up),
		cmocka_unit_test_setup(test_vcpu_finish_returns_the_value_uncut_and_frees, set_up),
		cmocka_unit_test_setup(test_vcpu_wait_without_an_answer_times_out_and_can_go_on, set_up),
		cmocka_unit_test_setup(test_vcpu_sleeper_is_not_fooled_by_a_repeated_notify, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
