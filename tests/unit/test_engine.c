/* SPDX-License-Identifier: MIT */
/*
 * core/engine.c: the host's services, names, what happens without memory, old tables, the end.
 *
 * Threads   The test's; clients and pollers where started. Memory: a host that counts what it gives and gets back.
 */
#include "unit/stand.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define WINDOW(n)                                              \
	{                                                      \
		0x1000 * (n), 0x1000 * (n) + 0xfff, IOREQ_MMIO \
	}

/* ---- a host that counts and refuses ----------------------------------------------------------------------- */

static struct {
	uint32_t left; /* allocations that are granted */
	uint32_t given, returned;
	uint64_t bytes_given, bytes_returned;
	int last_core;
	int thread_result;
	uint32_t threads;
} host;

static void *allocate(void *context, size_t bytes, int core)
{
	void *memory;

	assert_ptr_equal(context, &host);
	if (add_relaxed(&host.left, (uint32_t)-1) == 0) {
		store_relaxed(&host.left, 0);
		return NULL;
	}
	host.last_core = core;
	memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	memset(memory, 0, bytes);
	add_relaxed(&host.given, 1);
	add_relaxed(&host.bytes_given, bytes);
	return memory;
}

/* Called by the reclaimer too. */
static void release(void *context, void *memory, size_t bytes)
{
	(void)context;
	add_relaxed(&host.returned, 1);
	add_relaxed(&host.bytes_returned, bytes);
	free(memory);
}

static int start_thread(void *context, const char *name, int core, void *(*run)(void *), void *argument,
			pthread_t *thread_out)
{
	assert_ptr_equal(context, &host);
	(void)name;
	(void)core;
	host.threads++;
	return host.thread_result ? host.thread_result : -pthread_create(thread_out, NULL, run, argument);
}

static const struct ioreq_host counting_host = {
	.context = &host, .allocate = allocate, .release = release, .start_thread = start_thread};

static void reset_host(uint32_t left)
{
	memset(&host, 0, sizeof(host));
	host.left = left;
}

static void assert_all_returned(void)
{
	assert_int_equal(load_relaxed(&host.given), load_relaxed(&host.returned));
	assert_int_equal(load_relaxed(&host.bytes_given), load_relaxed(&host.bytes_returned));
}

static void test_engine_create_without_memory_or_thread_gives_nothing(void **unused)
{
	const struct ioreq_engine_config config = {.host = counting_host};
	struct ioreq_engine *engine = (struct ioreq_engine *)&host;

	(void)unused;
	reset_host(0);
	assert_int_equal(ioreq_engine_create(&config, &engine), -ENOMEM);
	assert_ptr_equal(engine, &host);
	reset_host(UINT32_MAX);
	host.thread_result = -EAGAIN;
	assert_int_equal(ioreq_engine_create(&config, &engine), -EAGAIN);
	assert_ptr_equal(engine, &host);
	assert_all_returned();
}

/* Everything that allocates, until one step is refused. Returns its status. */
static int build_and_use(struct ioreq_engine *engine, struct acrn_io_request_buffer *slots, const struct stand *ops,
			 struct stand_device *devices)
{
	const struct ioreq_poller_config poller_config = {.name = "p0", .core = 3, .idle = IOREQ_IDLE_YIELD};
	const struct ioreq_doorbell bell = {.name = "bell", .space = IOREQ_PIO, .address = 1, .size = 1};
	const struct ioreq_range range = WINDOW(9);
	const struct ioreq_page page = {.slots = slots, .nr_vcpus = 16, .ops = &ops->ops, .context = (void *)ops};
	struct ioreq_vm_config vm_config = {.name = "vm0"};
	struct ioreq_poller *poller;
	struct ioreq_vm *vm;
	int status = ioreq_poller_create(engine, &poller_config, &poller, NULL);

	vm_config.poller = poller;
	if (!status)
		status = ioreq_vm_create(engine, &vm_config, &vm, NULL);
	for (unsigned i = 0; !status && i < 2; i++) {
		const struct stand_client client = {.name = i ? "ring" : "inline",
						    .delivery = i ? IOREQ_THREAD : IOREQ_INLINE,
						    .range = {0x1000 * (i + 1), 0x1000 * (i + 1) + 0xfff, IOREQ_MMIO}};

		((struct stand *)ops)->vm = vm;
		status = stand_try_add(&devices[i], &client, NULL);
	}
	if (!status)
		status = ioreq_vm_attach(vm, &page, NULL);
	if (!status)
		status = ioreq_range_add(devices[0].client, &range, NULL);
	if (!status)
		status = ioreq_doorbell_add(vm, &bell, NULL);
	if (!status)
		status = ioreq_client_remove(devices[1].client, NULL);
	if (!status)
		status = ioreq_vm_detach(vm, NULL);
	return status;
}

static void test_engine_without_memory_refuses_and_leaks_nothing(void **unused)
{
	const struct ioreq_engine_config config = {.host = counting_host};
	struct acrn_io_request_buffer *slots = aligned_alloc(4096, sizeof(*slots));
	struct ioreq_engine *engine;
	struct stand_device devices[2];
	struct stand stand;
	int status = -ENOMEM;
	uint32_t granted = 1;

	(void)unused;
	assert_non_null(slots);
	stand_open(&stand, &(struct stand_config){.detached = true});
	for (; status; granted++) {
		struct stand local = stand;

		reset_host(granted);
		ioreq_page_prefill(slots);
		stand_device(&local, &devices[0], 0);
		stand_device(&local, &devices[1], 0);
		assert_int_equal(ioreq_engine_create(&config, &engine), 0);
		status = build_and_use(engine, slots, &local, devices);
		if (status)
			assert_int_equal(status, -ENOMEM);
		store_relaxed(&host.left, UINT32_MAX);
		assert_int_equal(ioreq_engine_destroy(engine, NULL), 0);
		assert_all_returned();
		assert_int_equal(devices[0].created, devices[0].destroyed);
		assert_int_equal(devices[1].created, devices[1].destroyed);
	}
	/* Nothing was skipped: the whole takes this many at least. */
	assert_true(granted > 12);
	stand_close(&stand);
	free(slots);
}

static void test_engine_memory_of_a_poller_is_asked_for_its_core(void **unused)
{
	const struct ioreq_engine_config config = {.host = counting_host};
	const struct ioreq_poller_config poller_config = {.name = "p0", .core = 11};
	struct ioreq_vm_config vm_config = {.name = "vm0"};
	struct ioreq_engine *engine;
	struct ioreq_vm *vm;

	(void)unused;
	reset_host(UINT32_MAX);
	assert_int_equal(ioreq_engine_create(&config, &engine), 0);
	assert_int_equal(host.last_core, -1);
	assert_int_equal(ioreq_poller_create(engine, &poller_config, &vm_config.poller, NULL), 0);
	assert_int_equal(host.last_core, 11);
	host.last_core = -1;
	assert_int_equal(ioreq_vm_create(engine, &vm_config, &vm, NULL), 0);
	assert_int_equal(host.last_core, 11);
	assert_int_equal(ioreq_engine_destroy(engine, NULL), 0);
}

static void test_engine_thread_that_does_not_start_is_reported(void **unused)
{
	struct stand_device device;
	struct stand stand;
	struct ioreq_error error = {.text = ""};

	(void)unused;
	reset_host(UINT32_MAX);
	stand_open(&stand, &(struct stand_config){.host = counting_host});
	stand_device(&stand, &device, 0);
	host.thread_result = -EAGAIN;
	assert_int_equal(ioreq_poller_start(stand.poller), -EAGAIN);
	assert_false(ioreq_poller_running(stand.poller));
	assert_int_equal(
		stand_try_add(&device, &(struct stand_client){.name = "ring", .delivery = IOREQ_THREAD}, &error),
		-EAGAIN);
	assert_sentence(error, "client ring: its thread cannot be started: Resource temporarily unavailable");
	assert_int_equal(device.destroyed, 1);
	host.thread_result = 0;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	stand_close(&stand);
	assert_all_returned();
}

/* ---- the library's own threads ---------------------------------------------------------------------------- */

static struct {
	char name[16];
	sigset_t blocked;
	cpu_set_t cpus;
} seen;

static void look_around(struct stand_device *device, const struct ioreq_access *access)
{
	(void)device;
	(void)access;
	pthread_getname_np(pthread_self(), seen.name, sizeof(seen.name));
	pthread_sigmask(SIG_BLOCK, NULL, &seen.blocked);
	sched_getaffinity(0, sizeof(seen.cpus), &seen.cpus);
}

static int first_core(void)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &cpus))
			return (int)core;
	return -1;
}

static void test_engine_client_thread_has_name_core_and_no_signals(void **unused)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, 0x1000, 4);
	struct ioreq_setting setting = {.key = "device", .type = IOREQ_SETTING_INTEGER};
	struct ioreq_range range = WINDOW(1);
	struct ioreq_client_config config = {.name = "a-long-client-name",
					     .settings = &setting,
					     .nr_settings = 1,
					     .delivery = IOREQ_THREAD,
					     .core = first_core(),
					     .ranges = &range,
					     .nr_ranges = 1};
	struct stand_device device;
	struct ioreq_client *client;
	struct stand stand;
	sigset_t before, after;

	(void)unused;
	stand_open(&stand, &(struct stand_config){.nr_vcpus = 1});
	stand_device(&stand, &device, 0);
	device.inside = look_around;
	setting.integer = (uintptr_t)&device;
	config.ops = &device.ops;
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(ioreq_client_add(stand.vm, &config, &client, NULL), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int signal = 1; signal < NSIG; signal++)
		assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
	stand_request(&stand, 0, &access);
	assert_string_equal(seen.name, "a-long-client-n");
	assert_true(sigismember(&seen.blocked, SIGTERM) && sigismember(&seen.blocked, SIGHUP));
	assert_false(sigismember(&seen.blocked, SIGBUS) || sigismember(&seen.blocked, SIGSEGV));
	assert_int_equal(CPU_COUNT(&seen.cpus), 1);
	assert_true(CPU_ISSET((unsigned)config.core, &seen.cpus));
	stand_close(&stand);
}

static void test_engine_client_thread_on_a_core_that_is_none_is_refused(void **unused)
{
	static const int cores[] = {CPU_SETSIZE - 1, CPU_SETSIZE, INT32_MAX};
	struct stand_device device;
	struct stand stand;

	(void)unused;
	stand_open(&stand, &(struct stand_config){.nr_vcpus = 1});
	stand_device(&stand, &device, 0);
	for (size_t i = 0; i < NR_OF(cores); i++) {
		const struct ioreq_device_ops ops = {.name = "none", .handle = device.ops.handle};
		const struct ioreq_client_config config = {
			.name = "ring", .ops = &ops, .delivery = IOREQ_THREAD, .core = cores[i]};
		struct ioreq_client *client = NULL;
		struct ioreq_error error = {.text = ""};

		assert_int_equal(ioreq_client_add(stand.vm, &config, &client, &error), -EINVAL);
		assert_sentence(error, "client ring: its thread cannot be started: Invalid argument");
		assert_null(client);
	}
	stand_close(&stand);
}

/* ---- names ------------------------------------------------------------------------------------------------ */

static void test_engine_names_are_printable_and_short(void **unused)
{
	static const struct {
		const char *name;
		const char *sentence; /* NULL: allowed */
	} cases[] = {
		{"a", NULL},
		{"abcdefghijklmnopqrstuvwxyz01234", NULL},
		{"uart.0:x_y-z~!", NULL},
		{"", "thing '': a name of 0 characters; allowed: 1..31"},
		{NULL, "thing '': a name of 0 characters; allowed: 1..31"},
		{"abcdefghijklmnopqrstuvwxyz012345",
		 "thing 'abcdefghijklmnopqrstuvwxyz012345': a name of 32 characters; allowed: 1..31"},
		{" a", "thing ' a': allowed: printable ASCII without blanks and '/'"},
		{"a\n", "thing 'a\n': allowed: printable ASCII without blanks and '/'"},
		{"a\x7f", "thing 'a\x7f': allowed: printable ASCII without blanks and '/'"},
		{"\xc3\xa4", "thing '\xc3\xa4': allowed: printable ASCII without blanks and '/'"},
		{"..//x", "thing '..//x': allowed: printable ASCII without blanks and '/'"},
	};

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		struct ioreq_error error = {.text = "untouched"};

		assert_int_equal(ioreq_engine_check_name("thing", cases[i].name, &error),
				 cases[i].sentence ? -EINVAL : 0);
		assert_sentence(error, cases[i].sentence ? cases[i].sentence : "untouched");
		assert_int_equal(ioreq_engine_check_name("thing", cases[i].name, NULL),
				 cases[i].sentence ? -EINVAL : 0);
	}
}

/* ---- old tables ------------------------------------------------------------------------------------------- */

static void post(struct stand *stand, unsigned vcpu)
{
	const struct ioreq_access access = stand_read(IOREQ_MMIO, 0x1000, 4);

	stand_post(stand, vcpu, &access);
}

/* Adds and removes a range until that is refused; returns how often it was not. */
static unsigned churn(struct ioreq_client *client, unsigned limit, struct ioreq_error *error, int *status_out)
{
	const struct ioreq_range range = WINDOW(9);
	unsigned done = 0;

	for (*status_out = 0; done < limit; done++) {
		*status_out =
			done % 2 ? ioreq_range_remove(client, &range, error) : ioreq_range_add(client, &range, error);
		if (*status_out)
			break;
	}
	return done;
}

static unsigned count_retired(struct stand *stand)
{
	unsigned count;

	pthread_mutex_lock(&stand->engine->retire_lock);
	count = stand->engine->nr_retired;
	pthread_mutex_unlock(&stand->engine->retire_lock);
	return count;
}

static void test_engine_tables_behind_a_stuck_handler_are_bounded(void **unused)
{
	struct ioreq_error error = {.text = ""};
	struct stand_device device, more;
	struct stand stand;
	int status;

	(void)unused;
	reset_host(UINT32_MAX);
	stand_open(&stand, &(struct stand_config){.host = counting_host});
	stand_device(&stand, &device, 0xe1);
	stand_device(&stand, &more, 0xe2);
	stand_add(&device, &(struct stand_client){.name = "inline", .range = WINDOW(1)});
	device.gated = true;
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	post(&stand, 0);
	stand_await(stand_entered(&device) == 1);
	assert_in_range(churn(device.client, 2 * IOREQ_MAX_RETIRED, &error, &status), IOREQ_MAX_RETIRED - 8,
			IOREQ_MAX_RETIRED);
	assert_int_equal(status, -EAGAIN);
	assert_sentence(error, "vm0: 1024 old tables wait for poller p0; is a handler stuck?");
	assert_int_equal(stand_try_add(&more, &(struct stand_client){.name = "more", .delivery = IOREQ_THREAD}, &error),
			 -EAGAIN);
	assert_int_equal(more.created, 1);
	assert_int_equal(more.destroyed, 1);
	stand_let_go(&device, 1);
	assert_int_equal(stand_finish(&stand, 0), 0xe1);
	stand_await(count_retired(&stand) == 0);
	device.gated = false;
	/* Whether the last one that was not refused added the range or removed it. */
	assert_int_equal(ioreq_ranges_replace(stand.vm, NULL, 0, &error), 0);
	assert_int_equal(churn(device.client, 100, &error, &status), 100);
	stand_close(&stand);
	assert_all_returned();
}

/* While the poller runs freely the number of updates has no bound, and memory does not grow. */
static void test_engine_tables_of_a_running_poller_are_freed(void **unused)
{
	struct ioreq_error error = {.text = ""};
	struct stand_device device;
	struct stand stand;
	unsigned done = 0;
	int status = 0;

	(void)unused;
	reset_host(UINT32_MAX);
	stand_open(&stand, &(struct stand_config){.host = counting_host});
	stand_device(&stand, &device, 0xe1);
	stand_add(&device, &(struct stand_client){.name = "inline", .range = WINDOW(1)});
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	for (unsigned i = 0; i < 16; i++) {
		done += churn(device.client, 200, &error, &status);
		stand_await(count_retired(&stand) == 0);
		post(&stand, 0);
		assert_int_equal(stand_finish(&stand, 0), 0xe1);
	}
	assert_int_equal(done, 16 * 200);
	assert_int_equal(status, 0);
	/* Taken off the list they are freed a grace period later. */
	stand_await(load_relaxed(&host.given) - load_relaxed(&host.returned) < 20);
	stand_close(&stand);
	assert_all_returned();
}

/* ---- the end ---------------------------------------------------------------------------------------------- */

static void test_engine_destroy_with_a_stuck_handler_names_it_and_frees_nothing_of_it(void **unused)
{
	struct ioreq_error error = {.text = ""};
	struct stand_device device;
	struct stand stand;

	(void)unused;
	for (unsigned delivery = IOREQ_INLINE; delivery <= IOREQ_THREAD; delivery++) {
		reset_host(UINT32_MAX);
		stand_open(&stand, &(struct stand_config){.host = counting_host, .clear_timeout_ns = 10000000});
		stand_device(&stand, &device, 0xe1);
		stand_add(&device, &(struct stand_client){.name = "stuck",
							  .delivery = (enum ioreq_delivery)delivery,
							  .range = WINDOW(1)});
		device.gated = true;
		assert_int_equal(ioreq_poller_start(stand.poller), 0);
		post(&stand, 0);
		stand_await(stand_entered(&device) == 1);
		assert_int_equal(ioreq_engine_destroy(stand.engine, &error), -EBUSY);
		assert_sentence(error, delivery == IOREQ_INLINE ? "vm0: client stuck does not let go of its request"
								: "client stuck: its handler does not return");
		assert_int_equal(device.destroyed, 0);
		stand_let_go(&device, 1);
		stand_await(load_acquire(&device.left) == 1);
		stand_close(&stand);
		assert_int_equal(device.destroyed, 1);
		assert_all_returned();
	}
}

static void test_engine_destroy_ends_all_that_was_made(void **unused)
{
	struct stand_device devices[3];
	struct stand stand;

	(void)unused;
	reset_host(UINT32_MAX);
	stand_open(&stand, &(struct stand_config){.host = counting_host});
	for (unsigned i = 0; i < NR_OF(devices); i++) {
		char name[8];

		snprintf(name, sizeof(name), "c%u", i);
		stand_device(&stand, &devices[i], 0);
		stand_add(&devices[i],
			  &(struct stand_client){.name = name,
						 .delivery = i ? IOREQ_THREAD : IOREQ_INLINE,
						 .range = {0x1000 * (i + 1), 0x1000 * (i + 1), IOREQ_MMIO}});
	}
	assert_int_equal(ioreq_poller_start(stand.poller), 0);
	post(&stand, 0);
	stand_finish(&stand, 0);
	stand_close(&stand);
	for (unsigned i = 0; i < NR_OF(devices); i++)
		assert_int_equal(devices[i].destroyed, 1);
	assert_all_returned();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engine_create_without_memory_or_thread_gives_nothing),
		cmocka_unit_test(test_engine_without_memory_refuses_and_leaks_nothing),
		cmocka_unit_test(test_engine_memory_of_a_poller_is_asked_for_its_core),
		cmocka_unit_test(test_engine_thread_that_does_not_start_is_reported),
		cmocka_unit_test(test_engine_client_thread_has_name_core_and_no_signals),
		cmocka_unit_test(test_engine_client_thread_on_a_core_that_is_none_is_refused),
		cmocka_unit_test(test_engine_names_are_printable_and_short),
		cmocka_unit_test(test_engine_tables_behind_a_stuck_handler_are_bounded),
		cmocka_unit_test(test_engine_tables_of_a_running_poller_are_freed),
		cmocka_unit_test(test_engine_destroy_with_a_stuck_handler_names_it_and_frees_nothing_of_it),
		cmocka_unit_test(test_engine_destroy_ends_all_that_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
