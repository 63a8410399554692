/* SPDX-License-Identifier: MIT */
/*
 * The serial port: every register, every interrupt, both directions, loss of neither bytes nor interrupts.
 *
 * Threads   The test's, those of the port's streams, and a sender. Memory: static.
 */
#include "device/sink.h"
#include "no_system_calls.h"
#include "test_device.h"

#define PORT 0x3f8u

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
enum { FCR = IIR };

/*
 * A thread that has just raised the line may still be at it, and lowers it for the handler: then, and only then, is the
 * line low a moment after the access and not at once.
 */
static char *output, *input;
static struct instance uart;

static struct instance open_uart(bool with_input, bool recovered)
{
	struct ioreq_setting settings[] = {
		setting_string("output", output),
		setting_integer("irq", 3),
		setting_string("input", input),
	};

	if (recovered)
		return recover_device(&ioreq_device_uart16550, settings, with_input ? 3 : 2);
	return create_device(&ioreq_device_uart16550, settings, with_input ? 3 : 2);
}

static int make_uart(void **unused)
{
	(void)unused;
	fake.level = true;
	output = make_path();
	input = make_path();
	uart = open_uart(false, false);
	return 0;
}

/* The port and its line are gone; `input` is removed by the test that made it. */
static int end_uart(void **unused)
{
	(void)unused;
	fake.level = true;
	destroy_device(&uart);
	assert_int_equal(fake.line, 3);
	assert_false(fake.level);
	remove_path(output);
	remove_path(input);
	return 0;
}

static uint8_t in(unsigned offset)
{
	return (uint8_t)read_device(&uart, PORT + offset, 1);
}

static void out(unsigned offset, uint8_t value)
{
	write_device(&uart, PORT + offset, 1, value);
}

/* Enables the interrupts in `ier`, with the line let through. */
static void enable(uint8_t ier)
{
	out(MCR, 0x08);
	out(IER, ier);
}

/* ---- the registers ---------------------------------------------------------------------------------------- */

static void test_uart16550_reset_state_is_idle_and_line_low(void **unused)
{
	static const uint8_t expected[] = {0x00, 0x00, 0x01, 0x00, 0x00, 0x60, 0xb0, 0x00};

	(void)unused;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(in(i), expected[i]);
	assert_int_equal(fake.line, 3);
	assert_false(line_is_high());
}

static void test_uart16550_plain_registers_keep_their_bits(void **unused)
{
	(void)unused;
	out(SCR, 0xa5);
	out(LCR, 0x7f);
	out(IER, 0xff);
	out(MCR, 0xff);
	assert_int_equal(in(SCR), 0xa5);
	assert_int_equal(in(LCR), 0x7f);
	assert_int_equal(in(IER), 0x0f);
	assert_int_equal(in(MCR), 0x1f);
	out(LSR, 0xff);
	out(MSR, 0xff);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(SCR), 0xa5);
}

static void test_uart16550_dlab_shows_the_divisor(void **unused)
{
	(void)unused;
	out(IER, 0x01);
	out(LCR, 0x83);
	assert_int_equal(in(LCR), 0x83);
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 0x03);
	assert_int_equal(in(DATA), 0x00);
	assert_int_equal(in(IER), 0x01);
	out(LCR, 0x80);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	destroy_device(&uart);
	assert_content(output, "");
	uart = open_uart(false, false);
}

static void test_uart16550_fcr_enables_fifos_and_shows_in_iir(void **unused)
{
	(void)unused;
	assert_int_equal(in(IIR), 0x01);
	out(FCR, 0xc1);
	assert_int_equal(in(IIR), 0xc1);
	out(FCR, 0xc0);
	assert_int_equal(in(IIR), 0x01);
}

static void test_uart16550_wide_access_is_unhandled(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < 8; i++) {
		assert_unhandled(&uart, PORT + i, 2);
		assert_unhandled(&uart, PORT + i, 4);
	}
}

/* ---- loopback and the receiver ---------------------------------------------------------------------------- */

static void test_uart16550_loopback_returns_bytes_and_sends_none(void **unused)
{
	(void)unused;
	out(MCR, 0x10);
	out(DATA, 0x5a);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 0x5a);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0x00);
	destroy_device(&uart);
	assert_content(output, "");
	uart = open_uart(false, false);
}

static void test_uart16550_overrun_without_fifo_keeps_the_newest(void **unused)
{
	(void)unused;
	out(MCR, 0x10);
	out(DATA, 1);
	out(DATA, 2);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 2);
	assert_int_equal(in(LSR), 0x60);
}

static void test_uart16550_overrun_with_fifo_keeps_the_oldest(void **unused)
{
	(void)unused;
	out(FCR, 0x01);
	out(MCR, 0x10);
	for (uint8_t i = 0; i < 16; i++)
		out(DATA, i);
	assert_int_equal(in(LSR), 0x61);
	out(DATA, 16);
	assert_int_equal(in(LSR), 0x63);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(in(DATA), i);
	assert_int_equal(in(LSR), 0x60);
}

static void test_uart16550_fifo_turns_around(void **unused)
{
	(void)unused;
	out(FCR, 0x01);
	out(MCR, 0x10);
	for (uint8_t i = 0; i < 100; i++) {
		out(DATA, i);
		out(DATA, (uint8_t)(i + 100));
		assert_int_equal(in(DATA), i);
		assert_int_equal(in(DATA), i + 100);
	}
	assert_int_equal(in(LSR), 0x60);
}

static void test_uart16550_fcr_clears_the_receiver(void **unused)
{
	(void)unused;
	out(MCR, 0x10);
	out(FCR, 0x01);
	out(DATA, 1);
	out(FCR, 0x05); /* the transmitter only */
	assert_int_equal(in(LSR), 0x61);
	out(FCR, 0x03);
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 2);
	out(FCR, 0x00); /* a change of mode clears both */
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 3);
	out(FCR, 0x01);
	assert_int_equal(in(LSR), 0x60);
}

static void test_uart16550_loopback_connects_modem_lines(void **unused)
{
	static const struct {
		uint8_t mcr, msr;
	} steps[] = {
		{0x10, 0x0b}, /* CTS, DSR, DCD end; RI has not changed */
		{0x11, 0x22}, /* DTR -> DSR */
		{0x12, 0x13}, /* RTS -> CTS, DSR ends */
		{0x14, 0x41}, /* OUT1 -> RI, whose beginning is not told; CTS ends */
		{0x18, 0x8c}, /* OUT2 -> DCD, and RI ends */
		{0x1f, 0xf3}, /* all but DCD begin */
		{0x00, 0xb4}, /* out of loopback: RI ends, the others stay */
	};

	(void)unused;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		out(MCR, steps[i].mcr);
		assert_int_equal(in(MSR), steps[i].msr);
		assert_int_equal(in(MSR), steps[i].msr & 0xf0);
	}
}

/* ---- interrupts ------------------------------------------------------------------------------------------- */

static void test_uart16550_received_data_interrupts_until_read(void **unused)
{
	(void)unused;
	out(MCR, 0x18);
	out(DATA, 1);
	assert_int_equal(in(IIR), 0x01);
	assert_false(line_is_high());
	out(IER, 0x01);
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(IIR), 0x04);
	assert_true(line_is_high());
	in(DATA);
	assert_int_equal(in(IIR), 0x01);
	assert_false(line_is_high());
}

static void test_uart16550_trigger_level_divides_data_from_timeout(void **unused)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};

	(void)unused;
	out(MCR, 0x18);
	out(IER, 0x01);
	for (uint8_t i = 0; i < 4; i++) {
		out(FCR, (uint8_t)(i << 6 | 0x03));
		for (uint8_t count = 1; count <= 16; count++) {
			out(DATA, count);
			assert_int_equal(in(IIR), count < triggers[i] ? 0xcc : 0xc4);
		}
		assert_true(line_is_high());
	}
}

static void test_uart16550_thre_interrupt_is_taken_back_by_iir(void **unused)
{
	(void)unused;
	enable(0x02);
	assert_true(line_is_high());
	assert_int_equal(in(IIR), 0x02);
	assert_false(line_is_high());
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0x02); /* no edge of the enable, no interrupt */
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0x00);
	out(IER, 0x02);
	assert_true(line_is_high());
	out(IER, 0x00);
	assert_false(line_is_high());
	assert_int_equal(in(IIR), 0x01);
}

static void test_uart16550_thre_interrupt_comes_when_the_output_is_drained(void **unused)
{
	unsigned before;

	(void)unused;
	enable(0x02);
	in(IIR);
	before = count_lines();
	for (int i = 0; i < 16; i++)
		out(DATA, 'x');
	assert_soon(line_is_high());
	assert_int_equal(count_lines(), before + 1);
	assert_int_equal(in(IIR), 0x02);
	assert_soon(!line_is_high());
	sleep_ms(30);
	assert_false(line_is_high());
}

static void test_uart16550_thre_interrupt_in_loopback_is_immediate(void **unused)
{
	(void)unused;
	out(MCR, 0x18);
	out(IER, 0x02);
	in(IIR);
	out(DATA, 1);
	assert_true(line_is_high());
	assert_int_equal(in(IIR), 0x02);
	assert_false(line_is_high());
}

static void test_uart16550_line_status_interrupts_until_lsr_is_read(void **unused)
{
	(void)unused;
	out(MCR, 0x18);
	out(IER, 0x04);
	out(DATA, 1);
	assert_false(line_is_high());
	out(DATA, 2);
	assert_true(line_is_high());
	assert_int_equal(in(IIR), 0x06);
	assert_int_equal(in(LSR), 0x63);
	assert_false(line_is_high());
	assert_int_equal(in(IIR), 0x01);
}

static void test_uart16550_modem_status_interrupts_until_msr_is_read(void **unused)
{
	(void)unused;
	out(IER, 0x08);
	assert_int_equal(in(IIR), 0x01);
	out(MCR, 0x18);
	assert_true(line_is_high());
	assert_int_equal(in(IIR), 0x00);
	in(MSR);
	assert_false(line_is_high());
	assert_int_equal(in(IIR), 0x01);
}

static void test_uart16550_interrupts_are_told_in_order_of_priority(void **unused)
{
	(void)unused;
	out(MCR, 0x18); /* modem lines change */
	out(IER, 0x0f); /* transmitter is empty */
	out(DATA, 1);
	out(DATA, 2); /* overrun */
	assert_int_equal(in(IIR), 0x06);
	in(LSR);
	assert_int_equal(in(IIR), 0x04);
	in(DATA);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x00);
	assert_true(line_is_high());
	in(MSR);
	assert_int_equal(in(IIR), 0x01);
	assert_false(line_is_high());
}

static void test_uart16550_out2_gates_the_line_not_iir(void **unused)
{
	(void)unused;
	out(MCR, 0x00);
	out(IER, 0x02);
	assert_false(line_is_high());
	out(MCR, 0x08);
	assert_true(line_is_high());
	out(MCR, 0x07);
	assert_false(line_is_high());
	assert_int_equal(in(IIR), 0x02);
}

/* Each call of ioreq_set_line() may be a system call on the poll core: only changes are worth one. */
static void test_uart16550_line_is_set_only_when_it_changes(void **unused)
{
	unsigned before = count_lines();

	(void)unused;
	for (int i = 0; i < 100; i++) {
		in(LSR);
		out(SCR, (uint8_t)i);
		out(DATA, 'x');
	}
	assert_int_equal(count_lines(), before);
	enable(0x02);
	assert_int_equal(count_lines(), before + 1);
	out(IER, 0x0a);
	in(LSR);
	assert_int_equal(count_lines(), before + 1);
	in(IIR);
	assert_int_equal(count_lines(), before + 2);
}

static void poll_and_send(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		in(LSR);
		out(DATA, 'x');
		in(IIR);
	}
}

static void test_uart16550_polled_output_makes_no_system_call(void **unused)
{
	(void)unused;
	run_without_system_calls(poll_and_send, NULL);
}

/* ---- output ----------------------------------------------------------------------------------------------- */

static void test_uart16550_sent_bytes_reach_the_output(void **unused)
{
	(void)unused;
	for (const char *byte = "hello\r\n"; *byte; byte++) {
		assert_int_equal(in(LSR), 0x60);
		out(DATA, (uint8_t)*byte);
	}
	destroy_device(&uart);
	assert_content(output, "hello\r\n");
	uart = open_uart(false, false);
}

static void use_fifo_as_output(int *fifo_out)
{
	destroy_device(&uart);
	unlink(output);
	*fifo_out = make_fifo(output);
	uart = open_uart(false, false);
}

/* A guest that looks at LSR before each FIFO full loses nothing, however slow the other end is. */
static void test_uart16550_full_output_shows_not_empty_loses_nothing(void **unused)
{
	uint32_t sent = 0, received = 0;
	uint8_t buffer[4096];
	int fifo;

	(void)unused;
	use_fifo_as_output(&fifo);
	out(DATA, (uint8_t)(sent++ * 3)); /* so that less than a FIFO full of room is left, but some */
	for (int quiet = 0; quiet < QUIET_MS; quiet++) {
		for (; in(LSR) == 0x60; quiet = 0)
			for (int i = 0; i < 16; i++)
				out(DATA, (uint8_t)(sent++ * 3));
		if (!fifo_is_full(fifo))
			quiet = 0;
		sleep_ms(1);
	}
	assert_int_equal(in(LSR), 0x00);
	assert_true(sent > IOREQ_SINK_BYTES);
	enable(0x02); /* nothing to tell: it is full */
	assert_int_equal(in(IIR), 0x01);
	assert_false(line_is_high());
	for (int quiet = 0; received < sent && quiet < WAIT_MS; quiet++) {
		ssize_t count = read(fifo, buffer, sizeof(buffer));

		for (ssize_t i = 0; i < count; i++)
			assert_int_equal(buffer[i], (uint8_t)(received++ * 3));
		if (count <= 0)
			sleep_ms(1);
	}
	assert_int_equal(received, sent);
	assert_soon(line_is_high());
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0x02);
	close(fifo);
}

static void test_uart16550_full_output_blind_write_is_lost_not_waited_for(void **unused)
{
	int fifo;

	(void)unused;
	use_fifo_as_output(&fifo);
	for (int i = 0; i < 1000000; i++)
		out(DATA, 'x');
	assert_int_equal(in(LSR), 0x00);
	close(fifo); /* and nobody reads: the rest is lost, the transmitter goes on */
	assert_soon(in(LSR) == 0x60);
}

static void test_uart16550_full_disk_does_not_stop_the_guest(void **unused)
{
	struct ioreq_setting setting = setting_string("output", "/dev/full");

	(void)unused;
	destroy_device(&uart);
	uart = create_device(&ioreq_device_uart16550, &setting, 1);
	assert_int_equal(fake.line, 4);
	enable(0x02);
	for (int i = 0; i < 20; i++) {
		assert_soon(line_is_high());
		assert_int_equal(in(IIR), 0x02);
		out(DATA, 'x');
	}
	destroy_device(&uart);
	uart = open_uart(false, false);
}

/* ---- input ------------------------------------------------------------------------------------------------ */

static int open_input(void)
{
	int fifo = make_fifo(input);

	destroy_device(&uart);
	uart = open_uart(true, false);
	return fifo;
}

static void test_uart16550_input_is_received_and_interrupts(void **unused)
{
	int fifo = open_input();

	(void)unused;
	enable(0x01);
	assert_false(line_is_high());
	assert_int_equal(write(fifo, "ab", 2), 2);
	assert_soon(line_is_high());
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(DATA), 'a');
	assert_true(line_is_high());
	assert_int_equal(in(DATA), 'b');
	assert_soon(!line_is_high());
	assert_int_equal(in(LSR), 0x60);
	close(fifo);
}

/* The byte comes and goes within one access: nobody had seen it in a register. */
static void test_uart16550_input_read_at_once_lowers_the_line(void **unused)
{
	int fifo = open_input();

	(void)unused;
	enable(0x01);
	for (uint8_t i = 1; i < 20; i++) {
		assert_int_equal(write(fifo, &i, 1), 1);
		assert_soon(line_is_high());
		assert_int_equal(in(DATA), i);
		assert_soon(!line_is_high());
	}
	close(fifo);
}

static void test_uart16550_input_is_polled_without_interrupts(void **unused)
{
	int fifo = open_input();
	unsigned before = count_lines();

	(void)unused;
	assert_int_equal(write(fifo, "x", 1), 1);
	assert_soon(in(LSR) == 0x61);
	assert_int_equal(in(DATA), 'x');
	assert_int_equal(count_lines(), before);
	close(fifo);
}

static void test_uart16550_input_waits_while_in_loopback(void **unused)
{
	int fifo = open_input();

	(void)unused;
	out(MCR, 0x18);
	out(IER, 0x01);
	assert_int_equal(write(fifo, "x", 1), 1);
	sleep_ms(100);
	assert_false(line_is_high());
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 'l');
	assert_int_equal(in(DATA), 'l');
	out(MCR, 0x08);
	assert_soon(line_is_high());
	assert_int_equal(in(DATA), 'x');
	close(fifo);
}

static void test_uart16550_input_before_create_raises_the_line_later(void **unused)
{
	int fd = open(input, O_CREAT | O_WRONLY, 0600);

	(void)unused;
	assert_int_equal(write(fd, "early", 5), 5);
	close(fd);
	destroy_device(&uart);
	uart = open_uart(true, false);
	enable(0x01);
	for (const char *byte = "early"; *byte; byte++) {
		assert_soon(line_is_high());
		assert_int_equal(in(DATA), *byte);
	}
	assert_soon(!line_is_high());
}

/*
 * The input's thread is inside ioreq_set_line() to raise the line, for as long as the kernel likes, while the guest
 * takes the byte: the guest is not held up, and the line ends up low.
 */
static void test_uart16550_line_follows_a_change_during_a_change(void **unused)
{
	int fifo = open_input();
	unsigned before = count_lines();

	(void)unused;
	enable(0x01);
	__atomic_store_n(&fake.hold, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(write(fifo, "x", 1), 1);
	assert_soon(__atomic_load_n(&fake.inside, __ATOMIC_SEQ_CST) == 1);
	assert_int_equal(in(DATA), 'x');
	out(IER, 0x03);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(__atomic_load_n(&fake.inside, __ATOMIC_SEQ_CST), 1);
	__atomic_store_n(&fake.hold, 0, __ATOMIC_SEQ_CST);
	assert_soon(count_lines() > before);
	assert_soon(!line_is_high());
	close(fifo);
}

/* ---- both directions at once ------------------------------------------------------------------------------ */

#define TRAFFIC 200000u

static void *send_input(void *context)
{
	int *fifo = context;

	for (uint32_t sent = 0; sent < TRAFFIC;) {
		uint8_t bytes[37];
		uint32_t count = sent % 37 + 1;
		ssize_t written;

		for (uint32_t i = 0; i < count; i++)
			bytes[i] = (uint8_t)((sent + i) * 5);
		written = write(*fifo, bytes, sent + count > TRAFFIC ? TRAFFIC - sent : count);
		if (written > 0)
			sent += (uint32_t)written;
		if (written <= 0 || sent % 3 == 0)
			sched_yield();
	}
	return NULL;
}

/* What a driver's interrupt handler does: serve what IIR names until it names nothing. */
static void serve_interrupt(uint32_t *received, uint32_t *sent)
{
	for (uint8_t iir = in(IIR); !(iir & 1); iir = in(IIR)) {
		if ((iir & 0x0e) == 0x02) {
			for (int i = 0; i < 16; i++)
				out(DATA, (uint8_t)((*sent)++ * 11));
			continue;
		}
		assert_true((iir & 0x0e) == 0x04 || (iir & 0x0e) == 0x0c);
		while (in(LSR)&1)
			assert_int_equal(in(DATA), (uint8_t)((*received)++ * 5));
	}
}

/*
 * A guest that looks only when it is interrupted gets every byte, and its transmitter never falls asleep: not one
 * change of the line is lost, whichever of the three threads made it.
 */
static void test_uart16550_traffic_by_interrupts_loses_nothing(void **unused)
{
	static uint8_t found[4 * 1024 * 1024];
	uint32_t received = 0, sent = 0;
	int fifo = open_input();
	pthread_t sender;

	(void)unused;
	out(FCR, 0x81);
	enable(0x03);
	assert_int_equal(pthread_create(&sender, NULL, send_input, &fifo), 0);
	while (received < TRAFFIC || sent < 4096) {
		assert_soon(line_is_high());
		serve_interrupt(&received, &sent);
	}
	pthread_join(sender, NULL);
	assert_int_equal(received, TRAFFIC);
	destroy_device(&uart);
	assert_int_equal(read_path(output, (char *)found, sizeof(found)), sent);
	for (uint32_t i = 0; i < sent; i++)
		if (found[i] != (uint8_t)(i * 11))
			fail_msg("byte %u sent is wrong", i);
	uart = open_uart(false, false);
	close(fifo);
}

/* ---- restart and settings --------------------------------------------------------------------------------- */

static void test_uart16550_recovered_keeps_registers_and_fifo(void **unused)
{
	(void)unused;
	out(LCR, 0x80);
	out(DATA, 0x0c);
	out(LCR, 0x03);
	out(SCR, 0x77);
	out(FCR, 0x81);
	out(MCR, 0x18);
	out(IER, 0x05);
	for (uint8_t i = 0; i < 17; i++)
		out(DATA, i);
	destroy_device(&uart);
	assert_false(line_is_high());
	uart = open_uart(false, true);
	assert_true(line_is_high());
	assert_int_equal(in(IIR), 0xc6);
	assert_int_equal(in(LSR), 0x63);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(in(DATA), i);
	assert_false(line_is_high());
	assert_int_equal(in(SCR), 0x77);
	assert_int_equal(in(IER), 0x05);
	assert_int_equal(in(MCR), 0x18);
	assert_int_equal(in(MSR), 0x83);
	out(LCR, 0x83);
	assert_int_equal(in(DATA), 0x0c);
}

/* The engine died between a byte and its THRE interrupt: a driver that waits for it must get it. */
static void test_uart16550_recovered_transmitter_interrupts(void **unused)
{
	(void)unused;
	enable(0x02);
	in(IIR);
	out(DATA, 'x');
	destroy_device(&uart);
	uart = open_uart(false, true);
	assert_soon(line_is_high());
	assert_int_equal(in(IIR), 0x02);
}

static void test_uart16550_recovered_garbage_stays_inside(void **unused)
{
	(void)unused;
	destroy_device(&uart);
	memset(state, 0xff, ioreq_device_uart16550.state_bytes);
	uart = open_uart(false, true);
	out(LCR, 0x03);
	out(FCR, 0x01);
	out(MCR, 0x10);
	for (uint8_t i = 0; i < 40; i++)
		out(DATA, i);
	for (uint8_t i = 0; i < 16; i++)
		in(DATA);
	in(LSR);
	assert_int_equal(in(LSR), 0x60);
}

static void test_uart16550_bad_settings_are_refused(void **unused)
{
	struct ioreq_setting irq = setting_integer("irq", 64);
	struct ioreq_setting type = setting_string("irq", "4");
	struct ioreq_setting unknown = setting_integer("baud", 115200);
	struct ioreq_setting nowhere = setting_string("output", "/nowhere/file");
	struct ioreq_setting no_input[] = {setting_string("output", "/dev/null"),
					   setting_string("input", "/nowhere/file")};

	(void)unused;
	refuse_device(&ioreq_device_uart16550, NULL, 0, -EINVAL,
		      "dut: setting 'output' is missing; allowed: a path, or \"stdout\"");
	refuse_device(&ioreq_device_uart16550, &irq, 1, -EINVAL, "dut: setting 'irq' is 64; allowed: 0 to 63");
	refuse_device(&ioreq_device_uart16550, &type, 1, -EINVAL,
		      "dut: setting 'irq' is a string; allowed: an integer");
	refuse_device(&ioreq_device_uart16550, &unknown, 1, -EINVAL,
		      "dut: unknown setting 'baud'; allowed: irq, output, input");
	refuse_device(&ioreq_device_uart16550, &nowhere, 1, -ENOENT,
		      "dut: setting 'output': cannot open '/nowhere/file': No such file or directory");
	refuse_device(&ioreq_device_uart16550, no_input, 2, -ENOENT,
		      "dut: setting 'input': cannot open '/nowhere/file': No such file or directory");
}

#define uart_test(name) cmocka_unit_test_setup_teardown(name, make_uart, end_uart)

int main(void)
{
	const struct CMUnitTest tests[] = {
		uart_test(test_uart16550_reset_state_is_idle_and_line_low),
		uart_test(test_uart16550_plain_registers_keep_their_bits),
		uart_test(test_uart16550_dlab_shows_the_divisor),
		uart_test(test_uart16550_fcr_enables_fifos_and_shows_in_iir),
		uart_test(test_uart16550_wide_access_is_unhandled),
		uart_test(test_uart16550_loopback_returns_bytes_and_sends_none),
		uart_test(test_uart16550_overrun_without_fifo_keeps_the_newest),
		uart_test(test_uart16550_overrun_with_fifo_keeps_the_oldest),
		uart_test(test_uart16550_fifo_turns_around),
		uart_test(test_uart16550_fcr_clears_the_receiver),
		uart_test(test_uart16550_loopback_connects_modem_lines),
		uart_test(test_uart16550_received_data_interrupts_until_read),
		uart_test(test_uart16550_trigger_level_divides_data_from_timeout),
		uart_test(test_uart16550_thre_interrupt_is_taken_back_by_iir),
		uart_test(test_uart16550_thre_interrupt_comes_when_the_output_is_drained),
		uart_test(test_uart16550_thre_interrupt_in_loopback_is_immediate),
		uart_test(test_uart16550_line_status_interrupts_until_lsr_is_read),
		uart_test(test_uart16550_modem_status_interrupts_until_msr_is_read),
		uart_test(test_uart16550_interrupts_are_told_in_order_of_priority),
		uart_test(test_uart16550_out2_gates_the_line_not_iir),
		uart_test(test_uart16550_line_is_set_only_when_it_changes),
		uart_test(test_uart16550_polled_output_makes_no_system_call),
		uart_test(test_uart16550_sent_bytes_reach_the_output),
		uart_test(test_uart16550_full_output_shows_not_empty_loses_nothing),
		uart_test(test_uart16550_full_output_blind_write_is_lost_not_waited_for),
		uart_test(test_uart16550_full_disk_does_not_stop_the_guest),
		uart_test(test_uart16550_input_is_received_and_interrupts),
		uart_test(test_uart16550_input_read_at_once_lowers_the_line),
		uart_test(test_uart16550_input_is_polled_without_interrupts),
		uart_test(test_uart16550_input_waits_while_in_loopback),
		uart_test(test_uart16550_input_before_create_raises_the_line_later),
		uart_test(test_uart16550_line_follows_a_change_during_a_change),
		uart_test(test_uart16550_traffic_by_interrupts_loses_nothing),
		uart_test(test_uart16550_recovered_keeps_registers_and_fifo),
		uart_test(test_uart16550_recovered_transmitter_interrupts),
		uart_test(test_uart16550_recovered_garbage_stays_inside),
		cmocka_unit_test(test_uart16550_bad_settings_are_refused),
	};

	return cmocka_run_group_tests_name("uart16550", tests, NULL, NULL);
}
