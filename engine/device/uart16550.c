/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port with FIFOs: offset = address & 7, one byte at a time.
 *
 * Settings  output: where transmitted bytes go, a path or "stdout". input: a FIFO, terminal or file to receive from;
 *           optional. irq: interrupt line 0..63; 4 without it.
 * Speed     The divisor is kept and means nothing. LSR says that the transmitter is empty as long as the output's ring
 *           has room for a FIFO full, so that a guest that polls never waits for a thread. The THRE interrupt comes when
 *           the output has really taken the bytes, a millisecond later: its line is low long enough to make an edge.
 *           Received bytes that fill no FIFO up to the trigger level are "timed out" at once. Input is not read faster
 *           than the guest takes it; only loopback overruns.
 * Line      High while IIR says that an interrupt is pending and OUT2 is set: on a PC that pin lets the interrupt
 *           through. On the chip loopback turns the pin off; here it does not, so that a guest can try its interrupt
 *           without a partner.
 * Threads   Handler: one at a time, inline or thread delivery; no system call but ioreq_set_line()'s when the line
 *           changes. The threads of input and output share with it the rings and what `struct uart` marks as shared.
 * Memory    The registers, FIFO included, are kept by the engine; bytes still in a ring when the engine is killed
 *           are lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "device/devices.h"
#include "device/sink.h"

#define FIFO_BYTES 16u
#define DEFAULT_IRQ 4

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_DATA 0x01
#define IER_THRE 0x02
#define IER_LINE 0x04
#define IER_MODEM 0x08
#define IER_BITS 0x0f
#define IIR_NONE 0x01
#define IIR_MODEM 0x00
#define IIR_THRE 0x02
#define IIR_DATA 0x04
#define IIR_LINE 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR_RECEIVER 0x02
#define FCR_KEPT 0xc9 /* enable, DMA mode, trigger level: the other bits clear themselves */
#define LCR_DLAB 0x80
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_BITS 0x1f
#define LSR_DATA 0x01
#define LSR_OVERRUN 0x02
#define LSR_EMPTY 0x60 /* holding register and transmitter */
#define MSR_RING 0x40
#define MSR_CONNECTED 0xb0 /* CTS, DSR, DCD: the other end is always there */

/* What the line depends on, but for the rings. */
#define RAISE_NOW 0x1u
#define RAISE_ON_INPUT 0x2u   /* as soon as the input has a byte */
#define RAISE_ON_DRAINED 0x4u /* as soon as the output has none left */

/* Kept by the engine; the handler's alone. */
struct registers {
	uint8_t divisor[2];
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t overrun; /* LSR_OVERRUN until LSR is read */
	uint8_t deltas;  /* MSR bits 3..0 until MSR is read */
	uint8_t thre;    /* the THRE interrupt is due; taken back by reading IIR and by writing data */
	uint8_t sending; /* it will be, when the output is drained */
	uint8_t first, count;
	uint8_t fifo[FIFO_BYTES];
};

struct uart {
	struct registers *registers;
	struct ioreq_client *client;
	struct ioreq_sink *output;
	struct ioreq_source *input; /* may be NULL */
	unsigned irq;
	uint32_t raise;  /* shared: RAISE_ bits, stored by the handler only */
	uint32_t askers; /* shared: how many have asked for the line to be looked at; who asks first, does it */
	int level;       /* shared, belongs to who does it: what the line was set to, -1: nothing yet */
};

/* ---- the interrupt line ----------------------------------------------------------------------------------- */

static bool line_level(const struct uart *uart)
{
	/* Relaxed: `askers` orders it. */
	uint32_t raise = __atomic_load_n(&uart->raise, __ATOMIC_RELAXED);

	return raise & RAISE_NOW || (raise & RAISE_ON_INPUT && !ioreq_source_empty(uart->input)) ||
	       (raise & RAISE_ON_DRAINED && ioreq_sink_empty(uart->output));
}

/*
 * Handler, input and output change what the line depends on, at any time; the line must end up at the last level,
 * without a lock. Whoever finds `askers` at 0 sets the line, and again if others have asked meanwhile; they need not
 * wait. The threads ask once per wake-up, milliseconds apart, so the handler stays here for two rounds at most.
 */
static void serve_askers(struct uart *uart, uint32_t askers)
{
	do {
		bool level = line_level(uart);

		if (level != uart->level) {
			uart->level = level;
			ioreq_set_line(uart->client, uart->irq, level);
		}
		/* UL1 acq_rel: what the askers changed is seen by the next round, `level` by the next first asker. Pairs
		 * with UL2. Without it: the line stays where an older state put it, and the guest waits for ever. */
	} while (!__atomic_compare_exchange_n(&uart->askers, &askers, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

static void update_line(void *context)
{
	struct uart *uart = context;
	/* UL2 acq_rel: the asker's changes before its asking; the last `level` if it is the first. Pairs with UL1. */
	uint32_t askers = __atomic_add_fetch(&uart->askers, 1, __ATOMIC_ACQ_REL);

	if (askers == 1)
		serve_askers(uart, askers);
}

static uint8_t pending_interrupt(const struct registers *registers)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};
	bool fifos = registers->fcr & FCR_ENABLE;

	if (registers->ier & IER_LINE && registers->overrun)
		return IIR_LINE;
	if (registers->ier & IER_DATA && registers->count > 0)
		return fifos && registers->count < triggers[registers->fcr >> 6] ? IIR_TIMEOUT : IIR_DATA;
	if (registers->ier & IER_THRE && registers->thre)
		return IIR_THRE;
	if (registers->ier & IER_MODEM && registers->deltas)
		return IIR_MODEM;
	return IIR_NONE;
}

static uint32_t find_raise(const struct uart *uart)
{
	const struct registers *registers = uart->registers;
	uint32_t raise = 0;

	if (!(registers->mcr & MCR_OUT2))
		return 0;
	if (pending_interrupt(registers) != IIR_NONE)
		raise |= RAISE_NOW;
	if (registers->ier & IER_DATA && uart->input && !(registers->mcr & MCR_LOOP))
		raise |= RAISE_ON_INPUT;
	if (registers->ier & IER_THRE && registers->sending)
		raise |= RAISE_ON_DRAINED;
	return raise;
}

/* ---- receiver, transmitter, modem lines ------------------------------------------------------------------- */

static unsigned fifo_depth(const struct registers *registers)
{
	return registers->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

static void push(struct registers *registers, uint8_t byte)
{
	registers->fifo[(registers->first + registers->count++) % FIFO_BYTES] = byte;
}

static uint8_t pop(struct registers *registers)
{
	uint8_t byte = registers->fifo[registers->first];

	if (registers->count == 0)
		return 0;
	registers->first = (registers->first + 1) % FIFO_BYTES;
	registers->count--;
	return byte;
}

/* A FIFO that is full keeps what it has; the single register without FIFOs is overwritten. */
static void loop_back(struct registers *registers, uint8_t byte)
{
	if (registers->count >= fifo_depth(registers)) {
		registers->overrun = LSR_OVERRUN;
		if (registers->fcr & FCR_ENABLE)
			return;
		registers->count = 0;
	}
	push(registers, byte);
}

/* Takes over what the rings have done since the last access. Returns whether that was anything. */
static bool catch_up(struct uart *uart)
{
	struct registers *registers = uart->registers;
	bool changed = false;
	uint8_t byte;

	while (uart->input && !(registers->mcr & MCR_LOOP) && registers->count < fifo_depth(registers) &&
	       ioreq_source_get(uart->input, &byte)) {
		push(registers, byte);
		changed = true;
	}
	if (registers->sending && ioreq_sink_empty(uart->output)) {
		registers->sending = 0;
		registers->thre = 1;
		changed = true;
	}
	return changed;
}

static bool has_room(const struct uart *uart)
{
	return ioreq_sink_room(uart->output) >= FIFO_BYTES;
}

static void transmit(struct uart *uart, uint8_t byte)
{
	struct registers *registers = uart->registers;
	bool loop = registers->mcr & MCR_LOOP;

	if (loop)
		loop_back(registers, byte);
	else
		ioreq_sink_put(uart->output, byte); /* full: LSR had said so; the sink counts the loss */
	registers->thre = loop;
	registers->sending = !loop;
}

static uint8_t modem_lines(uint8_t mcr)
{
	if (!(mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return (uint8_t)((mcr & 0x02) << 3 | (mcr & 0x01) << 5 | (mcr & 0x0c) << 4); /* RTS, DTR, OUT1 and OUT2 */
}

/* ---- the registers ---------------------------------------------------------------------------------------- */

static void write_ier(struct uart *uart, uint8_t value)
{
	struct registers *registers = uart->registers;

	/* Enabling the interrupt on an empty transmitter raises it at once: drivers start to send that way. */
	if (value & ~registers->ier & IER_THRE && has_room(uart)) {
		registers->thre = 1;
		registers->sending = 0;
	}
	registers->ier = value & IER_BITS;
}

static void write_fcr(struct registers *registers, uint8_t value)
{
	if ((value ^ registers->fcr) & FCR_ENABLE || value & FCR_CLEAR_RECEIVER)
		registers->count = 0;
	registers->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

static void write_mcr(struct registers *registers, uint8_t value)
{
	uint8_t before = modem_lines(registers->mcr);
	uint8_t after = modem_lines(value);
	uint8_t changed = before ^ after;

	if (!(before & MSR_RING))
		changed &= (uint8_t)~MSR_RING; /* RI tells of its end only */
	registers->deltas |= (uint8_t)(changed >> 4);
	registers->mcr = value & MCR_BITS;
}

static void write_register(struct uart *uart, unsigned offset, uint8_t value)
{
	struct registers *registers = uart->registers;

	if (registers->lcr & LCR_DLAB && offset <= IER) {
		registers->divisor[offset] = value;
		return;
	}
	switch (offset) {
	case DATA: transmit(uart, value); break;
	case IER: write_ier(uart, value); break;
	case IIR_FCR: write_fcr(registers, value); break;
	case LCR: registers->lcr = value; break;
	case MCR: write_mcr(registers, value); break;
	case SCR: registers->scr = value; break;
	default: break; /* LSR and MSR: for the factory */
	}
}

static uint8_t read_iir(struct registers *registers)
{
	uint8_t pending = pending_interrupt(registers);

	if (pending == IIR_THRE)
		registers->thre = 0;
	return registers->fcr & FCR_ENABLE ? pending | IIR_FIFOS : pending;
}

static uint8_t read_lsr(struct uart *uart)
{
	struct registers *registers = uart->registers;
	uint8_t lsr = registers->overrun;

	registers->overrun = 0;
	if (registers->count > 0)
		lsr |= LSR_DATA;
	return has_room(uart) ? lsr | LSR_EMPTY : lsr;
}

static uint8_t read_msr(struct registers *registers)
{
	uint8_t msr = modem_lines(registers->mcr) | registers->deltas;

	registers->deltas = 0;
	return msr;
}

static uint8_t read_register(struct uart *uart, unsigned offset)
{
	struct registers *registers = uart->registers;

	if (registers->lcr & LCR_DLAB && offset <= IER)
		return registers->divisor[offset];
	switch (offset) {
	case DATA: return pop(registers);
	case IER: return registers->ier;
	case IIR_FCR: return read_iir(registers);
	case LCR: return registers->lcr;
	case MCR: return registers->mcr;
	case LSR: return read_lsr(uart);
	case MSR: return read_msr(registers);
	default: return registers->scr;
	}
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	struct uart *uart = device;
	unsigned offset = access->address & 7;
	uint32_t raise;
	bool changed;

	if (access->size != 1)
		return IOREQ_UNHANDLED;
	changed = catch_up(uart);
	if (access->direction == IOREQ_WRITE)
		write_register(uart, offset, (uint8_t)access->value);
	else
		access->value = read_register(uart, offset);
	raise = find_raise(uart);
	if (changed || raise != __atomic_load_n(&uart->raise, __ATOMIC_RELAXED)) {
		__atomic_store_n(&uart->raise, raise, __ATOMIC_RELAXED);
		update_line(uart);
	}
	return IOREQ_DONE;
}

/* ---- an instance ------------------------------------------------------------------------------------------ */

static int read_settings(const struct ioreq_create *config, unsigned *irq_out, struct ioreq_error *error)
{
	static const char *const keys[] = {"irq", "output", "input", NULL};
	static const enum ioreq_setting_type types[] = {IOREQ_SETTING_INTEGER, IOREQ_SETTING_STRING,
							IOREQ_SETTING_STRING};
	const struct ioreq_setting *irq;
	int result = ioreq_setting_check(config, keys, types, error);

	if (result < 0)
		return result;
	irq = ioreq_setting_find(config, "irq", IOREQ_SETTING_INTEGER);
	if (irq && irq->integer > 63) {
		snprintf(error->text, sizeof(error->text), "%s: setting 'irq' is %" PRIu64 "; allowed: 0 to 63",
			 config->name, irq->integer);
		return -EINVAL;
	}
	*irq_out = irq ? (unsigned)irq->integer : DEFAULT_IRQ;
	return 0;
}

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	struct uart *uart;
	unsigned irq;
	int result = read_settings(config, &irq, error);

	if (result < 0)
		return result;
	uart = malloc(sizeof(*uart));
	if (!uart) {
		snprintf(error->text, sizeof(error->text), "%s: out of memory", config->name);
		return -ENOMEM;
	}
	/* One asker from the start: bytes may arrive before all is in place, and wait for serve_askers() below. */
	*uart = (struct uart){
		.registers = config->state, .client = config->client, .irq = irq, .askers = 1, .level = -1};
	if (uart->registers->count > FIFO_BYTES || uart->registers->first >= FIFO_BYTES)
		uart->registers->count = uart->registers->first = 0;
	result = ioreq_sink_open(config, update_line, uart, &uart->output, error);
	if (result < 0)
		goto out_free;
	result = ioreq_source_open(config, update_line, uart, &uart->input, error);
	if (result < 0)
		goto out_close;
	uart->raise = find_raise(uart);
	serve_askers(uart, 1);
	*device_out = uart;
	return 0;
out_close:
	ioreq_sink_close(uart->output);
out_free:
	free(uart);
	return result;
}

static void destroy(void *device)
{
	struct uart *uart = device;

	/* Either stream's callback looks at both streams: no memory goes before both threads have ended. */
	ioreq_source_stop(uart->input);
	ioreq_sink_close(uart->output);
	ioreq_source_close(uart->input);
	ioreq_set_line(uart->client, uart->irq, false);
	free(uart);
}

const struct ioreq_device_ops ioreq_device_uart16550 = {
	.name = "uart16550",
	.state_bytes = sizeof(struct registers),
	.create = create,
	.destroy = destroy,
	.handle = handle,
};
