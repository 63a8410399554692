/* SPDX-License-Identifier: MIT */
/* A VM's doorbells: eventfds with names. */
#ifndef IOREQ_CORE_DOORBELL_H
#define IOREQ_CORE_DOORBELL_H

#include <stddef.h>

#include "core/route.h"
#include "core/vm.h"

struct ioreq_named_bell {
	struct ioreq_bell bell;
	char name[IOREQ_NAME_BYTES];
};

/* A copy of the VM's doorbells for a table, to be freed; NULL without memory. */
struct ioreq_bell *ioreq_doorbell_list(struct ioreq_vm *vm, size_t *nr_out);

/* Closes them all. The VM is not polled. */
void ioreq_doorbell_free_all(struct ioreq_vm *vm);

#endif
