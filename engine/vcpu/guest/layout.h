/* SPDX-License-Identifier: MIT */
/*
 * Numbers that the assembler, the C code and the linker script of the self-test guest agree on. Nothing but numbers:
 * all three read this file.
 */
#ifndef IOREQ_GUEST_LAYOUT_H
#define IOREQ_GUEST_LAYOUT_H

#define GUEST_IMAGE 0xf0000 /* where the image runs: the copy below 1 MiB, SIPI vector 0xf0 */
#define GUEST_IMAGE_BYTES 0x10000
#define GUEST_RAM 0x20000 /* .bss: stacks, counters, the interrupt table */
#define GUEST_RAM_LAST 0x9ffff
#define GUEST_MAX_CPUS 16
#define GUEST_STACK_BYTES 0x2000

#define GUEST_CODE32 0x08
#define GUEST_DATA 0x10
#define GUEST_CODE64 0x18

#define GUEST_LOCAL_APIC 0xfee00000

#endif
