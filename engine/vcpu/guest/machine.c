/* SPDX-License-Identifier: MIT */
/*
 * Interrupt controllers, time, and the other vCPUs.
 *
 * Threads   See machine.h. Words shared between vCPUs, or with a handler, go through the wrappers of core/atomic.h.
 */
#include "machine.h"

#include <stddef.h>

#include "core/atomic.h"

#define LOCAL_APIC UINT64_C(0xfee00000)
#define APIC_END 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND 0x300
#define APIC_TIMER 0x320
#define APIC_LINT0 0x350
#define APIC_TIMER_COUNT 0x380
#define APIC_TIMER_DIVIDE 0x3e0
#define COMMAND_OTHERS 0xc0000u
#define COMMAND_INIT 0x4500u
#define COMMAND_START 0x4600u
#define COMMAND_FIXED 0x4000u
#define TIMER_PERIODIC 0x20000u
#define TIMER_BY_ONE 0xbu
#define COUNTS_PER_MS 1000000u /* KVM's local APIC timer counts nanoseconds */
#define MASKED 0x10000u
#define EXTERNAL 0x700u

#define IO_APIC UINT64_C(0xfec00000)
#define IO_APIC_LINES 24u

#define NR_VECTORS 256u
#define JOB_MS 20000u
#define START_MS 2000u

/* Gates of the interrupt table. */
struct gate {
	uint16_t address_low;
	uint16_t selector;
	uint16_t type;
	uint16_t address_middle;
	uint32_t address_high;
	uint32_t reserved;
};

struct interrupt_frame {
	uint64_t ip;
	uint64_t cs;
	uint64_t flags;
	uint64_t sp;
	uint64_t ss;
};

static struct gate gates[NR_VECTORS];
static uint32_t ticks;       /* milliseconds since the timer runs; counted by vCPU 0's handler */
static uint32_t nr_running;  /* vCPUs that have arrived in guest_secondary() */
static uint32_t generation;  /* jobs given out so far */
static uint32_t nr_finished; /* vCPUs that have finished the current one */
static void (*current_job)(unsigned cpu);

/* ---- interrupts -------------------------------------------------------------------------------------------- */

static void apic_write(unsigned reg, uint32_t value)
{
	mmio_write(4, LOCAL_APIC + reg, value);
}

void end_of_interrupt(void)
{
	apic_write(APIC_END, 0);
}

void pic_end_of_interrupt(void)
{
	port_write(1, 0x20, 0x20);
}

void set_handler(unsigned vector, void (*handler)(struct interrupt_frame *frame))
{
	uintptr_t address = (uintptr_t)handler;

	gates[vector] = (struct gate){
		.address_low = (uint16_t)address,
		.selector = GUEST_CODE64,
		.type = 0x8e00, /* present, interrupt gate */
		.address_middle = (uint16_t)(address >> 16),
		.address_high = (uint32_t)(address >> 32),
	};
}

__attribute__((interrupt)) static void on_tick(struct interrupt_frame *frame)
{
	(void)frame;
	count_one(&ticks);
	end_of_interrupt();
}

__attribute__((interrupt)) static void on_wake(struct interrupt_frame *frame)
{
	(void)frame;
	end_of_interrupt();
}

static void die(uint64_t ip)
{
	print("selftest: FAIL exception: got one at ");
	print_hex(ip);
	print(" want none\n");
	guest_end();
}

__attribute__((interrupt)) static void on_exception(struct interrupt_frame *frame)
{
	die(frame->ip);
}

__attribute__((interrupt)) static void on_exception_with_code(struct interrupt_frame *frame, uint64_t code)
{
	(void)code;
	die(frame->ip);
}

static void fill_gates(void)
{
	const uint32_t with_code = 0x60227d00; /* double fault, 10..14, 17, 21, 29, 30 */

	for (unsigned vector = 0; vector < 32; vector++) {
		if (with_code >> vector & 1)
			set_handler(vector, (void (*)(struct interrupt_frame *))(void *)on_exception_with_code);
		else
			set_handler(vector, on_exception);
	}
	set_handler(VECTOR_TICK, on_tick);
	set_handler(VECTOR_WAKE, on_wake);
}

/* ---- controllers ------------------------------------------------------------------------------------------- */

static void io_apic_write(uint32_t reg, uint32_t value)
{
	mmio_write(4, IO_APIC, reg);
	mmio_write(4, IO_APIC + 0x10, value);
}

void io_apic_enable(unsigned line, unsigned vector)
{
	io_apic_write(0x11 + 2 * line, 0);
	io_apic_write(0x10 + 2 * line, vector);
}

void io_apic_disable(unsigned line)
{
	io_apic_write(0x10 + 2 * line, MASKED);
}

static void pic_init(void)
{
	static const struct {
		uint16_t port;
		uint8_t value;
	} words[] = {
		{0x20, 0x11}, {0x21, VECTOR_PIC},     {0x21, 4}, {0x21, 1}, {0x21, 0xff},
		{0xa0, 0x11}, {0xa1, VECTOR_PIC + 8}, {0xa1, 2}, {0xa1, 1}, {0xa1, 0xff},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		port_write(1, words[i].port, words[i].value);
}

void pic_enable(unsigned irq, bool level_triggered)
{
	port_write(1, 0x4d0, level_triggered ? 1u << irq : 0);
	port_write(1, 0x21, 0xffu & ~(1u << irq));
}

void pic_disable(void)
{
	port_write(1, 0x21, 0xff);
}

void machine_init_cpu(void)
{
	const struct __attribute__((packed)) {
		uint16_t last;
		uint64_t address;
	} table = {sizeof(gates) - 1, (uintptr_t)gates};

	__asm__ __volatile__("lidt %0" : : "m"(table));
	apic_write(APIC_SPURIOUS, 0x1ff); /* enabled, vector 0xff */
}

void machine_init(void)
{
	fill_gates();
	machine_init_cpu();
	apic_write(APIC_LINT0, EXTERNAL);
	pic_init();
	for (unsigned line = 0; line < IO_APIC_LINES; line++)
		io_apic_disable(line);
}

/* ---- time -------------------------------------------------------------------------------------------------- */

/* Interrupts are on for exactly the time of HLT: STI takes effect after the instruction that follows it. */
static void sleep_until_interrupt(void)
{
	__asm__ __volatile__("sti; hlt; cli" : : : "memory");
}

static void start_ticks(void)
{
	store_relaxed(&ticks, 0);
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_ONE);
	apic_write(APIC_TIMER, TIMER_PERIODIC | VECTOR_TICK);
	apic_write(APIC_TIMER_COUNT, COUNTS_PER_MS);
}

static void stop_ticks(void)
{
	apic_write(APIC_TIMER, MASKED | VECTOR_TICK);
	apic_write(APIC_TIMER_COUNT, 0);
}

bool wait_for(const uint32_t *word, uint32_t want, unsigned ms)
{
	bool reached;

	start_ticks();
	for (;;) {
		/* KG1 acquire: what the other vCPU did before it counted. Pairs with KG2. Without it: its results are old. */
		reached = load_acquire(word) >= want;
		if (reached || load_relaxed(&ticks) >= ms)
			break;
		sleep_until_interrupt();
	}
	stop_ticks();
	return reached;
}

void pause_ms(unsigned ms)
{
	static const uint32_t never;

	wait_for(&never, 1, ms);
}

/* ---- vCPUs ------------------------------------------------------------------------------------------------- */

unsigned cpus_announced(void)
{
	uint32_t eax = 1;
	uint32_t ebx;
	uint32_t ecx = 0;
	uint32_t edx;
	unsigned count;

	__asm__ __volatile__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	count = ebx >> 16 & 0xff;
	return count < 1 ? 1 : count > GUEST_MAX_CPUS ? GUEST_MAX_CPUS : count;
}

unsigned cpus_start(void)
{
	unsigned others = cpus_announced() - 1;

	if (!others)
		return 1;
	apic_write(APIC_COMMAND, COMMAND_OTHERS | COMMAND_INIT);
	pause_ms(10);
	apic_write(APIC_COMMAND, COMMAND_OTHERS | COMMAND_START | GUEST_IMAGE >> 12);
	wait_for(&nr_running, others, START_MS);
	return load_relaxed(&nr_running) + 1;
}

bool cpus_run(void (*job)(unsigned cpu))
{
	unsigned others = load_relaxed(&nr_running);

	store_relaxed(&nr_finished, 0);
	current_job = job;
	/* KG3 release: the job before its number. Pairs with KG4. Without it: the previous job is run again. */
	add_release(&generation, 1);
	if (others)
		apic_write(APIC_COMMAND, COMMAND_OTHERS | COMMAND_FIXED | VECTOR_WAKE);
	job(0);
	return wait_for(&nr_finished, others, JOB_MS);
}

/* Where entry.S sends every vCPU but the first. */
__attribute__((noreturn)) void guest_secondary(unsigned cpu);
__attribute__((noreturn)) void guest_secondary(unsigned cpu)
{
	uint32_t done = 0;

	machine_init_cpu();
	/* KG2 release: ready before counted. Pairs with KG1. */
	add_release(&nr_running, 1);
	for (;;) {
		/* KG4 acquire: the job of this number. Pairs with KG3. */
		while (load_acquire(&generation) == done)
			sleep_until_interrupt();
		done++;
		current_job(cpu);
		/* KG2 release: the job's results before counted. Pairs with KG1. */
		add_release(&nr_finished, 1);
	}
}

/* The compiler may call these for structures. */
void *memset(void *to, int byte, size_t count);
void *memset(void *to, int byte, size_t count)
{
	void *at = to;

	__asm__ __volatile__("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t count);
void *memcpy(void *to, const void *from, size_t count)
{
	void *at = to;

	__asm__ __volatile__("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
	return to;
}
