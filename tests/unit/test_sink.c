/* SPDX-License-Identifier: MIT */
/*
 * Byte streams: order, full ring, full disk, closed pipe, bounded close, and no system call on the handler's side.
 *
 * Threads   The test's, the streams' own, and one per test that is not allowed to make system calls. Memory: static.
 */
#include <sys/resource.h>

#include "device/sink.h"
#include "no_system_calls.h"
#include "test_device.h"

static char *path;
static unsigned nr_changes;

static int make_file(void **unused)
{
	(void)unused;
	path = make_path();
	return 0;
}

static int end_file(void **unused)
{
	(void)unused;
	remove_path(path);
	return 0;
}

static void note_change(void *context)
{
	assert_ptr_equal(context, path);
	__atomic_fetch_add(&nr_changes, 1, __ATOMIC_SEQ_CST);
}

static int try_sink(const char *output, ioreq_stream_callback *changed, struct ioreq_sink **sink_out,
		    struct ioreq_error *error)
{
	struct ioreq_setting setting = setting_string("output", output);
	struct ioreq_create config = {.name = "dut", .settings = &setting, .nr_settings = 1};

	return ioreq_sink_open(&config, changed, path, sink_out, error);
}

static int try_source(const char *input, struct ioreq_source **source_out, struct ioreq_error *error)
{
	struct ioreq_setting setting = setting_string("input", input);
	struct ioreq_create config = {.name = "dut", .settings = &setting, .nr_settings = 1};

	return ioreq_source_open(&config, note_change, path, source_out, error);
}

static struct ioreq_sink *open_sink(const char *output)
{
	struct ioreq_error error = {""};
	struct ioreq_sink *sink = NULL;

	if (try_sink(output, NULL, &sink, &error) < 0)
		fail_msg("%s", error.text);
	return sink;
}

static void put_string(struct ioreq_sink *sink, const char *string)
{
	while (*string)
		assert_true(ioreq_sink_put(sink, (uint8_t)*string++));
}

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* Fills a FIFO's pipe and the ring behind it; returns how many bytes went in. */
static uint32_t fill(struct ioreq_sink *sink, int fifo)
{
	uint32_t count = 0;

	for (int quiet = 0; quiet < QUIET_MS; quiet++) {
		while (ioreq_sink_room(sink) > 0) {
			assert_true(ioreq_sink_put(sink, (uint8_t)count++));
			quiet = 0;
		}
		if (!fifo_is_full(fifo))
			quiet = 0;
		sleep_ms(1);
	}
	return count;
}

/* ---- the file --------------------------------------------------------------------------------------------- */

static void test_sink_new_file_is_made_0640_and_closed_on_exec(void **unused)
{
	mode_t before = umask(0);
	struct ioreq_sink *sink;
	struct stat status;
	int next = dup(0);

	(void)unused;
	close(next);
	sink = open_sink(path);
	umask(before);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(fcntl(next, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(next, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_WRONLY | O_APPEND);
	ioreq_sink_close(sink);
	assert_int_equal(fcntl(next, F_GETFD), -1);
}

static void test_sink_old_file_is_appended_to(void **unused)
{
	struct ioreq_sink *sink;

	(void)unused;
	sink = open_sink(path);
	put_string(sink, "one ");
	ioreq_sink_close(sink);
	sink = open_sink(path);
	put_string(sink, "two");
	ioreq_sink_close(sink);
	assert_content(path, "one two");
}

static void test_sink_bytes_arrive_without_close(void **unused)
{
	struct ioreq_sink *sink = open_sink(path);

	(void)unused;
	assert_true(ioreq_sink_empty(sink));
	put_string(sink, "hello");
	assert_soon(ioreq_sink_empty(sink));
	assert_content(path, "hello");
	sleep_ms(200); /* until the thread is idle */
	put_string(sink, ", again");
	assert_soon(ioreq_sink_empty(sink));
	assert_content(path, "hello, again");
	assert_int_equal(ioreq_sink_lost(sink), 0);
	ioreq_sink_close(sink);
}

static void test_sink_stdout_is_used_and_left_open(void **unused)
{
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int saved = dup(STDOUT_FILENO);
	struct ioreq_sink *sink;

	(void)unused;
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	sink = open_sink("stdout");
	put_string(sink, "to stdout");
	ioreq_sink_close(sink);
	assert_int_equal(write(STDOUT_FILENO, "!", 1), 1);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fd);
	assert_content(path, "to stdout!");
}

static void *read_slowly(void *context)
{
	static uint8_t bytes[4 * IOREQ_SINK_BYTES];
	size_t *count = context;
	ssize_t got;

	sleep_ms(100); /* until close has found the pipe full */
	for (int quiet = 0; quiet < QUIET_MS; quiet++) {
		while ((got = read(STDOUT_FILENO, bytes, sizeof(bytes))) > 0) {
			*count += (size_t)got;
			quiet = 0;
		}
		sleep_ms(1);
	}
	return NULL;
}

/* Somebody else has made stdout non-blocking, which is not ours to change: what it cannot take now is for later. */
static void test_sink_nonblocking_stdout_is_waited_for(void **unused)
{
	int fifo = make_fifo(path), saved = dup(STDOUT_FILENO);
	struct ioreq_sink *sink;
	size_t count = 0;
	uint32_t sent;
	pthread_t reader;

	(void)unused;
	fflush(stdout);
	dup2(fifo, STDOUT_FILENO);
	sink = open_sink("stdout");
	sent = fill(sink, fifo);
	pthread_create(&reader, NULL, read_slowly, &count);
	ioreq_sink_close(sink);
	pthread_join(reader, NULL);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(fifo);
	assert_true(sent > IOREQ_SINK_BYTES);
	assert_int_equal(count, sent);
}

static void test_sink_impossible_path_is_refused(void **unused)
{
	struct ioreq_sink *sink = NULL;
	struct ioreq_error error = {""};

	(void)unused;
	assert_int_equal(try_sink("/nowhere/file", NULL, &sink, &error), -ENOENT);
	assert_string_equal(error.text,
			    "dut: setting 'output': cannot open '/nowhere/file': No such file or directory");
	assert_int_equal(try_sink("/tmp", NULL, &sink, &error), -EISDIR);
	assert_int_equal(try_sink("", NULL, &sink, &error), -ENOENT);
	assert_null(sink);
	ioreq_sink_close(NULL);
}

static void test_sink_fifo_without_reader_is_refused_not_waited_for(void **unused)
{
	struct ioreq_sink *sink = NULL;
	struct ioreq_error error = {""};

	(void)unused;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try_sink(path, NULL, &sink, &error), -ENXIO);
	assert_non_null(strstr(error.text, "No such device or address"));
	assert_null(sink);
}

/* ---- order and losses ------------------------------------------------------------------------------------- */

/* More than the ring holds, through every turn-around, with a producer that waits for room. */
static void test_sink_long_stream_keeps_order(void **unused)
{
	enum { LENGTH = 5 * IOREQ_SINK_BYTES + 12345 };
	struct ioreq_sink *sink = open_sink(path);
	static uint8_t found[LENGTH + 1];

	(void)unused;
	for (uint32_t i = 0; i < LENGTH; i++) {
		while (ioreq_sink_room(sink) == 0)
			sleep_ms(1);
		assert_true(ioreq_sink_put(sink, (uint8_t)(i * 2654435761u >> 24)));
	}
	assert_int_equal(ioreq_sink_lost(sink), 0);
	ioreq_sink_close(sink);
	assert_int_equal(read_path(path, (char *)found, sizeof(found)), LENGTH);
	for (uint32_t i = 0; i < LENGTH; i++)
		if (found[i] != (uint8_t)(i * 2654435761u >> 24))
			fail_msg("byte %u is wrong", i);
}

static void test_sink_full_ring_refuses_and_counts(void **unused)
{
	int fifo = make_fifo(path);
	struct ioreq_sink *sink = open_sink(path);
	uint32_t count = fill(sink, fifo);
	uint8_t byte;

	(void)unused;
	assert_true(count >= IOREQ_SINK_BYTES);
	assert_int_equal(ioreq_sink_lost(sink), 0);
	assert_false(ioreq_sink_put(sink, 0x11));
	assert_false(ioreq_sink_put(sink, 0x22));
	assert_int_equal(ioreq_sink_lost(sink), 2);
	for (uint32_t i = 0; i < count; i++) {
		while (read(fifo, &byte, 1) != 1)
			sleep_ms(1);
		assert_int_equal(byte, (uint8_t)i);
	}
	assert_soon(ioreq_sink_empty(sink));
	assert_int_equal(ioreq_sink_room(sink), IOREQ_SINK_BYTES);
	assert_int_equal(read(fifo, &byte, 1), -1);
	assert_true(ioreq_sink_put(sink, 0x33));
	assert_soon(read(fifo, &byte, 1) == 1);
	assert_int_equal(byte, 0x33);
	assert_int_equal(ioreq_sink_lost(sink), 2);
	ioreq_sink_close(sink);
	close(fifo);
}

static void test_sink_blocked_file_cannot_hold_up_close(void **unused)
{
	int fifo = make_fifo(path);
	struct ioreq_sink *sink = open_sink(path);
	uint64_t begin;

	(void)unused;
	fill(sink, fifo);
	begin = monotonic_ms();
	ioreq_sink_close(sink);
	assert_in_range(monotonic_ms() - begin, IOREQ_SINK_CLOSE_MS - 50, IOREQ_SINK_CLOSE_MS + WAIT_MS);
	close(fifo);
}

static void test_sink_full_disk_drops_and_counts_without_spinning(void **unused)
{
	struct ioreq_sink *sink = open_sink("/dev/full");
	uint64_t begin;

	(void)unused;
	for (uint32_t i = 0; i < 3 * IOREQ_SINK_BYTES; i++) {
		while (ioreq_sink_room(sink) == 0)
			sleep_ms(1);
		assert_true(ioreq_sink_put(sink, 0));
	}
	assert_soon(ioreq_sink_lost(sink) == 3 * IOREQ_SINK_BYTES);
	assert_soon(ioreq_sink_empty(sink));
	begin = cpu_ms();
	for (int i = 0; i < 500; i++) {
		ioreq_sink_put(sink, 0);
		sleep_ms(1);
	}
	assert_true(cpu_ms() - begin < 100);
	assert_soon(ioreq_sink_lost(sink) == 3 * IOREQ_SINK_BYTES + 500);
	ioreq_sink_close(sink);
}

/* Also proves that SIGPIPE, whose default is to end the program, reaches nobody. */
static void test_sink_closed_pipe_drops_and_counts(void **unused)
{
	int fifo = make_fifo(path);
	struct ioreq_sink *sink = open_sink(path);
	char buffer[8];

	(void)unused;
	put_string(sink, "read");
	assert_soon(ioreq_sink_empty(sink));
	assert_int_equal(read(fifo, buffer, sizeof(buffer)), 4);
	close(fifo);
	put_string(sink, "not read");
	assert_soon(ioreq_sink_lost(sink) == 8);
	assert_soon(ioreq_sink_empty(sink));
	ioreq_sink_close(sink);
}

static void test_sink_drained_is_told_from_its_thread(void **unused)
{
	struct ioreq_error error = {""};
	struct ioreq_sink *sink = NULL;

	(void)unused;
	nr_changes = 0;
	assert_int_equal(try_sink(path, note_change, &sink, &error), 0);
	sleep_ms(50);
	assert_int_equal(__atomic_load_n(&nr_changes, __ATOMIC_SEQ_CST), 0);
	put_string(sink, "x");
	assert_soon(__atomic_load_n(&nr_changes, __ATOMIC_SEQ_CST) == 1);
	assert_true(ioreq_sink_empty(sink));
	put_string(sink, "y");
	assert_soon(__atomic_load_n(&nr_changes, __ATOMIC_SEQ_CST) == 2);
	ioreq_sink_close(sink);
	assert_int_equal(nr_changes, 2);
}

static void put_many(void *context)
{
	for (int i = 0; i < 20000; i++) {
		ioreq_sink_put(context, 'x');
		ioreq_sink_room(context);
		ioreq_sink_empty(context);
	}
}

static void test_sink_put_makes_no_system_call(void **unused)
{
	struct ioreq_sink *sink = open_sink(path);

	(void)unused;
	run_without_system_calls(put_many, sink);
	ioreq_sink_close(sink);
}

/* ---- the source ------------------------------------------------------------------------------------------- */

static struct ioreq_source *open_source(void)
{
	struct ioreq_error error = {""};
	struct ioreq_source *source = NULL;

	nr_changes = 0;
	if (try_source(path, &source, &error) < 0)
		fail_msg("%s", error.text);
	return source;
}

static void write_file(int flags, const char *content)
{
	int fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static void assert_source(struct ioreq_source *source, const char *content)
{
	uint8_t byte;

	for (; *content; content++) {
		assert_soon(!ioreq_source_empty(source));
		assert_true(ioreq_source_get(source, &byte));
		assert_int_equal(byte, *content);
	}
	assert_true(ioreq_source_empty(source));
	assert_false(ioreq_source_get(source, &byte));
}

static void test_source_file_is_read_and_followed(void **unused)
{
	struct ioreq_source *source;
	uint64_t begin;

	(void)unused;
	write_file(O_CREAT, "first");
	source = open_source();
	assert_source(source, "first");
	assert_int_equal(__atomic_load_n(&nr_changes, __ATOMIC_SEQ_CST), 1);
	begin = cpu_ms();
	sleep_ms(500);
	assert_true(cpu_ms() - begin < 100); /* no spinning at the end */
	write_file(O_APPEND, "second");
	assert_source(source, "second");
	ioreq_source_close(source);
}

static void test_source_fifo_outlives_its_writers(void **unused)
{
	struct ioreq_source *source;

	(void)unused;
	assert_int_equal(mkfifo(path, 0600), 0);
	source = open_source();
	write_file(0, "one");
	assert_source(source, "one");
	write_file(0, "two");
	assert_source(source, "two");
	ioreq_source_close(source);
}

/* What the device does not take stays in the pipe, and a full ring does not make the thread spin. */
static void test_source_reads_no_more_than_is_got(void **unused)
{
	enum { LENGTH = 3 * IOREQ_SINK_BYTES };
	int fifo = make_fifo(path);
	struct ioreq_source *source = open_source();
	uint32_t written = 0;
	uint64_t begin;
	uint8_t byte;

	(void)unused;
	for (int quiet = 0; quiet < QUIET_MS; quiet++) {
		byte = (uint8_t)(written * 7);
		for (; written < LENGTH && write(fifo, &byte, 1) == 1; byte = (uint8_t)(++written * 7))
			quiet = 0;
		sleep_ms(1);
	}
	assert_in_range(written, IOREQ_SINK_BYTES, LENGTH - 1);
	begin = cpu_ms();
	sleep_ms(500);
	assert_true(cpu_ms() - begin < 100);
	for (uint32_t i = 0; i < written; i++) {
		assert_soon(ioreq_source_get(source, &byte));
		assert_int_equal(byte, (uint8_t)(i * 7));
	}
	ioreq_source_close(source);
	close(fifo);
}

static void test_source_close_interrupts_a_read(void **unused)
{
	int fifo = make_fifo(path);
	struct ioreq_source *source = open_source();
	uint64_t begin;

	(void)unused;
	sleep_ms(50); /* until it reads */
	begin = monotonic_ms();
	ioreq_source_close(source);
	assert_true(monotonic_ms() - begin < WAIT_MS);
	ioreq_source_close(NULL);
	close(fifo);
}

static void test_source_stopped_still_gives_what_it_has(void **unused)
{
	struct ioreq_source *source;

	(void)unused;
	write_file(O_CREAT, "left");
	source = open_source();
	assert_soon(!ioreq_source_empty(source));
	ioreq_source_stop(source);
	ioreq_source_stop(source);
	assert_source(source, "left");
	ioreq_source_close(source);
	ioreq_source_stop(NULL);
}

static void test_source_missing_file_is_refused(void **unused)
{
	struct ioreq_source *source = NULL;
	struct ioreq_error error = {""};

	(void)unused;
	assert_int_equal(try_source("/nowhere/file", &source, &error), -ENOENT);
	assert_string_equal(error.text, "dut: setting 'input': cannot open '/nowhere/file': No such file or directory");
	assert_null(source);
}

#define file_test(name) cmocka_unit_test_setup_teardown(name, make_file, end_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(test_sink_new_file_is_made_0640_and_closed_on_exec),
		file_test(test_sink_old_file_is_appended_to),
		file_test(test_sink_bytes_arrive_without_close),
		file_test(test_sink_stdout_is_used_and_left_open),
		file_test(test_sink_nonblocking_stdout_is_waited_for),
		cmocka_unit_test(test_sink_impossible_path_is_refused),
		file_test(test_sink_fifo_without_reader_is_refused_not_waited_for),
		file_test(test_sink_long_stream_keeps_order),
		file_test(test_sink_full_ring_refuses_and_counts),
		file_test(test_sink_blocked_file_cannot_hold_up_close),
		cmocka_unit_test(test_sink_full_disk_drops_and_counts_without_spinning),
		file_test(test_sink_closed_pipe_drops_and_counts),
		file_test(test_sink_drained_is_told_from_its_thread),
		file_test(test_sink_put_makes_no_system_call),
		file_test(test_source_file_is_read_and_followed),
		file_test(test_source_fifo_outlives_its_writers),
		file_test(test_source_reads_no_more_than_is_got),
		file_test(test_source_close_interrupts_a_read),
		file_test(test_source_stopped_still_gives_what_it_has),
		cmocka_unit_test(test_source_missing_file_is_refused),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
