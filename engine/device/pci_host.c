/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space with one device, the host bridge of an Intel 440FX (82441FX) at 00:00.0. Everywhere else
 * nobody answers: reads are all ones, writes are dropped.
 *
 * The bridge keeps what a guest writes into its memory registers, as the chip does, and does nothing with it: RAM is
 * where the hypervisor put it. Not kept: identity, SMRAM's lock (D_LCK), the CPU reset of TRC.
 *
 * Threads   One at a time; inline or thread delivery.
 * Memory    The 256 bytes of the bridge, kept by the engine.
 */
#include <string.h>

#include "device/devices.h"

#define BRIDGE_BYTES 256u

/* What the bridge holds at first where that is not 0. Subsystem as QEMU's `pc` has it: firmware looks for it. */
static const struct {
	uint8_t first, bytes[4];
} first_values[] = {
	{0x00, {0x86, 0x80, 0x37, 0x12}}, /* vendor, device */
	{0x04, {0x06, 0x00, 0x80, 0x02}}, /* command: memory, bus master; status */
	{0x08, {0x02, 0x00, 0x00, 0x06}}, /* revision 2, host bridge */
	{0x2c, {0xf4, 0x1a, 0x00, 0x11}}, /* subsystem 1af4:1100 */
	{0x70, {0x00, 0x10, 0x02, 0x00}}, /* CPU latency timer; SMRAM at A0000 */
};

/* The bits that a write changes (82441FX public register lists); none of the header's. */
static const struct {
	uint8_t first, last, bits;
} writable[] = {
	{0x50, 0x50, 0x74}, /* PMC configuration, without the straps */
	{0x51, 0x51, 0xc0}, /* its upper half */
	{0x52, 0x58, 0xff}, /* deturbo, buffers, DRAM rows and timing */
	{0x59, 0x59, 0x30}, /* PAM0: read and write enable of F0000 */
	{0x5a, 0x5f, 0x33}, /* PAM1..6: the same for two segments each, C0000..EFFFF */
	{0x60, 0x67, 0xff}, /* DRAM row boundaries */
	{0x68, 0x68, 0xc0}, /* fixed DRAM hole */
	{0x70, 0x71, 0xf8}, /* multi-transaction and CPU latency timers */
	{0x72, 0x72, 0x68}, /* SMRAM: open, closed, enabled */
	{0x90, 0x90, 0xff}, /* error command */
};

static uint8_t writable_bits(unsigned at)
{
	for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		if (at >= writable[i].first && at <= writable[i].last)
			return writable[i].bits;
	return 0;
}

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	uint8_t *bridge = config->state;
	int result = ioreq_setting_check(config, (const char *const[]){NULL}, NULL, error);

	if (result < 0)
		return result;
	for (size_t i = 0; !config->recovered && i < sizeof(first_values) / sizeof(first_values[0]); i++)
		memcpy(bridge + first_values[i].first, first_values[i].bytes, sizeof(first_values[i].bytes));
	*device_out = bridge;
	return 0;
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	uint8_t *bridge = device;
	uint64_t value = 0;

	/* In the layout of ioreq_pci_address(), 00:00.0 begins at 0; no other device has an address below 256. */
	if (access->address + access->size > BRIDGE_BYTES) {
		if (access->direction == IOREQ_READ)
			access->value = ioreq_width_mask(access->size);
		return IOREQ_DONE;
	}
	for (unsigned i = 0; i < access->size; i++) {
		uint8_t *byte = &bridge[access->address + i];
		uint8_t bits = access->direction == IOREQ_WRITE ? writable_bits((unsigned)access->address + i) : 0;

		*byte = (uint8_t)((*byte & ~bits) | ((access->value >> 8 * i) & bits));
		value |= (uint64_t)*byte << 8 * i;
	}
	if (access->direction == IOREQ_READ)
		access->value = value;
	return IOREQ_DONE;
}

const struct ioreq_device_ops ioreq_device_pci_host = {
	.name = "pci_host",
	.state_bytes = BRIDGE_BYTES,
	.create = create,
	.handle = handle,
};
