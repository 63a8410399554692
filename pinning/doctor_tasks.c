/* SPDX-License-Identifier: MIT */
/* The tasks of the machine. See doctor_tasks.h. */
#include "pinning/doctor_tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pinning/doctor_check.h"

/* Linux, include/linux/sched.h. */
#define PF_KTHREAD UINT64_C(0x00200000)
#define PF_NO_SETAFFINITY UINT64_C(0x04000000)

int doctor_task_parse(const char *text, struct doctor_task *task_out)
{
	struct doctor_task task = {.pid = task_out->pid};
	const char *name = strchr(text, '('), *end = strrchr(text, ')');
	uint64_t flags;
	/* The name may hold blanks and brackets: what follows it is counted from its last bracket. */
	if (!name || !end || end < name || sscanf(text, "%9d", &task.tid) != 1 || task.tid <= 0)
		return -EINVAL;
	snprintf(task.name, sizeof(task.name), "%.*s", (int)(end - name - 1), name + 1);
	/* Fields 3, 9 (flags), 12 (majflt), 22 (starttime) and 39 (processor) of proc(5). */
	if (sscanf(end + 1,
		   " %c %*d %*d %*d %*d %*d %" SCNu64 " %*u %*u %" SCNu64 " %*u %*u %*u %*d %*d %*d %*d %*d %*d"
		   " %" SCNu64 " %*u %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
		   &task.state, &flags, &task.major_faults, &task.started_ticks, &task.cpu) != 5)
		return -EINVAL;
	if (task.cpu < 0 || task.cpu >= DOCTOR_MAX_CPUS)
		return -EINVAL;
	task.kernel = flags & PF_KTHREAD;
	task.bound = task.kernel && (flags & PF_NO_SETAFFINITY);
	*task_out = task;
	return 0;
}

/* ---- walking ----------------------------------------------------------------------------------------------- */

struct walk {
	const struct doctor_root *root;
	void (*each)(void *context, const struct doctor_task *task);
	void *context;
	int pid;
	int except, self;
	bool seen_first; /* process 1: all are shown */
	unsigned nr_read;
	int rc;
};

static int visit_thread(void *context, const char *name, bool folder)
{
	struct walk *walk = context;
	char path[DOCTOR_PATH_BYTES], text[1024];
	struct doctor_task task = {.pid = walk->pid};
	int tid = doctor_root_id(name), length;

	(void)folder;
	if (tid < 0)
		return 0;
	length = doctor_root_read(walk->root, doctor_path(path, "/proc/%d/task/%d/stat", walk->pid, tid), text,
				  sizeof(text));
	/* It may have ended. */
	if (length == -ENOENT || length == -ESRCH)
		return 0;
	if (length >= 0)
		length = doctor_task_parse(text, &task);
	if (length < 0) {
		walk->rc = length;
		return 0;
	}
	walk->nr_read++;
	if (!strchr("ZXx", task.state))
		walk->each(walk->context, &task);
	return 0;
}

static int visit_process(void *context, const char *name, bool folder)
{
	struct walk *walk = context;
	char path[DOCTOR_PATH_BYTES];
	int pid = doctor_root_id(name), rc;

	(void)folder;
	if (pid <= 0)
		return 0;
	walk->seen_first |= pid == 1;
	if (pid == walk->except || pid == walk->self)
		return 0;
	walk->pid = pid;
	rc = doctor_root_entries(walk->root, doctor_path(path, "/proc/%d/task", pid), visit_thread, walk);
	if (rc && rc != -ENOENT && rc != -ESRCH)
		walk->rc = rc;
	return 0;
}

int doctor_process_tasks(const struct doctor_root *root, int pid,
			 void (*each)(void *context, const struct doctor_task *task), void *context)
{
	struct walk walk = {.root = root, .each = each, .context = context, .pid = pid};
	char path[DOCTOR_PATH_BYTES];
	int rc = doctor_root_entries(root, doctor_path(path, "/proc/%d/task", pid), visit_thread, &walk);

	if (rc == 0)
		rc = walk.rc;
	return rc == 0 && walk.nr_read == 0 ? -ESRCH : rc;
}

int doctor_all_tasks(const struct doctor_root *root, int except,
		     void (*each)(void *context, const struct doctor_task *task), void *context)
{
	struct walk walk = {.root = root, .each = each, .context = context, .except = except};
	int rc;

	/* A recorded tree knows nothing of us. */
	if (root->system)
		walk.self = (int)getpid();
	rc = doctor_root_entries(root, "/proc", visit_process, &walk);
	if (rc == 0)
		rc = walk.rc;
	return rc == 0 && !walk.seen_first ? -EACCES : rc;
}

/* ---- by name ----------------------------------------------------------------------------------------------- */

struct search {
	const struct doctor_root *root;
	const char *name;
	int pid;
};

static int compare_name(void *context, const char *name, bool folder)
{
	struct search *search = context;
	char path[DOCTOR_PATH_BYTES], text[1024];
	struct doctor_task task = {.pid = 0};
	int pid = doctor_root_id(name);

	(void)folder;
	if (pid <= 0 || (search->pid && pid > search->pid))
		return 0;
	if (doctor_root_read(search->root, doctor_path(path, "/proc/%d/comm", pid), text, sizeof(text)) < 0 ||
	    strcmp(text, search->name) != 0)
		return 0;
	/* Not one that has ended and waits for its parent. */
	if (doctor_root_read(search->root, doctor_path(path, "/proc/%d/stat", pid), text, sizeof(text)) >= 0 &&
	    doctor_task_parse(text, &task) == 0 && !strchr("ZXx", task.state))
		search->pid = pid;
	return 0;
}

int doctor_find_process(const struct doctor_root *root, const char *name)
{
	struct search search = {.root = root, .name = name};

	doctor_root_entries(root, "/proc", compare_name, &search);
	return search.pid;
}
