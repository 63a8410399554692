/* SPDX-License-Identifier: MIT */
/*
 * The one symbol that the library of count_instructions has more than the installed one: a sweep, from outside.
 *
 * Threads   Whoever holds the poller's place. Memory: the VM's.
 */
#include "unit/count_sweep.h"

#include "core/poller.h"

unsigned count_sweep(struct ioreq_vm *vm)
{
	return ioreq_poller_sweep(vm);
}
