/* SPDX-License-Identifier: MIT */
/*
 * Accesses of an exact width, and the console.
 *
 * Threads   Any vCPU; the console is vCPU 0's.
 */
#include "machine.h"

#define CONSOLE_PORT 0x402

uint64_t port_read(unsigned width, uint16_t port)
{
	uint32_t value = 0;

	switch (width) {
	case 1: __asm__ __volatile__("inb %w1, %b0" : "+a"(value) : "d"(port)); break;
	case 2: __asm__ __volatile__("inw %w1, %w0" : "+a"(value) : "d"(port)); break;
	default: __asm__ __volatile__("inl %w1, %k0" : "+a"(value) : "d"(port)); break;
	}
	return value;
}

void port_write(unsigned width, uint16_t port, uint64_t value)
{
	switch (width) {
	case 1: __asm__ __volatile__("outb %b0, %w1" : : "a"(value), "d"(port) : "memory"); break;
	case 2: __asm__ __volatile__("outw %w0, %w1" : : "a"(value), "d"(port) : "memory"); break;
	default: __asm__ __volatile__("outl %k0, %w1" : : "a"(value), "d"(port) : "memory"); break;
	}
}

uint64_t mmio_read(unsigned width, uint64_t address)
{
	uint64_t value = 0;

	switch (width) {
	case 1: __asm__ __volatile__("movb (%1), %b0" : "+r"(value) : "r"(address) : "memory"); break;
	case 2: __asm__ __volatile__("movw (%1), %w0" : "+r"(value) : "r"(address) : "memory"); break;
	case 4: __asm__ __volatile__("movl (%1), %k0" : "+r"(value) : "r"(address) : "memory"); break;
	default: __asm__ __volatile__("movq (%1), %0" : "+r"(value) : "r"(address) : "memory"); break;
	}
	return value;
}

void mmio_write(unsigned width, uint64_t address, uint64_t value)
{
	switch (width) {
	case 1: __asm__ __volatile__("movb %b0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
	case 2: __asm__ __volatile__("movw %w0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
	case 4: __asm__ __volatile__("movl %k0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
	default: __asm__ __volatile__("movq %0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
	}
}

void port_read_string(unsigned width, uint16_t port, void *elements, uint64_t count)
{
	switch (width) {
	case 1: __asm__ __volatile__("rep insb" : "+D"(elements), "+c"(count) : "d"(port) : "memory"); break;
	case 2: __asm__ __volatile__("rep insw" : "+D"(elements), "+c"(count) : "d"(port) : "memory"); break;
	default: __asm__ __volatile__("rep insl" : "+D"(elements), "+c"(count) : "d"(port) : "memory"); break;
	}
}

void port_write_string(unsigned width, uint16_t port, const void *elements, uint64_t count)
{
	switch (width) {
	case 1: __asm__ __volatile__("rep outsb" : "+S"(elements), "+c"(count) : "d"(port) : "memory"); break;
	case 2: __asm__ __volatile__("rep outsw" : "+S"(elements), "+c"(count) : "d"(port) : "memory"); break;
	default: __asm__ __volatile__("rep outsl" : "+S"(elements), "+c"(count) : "d"(port) : "memory"); break;
	}
}

void copy_dwords(uint64_t to, uint64_t from, uint64_t count)
{
	__asm__ __volatile__("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

void print(const char *text)
{
	while (*text)
		port_write(1, CONSOLE_PORT, (uint8_t)*text++);
}

static void print_digits(uint64_t number, unsigned base)
{
	char text[24];
	char *at = text + sizeof(text) - 1;

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	print(at);
}

void print_hex(uint64_t number)
{
	print("0x");
	print_digits(number, 16);
}

void print_decimal(uint64_t number)
{
	print_digits(number, 10);
}
