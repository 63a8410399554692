/* SPDX-License-Identifier: MIT */
/*
 * See stand.h.
 *
 * Threads, Memory: see stand.h.
 */
#include "unit/stand.h"

#include <sched.h>

/* ---- backend ---------------------------------------------------------------------------------------------- */

static int notify(void *context, unsigned vcpu, uint32_t sequence)
{
	struct stand *stand = context;
	struct ioreq_slot_state slot = ioreq_page_state_and_sequence(&stand->slots->req_slot[vcpu]);

	add_relaxed(&stand->backend.in_notify, 1);
	if (slot.state != ACRN_IOREQ_STATE_COMPLETE || slot.sequence != sequence)
		add_relaxed(&stand->backend.early, 1);
	store_relaxed(&stand->backend.sequence[vcpu], sequence);
	add_relaxed(&stand->backend.notified[vcpu], 1);
	while (stand->backend.notify_gate && sem_wait(stand->backend.notify_gate))
		;
	/* Release, as a backend's wake-up orders. Pairs with the acquire of ioreq_vcpu_completed(). */
	store_release(&stand->control->notify[vcpu].word, sequence);
	return stand->backend.notify_result;
}

static int set_line(void *context, unsigned line, bool level)
{
	struct stand *stand = context;
	uint64_t bit = UINT64_C(1) << line;

	add_relaxed(&stand->backend.line_calls, 1);
	if (level)
		or_release(&stand->backend.levels, bit);
	else
		and_release(&stand->backend.levels, ~bit);
	return stand->backend.line_result;
}

static int inject_msi(void *context, uint64_t address, uint32_t data)
{
	struct stand *stand = context;

	stand->backend.msi = (struct stand_msi){.address = address, .data = data};
	stand->backend.nr_msis++;
	return stand->backend.msi_result;
}

/* ---- stand ------------------------------------------------------------------------------------------------ */

struct ioreq_page stand_page(struct stand *stand)
{
	return (struct ioreq_page){.slots = stand->slots,
				   .nr_vcpus = stand->nr_vcpus,
				   .ops = &stand->ops,
				   .context = stand,
				   .id = &stand->id};
}

static void make_page(struct stand *stand)
{
	stand->slots = aligned_alloc(IOREQ_PAGE_BYTES, sizeof(*stand->slots));
	stand->control = aligned_alloc(64, sizeof(*stand->control));
	assert_non_null(stand->slots);
	assert_non_null(stand->control);
	memset(stand->control, 0, sizeof(*stand->control));
	ioreq_page_prefill(stand->slots);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
		ioreq_vcpu_init(&stand->vcpus[v], stand->slots, stand->control, v);
}

void stand_open(struct stand *stand, const struct stand_config *config)
{
	const struct ioreq_engine_config engine = {.host = config->host, .stats = config->stats};
	const struct ioreq_poller_config poller = {.name = "p0", .core = -1, .idle = IOREQ_IDLE_YIELD};
	struct ioreq_vm_config vm = {.name = "vm0",
				     .strict_states = config->strict_states,
				     .clear_timeout_ns = config->clear_timeout_ns,
				     .block = config->block};
	struct ioreq_page page;

	memset(stand, 0, sizeof(*stand));
	stand->nr_vcpus = config->nr_vcpus ? config->nr_vcpus : IOREQ_MAX_VCPUS;
	stand->ops = (struct ioreq_backend_ops){.name = "stand",
						.protocol = IOREQ_DIRECT,
						.notify = notify,
						.set_line = set_line,
						.inject_msi = inject_msi};
	make_page(stand);
	assert_int_equal(ioreq_engine_create(&engine, &stand->engine), 0);
	assert_int_equal(ioreq_poller_create(stand->engine, &poller, &stand->poller, NULL), 0);
	vm.poller = stand->poller;
	assert_int_equal(ioreq_vm_create(stand->engine, &vm, &stand->vm, NULL), 0);
	page = stand_page(stand);
	if (!config->detached)
		assert_int_equal(ioreq_vm_attach(stand->vm, &page, NULL), 0);
}

void stand_close(struct stand *stand)
{
	struct ioreq_error error = {.text = ""};
	int status = ioreq_engine_destroy(stand->engine, &error);

	assert_string_equal(error.text, "");
	assert_int_equal(status, 0);
	assert_int_equal(stand->backend.early, 0);
	free(stand->slots);
	free(stand->control);
}

unsigned stand_sweep(struct stand *stand)
{
	unsigned served;

	ioreq_engine_enter_thread();
	served = ioreq_poller_sweep(stand->vm);
	ioreq_engine_leave_thread();
	return served;
}

void stand_post(struct stand *stand, unsigned vcpu, const struct ioreq_access *access)
{
	assert_int_equal(ioreq_vcpu_post(&stand->vcpus[vcpu], access), 0);
}

void stand_force_pending(struct stand *stand, unsigned vcpu)
{
	store_release(&stand->slots->req_slot[vcpu].processed, ACRN_IOREQ_STATE_PENDING);
}

uint64_t stand_finish(struct stand *stand, unsigned vcpu)
{
	uint64_t end_ns = ioreq_engine_now_ns() + STAND_PATIENCE_NS;

	while (!ioreq_vcpu_completed(&stand->vcpus[vcpu])) {
		if (!ioreq_poller_running(stand->poller))
			stand_sweep(stand);
		if (ioreq_engine_now_ns() >= end_ns)
			fail_msg("vCPU %u: not completed", vcpu);
		sched_yield();
	}
	return ioreq_vcpu_finish(&stand->vcpus[vcpu]);
}

uint64_t stand_request(struct stand *stand, unsigned vcpu, const struct ioreq_access *access)
{
	stand_post(stand, vcpu, access);
	return stand_finish(stand, vcpu);
}

uint32_t stand_state(const struct stand *stand, unsigned vcpu)
{
	return ioreq_page_state(&stand->slots->req_slot[vcpu]);
}

uint32_t stand_sequence(const struct stand *stand, unsigned vcpu)
{
	return ioreq_page_state_and_sequence(&stand->slots->req_slot[vcpu]).sequence;
}

struct ioreq_vm_stats *stand_stats(struct stand *stand)
{
	return stand->vm->stats;
}

uint64_t stand_completed(struct stand *stand)
{
	const struct ioreq_stats *stats = stand->engine->stats;
	uint64_t index = (uint64_t)(stand->vm->stats - stats->vms), sum = 0;

	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++)
		if (load_relaxed(&stats->clients[i].used) && stats->clients[i].vm == index)
			sum += load_relaxed(&stats->clients[i].completed);
	return sum;
}

void stand_assert_account(struct stand *stand)
{
	stand_await(stand_completed(stand) + load_relaxed(&stand_stats(stand)->departed) ==
		    load_relaxed(&stand_stats(stand)->posted));
}

/* ---- accesses --------------------------------------------------------------------------------------------- */

struct ioreq_access stand_read(enum ioreq_space space, uint64_t address, unsigned size)
{
	return (struct ioreq_access){.space = (uint8_t)space,
				     .direction = IOREQ_READ,
				     .address = address,
				     .size = (uint8_t)size,
				     .completion_polling = 1};
}

struct ioreq_access stand_write(enum ioreq_space space, uint64_t address, unsigned size, uint64_t value)
{
	struct ioreq_access access = stand_read(space, address, size);

	access.direction = IOREQ_WRITE;
	access.value = value;
	return access;
}

struct ioreq_access stand_sleeping(struct ioreq_access access)
{
	access.completion_polling = 0;
	return access;
}

/* ---- devices ---------------------------------------------------------------------------------------------- */

static int create(const struct ioreq_create *create, void **device_out, struct ioreq_error *error)
{
	struct stand_device *device = (struct stand_device *)(uintptr_t)create->settings[0].integer;

	if (device->create_sentence)
		snprintf(error->text, sizeof(error->text), "%s", device->create_sentence);
	if (device->create_result)
		return device->create_result;
	device->client = create->client;
	device->kept = create->state;
	device->recovered = create->recovered;
	device->created++;
	*device_out = device;
	return 0;
}

static void destroy(void *context)
{
	struct stand_device *device = context;

	device->destroyed++;
}

static enum ioreq_result handle(void *context, struct ioreq_access *access)
{
	struct stand_device *device = context;
	const struct acrn_io_request *slot = &device->stand->slots->req_slot[access->vcpu];

	/* What the test may change as soon as it knows that the handler was entered. */
	const uint32_t result = device->result;
	const uint64_t value = device->value;
	const bool gated = device->gated;

	device->seen = *access;
	device->state = load_relaxed(&slot->processed);
	device->kernel_handled = load_relaxed(&slot->kernel_handled);
	/* Release: `seen` before the count that the test waits for. Pairs with stand_entered(). */
	store_release(&device->entered, device->entered + 1);
	if (device->inside)
		device->inside(device, access);
	while (gated && sem_wait(&device->gate))
		;
	if (access->direction == IOREQ_READ)
		access->value = value;
	store_release(&device->left, device->left + 1);
	return (enum ioreq_result)result;
}

void stand_device(struct stand *stand, struct stand_device *device, uint64_t value)
{
	memset(device, 0, sizeof(*device));
	device->stand = stand;
	device->value = value;
	device->ops =
		(struct ioreq_device_ops){.name = "stand", .create = create, .destroy = destroy, .handle = handle};
	sem_init(&device->gate, 0, 0);
}

int stand_try_add(struct stand_device *device, const struct stand_client *client, struct ioreq_error *error)
{
	const struct ioreq_setting setting = {
		.key = "device", .type = IOREQ_SETTING_INTEGER, .integer = (uintptr_t)device};
	const struct ioreq_client_config config = {.name = client->name,
						   .ops = &device->ops,
						   .settings = &setting,
						   .nr_settings = 1,
						   .delivery = client->delivery,
						   .core = -1,
						   .wait = client->wait,
						   .is_default = client->is_default,
						   .ranges = &client->range,
						   .nr_ranges = client->range.last ? 1 : 0};
	struct ioreq_client *added = NULL;

	return ioreq_client_add(device->stand->vm, &config, &added, error);
}

struct ioreq_client *stand_add(struct stand_device *device, const struct stand_client *client)
{
	struct ioreq_error error = {.text = ""};
	int status = stand_try_add(device, client, &error);

	assert_string_equal(error.text, "");
	assert_int_equal(status, 0);
	return device->client;
}

void stand_let_go(struct stand_device *device, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		sem_post(&device->gate);
}

uint32_t stand_entered(struct stand_device *device)
{
	/* Acquire: what the handler saw. Pairs with handle(). */
	return load_acquire(&device->entered);
}
