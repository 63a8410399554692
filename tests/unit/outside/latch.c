/* SPDX-License-Identifier: MIT */
/*
 * A program as a stranger would write it, in the language that C and C++ share: a device, a page, a request, an answer.
 *
 * Threads   The poller's, and main, which plays the hypervisor. Memory: static.
 */
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include <ioreq/engine.h>
#include <ioreq/stats.h>
#include <ioreq/vcpu.h>

alignas(4096) static struct acrn_io_request_buffer slots;
static struct ioreq_device_ops ops;
static struct ioreq_backend_ops backend;
static uint32_t latch;

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	uint32_t *value = (uint32_t *)device;

	if (access->direction == IOREQ_WRITE)
		*value = (uint32_t)access->value;
	else
		access->value = *value + 1;
	return IOREQ_DONE;
}

static int create(const struct ioreq_create *create, void **device_out, struct ioreq_error *error)
{
	(void)create;
	(void)error;
	*device_out = &latch;
	return 0;
}

static int notify(void *context, unsigned vcpu, uint32_t sequence)
{
	(void)context;
	(void)vcpu;
	(void)sequence;
	return 0;
}

static int request(struct ioreq_vcpu *vcpu, uint8_t direction, uint64_t *value)
{
	struct ioreq_access access;
	int status;

	memset(&access, 0, sizeof(access));
	access.space = IOREQ_PIO;
	access.direction = direction;
	access.address = 0x300;
	access.size = 4;
	access.value = *value;
	access.completion_polling = 1;
	status = ioreq_vcpu_post(vcpu, &access);
	if (!status)
		status = ioreq_vcpu_wait(vcpu, IOREQ_VCPU_YIELD, UINT64_C(10000000000));
	if (!status)
		*value = ioreq_vcpu_finish(vcpu);
	return status;
}

static int use(struct ioreq_engine *engine, struct ioreq_error *error)
{
	struct ioreq_poller_config poller_config;
	struct ioreq_vm_config vm_config;
	struct ioreq_client_config client_config;
	struct ioreq_range range = {0x300, 0x303, IOREQ_PIO};
	struct ioreq_page page;
	struct ioreq_client *client;
	struct ioreq_vcpu vcpu;
	struct ioreq_vm *vm;
	uint64_t value = 41;
	int status;

	memset(&poller_config, 0, sizeof(poller_config));
	memset(&vm_config, 0, sizeof(vm_config));
	memset(&client_config, 0, sizeof(client_config));
	memset(&page, 0, sizeof(page));
	poller_config.name = "p0";
	poller_config.core = -1;
	poller_config.idle = IOREQ_IDLE_YIELD;
	status = ioreq_poller_create(engine, &poller_config, &vm_config.poller, error);
	vm_config.name = "vm0";
	if (!status)
		status = ioreq_vm_create(engine, &vm_config, &vm, error);
	ops.name = "latch";
	ops.create = create;
	ops.handle = handle;
	client_config.name = "latch0";
	client_config.ops = &ops;
	client_config.ranges = &range;
	client_config.nr_ranges = 1;
	if (!status)
		status = ioreq_client_add(vm, &client_config, &client, error);
	ioreq_page_prefill(&slots);
	backend.name = "memory";
	backend.notify = notify;
	page.slots = &slots;
	page.nr_vcpus = 1;
	page.ops = &backend;
	if (!status)
		status = ioreq_vm_attach(vm, &page, error);
	if (!status)
		status = ioreq_poller_start(vm_config.poller);
	ioreq_vcpu_init(&vcpu, &slots, NULL, 0);
	if (!status)
		status = request(&vcpu, IOREQ_WRITE, &value);
	if (!status)
		status = request(&vcpu, IOREQ_READ, &value);
	if (!status && value != 42)
		status = -1;
	return status;
}

int main(void)
{
	struct ioreq_engine_config config;
	struct ioreq_engine *engine;
	struct ioreq_error error = {""};
	int status;

	memset(&config, 0, sizeof(config));
	status = ioreq_engine_create(&config, &engine);
	if (status)
		return 1;
	status = use(engine, &error);
	if (status)
		fprintf(stderr, "%d %s\n", status, error.text);
	if (ioreq_engine_destroy(engine, &error) || status)
		return 1;
	puts("42");
	return 0;
}
