/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line per event, `subsystem: event key=value`, on standard error. Never from a poller. */
#ifndef IOREQ_SERVICE_LOG_H
#define IOREQ_SERVICE_LOG_H

__attribute__((format(printf, 1, 2))) void log_event(const char *format, ...);

#endif
