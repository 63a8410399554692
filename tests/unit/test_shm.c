/* SPDX-License-Identifier: MIT */
/*
 * backend/shm.c: which files are refused and how that is said, ownership, truncation, the words between the two sides.
 *
 * Threads   One; waiting and MSIs: more. Some tests run in a child, whose signals or user they change.
 * Memory    A folder per test, removed afterwards: a file left in it fails the test.
 */
#include "unit/stand.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static char folder[64], path[128], sentence[512];

static int set_up(void **unused)
{
	(void)unused;
	strcpy(folder, "/tmp/test_shm.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/vm0.page", folder);
	return chmod(folder, 0755);
}

static int tear_down(void **unused)
{
	(void)unused;
	unlink(path);
	/* Fails if a temporary file was left behind. */
	return rmdir(folder);
}

/* `path`, then what is said about it. */
static const char *about(const char *what)
{
	snprintf(sentence, sizeof(sentence), "%s: %s", path, what);
	return sentence;
}

static struct ioreq_shm *create(void)
{
	struct ioreq_error error = {.text = ""};
	struct ioreq_shm *shm = NULL;
	int status = ioreq_shm_create(path, 4, &shm, &error);

	assert_sentence(error, "");
	assert_int_equal(status, 0);
	return shm;
}

static struct ioreq_shm *open_engine(void)
{
	struct ioreq_error error = {.text = ""};
	struct ioreq_shm *shm = NULL;
	int status = ioreq_shm_open(path, 4, &shm, &error);

	assert_sentence(error, "");
	assert_int_equal(status, 0);
	return shm;
}

static unsigned count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* The file cannot be opened by either side; outputs and descriptors are as before. */
static void assert_refused(unsigned nr_vcpus, int status, const char *what)
{
	struct ioreq_shm *shm = (struct ioreq_shm *)&path;
	struct ioreq_error error = {.text = ""};
	unsigned descriptors = count_descriptors();

	assert_int_equal(ioreq_shm_open(path, nr_vcpus, &shm, &error), status);
	assert_sentence(error, about(what));
	memset(&error, 0, sizeof(error));
	assert_int_equal(ioreq_shm_join(path, nr_vcpus, &shm, &error), status);
	assert_sentence(error, about(what));
	assert_ptr_equal(shm, &path);
	assert_int_equal(ioreq_shm_open(path, nr_vcpus, &shm, NULL), status);
	assert_int_equal(count_descriptors(), descriptors);
}

/* ---- what is made ----------------------------------------------------------------------------------------- */

static void test_shm_created_file_is_a_page_without_requests(void **unused)
{
	mode_t mask = umask(0777);
	struct ioreq_shm *shm = create();
	const struct ioreq_shm_file *file = ioreq_shm_file(shm);
	struct stat info;

	(void)unused;
	umask(mask);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_size, 8192);
	assert_int_equal(info.st_mode & 07777, 0660);
	assert_memory_equal(&file->control.magic, "IOREQPG1", 8);
	assert_int_equal(file->control.version, 1);
	assert_int_equal(file->control.nr_vcpus, 4);
	assert_int_equal(file->control.id, 0);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++) {
		assert_int_equal(file->slots.req_slot[v].processed, ACRN_IOREQ_STATE_FREE);
		assert_int_equal(file->slots.req_slot[v].completion_polling, 0);
	}
	ioreq_shm_close(shm);
	ioreq_shm_close(NULL);
}

static void test_shm_page_is_what_attach_wants(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine();
	const struct ioreq_page page = ioreq_shm_page(engine);

	(void)unused;
	assert_ptr_equal(page.slots, &ioreq_shm_file(engine)->slots);
	assert_int_equal((uintptr_t)page.slots % 4096, 0);
	assert_int_equal(page.nr_vcpus, 4);
	assert_ptr_equal(page.id, &ioreq_shm_file(engine)->control.id);
	assert_ptr_equal(page.context, engine);
	assert_string_equal(page.ops->name, "shm");
	assert_int_equal(page.ops->protocol, IOREQ_DIRECT);
	/* Both sides see the same memory; the producer cannot change the count after the check. */
	store_relaxed(&ioreq_shm_file(producer)->slots.req_slot[3].type, 0x77u);
	assert_int_equal(load_relaxed(&page.slots->req_slot[3].type), 0x77);
	ioreq_shm_file(producer)->control.nr_vcpus = 99;
	assert_int_equal(ioreq_shm_page(engine).nr_vcpus, 4);
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

static void test_shm_created_again_replaces_a_file_that_nobody_holds(void **unused)
{
	struct ioreq_shm *shm = create(), *again;
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_shm_create(path, 4, &again, &error), -EBUSY);
	assert_sentence(error, about("held by another hypervisor; allowed: one per page"));
	ioreq_shm_close(shm);
	shm = create();
	ioreq_shm_file(shm)->slots.req_slot[0].type = 9;
	ioreq_shm_close(shm);
	/* An engine that serves the old file does not keep it from being replaced. */
	again = open_engine();
	shm = create();
	assert_int_equal(ioreq_shm_file(shm)->slots.req_slot[0].type, 0);
	assert_int_equal(ioreq_shm_watch(again), IOREQ_SHM_REPLACED);
	ioreq_shm_close(again);
	ioreq_shm_close(shm);
}

static void test_shm_create_refuses_with_a_sentence_and_leaves_no_file(void **unused)
{
	struct ioreq_shm *shm = (struct ioreq_shm *)&path;
	struct ioreq_error error = {.text = ""};
	unsigned descriptors = count_descriptors();

	(void)unused;
	assert_int_equal(ioreq_shm_create(path, 0, &shm, &error), -EINVAL);
	assert_sentence(error, about("0 vCPUs; allowed: 1..16"));
	assert_int_equal(ioreq_shm_create(path, 17, &shm, &error), -EINVAL);
	assert_sentence(error, about("17 vCPUs; allowed: 1..16"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(ioreq_shm_create(path, 4, &shm, &error), -EISDIR);
	assert_sentence(error, about("cannot be renamed into place: Is a directory"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(ioreq_shm_create("/nonexistent/vm0.page", 4, &shm, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/nonexistent/vm0.page"));
	assert_non_null(strstr(error.text, ": cannot be created: No such file or directory"));
	assert_ptr_equal(shm, &path);
	assert_int_equal(count_descriptors(), descriptors);
}

/* ---- what is refused -------------------------------------------------------------------------------------- */

static void test_shm_file_that_is_missing_is_enoent(void **unused)
{
	(void)unused;
	assert_refused(4, -ENOENT, "cannot be opened: No such file or directory");
}

static void test_shm_count_of_the_configuration_is_checked(void **unused)
{
	struct ioreq_shm *shm = (struct ioreq_shm *)&path;
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_shm_open(path, 0, &shm, &error), -EINVAL);
	assert_sentence(error, about("0 vCPUs; allowed: 1..16"));
	assert_int_equal(ioreq_shm_open(path, 17, &shm, &error), -EINVAL);
	assert_sentence(error, about("17 vCPUs; allowed: 1..16"));
	assert_ptr_equal(shm, &path);
}

static void test_shm_name_that_is_no_regular_file_is_refused_at_once(void **unused)
{
	const char *what = "not a regular file; allowed: a page file made by a hypervisor";

	(void)unused;
	/* Without a writer an open of a FIFO would wait for ever. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(4, -EPERM, what);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_refused(4, -EPERM, what);
	unlink(path);
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	assert_refused(4, -EPERM, what);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(4, -EPERM, what);
	rmdir(path);
}

static void test_shm_file_that_everybody_may_write_is_refused(void **unused)
{
	struct ioreq_shm *shm = create();

	(void)unused;
	ioreq_shm_close(shm);
	assert_int_equal(chmod(path, 0662), 0);
	assert_refused(4, -EPERM, "mode 0662 lets everybody write guest requests; allowed: owner and group (0660)");
	assert_int_equal(chmod(path, 0604), 0);
	ioreq_shm_close(open_engine());
}

static void test_shm_file_of_another_size_is_refused(void **unused)
{
	static const off_t sizes[] = {0, 4096, 8191, 8193, 1 << 20};
	struct ioreq_shm *shm = create();

	(void)unused;
	ioreq_shm_close(shm);
	for (size_t i = 0; i < NR_OF(sizes); i++) {
		char what[64];

		assert_int_equal(truncate(path, sizes[i]), 0);
		snprintf(what, sizeof(what), "%lld bytes; allowed: exactly 8192", (long long)sizes[i]);
		assert_refused(4, -EPROTO, what);
	}
}

static void test_shm_file_with_another_header_is_refused(void **unused)
{
	static const struct {
		uint64_t magic;
		uint32_t version, nr_vcpus;
		const char *what;
	} cases[] = {
		{IOREQ_SHM_MAGIC + 1, 1, 4,
		 "magic 0x3147505145524f4a; allowed: 0x3147505145524f49 (a page file of ioreqd)"},
		{0, 1, 4, "magic 0x0; allowed: 0x3147505145524f49 (a page file of ioreqd)"},
		{IOREQ_SHM_MAGIC, 0, 4, "layout version 0; allowed: 1"},
		{IOREQ_SHM_MAGIC, 2, 4, "layout version 2; allowed: 1"},
		{IOREQ_SHM_MAGIC, 1, 0, "0 vCPUs; allowed: 1..16"},
		{IOREQ_SHM_MAGIC, 1, 17, "17 vCPUs; allowed: 1..16"},
		{IOREQ_SHM_MAGIC, 1, 5, "made for 5 vCPUs; the configuration says 4"},
	};
	struct ioreq_shm *shm;

	(void)unused;
	for (size_t i = 0; i < NR_OF(cases); i++) {
		shm = create();
		ioreq_shm_file(shm)->control.magic = cases[i].magic;
		ioreq_shm_file(shm)->control.version = cases[i].version;
		ioreq_shm_file(shm)->control.nr_vcpus = cases[i].nr_vcpus;
		ioreq_shm_close(shm);
		/* More often than pages can be mapped: a refused one is given back whole. */
		for (unsigned k = 0; k < 50; k++)
			assert_refused(4, -EPROTO, cases[i].what);
	}
}

static void test_shm_join_takes_the_count_of_the_file(void **unused)
{
	struct ioreq_shm *shm = create();
	struct ioreq_error error = {.text = ""};

	(void)unused;
	ioreq_shm_file(shm)->slots.req_slot[2].type = 0x55;
	ioreq_shm_close(shm);
	assert_int_equal(ioreq_shm_join(path, 0, &shm, &error), 0);
	assert_int_equal(ioreq_shm_page(shm).nr_vcpus, 4);
	assert_int_equal(ioreq_shm_file(shm)->slots.req_slot[2].type, 0x55);
	ioreq_shm_close(shm);
}

static void test_shm_each_side_has_one_owner(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine(), *second = NULL;
	struct ioreq_error error = {.text = ""};

	(void)unused;
	assert_int_equal(ioreq_shm_open(path, 4, &second, &error), -EBUSY);
	assert_sentence(error, about("owned by another engine; allowed: one engine per page"));
	assert_int_equal(ioreq_shm_join(path, 4, &second, &error), -EBUSY);
	assert_sentence(error, about("owned by another hypervisor; allowed: one hypervisor per page"));
	assert_null(second);
	ioreq_shm_close(engine);
	engine = open_engine();
	ioreq_shm_close(producer);
	assert_int_equal(ioreq_shm_join(path, 4, &producer, &error), 0);
	ioreq_shm_close(producer);
	ioreq_shm_close(engine);
}

/* The lock goes with the process, however it ends. */
static void test_shm_ownership_ends_with_a_killed_process(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = NULL;
	int ready[2], status;
	char byte;
	pid_t child;

	(void)unused;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		status = ioreq_shm_open(path, 4, &engine, NULL);
		if (write(ready[1], status ? "n" : "y", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(ioreq_shm_open(path, 4, &engine, NULL), -EBUSY);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	ioreq_shm_close(open_engine());
	ioreq_shm_close(producer);
	close(ready[0]);
	close(ready[1]);
}

static void test_shm_file_without_permission_is_eacces(void **unused)
{
	struct ioreq_shm *shm = create();
	int status;
	pid_t child;

	(void)unused;
	ioreq_shm_close(shm);
	assert_int_equal(chmod(path, 0440), 0);
	child = fork();
	if (child == 0) {
		struct ioreq_error error = {.text = ""};

		if (geteuid() == 0 && setresuid(65534, 65534, 65534))
			_exit(1);
		status = ioreq_shm_open(path, 4, &shm, &error);
		_exit(status == -EACCES && !strcmp(error.text, about("cannot be opened: Permission denied")) ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_shm_pages_mapped_at_once_are_bounded(void **unused)
{
	struct ioreq_shm *shms[128], *more = NULL;
	struct ioreq_error error = {.text = ""};
	char name[128], wanted[256];

	(void)unused;
	for (unsigned i = 0; i < NR_OF(shms); i++) {
		snprintf(name, sizeof(name), "%s/%u", folder, i);
		assert_int_equal(ioreq_shm_create(name, 1, &shms[i], NULL), 0);
	}
	assert_int_equal(ioreq_shm_create(path, 1, &more, &error), -ENFILE);
	/* The name in it is the temporary one. */
	snprintf(wanted, sizeof(wanted), "%s.", path);
	assert_memory_equal(error.text, wanted, strlen(wanted));
	assert_non_null(strstr(error.text, ": more than 128 pages mapped"));
	assert_null(more);
	for (unsigned i = 0; i < NR_OF(shms); i++) {
		ioreq_shm_unlink(shms[i]);
		ioreq_shm_close(shms[i]);
	}
	ioreq_shm_close(create());
}

/* ---- watching --------------------------------------------------------------------------------------------- */

static void test_shm_watch_tells_what_became_of_the_name(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine(), *next;

	(void)unused;
	assert_int_equal(ioreq_shm_watch(engine), IOREQ_SHM_SAME);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ioreq_shm_watch(engine), IOREQ_SHM_GONE);
	next = create();
	assert_int_equal(ioreq_shm_watch(engine), IOREQ_SHM_REPLACED);
	assert_int_equal(ioreq_shm_watch(next), IOREQ_SHM_SAME);
	/* Not its own any more: left alone. */
	ioreq_shm_unlink(producer);
	assert_int_equal(ioreq_shm_watch(next), IOREQ_SHM_SAME);
	ioreq_shm_unlink(next);
	assert_int_equal(ioreq_shm_watch(next), IOREQ_SHM_GONE);
	ioreq_shm_unlink(next);
	ioreq_shm_close(next);
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

static void test_shm_watch_sees_a_truncated_file(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine();

	(void)unused;
	assert_int_equal(truncate(path, 8191), 0);
	assert_int_equal(ioreq_shm_watch(engine), IOREQ_SHM_TRUNCATED);
	assert_int_equal(truncate(path, 8192), 0);
	assert_int_equal(ioreq_shm_watch(engine), IOREQ_SHM_SAME);
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

/* ---- SIGBUS, in a child each ------------------------------------------------------------------------------ */

/* Runs it in a child; returns the wait status. */
static int in_child(void (*run)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static struct ioreq_shm *guarded;

static void check(bool right, int exit_status)
{
	if (!right)
		_exit(exit_status);
}

static void survive_truncation(void)
{
	struct ioreq_shm_file *file = ioreq_shm_file(guarded);

	check(ioreq_shm_guard() == 0, 10);
	check(truncate(path, 0) == 0, 11);
	for (unsigned v = 0; v < IOREQ_MAX_VCPUS; v++)
		check(ioreq_page_state(&file->slots.req_slot[v]) == ACRN_IOREQ_STATE_FREE, 12);
	check(ioreq_shm_watch(guarded) == IOREQ_SHM_TRUNCATED, 13);
	/* Both pages can be written, and nobody else sees it. */
	file->slots.req_slot[3].processed = ACRN_IOREQ_STATE_COMPLETE;
	check(ioreq_shm_page(guarded).ops->notify(guarded, 3, 1) == 0, 14);
	check(ioreq_shm_page(guarded).ops->set_line(guarded, 3, true) == 0, 15);
	/* The name made whole again does not bring the page back. */
	check(truncate(path, 8192) == 0, 16);
	check(ioreq_shm_watch(guarded) == IOREQ_SHM_TRUNCATED, 17);
	ioreq_shm_close(guarded);
}

static void test_shm_truncated_file_becomes_free_slots_under_the_guard(void **unused)
{
	(void)unused;
	guarded = create();
	assert_int_equal(in_child(survive_truncation), 0);
	ioreq_shm_close(guarded);
}

static void survive_half_a_truncation(void)
{
	struct ioreq_shm_file *file = ioreq_shm_file(guarded);

	check(ioreq_shm_guard() == 0, 10);
	file->slots.req_slot[0].processed = ACRN_IOREQ_STATE_PENDING;
	check(truncate(path, 4096) == 0, 11);
	/* Only the second page faults; the slots go with it. */
	check(ioreq_shm_lines(guarded) == 0, 12);
	check(ioreq_page_state(&file->slots.req_slot[0]) == ACRN_IOREQ_STATE_FREE, 13);
	check(ioreq_shm_watch(guarded) == IOREQ_SHM_TRUNCATED, 14);
}

static void test_shm_file_that_lost_its_second_page_is_replaced_whole(void **unused)
{
	(void)unused;
	guarded = create();
	assert_int_equal(in_child(survive_half_a_truncation), 0);
	ioreq_shm_close(guarded);
}

static void fault_elsewhere(void)
{
	int fd = open(path, O_RDWR);
	const uint32_t *word = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	check(word != MAP_FAILED && ftruncate(fd, 0) == 0, 20);
	check(load_relaxed(word) == 0, 21);
}

static void exit_plain(int number)
{
	_exit(number == SIGBUS ? 42 : 1);
}

static void exit_with_address(int number, siginfo_t *info, void *context)
{
	(void)context;
	_exit(number == SIGBUS && info->si_addr ? 43 : 1);
}

static void pass_to_nobody(void)
{
	check(ioreq_shm_guard() == 0, 10);
	check(ioreq_shm_guard() == 0, 10);
	fault_elsewhere();
}

static void pass_to_plain_handler(void)
{
	signal(SIGBUS, exit_plain);
	check(ioreq_shm_guard() == 0, 10);
	fault_elsewhere();
}

static void pass_to_handler_with_address(void)
{
	const struct sigaction action = {.sa_sigaction = exit_with_address, .sa_flags = SA_SIGINFO};

	check(sigaction(SIGBUS, &action, NULL) == 0, 10);
	check(ioreq_shm_guard() == 0, 10);
	fault_elsewhere();
}

static void test_shm_sigbus_of_somebody_else_goes_to_the_handler_before(void **unused)
{
	int status;

	(void)unused;
	guarded = create();
	status = in_child(pass_to_nobody);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	ioreq_shm_close(guarded);
	guarded = create();
	assert_int_equal(in_child(pass_to_plain_handler), 42 << 8);
	ioreq_shm_close(guarded);
	guarded = create();
	assert_int_equal(in_child(pass_to_handler_with_address), 43 << 8);
	ioreq_shm_close(guarded);
}

/* ---- words ------------------------------------------------------------------------------------------------ */

static void test_shm_clear_is_asked_for_and_acknowledged(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine();
	uint32_t request = 99;
	uint64_t start_ns = ioreq_engine_now_ns();

	(void)unused;
	assert_false(ioreq_shm_clear_requested(engine, &request));
	assert_int_equal(request, 99);
	assert_int_equal(ioreq_shm_clear(producer, 3 * MS), -ETIMEDOUT);
	assert_true(ioreq_engine_now_ns() - start_ns >= 3 * MS);
	assert_true(ioreq_shm_clear_requested(engine, &request));
	assert_int_equal(request, 1);
	assert_int_equal(ioreq_shm_clear(producer, 0), -ETIMEDOUT);
	/* An acknowledgement of the first does not stand for the second. */
	ioreq_shm_clear_acknowledge(engine, request);
	assert_true(ioreq_shm_clear_requested(engine, &request));
	assert_int_equal(request, 2);
	ioreq_shm_clear_acknowledge(engine, request);
	assert_false(ioreq_shm_clear_requested(engine, &request));
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

static struct ioreq_shm *served;
static uint32_t ended;

static void *serve_one_clear(void *unused)
{
	uint32_t request;

	(void)unused;
	while (!ioreq_shm_clear_requested(served, &request))
		ioreq_engine_sleep_ns(MS / 10);
	ioreq_engine_sleep_ns(5 * MS);
	store_release(&ended, 1);
	ioreq_shm_clear_acknowledge(served, request);
	return NULL;
}

static void test_shm_clear_returns_once_it_is_acknowledged(void **unused)
{
	struct ioreq_shm *producer = create();
	pthread_t thread;

	(void)unused;
	served = open_engine();
	ended = 0;
	assert_int_equal(pthread_create(&thread, NULL, serve_one_clear, NULL), 0);
	assert_int_equal(ioreq_shm_clear(producer, STAND_PATIENCE_NS), 0);
	assert_int_equal(load_acquire(&ended), 1);
	pthread_join(thread, NULL);
	ioreq_shm_close(served);
	ioreq_shm_close(producer);
}

static void test_shm_lines_are_levels_and_every_change_is_an_event(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine();
	const struct ioreq_backend_ops *ops = ioreq_shm_page(engine).ops;
	uint32_t event = ioreq_shm_irq_wait(producer, UINT32_MAX, 0);

	(void)unused;
	assert_int_equal(ioreq_shm_lines(producer), 0);
	assert_int_equal(ops->set_line(engine, 63, true), 0);
	assert_int_equal(ioreq_shm_irq_wait(producer, event, SECOND_NS), event + 1);
	assert_int_equal(ops->set_line(engine, 63, true), 0);
	assert_int_equal(ops->set_line(engine, 0, false), 0);
	assert_int_equal(ioreq_shm_irq_wait(producer, event + 1, MS), event + 1);
	assert_int_equal(ops->set_line(engine, 0, true), 0);
	assert_int_equal(ioreq_shm_lines(producer), UINT64_C(1) << 63 | 1);
	assert_int_equal(ops->set_line(engine, 63, false), 0);
	assert_int_equal(ioreq_shm_lines(producer), 1);
	assert_int_equal(ioreq_shm_irq_wait(producer, event, SECOND_NS), event + 3);
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

static void *raise_soon(void *unused)
{
	(void)unused;
	ioreq_engine_sleep_ns(5 * MS);
	ioreq_shm_page(served).ops->set_line(served, 7, true);
	return NULL;
}

static void test_shm_irq_wait_sleeps_until_something_is_raised(void **unused)
{
	struct ioreq_shm *producer = create();
	uint64_t start_ns = ioreq_engine_now_ns();
	pthread_t thread;

	(void)unused;
	served = open_engine();
	assert_int_equal(pthread_create(&thread, NULL, raise_soon, NULL), 0);
	assert_int_equal(ioreq_shm_irq_wait(producer, 0, STAND_PATIENCE_NS), 1);
	assert_true(ioreq_engine_now_ns() - start_ns < STAND_PATIENCE_NS);
	assert_int_equal(ioreq_shm_lines(producer), 1 << 7);
	pthread_join(thread, NULL);
	ioreq_shm_close(served);
	ioreq_shm_close(producer);
}

static void assert_msi(struct ioreq_shm *producer, uint64_t address, uint32_t data)
{
	uint64_t found_address;
	uint32_t found_data;

	assert_true(ioreq_shm_msi_take(producer, &found_address, &found_data));
	assert_int_equal(found_address, address);
	assert_int_equal(found_data, data);
}

/* From just below the wrap of head and tail, as after 2^32 MSIs. */
static void test_shm_msis_come_in_order_until_the_ring_is_full(void **unused)
{
	static const uint32_t starts[] = {0, 7, UINT32_MAX - 40, UINT32_MAX - 3};
	uint32_t data = 0x5a;
	uint64_t address = 0xa5;

	(void)unused;
	for (size_t s = 0; s < NR_OF(starts); s++) {
		struct ioreq_shm *producer = create(), *engine = open_engine();
		const struct ioreq_backend_ops *ops = ioreq_shm_page(engine).ops;
		struct ioreq_shm_control *control = &ioreq_shm_file(engine)->control;

		control->msi_head.word = control->msi_tail.word = starts[s];
		for (uint32_t i = 1; starts[s] && i <= IOREQ_SHM_NR_MSIS; i++)
			control->msis[(starts[s] - i) % IOREQ_SHM_NR_MSIS].turn = starts[s] - i + 1;
		assert_false(ioreq_shm_msi_take(producer, &address, &data));
		for (unsigned round = 0; round < 3; round++) {
			for (uint32_t i = 0; i < IOREQ_SHM_NR_MSIS; i++)
				assert_int_equal(ops->inject_msi(engine, 0xfee00000 + i, i), 0);
			assert_int_equal(ops->inject_msi(engine, 1, 1), -EAGAIN);
			assert_msi(producer, 0xfee00000, 0);
			assert_int_equal(ops->inject_msi(engine, 0x1122334455667788, 99), 0);
			assert_int_equal(ops->inject_msi(engine, 1, 1), -EAGAIN);
			for (uint32_t i = 1; i < IOREQ_SHM_NR_MSIS; i++)
				assert_msi(producer, 0xfee00000 + i, i);
			assert_msi(producer, 0x1122334455667788, 99);
			assert_false(ioreq_shm_msi_take(producer, &address, &data));
		}
		assert_int_equal(control->irq_event.word, 3 * 33);
		ioreq_shm_close(engine);
		ioreq_shm_close(producer);
	}
	assert_int_equal(address, 0xa5);
	assert_int_equal(data, 0x5a);
}

#define NR_WRITERS 4u
#define NR_PER_WRITER 1000u

static void *send_msis(void *argument)
{
	uint64_t writer = (uintptr_t)argument;

	for (uint32_t i = 0; i < NR_PER_WRITER; i++)
		while (ioreq_shm_page(served).ops->inject_msi(served, writer << 32 | i, (uint32_t)writer << 24 | i))
			ioreq_engine_sleep_ns(1000);
	return NULL;
}

static void test_shm_msis_of_many_writers_are_whole_and_each_in_order(void **unused)
{
	struct ioreq_shm *producer = create();
	uint32_t next[NR_WRITERS] = {0};
	pthread_t threads[NR_WRITERS];
	uint32_t seen = 0;

	(void)unused;
	served = open_engine();
	for (uintptr_t i = 0; i < NR_WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_msis, (void *)i), 0);
	for (unsigned taken = 0; taken < NR_WRITERS * NR_PER_WRITER;) {
		uint64_t address;
		uint32_t data;

		if (!ioreq_shm_msi_take(producer, &address, &data)) {
			seen = ioreq_shm_irq_wait(producer, seen, SECOND_NS);
			continue;
		}
		assert_true(address >> 32 < NR_WRITERS);
		assert_int_equal((uint32_t)address, next[address >> 32]++);
		assert_int_equal(data, (uint32_t)(address >> 32) << 24 | (uint32_t)address);
		taken++;
	}
	for (unsigned i = 0; i < NR_WRITERS; i++)
		pthread_join(threads[i], NULL);
	ioreq_shm_close(served);
	ioreq_shm_close(producer);
}

/* A writer killed between its two stores: its successor must not be left with a ring that never moves. */
static void test_shm_msi_of_a_writer_that_was_killed_does_not_block_the_ring(void **unused)
{
	struct ioreq_shm *producer = create(), *engine = open_engine();
	uint64_t address;
	uint32_t data;

	(void)unused;
	assert_int_equal(ioreq_shm_page(engine).ops->inject_msi(engine, 1, 1), 0);
	ioreq_shm_file(engine)->control.msi_tail.word++;
	ioreq_shm_close(engine);
	engine = open_engine();
	assert_int_equal(ioreq_shm_page(engine).ops->inject_msi(engine, 3, 3), 0);
	assert_msi(producer, 1, 1);
	assert_msi(producer, 3, 3);
	assert_false(ioreq_shm_msi_take(producer, &address, &data));
	ioreq_shm_close(engine);
	ioreq_shm_close(producer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_shm_created_file_is_a_page_without_requests),
		CASE(test_shm_page_is_what_attach_wants),
		CASE(test_shm_created_again_replaces_a_file_that_nobody_holds),
		CASE(test_shm_create_refuses_with_a_sentence_and_leaves_no_file),
		CASE(test_shm_file_that_is_missing_is_enoent),
		CASE(test_shm_count_of_the_configuration_is_checked),
		CASE(test_shm_name_that_is_no_regular_file_is_refused_at_once),
		CASE(test_shm_file_that_everybody_may_write_is_refused),
		CASE(test_shm_file_of_another_size_is_refused),
		CASE(test_shm_file_with_another_header_is_refused),
		CASE(test_shm_join_takes_the_count_of_the_file),
		CASE(test_shm_each_side_has_one_owner),
		CASE(test_shm_ownership_ends_with_a_killed_process),
		CASE(test_shm_file_without_permission_is_eacces),
		CASE(test_shm_pages_mapped_at_once_are_bounded),
		CASE(test_shm_watch_tells_what_became_of_the_name),
		CASE(test_shm_watch_sees_a_truncated_file),
		CASE(test_shm_truncated_file_becomes_free_slots_under_the_guard),
		CASE(test_shm_file_that_lost_its_second_page_is_replaced_whole),
		CASE(test_shm_sigbus_of_somebody_else_goes_to_the_handler_before),
		CASE(test_shm_clear_is_asked_for_and_acknowledged),
		CASE(test_shm_clear_returns_once_it_is_acknowledged),
		CASE(test_shm_lines_are_levels_and_every_change_is_an_event),
		CASE(test_shm_irq_wait_sleeps_until_something_is_raised),
		CASE(test_shm_msis_come_in_order_until_the_ring_is_full),
		CASE(test_shm_msis_of_many_writers_are_whole_and_each_in_order),
		CASE(test_shm_msi_of_a_writer_that_was_killed_does_not_block_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
