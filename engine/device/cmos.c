/* SPDX-License-Identifier: MIT */
/*
 * CMOS RAM and real-time clock: index at the even address (port 0x70), data at the odd one (0x71).
 *
 * 0x00..0x09, 0x32  time of day, UTC, BCD, 24 hours, from the host's clock; writes to them are dropped: the host's
 *                   clock is right. The three alarm bytes among them are RAM
 * 0x0a A            no update is ever in progress: each register is computed when it is read. As on hardware without
 *                   the flag, a guest reads the seconds twice to know that no second has passed
 * 0x0b B            BCD and 24 hours fixed; only SET and daylight saving are kept. No interrupts: their enables read 0
 * 0x0c C, 0x0d D    no interrupt pending; RAM and time valid
 * 0x15..0x18, 0x30, 0x31, 0x34, 0x35   memory size as firmware looks for it, read-only
 * all others        RAM
 *
 * Setting   memory: RAM of the VM below 4 GiB in bytes, 1 MiB..4 GiB in steps of 64 KiB; 16 MiB without it.
 * Threads   One at a time; inline or thread delivery: the time comes from the vDSO, without a system call.
 * Memory    Index and RAM, kept by the engine.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "device/devices.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	STATUS_A = 0x0a,
	STATUS_B = 0x0b,
	STATUS_C = 0x0c,
	STATUS_D = 0x0d,
	CENTURY = 0x32,
};

#define INDEX_BITS 0x7f
#define A_VALUE 0x26    /* 32.768 kHz, 1.024 kHz square wave; update in progress: bit 7, clear */
#define A_BITS 0x7f     /* what a guest can change of A */
#define B_24_HOURS 0x02 /* and, bit 2 clear, BCD */
#define B_BITS 0x81     /* SET, daylight saving */
#define D_VALID 0x80

struct cmos {
	uint8_t index;
	uint8_t bytes[128];
};

static void set_word(struct cmos *cmos, unsigned at, uint64_t value)
{
	if (value > 0xffff)
		value = 0xffff;
	cmos->bytes[at] = (uint8_t)value;
	cmos->bytes[at + 1] = (uint8_t)(value >> 8);
}

static void set_memory(struct cmos *cmos, uint64_t memory)
{
	set_word(cmos, 0x15, 640);                                                 /* KiB below 640 KiB */
	set_word(cmos, 0x17, (memory - MIB) / 1024);                               /* KiB above 1 MiB */
	set_word(cmos, 0x30, (memory - MIB) / 1024);                               /* the same, as found by the BIOS */
	set_word(cmos, 0x34, memory > 16 * MIB ? (memory - 16 * MIB) / 65536 : 0); /* 64-KiB blocks above 16 MiB */
}

static int create(const struct ioreq_create *config, void **device_out, struct ioreq_error *error)
{
	static const char *const keys[] = {"memory", NULL};
	static const enum ioreq_setting_type types[] = {IOREQ_SETTING_INTEGER};
	const struct ioreq_setting *setting;
	struct cmos *cmos = config->state;
	uint64_t memory;
	int result = ioreq_setting_check(config, keys, types, error);

	if (result < 0)
		return result;
	setting = ioreq_setting_find(config, "memory", IOREQ_SETTING_INTEGER);
	memory = setting ? setting->integer : 16 * MIB;
	if (memory < MIB || memory > 4 * GIB || memory % 65536 != 0) {
		snprintf(error->text, sizeof(error->text),
			 "%s: setting 'memory' is %" PRIu64 "; allowed: 1 MiB to 4 GiB, in steps of 64 KiB",
			 config->name, memory);
		return -EINVAL;
	}
	if (!config->recovered)
		cmos->bytes[STATUS_A] = A_VALUE;
	cmos->index &= INDEX_BITS;
	cmos->bytes[STATUS_B] |= B_24_HOURS;
	cmos->bytes[STATUS_D] = D_VALID;
	set_memory(cmos, memory);
	*device_out = cmos;
	return 0;
}

/* The Gregorian calendar, day 0 = Thursday, 1 January 1970. Not gmtime_r(): it takes a lock and may read files. */
static void find_date(int64_t day, struct tm *date)
{
	/* Years that begin in March end with the leap day, and centuries and leap years fall out of two divisions. */
	int64_t since = day + 719468; /* days since 1 March of the year 0 */
	int64_t century = (4 * since + 3) / 146097;
	int64_t of_century = since - century * 146097 / 4;
	int64_t year = (4 * of_century + 3) / 1461;
	int64_t of_year = of_century - year * 1461 / 4;
	int64_t month = (5 * of_year + 2) / 153; /* 0: March; five months have 153 days */

	date->tm_wday = (int)((day + 4) % 7);
	date->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
	date->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
	date->tm_year = (int)(century * 100 + year + (month < 10 ? 0 : 1));
}

static uint8_t bcd(int value)
{
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static bool is_time(unsigned index)
{
	return index == SECONDS || index == MINUTES || index == HOURS || (index >= WEEKDAY && index <= YEAR) ||
	       index == CENTURY;
}

static uint8_t read_time(unsigned index)
{
	struct timespec now;
	struct tm date;

	clock_gettime(CLOCK_REALTIME, &now);
	find_date(now.tv_sec / 86400, &date);
	switch (index) {
	case SECONDS: return bcd((int)(now.tv_sec % 60));
	case MINUTES: return bcd((int)(now.tv_sec / 60 % 60));
	case HOURS: return bcd((int)(now.tv_sec / 3600 % 24));
	case WEEKDAY: return bcd(date.tm_wday + 1);
	case DAY: return bcd(date.tm_mday);
	case MONTH: return bcd(date.tm_mon + 1);
	case YEAR: return bcd(date.tm_year % 100);
	default: return bcd(date.tm_year / 100);
	}
}

static bool is_memory_size(unsigned index)
{
	return (index >= 0x15 && index <= 0x18) || index == 0x30 || index == 0x31 || index == 0x34 || index == 0x35;
}

static void write_byte(struct cmos *cmos, uint8_t value)
{
	if (is_time(cmos->index) || is_memory_size(cmos->index) || cmos->index == STATUS_C || cmos->index == STATUS_D)
		return;
	if (cmos->index == STATUS_A)
		value &= A_BITS;
	else if (cmos->index == STATUS_B)
		value = (uint8_t)((value & B_BITS) | B_24_HOURS);
	cmos->bytes[cmos->index] = value;
}

static enum ioreq_result handle(void *device, struct ioreq_access *access)
{
	struct cmos *cmos = device;
	bool data = access->address & 1;
	uint8_t value = 0xff; /* the index register cannot be read */

	if (access->size != 1)
		return IOREQ_UNHANDLED;
	if (access->direction == IOREQ_WRITE && data)
		write_byte(cmos, (uint8_t)access->value);
	else if (access->direction == IOREQ_WRITE)
		cmos->index = access->value & INDEX_BITS; /* bit 7 masks the NMI, which nobody here raises */
	else if (data)
		value = is_time(cmos->index) ? read_time(cmos->index) : cmos->bytes[cmos->index];
	if (access->direction == IOREQ_READ)
		access->value = value;
	return IOREQ_DONE;
}

const struct ioreq_device_ops ioreq_device_cmos = {
	.name = "cmos",
	.state_bytes = sizeof(struct cmos),
	.create = create,
	.handle = handle,
};
