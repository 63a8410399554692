/* SPDX-License-Identifier: MIT */
/*
 * Threads: see threads.h.
 *
 * Threads   As threads.h says; the trial threads live within threads_try(). Memory: the caller's.
 */
#include "pinning/threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pinning/cores.h"
#include "pinning/refuse.h"
#include "pinning/sysfile.h"

/* EAL's own beside one per poller: the interrupt thread, and one to spare. */
#define EAL_CONTROL_THREADS 2u
/* A process that starts threads faster than they are moved is not ours. */
#define CONFINE_PASSES 16u

struct task {
	pid_t tid;
	char name[32];
	cpu_set_t cpus;
	int policy;
	int priority;
};

/* ---- small services ---------------------------------------------------------------------------------------- */

int threads_shrink_stack(pthread_attr_t *before_out)
{
	pthread_attr_t small;
	int status = pthread_getattr_default_np(before_out);

	if (status)
		return -status;
	pthread_attr_init(&small);
	status = pthread_attr_setstacksize(&small, THREADS_STACK_BYTES);
	if (!status)
		status = pthread_setattr_default_np(&small);
	pthread_attr_destroy(&small);
	return -status;
}

void threads_restore_stack(const pthread_attr_t *before)
{
	pthread_setattr_default_np(before);
}

void threads_block_signals(sigset_t *before_out)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &all, before_out);
}

int threads_take_priority(int priority)
{
	const struct sched_param parameter = {.sched_priority = priority};
	int policy = priority ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER | SCHED_RESET_ON_FORK;

	return sched_setscheduler(0, policy, &parameter) ? -errno : 0;
}

int threads_start(const cpu_set_t *housekeeping, const cpu_set_t *pollers, const char *name, int core,
		  void *(*run)(void *), void *argument, pthread_t *thread_out)
{
	cpu_set_t cpus = *housekeeping;
	pthread_attr_t attributes;
	char short_name[16]; /* the kernel's limit */
	sigset_t before;
	int status;

	if (core >= CPU_SETSIZE || (core >= 0 && CPU_ISSET((size_t)core, pollers)))
		return -EINVAL;
	if (core >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET((size_t)core, &cpus);
	}
	pthread_attr_init(&attributes);
	status = pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	threads_block_signals(&before);
	if (!status)
		status = pthread_create(thread_out, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (!status) {
		snprintf(short_name, sizeof(short_name), "%s", name);
		pthread_setname_np(*thread_out, short_name);
	}
	return -status;
}

/* ---- the trial --------------------------------------------------------------------------------------------- */

struct trial {
	const struct pinning_poller *poller; /* NULL: for a control thread, which only has to exist */
	pthread_mutex_t *gate;
	pthread_t thread;
	int priority_status;
	int affinity_status;
};

static void *try_poller(void *argument)
{
	struct trial *trial = argument;
	cpu_set_t cpus;

	if (trial->poller) {
		/* Ordinary again before the move: behind another FIFO spinner a FIFO thread would never come back. */
		trial->priority_status = trial->poller->priority ? threads_take_priority(trial->poller->priority) : 0;
		if (!trial->priority_status && trial->poller->priority)
			threads_take_priority(0);
		CPU_ZERO(&cpus);
		CPU_SET((size_t)trial->poller->core, &cpus);
		trial->affinity_status = sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
	}
	/* All live at the same time, as they will. */
	pthread_mutex_lock(trial->gate);
	pthread_mutex_unlock(trial->gate);
	return NULL;
}

static enum pinning_status judge_trial(const struct trial *trial, struct ioreq_error *error)
{
	char group[SYSFILE_PATH_BYTES];

	if (!trial->poller)
		return PINNING_OK;
	if (trial->affinity_status)
		return pinning_refuse(
			error, PINNING_OUTSIDE,
			"poller %s: core %d is refused by the kernel: %s; is it online and in the cpuset of "
			"this process?",
			trial->poller->name, trial->poller->core, strerror(-trial->affinity_status));
	if (!trial->priority_status)
		return PINNING_OK;
	if (sysfile_cgroup("", "cpu", group, sizeof(group)))
		strcpy(group, "sys/fs/cgroup/cpu");
	return pinning_refuse(
		error, PINNING_PRIORITY,
		"poller %s: SCHED_FIFO %d is refused by the kernel: %s; allow RestrictRealtime=no, and more "
		"than 0 in /%.80s/cpu.rt_runtime_us if there is one",
		trial->poller->name, trial->poller->priority, strerror(-trial->priority_status), group);
}

enum pinning_status threads_try(const struct pinning_config *config, struct ioreq_error *error)
{
	struct trial trials[PINNING_MAX_POLLERS + EAL_CONTROL_THREADS] = {{NULL}};
	unsigned nr = config->nr_pollers + EAL_CONTROL_THREADS, started = 0;
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	enum pinning_status status = PINNING_OK;
	sigset_t before;
	int failed = 0;

	threads_block_signals(&before);
	pthread_mutex_lock(&gate);
	for (; started < nr; started++) {
		trials[started].poller = started < config->nr_pollers ? &config->pollers[started] : NULL;
		trials[started].gate = &gate;
		failed = pthread_create(&trials[started].thread, NULL, try_poller, &trials[started]);
		if (failed)
			break;
	}
	pthread_mutex_unlock(&gate);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (unsigned i = 0; i < started; i++)
		pthread_join(trials[i].thread, NULL);
	if (failed)
		return pinning_refuse(
			error, PINNING_LIMIT,
			"%u threads are needed and %u could be started: %s; raise LimitNPROC= (ulimit -u), "
			"TasksMax= or the memory of this process",
			nr, started, strerror(failed));
	for (unsigned i = 0; !status && i < nr; i++)
		status = judge_trial(&trials[i], error);
	return status;
}

/* ---- /proc/self/task --------------------------------------------------------------------------------------- */

/* Fields 40 and 41 of stat, counted after the name, which may hold anything: field 3 follows the last ')'. */
static int read_policy(const char *root, pid_t tid, struct task *task)
{
	char path[64], text[1024], *at, *rest;
	int status;

	snprintf(path, sizeof(path), "proc/self/task/%d/stat", (int)tid);
	status = sysfile_read(root, path, text, sizeof(text));
	if (status)
		return status;
	at = strrchr(text, ')');
	if (!at)
		return -EINVAL;
	at = strtok_r(at + 1, " ", &rest);
	for (unsigned field = 3; at && field < 40; field++)
		at = strtok_r(NULL, " ", &rest);
	if (!at)
		return -EINVAL;
	task->priority = (int)strtol(at, NULL, 10);
	at = strtok_r(NULL, " ", &rest);
	if (!at)
		return -EINVAL;
	task->policy = (int)strtol(at, NULL, 10);
	return 0;
}

static int read_task(const char *root, pid_t tid, struct task *task)
{
	char path[64], text[SYSFILE_STATUS_BYTES], list[4096];
	int status;

	task->tid = tid;
	snprintf(path, sizeof(path), "proc/self/task/%d/status", (int)tid);
	status = sysfile_read(root, path, text, sizeof(text));
	if (!status)
		status = sysfile_field(text, "Name", task->name, sizeof(task->name));
	if (!status)
		status = sysfile_field(text, "Cpus_allowed_list", list, sizeof(list));
	if (!status)
		status = cores_parse(list, &task->cpus);
	return status ? status : read_policy(root, tid, task);
}

/* Calls `look` for every thread of the process until one answers otherwise than PINNING_OK. */
static enum pinning_status for_each_task(const char *root,
					 enum pinning_status (*look)(const struct task *task, void *context),
					 void *context, struct ioreq_error *error)
{
	enum pinning_status status = PINNING_OK;
	char path[SYSFILE_PATH_BYTES + 32];
	const struct dirent *entry;
	DIR *entries;

	snprintf(path, sizeof(path), "%s/proc/self/task", root);
	entries = opendir(path);
	if (!entries)
		return pinning_refuse(error, PINNING_UNREADABLE, "%s: %s: where the threads run cannot be proved", path,
				      strerror(errno));
	while (!status && (entry = readdir(entries))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct task task;
		int failed;

		if (tid <= 0)
			continue;
		failed = read_task(root, tid, &task);
		/* Ended since the folder was read. */
		if (failed == -ENOENT || failed == -ESRCH)
			continue;
		status = failed ? pinning_refuse(error, PINNING_UNREADABLE,
						 "%s/%d: %s: where this thread runs cannot be proved", path, (int)tid,
						 strerror(-failed))
				: look(&task, context);
	}
	closedir(entries);
	return status;
}

static const struct worker *find_worker(const struct worker *workers, unsigned nr_workers, pid_t tid)
{
	for (unsigned i = 0; i < nr_workers; i++)
		if (workers[i].tid == tid)
			return &workers[i];
	return NULL;
}

/* ---- moving and verifying ---------------------------------------------------------------------------------- */

struct survey {
	const struct worker *workers;
	unsigned nr_workers;
	unsigned nr_found; /* of the workers */
	cpu_set_t housekeeping;
	unsigned nr_moved;
	struct ioreq_error *error;
};

static enum pinning_status move_task(const struct task *task, void *context)
{
	struct survey *survey = context;
	cpu_set_t inside;

	CPU_AND(&inside, &task->cpus, &survey->housekeeping);
	if (CPU_EQUAL(&inside, &task->cpus) || find_worker(survey->workers, survey->nr_workers, task->tid))
		return PINNING_OK;
	survey->nr_moved++;
	if (sched_setaffinity(task->tid, sizeof(survey->housekeeping), &survey->housekeeping) && errno != ESRCH)
		return pinning_refuse(survey->error, PINNING_DISTURBED,
				      "thread %d (%s) cannot be moved to the housekeeping cores: %s; are they in the "
				      "cpuset of this process?",
				      (int)task->tid, task->name, strerror(errno));
	return PINNING_OK;
}

enum pinning_status threads_confine(const cpu_set_t *housekeeping, const struct worker *workers, unsigned nr_workers,
				    struct ioreq_error *error)
{
	struct survey survey = {
		.workers = workers, .nr_workers = nr_workers, .housekeeping = *housekeeping, .error = error};
	enum pinning_status status = PINNING_OK;
	unsigned pass = 0;

	/* A thread that was not moved yet may have started another: until a pass finds nothing. */
	do {
		survey.nr_moved = 0;
		status = for_each_task("", move_task, &survey, error);
	} while (!status && survey.nr_moved && ++pass < CONFINE_PASSES);
	return status;
}

static enum pinning_status verify_worker(const struct task *task, const struct worker *worker,
					 struct ioreq_error *error)
{
	char list[CORES_TEXT_BYTES];

	cores_format(&task->cpus, list, sizeof(list));
	if (CPU_COUNT(&task->cpus) != 1 || !CPU_ISSET((size_t)worker->core, &task->cpus))
		return pinning_refuse(
			error, PINNING_DISTURBED,
			"poller thread %d (%s) may run on CPUs %s instead of %d only: somebody changed its "
			"affinity or the cpuset; restart",
			(int)task->tid, task->name, list, worker->core);
	if (worker->priority && (task->policy != SCHED_FIFO || task->priority != worker->priority))
		return pinning_refuse(
			error, PINNING_DISTURBED,
			"poller thread %d (%s) has policy %d priority %d instead of SCHED_FIFO %d: somebody "
			"changed it; restart",
			(int)task->tid, task->name, task->policy, task->priority, worker->priority);
	return PINNING_OK;
}

static enum pinning_status verify_task(const struct task *task, void *context)
{
	struct survey *survey = context;
	const struct worker *worker = find_worker(survey->workers, survey->nr_workers, task->tid);
	char list[CORES_TEXT_BYTES];

	if (worker) {
		survey->nr_found++;
		return verify_worker(task, worker, survey->error);
	}
	for (unsigned i = 0; i < survey->nr_workers; i++) {
		if (!CPU_ISSET((size_t)survey->workers[i].core, &task->cpus))
			continue;
		cores_format(&task->cpus, list, sizeof(list));
		return pinning_refuse(survey->error, PINNING_DISTURBED,
				      "thread %d (%s) may run on poll core %d, its CPUs are %s: start it through the "
				      "host's start_thread, or pin it elsewhere",
				      (int)task->tid, task->name, survey->workers[i].core, list);
	}
	return PINNING_OK;
}

enum pinning_status threads_verify(const char *root, const struct worker *workers, unsigned nr_workers,
				   struct ioreq_error *error)
{
	struct survey survey = {.workers = workers, .nr_workers = nr_workers, .error = error};
	enum pinning_status status = for_each_task(root, verify_task, &survey, error);

	if (!status && survey.nr_found != nr_workers)
		status = pinning_refuse(error, PINNING_DISTURBED, "%u of %u poller threads are gone: restart",
					nr_workers - survey.nr_found, nr_workers);
	return status;
}
