/* SPDX-License-Identifier: MIT */
/* See count_sweep.c. */
#ifndef IOREQ_TEST_COUNT_SWEEP_H
#define IOREQ_TEST_COUNT_SWEEP_H

struct ioreq_vm;

/* ioreq_poller_sweep(), visible. */
__attribute__((visibility("default"))) unsigned count_sweep(struct ioreq_vm *vm);

#endif
