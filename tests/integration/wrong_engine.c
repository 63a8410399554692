/* SPDX-License-Identifier: MIT */
/*
 * An engine that answers everything wrongly, but for the debug console: proof that each case of the guest self-test can
 * fail. It reads and writes the page on its own: the library would answer rightly.
 *
 *	wrong_engine PAGE NR_VCPUS CONSOLE-FILE
 *
 * A read gets a value that is neither right nor all ones, another one each time; a write is dropped; no interrupt comes.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ioreq/abi.h>
#include <ioreq/shm.h>

#include "core/atomic.h"

#define CONSOLE_PORT 0x402u

static struct ioreq_shm_file *map_page(const char *path)
{
	void *memory;
	int fd = -1;

	for (int tries = 0; fd < 0 && tries < 1000; tries++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0)
		return NULL;
	memory = mmap(NULL, IOREQ_SHM_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static void answer(struct acrn_io_request *slot, FILE *console)
{
	static uint64_t lie = 0x5a5a5a5a5a5a5a5a;
	struct acrn_pio_request *pio = &slot->reqs.pio_request;

	if (slot->type == ACRN_IOREQ_TYPE_PORTIO && pio->address == CONSOLE_PORT) {
		if (pio->direction == ACRN_IOREQ_DIR_WRITE)
			fputc((int)(pio->value & 0xff), console);
		else
			pio->value = 0xe9;
	} else if (pio->direction == ACRN_IOREQ_DIR_READ) {
		/* Odd multiplier: the low byte changes every time and never becomes all ones twice in a row. */
		lie = lie * 0x9e3779b97f4a7c15u + 0x1234567u;
		if (slot->type == ACRN_IOREQ_TYPE_MMIO)
			slot->reqs.mmio_request.value = lie;
		else
			pio->value = (uint32_t)(lie >> 32);
	}
	/* PG3 release: as the engine's. Pairs with HV2. */
	store_release(&slot->processed, ACRN_IOREQ_STATE_COMPLETE);
}

int main(int argc, char **argv)
{
	struct ioreq_shm_file *file;
	unsigned nr_vcpus;
	FILE *console;

	if (argc != 4)
		return 2;
	nr_vcpus = (unsigned)atoi(argv[2]);
	console = fopen(argv[3], "w");
	file = map_page(argv[1]);
	if (!console || !file) {
		perror("wrong_engine");
		return 1;
	}
	setvbuf(console, NULL, _IOLBF, 0);
	for (;;) {
		unsigned served = 0;

		for (unsigned v = 0; v < nr_vcpus; v++) {
			struct acrn_io_request *slot = &file->slots.req_slot[v];

			/* PG1 acquire: as the engine's. Pairs with HV1. */
			if (load_acquire(&slot->processed) != ACRN_IOREQ_STATE_PENDING)
				continue;
			answer(slot, console);
			served++;
		}
		if (!served)
			sched_yield();
	}
}
