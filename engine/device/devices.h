/* SPDX-License-Identifier: MIT */
/*
 * The built-in devices by name. A program that has its own adds them to its own table: the engine takes any
 * `struct ioreq_device_ops`.
 *
 * Threads   Any; all of it is constant. Memory: static.
 */
#ifndef IOREQ_DEVICE_DEVICES_H
#define IOREQ_DEVICE_DEVICES_H

#include <stddef.h>

#include <ioreq/client.h>

extern const struct ioreq_device_ops ioreq_device_cmos;
extern const struct ioreq_device_ops ioreq_device_debug_console;
extern const struct ioreq_device_ops ioreq_device_pci_host;
extern const struct ioreq_device_ops ioreq_device_registers;
extern const struct ioreq_device_ops ioreq_device_uart16550;
extern const struct ioreq_device_ops ioreq_device_unclaimed;

/* The device `name`, or NULL. */
const struct ioreq_device_ops *ioreq_device_find(const char *name);

/* The devices in alphabetical order: the one at `index`, NULL after the last. */
const struct ioreq_device_ops *ioreq_device_at(size_t index);

#endif
