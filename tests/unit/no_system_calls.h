/* SPDX-License-Identifier: MIT */
/*
 * Runs a function on a thread that may make no system call: seccomp traps every one but those that end a thread.
 *
 * Under a sanitizer, whose runtime makes system calls of its own, the function just runs.
 *
 * Threads   One caller at a time. Memory: static.
 */
#ifndef IOREQ_TEST_NO_SYSTEM_CALLS_H
#define IOREQ_TEST_NO_SYSTEM_CALLS_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

static struct {
	void (*run)(void *context);
	void *context;
	int trapped; /* the number of the last system call made, -1: none */
	int result;
} no_system_calls;

static inline void note_system_call(int signal, siginfo_t *information, void *context)
{
	(void)signal;
	(void)context;
	no_system_calls.trapped = information->si_syscall;
}

static inline void *run_trapped(void *unused)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	static struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};

	no_system_calls.result = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (no_system_calls.result == 0)
		no_system_calls.result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
#endif
	no_system_calls.run(no_system_calls.context);
	return unused;
}

static inline void run_without_system_calls(void (*run)(void *context), void *context)
{
	struct sigaction trap = {.sa_sigaction = note_system_call, .sa_flags = SA_SIGINFO}, before;
	pthread_t thread;

	no_system_calls.run = run;
	no_system_calls.context = context;
	no_system_calls.trapped = -1;
	sigemptyset(&trap.sa_mask);
	assert_int_equal(sigaction(SIGSYS, &trap, &before), 0);
	assert_int_equal(pthread_create(&thread, NULL, run_trapped, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	sigaction(SIGSYS, &before, NULL);
	assert_int_equal(no_system_calls.result, 0);
	assert_int_equal(no_system_calls.trapped, -1);
}

#endif
