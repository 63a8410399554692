/* SPDX-License-Identifier: MIT */
/*
 * Slot -> access. Each field is read once, by one atomic load: the producer may be wrong or hostile, and what was
 * validated must be what is used.
 *
 * Threads   The poller. Memory: the caller's.
 */
#include "core/access.h"

#include "core/atomic.h"

/* Sizes as a bit set: bit n is "n bytes are allowed". */
#define SIZES_PORT (1u << 1 | 1u << 2 | 1u << 4)
#define SIZES_MMIO (SIZES_PORT | 1u << 8)

/* Fields of a config address that do not fit make an address beyond the space, which the last check refuses. */
static uint64_t pci_address(const struct acrn_pci_request *pci)
{
	uint64_t bus = load_relaxed(&pci->bus), dev = load_relaxed(&pci->dev);
	uint64_t func = load_relaxed(&pci->func), reg = load_relaxed(&pci->reg);

	if (bus > 255 || dev > 31 || func > 7 || reg > 4095)
		return UINT64_MAX;
	return bus << 20 | dev << 15 | func << 12 | reg;
}

/* What cannot be trusted is answered as the widest read of its kind; a write's answer is never stored. */
static int refuse(struct ioreq_access *access, int reason)
{
	access->size = access->space == IOREQ_MMIO ? 8 : 4;
	return reason;
}

static int refuse_type(struct ioreq_access *access, uint32_t direction)
{
	access->space = IOREQ_MMIO;
	access->direction = direction == ACRN_IOREQ_DIR_WRITE ? IOREQ_WRITE : IOREQ_READ;
	access->address = 0;
	return refuse(access, IOREQ_BAD_TYPE);
}

static int refuse_direction(struct ioreq_access *access)
{
	access->direction = IOREQ_READ;
	return refuse(access, IOREQ_BAD_DIRECTION);
}

/* Locals, not the copy's own fields: this is on the guest's way, and a field would be loaded again after each store. */
int ioreq_access_copy(const struct acrn_io_request *slot, unsigned vcpu, struct ioreq_access *access)
{
	uint32_t type = load_relaxed(&slot->type), sizes = SIZES_PORT;
	uint32_t direction = load_relaxed(&slot->reqs.pio_request.direction);
	uint64_t size = load_relaxed(&slot->reqs.pio_request.size), address, last;

	access->vcpu = (uint8_t)vcpu;
	access->completion_polling = load_relaxed(&slot->completion_polling) != 0;
	access->direction = (uint8_t)direction;
	access->space = (uint8_t)type;
	access->size = (uint8_t)size;
	access->value = 0;
	if (type == ACRN_IOREQ_TYPE_MMIO) {
		address = load_relaxed(&slot->reqs.mmio_request.address);
		last = ioreq_space_last(IOREQ_MMIO);
		sizes = SIZES_MMIO;
	} else if (type == ACRN_IOREQ_TYPE_PORTIO) {
		address = load_relaxed(&slot->reqs.pio_request.address);
		last = ioreq_space_last(IOREQ_PIO);
	} else if (type == ACRN_IOREQ_TYPE_PCICFG) {
		address = pci_address(&slot->reqs.pci_request);
		last = ioreq_space_last(IOREQ_PCICFG);
	} else {
		return refuse_type(access, direction);
	}
	access->address = address;
	if (direction > ACRN_IOREQ_DIR_WRITE)
		return refuse_direction(access);
	if (size > 8 || !(sizes >> size & 1))
		return refuse(access, IOREQ_BAD_SIZE);
	/* The access's last byte: below the address if it wraps. */
	if (address + size - 1 < address || address + size - 1 > last)
		return IOREQ_BAD_ADDRESS;
	if (direction == ACRN_IOREQ_DIR_WRITE)
		access->value = ioreq_width_mask((unsigned)size) &
				(type == ACRN_IOREQ_TYPE_MMIO ? load_relaxed(&slot->reqs.mmio_request.value)
							      : load_relaxed(&slot->reqs.pio_request.value));
	return -1;
}
