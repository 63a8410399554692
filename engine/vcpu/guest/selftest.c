/* SPDX-License-Identifier: MIT */
/*
 * Runs the cases, one line each on the debug console, and ends the guest.
 *
 * Threads   vCPU 0.
 */
#include "machine.h"
#include "selftest.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_BANK 0x80800000u /* enabled, 80:00.0 */

unsigned selftest_nr_cpus = 0;

/* ---- banks ------------------------------------------------------------------------------------------------- */

static uint64_t port_bank_read(const struct bank *bank, unsigned width, unsigned offset)
{
	return port_read(width, (uint16_t)(bank->base + offset));
}

static void port_bank_write(const struct bank *bank, unsigned width, unsigned offset, uint64_t value)
{
	port_write(width, (uint16_t)(bank->base + offset), value);
}

static uint64_t mmio_bank_read(const struct bank *bank, unsigned width, unsigned offset)
{
	return mmio_read(width, bank->base + offset);
}

static void mmio_bank_write(const struct bank *bank, unsigned width, unsigned offset, uint64_t value)
{
	mmio_write(width, bank->base + offset, value);
}

/* Register bits 11..8 go to bits 27..24 of the latch, bits 1..0 choose among the data ports. */
static uint16_t select_register(unsigned offset)
{
	port_write(4, CONFIG_ADDRESS, CONFIG_BANK | (offset & 0xf00) << 16 | (offset & 0xfc));
	return (uint16_t)(CONFIG_DATA + (offset & 3));
}

static uint64_t config_bank_read(const struct bank *bank, unsigned width, unsigned offset)
{
	(void)bank;
	return port_read(width, select_register(offset));
}

static void config_bank_write(const struct bank *bank, unsigned width, unsigned offset, uint64_t value)
{
	(void)bank;
	port_write(width, select_register(offset), value);
}

const struct bank bank_port = {0x5000, port_bank_read, port_bank_write};
const struct bank bank_config = {0, config_bank_read, config_bank_write};
const struct bank bank_inline = {0xfe000000, mmio_bank_read, mmio_bank_write};
const struct bank bank_thread = {0xfe100000, mmio_bank_read, mmio_bank_write};

/* ---- running a case ---------------------------------------------------------------------------------------- */

bool check(struct verdict *verdict, uint64_t got, uint64_t want)
{
	if (verdict->failed)
		return got == want;
	verdict->nr_checks++;
	if (got == want)
		return true;
	verdict->failed = true;
	verdict->got = got;
	verdict->want = want;
	return false;
}

static void run_step(struct verdict *verdict, const struct bank *bank, const struct step *step, uint64_t *kept)
{
	const unsigned offset = (unsigned)step->address;
	const uint16_t port = (uint16_t)step->address;

	switch (step->action) {
	case BANK_READ: check(verdict, bank->read(bank, step->width, offset), step->value); break;
	case BANK_WRITE: bank->write(bank, step->width, offset, step->value); break;
	case BANK_KEEP: *kept = bank->read(bank, step->width, offset); break;
	case BANK_MORE: check(verdict, bank->read(bank, step->width, offset), *kept + step->value); break;
	case PORT_READ: check(verdict, port_read(step->width, port), step->value); break;
	case PORT_WRITE: port_write(step->width, port, step->value); break;
	case MMIO_READ: check(verdict, mmio_read(step->width, step->address), step->value); break;
	case MMIO_WRITE: mmio_write(step->width, step->address, step->value); break;
	default: check(verdict, step->action, MMIO_WRITE); break;
	}
}

static void run_case(const struct selftest_case *test, struct verdict *verdict)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < test->nr_steps; i++)
		run_step(verdict, test->bank, &test->steps[i], &kept);
	if (test->run)
		test->run(verdict, test->bank);
	/* A case that looked at nothing has shown nothing. */
	check(verdict, verdict->nr_checks > 0, 1);
}

static void report(const struct selftest_case *test, const struct verdict *verdict)
{
	print(verdict->failed ? "selftest: FAIL " : "selftest: PASS ");
	print(test->name);
	if (verdict->failed) {
		print(": got ");
		print_hex(verdict->got);
		print(" want ");
		print_hex(verdict->want);
		print(" at check ");
		print_decimal(verdict->nr_checks);
	}
	print("\n");
}

/* Where entry.S sends vCPU 0. */
__attribute__((noreturn)) void guest_main(void);
__attribute__((noreturn)) void guest_main(void)
{
	unsigned nr_failed = 0;

	machine_init();
	selftest_nr_cpus = cpus_start();
	for (size_t i = 0; i < selftest_nr_cases; i++) {
		struct verdict verdict = {0};

		run_case(&selftest_cases[i], &verdict);
		report(&selftest_cases[i], &verdict);
		nr_failed += verdict.failed;
	}
	print("selftest: ");
	print_decimal(selftest_nr_cases - nr_failed);
	print(" passed, ");
	print_decimal(nr_failed);
	print(" failed, ");
	print_decimal(selftest_nr_cpus);
	print(" vCPUs\n");
	guest_end();
}
