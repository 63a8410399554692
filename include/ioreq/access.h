/* SPDX-License-Identifier: MIT */
/*
 * One guest access: what a device handler is given, copied out of a slot once and validated.
 *
 * A handler can trust it: the direction is READ or WRITE, the size is 1, 2 or 4 bytes (MMIO: also 8), the
 * address does not wrap, a value is never wider than the access.
 *
 * Threads   A plain value.
 * Memory    The engine's, for the time of the handler's call. A handler that answers DEFER copies it.
 */
#ifndef IOREQ_ACCESS_H
#define IOREQ_ACCESS_H

#include <stdint.h>

struct ioreq_client;

/* The numbers are those of acrn_io_request.type. */
enum ioreq_space {
	IOREQ_PIO = 0,
	IOREQ_MMIO = 1,
	IOREQ_PCICFG = 2,
};
#define IOREQ_NR_SPACES 3

/* The numbers are those of the requests' direction. */
enum ioreq_direction {
	IOREQ_READ = 0,
	IOREQ_WRITE = 1,
};

struct ioreq_access {
	uint64_t address;           /* port, guest-physical address, or ioreq_pci_address() */
	uint64_t value;             /* write: what the guest wrote; read: 0, the handler stores its answer here */
	uint8_t space;              /* enum ioreq_space */
	uint8_t direction;          /* enum ioreq_direction */
	uint8_t size;               /* bytes: 1, 2, 4, MMIO also 8 */
	uint8_t vcpu;               /* 0..15, the slot it came from */
	uint8_t completion_polling; /* 0: the hypervisor waits for a notify */
	uint8_t reserved[3];

	/* The engine's: which request this is. ioreq_complete() needs them unchanged. */
	uint32_t sequence;
	uint32_t reserved_sequence;
	uint64_t token;
	uint64_t seen_tsc;
	struct ioreq_client *client;
};

/* Mask of the bits that an access of `size` bytes (1, 2, 4 or 8) can carry. */
static inline uint64_t ioreq_width_mask(unsigned size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

/* A PCI config register as one address, in the ECAM layout; bus 0..255, dev 0..31, func 0..7, reg 0..4095. */
static inline uint64_t ioreq_pci_address(unsigned bus, unsigned dev, unsigned func, unsigned reg)
{
	return (uint64_t)bus << 20 | (uint64_t)dev << 15 | (uint64_t)func << 12 | reg;
}

/* Highest address of a space. */
static inline uint64_t ioreq_space_last(unsigned space)
{
	return space == IOREQ_PIO ? UINT64_C(0xffff) : space == IOREQ_PCICFG ? UINT64_C(0x0fffffff) : UINT64_MAX;
}

#endif
