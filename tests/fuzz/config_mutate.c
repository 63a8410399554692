/* SPDX-License-Identifier: MIT */
/*
 * Mutated configurations: good and bad files, changed at random, are loaded; config_judge() says whether what became of
 * them is right. Each mutant depends on the seed and its number only: --only repeats one.
 *
 * Usage: config_mutate [--seed N] [--count N] [--only N] [--good N] FILE...
 * --good: so many of the files, the first ones, are good; three in four mutants are made of them.
 *
 * Threads   One. Memory: the program's.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz/config_judge.h"

#define MOST_BYTES 32768u
#define SECONDS_EACH 10 /* CPU time: a mutant that takes longer hangs, under any sanitizer, however busy the machine */
#define MOST_CHANGES 4u

struct seed_file {
	char *text;
	size_t bytes;
};

static struct {
	struct seed_file *files;
	size_t nr_files, nr_good;
	uint64_t random;
	char text[MOST_BYTES];
	size_t bytes;
} state;

/* For the signal handler. */
static unsigned long long seed = 1, number;

/* ---- randomness -------------------------------------------------------------------------------------------- */

/* splitmix64: any seed is a good one. */
static uint64_t next_random(void)
{
	uint64_t z = state.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static size_t below(size_t limit)
{
	return limit ? next_random() % limit : 0;
}

/* ---- changes ----------------------------------------------------------------------------------------------- */

static void replace(size_t at, size_t removed, const char *with, size_t bytes)
{
	size_t tail = state.bytes - at - removed;
	char copy[MOST_BYTES];

	if (state.bytes - removed + bytes > sizeof(state.text))
		return;
	memcpy(copy, with, bytes); /* may be a part of the text itself */
	memmove(state.text + at + bytes, state.text + at + removed, tail);
	memcpy(state.text + at, copy, bytes);
	state.bytes = at + bytes + tail;
}

static void change_byte(void)
{
	if (state.bytes)
		state.text[below(state.bytes)] = (char)next_random();
}

static void remove_some(void)
{
	size_t at = below(state.bytes);

	replace(at, below((state.bytes - at < 40 ? state.bytes - at : 40) + 1), "", 0);
}

static void repeat_some(void)
{
	size_t at = below(state.bytes), room = state.bytes - at;

	replace(below(state.bytes), 0, state.text + at, below((room < 80 ? room : 80) + 1));
}

/* Words and signs of YAML and of configurations. */
static const char *const words[] = {
	"{",
	"}",
	"[",
	"]",
	":",
	": ",
	",",
	"- ",
	"\n",
	"#",
	"&a ",
	"*a",
	"!!int ",
	"!",
	"|",
	">",
	"? ",
	"'",
	"\"",
	"\\",
	"---\n",
	"...\n",
	"%YAML",
	"\t",
	"  ",
	"\r\n",
	"\xc3\xa4",
	"\xff",
	"0",
	"-1",
	"010",
	"0x",
	"0xffffffffffffffff",
	"18446744073709551616",
	"1e9",
	"1.5",
	"yes",
	"no",
	"true",
	"null",
	"~",
	"any",
	"64KiB",
	"50us",
	"00:1f.7",
	"<<",
	"name",
	"core",
	"ranges",
	"settings",
	"device",
	"space: pio",
	"start",
	"last",
	"size",
	"clients: []",
	"vms: []",
};

static void insert_word(void)
{
	const char *word = words[below(sizeof(words) / sizeof(words[0]))];

	replace(below(state.bytes + 1), 0, word, strlen(word));
}

/* Values that some key takes, and some that none does. */
static const char *const values[] = {
	"0",
	"1",
	"2",
	"3",
	"4",
	"8",
	"16",
	"17",
	"99",
	"100",
	"1023",
	"1024",
	"0x3f8",
	"0xffff",
	"0x10000",
	"0xfe000000",
	"0xfffffff",
	"0x10000000",
	"0xffffffffffffffff",
	"4KiB",
	"1MiB",
	"1TiB",
	"2TiB",
	"1ms",
	"60s",
	"61s",
	"true",
	"false",
	"yes",
	"any",
	"pio",
	"mmio",
	"pcicfg",
	"inline",
	"thread",
	"park",
	"spin",
	"yield",
	"pause",
	"shm",
	"p0",
	"vm0",
	"rest",
	"uart0",
	"bell0",
	"registers",
	"unclaimed",
	"\"00:00.0\"",
	"80:00.0",
	"[]",
	"{}",
	"[0]",
	"[1, 2]",
	"''",
	"\"a b\"",
};

/* A value for another: the kind of change that stays close to a good file. */
static void change_value(void)
{
	const char *value = values[below(sizeof(values) / sizeof(values[0]))];
	size_t at = below(state.bytes), length = 0;

	while (at < state.bytes && state.text[at] != ':')
		at++;
	at += at + 1 < state.bytes && state.text[at + 1] == ' ' ? 2u : 1u;
	if (at >= state.bytes)
		return;
	while (at + length < state.bytes && !strchr(",}]\n", state.text[at + length]))
		length++;
	replace(at, length, value, strlen(value));
}

static size_t line_start(size_t at)
{
	while (at > 0 && state.text[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_length(size_t start)
{
	const char *end = memchr(state.text + start, '\n', state.bytes - start);

	return end ? (size_t)(end - state.text) + 1 - start : state.bytes - start;
}

static void change_line(void)
{
	size_t from = line_start(below(state.bytes)), to = line_start(below(state.bytes));

	switch (below(4)) {
	case 0: replace(from, line_length(from), "", 0); break;
	case 1: replace(to, 0, state.text + from, line_length(from)); break;
	case 2: replace(from, 0, "  ", 2); break;
	default:
		if (from < state.bytes && state.text[from] == ' ')
			replace(from, 1, "", 0);
	}
}

static void splice(void)
{
	const struct seed_file *other = &state.files[below(state.nr_files)];
	size_t from = below(other->bytes), room = other->bytes - from, at = below(state.bytes + 1);

	replace(at, below(state.bytes - at + 1), other->text + from, below((room < 2000 ? room : 2000) + 1));
}

static void make_mutant(void)
{
	static void (*const changes[])(void) = {change_byte,  remove_some,  repeat_some,  insert_word, change_value,
						change_value, change_value, change_value, change_line, splice};
	const struct seed_file *file;
	size_t nr = below(2) ? 1 : 1 + below(MOST_CHANGES);

	state.random = seed * UINT64_C(0x2545f4914f6cdd1d) + number;
	file = &state.files[below(4) ? below(state.nr_good) : below(state.nr_files)];
	state.bytes = file->bytes;
	memcpy(state.text, file->text, file->bytes);
	while (nr-- > 0)
		changes[below(sizeof(changes) / sizeof(changes[0]))]();
}

/* ---- the run ----------------------------------------------------------------------------------------------- */

static void say_number(int signal_number)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "config_mutate: %s at --seed %llu --only %llu\n",
			      signal_number == SIGPROF ? "a hang" : "a crash", seed, number);

	/* snprintf() is good enough here: the program is lost anyway. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		_exit(2);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static bool judge_mutant(bool *accepted)
{
	const char *wrong;

	make_mutant();
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {SECONDS_EACH, 0}}, NULL);
	wrong = config_judge(state.text, state.bytes, accepted);
	setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {0, 0}}, NULL);
	if (!wrong)
		return true;
	fprintf(stderr, "config_mutate: %s, at --seed %llu --only %llu:\n", wrong, seed, number);
	fwrite(state.text, 1, state.bytes, stderr);
	return false;
}

static int run(unsigned long long first, unsigned long long count)
{
	unsigned long long nr_accepted = 0;

	for (number = first; number - first < count; number++) {
		bool accepted = false;

		if (!judge_mutant(&accepted))
			return EXIT_FAILURE;
		nr_accepted += accepted;
	}
	printf("%llu mutants: %llu accepted, %llu refused\n", count, nr_accepted, count - nr_accepted);
	/* Changes that break every file, or none, would show nothing. */
	if (count >= 100 && (nr_accepted < count / 20 || nr_accepted > count / 20 * 19)) {
		fprintf(stderr, "config_mutate: the mutants are too much alike\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static void read_file(const char *path)
{
	struct seed_file *file = &state.files[state.nr_files];
	FILE *stream = fopen(path, "r");

	file->text = malloc(MOST_BYTES);
	if (!stream || !file->text) {
		fprintf(stderr, "config_mutate: %s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	file->bytes = fread(file->text, 1, MOST_BYTES, stream);
	fclose(stream);
	if (file->bytes > 0)
		state.nr_files++;
	else
		free(file->text);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"seed", required_argument, NULL, 's'},
					      {"count", required_argument, NULL, 'c'},
					      {"only", required_argument, NULL, 'o'},
					      {"good", required_argument, NULL, 'g'},
					      {NULL, 0, NULL, 0}};
	unsigned long long first = 0, count = 500;
	int option, status;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's': seed = strtoull(optarg, NULL, 10); break;
		case 'g': state.nr_good = strtoull(optarg, NULL, 10); break;
		case 'c': count = strtoull(optarg, NULL, 10); break;
		case 'o':
			first = strtoull(optarg, NULL, 10);
			count = 1;
			break;
		default: return 2;
		}
	}
	state.files = calloc((size_t)(argc - optind) + 1, sizeof(*state.files));
	for (int i = optind; state.files && i < argc; i++)
		read_file(argv[i]);
	if (state.nr_files == 0 || state.nr_good > state.nr_files) {
		fputs("Usage: config_mutate [--seed N] [--count N] [--only N] [--good N] FILE...\n", stderr);
		return 2;
	}
	signal(SIGPROF, say_number);
	signal(SIGSEGV, say_number);
	signal(SIGABRT, say_number);
	status = run(first, count);
	for (size_t i = 0; i < state.nr_files; i++)
		free(state.files[i].text);
	free(state.files);
	return status;
}
