/* SPDX-License-Identifier: MIT */
/*
 * Looks after pages and pollers, a hundred times a second.
 *
 * Threads   The process's main thread. Memory: the caller's.
 */
#include "service/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "service/log.h"

#define LOOK_MS 10
/* Looks without a sweep before a poller is called stuck: a second, well above the host's longest stop. */
#define LOOKS_WITHOUT_SWEEP 100u

struct pulse {
	uint64_t sweeps;
	unsigned looks;
	bool stuck;
};

static void watch_poller(const struct ioreq_poller *poller, struct pulse *pulse)
{
	uint64_t sweeps = ioreq_poller_sweeps(poller);

	if (sweeps != pulse->sweeps) {
		if (pulse->stuck)
			log_event("poller: moving sweeps=%" PRIu64, sweeps);
		*pulse = (struct pulse){.sweeps = sweeps};
	} else if (++pulse->looks == LOOKS_WITHOUT_SWEEP) {
		pulse->stuck = true;
		log_event("poller: stuck sweeps=%" PRIu64 " for_ms=%u", sweeps, LOOKS_WITHOUT_SWEEP * LOOK_MS);
	}
}

/* The signal that ends the loop, 0: none yet. */
static int wait_for_signal(int signals)
{
	struct pollfd ready = {.fd = signals, .events = POLLIN};
	struct signalfd_siginfo info;

	if (poll(&ready, 1, LOOK_MS) < 0)
		return errno == EINTR ? 0 : -errno;
	if (!(ready.revents & POLLIN) || read(signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

int supervisor_run(struct supervisor *supervisor)
{
	struct pulse pulse = {0};
	int number = 0;

	while (number == 0) {
		for (unsigned i = 0; i < supervisor->nr_attachments; i++)
			attachment_look(&supervisor->attachments[i]);
		watch_poller(supervisor->poller, &pulse);
		number = wait_for_signal(supervisor->signals);
	}
	return number;
}
