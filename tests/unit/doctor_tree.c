/* SPDX-License-Identifier: MIT */
/* A machine for the doctor's tests. See doctor_tree.h. */
#include "doctor_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

const char doctor_tree_missing[] = "missing";
const char doctor_tree_unreadable[] = "unreadable";

enum { MAX_CHANGES = 16 };

static char folder[] = "/tmp/doctor_tree.XXXXXX";
static struct {
	char path[512], kept[64];
	bool was_there;
} changes[MAX_CHANGES];
static unsigned nr_changes;
static struct doctor_root root = {.fd = -1};
static struct doctor doctor;

static bool run(const char *format, const char *first, const char *second)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), format, first, second);
	status = system(command);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool doctor_tree_make(const char *name)
{
	const char *recorded = strstr(name, ".recorded");

	if (!run("python3 -c pass 2>/dev/null", "", ""))
		return false;
	memcpy(&folder[sizeof(folder) - 7], "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	assert_true(run(recorded ? "python3 " DOCTOR_TREES "/trees.py unpack " DOCTOR_TREES "/%s %s"
				 : "python3 " DOCTOR_TREES "/trees.py generate %s %s",
			name, folder));
	assert_int_equal(doctor_root_open(folder, &root), 0);
	return true;
}

void doctor_tree_remove(void)
{
	doctor_root_close(&root);
	assert_true(run("rm -r %s%s", folder, ""));
}

/* mkdir -p for all that is above the file. */
static void make_folders(char *path)
{
	for (char *at = path + sizeof(folder); (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*at = '/';
	}
}

void doctor_tree_put(const char *path, const char *content)
{
	char *full = changes[nr_changes].path, *kept = changes[nr_changes].kept;
	int fd;

	assert_true(nr_changes < MAX_CHANGES);
	snprintf(full, sizeof(changes->path), "%s/%s", folder, path);
	/* Beside the tree's folders: a folder that is listed shall not have it. */
	snprintf(kept, sizeof(changes->kept), "%s/kept.%u", folder, nr_changes);
	make_folders(full);
	changes[nr_changes++].was_there = rename(full, kept) == 0;
	if (content == doctor_tree_missing)
		return;
	if (content == doctor_tree_unreadable) {
		assert_int_equal(symlink(strrchr(full, '/') + 1, full), 0);
		return;
	}
	fd = open(full, O_CREAT | O_EXCL | O_WRONLY, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

void doctor_tree_restore(void)
{
	while (nr_changes) {
		nr_changes--;
		unlink(changes[nr_changes].path);
		if (changes[nr_changes].was_there)
			assert_int_equal(rename(changes[nr_changes].kept, changes[nr_changes].path), 0);
	}
}

struct doctor_root *doctor_tree_root(void)
{
	return &root;
}

struct doctor *doctor_tree_doctor(const char *cores)
{
	struct doctor_plan plan = {.survey = !cores};
	const char *path;

	if (cores)
		assert_int_equal(doctor_cpus_parse_list(cores, -1, &plan.poll), 0);
	assert_int_equal(doctor_start(&root, &plan, &doctor, &path), 0);
	return &doctor;
}

const struct doctor_answer *doctor_tree_examine(const char *id, const char *cores)
{
	static struct doctor_answer answer;

	doctor_tree_doctor(cores);
	for (unsigned i = 0; i < doctor_nr_checks; i++) {
		if (strcmp(doctor_checks[i].id, id) == 0) {
			doctor_examine(&doctor, &doctor_checks[i], &answer);
			return &answer;
		}
	}
	fail_msg("no check has the id %s", id);
	return NULL;
}
