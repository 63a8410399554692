/* SPDX-License-Identifier: MIT */
/*
 * A bus with nobody there: reads float to all ones, writes go nowhere. Made for a VM's default client.
 *
 * Threads   One at a time; inline or thread delivery. Memory: none.
 */
#include "device/devices.h"

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	(void)device_out;
	return ioreq_setting_check(config, (const char *const[]){NULL}, NULL, error);
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	(void)device;
	if (access->direction == IOREQ_READ)
		access->value = ioreq_width_mask(access->size);
	return IOREQ_DONE;
}

const struct ioreq_device_ops ioreq_device_unclaimed = {
	.name = "unclaimed",
	.create = create,
	.handle = handle,
};
