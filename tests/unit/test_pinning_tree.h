/* SPDX-License-Identifier: MIT */
/*
 * A made-up /proc and /sys in a temporary folder, for the checks that read under a root.
 *
 * Threads   One. Memory: one static tree at a time.
 */
#ifndef IOREQ_TEST_PINNING_TREE_H
#define IOREQ_TEST_PINNING_TREE_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char tree[64];

static int tree_make(void **unused)
{
	(void)unused;
	strcpy(tree, "/tmp/ioreq-tree-XXXXXX");
	return mkdtemp(tree) ? 0 : -1;
}

static int tree_drop(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static int tree_remove(void **unused)
{
	(void)unused;
	return nftw(tree, tree_drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file and the folders above it. */
static inline void tree_write(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", tree, path);
	for (char *slash = strchr(full + strlen(tree) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(full, 0755) && errno != EEXIST)
			fail_msg("%s: %s", full, strerror(errno));
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#endif
