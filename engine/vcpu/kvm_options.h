/* SPDX-License-Identifier: MIT */
/*
 * The command line of ioreq-kvm.
 *
 * Threads   Before any other thread exists.
 * Memory    Strings point into argv.
 */
#ifndef IOREQ_KVM_OPTIONS_H
#define IOREQ_KVM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/error.h>

#define IOREQ_KVM_OUTPUT_BYTES 128u /* of --until-output */

/* What a vCPU asks of the engine for each request. */
enum ioreq_kvm_completion {
	IOREQ_KVM_POLLING, /* completion_polling = 1: the vCPU looks at the slot */
	IOREQ_KVM_NOTIFY,  /* completion_polling = 0: the vCPU sleeps until it is notified */
	IOREQ_KVM_MIXED,   /* one and the other in turn */
};

struct ioreq_kvm_options {
	const char *page;
	const char *firmware;
	const char *until_output; /* NULL: none */
	uint64_t memory_bytes;
	uint64_t until_idle_ns; /* 0: never */
	uint64_t timeout_ns;    /* 0: never */
	enum ioreq_kvm_completion completion;
	unsigned nr_vcpus;
	bool check;
	bool yield;
	bool help;
	bool version;
};

/* Returns 0; -EINVAL with a sentence that names the value found and what is allowed. */
int ioreq_kvm_options_parse(int argc, char **argv, struct ioreq_kvm_options *options_out, struct ioreq_error *error);

/* The text of --help. */
const char *ioreq_kvm_options_usage(void);

#endif
