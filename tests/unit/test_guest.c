/* SPDX-License-Identifier: MIT */
/*
 * What a guest, or a hypervisor that is wrong, can put into a slot: each is answered at once, exactly, counted by its
 * reason, and never reaches a handler. With and without strict states, with and without completion polling.
 *
 * Threads   One. Memory: a stand per test.
 */
#include "unit/stand.h"

#define READ ACRN_IOREQ_DIR_READ
#define WRITE ACRN_IOREQ_DIR_WRITE
#define PIO ACRN_IOREQ_TYPE_PORTIO
#define MMIO ACRN_IOREQ_TYPE_MMIO
#define PCI ACRN_IOREQ_TYPE_PCICFG
#define VCPU 9
/* What stands in the eight bytes of the value field before the request. */
#define STALE UINT64_C(0x1122334455667788)

struct mode {
	bool strict_states;
	uint32_t polling;
};

static const struct mode modes[] = {{false, 1}, {false, 0}, {true, 1}, {true, 0}};

static struct stand stand;
static struct stand_device everything;

struct request {
	uint32_t type, direction;
	uint64_t address, size;
	uint64_t field; /* the eight bytes of the value field afterwards */
	enum ioreq_reason reason;
};

/* A read's answer of all ones over the whole of a 32-bit field; the bus number behind it stays. */
#define ONES_32 (STALE | UINT64_C(0xffffffff))

static const struct request invalid[] = {
	{3, READ, 0x1000, 4, UINT64_MAX, IOREQ_BAD_TYPE},
	{3, WRITE, 0x1000, 4, STALE, IOREQ_BAD_TYPE},
	{4, READ, 0x1000, 0, UINT64_MAX, IOREQ_BAD_TYPE},
	{UINT32_MAX, 99, UINT64_MAX, UINT64_MAX, UINT64_MAX, IOREQ_BAD_TYPE},
	{PIO, 2, 0x1000, 1, ONES_32, IOREQ_BAD_DIRECTION},
	{MMIO, 2, 0x1000, 1, UINT64_MAX, IOREQ_BAD_DIRECTION},
	{PCI, UINT32_MAX, 0, 4, ONES_32, IOREQ_BAD_DIRECTION},
	{PIO, READ, 0x1000, 0, ONES_32, IOREQ_BAD_SIZE},
	{PIO, WRITE, 0x1000, 0, STALE, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, 3, ONES_32, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, 5, ONES_32, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, 8, ONES_32, IOREQ_BAD_SIZE},
	{PIO, WRITE, 0x1000, 8, STALE, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, 16, ONES_32, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, UINT64_C(1) << 63, ONES_32, IOREQ_BAD_SIZE},
	{PIO, READ, 0x1000, (UINT64_C(1) << 32) + 4, ONES_32, IOREQ_BAD_SIZE},
	{MMIO, READ, 0x1000, 0, UINT64_MAX, IOREQ_BAD_SIZE},
	{MMIO, READ, 0x1000, 3, UINT64_MAX, IOREQ_BAD_SIZE},
	{MMIO, WRITE, 0x1000, 5, STALE, IOREQ_BAD_SIZE},
	{MMIO, READ, 0x1000, 16, UINT64_MAX, IOREQ_BAD_SIZE},
	{MMIO, READ, 0x1000, UINT64_C(1) << 63, UINT64_MAX, IOREQ_BAD_SIZE},
	{MMIO, READ, 0x1000, UINT64_MAX, UINT64_MAX, IOREQ_BAD_SIZE},
	{PCI, READ, 0, 0, ONES_32, IOREQ_BAD_SIZE},
	{PCI, READ, 0, 3, ONES_32, IOREQ_BAD_SIZE},
	{PCI, READ, 0, 8, ONES_32, IOREQ_BAD_SIZE},
	{PCI, WRITE, 0, 8, STALE, IOREQ_BAD_SIZE},
	{PIO, READ, 0x10000, 1, 0x11223344000000ff, IOREQ_BAD_ADDRESS},
	{PIO, READ, 0xffff, 2, 0x112233440000ffff, IOREQ_BAD_ADDRESS},
	{PIO, READ, 0xfffe, 4, ONES_32, IOREQ_BAD_ADDRESS},
	{PIO, WRITE, 0x10000, 4, STALE, IOREQ_BAD_ADDRESS},
	{PIO, READ, UINT64_MAX, 4, ONES_32, IOREQ_BAD_ADDRESS},
	{PIO, READ, UINT64_C(0x100000cf8), 4, ONES_32, IOREQ_BAD_ADDRESS},
	{MMIO, READ, UINT64_MAX, 8, UINT64_MAX, IOREQ_BAD_ADDRESS},
	{MMIO, READ, UINT64_MAX, 2, 0xffff, IOREQ_BAD_ADDRESS},
	{MMIO, READ, UINT64_MAX - 2, 4, 0xffffffff, IOREQ_BAD_ADDRESS},
	{MMIO, WRITE, UINT64_MAX - 2, 4, STALE, IOREQ_BAD_ADDRESS},
};

static struct acrn_io_request make(const struct request *request, uint32_t polling)
{
	struct acrn_io_request raw;
	uint64_t field = STALE;

	memset(&raw, 0, sizeof(raw));
	raw.type = request->type;
	raw.completion_polling = polling;
	raw.reqs.mmio_request.direction = request->direction;
	raw.reqs.mmio_request.address = request->address;
	raw.reqs.mmio_request.size = request->size;
	memcpy((uint8_t *)&raw.reqs + 24, &field, sizeof(field));
	return raw;
}

static uint64_t field_of(unsigned vcpu)
{
	uint64_t field;

	memcpy(&field, (const uint8_t *)&stand.slots->req_slot[vcpu].reqs + 24, sizeof(field));
	return field;
}

/* Posts it and sweeps once: it must be COMPLETE then, told to the hypervisor as it asked, and counted. */
static void send_and_check(const struct acrn_io_request *raw, uint64_t field, enum ioreq_reason reason)
{
	uint64_t counted = stand_stats(&stand)->reasons[reason], posted = stand_stats(&stand)->posted;
	uint32_t sequence = stand_sequence(&stand, VCPU), notified = stand.backend.notified[VCPU];
	struct ioreq_vcpu *vcpu = &stand.vcpus[VCPU];

	assert_int_equal(ioreq_vcpu_post_raw(vcpu, raw), 0);
	vcpu->slot->kernel_handled = 0;
	assert_int_equal(stand_sweep(&stand), 1);
	assert_int_equal(stand_state(&stand, VCPU), ACRN_IOREQ_STATE_COMPLETE);
	assert_int_equal(stand_sequence(&stand, VCPU), sequence + 1);
	assert_int_equal(field_of(VCPU), field);
	assert_int_equal(vcpu->slot->type, raw->type);
	assert_memory_equal(&vcpu->slot->reqs, &raw->reqs, 24);
	assert_int_equal(vcpu->slot->kernel_handled, stand.vm->strict_states);
	assert_int_equal(stand_stats(&stand)->reasons[reason], counted + 1);
	assert_int_equal(stand_stats(&stand)->posted, posted + 1);
	assert_int_equal(stand.backend.notified[VCPU], notified + !raw->completion_polling);
	assert_true(ioreq_vcpu_completed(vcpu));
	assert_int_equal(everything.entered, 0);
	ioreq_vcpu_finish(vcpu);
	assert_int_equal(stand_sweep(&stand), 0);
	assert_int_equal(stand.backend.notified[VCPU], notified + !raw->completion_polling);
	stand_assert_account(&stand);
}

/* One client owns every address of every space, and is the default client too. */
static void open_with_owner(const struct mode *mode)
{
	static const struct ioreq_range ranges[] = {
		{0, 0xffff, IOREQ_PIO}, {0, UINT64_MAX, IOREQ_MMIO}, {0, 0x0fffffff, IOREQ_PCICFG}};

	stand_open(&stand, &(struct stand_config){.strict_states = mode->strict_states});
	stand_device(&stand, &everything, 0);
	stand_add(&everything, &(struct stand_client){.name = "all", .is_default = true});
	for (size_t i = 0; i < NR_OF(ranges); i++)
		assert_int_equal(ioreq_range_add(everything.client, &ranges[i], NULL), 0);
}

static void test_guest_invalid_request_is_answered_exactly_and_reaches_nobody(void **unused)
{
	(void)unused;
	for (size_t m = 0; m < NR_OF(modes); m++) {
		open_with_owner(&modes[m]);
		for (size_t i = 0; i < NR_OF(invalid); i++) {
			const struct acrn_io_request raw = make(&invalid[i], modes[m].polling);

			send_and_check(&raw, invalid[i].field, invalid[i].reason);
		}
		stand_close(&stand);
	}
}

static void test_guest_config_field_out_of_range_is_answered_and_reaches_nobody(void **unused)
{
	static const struct {
		uint32_t bus, dev, func, reg;
		uint64_t size;
		uint32_t value;
	} cases[] = {
		{256, 0, 0, 0, 1, 0xff},           {0, 32, 0, 0, 2, 0xffff},       {0, 0, 8, 0, 4, 0xffffffff},
		{0, 0, 0, 4096, 4, 0xffffffff},    {UINT32_MAX, 0, 0, 0, 1, 0xff}, {0, UINT32_MAX, 0, 0, 1, 0xff},
		{0, 0, UINT32_MAX, 0, 1, 0xff},    {0, 0, 0, UINT32_MAX, 1, 0xff}, {255, 31, 7, 4095, 2, 0xffff},
		{255, 31, 7, 4094, 4, 0xffffffff},
	};

	(void)unused;
	for (size_t m = 0; m < NR_OF(modes); m++) {
		open_with_owner(&modes[m]);
		for (size_t i = 0; i < 2 * NR_OF(cases); i++) {
			struct acrn_io_request raw = {.type = PCI, .completion_polling = modes[m].polling};
			struct acrn_pci_request *pci = &raw.reqs.pci_request;
			bool write = i >= NR_OF(cases);
			uint64_t field;

			pci->direction = write ? WRITE : READ;
			pci->size = cases[i % NR_OF(cases)].size;
			pci->value = 0x55667788;
			pci->bus = cases[i % NR_OF(cases)].bus;
			pci->dev = cases[i % NR_OF(cases)].dev;
			pci->func = cases[i % NR_OF(cases)].func;
			pci->reg = cases[i % NR_OF(cases)].reg;
			field = (uint64_t)pci->bus << 32 | (write ? 0x55667788 : cases[i % NR_OF(cases)].value);
			send_and_check(&raw, field, IOREQ_BAD_ADDRESS);
			assert_int_equal(stand.slots->req_slot[VCPU].reqs.pci_request.bus, pci->bus);
			assert_int_equal(stand.slots->req_slot[VCPU].reqs.pci_request.reg, pci->reg);
		}
		stand_close(&stand);
	}
}

/* Valid, but nobody's whole: no range, half in a range, over the border of two. */
static void test_guest_access_that_nobody_owns_whole_reads_ones_and_drops_writes(void **unused)
{
	static const struct request cases[] = {
		{PIO, READ, 0x300, 1, 0x11223344000000ff, IOREQ_UNCLAIMED},
		{PIO, READ, 0x300, 2, 0x112233440000ffff, IOREQ_UNCLAIMED},
		{PIO, READ, 0x300, 4, ONES_32, IOREQ_UNCLAIMED},
		{PIO, WRITE, 0x300, 4, STALE, IOREQ_UNCLAIMED},
		{MMIO, READ, 0x300, 1, 0xff, IOREQ_UNCLAIMED},
		{MMIO, READ, 0x300, 8, UINT64_MAX, IOREQ_UNCLAIMED},
		{MMIO, WRITE, 0x300, 8, STALE, IOREQ_UNCLAIMED},
		/* Into the range from below, out of it, over the border of two ranges of one client. */
		{MMIO, READ, 0xffe, 4, 0xffffffff, IOREQ_UNCLAIMED},
		{MMIO, WRITE, 0xfff, 2, STALE, IOREQ_UNCLAIMED},
		{MMIO, READ, 0x2ffe, 4, 0xffffffff, IOREQ_UNCLAIMED},
		{MMIO, READ, 0x1ffc, 8, UINT64_MAX, IOREQ_UNCLAIMED},
		{MMIO, READ, 0x2fff, 8, UINT64_MAX, IOREQ_UNCLAIMED},
		/* Of the config port pair, what is not the latch and not the data port. */
		{PIO, READ, 0xcf8, 1, 0x11223344000000ff, IOREQ_UNCLAIMED},
		{PIO, READ, 0xcfe, 4, ONES_32, IOREQ_UNCLAIMED},
		{PIO, READ, 0xcfa, 4, ONES_32, IOREQ_UNCLAIMED},
		/* Its data port while the latch is off. */
		{PIO, READ, 0xcfc, 2, 0x112233440000ffff, IOREQ_LATCHED},
		{PIO, WRITE, 0xcfc, 4, STALE, IOREQ_LATCHED},
	};

	(void)unused;
	for (size_t m = 0; m < NR_OF(modes); m++) {
		const struct ioreq_range second = {0x2000, 0x2fff, IOREQ_MMIO};

		stand_open(&stand, &(struct stand_config){.strict_states = modes[m].strict_states});
		stand_device(&stand, &everything, 0);
		stand_add(&everything, &(struct stand_client){.name = "one", .range = {0x1000, 0x1fff, IOREQ_MMIO}});
		assert_int_equal(ioreq_range_add(everything.client, &second, NULL), 0);
		for (size_t i = 0; i < NR_OF(cases); i++) {
			const struct acrn_io_request raw = make(&cases[i], modes[m].polling);

			send_and_check(&raw, cases[i].field, cases[i].reason);
		}
		stand_close(&stand);
	}
}

/* A read's answer wider than the access is cut, and a narrow one does not leave the guest's old bits. */
static void test_guest_read_gets_the_handlers_value_cut_to_its_width(void **unused)
{
	static const struct request cases[] = {
		{PIO, READ, 0x300, 1, 0x11223344000000f8, 0},
		{PIO, READ, 0x300, 2, 0x112233440000f7f8, 0},
		{PIO, READ, 0x300, 4, 0x11223344f5f6f7f8, 0},
		{PCI, READ, 0, 2, 0x000000000000f7f8, 0},
		{MMIO, READ, 0x300, 1, 0xf8, 0},
		{MMIO, READ, 0x300, 2, 0xf7f8, 0},
		{MMIO, READ, 0x300, 4, 0xf5f6f7f8, 0},
		{MMIO, READ, 0x300, 8, 0xf1f2f3f4f5f6f7f8, 0},
		{MMIO, WRITE, 0x300, 8, STALE, 0},
		{PIO, WRITE, 0x300, 1, STALE, 0},
	};

	(void)unused;
	for (size_t m = 0; m < NR_OF(modes); m++) {
		open_with_owner(&modes[m]);
		everything.value = 0xf1f2f3f4f5f6f7f8;
		for (size_t i = 0; i < NR_OF(cases); i++) {
			struct acrn_io_request raw = make(&cases[i], modes[m].polling);

			if (cases[i].type == PCI)
				memset(&raw.reqs.pci_request.bus, 0, 16);
			assert_int_equal(ioreq_vcpu_post_raw(&stand.vcpus[VCPU], &raw), 0);
			assert_int_equal(stand_sweep(&stand), 1);
			assert_int_equal(field_of(VCPU), cases[i].field);
			assert_true(ioreq_vcpu_completed(&stand.vcpus[VCPU]));
			ioreq_vcpu_finish(&stand.vcpus[VCPU]);
		}
		assert_int_equal(everything.entered, NR_OF(cases));
		assert_int_equal(stand.backend.notified[VCPU], modes[m].polling ? 0 : NR_OF(cases));
		stand_close(&stand);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_invalid_request_is_answered_exactly_and_reaches_nobody),
		cmocka_unit_test(test_guest_config_field_out_of_range_is_answered_and_reaches_nobody),
		cmocka_unit_test(test_guest_access_that_nobody_owns_whole_reads_ones_and_drops_writes),
		cmocka_unit_test(test_guest_read_gets_the_handlers_value_cut_to_its_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
