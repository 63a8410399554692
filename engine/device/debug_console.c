/* SPDX-License-Identifier: MIT */
/*
 * The debug console of port 0x402: reading 0xE9 tells firmware that it is there, every byte written is printed.
 *
 * Setting   output: a path, or "stdout".
 * Full      The port has no status register, so firmware cannot wait: a byte that finds the ring full is dropped, and
 *           counted by the sink. Blocking would help thread delivery only and stall a poll core otherwise.
 * Threads   One at a time; inline or thread delivery. Memory: the sink.
 */
#include "device/devices.h"
#include "device/sink.h"

#define PRESENT 0xe9

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	static const char *const keys[] = {"output", NULL};
	static const enum ioreq_setting_type types[] = {IOREQ_SETTING_STRING};
	struct ioreq_sink *sink;
	int result = ioreq_setting_check(config, keys, types, error);

	if (result == 0)
		result = ioreq_sink_open(config, NULL, NULL, &sink, error);
	if (result == 0)
		*device_out = sink;
	return result;
}

static void destroy(void *device)
{
	ioreq_sink_close(device);
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	if (access->size != 1)
		return IOREQ_UNHANDLED;
	if (access->direction == IOREQ_READ)
		access->value = PRESENT;
	else
		ioreq_sink_put(device, (uint8_t)access->value);
	return IOREQ_DONE;
}

const struct ioreq_device_ops ioreq_device_debug_console = {
	.name = "debug_console",
	.create = create,
	.destroy = destroy,
	.handle = handle,
};
