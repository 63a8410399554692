/* SPDX-License-Identifier: MIT */
/* The housekeeping loop of the daemon. It may sleep and make system calls; it never completes a request. */
#ifndef IOREQ_SERVICE_SUPERVISOR_H
#define IOREQ_SERVICE_SUPERVISOR_H

#include <ioreq/engine.h>

#include "service/attach.h"

struct supervisor {
	struct ioreq_poller *poller;
	struct attachment *attachments;
	unsigned nr_attachments;
	int signals; /* a signalfd of SIGTERM and SIGINT */
};

/* Runs until a signal says stop. Returns its number, or -errno. */
int supervisor_run(struct supervisor *supervisor);

#endif
