/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the built-in devices share: an instance without an engine, and fakes of the calls that a device
 * makes back into it. Included by one file per program.
 *
 * Threads   Instances: the test's thread. The fakes: any. Memory: static.
 */
#ifndef IOREQ_TEST_DEVICE_H
#define IOREQ_TEST_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/devices.h"

#define WAIT_MS 5000 /* for what another thread does within milliseconds, on a machine that is busy */
#define QUIET_MS 300 /* without news, another thread has done what it can */

/* The device never looks into it. */
#define CLIENT ((struct ioreq_client *)&fake)

static struct {
	pthread_mutex_t lock;
	unsigned line, nr_lines, nr_msis;
	bool level;
	uint64_t msi_address;
	uint32_t msi_data;
	int msi_result;
	const char *doorbell_name;
	int doorbell_fd;
	uint32_t hold;   /* a call of ioreq_set_line() stays inside while it is set */
	uint32_t inside; /* how many are */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .doorbell_fd = -1};

struct instance {
	const struct ioreq_device_ops *ops;
	void *device;
	struct ioreq_error error;
};

static _Alignas(64) uint8_t state[65536];

static inline void sleep_ms(long milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	nanosleep(&time, NULL);
}

int ioreq_set_line(struct ioreq_client *client, unsigned line, bool level)
{
	assert_ptr_equal(client, CLIENT);
	__atomic_fetch_add(&fake.inside, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&fake.hold, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	__atomic_fetch_sub(&fake.inside, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&fake.lock);
	fake.line = line;
	fake.level = level;
	fake.nr_lines++;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

int ioreq_inject_msi(struct ioreq_client *client, uint64_t address, uint32_t data)
{
	assert_ptr_equal(client, CLIENT);
	fake.msi_address = address;
	fake.msi_data = data;
	fake.nr_msis++;
	return fake.msi_result;
}

int ioreq_doorbell_fd(struct ioreq_client *client, const char *name)
{
	assert_ptr_equal(client, CLIENT);
	return fake.doorbell_name && strcmp(name, fake.doorbell_name) == 0 ? fake.doorbell_fd : -ENOENT;
}

static inline bool line_is_high(void)
{
	bool level;

	pthread_mutex_lock(&fake.lock);
	level = fake.level;
	pthread_mutex_unlock(&fake.lock);
	return level;
}

static inline unsigned count_lines(void)
{
	unsigned count;

	pthread_mutex_lock(&fake.lock);
	count = fake.nr_lines;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

/* ---- instances -------------------------------------------------------------------------------------------- */

static inline int try_create(struct instance *instance, const struct ioreq_device_ops *ops,
			     const struct ioreq_setting *settings, size_t nr_settings, bool recovered)
{
	struct ioreq_create create = {
		.client = CLIENT,
		.name = "dut",
		.settings = settings,
		.nr_settings = nr_settings,
		.state = state,
		.recovered = recovered,
	};

	if (!recovered)
		memset(state, 0, sizeof(state));
	memset(state + ops->state_bytes, 0xa5, sizeof(state) - ops->state_bytes);
	*instance = (struct instance){.ops = ops};
	return ops->create(&create, &instance->device, &instance->error);
}

static inline struct instance create_device(const struct ioreq_device_ops *ops, const struct ioreq_setting *settings,
					    size_t nr_settings)
{
	struct instance instance;
	int result = try_create(&instance, ops, settings, nr_settings, false);

	if (result < 0)
		fail_msg("create: %d, %s", result, instance.error.text);
	assert_string_equal(instance.error.text, "");
	return instance;
}

/* As after a restart of the engine: the state is what the instance before left. */
static inline struct instance recover_device(const struct ioreq_device_ops *ops, const struct ioreq_setting *settings,
					     size_t nr_settings)
{
	struct instance instance;

	assert_int_equal(try_create(&instance, ops, settings, nr_settings, true), 0);
	return instance;
}

static inline void refuse_device(const struct ioreq_device_ops *ops, const struct ioreq_setting *settings,
				 size_t nr_settings, int result, const char *text)
{
	struct instance instance;

	assert_int_equal(try_create(&instance, ops, settings, nr_settings, false), result);
	assert_string_equal(instance.error.text, text);
	assert_null(instance.device);
}

/* Also proves that the device wrote no byte behind its state. */
static inline void destroy_device(struct instance *instance)
{
	if (instance->ops->destroy)
		instance->ops->destroy(instance->device);
	for (size_t i = instance->ops->state_bytes; i < sizeof(state); i++)
		assert_int_equal(state[i], 0xa5);
}

static inline enum ioreq_result access_device(const struct instance *instance, struct ioreq_access *access)
{
	return instance->ops->handle(instance->device, access);
}

static inline uint64_t read_device(const struct instance *instance, uint64_t address, uint8_t size)
{
	struct ioreq_access access = {.address = address, .size = size, .direction = IOREQ_READ};

	assert_int_equal(access_device(instance, &access), IOREQ_DONE);
	assert_int_equal(access.value & ~ioreq_width_mask(size), 0);
	return access.value;
}

static inline void write_device(const struct instance *instance, uint64_t address, uint8_t size, uint64_t value)
{
	struct ioreq_access access = {.address = address, .size = size, .direction = IOREQ_WRITE, .value = value};

	assert_int_equal(access_device(instance, &access), IOREQ_DONE);
}

/* Neither direction is handled, and the access comes back as it was, for the default client. */
static inline void assert_unhandled(const struct instance *instance, uint64_t address, uint8_t size)
{
	for (uint8_t direction = IOREQ_READ; direction <= IOREQ_WRITE; direction++) {
		struct ioreq_access access = {.address = address, .size = size, .direction = direction};
		struct ioreq_access before;

		access.value = direction == IOREQ_WRITE ? 0x5a : 0;
		before = access;
		assert_int_equal(access_device(instance, &access), IOREQ_UNHANDLED);
		assert_memory_equal(&access, &before, sizeof(access));
	}
}

static inline struct ioreq_setting setting_string(const char *key, const char *string)
{
	return (struct ioreq_setting){.key = key, .type = IOREQ_SETTING_STRING, .string = string};
}

static inline struct ioreq_setting setting_integer(const char *key, uint64_t integer)
{
	return (struct ioreq_setting){.key = key, .type = IOREQ_SETTING_INTEGER, .integer = integer};
}

/* ---- files ------------------------------------------------------------------------------------------------ */

/* A name in a fresh folder, which remove_path() removes too. */
static inline char *make_path(void)
{
	char *path = malloc(64);

	strcpy(path, "/tmp/ioreq-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	return strcat(path, "/file");
}

static inline void remove_path(char *path)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	free(path);
}

/* A FIFO with both ends open in the descriptor returned, so that neither side sees an end. */
static inline int make_fifo(const char *path)
{
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Who writes into it now, waits. */
static inline bool fifo_is_full(int fd)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	return poll(&room, 1, 0) == 0;
}

static inline size_t read_path(const char *path, char *buffer, size_t bytes)
{
	int fd = open(path, O_RDONLY);
	ssize_t count;

	assert_true(fd >= 0);
	count = read(fd, buffer, bytes);
	assert_true(count >= 0);
	close(fd);
	return (size_t)count;
}

static inline void assert_content(const char *path, const char *content)
{
	char buffer[4096];
	size_t count = read_path(path, buffer, sizeof(buffer));

	assert_int_equal(count, strlen(content));
	assert_memory_equal(buffer, content, count);
}

#define assert_soon(condition)                                                         \
	do {                                                                           \
		for (int waited = 0; !(condition); waited++) {                         \
			if (waited == WAIT_MS)                                         \
				fail_msg("not within %d ms: %s", WAIT_MS, #condition); \
			sleep_ms(1);                                                   \
		}                                                                      \
	} while (0)

#endif
