/* SPDX-License-Identifier: MIT */
/*
 * A machine for the doctor's tests: a generated tree in /tmp in which single files are changed and put back.
 *
 * Threads   One. Memory: the tree is removed by doctor_tree_remove(); the doctor is made anew by each look.
 */
#ifndef TESTS_UNIT_DOCTOR_TREE_H
#define TESTS_UNIT_DOCTOR_TREE_H

#include "pinning/doctor.h"

/* Contents with a meaning of their own. */
extern const char doctor_tree_missing[];    /* the file is not there */
extern const char doctor_tree_unreadable[]; /* a link to itself: it cannot be opened, by root neither */

/* Makes a tree of that name (tests/doctor/trees.py list), or of a recorded one (NAME.recorded). False: no python3. */
bool doctor_tree_make(const char *name);
void doctor_tree_remove(void);

/* Changes one file until doctor_tree_restore(). */
void doctor_tree_put(const char *path, const char *content);
void doctor_tree_restore(void);

/* Looks at the tree with these poll cores (NULL: survey). */
struct doctor *doctor_tree_doctor(const char *cores);
struct doctor_root *doctor_tree_root(void);

/* Runs one check with these poll cores. */
const struct doctor_answer *doctor_tree_examine(const char *id, const char *cores);

#endif
