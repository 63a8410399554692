/* SPDX-License-Identifier: MIT */
/*
 * A file becomes a configuration, or a list of problems.
 *
 * Threads   One per call. Memory: the configuration with its arena is one object; all else is freed before the return.
 */
#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---------------------------------------------------------------------------------------------- */

static int report_file(const char *path, const struct config_options *options, int number, const char *sentence)
{
	char *line = NULL;

	if (options->report && asprintf(&line, "%s: error: %s", path, sentence) >= 0) {
		options->report(options->context, line);
		free(line);
	}
	return -number;
}

/* Reads all of it, one byte more than allowed at most. Returns the number of bytes or -errno. */
static ssize_t read_all(int fd, char *text)
{
	size_t used = 0;

	while (used <= CONFIG_MAX_FILE_BYTES) {
		ssize_t count = read(fd, text + used, CONFIG_MAX_FILE_BYTES + 1 - used);

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count == 0)
			break;
		used += count > 0 ? (size_t)count : 0;
	}
	return (ssize_t)used;
}

static int load_open(int fd, const char *path, const struct config_options *options, struct config **config_out)
{
	struct stat status;
	char *text;
	ssize_t bytes;
	int result;

	/* A FIFO or a terminal could keep a daemon waiting for ever. */
	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return report_file(path, options, EINVAL, "not a regular file");
	text = malloc(CONFIG_MAX_FILE_BYTES + 1);
	if (!text)
		return report_file(path, options, ENOMEM, "out of memory");
	bytes = read_all(fd, text);
	if (bytes < 0)
		result = report_file(path, options, (int)-bytes, strerror((int)-bytes));
	else
		result = config_parse(path, text, (size_t)bytes, options, config_out);
	free(text);
	return result;
}

int config_load(const char *path, const struct config_options *options, struct config **config_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int result;

	if (fd < 0)
		return report_file(path, options, errno, strerror(errno));
	result = load_open(fd, path, options, config_out);
	close(fd);
	return result;
}

/* ---- the text ---------------------------------------------------------------------------------------------- */

static struct config *create(const char *path)
{
	struct config_arena *memory = calloc(1, sizeof(*memory));
	struct config *config = memory ? config_arena_allocate(memory, sizeof(*config)) : NULL;

	if (config) {
		config->memory = memory;
		config->path = config_arena_copy(memory, path, strlen(path));
		if (config->path)
			return config;
		config_arena_free(memory);
	}
	free(memory);
	return NULL;
}

void config_free(struct config *config)
{
	struct config_arena *memory = config ? config->memory : NULL;

	if (!memory)
		return;
	config_arena_free(memory);
	free(memory);
}

static int compare_ranges(const void *left, const void *right)
{
	const struct ioreq_range *a = left, *b = right;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* What the file says in one place and the structs want in another. The objects are ours until they are handed out. */
static void resolve(struct config *config)
{
	for (size_t i = 0; i < config->nr_vms; i++) {
		const struct config_vm *vm = &config->vms[i];

		for (size_t k = 0; k < vm->nr_clients; k++) {
			struct config_client *client = (struct config_client *)&vm->clients[k];

			client->is_default = vm->default_client && strcmp(vm->default_client, client->name) == 0;
			if (client->nr_ranges)
				qsort((void *)client->ranges, client->nr_ranges, sizeof(*client->ranges),
				      compare_ranges);
		}
	}
}

static void run_steps(struct config_loader *loader, const char *text, size_t bytes)
{
	if (bytes > CONFIG_MAX_FILE_BYTES) {
		config_problem_add(&loader->problems, (struct config_place){0, 0}, "", "too long; allowed: %u bytes",
				   CONFIG_MAX_FILE_BYTES);
		return;
	}
	loader->root = config_tree_build(text, bytes, &loader->scratch, &loader->problems);
	if (!loader->root)
		return;
	config_read(loader);
	config_check(loader);
}

int config_parse(const char *path, const char *text, size_t bytes, const struct config_options *options,
		 struct config **config_out)
{
	struct config_loader loader = {.options = options, .config = create(path)};
	int result = 0;

	if (!loader.config)
		return report_file(path, options, ENOMEM, "out of memory");
	loader.memory = loader.config->memory;
	loader.problems = (struct config_problems){.arena = &loader.scratch, .file = path};
	run_steps(&loader, text, bytes);
	if (loader.problems.out_of_memory)
		result = report_file(path, options, ENOMEM, "out of memory");
	else if (loader.problems.nr)
		result = -EINVAL;
	config_problems_report(&loader.problems, options);
	config_arena_free(&loader.scratch);
	if (result) {
		config_free(loader.config);
		return result;
	}
	resolve(loader.config);
	*config_out = loader.config;
	return 0;
}

void config_report_to_stream(void *stream, const char *line)
{
	fprintf(stream, "%s\n", line);
}

bool config_uses_core(const struct config *config, unsigned core)
{
	for (size_t i = 0; i < config->engine.nr_housekeeping; i++)
		if (config->engine.housekeeping[i] == core)
			return true;
	for (size_t i = 0; i < config->nr_pollers; i++)
		if (config->pollers[i].core == (int)core)
			return true;
	for (size_t i = 0; i < config->nr_vms; i++)
		for (size_t k = 0; k < config->vms[i].nr_clients; k++)
			if (config->vms[i].clients[k].core == (int)core)
				return true;
	return false;
}
