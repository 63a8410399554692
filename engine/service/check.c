/* SPDX-License-Identifier: MIT */
/*
 * Checking a configuration. Threads: the main thread. Memory: freed before it returns.
 */
#include "service/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "device/devices.h"

#define MAX_DEVICES 64u

int check_config(const char *path, bool print)
{
	const char *devices[MAX_DEVICES + 1] = {NULL};
	const struct config_options options = {
		.devices = devices, .report = config_report_to_stream, .context = stderr};
	struct config *config;
	int status;

	for (size_t i = 0; i < MAX_DEVICES && ioreq_device_at(i); i++)
		devices[i] = ioreq_device_at(i)->name;
	status = config_load(path, &options, &config);
	if (status)
		return EXIT_FAILURE;
	if (print)
		status = config_print(config, stdout);
	config_free(config);
	if (!status && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "ioreqd: the configuration cannot be written to standard output\n");
	return EXIT_FAILURE;
}
