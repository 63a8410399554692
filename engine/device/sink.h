/* SPDX-License-Identifier: MIT */
/*
 * A device's byte streams: a sink writes what the device puts into it to a file, a source reads a file for it.
 *
 * Each is a ring of bytes between the device's handler and a thread of its own. The handler's side costs a few loads
 * and stores: no system call, no lock, no waiting, so that it may run on a poll core. Opening, writing, reading and
 * sleeping are the thread's. The price: the sink's thread looks every few milliseconds instead of being woken.
 *
 * Threads   open and close: create() and destroy() of the device. put, get, room, empty: its handler, and the callback
 *           for room and empty. The callback runs on the stream's thread, which inherits core and policy of the
 *           thread that opened it and has every signal blocked, SIGPIPE above all.
 * Memory    The stream's own, every page of it touched by open, freed by close.
 */
#ifndef IOREQ_DEVICE_SINK_H
#define IOREQ_DEVICE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include <ioreq/client.h>

#define IOREQ_SINK_BYTES 65536u  /* what a sink holds while its thread sleeps or its file is slow */
#define IOREQ_SINK_CLOSE_MS 1000 /* how long a slow or blocked file can hold up ioreq_sink_close() */

struct ioreq_sink;
struct ioreq_source;

/* Called on the stream's thread: the sink has become empty, the source has got bytes. */
typedef void ioreq_stream_callback(void *context);

/*
 * Opens the path in the setting `output` for appending, makes the file (0640) if need be, and starts its thread;
 * "stdout" is the process's own. changed: may be NULL. Blocks. Returns 0, or -errno with a sentence: -EINVAL without
 * the setting, what open(2) says (-ENXIO: a FIFO that nobody reads), -ENOMEM, -EAGAIN for a thread too many.
 */
int ioreq_sink_open(const struct ioreq_create *config, ioreq_stream_callback *changed, void *context,
		    struct ioreq_sink **sink_out, struct ioreq_error *error);

/* Writes what is left, for IOREQ_SINK_CLOSE_MS at most, and says on stderr how many bytes were lost. NULL is allowed. */
void ioreq_sink_close(struct ioreq_sink *sink);

/* Takes one byte. False: full; the byte is lost, unless the caller keeps it, and counted. */
bool ioreq_sink_put(struct ioreq_sink *sink, uint8_t byte);

/* How many bytes the sink is sure to take now. */
uint32_t ioreq_sink_room(const struct ioreq_sink *sink);

/* Whether the file has got everything. */
bool ioreq_sink_empty(const struct ioreq_sink *sink);

/* Bytes lost so far: refused for a full ring, or by the file (full disk, closed pipe). Any thread. */
uint64_t ioreq_sink_lost(const struct ioreq_sink *sink);

/*
 * Opens the file, terminal or FIFO in the setting `input` for reading and starts its thread, which calls `arrived`
 * when there is something to get. The end of a file is not the end of the source: what is appended, or a FIFO's next
 * writer, is read too. Reads no more than the device gets: nothing is lost. Without the setting: 0, and no source.
 * Errors as ioreq_sink_open().
 */
int ioreq_source_open(const struct ioreq_create *config, ioreq_stream_callback *arrived, void *context,
		      struct ioreq_source **source_out, struct ioreq_error *error);

/* Ends the thread, and with it the callback; get and empty go on. NULL is allowed. */
void ioreq_source_stop(struct ioreq_source *source);

/* Stops it, if that has not been done, and frees it. Bytes that nobody got are lost. NULL is allowed. */
void ioreq_source_close(struct ioreq_source *source);

/* Gives the next byte. False: there is none now. */
bool ioreq_source_get(struct ioreq_source *source, uint8_t *byte_out);

bool ioreq_source_empty(const struct ioreq_source *source);

#endif
