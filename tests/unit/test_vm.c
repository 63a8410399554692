/* SPDX-License-Identifier: MIT */
/*
 * core/vm.c and vm_control.c: a VM's life, its page found again, cleared and let go of.
 *
 * Threads   The test's steps the sweeps unless it starts the poller; clients with thread delivery run.
 * Memory    A stand per test.
 */
#include "unit/stand.h"

#include <pthread.h>

#define WINDOW(n)                                              \
	{                                                      \
		0x1000 * (n), 0x1000 * (n) + 0xfff, IOREQ_MMIO \
	}
#define ONES 0xffffffff
#define CLEAR_NS UINT64_C(30000000)

static struct stand stand;
static struct stand_device device, ring;

static int set_up(void **unused)
{
	(void)unused;
	stand_open(&stand, &(struct stand_config){.clear_timeout_ns = CLEAR_NS});
	stand_device(&stand, &device, 0xb1);
	stand_device(&stand, &ring, 0xb2);
	stand_add(&device, &(struct stand_client){.name = "inline", .range = WINDOW(1)});
	stand_add(&ring, &(struct stand_client){.name = "ring", .delivery = IOREQ_THREAD, .range = WINDOW(2)});
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	stand_assert_account(&stand);
	stand_close(&stand);
	return 0;
}

static void post(unsigned vcpu, unsigned window)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, 0x1000 * window, 4);

	stand_post(&stand, vcpu, &access);
}

static void post_sleeping(unsigned vcpu, unsigned window)
{
	const struct ioreq_access access = stand_sleeping(stand_read(IOREQ_MMIO, 0x1000 * window, 4));

	stand_post(&stand, vcpu, &access);
}

static uint64_t finish(unsigned vcpu)
{
	return ioreq_vcpu_finish(&stand.vcpus[vcpu]);
}

static bool complete(unsigned vcpu)
{
	return stand_state(&stand, vcpu) == ACRN_IOREQ_STATE_COMPLETE;
}

static uint64_t reason(enum ioreq_reason which)
{
	return load_relaxed(&stand_stats(&stand)->reasons[which]);
}

static int attach(void)
{
	const struct ioreq_page page = stand_page(&stand);

	return ioreq_vm_attach(stand.vm, &page, NULL);
}

/* ---- creating --------------------------------------------------------------------------------------------- */

static void test_vm_create_refuses_names_and_too_many(void **unused)
{
	static const struct {
		const char *name;
		int status;
		const char *sentence;
	} cases[] = {
		{NULL, -EINVAL, "VM '': a name of 0 characters; allowed: 1..31"},
		{"a b", -EINVAL, "VM 'a b': allowed: printable ASCII without blanks and '/'"},
		{"vm0", -EEXIST, "VM vm0: exists already"},
		{"vm64", -ENOSPC, "VM vm64: more than 64 VMs"},
	};
	struct ioreq_vm_config config = {.poller = stand.poller};
	struct ioreq_vm *vm = NULL;
	char name[8];

	(void)unused;
	for (unsigned i = 1; i < IOREQ_STATS_MAX_VMS; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		config.name = name;
		assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, NULL), 0);
		assert_false(ioreq_vm_attached(vm));
	}
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_error error = {.text = ""};

		vm = (struct ioreq_vm *)&config;
		config.name = cases[i].name;
		assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, &error), cases[i].status);
		assert_sentence(error, cases[i].sentence);
		assert_ptr_equal(vm, &config);
	}
}

static void test_vm_create_checks_its_block(void **unused)
{
	uint8_t *memory = aligned_alloc(64, (ioreq_block_bytes() + 127) & ~(size_t)63);
	struct ioreq_vm_config config = {.name = "vm1", .poller = stand.poller, .block = memory + 8};
	struct ioreq_vm *vm = (struct ioreq_vm *)&config;
	struct ioreq_error error = {.text = ""};
	char sentence[IOREQ_ERROR_BYTES];

	(void)unused;
	assert_non_null(memory);
	memset(memory, 0, (ioreq_block_bytes() + 127) & ~(size_t)63);
	snprintf(sentence, sizeof(sentence), "vm1: block at %p; allowed: 64-byte aligned", config.block);
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, &error), -EINVAL);
	assert_sentence(error, sentence);
	config.block = memory;
	memory[200] = 1;
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, &error), -EPROTO);
	assert_sentence(error, "vm1: its state block is neither zeroed nor one of this version");
	assert_ptr_equal(vm, &config);
	assert_int_equal(memory[200], 1);
	memory[200] = 0;
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, &error), 0);
	assert_int_equal(ioreq_vm_destroy(vm, &error), 0);
	free(memory);
}

static void test_vm_destroyed_gives_its_name_and_records_back(void **unused)
{
	const struct ioreq_vm_config config = {.name = "vm1", .poller = stand.poller};
	struct ioreq_vm *vm = NULL;

	(void)unused;
	/* More often than there are records. */
	for (unsigned i = 0; i < 2 * IOREQ_STATS_MAX_CLIENTS; i++) {
		assert_int_equal(ioreq_vm_create(stand.engine, &config, &vm, NULL), 0);
		assert_int_equal(ioreq_vm_destroy(vm, NULL), 0);
	}
}

/* ---- attaching -------------------------------------------------------------------------------------------- */

static void test_vm_attach_refuses_a_bad_page(void **unused)
{
	static const struct ioreq_backend_ops mute = {.name = "mute", .protocol = IOREQ_DIRECT};
	struct ioreq_backend_ops other = stand.ops;
	struct ioreq_page page = stand_page(&stand), bad[6];
	static const char *const sentences[] = {"vm0: 0 vCPUs; allowed: 1..16",
						"vm0: 17 vCPUs; allowed: 1..16",
						NULL,
						"vm0: a backend without notify",
						"vm0: a backend without notify",
						"vm0: backend protocol 1; allowed: direct"};
	char unaligned[IOREQ_ERROR_BYTES];

	(void)unused;
	for (size_t i = 0; i < NR_OF(bad); i++)
		bad[i] = page;
	bad[0].nr_vcpus = 0;
	bad[1].nr_vcpus = 17;
	bad[2].slots = (struct acrn_io_request_buffer *)(void *)((uint8_t *)page.slots + 256);
	bad[3].ops = NULL;
	bad[4].ops = &mute;
	other.protocol = (enum ioreq_protocol)1;
	bad[5].ops = &other;
	snprintf(unaligned, sizeof(unaligned), "vm0: page at %p; allowed: 4096-byte aligned", (void *)bad[2].slots);
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	for (size_t i = 0; i < NR_OF(bad); i++) {
		struct ioreq_error error = {.text = ""};

		assert_int_equal(ioreq_vm_attach(stand.vm, &bad[i], &error), -EINVAL);
		assert_sentence(error, sentences[i] ? sentences[i] : unaligned);
		assert_false(ioreq_vm_attached(stand.vm));
	}
	bad[2].slots = NULL;
	assert_int_equal(ioreq_vm_attach(stand.vm, &bad[2], NULL), -EINVAL);
	assert_int_equal(attach(), 0);
}

static void test_vm_attach_twice_is_busy_and_detach_twice_is_nodev(void **unused)
{
	const struct ioreq_page page = stand_page(&stand);
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_true(ioreq_vm_attached(stand.vm));
	assert_int_equal(stand_stats(&stand)->attached, 1);
	assert_int_equal(stand_stats(&stand)->nr_vcpus, 16);
	assert_int_equal(ioreq_vm_attach(stand.vm, &page, &error), -EBUSY);
	assert_sentence(error, "vm0: attached already");
	assert_int_equal(ioreq_vm_detach(stand.vm, &error), 0);
	assert_false(ioreq_vm_attached(stand.vm));
	assert_int_equal(stand_stats(&stand)->attached, 0);
	assert_int_equal(ioreq_vm_detach(stand.vm, &error), -ENODEV);
	assert_sentence(error, "vm0: not attached");
	assert_int_equal(ioreq_vm_clear(stand.vm, &error), -ENODEV);
	assert_sentence(error, "vm0: not attached");
}

static void test_vm_detached_and_attached_again_goes_on_serving(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 10; i++) {
		post(0, 1);
		stand_sweep(&stand);
		assert_int_equal(finish(0), 0xb1);
		post(1, 2);
		assert_int_equal(stand_finish(&stand, 1), 0xb2);
		assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
		/* Posted while nobody serves: given to nobody, so served by the next. */
		post(2, 1);
		assert_int_equal(attach(), 0);
		stand_sweep(&stand);
		assert_int_equal(finish(2), 0xb1);
	}
	assert_int_equal(stand_sequence(&stand, 0), 10);
}

/* ---- adoption --------------------------------------------------------------------------------------------- */

/* What an engine that died has left in slot and journal. */
static void leave(unsigned vcpu, uint32_t state, uint32_t sequence, uint32_t journal, const char *owner)
{
	struct acrn_io_request *slot = &stand.slots->req_slot[vcpu];
	const uint32_t words[2] = {state, sequence};

	ioreq_journal_store(stand.vm->block, vcpu, journal, owner ? ioreq_journal_client(owner) : IOREQ_JOURNAL_ENGINE);
	memcpy((uint8_t *)slot + IOREQ_STATE_OFFSET, words, sizeof(words));
}

/* Lets go of the page as a kill does: with its id, which a detach takes away when the journal dies with the process. */
static void die(void)
{
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	assert_int_equal(*stand.vm->page_id, 0);
	*stand.vm->page_id = stand.vm->block->id;
}

static void test_vm_attach_settles_what_was_left_in_a_known_page(void **unused)
{
	(void)unused;
	die();
	for (unsigned v = 0; v < 6; v++)
		post_sleeping(v, 1);
	leave(0, ACRN_IOREQ_STATE_PENDING, 10, 10, "inline");  /* given to nobody */
	leave(1, ACRN_IOREQ_STATE_PENDING, 9, 10, "inline");   /* begun, without a claim */
	leave(2, ACRN_IOREQ_STATE_PROCESSING, 9, 10, "ring");  /* begun */
	leave(3, ACRN_IOREQ_STATE_PROCESSING, 10, 10, "ring"); /* claimed, given to nobody */
	leave(4, ACRN_IOREQ_STATE_PROCESSING, 9, 10, NULL);    /* begun by the engine itself */
	leave(5, ACRN_IOREQ_STATE_FREE, 77, 10, "inline");     /* a reset passed meanwhile */
	assert_int_equal(attach(), 0);
	for (unsigned v = 1; v <= 2; v++) {
		assert_true(ioreq_vcpu_completed(&stand.vcpus[v]));
		assert_int_equal(stand.backend.notified[v], 1);
		assert_int_equal(stand.backend.sequence[v], 10);
		assert_int_equal(finish(v), ONES);
	}
	assert_int_equal(reason(IOREQ_RECOVERED), 2);
	assert_int_equal(device.entered, 0);
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned served[] = {0, 3, 4};

		assert_int_equal(stand_finish(&stand, served[i]), 0xb1);
		assert_int_equal(stand_sequence(&stand, served[i]), 11);
	}
	assert_int_equal(device.entered, 3);
	assert_int_equal(stand_entered(&ring), 0);
	post(5, 1);
	assert_int_equal(stand_finish(&stand, 5), 0xb1);
	assert_int_equal(stand_sequence(&stand, 5), 78);
}

static void test_vm_attach_answers_a_begun_request_by_its_shape(void **unused)
{
	static const struct {
		struct ioreq_access access;
		uint64_t value;
	} cases[] = {
		{{.space = IOREQ_PIO, .address = 0x300, .size = 1}, 0xff},
		{{.space = IOREQ_PIO, .address = 0x300, .size = 2}, 0xffff},
		{{.space = IOREQ_MMIO, .address = 0x1000, .size = 8}, UINT64_MAX},
		{{.space = IOREQ_MMIO, .address = 0x1000, .size = 4, .direction = IOREQ_WRITE, .value = 5}, 5},
		{{.space = IOREQ_PCICFG, .address = 0x1000, .size = 4}, ONES},
		{{.space = 3, .address = 0x1000, .size = 4}, UINT64_MAX},
		{{.space = IOREQ_PIO, .address = 0x300, .size = 0}, ONES},
	};

	(void)unused;
	die();
	for (unsigned v = 0; v < NR_OF(cases); v++) {
		struct ioreq_access access = cases[v].access;

		access.completion_polling = 1;
		stand_post(&stand, v, &access);
		leave(v, ACRN_IOREQ_STATE_PROCESSING, 1, 2, "ring");
	}
	assert_int_equal(attach(), 0);
	for (unsigned v = 0; v < NR_OF(cases); v++) {
		assert_true(complete(v));
		assert_int_equal(finish(v), cases[v].value);
		assert_int_equal(stand.backend.notified[v], 0);
	}
	assert_int_equal(reason(IOREQ_RECOVERED), NR_OF(cases));
}

static void test_vm_attach_of_a_foreign_page_fails_its_requests(void **unused)
{
	uint64_t before = stand.id;

	(void)unused;
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	post(0, 1);
	post(1, 1);
	leave(0, ACRN_IOREQ_STATE_PENDING, 10, 10, "inline");
	leave(1, ACRN_IOREQ_STATE_PROCESSING, 10, 9, NULL);
	stand.id = before + 1;
	assert_int_equal(attach(), 0);
	assert_int_equal(finish(0), ONES);
	assert_int_equal(finish(1), ONES);
	assert_int_equal(stand_sequence(&stand, 0), 11);
	assert_int_equal(device.entered, 0);
	assert_int_equal(reason(IOREQ_RECOVERED), 2);
	assert_int_not_equal(stand.id, before);
	assert_int_not_equal(stand.id, before + 1);
	post(0, 1);
	assert_int_equal(stand_finish(&stand, 0), 0xb1);
}

static void test_vm_attach_of_a_new_page_serves_its_requests(void **unused)
{
	(void)unused;
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	post(0, 1);
	post(1, 2);
	leave(0, ACRN_IOREQ_STATE_PENDING, 3, 10, "inline");
	leave(1, ACRN_IOREQ_STATE_PROCESSING, 4, 10, "ring");
	stand.id = 0;
	assert_int_equal(attach(), 0);
	assert_int_equal(stand_finish(&stand, 0), 0xb1);
	assert_int_equal(stand_finish(&stand, 1), 0xb2);
	assert_int_equal(stand_sequence(&stand, 0), 4);
	assert_int_equal(stand_sequence(&stand, 1), 5);
	assert_int_equal(stand.id, stand.vm->block->id);
	assert_int_not_equal(stand.id, 0);
}

static void *free_soon(void *unused)
{
	(void)unused;
	ioreq_engine_sleep_ns(2000000);
	ioreq_vcpu_reset(&stand.vcpus[2]);
	return NULL;
}

/* Its notify may have died with its engine; only what stays COMPLETE for 10 ms is told again. */
static void test_vm_attach_notifies_again_what_stays_complete(void **unused)
{
	uint64_t start_ns = ioreq_engine_now_ns();
	pthread_t thread;

	(void)unused;
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	post_sleeping(0, 1);
	post(1, 1);
	post_sleeping(2, 1);
	leave(0, ACRN_IOREQ_STATE_COMPLETE, 10, 10, "inline");
	leave(1, ACRN_IOREQ_STATE_COMPLETE, 10, 10, "inline");
	leave(2, ACRN_IOREQ_STATE_COMPLETE, 10, 10, "inline");
	assert_int_equal(pthread_create(&thread, NULL, free_soon, NULL), 0);
	assert_int_equal(attach(), 0);
	pthread_join(thread, NULL);
	assert_true(ioreq_engine_now_ns() - start_ns >= 10000000);
	assert_int_equal(stand.backend.notified[0], 1);
	assert_int_equal(stand.backend.sequence[0], 10);
	assert_int_equal(stand.backend.notified[1], 0);
	assert_int_equal(stand.backend.notified[2], 0);
	assert_true(ioreq_vcpu_completed(&stand.vcpus[0]));
	finish(0);
	finish(1);
	assert_int_equal(device.entered, 0);
	assert_int_equal(stand_stats(&stand)->posted, 0);
}

/* ---- clearing --------------------------------------------------------------------------------------------- */

static void test_vm_clear_completes_what_is_pending_and_service_goes_on(void **unused)
{
	(void)unused;
	for (unsigned running = 0; running < 2; running++) {
		if (!running) {
			post(0, 1);
			post_sleeping(15, 2);
		}
		assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
		assert_int_equal(stand_stats(&stand)->clears, running + 1);
		if (!running) {
			assert_int_equal(finish(0), ONES);
			assert_int_equal(finish(15), ONES);
			assert_int_equal(stand.backend.notified[15], 1);
			assert_int_equal(reason(IOREQ_CLEARED), 2);
			assert_int_equal(ioreq_poller_start(stand.poller), 0);
		}
		post(0, 1);
		assert_int_equal(stand_finish(&stand, 0), 0xb1);
	}
	assert_int_equal(device.entered, 2);
	assert_int_equal(stand_entered(&ring), 0);
}

static void *complete_soon(void *argument)
{
	ioreq_engine_sleep_ns(5000000);
	ioreq_complete(argument, 0xcc);
	return NULL;
}

/* Has the ring's client hold a request. */
static void hold(unsigned vcpu)
{
	uint32_t before = stand_entered(&ring);

	ring.result = IOREQ_DEFER;
	post_sleeping(vcpu, 2);
	if (!ioreq_poller_running(stand.poller))
		stand_sweep(&stand);
	stand_await(load_acquire(&ring.left) == before + 1);
}

static void test_vm_clear_gives_clients_their_time(void **unused)
{
	struct ioreq_access access;
	pthread_t thread;

	(void)unused;
	hold(3);
	access = ring.seen;
	assert_int_equal(pthread_create(&thread, NULL, complete_soon, &access), 0);
	assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(finish(3), 0xcc);
	assert_int_equal(stand.backend.notified[3], 1);
	assert_int_equal(reason(IOREQ_CLEARED), 0);
}

static void test_vm_clear_takes_away_what_is_held_beyond_it(void **unused)
{
	for (unsigned running = 0; running < 2; running++) {
		uint64_t start_ns;

		if (running)
			assert_int_equal(ioreq_poller_start(stand.poller), 0);
		hold(3);
		start_ns = ioreq_engine_now_ns();
		assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
		assert_true(ioreq_engine_now_ns() - start_ns >= CLEAR_NS);
		assert_int_equal(stand.backend.notified[3], running + 1);
		assert_int_equal(finish(3), ONES);
		assert_int_equal(reason(IOREQ_CLEARED), running + 1);
	}
	(void)unused;
}

/* A client's UNHANDLED that comes during a clear still goes to the default client, and is waited for. */
static void test_vm_clear_lets_a_returned_request_reach_the_default_client(void **unused)
{
	struct stand_device rest;

	(void)unused;
	stand_device(&stand, &rest, 0xb3);
	stand_add(&rest, &(struct stand_client){.name = "rest", .is_default = true});
	ring.result = IOREQ_UNHANDLED;
	post(3, 2);
	stand_sweep(&stand);
	stand_await(load_relaxed(&stand.vm->attention) & IOREQ_ATTEND_RETURNED);
	assert_int_equal(ioreq_vm_clear(stand.vm, NULL), 0);
	assert_int_equal(finish(3), 0xb3);
	assert_int_equal(ioreq_client_remove(rest.client, NULL), 0);
}

static void test_vm_clear_waits_for_a_completer_that_is_inside_and_names_it(void **unused)
{
	struct ioreq_error error = {.text = ""};
	sem_t gate;

	(void)unused;
	sem_init(&gate, 0, 0);
	stand.backend.notify_gate = &gate;
	post_sleeping(2, 2);
	stand_sweep(&stand);
	stand_await(load_relaxed(&stand.backend.notified[2]) == 1);
	assert_true(complete(2));
	assert_int_equal(ioreq_vm_clear(stand.vm, &error), -EBUSY);
	assert_sentence(error, "vm0: client ring does not let go of its request");
	assert_int_equal(stand_stats(&stand)->clears, 0);
	sem_post(&gate);
	assert_int_equal(ioreq_vm_clear(stand.vm, &error), 0);
	assert_int_equal(finish(2), 0xb2);
	assert_int_equal(stand.backend.notified[2], 1);
	assert_int_equal(reason(IOREQ_CLEARED), 0);
}

/* Not the client that merely has a request, on a lower vCPU too, but the one that holds the poller. */
static void test_vm_clear_names_the_inline_handler_that_is_stuck(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	hold(0);
	device.gated = true;
	post(1, 1);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_vm_clear(stand.vm, &error), -EBUSY);
	assert_sentence(error, "vm0: client inline does not let go of its request");
	/* It stays asked for, and is carried out without another call. */
	stand_let_go(&device, 1);
	stand_await(!(load_acquire(&stand.vm->attention) & IOREQ_ATTEND_DRAIN));
	assert_int_equal(finish(0), ONES);
	assert_int_equal(finish(1), 0xb1);
}

static void test_vm_clear_behind_another_vms_handler_says_so(void **unused)
{
	struct acrn_io_request_buffer *slots = aligned_alloc(4096, sizeof(*slots));
	const struct ioreq_vm_config config = {.name = "vm1", .poller = stand.poller, .clear_timeout_ns = 1};
	struct ioreq_page page = stand_page(&stand);
	struct ioreq_error error = {.text = ""};
	struct ioreq_vm *other = NULL;

	(void)unused;
	assert_non_null(slots);
	ioreq_page_prefill(slots);
	page.slots = slots;
	page.id = NULL;
	assert_int_equal(ioreq_vm_create(stand.engine, &config, &other, NULL), 0);
	assert_int_equal(ioreq_vm_attach(other, &page, NULL), 0);
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	device.gated = true;
	post(1, 1);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_vm_clear(other, &error), -EBUSY);
	assert_sentence(
		error,
		"vm1: poller p0 did not come to an end: a handler of another VM holds it, or the hypervisor posts on");
	stand_let_go(&device, 1);
	assert_int_equal(stand_finish(&stand, 1), 0xb1);
	assert_int_equal(ioreq_vm_destroy(other, &error), 0);
	free(slots);
}

/* ---- detaching -------------------------------------------------------------------------------------------- */

/* The page may be unmapped then: the sweeps that follow would fault. */
static void test_vm_detach_lets_go_of_the_page(void **unused)
{
	(void)unused;
	hold(0);
	post(1, 1);
	assert_int_equal(ioreq_vm_detach(stand.vm, NULL), 0);
	assert_int_equal(finish(0), ONES);
	/* Nobody has begun it: it waits for the next attach, or the next engine. */
	assert_int_equal(stand.slots->req_slot[1].processed, ACRN_IOREQ_STATE_PENDING);
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	free(stand.slots);
	assert_int_equal(ioreq_complete(&ring.seen, 1), -ESTALE);
	assert_int_equal(ioreq_set_line(ring.client, 1, true), -ENODEV);
	stand_await(ioreq_poller_sweeps(stand.poller) > 100);
	assert_int_equal(ioreq_poller_stop(stand.poller, NULL), 0);
	stand.slots = NULL;
}

static void test_vm_detach_that_is_busy_stays_asked_for(void **unused)
{
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	device.gated = true;
	post(1, 1);
	stand_await(stand_entered(&device) == 1);
	assert_int_equal(ioreq_vm_detach(stand.vm, &error), -EBUSY);
	assert_sentence(error, "vm0: client inline does not let go of its request");
	assert_true(ioreq_vm_attached(stand.vm));
	assert_int_equal(attach(), -EBUSY);
	assert_int_equal(ioreq_vm_clear(stand.vm, &error), -ENODEV);
	assert_int_equal(ioreq_vm_destroy(stand.vm, &error), -EBUSY);
	stand_let_go(&device, 1);
	stand_await(complete(1));
	assert_int_equal(finish(1), 0xb1);
	assert_int_equal(ioreq_vm_detach(stand.vm, &error), 0);
	assert_false(ioreq_vm_attached(stand.vm));
	device.gated = false;
	assert_int_equal(attach(), 0);
	post(1, 1);
	assert_int_equal(stand_finish(&stand, 1), 0xb1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_vm_create_refuses_names_and_too_many),
		CASE(test_vm_create_checks_its_block),
		CASE(test_vm_destroyed_gives_its_name_and_records_back),
		CASE(test_vm_attach_refuses_a_bad_page),
		CASE(test_vm_attach_twice_is_busy_and_detach_twice_is_nodev),
		CASE(test_vm_detached_and_attached_again_goes_on_serving),
		CASE(test_vm_attach_settles_what_was_left_in_a_known_page),
		CASE(test_vm_attach_answers_a_begun_request_by_its_shape),
		CASE(test_vm_attach_of_a_foreign_page_fails_its_requests),
		CASE(test_vm_attach_of_a_new_page_serves_its_requests),
		CASE(test_vm_attach_notifies_again_what_stays_complete),
		CASE(test_vm_clear_completes_what_is_pending_and_service_goes_on),
		CASE(test_vm_clear_gives_clients_their_time),
		CASE(test_vm_clear_takes_away_what_is_held_beyond_it),
		CASE(test_vm_clear_lets_a_returned_request_reach_the_default_client),
		CASE(test_vm_clear_waits_for_a_completer_that_is_inside_and_names_it),
		CASE(test_vm_clear_names_the_inline_handler_that_is_stuck),
		CASE(test_vm_clear_behind_another_vms_handler_says_so),
		CASE(test_vm_detach_lets_go_of_the_page),
		CASE(test_vm_detach_that_is_busy_stays_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
