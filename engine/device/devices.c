/* SPDX-License-Identifier: MIT */
/*
 * The table of built-in devices.
 *
 * Threads   Any. Memory: static.
 */
#include <string.h>

#include "device/devices.h"

static const struct ioreq_device_ops *const devices[] = {
	&ioreq_device_cmos,      &ioreq_device_debug_console, &ioreq_device_pci_host,
	&ioreq_device_registers, &ioreq_device_uart16550,     &ioreq_device_unclaimed,
};

const struct ioreq_device_ops *ioreq_device_at(size_t index)
{
	return index < sizeof(devices) / sizeof(devices[0]) ? devices[index] : NULL;
}

const struct ioreq_device_ops *ioreq_device_find(const char *name)
{
	const struct ioreq_device_ops *device;

	for (size_t i = 0; (device = ioreq_device_at(i)) != NULL; i++)
		if (strcmp(device->name, name) == 0)
			return device;
	return NULL;
}
