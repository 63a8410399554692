/* SPDX-License-Identifier: MIT */
/*
 * The machine under the self-test: accesses of an exact width, interrupts, vCPUs, the console.
 *
 * Threads   vCPU 0 runs the tests; the others sleep until cpus_run() gives them a job. Interrupts are off but while
 *           a vCPU sleeps in wait_for(), pause_ms() or for a job, so a handler never interrupts a test's accesses.
 * Memory    Static.
 */
#ifndef IOREQ_GUEST_MACHINE_H
#define IOREQ_GUEST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/* One instruction each, so that the width is the width of the exit. width: 1, 2, 4, MMIO also 8. */
uint64_t port_read(unsigned width, uint16_t port);
void port_write(unsigned width, uint16_t port, uint64_t value);
uint64_t mmio_read(unsigned width, uint64_t address);
void mmio_write(unsigned width, uint64_t address, uint64_t value);

/* rep ins, rep outs: `count` elements of `width` bytes. */
void port_read_string(unsigned width, uint16_t port, void *elements, uint64_t count);
void port_write_string(unsigned width, uint16_t port, const void *elements, uint64_t count);

/* rep movsl: `count` 4-byte elements, either side may be MMIO. */
void copy_dwords(uint64_t to, uint64_t from, uint64_t count);

/* The debug console. */
void print(const char *text);
void print_hex(uint64_t number);
void print_decimal(uint64_t number);

/* Interrupt table, local APIC of vCPU 0, both PICs (all masked), I/O APIC (all masked). */
void machine_init(void);

/* What every vCPU does for itself: interrupt table, local APIC. */
void machine_init_cpu(void);

enum vector {
	VECTOR_PIC = 0x20, /* + IRQ 0..7 */
	VECTOR_TICK = 0x30,
	VECTOR_UART = 0x34,
	VECTOR_MSI = 0x40,
	VECTOR_WAKE = 0x41,
};

struct interrupt_frame;
void set_handler(unsigned vector, void (*handler)(struct interrupt_frame *frame));
void end_of_interrupt(void);
void pic_end_of_interrupt(void);

/* Edge-triggered, to vCPU 0. */
void io_apic_enable(unsigned line, unsigned vector);
void io_apic_disable(unsigned line);

/* All other lines of the PIC are masked. irq: 3..7. */
void pic_enable(unsigned irq, bool level_triggered);
void pic_disable(void);

/* Sleeps, interrupts on, until the word is at least `want`; false after `ms` milliseconds. vCPU 0 only. */
bool wait_for(const uint32_t *word, uint32_t want, unsigned ms);
void pause_ms(unsigned ms);

/* How many vCPUs the hypervisor announces (CPUID leaf 1), 1..GUEST_MAX_CPUS. */
unsigned cpus_announced(void);

/* Starts the others; returns how many run now, this one included. */
unsigned cpus_start(void);

/* Runs `job(vCPU)` on all that run, this one too, at the same time. false: one has not finished within 20 seconds. */
bool cpus_run(void (*job)(unsigned cpu));

/* A triple fault. */
__attribute__((noreturn)) void guest_end(void);

#endif
