/* SPDX-License-Identifier: MIT */
/*
 * DPDK's EAL behind plain C: the only place that includes its headers or knows its words.
 *
 * Threads   pinning_eal_allocate(), pinning_eal_release(): any but a poller. The rest: EAL's main lcore, the thread that
 *           called pinning_eal_start().
 * Memory    EAL's. It starts once per process, and never again after its end.
 */
#ifndef IOREQ_PINNING_EAL_H
#define IOREQ_PINNING_EAL_H

#include "pinning/memory.h"
#include "pinning/pinning.h"

/*
 * Everything that EAL would answer with usage text or abort() has been checked by the caller: cores, threads,
 * descriptors, memory. What is left comes back as PINNING_EAL with EAL's own first message; an abort() ends the process
 * with that status and one sentence on standard error. `main_core` is a housekeeping core, which the caller is on.
 */
enum pinning_status pinning_eal_start(const struct pinning_config *config, int main_core, const struct memory *memory,
				      struct ioreq_error *error);

/* Was it tried already in this process? Then there is no second time. */
bool pinning_eal_used(void);

/* Runs `run` on the core of configuration entry `index` and returns at once. 0; -EBUSY: the last one still runs. */
int pinning_eal_launch(unsigned index, int (*run)(void *), void *argument);

/* Waits for it, spinning: only when it is known to end at once. */
void pinning_eal_wait(unsigned index);

/* `memory`, page-aligned and the caller's, becomes a heap. 0 or -errno. */
int pinning_eal_add_heap(const char *name, void *memory, size_t bytes, int *heap_out);

/* 64-byte aligned, from one heap; not zeroed. NULL: nothing left there. */
void *pinning_eal_allocate(size_t bytes, int heap);
void pinning_eal_release(void *block);

/* All lcores are idle, nobody uses a heap. */
void pinning_eal_end(void);

#endif
