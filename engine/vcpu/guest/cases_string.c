/* SPDX-License-Identifier: MIT */
/*
 * String instructions: each element must be a request of its own, in order, of the instruction's width.
 *
 * Threads   vCPU 0.
 */
#include "machine.h"
#include "selftest.h"

#define NR 37u /* not a power of two, more than a request carries */
#define TARGET 0x100u
#define SENTINEL 0xc7u

static union {
	uint8_t bytes[4 * (NR + 1)];
	uint16_t words[2 * (NR + 1)];
	uint32_t dwords[NR + 1];
} buffer;

static void fill(uint8_t first, uint8_t step)
{
	for (unsigned i = 0; i < sizeof(buffer.bytes); i++)
		buffer.bytes[i] = (uint8_t)(first + i * step);
}

static uint64_t element(unsigned width, unsigned index)
{
	return width == 1 ? buffer.bytes[index] : width == 2 ? buffer.words[index] : buffer.dwords[index];
}

/* The storage counts writes: as many as elements, and the last one stays. */
static void string_out(struct verdict *verdict, const struct bank *bank, unsigned width)
{
	fill(0x11, 7);
	bank->write(bank, 4, WRITES, 0);
	port_write_string(width, (uint16_t)(bank->base + TARGET), &buffer, NR);
	check(verdict, bank->read(bank, 4, WRITES), NR);
	check(verdict, bank->read(bank, width, TARGET), element(width, NR - 1));
}

/* Every element is what the port holds; the byte behind them is untouched. */
static void string_in(struct verdict *verdict, const struct bank *bank, unsigned width)
{
	const uint64_t value = 0xa1b2c3d4u & (UINT64_MAX >> (64 - 8 * width));

	bank->write(bank, 4, TARGET, 0xa1b2c3d4);
	fill(SENTINEL, 0);
	port_read_string(width, (uint16_t)(bank->base + TARGET), &buffer, NR);
	for (unsigned i = 0; i < NR; i++)
		check(verdict, element(width, i), value);
	check(verdict, buffer.bytes[(size_t)NR * width], SENTINEL);
}

void case_string_out_1(struct verdict *verdict, const struct bank *bank)
{
	string_out(verdict, bank, 1);
}

void case_string_out_2(struct verdict *verdict, const struct bank *bank)
{
	string_out(verdict, bank, 2);
}

void case_string_out_4(struct verdict *verdict, const struct bank *bank)
{
	string_out(verdict, bank, 4);
}

void case_string_in_1(struct verdict *verdict, const struct bank *bank)
{
	string_in(verdict, bank, 1);
}

void case_string_in_2(struct verdict *verdict, const struct bank *bank)
{
	string_in(verdict, bank, 2);
}

void case_string_in_4(struct verdict *verdict, const struct bank *bank)
{
	string_in(verdict, bank, 4);
}

/* READS answers 1, 2, 3...: one request for each element, none twice, none out of order. */
void case_string_in_counts(struct verdict *verdict, const struct bank *bank)
{
	bank->write(bank, 4, READS, 0);
	port_read_string(4, (uint16_t)(bank->base + READS), &buffer, NR);
	for (unsigned i = 0; i < NR; i++)
		check(verdict, buffer.dwords[i], i + 1);
	check(verdict, bank->read(bank, 4, READS), NR + 1);
}

/* rep movsl out of memory into the storage and back, to another place. */
void case_string_copy(struct verdict *verdict, const struct bank *bank)
{
	fill(0x23, 5);
	bank->write(bank, 4, WRITES, 0);
	copy_dwords(bank->base + TARGET, (uintptr_t)&buffer, NR);
	check(verdict, bank->read(bank, 4, WRITES), NR);
	fill(SENTINEL, 0);
	copy_dwords((uintptr_t)&buffer, bank->base + TARGET, NR);
	for (unsigned i = 0; i < NR * 4; i++)
		check(verdict, buffer.bytes[i], (uint8_t)(0x23 + i * 5));
	check(verdict, buffer.bytes[(size_t)NR * 4], SENTINEL);
}
