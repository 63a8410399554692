/* SPDX-License-Identifier: MIT */
/* The port pair 0xCF8/0xCFC: PCI configuration mechanism 1. */
#ifndef IOREQ_CORE_PCI_CONFIG_H
#define IOREQ_CORE_PCI_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/access.h>

/*
 * Looks at a port access with the VM's latch. Returns true if the access is answered (the latch was written or read, or
 * the data port while bit 31 is off); false if it goes on, as it is or turned into a PCI-config access.
 */
bool ioreq_pci_config_port(uint32_t *latch, struct ioreq_access *access);

/* Is this port one of the pair? The one test that every port access pays. */
static inline bool ioreq_pci_config_is_port(const struct ioreq_access *access)
{
	return access->space == IOREQ_PIO && (access->address & ~UINT64_C(7)) == 0xcf8;
}

#endif
