/* SPDX-License-Identifier: MIT */
/* Keeping a VM attached to its page file while files come, are replaced, are cut short, and go. */
#ifndef IOREQ_SERVICE_ATTACH_H
#define IOREQ_SERVICE_ATTACH_H

#include <ioreq/engine.h>
#include <ioreq/shm.h>

struct attachment {
	struct ioreq_vm *vm;
	const char *name; /* the VM's */
	const char *path;
	unsigned nr_vcpus;
	void (*attached)(void *context, const void *slots); /* called after each attach; NULL: not */
	void *context;
	struct ioreq_shm *shm; /* NULL: no page */
	char last_error[IOREQ_ERROR_BYTES];
	uint64_t window_s;   /* the second that lines are counted in */
	unsigned lines;      /* said in it */
	unsigned suppressed; /* not said since */
};

/* One look: attaches, follows, lets go, carries out a clear that the producer asks for. May take a clear timeout. */
void attachment_look(struct attachment *attachment);

/* Lets go of the page. 0, or -EBUSY: a handler does not return, nothing was unmapped. */
int attachment_end(struct attachment *attachment);

#endif
