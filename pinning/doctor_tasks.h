/* SPDX-License-Identifier: MIT */
/*
 * The tasks of the machine as /proc/PID/task/TID/stat tells them.
 *
 * Threads   As doctor.h.
 * Memory    Nothing is kept.
 */
#ifndef PINNING_DOCTOR_TASKS_H
#define PINNING_DOCTOR_TASKS_H

#include "pinning/doctor_root.h"

struct doctor_task {
	int pid;
	int tid;
	char name[32];
	char state;
	bool kernel;
	bool bound; /* a kernel thread that belongs to its CPU: cannot be moved, and only runs on its behalf */
	uint64_t major_faults;
	uint64_t started_ticks;
	int cpu; /* where it ran last */
};

/* Returns 0, or -EINVAL if this is no line of a stat file. pid and tid are left alone but for tid. */
int doctor_task_parse(const char *text, struct doctor_task *task_out);

/* Threads of one process. Threads that end meanwhile are left out. -errno: the process cannot be looked into. */
int doctor_process_tasks(const struct doctor_root *root, int pid,
			 void (*each)(void *context, const struct doctor_task *), void *context);

/*
 * All threads of the machine but those of `except` (0: nobody) and of the caller. -errno: /proc cannot be read;
 * -EACCES: not all processes are shown (hidepid).
 */
int doctor_all_tasks(const struct doctor_root *root, int except,
		     void (*each)(void *context, const struct doctor_task *), void *context);

/* The smallest pid whose comm is `name`, or 0. */
int doctor_find_process(const struct doctor_root *root, const char *name);

#endif
