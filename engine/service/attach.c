/* SPDX-License-Identifier: MIT */
/*
 * One VM and its page file.
 *
 * Threads   The supervisor. Memory: the handle of the page lives from a successful attach to a successful detach.
 */
#include "service/attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "service/log.h"

#define LINES_PER_SECOND 10u

/* A producer decides how often something happens to its page, but not how long the log gets. */
static bool may_log(struct attachment *attachment)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec != attachment->window_s) {
		attachment->window_s = (uint64_t)now.tv_sec;
		attachment->lines = 0;
		if (attachment->suppressed)
			log_event("attach: suppressed vm=%s lines=%u", attachment->name, attachment->suppressed);
		attachment->suppressed = 0;
	}
	if (attachment->lines++ < LINES_PER_SECOND)
		return true;
	attachment->suppressed++;
	return false;
}

/* An unchanged error is said once, not at every look. */
static void report(struct attachment *attachment, const char *event, const char *text)
{
	if (strcmp(attachment->last_error, text) == 0)
		return;
	snprintf(attachment->last_error, sizeof(attachment->last_error), "%s", text);
	if (may_log(attachment))
		log_event("attach: %s vm=%s reason=\"%s\"", event, attachment->name, text);
}

static void open_page(struct attachment *attachment)
{
	struct ioreq_error error = {.text = ""};
	struct ioreq_page page;
	int status = ioreq_shm_open(attachment->path, attachment->nr_vcpus, &attachment->shm, &error);

	if (status) {
		report(attachment, status == -ENOENT ? "waiting" : "refused", error.text);
		return;
	}
	page = ioreq_shm_page(attachment->shm);
	if (ioreq_vm_attach(attachment->vm, &page, &error)) {
		report(attachment, "refused", error.text);
		ioreq_shm_close(attachment->shm);
		attachment->shm = NULL;
		return;
	}
	attachment->last_error[0] = 0;
	if (may_log(attachment))
		log_event("attach: attached vm=%s page=%s vcpus=%u", attachment->name, attachment->path,
			  attachment->nr_vcpus);
	if (attachment->attached)
		attachment->attached(attachment->context, page.slots);
}

int attachment_end(struct attachment *attachment)
{
	struct ioreq_error error = {.text = ""};
	int status;

	if (!attachment->shm)
		return 0;
	status = ioreq_vm_detach(attachment->vm, &error);
	if (status) {
		report(attachment, "held", error.text);
		return status;
	}
	ioreq_shm_close(attachment->shm);
	attachment->shm = NULL;
	attachment->last_error[0] = 0;
	if (may_log(attachment))
		log_event("attach: detached vm=%s page=%s", attachment->name, attachment->path);
	return 0;
}

static void carry_out_clear(struct attachment *attachment, uint32_t request)
{
	struct ioreq_error error = {.text = ""};

	if (ioreq_vm_clear(attachment->vm, &error)) {
		report(attachment, "clear-held", error.text);
		return;
	}
	ioreq_shm_clear_acknowledge(attachment->shm, request);
	if (may_log(attachment))
		log_event("attach: cleared vm=%s request=%u", attachment->name, request);
}

void attachment_look(struct attachment *attachment)
{
	static const char *const reasons[] = {
		[IOREQ_SHM_GONE] = "gone", [IOREQ_SHM_REPLACED] = "replaced", [IOREQ_SHM_TRUNCATED] = "truncated"};
	enum ioreq_shm_state state;
	uint32_t request;

	if (!attachment->shm) {
		open_page(attachment);
		return;
	}
	state = ioreq_shm_watch(attachment->shm);
	if (state != IOREQ_SHM_SAME) {
		report(attachment, "lost", reasons[state]);
		attachment_end(attachment);
	} else if (ioreq_shm_clear_requested(attachment->shm, &request)) {
		carry_out_clear(attachment, request);
	}
}
