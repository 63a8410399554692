/* SPDX-License-Identifier: MIT */
/* The one set-up that the daemon knows: a PC's few legacy devices, register banks, a doorbell. */
#ifndef IOREQ_SERVICE_DEMO_H
#define IOREQ_SERVICE_DEMO_H

#include <ioreq/engine.h>

struct demo_config {
	const char *console;   /* file for the debug console, or "stdout" */
	const char *serial;    /* file for the UART */
	uint64_t memory_bytes; /* what the CMOS tells the guest */
};

/* Adds the demo's doorbell and clients to `vm`. 0, or -errno with a sentence. */
int demo_add_devices(struct ioreq_vm *vm, const struct demo_config *config, struct ioreq_error *error);

#endif
