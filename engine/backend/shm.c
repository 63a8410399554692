/* SPDX-License-Identifier: MIT */
/*
 * The shared-memory backend: a page file, its locks, its words.
 *
 * Threads   A handle belongs to one thread at a time, but for notify, set_line and inject_msi, which any thread calls.
 * Memory    A handle owns its descriptor and its mapping. The table of mappings below exists for the SIGBUS handler,
 *           which cannot take a lock: a slot of it is claimed and released by one atomic word.
 */
#include <ioreq/shm.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/error.h"

#define MAX_MAPPINGS 128u
/* Of a swap that only a producer who writes into the tail can make fail so often. */
#define MSI_TRIES 64u

/* The address of an MSI that was never sent; no real one is odd. */
#define MSI_HOLE UINT64_MAX

enum { ENGINE_BYTE = 0, PRODUCER_BYTE = 1 };

struct ioreq_shm {
	struct ioreq_shm_file *file;
	int fd;
	dev_t device;
	ino_t inode;
	unsigned nr_vcpus; /* as it was when it was checked: the producer could change the file's */
	unsigned guard;    /* index in mappings[], MAX_MAPPINGS: none */
	char path[];
};

/* What the SIGBUS handler knows. `base` 0: free. `lost` is set once the file was replaced by an anonymous page. */
static struct {
	uintptr_t base;
	uint32_t lost;
} mappings[MAX_MAPPINGS];

static struct sigaction previous_sigbus;

/* ---- SIGBUS ------------------------------------------------------------------------------------------------ */

/*
 * Puts private FREE slots over a mapping whose file lost its pages. Built aside and moved in one step: a poller on
 * another core must never see a zeroed page, which reads as sixteen requests.
 */
static bool replace_mapping(uintptr_t base)
{
	void *fresh = mmap(NULL, IOREQ_SHM_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED)
		return false;
	ioreq_page_prefill(&((struct ioreq_shm_file *)fresh)->slots);
	return mremap(fresh, IOREQ_SHM_FILE_BYTES, IOREQ_SHM_FILE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)base) !=
	       MAP_FAILED;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	if (previous_sigbus.sa_flags & SA_SIGINFO) {
		previous_sigbus.sa_sigaction(number, info, context);
	} else if (previous_sigbus.sa_handler != SIG_DFL && previous_sigbus.sa_handler != SIG_IGN) {
		previous_sigbus.sa_handler(number);
	} else {
		/* The faulting instruction runs again and ends the process as if this handler had never been there. */
		signal(SIGBUS, SIG_DFL);
	}
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	int saved_errno = errno;

	for (unsigned i = 0; i < MAX_MAPPINGS; i++) {
		/* SH5 acquire: the entry is whole. Pairs with SH6. Without it: a fault on a fresh mapping is not ours. */
		uintptr_t base = load_acquire(&mappings[i].base);

		if (!base || address < base || address >= base + IOREQ_SHM_FILE_BYTES)
			continue;
		if (!replace_mapping(base))
			break;
		store_relaxed(&mappings[i].lost, 1);
		errno = saved_errno;
		return;
	}
	pass_on(number, info, context);
	errno = saved_errno;
}

int ioreq_shm_guard(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_RESTART};

	struct sigaction before;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &before))
		return -errno;
	/* Asked for twice: what was there before is what the first call found. */
	if (!(before.sa_flags & SA_SIGINFO) || before.sa_sigaction != on_sigbus)
		previous_sigbus = before;
	return 0;
}

static int guard_mapping(struct ioreq_shm *shm)
{
	for (unsigned i = 0; i < MAX_MAPPINGS; i++) {
		uintptr_t nobody = 0;

		/* Taken with a base that no address matches, then made ready, then shown. */
		if (load_relaxed(&mappings[i].base) || !cas_relaxed(&mappings[i].base, nobody, UINTPTR_MAX))
			continue;
		store_relaxed(&mappings[i].lost, 0);
		/* SH6 release: lost is reset before the base is shown. Pairs with SH5. Without it: a fault is forgotten. */
		store_release(&mappings[i].base, (uintptr_t)shm->file);
		shm->guard = i;
		return 0;
	}
	return -ENFILE;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static int refuse_type(const char *path, struct ioreq_error *error)
{
	return ioreq_error_set(error, EPERM, "%s: not a regular file; allowed: a page file made by a hypervisor", path);
}

static int refuse_name(const char *path, int number, struct ioreq_error *error)
{
	/* What cannot even be opened for writing: a folder, a socket. */
	if (number == EISDIR || number == ENXIO)
		return refuse_type(path, error);
	return ioreq_error_set(error, number, "%s: cannot be opened: %s", path, strerror(number));
}

static int check_file(const struct ioreq_shm *shm, struct stat *info, struct ioreq_error *error)
{
	if (fstat(shm->fd, info))
		return ioreq_error_set(error, errno, "%s: cannot be examined: %s", shm->path, strerror(errno));
	if (!S_ISREG(info->st_mode))
		return refuse_type(shm->path, error);
	if (info->st_mode & S_IWOTH)
		return ioreq_error_set(
			error, EPERM,
			"%s: mode %04o lets everybody write guest requests; allowed: owner and group (0660)", shm->path,
			info->st_mode & 07777u);
	if (info->st_size != IOREQ_SHM_FILE_BYTES)
		return ioreq_error_set(error, EPROTO, "%s: %lld bytes; allowed: exactly %u", shm->path,
				       (long long)info->st_size, IOREQ_SHM_FILE_BYTES);
	return 0;
}

/* One byte of the file per side. The lock belongs to the open file description: it dies with the process. */
static int take_ownership(const struct ioreq_shm *shm, int byte, struct ioreq_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	const char *side = byte == ENGINE_BYTE ? "engine" : "hypervisor";

	if (fcntl(shm->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return ioreq_error_set(error, EBUSY, "%s: owned by another %s; allowed: one %s per page", shm->path,
				       side, side);
	return ioreq_error_set(error, errno, "%s: cannot be locked: %s", shm->path, strerror(errno));
}

static int check_control(struct ioreq_shm *shm, unsigned nr_vcpus, struct ioreq_error *error)
{
	const struct ioreq_shm_control *control = &shm->file->control;
	unsigned found = load_relaxed(&control->nr_vcpus);

	if (control->magic != IOREQ_SHM_MAGIC)
		return ioreq_error_set(error, EPROTO, "%s: magic 0x%llx; allowed: 0x%llx (a page file of ioreqd)",
				       shm->path, (unsigned long long)control->magic,
				       (unsigned long long)IOREQ_SHM_MAGIC);
	if (control->version != IOREQ_SHM_VERSION)
		return ioreq_error_set(error, EPROTO, "%s: layout version %u; allowed: %u", shm->path, control->version,
				       IOREQ_SHM_VERSION);
	if (found < 1 || found > IOREQ_MAX_VCPUS)
		return ioreq_error_set(error, EPROTO, "%s: %u vCPUs; allowed: 1..%u", shm->path, found,
				       IOREQ_MAX_VCPUS);
	if (nr_vcpus && found != nr_vcpus)
		return ioreq_error_set(error, EPROTO, "%s: made for %u vCPUs; the configuration says %u", shm->path,
				       found, nr_vcpus);
	shm->nr_vcpus = found;
	return 0;
}

static int map_file(struct ioreq_shm *shm, struct ioreq_error *error)
{
	void *memory = mmap(NULL, IOREQ_SHM_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, shm->fd, 0);

	if (memory == MAP_FAILED)
		return ioreq_error_set(error, errno, "%s: cannot be mapped: %s", shm->path, strerror(errno));
	shm->file = memory;
	if (guard_mapping(shm))
		return ioreq_error_set(error, ENFILE, "%s: more than %u pages mapped", shm->path, MAX_MAPPINGS);
	return 0;
}

static struct ioreq_shm *new_handle(const char *path)
{
	struct ioreq_shm *shm = calloc(1, sizeof(*shm) + strlen(path) + 1);

	if (!shm)
		return NULL;
	shm->fd = -1;
	shm->guard = MAX_MAPPINGS;
	strcpy(shm->path, path);
	return shm;
}

static int open_side(const char *path, unsigned nr_vcpus, int byte, struct ioreq_shm **shm_out,
		     struct ioreq_error *error)
{
	struct ioreq_shm *shm = new_handle(path);
	struct stat info;
	int status;

	if (!shm)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", path);
	/* O_NONBLOCK: a FIFO of that name must not hold us. */
	shm->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (shm->fd < 0) {
		status = refuse_name(path, errno, error);
		goto out;
	}
	status = check_file(shm, &info, error);
	if (!status)
		status = take_ownership(shm, byte, error);
	if (!status)
		status = map_file(shm, error);
	if (!status)
		status = check_control(shm, nr_vcpus, error);
	if (!status) {
		shm->device = info.st_dev;
		shm->inode = info.st_ino;
		*shm_out = shm;
		return 0;
	}
out:
	ioreq_shm_close(shm);
	return status;
}

/*
 * A writer that was killed after it had moved the tail leaves an entry that nobody will ever publish, and at which the
 * reader would wait for ever. The engine that owns the page is its only writer, so now there is none: what has no turn is
 * such a hole, and is published as one.
 */
static void close_msi_holes(struct ioreq_shm_control *control)
{
	uint32_t tail = load_relaxed(&control->msi_tail.word), at = load_relaxed(&control->msi_head.word);

	if (tail - at > IOREQ_SHM_NR_MSIS)
		return;
	for (; at != tail; at++) {
		struct ioreq_shm_msi *msi = &control->msis[at % IOREQ_SHM_NR_MSIS];

		if (load_relaxed(&msi->turn) == at + 1)
			continue;
		store_relaxed(&msi->address, MSI_HOLE);
		/* SH8 release: as a writer. Pairs with SH10. */
		store_release(&msi->turn, at + 1);
	}
}

int ioreq_shm_open(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error)
{
	int status;

	if (nr_vcpus < 1 || nr_vcpus > IOREQ_MAX_VCPUS)
		return ioreq_error_set(error, EINVAL, "%s: %u vCPUs; allowed: 1..%u", path, nr_vcpus, IOREQ_MAX_VCPUS);
	status = open_side(path, nr_vcpus, ENGINE_BYTE, shm_out, error);
	if (!status)
		close_msi_holes(&(*shm_out)->file->control);
	return status;
}

int ioreq_shm_join(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error)
{
	return open_side(path, nr_vcpus, PRODUCER_BYTE, shm_out, error);
}

void ioreq_shm_close(struct ioreq_shm *shm)
{
	if (!shm)
		return;
	if (shm->guard < MAX_MAPPINGS)
		store_relaxed(&mappings[shm->guard].base, 0);
	if (shm->file)
		munmap(shm->file, IOREQ_SHM_FILE_BYTES);
	if (shm->fd >= 0)
		close(shm->fd);
	free(shm);
}

enum ioreq_shm_state ioreq_shm_watch(const struct ioreq_shm *shm)
{
	struct stat info;

	if (load_relaxed(&mappings[shm->guard].lost))
		return IOREQ_SHM_TRUNCATED;
	if (fstat(shm->fd, &info) == 0 && info.st_size < IOREQ_SHM_FILE_BYTES)
		return IOREQ_SHM_TRUNCATED;
	if (stat(shm->path, &info))
		return IOREQ_SHM_GONE;
	return info.st_dev == shm->device && info.st_ino == shm->inode ? IOREQ_SHM_SAME : IOREQ_SHM_REPLACED;
}

/* ---- words ------------------------------------------------------------------------------------------------- */

static int futex_wake(uint32_t *word)
{
	return syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0) < 0 ? -errno : 0;
}

static void futex_wait(uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
	struct timespec left = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
				.tv_nsec = (long)(timeout_ns % 1000000000u)};

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &left, NULL, 0);
}

static int notify(void *context, unsigned vcpu, uint32_t sequence)
{
	struct ioreq_shm *shm = context;
	uint32_t *word = &shm->file->control.notify[vcpu].word;

	/* SH1 release: after COMPLETE, as the poller stored it. Pairs with HV4, HV5. Without it: woken too early. */
	store_release(word, sequence);
	return futex_wake(word);
}

static int announce_interrupt(struct ioreq_shm *shm)
{
	uint32_t *event = &shm->file->control.irq_event.word;

	/* SH2 release: lines and MSIs before the event. Pairs with SH3. Without it: the last change is slept over. */
	add_release(event, 1);
	return futex_wake(event);
}

static int set_line(void *context, unsigned line, bool level)
{
	struct ioreq_shm *shm = context;
	uint64_t bit = UINT64_C(1) << line;
	/* SH4 release: what the device did before it raised the line. Pairs with SH3. Without it: an early interrupt. */
	uint64_t before =
		level ? or_release(&shm->file->control.lines, bit) : and_release(&shm->file->control.lines, ~bit);

	return !(before & bit) == !level ? 0 : announce_interrupt(shm);
}

/*
 * Many writers, one reader. The writer that moves the tail owns entry `tail` and publishes it by `turn` = tail + 1;
 * the reader frees it by moving the head.
 */
static int inject_msi(void *context, uint64_t address, uint32_t data)
{
	struct ioreq_shm *shm = context;
	struct ioreq_shm_control *control = &shm->file->control;
	uint32_t tail = load_relaxed(&control->msi_tail.word);
	unsigned tries = MSI_TRIES;
	struct ioreq_shm_msi *msi;

	do {
		/* SH7 acquire: the reader has left the entry. Pairs with SH9. Without it: an unread entry is overwritten. */
		if (tries-- == 0 || tail - load_acquire(&control->msi_head.word) >= IOREQ_SHM_NR_MSIS)
			return -EAGAIN;
	} while (!cas_relaxed(&control->msi_tail.word, tail, tail + 1));
	msi = &control->msis[tail % IOREQ_SHM_NR_MSIS];
	store_relaxed(&msi->address, address);
	store_relaxed(&msi->data, data);
	/* SH8 release: address and data before the turn. Pairs with SH10. Without it: a half-written MSI is sent. */
	store_release(&msi->turn, tail + 1);
	return announce_interrupt(shm);
}

static const struct ioreq_backend_ops shm_ops = {
	.name = "shm",
	.protocol = IOREQ_DIRECT,
	.notify = notify,
	.set_line = set_line,
	.inject_msi = inject_msi,
};

struct ioreq_page ioreq_shm_page(struct ioreq_shm *shm)
{
	return (struct ioreq_page){
		.slots = &shm->file->slots,
		.nr_vcpus = shm->nr_vcpus,
		.ops = &shm_ops,
		.context = shm,
		.id = &shm->file->control.id,
	};
}

bool ioreq_shm_clear_requested(const struct ioreq_shm *shm, uint32_t *request_out)
{
	const struct ioreq_shm_control *control = &shm->file->control;
	/* SH11 acquire: the slots as they were when the clear was asked for. Pairs with SH12. */
	uint32_t request = load_acquire(&control->clear_request.word);

	if (request == load_relaxed(&control->clear_ack.word))
		return false;
	*request_out = request;
	return true;
}

void ioreq_shm_clear_acknowledge(struct ioreq_shm *shm, uint32_t request)
{
	uint32_t *ack = &shm->file->control.clear_ack.word;

	/* SH13 release: every completion before the acknowledgement. Pairs with SH14. Without it: one after the reset. */
	store_release(ack, request);
	futex_wake(ack);
}

/* ---- the producer's side ----------------------------------------------------------------------------------- */

static void prefill_file(struct ioreq_shm_file *file, unsigned nr_vcpus)
{
	ioreq_page_prefill(&file->slots);
	file->control.version = IOREQ_SHM_VERSION;
	file->control.nr_vcpus = nr_vcpus;
	file->control.magic = IOREQ_SHM_MAGIC;
}

/* A page file that a living hypervisor holds must not lose its name to another one. */
static int check_predecessor(const char *path, struct ioreq_error *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = PRODUCER_BYTE, .l_len = 1};
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool held;

	if (fd < 0)
		return 0;
	held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	if (held)
		return ioreq_error_set(error, EBUSY, "%s: held by another hypervisor; allowed: one per page", path);
	return 0;
}

static int create_file(struct ioreq_shm *shm, const char *path, unsigned nr_vcpus, struct ioreq_error *error)
{
	struct stat info;
	int status;

	shm->fd = mkostemp(shm->path, O_CLOEXEC);
	if (shm->fd < 0)
		return ioreq_error_set(error, errno, "%s: cannot be created: %s", path, strerror(errno));
	/* Blocks now: on a full disk the first store to a sparse file would be a SIGBUS. */
	status = posix_fallocate(shm->fd, 0, IOREQ_SHM_FILE_BYTES);
	if (status)
		return ioreq_error_set(error, status, "%s: no room for %u bytes: %s", path, IOREQ_SHM_FILE_BYTES,
				       strerror(status));
	if (fchmod(shm->fd, 0660) || fstat(shm->fd, &info))
		return ioreq_error_set(error, errno, "%s: mode 0660 refused: %s", path, strerror(errno));
	shm->device = info.st_dev;
	shm->inode = info.st_ino;
	status = take_ownership(shm, PRODUCER_BYTE, error);
	if (!status)
		status = map_file(shm, error);
	if (status)
		return status;
	prefill_file(shm->file, nr_vcpus);
	if (rename(shm->path, path))
		return ioreq_error_set(error, errno, "%s: cannot be renamed into place: %s", path, strerror(errno));
	strcpy(shm->path, path);
	return 0;
}

int ioreq_shm_create(const char *path, unsigned nr_vcpus, struct ioreq_shm **shm_out, struct ioreq_error *error)
{
	struct ioreq_shm *shm;
	char *temporary;
	int status;

	if (nr_vcpus < 1 || nr_vcpus > IOREQ_MAX_VCPUS)
		return ioreq_error_set(error, EINVAL, "%s: %u vCPUs; allowed: 1..%u", path, nr_vcpus, IOREQ_MAX_VCPUS);
	status = check_predecessor(path, error);
	if (status)
		return status;
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", path);
	shm = new_handle(temporary);
	free(temporary);
	if (!shm)
		return ioreq_error_set(error, ENOMEM, "%s: out of memory", path);
	status = create_file(shm, path, nr_vcpus, error);
	if (status) {
		if (shm->fd >= 0)
			unlink(shm->path);
		ioreq_shm_close(shm);
		return status;
	}
	*shm_out = shm;
	return 0;
}

struct ioreq_shm_file *ioreq_shm_file(struct ioreq_shm *shm)
{
	return shm->file;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int ioreq_shm_clear(struct ioreq_shm *shm, uint64_t timeout_ns)
{
	struct ioreq_shm_control *control = &shm->file->control;
	uint64_t end = now_ns() + timeout_ns;
	/* SH12 release: the vCPUs are paused before the clear is asked for. Pairs with SH11. */
	uint32_t request = add_release(&control->clear_request.word, 1) + 1;

	for (;;) {
		/* SH14 acquire: no completion after it. Pairs with SH13. Without it: a reset overtakes a completion. */
		uint32_t done = load_acquire(&control->clear_ack.word);
		uint64_t now = now_ns();

		if (done == request)
			return 0;
		if (now >= end)
			return -ETIMEDOUT;
		futex_wait(&control->clear_ack.word, done, end - now);
	}
}

uint32_t ioreq_shm_irq_wait(struct ioreq_shm *shm, uint32_t seen, uint64_t timeout_ns)
{
	uint32_t *event = &shm->file->control.irq_event.word;

	futex_wait(event, seen, timeout_ns);
	/* SH3 acquire: lines and MSIs up to this event are visible. Pairs with SH2, SH4. */
	return load_acquire(event);
}

uint64_t ioreq_shm_lines(const struct ioreq_shm *shm)
{
	/* SH3 acquire: as in ioreq_shm_irq_wait(). Pairs with SH4. */
	return load_acquire(&shm->file->control.lines);
}

bool ioreq_shm_msi_take(struct ioreq_shm *shm, uint64_t *address_out, uint32_t *data_out)
{
	struct ioreq_shm_control *control = &shm->file->control;
	uint32_t head = load_relaxed(&control->msi_head.word);

	for (;; head++) {
		const struct ioreq_shm_msi *msi = &control->msis[head % IOREQ_SHM_NR_MSIS];
		uint64_t address;
		uint32_t data;

		/* SH10 acquire: the entry is whole. Pairs with SH8. Without it: half an MSI. */
		if (load_acquire(&msi->turn) != head + 1)
			return false;
		address = load_relaxed(&msi->address);
		data = load_relaxed(&msi->data);
		/* SH9 release: read before the entry is free. Pairs with SH7. Without it: a newer MSI is read in its place. */
		store_release(&control->msi_head.word, head + 1);
		if (address == MSI_HOLE)
			continue;
		*address_out = address;
		*data_out = data;
		return true;
	}
}

void ioreq_shm_unlink(struct ioreq_shm *shm)
{
	struct stat info;

	if (stat(shm->path, &info) == 0 && info.st_dev == shm->device && info.st_ino == shm->inode)
		unlink(shm->path);
}
