/* SPDX-License-Identifier: MIT */
/*
 * A bank of 4 KiB to try everything on that a device can do: plain storage, registers with side effects, an interrupt
 * line, MSIs, a doorbell. Works in all three spaces; offset = address & 0xfff, little endian.
 *
 * 0x00 ID           reads 0x31475242 ("BRG1")
 * 0x04 READS        a read answers how often it has been read, this read included; a write sets the count
 * 0x08 STATUS       a 1 written clears its bit
 * 0x0c SET          bits written are set in STATUS; reads 0
 * 0x10 WRITES       how many writes the storage has taken; a write sets the count
 * 0x14 LINE         a write sets interrupt line (bits 5..0) to a level (bit 31); reads what was written last
 * 0x18 BELLS        how often the doorbell has been rung
 * 0x1c MSI_ADDRESS  where MSIs go
 * 0x20 MSI_DATA     a write sends an MSI; reads the result of the last one: 0, or a positive errno
 * 0x40 ...          storage, any size and alignment
 *
 * Below 0x40 only aligned 4-byte accesses to the registers listed are handled; writes to ID and BELLS are ignored.
 *
 * Setting   doorbell: the name of a doorbell of this VM, which must exist before the bank; optional.
 * Threads   One at a time. Inline, every access but BELLS with a doorbell (two system calls), LINE and MSI_DATA (one
 *           at most) is free of them.
 * Memory    All of it kept by the engine; an instance only adds its client and the doorbell's descriptor.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/devices.h"

#define BANK_BYTES 4096u
#define STORAGE 0x40u
#define ID_VALUE 0x31475242u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they lie in memory");

enum {
	ID = 0x00,
	READS = 0x04,
	STATUS = 0x08,
	SET = 0x0c,
	WRITES = 0x10,
	LINE = 0x14,
	BELLS = 0x18,
	MSI_ADDRESS = 0x1c,
	MSI_DATA = 0x20
};

struct state {
	uint8_t storage[BANK_BYTES]; /* the first 0x40 bytes are never used: an offset is an index */
	uint32_t reads, status, writes, line, bells, msi_address, msi_result;
};

struct bank {
	struct state *state;
	struct ioreq_client *client;
	int doorbell; /* -1: none */
};

static int find_doorbell(const struct ioreq_create *config, int *fd_out, struct ioreq_error *error)
{
	const struct ioreq_setting *setting = ioreq_setting_find(config, "doorbell", IOREQ_SETTING_STRING);
	int fd;

	if (!setting)
		return 0;
	fd = ioreq_doorbell_fd(config->client, setting->string);
	if (fd >= 0) {
		*fd_out = fd;
		return 0;
	}
	snprintf(error->text, sizeof(error->text),
		 "%s: setting 'doorbell': '%s' is not a doorbell of this VM; allowed: one that was added before",
		 config->name, setting->string);
	return -EINVAL;
}

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	static const char *const keys[] = {"doorbell", NULL};
	static const enum ioreq_setting_type types[] = {IOREQ_SETTING_STRING};
	struct bank *bank;
	int doorbell = -1;
	int result = ioreq_setting_check(config, keys, types, error);

	if (result == 0)
		result = find_doorbell(config, &doorbell, error);
	if (result < 0)
		return result;
	bank = malloc(sizeof(*bank));
	if (!bank) {
		snprintf(error->text, sizeof(error->text), "%s: out of memory", config->name);
		return -ENOMEM;
	}
	*bank = (struct bank){.state = config->state, .client = config->client, .doorbell = doorbell};
	*device_out = bank;
	return 0;
}

/* Adds what the doorbell has counted since the last time. Whoever made the eventfd decided whether it blocks: ask. */
static uint32_t count_bells(struct bank *bank)
{
	struct pollfd rung = {.fd = bank->doorbell, .events = POLLIN};
	uint64_t count;

	if (bank->doorbell >= 0 && poll(&rung, 1, 0) == 1 && read(rung.fd, &count, sizeof(count)) == sizeof(count))
		bank->state->bells += (uint32_t)count;
	return bank->state->bells;
}

static enum ioreq_result read_register(struct bank *bank, unsigned offset, uint64_t *value_out)
{
	struct state *state = bank->state;

	switch (offset) {
	case ID: *value_out = ID_VALUE; break;
	case READS: *value_out = ++state->reads; break;
	case STATUS: *value_out = state->status; break;
	case SET: *value_out = 0; break;
	case WRITES: *value_out = state->writes; break;
	case LINE: *value_out = state->line; break;
	case BELLS: *value_out = count_bells(bank); break;
	case MSI_ADDRESS: *value_out = state->msi_address; break;
	case MSI_DATA: *value_out = state->msi_result; break;
	default: return IOREQ_UNHANDLED;
	}
	return IOREQ_DONE;
}

static enum ioreq_result write_register(struct bank *bank, unsigned offset, uint32_t value)
{
	struct state *state = bank->state;

	switch (offset) {
	case ID:
	case BELLS: break;
	case READS: state->reads = value; break;
	case STATUS: state->status &= ~value; break;
	case SET: state->status |= value; break;
	case WRITES: state->writes = value; break;
	case LINE:
		state->line = value;
		ioreq_set_line(bank->client, value & 0x3f, value >> 31);
		break;
	case MSI_ADDRESS: state->msi_address = value; break;
	case MSI_DATA: state->msi_result = (uint32_t)-ioreq_inject_msi(bank->client, state->msi_address, value); break;
	default: return IOREQ_UNHANDLED;
	}
	return IOREQ_DONE;
}

static enum ioreq_result access_storage(struct state *state, unsigned offset, struct ioreq_access *access)
{
	if (access->direction == IOREQ_WRITE) {
		memcpy(&state->storage[offset], &access->value, access->size);
		state->writes++;
	} else {
		memcpy(&access->value, &state->storage[offset], access->size);
	}
	return IOREQ_DONE;
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	struct bank *bank = device;
	unsigned offset = access->address & (BANK_BYTES - 1);

	/* A range that is not aligned to the bank can let an access through that leaves it. */
	if (offset + access->size > BANK_BYTES)
		return IOREQ_UNHANDLED;
	if (offset >= STORAGE)
		return access_storage(bank->state, offset, access);
	if (access->size != 4)
		return IOREQ_UNHANDLED;
	if (access->direction == IOREQ_WRITE)
		return write_register(bank, offset, (uint32_t)access->value);
	return read_register(bank, offset, &access->value);
}

const struct ioreq_device_ops ioreq_device_registers = {
	.name = "registers",
	.state_bytes = sizeof(struct state),
	.create = create,
	.destroy = free,
	.handle = handle,
};
