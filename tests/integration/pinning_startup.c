/* SPDX-License-Identifier: MIT */
/*
 * How long ioreqd takes from exec to "ready", and what it keeps resident beside its hugepages.
 *
 *	pinning_startup MAX_MS MAX_MIB STARTS PROGRAM [ARGUMENT...]
 *
 * The machine's other work can only make a start slower: the quickest of STARTS is judged, all are printed.
 *
 * Threads   One. Memory: the stack's.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct start {
	double ms;
	double resident_mib;
	double hugepages_mib;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double status_mib(pid_t pid, const char *name)
{
	char path[64], line[256];
	double mib = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "r");
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, name, strlen(name)) == 0)
			mib = strtod(line + strlen(name), NULL) / 1024;
	if (status)
		fclose(status);
	return mib;
}

/* Reads the daemon's log up to its line "ready". */
static bool wait_until_ready(int log)
{
	FILE *lines = fdopen(log, "r");
	bool ready = false;
	char line[1024];

	while (lines && !ready && fgets(line, sizeof(line), lines)) {
		ready = strncmp(line, "ioreqd: ready", 13) == 0;
		/* Why it does not start. */
		if (!ready && strncmp(line, "ioreqd: ", 8) == 0)
			fputs(line, stdout);
	}
	if (lines)
		fclose(lines);
	return ready;
}

static bool measure(char **command, struct start *start)
{
	double before = now_ms();
	int log[2], status;
	bool ready;
	pid_t pid;

	if (pipe(log) || (pid = fork()) < 0)
		return false;
	if (pid == 0) {
		dup2(log[1], STDERR_FILENO);
		close(log[0]);
		execv(command[0], command);
		_exit(127);
	}
	close(log[1]);
	ready = wait_until_ready(log[0]);
	start->ms = now_ms() - before;
	start->resident_mib = status_mib(pid, "VmRSS:");
	start->hugepages_mib = status_mib(pid, "HugetlbPages:");
	kill(pid, SIGTERM);
	return waitpid(pid, &status, 0) == pid && ready && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	double max_ms, max_mib, quickest = 1e9, most_mib = 0;
	int starts;

	if (argc < 5)
		return 2;
	max_ms = strtod(argv[1], NULL);
	max_mib = strtod(argv[2], NULL);
	starts = (int)strtol(argv[3], NULL, 10);
	for (int i = 0; i < starts; i++) {
		struct start start = {0};

		if (!measure(argv + 4, &start)) {
			printf("start %d failed\n", i + 1);
			return EXIT_FAILURE;
		}
		printf("start %d of %d: ready after %.0f ms, %.1f MiB resident beside %.0f MiB of hugepages\n", i + 1,
		       starts, start.ms, start.resident_mib, start.hugepages_mib);
		quickest = start.ms < quickest ? start.ms : quickest;
		most_mib = start.resident_mib > most_mib ? start.resident_mib : most_mib;
	}
	printf("quickest %.0f ms (allowed: %.0f), resident at most %.1f MiB (allowed: %.0f)\n", quickest, max_ms,
	       most_mib, max_mib);
	return quickest <= max_ms && most_mib > 0 && most_mib <= max_mib ? EXIT_SUCCESS : EXIT_FAILURE;
}
