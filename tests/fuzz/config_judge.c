/* SPDX-License-Identifier: MIT */
/*
 * The rules once more, as plainly as possible: every pair is compared with every other.
 *
 * Threads   One. Memory: none is kept.
 */
#include "fuzz/config_judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define NAME "mutant"
/* Longer files are not compared pair by pair, nor printed: their text may be longer than a file may be. */
#define MOST_BYTES 65536

static const char *const devices[] = {"cmos", "debug_console", "pci_host", "registers", "uart16550", "unclaimed", NULL};

#define RULE(condition)                           \
	do {                                      \
		if (!(condition))                 \
			return "not " #condition; \
	} while (0)

/* ---- refused ----------------------------------------------------------------------------------------------- */

struct lines {
	size_t nr;
	unsigned line, column;
	const char *wrong;
};

static void take_line(void *context, const char *text)
{
	struct lines *lines = context;
	unsigned line = 0, column = 0;
	int used = 0;

	lines->nr++;
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			lines->wrong = "a control character in a report";
	/* Of the file as a whole: the last line, if there are more than are shown. */
	if (strncmp(text, NAME ": error: ", strlen(NAME ": error: ")) == 0) {
		lines->line = -1u;
		return;
	}
	if (sscanf(text, NAME ":%u:%u: error: %n", &line, &column, &used) != 2 || used == 0 || text[used] == 0)
		lines->wrong = "a report of another form";
	if (line < 1 || column < 1)
		lines->wrong = "a report without place";
	if (line < lines->line || (line == lines->line && column < lines->column))
		lines->wrong = "reports out of order";
	lines->line = line;
	lines->column = column;
}

/* ---- accepted ---------------------------------------------------------------------------------------------- */

static bool good_name(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	for (size_t i = 0; i < length; i++)
		if (name[i] < '!' || name[i] > '~' || name[i] == '/')
			return false;
	return length >= 1 && length <= 31;
}

static bool good_path(const char *path)
{
	size_t length = path ? strlen(path) : 0;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)path[i] < 32 || path[i] == 127)
			return false;
	return length >= 1 && length <= 4095;
}

static uint64_t last_of(enum ioreq_space space)
{
	switch (space) {
	case IOREQ_PIO: return 0xffff;
	case IOREQ_MMIO: return UINT64_MAX;
	case IOREQ_PCICFG: return 0x0fffffff;
	}
	abort();
}

static const char *judge_engine(const struct config *config)
{
	const struct config_engine *engine = &config->engine;

	RULE(engine->nr_housekeeping >= 1);
	for (size_t i = 0; i < engine->nr_housekeeping; i++) {
		RULE(engine->housekeeping[i] <= 1023);
		for (size_t k = 0; k < i; k++)
			RULE(engine->housekeeping[i] != engine->housekeeping[k]);
	}
	RULE(engine->hugepages <= CONFIG_HUGEPAGES_OFF);
	RULE(engine->memory_bytes >= 1 << 20 && engine->memory_bytes <= UINT64_C(1) << 40);
	return NULL;
}

static const char *judge_pollers(const struct config *config)
{
	RULE(config->nr_pollers >= 1 && config->nr_pollers <= 16);
	for (size_t i = 0; i < config->nr_pollers; i++) {
		const struct config_poller *poller = &config->pollers[i];

		RULE(good_name(poller->name));
		RULE(poller->core >= -1 && poller->core <= 1023);
		RULE(poller->priority <= 99);
		RULE(poller->idle <= IOREQ_IDLE_YIELD);
		for (size_t k = 0; k < config->engine.nr_housekeeping; k++)
			RULE(poller->core != (int)config->engine.housekeeping[k]);
		for (size_t k = 0; k < i; k++) {
			RULE(strcmp(poller->name, config->pollers[k].name) != 0);
			RULE(poller->core == -1 || poller->core != config->pollers[k].core);
		}
	}
	return NULL;
}

static const char *judge_settings(const struct config_client *client)
{
	RULE(client->nr_settings <= 64);
	for (size_t i = 0; i < client->nr_settings; i++) {
		const struct ioreq_setting *setting = &client->settings[i];

		RULE(setting->key && strlen(setting->key) >= 1 && strlen(setting->key) <= 63);
		RULE(setting->type <= IOREQ_SETTING_BOOLEAN);
		RULE((setting->type == IOREQ_SETTING_STRING) == (setting->string != NULL));
		RULE(setting->type != IOREQ_SETTING_BOOLEAN || setting->integer <= 1);
		for (size_t k = 0; k < i; k++)
			RULE(strcmp(setting->key, client->settings[k].key) != 0);
	}
	return NULL;
}

static bool is_device(const char *name)
{
	for (size_t i = 0; devices[i]; i++)
		if (strcmp(devices[i], name) == 0)
			return true;
	return false;
}

static const char *judge_client(const struct config *config, const struct config_vm *vm,
				const struct config_client *client)
{
	RULE(good_name(client->name));
	RULE(client->delivery <= IOREQ_THREAD);
	RULE(client->wait <= IOREQ_WAIT_YIELD);
	RULE(client->core >= -1 && client->core <= 1023);
	RULE(client->delivery == IOREQ_THREAD || (client->core == -1 && client->wait == IOREQ_WAIT_PARK));
	RULE((client->device == NULL) != (client->plugin == NULL));
	RULE(!client->device || is_device(client->device));
	RULE(!client->plugin || good_path(client->plugin));
	RULE(client->is_default == (vm->default_client && strcmp(vm->default_client, client->name) == 0));
	for (size_t i = 0; i < config->nr_pollers; i++)
		RULE(client->core == -1 || client->core != config->pollers[i].core);
	for (const struct config_client *other = vm->clients; other < client; other++)
		RULE(strcmp(client->name, other->name) != 0);
	for (size_t i = 0; i < client->nr_ranges; i++) {
		RULE(client->ranges[i].space <= IOREQ_PCICFG);
		RULE(client->ranges[i].start <= client->ranges[i].last);
		RULE(client->ranges[i].last <= last_of(client->ranges[i].space));
	}
	return judge_settings(client);
}

static bool disjoint(const struct ioreq_range *one, const struct ioreq_range *other)
{
	return one->space != other->space || one->last < other->start || other->last < one->start;
}

static const char *judge_overlaps(const struct config_vm *vm)
{
	size_t nr = 0;

	for (size_t c = 0; c < vm->nr_clients; c++) {
		const struct config_client *client = &vm->clients[c];

		nr += client->nr_ranges;
		for (size_t i = 0; i < client->nr_ranges; i++)
			for (size_t d = 0; d <= c; d++)
				for (size_t k = 0; k < (d == c ? i : vm->clients[d].nr_ranges); k++)
					RULE(disjoint(&client->ranges[i], &vm->clients[d].ranges[k]));
	}
	RULE(nr <= 16384);
	return NULL;
}

static const char *judge_doorbell(const struct config_vm *vm, const struct ioreq_doorbell *bell)
{
	RULE(good_name(bell->name));
	RULE(bell->space <= IOREQ_PCICFG);
	RULE(bell->size == 1 || bell->size == 2 || bell->size == 4 || (bell->size == 8 && bell->space == IOREQ_MMIO));
	RULE(bell->address <= last_of(bell->space) && last_of(bell->space) - bell->address >= bell->size - 1);
	RULE(bell->size == 8 || bell->data >> (8 * bell->size) == 0);
	for (const struct ioreq_doorbell *other = vm->doorbells; other < bell; other++) {
		RULE(strcmp(bell->name, other->name) != 0);
		RULE(bell->space != other->space || bell->address != other->address ||
		     (!bell->any_data && !other->any_data && bell->data != other->data));
	}
	return NULL;
}

static const char *judge_vm(const struct config *config, const struct config_vm *vm)
{
	const char *wrong = NULL;
	bool has_poller = false, has_default = !vm->default_client;

	RULE(good_name(vm->name));
	RULE(vm->nr_vcpus >= 1 && vm->nr_vcpus <= 16);
	RULE(vm->clear_timeout_ns >= 1000000 && vm->clear_timeout_ns <= UINT64_C(60000000000));
	RULE(vm->backend.type == CONFIG_BACKEND_SHM && good_path(vm->backend.path));
	for (size_t i = 0; i < config->nr_pollers; i++)
		has_poller |= strcmp(vm->poller, config->pollers[i].name) == 0;
	RULE(has_poller);
	for (const struct config_vm *other = config->vms; other < vm; other++)
		RULE(strcmp(vm->name, other->name) != 0 && strcmp(vm->backend.path, other->backend.path) != 0);
	RULE(vm->nr_clients <= 128);
	for (size_t i = 0; i < vm->nr_clients && !wrong; i++) {
		wrong = judge_client(config, vm, &vm->clients[i]);
		has_default |= vm->clients[i].is_default;
	}
	RULE(wrong || has_default);
	RULE(vm->nr_doorbells <= 256);
	for (size_t i = 0; i < vm->nr_doorbells && !wrong; i++)
		wrong = judge_doorbell(vm, &vm->doorbells[i]);
	return wrong ? wrong : judge_overlaps(vm);
}

static const char *judge_accepted(const struct config *config)
{
	const char *wrong = judge_engine(config);
	size_t records = config->nr_vms;

	if (!wrong)
		wrong = judge_pollers(config);
	RULE(wrong || config->nr_vms <= 64);
	for (size_t i = 0; i < config->nr_vms && !wrong; i++) {
		wrong = judge_vm(config, &config->vms[i]);
		records += config->vms[i].nr_clients;
	}
	RULE(wrong || records <= 256);
	return wrong;
}

/* What cannot stand in a good file at all. */
static const char *judge_text(const char *text, size_t bytes)
{
	RULE(bytes > 0 && bytes <= 1 << 20);
	RULE(memchr(text, 0, bytes) == NULL);
	RULE(memchr(text, 0x1b, bytes) == NULL);
	RULE(memchr(text, 0xff, bytes) == NULL);
	return NULL;
}

static const char *judge_round_trip(const struct config *config)
{
	static const struct config_options options = {.devices = devices};
	const char *wrong = "what is printed is refused";
	struct config *again = NULL;
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	if (!stream)
		return "no memory for a stream";
	if (config_print(config, stream))
		wrong = "it cannot be printed";
	fclose(stream);
	if (config_parse(NAME, text, bytes, &options, &again) == 0)
		wrong = config_equal(config, again) ? NULL : "what is printed is another configuration";
	config_free(again);
	free(text);
	return wrong;
}

const char *config_judge(const char *text, size_t bytes, bool *accepted_out)
{
	struct lines lines = {.nr = 0};
	const struct config_options options = {.devices = devices, .report = take_line, .context = &lines};
	struct config *const untouched = (struct config *)&lines;
	struct config *config = untouched;
	int status = config_parse(NAME, text, bytes, &options, &config);
	const char *wrong;

	*accepted_out = status == 0;
	if (status) {
		RULE(status == -EINVAL);
		RULE(config == untouched);
		RULE(lines.nr >= 1 && lines.nr <= 101);
		return lines.wrong;
	}
	wrong = judge_text(text, bytes);
	if (!wrong && lines.nr)
		wrong = "a report for a good file";
	if (!wrong && bytes <= MOST_BYTES)
		wrong = judge_accepted(config);
	if (!wrong && bytes <= MOST_BYTES)
		wrong = judge_round_trip(config);
	config_free(config);
	return wrong;
}
