/* SPDX-License-Identifier: MIT */
/*
 * `ioreq-bench load`: a hypervisor in software. It owns a page file, posts what its vCPUs ask for, knows the answer to
 * every access and checks it, and measures every request.
 *
 *	load_options.c   the command line
 *	load_model.c     what is asked, and the right answers
 *	load_worker.c    the threads: post, wait, judge, measure
 *	load_report.c    the summary
 *
 * Threads   The main thread prepares, watches clock and signals, and reports; workers do the rest.
 * Memory    Everything is allocated before the run.
 */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <ioreq/shm.h>

#include "load_options.h"
#include "load_report.h"
#include "load_worker.h"
#include "stamp.h"

#define EXIT_NOT_STARTED 2
#define BASELINE_NS 100000000u
#define SECOND UINT64_C(1000000000)

static int fail(const char *sentence)
{
	fprintf(stderr, "ioreq-bench load: %s\n", sentence);
	return EXIT_NOT_STARTED;
}

static int fail_errno(const char *what, int rc)
{
	fprintf(stderr, "ioreq-bench load: %s: %s\n", what, strerror(-rc));
	return EXIT_NOT_STARTED;
}

/* ---- signals: a first one ends the run, a second one the process ------------------------------------------ */

static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/* Descriptor that is readable once one came; before any thread is started, so that none takes it. */
static int open_signals(void)
{
	sigset_t set;

	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool take_signal(int fd)
{
	struct signalfd_siginfo info;
	sigset_t set;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	stop_signals(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return true;
}

static bool interrupted_while_waiting(void *context)
{
	return take_signal(*(const int *)context);
}

/* ---- the run ----------------------------------------------------------------------------------------------- */

static void print_progress(const struct ioreq_load_run *run, uint64_t start_ns, struct ioreq_load_counts *last)
{
	struct ioreq_load_counts now = ioreq_load_worker_progress(run);

	fprintf(stderr, "\r%5.0f s  %" PRIu64 " requests  %" PRIu64 "/s  %" PRIu64 " wrong   ",
		(double)(ioreq_stamp_monotonic_ns() - start_ns) / 1e9, now.completed, now.completed - last->completed,
		now.wrong);
	*last = now;
}

/* Sleeps until `until_ns`, a signal or the end of a thread. */
static void sleep_until(struct pollfd fds[2], uint64_t until_ns)
{
	uint64_t now = ioreq_stamp_monotonic_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = {.tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND)};

	ppoll(fds, 2, &timeout, NULL);
}

/* Watches clock and signals until all threads are done. */
static void watch_run(struct ioreq_load_run *run, int signal_fd, struct ioreq_load_result *result)
{
	uint64_t start_ns = ioreq_stamp_monotonic_ns(), next_ns = start_ns + SECOND;
	uint64_t duration_ns = run->options->duration_ns;
	uint64_t end_ns = duration_ns ? start_ns + duration_ns : UINT64_MAX;
	struct pollfd fds[] = {{.fd = run->done_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
	struct ioreq_load_counts last = {0};
	bool progress = isatty(STDERR_FILENO);
	uint64_t nr_done = 0, nr;

	while (nr_done < run->nr_threads) {
		sleep_until(fds, next_ns < end_ns ? next_ns : end_ns);
		if ((fds[0].revents & POLLIN) && read(run->done_fd, &nr, sizeof(nr)) == sizeof(nr))
			nr_done += nr;
		if ((fds[1].revents & POLLIN) && take_signal(signal_fd)) {
			result->interrupted = true;
			ioreq_load_worker_stop(run);
		}
		if (ioreq_stamp_monotonic_ns() >= end_ns) {
			ioreq_load_worker_stop(run);
			end_ns = UINT64_MAX;
		}
		if (ioreq_stamp_monotonic_ns() >= next_ns) {
			next_ns += SECOND;
			if (progress)
				print_progress(run, start_ns, &last);
		}
	}
	if (progress)
		fputc('\n', stderr);
}

static void report_no_engine(const struct ioreq_load_options *options, int rc)
{
	if (rc == -EINTR)
		fprintf(stderr, "ioreq-bench load: interrupted before an engine answered on %s\n", options->page);
	else if (rc == -ETIMEDOUT)
		fprintf(stderr, "ioreq-bench load: no engine answered on %s within %.1f s\n", options->page,
			(double)options->wait_ns / 1e9);
	else
		fprintf(stderr, "ioreq-bench load: %s: %s\n", options->page, strerror(-rc));
}

/* From the first request to the last. Returns 0, or -errno if there was no run. */
static int drive(struct ioreq_load_run *run, int signal_fd, struct ioreq_load_result *result)
{
	uint64_t until_ns = ioreq_stamp_monotonic_ns() + run->options->wait_ns;
	int rc = ioreq_load_worker_wait_for_engine(run, until_ns, interrupted_while_waiting, &signal_fd);

	if (rc) {
		report_no_engine(run->options, rc);
		result->interrupted = rc == -EINTR;
		return rc;
	}
	rc = ioreq_load_worker_start(run);
	if (rc) {
		fail_errno("the threads cannot be started", rc);
		return rc;
	}
	watch_run(run, signal_fd, result);
	ioreq_load_worker_join(run);
	return 0;
}

static int write_json(const struct ioreq_load_options *options, const struct ioreq_load_result *result)
{
	bool to_stdout = strcmp(options->json, "-") == 0;
	FILE *file = to_stdout ? stdout : fopen(options->json, "we");
	bool failed;

	if (!file)
		return -errno;
	ioreq_load_report_json(options, result, file);
	failed = ferror(file) != 0;
	if (to_stdout ? fflush(file) : fclose(file))
		return -errno;
	return failed ? -EIO : 0;
}

/* The page is ours: drives it and reports. Returns the exit status. */
static int run_on_page(const struct ioreq_load_options *options, struct ioreq_shm *shm, enum ioreq_vcpu_how how,
		       int signal_fd)
{
	struct ioreq_load_result *result = calloc(1, sizeof(*result));
	struct ioreq_load_run run;
	int status, rc;

	if (!result)
		return fail("out of memory");
	rc = ioreq_load_worker_create(&run, options, ioreq_shm_file(shm), how, ioreq_stamp_hz(BASELINE_NS));
	if (rc) {
		free(result);
		return fail_errno("the vCPUs cannot be set up", rc);
	}
	rc = drive(&run, signal_fd, result);
	ioreq_load_report_collect(&run, result);
	status = ioreq_load_report_status(result);
	if (rc)
		status = rc == -ETIMEDOUT ? 3 : rc == -EINTR ? 128 + SIGINT : EXIT_NOT_STARTED;
	ioreq_load_report_print(options, result, stdout);
	if (fflush(stdout))
		status = fail_errno("standard output", -errno);
	rc = options->json ? write_json(options, result) : 0;
	if (rc)
		status = fail_errno(options->json, rc);
	ioreq_load_worker_destroy(&run);
	free(result);
	return status;
}

/* How many threads may spin: one core is the poller's, and this process may be confined to fewer. */
static unsigned count_spinners(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned beside = online > 1 ? (unsigned)online - 1 : 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && (unsigned)CPU_COUNT(&set) < beside)
		return (unsigned)CPU_COUNT(&set);
	return beside;
}

static int open_page(struct ioreq_load_options *options, unsigned nr_spinners, struct ioreq_shm **shm_out,
		     struct ioreq_error *error)
{
	int rc;

	if (options->join) {
		rc = ioreq_shm_join(options->page, 0, shm_out, error);
		if (rc)
			return rc;
		rc = ioreq_load_options_settle(options, ioreq_shm_file(*shm_out)->control.nr_vcpus, nr_spinners, error);
		if (rc)
			ioreq_shm_close(*shm_out);
		return rc;
	}
	ioreq_load_options_settle(options, 0, nr_spinners, error);
	return ioreq_shm_create(options->page, (unsigned)options->page_vcpus, shm_out, error);
}

int ioreq_load_run(int argc, char **argv)
{
	struct ioreq_load_options options;
	struct ioreq_error error;
	struct ioreq_shm *shm;
	unsigned nr_spinners = count_spinners();
	int status, signal_fd;

	if (ioreq_load_options_parse(argc, argv, &options, &error)) {
		fprintf(stderr, "ioreq-bench load: %s; see ioreq-bench load --help\n", error.text);
		return EXIT_NOT_STARTED;
	}
	if (options.help) {
		ioreq_load_options_help(stdout);
		return 0;
	}
	signal_fd = open_signals();
	if (signal_fd < 0 || ioreq_shm_guard())
		return fail("signals cannot be received");
	if (open_page(&options, nr_spinners, &shm, &error))
		return fail(error.text);
	/* Spinning on the poller's own core would take from it what is to be measured. */
	status = run_on_page(&options, shm, options.nr_threads > nr_spinners ? IOREQ_VCPU_YIELD : IOREQ_VCPU_SPIN,
			     signal_fd);
	if (!options.join && !options.keep)
		ioreq_shm_unlink(shm);
	ioreq_shm_close(shm);
	close(signal_fd);
	return status;
}
