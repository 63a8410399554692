/* SPDX-License-Identifier: MIT */
/*
 * One latch per VM, kept in its block: a restarted engine finds the register that the guest selected.
 *
 * Threads   The VM's poller. Every access to the latch may be repeated without harm, so it is not journalled as a
 *           handler's.
 * Source    The reference driver: a dword at 0xCF8 is the latch, everything else at 0xCF8..0xCFB is an ordinary port.
 */
#include "core/pci_config.h"

#define ADDRESS_PORT 0xcf8u
#define DATA_PORT 0xcfcu
#define DATA_PORT_LAST 0xcffu
#define LATCH_ENABLE (UINT32_C(1) << 31)

static bool latch_access(uint32_t *latch, struct ioreq_access *access)
{
	if (access->direction == IOREQ_WRITE)
		*latch = (uint32_t)access->value;
	else
		access->value = *latch;
	return true;
}

bool ioreq_pci_config_port(uint32_t *latch, struct ioreq_access *access)
{
	uint32_t selected = *latch;
	unsigned reg;

	if (access->address == ADDRESS_PORT && access->size == 4)
		return latch_access(latch, access);
	if (access->address < DATA_PORT || access->address + access->size - 1 > DATA_PORT_LAST)
		return false;
	if (!(selected & LATCH_ENABLE)) {
		access->value = ioreq_width_mask(access->size);
		return true;
	}
	/* Bits 27..24 extend the register number to 4 KiB, as the reference (and AMD hardware) has it. */
	reg = (selected & 0xfc) + (selected >> 16 & 0xf00) + (unsigned)(access->address - DATA_PORT);
	access->address = ioreq_pci_address(selected >> 16 & 0xff, selected >> 11 & 0x1f, selected >> 8 & 7, reg);
	access->space = IOREQ_PCICFG;
	return false;
}
