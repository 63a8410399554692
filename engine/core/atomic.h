/* SPDX-License-Identifier: MIT */
/*
 * The only file with raw atomics: named wrappers over the compiler's builtins, on plain fixed-width integers.
 *
 * Every ordered access carries a tag at its call (`PG3 release: ...`) that names its partner and what breaks without
 * it; engine/ARCHITECTURE.md lists all tags and tests/unit/test_tags.sh holds the two together. A relaxed access
 * needs no tag: it orders nothing, it only keeps a word whole.
 */
#ifndef IOREQ_CORE_ATOMIC_H
#define IOREQ_CORE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/* Eight bytes of a slot that the ABI declares as two fields. */
typedef uint64_t __attribute__((may_alias)) ioreq_word_t;

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define add_release(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELEASE)
#define sub_release(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELEASE)
#define or_release(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELEASE)
#define and_release(p, v) __atomic_fetch_and((p), (v), __ATOMIC_RELEASE)
#define and_acquire(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQUIRE)
/* Sequentially consistent: also a full fence on the machines we know. */
#define exchange_full(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define add_full(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define load_full(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_full(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
/* expected is an lvalue; it receives what was found if the swap fails (relaxed then). */
#define cas_relaxed(p, expected, v) \
	__atomic_compare_exchange_n((p), &(expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define cas_acq_rel(p, expected, v) \
	__atomic_compare_exchange_n((p), &(expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)

/* Adds to a counter that only this thread writes: readers see whole values, no locked instruction is paid. */
#define count_one(p) store_relaxed((p), load_relaxed(p) + 1)

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
#error "ioreqd runs on x86-64, as the hypervisors that it serves do"
#endif
}

/* Ticks of the invariant time-stamp counter. Not ordered: it may overlap the cache misses around it. */
static inline uint64_t tsc_now(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
