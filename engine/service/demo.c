/* SPDX-License-Identifier: MIT */
/*
 * The demo's devices as one table.
 *
 * Threads   The main thread, before the VM is attached. Memory: the engine copies what it keeps.
 */
#include "service/demo.h"

#include <errno.h>
#include <stdio.h>

#include "device/devices.h"

#define MAX_RANGES 1u
#define MAX_SETTINGS 2u

struct demo_client {
	const char *name;
	const char *device;
	enum ioreq_delivery delivery;
	bool is_default;
	size_t nr_ranges;
	struct ioreq_range ranges[MAX_RANGES];
	size_t nr_settings;
	struct ioreq_setting settings[MAX_SETTINGS];
};

static int add_client(struct ioreq_vm *vm, const struct demo_client *demo, struct ioreq_error *error)
{
	struct ioreq_client_config config = {
		.name = demo->name,
		.ops = ioreq_device_find(demo->device),
		.settings = demo->settings,
		.nr_settings = demo->nr_settings,
		.delivery = demo->delivery,
		.core = -1,
		.wait = IOREQ_WAIT_PARK,
		.is_default = demo->is_default,
		.ranges = demo->ranges,
		.nr_ranges = demo->nr_ranges,
	};
	struct ioreq_client *client;

	return ioreq_client_add(vm, &config, &client, error);
}

static int add_bell(struct ioreq_vm *vm, struct ioreq_error *error)
{
	const struct ioreq_doorbell bell = {
		.name = "bell0", .space = IOREQ_MMIO, .address = 0xfe200000, .size = 4, .data = 1};

	return ioreq_doorbell_add(vm, &bell, error);
}

int demo_add_devices(struct ioreq_vm *vm, const struct demo_config *config, struct ioreq_error *error)
{
	const struct demo_client clients[] = {
		{"uart0",
		 "uart16550",
		 IOREQ_INLINE,
		 false,
		 1,
		 {{0x3f8, 0x3ff, IOREQ_PIO}},
		 2,
		 {{"irq", IOREQ_SETTING_INTEGER, 4, NULL}, {"output", IOREQ_SETTING_STRING, 0, config->serial}}},
		{"cmos",
		 "cmos",
		 IOREQ_INLINE,
		 false,
		 1,
		 {{0x70, 0x71, IOREQ_PIO}},
		 1,
		 {{"memory", IOREQ_SETTING_INTEGER, config->memory_bytes, NULL}}},
		{"console",
		 "debug_console",
		 IOREQ_THREAD,
		 false,
		 1,
		 {{0x402, 0x402, IOREQ_PIO}},
		 1,
		 {{"output", IOREQ_SETTING_STRING, 0, config->console}}},
		{"pci0", "pci_host", IOREQ_INLINE, false, 1, {{0, 0x07ffffff, IOREQ_PCICFG}}, 0, {{0}}},
		{"bank-pio", "registers", IOREQ_INLINE, false, 1, {{0x5000, 0x5fff, IOREQ_PIO}}, 0, {{0}}},
		{"bank-pci", "registers", IOREQ_INLINE, false, 1, {{0x08000000, 0x08000fff, IOREQ_PCICFG}}, 0, {{0}}},
		{"bank-mmio", "registers", IOREQ_INLINE, false, 1, {{0xfe000000, 0xfe000fff, IOREQ_MMIO}}, 0, {{0}}},
		{"bank-thread",
		 "registers",
		 IOREQ_THREAD,
		 false,
		 1,
		 {{0xfe100000, 0xfe100fff, IOREQ_MMIO}},
		 1,
		 {{"doorbell", IOREQ_SETTING_STRING, 0, "bell0"}}},
		{"post", "unclaimed", IOREQ_INLINE, false, 1, {{0x80, 0x80, IOREQ_PIO}}, 0, {{0}}},
	};
	int status = add_bell(vm, error);

	for (size_t i = 0; !status && i < sizeof(clients) / sizeof(clients[0]); i++)
		status = add_client(vm, &clients[i], error);
	return status;
}
