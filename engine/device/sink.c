/* SPDX-License-Identifier: MIT */
/*
 * Byte streams between a device's handler and a file: see sink.h.
 *
 * A ring has one producer and one consumer; each writes one index and only reads the other's, so neither ever waits.
 * The threads may be cancelled while they wait for their file or sleep, nowhere else: they hold nothing then.
 *
 * Threads   Handler and stream thread, as sink.h says. Memory: one block per stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/sink.h"

#define BUSY_MS 1 /* between two looks while bytes come: 16 bytes each, as a UART's guest may wait for, is 128 kbit/s */
#define IDLE_MS 10 /* when none came lately */
#define BUSY_LOOKS 100
#define RETRY_MS 50        /* a source at the end of its file, or a FIFO without a writer */
#define STACK_BYTES 262144 /* the default is 8 MiB, all of it real memory after mlockall() */

struct ring {
	alignas(64) uint32_t put; /* bytes ever put in, modulo 2^32: stored by the producer only */
	alignas(64) uint32_t got; /* bytes ever taken out: stored by the consumer only */
	alignas(64) uint8_t bytes[IOREQ_SINK_BYTES];
};

struct stream {
	int fd;
	bool borrowed; /* fd is the process's stdout */
	ioreq_stream_callback *changed;
	void *context;
	pthread_t thread;
};

struct ioreq_sink {
	struct ring ring;
	alignas(64) uint64_t refused; /* stored by the handler only */
	alignas(64) uint64_t failed;  /* stored by the thread only, and by close when that has ended */
	uint32_t stop;
	bool complained;
	struct stream stream;
	char name[64]; /* the client's, for the report; cut if it is longer */
};

struct ioreq_source {
	struct ring ring;
	struct stream stream;
	bool stopped;
};

/* ---- the ring --------------------------------------------------------------------------------------------- */

static uint32_t ring_used(const struct ring *ring)
{
	/* BR3 acquire: room is seen after the bytes in it were read. Pairs with BR4. Without it: unread bytes are lost. */
	uint32_t got = __atomic_load_n(&ring->got, __ATOMIC_ACQUIRE);

	/* BR1 acquire: the bytes are there before their count. Pairs with BR2. Without it: stale bytes are read. */
	return __atomic_load_n(&ring->put, __ATOMIC_ACQUIRE) - got;
}

/* Where the producer may write next, without a turn-around. */
static uint8_t *ring_space(struct ring *ring, uint32_t *count_out)
{
	uint32_t put = __atomic_load_n(&ring->put, __ATOMIC_RELAXED) % IOREQ_SINK_BYTES;
	uint32_t room = IOREQ_SINK_BYTES - ring_used(ring);

	*count_out = room < IOREQ_SINK_BYTES - put ? room : IOREQ_SINK_BYTES - put;
	return ring->bytes + put;
}

/* What the consumer may read next, without a turn-around. */
static const uint8_t *ring_content(const struct ring *ring, uint32_t *count_out)
{
	uint32_t got = __atomic_load_n(&ring->got, __ATOMIC_RELAXED) % IOREQ_SINK_BYTES;
	uint32_t used = ring_used(ring);

	*count_out = used < IOREQ_SINK_BYTES - got ? used : IOREQ_SINK_BYTES - got;
	return ring->bytes + got;
}

/* Only the producer calls it, so its own index may be read relaxed. */
static void ring_produce(struct ring *ring, uint32_t count)
{
	/* BR2 release: the bytes before their count. Pairs with BR1. */
	__atomic_store_n(&ring->put, __atomic_load_n(&ring->put, __ATOMIC_RELAXED) + count, __ATOMIC_RELEASE);
}

/* Only the consumer calls it. */
static void ring_consume(struct ring *ring, uint32_t count)
{
	/* BR4 release: the bytes are read before their room is free. Pairs with BR3. */
	__atomic_store_n(&ring->got, __atomic_load_n(&ring->got, __ATOMIC_RELAXED) + count, __ATOMIC_RELEASE);
}

/* ---- the thread ------------------------------------------------------------------------------------------- */

static void stream_sleep(long milliseconds)
{
	struct timespec time = {.tv_nsec = milliseconds * 1000000};

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	nanosleep(&time, NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

static void stream_changed(const struct stream *stream)
{
	if (stream->changed)
		stream->changed(stream->context);
}

/* All signals are the program's business, but for SIGPIPE, which is nobody's: write(2) says EPIPE. */
static int stream_start(struct stream *stream, const char *name, void *(*run)(void *), void *argument)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&stream->thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (result == 0)
		pthread_setname_np(stream->thread, name);
	return -result;
}

static void stream_cancel(struct stream *stream)
{
	pthread_cancel(stream->thread);
	pthread_join(stream->thread, NULL);
}

/* Zeroed, and every page touched: calloc() would leave the first touch to the poll core. */
static void *stream_memory(size_t bytes)
{
	void *memory = aligned_alloc(64, bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

/* Non-blocking at first, so that a FIFO without its other end is an error or fine, but never a wait. */
static int open_blocking(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static int refuse(const struct ioreq_create *config, const struct ioreq_setting *setting, int result,
		  struct ioreq_error *error)
{
	snprintf(error->text, sizeof(error->text), "%s: setting '%s': cannot open '%s': %s", config->name, setting->key,
		 setting->string, strerror(-result));
	return result;
}

/* ---- the sink --------------------------------------------------------------------------------------------- */

static void count_failed(struct ioreq_sink *sink, uint32_t count)
{
	__atomic_store_n(&sink->failed, __atomic_load_n(&sink->failed, __ATOMIC_RELAXED) + count, __ATOMIC_RELAXED);
}

/* What the file cannot take is lost, once and for all: trying again for ever would only fill the ring behind it. */
static uint32_t lose(struct ioreq_sink *sink, uint32_t count, int error)
{
	if (!sink->complained)
		fprintf(stderr, "%s: output is being lost: %s\n", sink->name, strerror(error));
	sink->complained = true;
	count_failed(sink, count);
	return count;
}

/* Returns how many bytes are dealt with, written or lost; 0: later. */
static uint32_t write_out(struct ioreq_sink *sink, const uint8_t *bytes, uint32_t count)
{
	ssize_t written;
	int error;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	written = write(sink->stream.fd, bytes, count);
	error = errno;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (written >= 0)
		return (uint32_t)written;
	return error == EINTR || error == EAGAIN ? 0 : lose(sink, count, error);
}

/*
 * Writes what is there now, not what comes meanwhile: a guest that never pauses would have every byte of it written
 * alone. Returns whether there was anything.
 */
static bool drain(struct ioreq_sink *sink)
{
	uint32_t left = ring_used(&sink->ring);
	bool busy = left > 0;

	while (left > 0) {
		uint32_t count;
		const uint8_t *bytes = ring_content(&sink->ring, &count);
		uint32_t done = write_out(sink, bytes, count < left ? count : left);

		if (done == 0)
			break;
		ring_consume(&sink->ring, done);
		left -= done;
	}
	if (busy && ioreq_sink_empty(sink))
		stream_changed(&sink->stream);
	return busy;
}

static void *run_sink(void *argument)
{
	struct ioreq_sink *sink = argument;
	unsigned quiet = BUSY_LOOKS;
	bool stop;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	do {
		/* SK1 acquire: everything put before close is seen below. Pairs with SK2. Without it: the end is cut. */
		stop = __atomic_load_n(&sink->stop, __ATOMIC_ACQUIRE);
		if (drain(sink))
			quiet = 0;
		else if (quiet < BUSY_LOOKS)
			quiet++;
		if (!stop || !ioreq_sink_empty(sink))
			stream_sleep(quiet < BUSY_LOOKS ? BUSY_MS : IDLE_MS);
	} while (!stop || !ioreq_sink_empty(sink));
	return NULL;
}

static int refuse_no_output(const struct ioreq_create *config, struct ioreq_error *error)
{
	snprintf(error->text, sizeof(error->text), "%s: setting 'output' is missing; allowed: a path, or \"stdout\"",
		 config->name);
	return -EINVAL;
}

int ioreq_sink_open(const struct ioreq_create *config, ioreq_stream_callback *changed, void *context,
		    struct ioreq_sink **sink_out, struct ioreq_error *error)
{
	const struct ioreq_setting *setting = ioreq_setting_find(config, "output", IOREQ_SETTING_STRING);
	bool is_stdout = setting && strcmp(setting->string, "stdout") == 0;
	struct ioreq_sink *sink;
	int fd, result = -ENOMEM;

	if (!setting)
		return refuse_no_output(config, error);
	fd = is_stdout ? STDOUT_FILENO : open_blocking(setting->string, O_CREAT | O_WRONLY | O_APPEND);
	if (fd < 0)
		return refuse(config, setting, fd, error);
	sink = stream_memory(sizeof(*sink));
	if (!sink)
		goto out_close;
	sink->stream = (struct stream){.fd = fd, .borrowed = is_stdout, .changed = changed, .context = context};
	snprintf(sink->name, sizeof(sink->name), "%s", config->name);
	result = stream_start(&sink->stream, "ioreq-sink", run_sink, sink);
	if (result < 0)
		goto out_free;
	*sink_out = sink;
	return 0;
out_free:
	free(sink);
out_close:
	if (!is_stdout)
		close(fd);
	return refuse(config, setting, result, error);
}

void ioreq_sink_close(struct ioreq_sink *sink)
{
	struct timespec limit;

	if (!sink)
		return;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += IOREQ_SINK_CLOSE_MS / 1000;
	/* SK2 release: all bytes before the wish to stop. Pairs with SK1. */
	__atomic_store_n(&sink->stop, 1, __ATOMIC_RELEASE);
	if (pthread_timedjoin_np(sink->stream.thread, NULL, &limit) != 0)
		stream_cancel(&sink->stream);
	count_failed(sink, ring_used(&sink->ring));
	if (ioreq_sink_lost(sink) > 0)
		fprintf(stderr, "%s: %llu bytes of output lost\n", sink->name,
			(unsigned long long)ioreq_sink_lost(sink));
	if (!sink->stream.borrowed)
		close(sink->stream.fd);
	free(sink);
}

bool ioreq_sink_put(struct ioreq_sink *sink, uint8_t byte)
{
	uint32_t room;
	uint8_t *space = ring_space(&sink->ring, &room);

	if (room == 0) {
		__atomic_store_n(&sink->refused, __atomic_load_n(&sink->refused, __ATOMIC_RELAXED) + 1,
				 __ATOMIC_RELAXED);
		return false;
	}
	*space = byte;
	ring_produce(&sink->ring, 1);
	return true;
}

uint32_t ioreq_sink_room(const struct ioreq_sink *sink)
{
	return IOREQ_SINK_BYTES - ring_used(&sink->ring);
}

bool ioreq_sink_empty(const struct ioreq_sink *sink)
{
	return ring_used(&sink->ring) == 0;
}

uint64_t ioreq_sink_lost(const struct ioreq_sink *sink)
{
	return __atomic_load_n(&sink->refused, __ATOMIC_RELAXED) + __atomic_load_n(&sink->failed, __ATOMIC_RELAXED);
}

/* ---- the source ------------------------------------------------------------------------------------------- */

static void *run_source(void *argument)
{
	struct ioreq_source *source = argument;
	uint32_t room;
	uint8_t *space;
	ssize_t count;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	for (;;) {
		space = ring_space(&source->ring, &room);
		if (room == 0) {
			stream_sleep(IDLE_MS);
			continue;
		}
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		count = read(source->stream.fd, space, room);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		if (count <= 0) {
			stream_sleep(RETRY_MS);
			continue;
		}
		ring_produce(&source->ring, (uint32_t)count);
		stream_changed(&source->stream);
	}
	return NULL;
}

int ioreq_source_open(const struct ioreq_create *config, ioreq_stream_callback *arrived, void *context,
		      struct ioreq_source **source_out, struct ioreq_error *error)
{
	const struct ioreq_setting *setting = ioreq_setting_find(config, "input", IOREQ_SETTING_STRING);
	struct ioreq_source *source;
	int fd, result = -ENOMEM;

	if (!setting)
		return 0;
	fd = open_blocking(setting->string, O_RDONLY);
	if (fd < 0)
		return refuse(config, setting, fd, error);
	source = stream_memory(sizeof(*source));
	if (!source)
		goto out_close;
	source->stream = (struct stream){.fd = fd, .changed = arrived, .context = context};
	result = stream_start(&source->stream, "ioreq-source", run_source, source);
	if (result < 0)
		goto out_free;
	*source_out = source;
	return 0;
out_free:
	free(source);
out_close:
	close(fd);
	return refuse(config, setting, result, error);
}

void ioreq_source_stop(struct ioreq_source *source)
{
	if (!source || source->stopped)
		return;
	stream_cancel(&source->stream);
	source->stopped = true;
}

void ioreq_source_close(struct ioreq_source *source)
{
	if (!source)
		return;
	ioreq_source_stop(source);
	close(source->stream.fd);
	free(source);
}

bool ioreq_source_get(struct ioreq_source *source, uint8_t *byte_out)
{
	uint32_t count;
	const uint8_t *bytes = ring_content(&source->ring, &count);

	if (count == 0)
		return false;
	*byte_out = *bytes;
	ring_consume(&source->ring, 1);
	return true;
}

bool ioreq_source_empty(const struct ioreq_source *source)
{
	return ring_used(&source->ring) == 0;
}
