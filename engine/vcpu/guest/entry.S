/* SPDX-License-Identifier: MIT */
/*
 * From the reset vector, or from a SIPI, to C in 64-bit mode.
 *
 * Every vCPU takes the same way: real mode, 32-bit protected mode for a dozen instructions, long mode. The page tables
 * are part of the image, complete, so that the slow modes (a KVM without hardware support interprets them) have
 * nothing to build. The local APIC's id, which is the vCPU's number, chooses stack and entry point.
 */
#include "layout.h"

#define OFFSET(symbol) ((symbol) - GUEST_IMAGE) /* in segment 0xf000 */

	.section .startup, "ax"
	.code16
	/* Offset 0: where a SIPI with vector 0xf0 starts a vCPU. */
start16:
	cli
	lgdtl	%cs:OFFSET(gdt_pointer)
	movl	%cr0, %eax
	orl	$1, %eax			/* PE */
	movl	%eax, %cr0
	ljmpl	$GUEST_CODE32, $start32

	.code32
start32:
	movl	$GUEST_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$page_map, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$0x100, %eax			/* LME */
	wrmsr
	movl	%cr0, %eax
	andl	$0x9fffffff, %eax		/* caches on: CD, NW off */
	orl	$0x80000000, %eax		/* PG */
	movl	%eax, %cr0
	ljmpl	$GUEST_CODE64, $start64

	.code64
start64:
	movl	$(GUEST_LOCAL_APIC + 0x20), %edi
	movl	(%rdi), %edi
	shrl	$24, %edi			/* the first argument: this vCPU's number */
	leal	1(%rdi), %eax
	imull	$GUEST_STACK_BYTES, %eax, %eax
	leaq	guest_stacks(%rax), %rsp
	xorl	%ebp, %ebp
	cld
	testl	%edi, %edi
	jnz	1f
	call	guest_main
1:	call	guest_secondary
	/* Neither returns. */

	.balign	8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff		/* 32-bit code, flat */
	.quad	0x00cf93000000ffff		/* data, flat */
	.quad	0x00af9b000000ffff		/* 64-bit code */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

	/* Ends the guest: a fault without an interrupt table is a triple fault. */
	.globl	guest_end
guest_end:
	lidt	no_table(%rip)
	ud2
no_table:
	.word	0
	.quad	0

	/* Address space: the first 4 GiB as they are, in 2-MiB pages that are marked accessed and dirty already. */
	.section .tables, "a"
	.balign	4096
page_map:
	.quad	page_pointers + 0x23
	.balign	4096
page_pointers:
	.quad	page_directory + 0x0023
	.quad	page_directory + 0x1023
	.quad	page_directory + 0x2023
	.quad	page_directory + 0x3023
	.balign	4096
page_directory:
	.set	address, 0
	.rept	2048
	.quad	address + 0xe3
	.set	address, address + 0x200000
	.endr

	.section .bss
	.balign	4096
guest_stacks:
	.skip	GUEST_MAX_CPUS * GUEST_STACK_BYTES

	.section .reset, "ax"
	.code16
	.globl	guest_reset
guest_reset:
	ljmp	$(GUEST_IMAGE >> 4), $OFFSET(start16)
	.section .note.GNU-stack, "", @progbits
