/* SPDX-License-Identifier: MIT */
/* The command line of `ioreq-bench load`. See load_options.h. */
#include "load_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <ioreq/abi.h>

#include "options.h"

#define DEFAULT_VCPUS 1u
#define SECOND UINT64_C(1000000000)

const char *const ioreq_load_options_completions[] = {"polling", "notify", "mixed", NULL};

/* SPACE:ADDRESS, with room for `bytes` from there on. */
static int parse_target(const char *text, uint64_t bytes, struct ioreq_load_target *out)
{
	static const char *const spaces[IOREQ_NR_SPACES] = {"pio:", "mmio:", "pcicfg:"};

	for (unsigned space = 0; space < IOREQ_NR_SPACES; space++) {
		size_t length = strlen(spaces[space]);
		const char *number = text + length;
		char *end;
		uint64_t address;

		if (strncmp(text, spaces[space], length) != 0)
			continue;
		errno = 0;
		address = strtoull(number, &end, strncmp(number, "0x", 2) == 0 ? 16 : 10);
		if (number[0] < '0' || number[0] > '9' || *end || errno)
			return -EINVAL;
		if (address > ioreq_space_last(space) - (bytes - 1))
			return -EINVAL;
		*out = (struct ioreq_load_target){.space = (uint8_t)space, .address = address};
		return 0;
	}
	return -EINVAL;
}

/* What is given on the command line stands instead of the demo's addresses: counted from 0 here, see parse(). */
static int add_target(struct ioreq_load_target *targets, unsigned *nr_targets, const char *text, uint64_t bytes)
{
	if (*nr_targets == IOREQ_LOAD_MAX_TARGETS || parse_target(text, bytes, &targets[*nr_targets]))
		return -EINVAL;
	++*nr_targets;
	return 0;
}

/* A bank's offset is the low 12 bits of an address. */
static int add_bank(void *into, const char *text)
{
	struct ioreq_load_map *map = &((struct ioreq_load_options *)into)->map;
	unsigned at = map->nr_banks;

	if (add_target(map->banks, &map->nr_banks, text, IOREQ_LOAD_BANK_BYTES))
		return -EINVAL;
	return map->banks[at].address % IOREQ_LOAD_BANK_BYTES ? -EINVAL : 0;
}

static int add_unclaimed(void *into, const char *text)
{
	struct ioreq_load_map *map = &((struct ioreq_load_options *)into)->map;

	return add_target(map->unclaimed, &map->nr_unclaimed, text, IOREQ_LOAD_UNCLAIMED_BYTES);
}

#define AT(member) offsetof(struct ioreq_load_options, member)

static const struct ioreq_option table[] = {
	{.name = "join",
	 .kind = IOREQ_OPTION_FLAG,
	 .offset = AT(join),
	 .help = "use the PAGE that is there; default: create it"},
	{.name = "keep",
	 .kind = IOREQ_OPTION_FLAG,
	 .offset = AT(keep),
	 .help = "leave a PAGE that was created here; default: remove it"},
	{.name = "vcpus",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(nr_vcpus),
	 .minimum = 1,
	 .maximum = IOREQ_MAX_VCPUS,
	 .argument = "N",
	 .help = "vCPUs to drive, 1..16 (1; with --join all of the page)"},
	{.name = "page-vcpus",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(page_vcpus),
	 .minimum = 1,
	 .maximum = IOREQ_MAX_VCPUS,
	 .argument = "N",
	 .help = "vCPUs that a created page is for (as many as are driven)"},
	{.name = "threads",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(nr_threads),
	 .minimum = 1,
	 .maximum = IOREQ_MAX_VCPUS,
	 .argument = "N",
	 .help = "threads that play them (one each, but one core is left to the engine)"},
	{.name = "requests",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(nr_requests),
	 .minimum = 1,
	 .maximum = UINT64_MAX,
	 .argument = "N",
	 .help = "stop after N requests of all vCPUs together"},
	{.name = "seconds",
	 .kind = IOREQ_OPTION_SECONDS,
	 .offset = AT(duration_ns),
	 .argument = "SECONDS",
	 .help = "stop after that time (10, if neither is given)"},
	{.name = "rate",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(rate_hz),
	 .minimum = 1,
	 .maximum = 100000000,
	 .argument = "HZ",
	 .help = "open loop: that many requests per second and vCPU; default: closed loop"},
	{.name = "completion",
	 .kind = IOREQ_OPTION_CHOICE,
	 .offset = AT(completion),
	 .choices = ioreq_load_options_completions,
	 .argument = "polling|notify|mixed",
	 .help = "how a vCPU learns of completion (polling)"},
	{.name = "read-share",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(read_percent),
	 .maximum = 100,
	 .argument = "PERCENT",
	 .help = "reads among the requests (50)"},
	{.name = "hostile",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(hostile_percent),
	 .maximum = 100,
	 .argument = "PERCENT",
	 .help = "malformed requests: bad size, type, direction, address (0)"},
	{.name = "restarts",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(restarts),
	 .maximum = 1000000,
	 .argument = "N",
	 .help = "the engine dies N times meanwhile: it may fail N requests of each vCPU (0)"},
	{.name = "seed",
	 .kind = IOREQ_OPTION_COUNT,
	 .offset = AT(seed),
	 .maximum = UINT64_MAX,
	 .argument = "N",
	 .help = "of the random requests (1)"},
	{.name = "bank",
	 .kind = IOREQ_OPTION_CUSTOM,
	 .parse = add_bank,
	 .argument = "SPACE:ADDRESS",
	 .help = "a registers bank of 4 KiB, pio, mmio or pcicfg; up to 16 (the demo's four)"},
	{.name = "unclaimed",
	 .kind = IOREQ_OPTION_CUSTOM,
	 .parse = add_unclaimed,
	 .argument = "SPACE:ADDRESS",
	 .help = "256 bytes without a device, pio, mmio or pcicfg; up to 16 (pio:0x6000, mmio:0xfd000000)"},
	{.name = "wait",
	 .kind = IOREQ_OPTION_SECONDS,
	 .offset = AT(wait_ns),
	 .argument = "SECONDS",
	 .help = "for an engine to answer the first request (30)"},
	{.name = "stall",
	 .kind = IOREQ_OPTION_SECONDS,
	 .offset = AT(stall_ns),
	 .argument = "SECONDS",
	 .help = "a request without answer for that long is lost (10)"},
	{.name = "json",
	 .kind = IOREQ_OPTION_TEXT,
	 .offset = AT(json),
	 .argument = "FILE",
	 .help = "write the results there, too; - for standard output"},
	{.name = "help", .kind = IOREQ_OPTION_FLAG, .offset = AT(help), .help = "this"},
	{.name = NULL},
};

static void use_demo_where_unset(struct ioreq_load_map *map)
{
	struct ioreq_load_map demo = ioreq_load_model_demo();

	if (!map->nr_banks) {
		memcpy(map->banks, demo.banks, sizeof(demo.banks));
		map->nr_banks = demo.nr_banks;
	}
	if (!map->nr_unclaimed) {
		memcpy(map->unclaimed, demo.unclaimed, sizeof(demo.unclaimed));
		map->nr_unclaimed = demo.nr_unclaimed;
	}
}

static int refuse(struct ioreq_error *error, const char *sentence)
{
	if (error)
		snprintf(error->text, sizeof(error->text), "%s", sentence);
	return -EINVAL;
}

int ioreq_load_options_parse(int argc, char *const *argv, struct ioreq_load_options *options, struct ioreq_error *error)
{
	struct ioreq_load_options parsed = {
		.read_percent = 50,
		.seed = 1,
		.stall_ns = 10 * SECOND,
		.wait_ns = 30 * SECOND,
	};
	int rc = ioreq_options_parse(table, argc, argv, &parsed, &parsed.page, error);

	if (rc)
		return rc;
	if (!parsed.page && !parsed.help)
		return refuse(error, "no page file given");
	if (parsed.join && parsed.page_vcpus)
		return refuse(error, "--page-vcpus says what to create, but --join creates nothing");
	if (parsed.page_vcpus && parsed.nr_vcpus > parsed.page_vcpus)
		return refuse(error, "--vcpus is more than --page-vcpus");
	if (!parsed.nr_requests && !parsed.duration_ns)
		parsed.duration_ns = 10 * SECOND;
	use_demo_where_unset(&parsed.map);
	*options = parsed;
	return 0;
}

void ioreq_load_options_help(FILE *file)
{
	fputs("usage: ioreq-bench load [OPTION...] PAGE\n"
	      "\n"
	      "Is the hypervisor of the shared page file PAGE: posts random accesses, checks every answer, measures every\n"
	      "request. Needs the demo set-up's devices behind the page.\n"
	      "\n",
	      file);
	ioreq_options_help(table, file);
	fputs("\n"
	      "exit status: 0 all right, 1 wrong answers, 2 could not start, 3 lost requests, 130 interrupted\n",
	      file);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int ioreq_load_options_settle(struct ioreq_load_options *options, unsigned file_vcpus, unsigned nr_spinners,
			      struct ioreq_error *error)
{
	if (file_vcpus && options->nr_vcpus > file_vcpus) {
		if (error)
			snprintf(error->text, sizeof(error->text), "%s has %u vCPUs, but --vcpus is %u", options->page,
				 file_vcpus, (unsigned)options->nr_vcpus);
		return -EINVAL;
	}
	if (file_vcpus)
		options->page_vcpus = file_vcpus;
	if (!options->nr_vcpus && file_vcpus)
		options->nr_vcpus = file_vcpus;
	if (!options->nr_vcpus)
		options->nr_vcpus = options->page_vcpus ? least(DEFAULT_VCPUS, options->page_vcpus) : DEFAULT_VCPUS;
	if (!options->page_vcpus)
		options->page_vcpus = options->nr_vcpus;
	if (!options->nr_threads)
		options->nr_threads = nr_spinners ? nr_spinners : 1;
	options->nr_threads = least(options->nr_threads, options->nr_vcpus);
	return 0;
}
