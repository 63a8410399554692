/* SPDX-License-Identifier: MIT */
/*
 * Interrupts: raised by a device's handler, seen by an interrupt handler of the guest, exactly once.
 *
 * The UART's line goes through the I/O APIC, edge-triggered as ISA interrupts are (level-triggered ones come once too
 * often under a KVM without hardware support, which ends an interrupt when it delivers it). The registers' LINE goes
 * through the PIC: level-triggered, where a line that were still high after the handler would interrupt again, and
 * edge-triggered, where a pulse must not be lost. MSIs go to the local APIC of every vCPU in turn.
 *
 * Threads   vCPU 0; handlers on the vCPU they are meant for. Words that handlers count in are atomic.
 */
#include "machine.h"
#include "selftest.h"

#include "core/atomic.h"

#define UART 0x3f8
#define UART_LINE 4
#define LINE_IRQ 5u
#define WAIT_MS 1000u
#define QUIET_MS 3u /* long enough for an interrupt too many */
#define NR_PULSES 20u

#define INTERRUPT_ENABLE (UART + 1)
#define INTERRUPT_ID (UART + 2)
#define LINE_CONTROL (UART + 3)
#define MODEM_CONTROL (UART + 4)
#define ID_RECEIVED 0x04u
#define OUT2 0x08u
#define LOOPBACK 0x10u

static uint32_t nr_uart;
static uint32_t uart_id;
static uint32_t uart_received;
static uint32_t nr_lines;
static uint32_t nr_msis[GUEST_MAX_CPUS];
static const struct bank *line_bank;

__attribute__((interrupt)) static void on_uart(struct interrupt_frame *frame)
{
	(void)frame;
	store_relaxed(&uart_id, (uint32_t)port_read(1, INTERRUPT_ID) & 0xf);
	if (load_relaxed(&uart_id) == ID_RECEIVED)
		store_relaxed(&uart_received, (uint32_t)port_read(1, UART));
	count_one(&nr_uart);
	end_of_interrupt();
}

static void uart_begin(uint32_t modem_control)
{
	store_relaxed(&nr_uart, 0);
	set_handler(VECTOR_UART, on_uart);
	port_write(1, INTERRUPT_ENABLE, 0);
	port_write(1, LINE_CONTROL, 3);
	port_write(1, MODEM_CONTROL, modem_control);
	port_read(1, UART);
	io_apic_enable(UART_LINE, VECTOR_UART);
}

static void uart_end(void)
{
	port_write(1, INTERRUPT_ENABLE, 0);
	port_write(1, MODEM_CONTROL, 0);
	io_apic_disable(UART_LINE);
}

/* The transmitter is empty: allowing its interrupt raises it; reading the id (2) takes it back. */
void case_uart_transmit_interrupt(struct verdict *verdict, const struct bank *bank)
{
	(void)bank;
	uart_begin(OUT2);
	port_write(1, INTERRUPT_ENABLE, 2);
	check(verdict, wait_for(&nr_uart, 1, WAIT_MS), true);
	check(verdict, load_relaxed(&uart_id), 2);
	pause_ms(QUIET_MS);
	check(verdict, load_relaxed(&nr_uart), 1);
	check(verdict, port_read(1, INTERRUPT_ID) & 0xf, 1);
	uart_end();
}

/* A byte sent round the loop arrives; taking it lowers the line. */
void case_uart_receive_interrupt(struct verdict *verdict, const struct bank *bank)
{
	(void)bank;
	uart_begin(LOOPBACK | OUT2);
	port_write(1, INTERRUPT_ENABLE, 1);
	for (uint32_t i = 1; i <= 3 && !verdict->failed; i++) {
		port_write(1, UART, 0x40 + i);
		check(verdict, wait_for(&nr_uart, i, WAIT_MS), true);
		check(verdict, load_relaxed(&uart_id), ID_RECEIVED);
		check(verdict, load_relaxed(&uart_received), 0x40 + i);
	}
	pause_ms(QUIET_MS);
	check(verdict, load_relaxed(&nr_uart), 3);
	uart_end();
}

__attribute__((interrupt)) static void on_line(struct interrupt_frame *frame)
{
	(void)frame;
	line_bank->write(line_bank, 4, LINE, LINE_IRQ);
	count_one(&nr_lines);
	pic_end_of_interrupt();
}

static void line_begin(const struct bank *bank, bool level_triggered)
{
	store_relaxed(&nr_lines, 0);
	line_bank = bank;
	set_handler(VECTOR_PIC + LINE_IRQ, on_line);
	bank->write(bank, 4, LINE, LINE_IRQ);
	pic_enable(LINE_IRQ, level_triggered);
}

/* Raised by the guest's write, lowered by its handler, and raised again: each time one interrupt. */
void case_line_interrupt(struct verdict *verdict, const struct bank *bank)
{
	line_begin(bank, true);
	for (uint32_t i = 1; i <= 3 && !verdict->failed; i++) {
		bank->write(bank, 4, LINE, LINE_HIGH | LINE_IRQ);
		check(verdict, bank->read(bank, 4, LINE), LINE_HIGH | LINE_IRQ);
		check(verdict, wait_for(&nr_lines, i, WAIT_MS), true);
		check(verdict, bank->read(bank, 4, LINE), LINE_IRQ);
	}
	pause_ms(QUIET_MS);
	check(verdict, load_relaxed(&nr_lines), 3);
	pic_disable();
}

__attribute__((interrupt)) static void on_edge(struct interrupt_frame *frame)
{
	(void)frame;
	count_one(&nr_lines);
	pic_end_of_interrupt();
}

/*
 * Raised and lowered by two writes on end: the edge must reach the PIC, which keeps it, although the level is gone when
 * anybody else looks.
 */
void case_line_pulse(struct verdict *verdict, const struct bank *bank)
{
	line_begin(bank, false);
	set_handler(VECTOR_PIC + LINE_IRQ, on_edge);
	for (uint32_t i = 1; i <= NR_PULSES && !verdict->failed; i++) {
		bank->write(bank, 4, LINE, LINE_HIGH | LINE_IRQ);
		bank->write(bank, 4, LINE, LINE_IRQ);
		check(verdict, wait_for(&nr_lines, i, WAIT_MS), true);
	}
	pause_ms(QUIET_MS);
	check(verdict, load_relaxed(&nr_lines), NR_PULSES);
	pic_disable();
}

__attribute__((interrupt)) static void on_msi(struct interrupt_frame *frame)
{
	uint32_t cpu = (uint32_t)(mmio_read(4, UINT64_C(0xfee00020)) >> 24);

	(void)frame;
	count_one(&nr_msis[cpu % GUEST_MAX_CPUS]);
	end_of_interrupt();
}

/* To every vCPU in turn; the write answers 0, sent, and only the addressed vCPU is interrupted. */
void case_msi(struct verdict *verdict, const struct bank *bank)
{
	set_handler(VECTOR_MSI, on_msi);
	for (unsigned cpu = 0; cpu < GUEST_MAX_CPUS; cpu++)
		store_relaxed(&nr_msis[cpu], 0);
	for (unsigned cpu = 0; cpu < selftest_nr_cpus && !verdict->failed; cpu++) {
		uint64_t address = 0xfee00000u | cpu << 12;

		bank->write(bank, 4, MSI_ADDRESS, address);
		check(verdict, bank->read(bank, 4, MSI_ADDRESS), address);
		bank->write(bank, 4, MSI_DATA, VECTOR_MSI);
		check(verdict, bank->read(bank, 4, MSI_DATA), 0);
		check(verdict, wait_for(&nr_msis[cpu], 1, WAIT_MS), true);
	}
	pause_ms(QUIET_MS);
	for (unsigned cpu = 0; cpu < GUEST_MAX_CPUS; cpu++)
		check(verdict, load_relaxed(&nr_msis[cpu]), cpu < selftest_nr_cpus);
}
