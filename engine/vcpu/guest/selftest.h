/* SPDX-License-Identifier: MIT */
/*
 * What a self-test case is made of.
 *
 * A case is a list of steps (data: most cases), a function (interrupts, string I/O, several vCPUs), or both, steps
 * first.
 * Steps reach the world in two ways: a register bank by offset, so that one list serves the bank on every path to it,
 * or a port or address as it is.
 *
 * Threads   vCPU 0, but for the jobs of cases_parallel.c.
 */
#ifndef IOREQ_GUEST_SELFTEST_H
#define IOREQ_GUEST_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offsets in a bank of the `registers` device. */
enum bank_offset {
	ID = 0x00,
	READS = 0x04,
	STATUS = 0x08,
	SET = 0x0c,
	WRITES = 0x10,
	LINE = 0x14,
	BELLS = 0x18,
	MSI_ADDRESS = 0x1c,
	MSI_DATA = 0x20,
	UNLISTED = 0x24,
	STORAGE = 0x40,
};
#define BANK_ID 0x31475242 /* "BRG1" */
#define LINE_HIGH 0x80000000u

/* A path to a register bank. */
struct bank {
	uint64_t base; /* first port, first address; unused for the config space */
	uint64_t (*read)(const struct bank *bank, unsigned width, unsigned offset);
	void (*write)(const struct bank *bank, unsigned width, unsigned offset, uint64_t value);
};
extern const struct bank bank_port;   /* inline, ports 0x5000.. */
extern const struct bank bank_config; /* inline, 80:00.0 through 0xcf8/0xcfc */
extern const struct bank bank_inline; /* inline, MMIO 0xfe000000.. */
extern const struct bank bank_thread; /* on a client's thread, MMIO 0xfe100000.. */

enum action {
	BANK_READ, /* want the value */
	BANK_WRITE,
	BANK_KEEP, /* remember what is read */
	BANK_MORE, /* want what was remembered, plus the value */
	PORT_READ,
	PORT_WRITE,
	MMIO_READ,
	MMIO_WRITE,
};

struct step {
	uint8_t action;
	uint8_t width;
	uint64_t address;
	uint64_t value;
};

#define R(width, offset, want)                 \
	{                                      \
		BANK_READ, width, offset, want \
	}
#define W(width, offset, value)                  \
	{                                        \
		BANK_WRITE, width, offset, value \
	}
#define KEEP(offset)                    \
	{                               \
		BANK_KEEP, 4, offset, 0 \
	}
#define MORE(offset, by)                 \
	{                                \
		BANK_MORE, 4, offset, by \
	}
#define IN(width, port, want)                \
	{                                    \
		PORT_READ, width, port, want \
	}
#define OUT(width, port, value)                \
	{                                      \
		PORT_WRITE, width, port, value \
	}
#define LOAD(width, address, want)              \
	{                                       \
		MMIO_READ, width, address, want \
	}
#define STORE(width, address, value)              \
	{                                         \
		MMIO_WRITE, width, address, value \
	}

/* The first thing that was not as it should be. */
struct verdict {
	uint64_t got;
	uint64_t want;
	unsigned nr_checks; /* counts up to the one that failed */
	bool failed;
};

/* Returns got == want; the first failure of a case is kept. */
bool check(struct verdict *verdict, uint64_t got, uint64_t want);

struct selftest_case {
	const char *name;
	const struct step *steps;
	size_t nr_steps;
	void (*run)(struct verdict *verdict, const struct bank *bank);
	const struct bank *bank;
};
extern const struct selftest_case selftest_cases[];
extern const size_t selftest_nr_cases;

/* vCPUs that run; set before the first case. */
extern unsigned selftest_nr_cpus;

/* cases_string.c */
void case_string_out_1(struct verdict *verdict, const struct bank *bank);
void case_string_out_2(struct verdict *verdict, const struct bank *bank);
void case_string_out_4(struct verdict *verdict, const struct bank *bank);
void case_string_in_1(struct verdict *verdict, const struct bank *bank);
void case_string_in_2(struct verdict *verdict, const struct bank *bank);
void case_string_in_4(struct verdict *verdict, const struct bank *bank);
void case_string_in_counts(struct verdict *verdict, const struct bank *bank);
void case_string_copy(struct verdict *verdict, const struct bank *bank);

/* cases_interrupt.c */
void case_uart_transmit_interrupt(struct verdict *verdict, const struct bank *bank);
void case_uart_receive_interrupt(struct verdict *verdict, const struct bank *bank);
void case_line_interrupt(struct verdict *verdict, const struct bank *bank);
void case_line_pulse(struct verdict *verdict, const struct bank *bank);
void case_msi(struct verdict *verdict, const struct bank *bank);

/* cases_parallel.c */
void case_all_started(struct verdict *verdict, const struct bank *bank);
void case_parallel(struct verdict *verdict, const struct bank *bank);

#endif
