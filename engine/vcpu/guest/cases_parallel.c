/* SPDX-License-Identifier: MIT */
/*
 * Several vCPUs at once: each fills and verifies a part of the storage of its own while the others do the same.
 *
 * Threads   hammer() runs on every vCPU at the same time; it touches only its own part and its own verdict.
 */
#include "machine.h"
#include "selftest.h"

#define PART 0x800u /* the parts: 16 of 128 bytes, up to the end of the bank */
#define PART_BYTES 128u
#define ROUNDS 2000u

static struct verdict verdicts[GUEST_MAX_CPUS];
static uint8_t shadows[GUEST_MAX_CPUS][PART_BYTES];
static const struct bank *target;

void case_all_started(struct verdict *verdict, const struct bank *bank)
{
	(void)bank;
	check(verdict, selftest_nr_cpus, cpus_announced());
}

/* Different for every vCPU and every round, in all of its bytes. */
static uint64_t mix(unsigned cpu, unsigned round)
{
	uint64_t value = (uint64_t)(cpu + 1) * 0x9e3779b97f4a7c15 + (uint64_t)(round + 1) * 0xbf58476d1ce4e5b9;

	return value ^ value >> 29;
}

/* What the shadow of this vCPU's part holds at `place`. */
static uint64_t expected(unsigned cpu, unsigned place, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)shadows[cpu][place + i] << 8 * i;
	return value;
}

/* The first read finds what others did to our part since we wrote it, the second what became of our write. */
static void one_round(struct verdict *verdict, unsigned cpu, unsigned round)
{
	const bool has_8 = target == &bank_inline || target == &bank_thread;
	const unsigned width = 1u << round % (has_8 ? 4 : 3);
	const uint64_t value = mix(cpu, round) & (UINT64_MAX >> (64 - 8 * width));
	const unsigned place = (unsigned)(mix(round, cpu) >> 32) % PART_BYTES & ~(width - 1);
	const unsigned offset = PART + cpu * PART_BYTES + place;

	check(verdict, target->read(target, width, offset), expected(cpu, place, width));
	target->write(target, width, offset, value);
	for (unsigned i = 0; i < width; i++)
		shadows[cpu][place + i] = (uint8_t)(value >> 8 * i);
	check(verdict, target->read(target, width, offset), value);
}

static void hammer(unsigned cpu)
{
	struct verdict *verdict = &verdicts[cpu];
	const unsigned offset = PART + cpu * PART_BYTES;

	for (unsigned place = 0; place < PART_BYTES; place++) {
		target->write(target, 1, offset + place, cpu);
		shadows[cpu][place] = (uint8_t)cpu;
	}
	for (unsigned round = 0; round < ROUNDS && !verdict->failed; round++)
		one_round(verdict, cpu, round);
	for (unsigned place = 0; place < PART_BYTES; place++)
		check(verdict, target->read(target, 1, offset + place), shadows[cpu][place]);
}

/* The storage's count of writes shows that none was lost and none was done twice. */
void case_parallel(struct verdict *verdict, const struct bank *bank)
{
	for (unsigned cpu = 0; cpu < GUEST_MAX_CPUS; cpu++)
		verdicts[cpu] = (struct verdict){0};
	target = bank;
	bank->write(bank, 4, WRITES, 0);
	check(verdict, cpus_run(hammer), true);
	for (unsigned cpu = 0; cpu < selftest_nr_cpus; cpu++) {
		verdict->nr_checks += verdicts[cpu].nr_checks;
		if (verdicts[cpu].failed)
			check(verdict, verdicts[cpu].got, verdicts[cpu].want);
	}
	check(verdict, bank->read(bank, 4, WRITES), (uint64_t)selftest_nr_cpus * (ROUNDS + PART_BYTES));
}
