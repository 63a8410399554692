/* SPDX-License-Identifier: MIT */
/*
 * ioreqctl's view of a stats file: what it refuses, the account of requests, the tables.
 *
 * Threads   One, and in one test a second that plays the engine. Memory: a stats file in /tmp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/stats_view.h"

static char path[] = "/tmp/test_ioreqctl_view.XXXXXX";
static struct ioreq_stats *stats; /* the file, as the engine writes it */
static int fd;
static struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS];

static uint64_t dead_pid(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return (uint64_t)child;
}

static struct ioreq_client_stats *add_client(unsigned at, const char *name, uint64_t vm, uint64_t completed)
{
	struct ioreq_client_stats *client = &stats->clients[at];

	strcpy(client->name, name);
	client->used = 1;
	client->vm = vm;
	client->completed = completed;
	client->reads = completed / 2;
	client->writes = completed - client->reads;
	ioreq_histogram_reset(&client->latency);
	for (uint64_t i = 0; i < completed; i++)
		ioreq_histogram_record(&client->latency, 100 + i);
	return client;
}

/* One VM of three records, an engine that is gone, nothing lost. 1 GHz: a tick is a nanosecond. */
static int start(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, IOREQ_STATS_BYTES), 0);
	stats->magic = IOREQ_STATS_MAGIC;
	stats->version = IOREQ_STATS_VERSION;
	stats->bytes = IOREQ_STATS_BYTES;
	stats->tsc_hz = 1000000000;
	stats->pid = dead_pid();
	stats->started_ns = 1234;
	stats->pollers[0] = (struct ioreq_poller_stats){1, "p0", 1, 1000, 2, 3, 4};
	stats->vms[0] = (struct ioreq_vm_stats){.used = 1, .name = "vm0", .nr_vcpus = 2, .attached = 1, .posted = 20};
	stats->vms[0].reasons[IOREQ_BAD_SIZE] = 2;
	stats->vms[0].reasons[IOREQ_UNCLAIMED] = 3;
	add_client(0, "-", 0, 5);
	add_client(1, "uart0", 0, 5);
	add_client(2, "bank-thread", 0, 10)->delivery = 1;
	return 0;
}

static char *print(void (*how)(const struct ioreq_stats *, const struct ioreq_stats_account *, FILE *))
{
	static char text[8192];
	FILE *file = fmemopen(text, sizeof(text), "w");

	assert_non_null(file);
	how(stats, accounts, file);
	fclose(file);
	return text;
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

static void assert_refused(int want, const char *sentence)
{
	struct ioreq_stats_view view = {.inode = 42};
	struct ioreq_error error;

	assert_int_equal(ioreq_stats_view_open(path, &view, &error), want);
	if (strncmp(error.text, path, strlen(path)) != 0 || strcmp(error.text + strlen(path), sentence) != 0)
		fail_msg("'%s', want '%s'", error.text, sentence);
	assert_true(view.inode == 42 && !view.stats);
}

static void test_ioreqctl_view_good_file_opens(void **state)
{
	struct ioreq_stats_view view;

	(void)state;
	assert_int_equal(ioreq_stats_view_open(path, &view, NULL), 0);
	assert_string_equal(view.stats->clients[1].name, "uart0");
	ioreq_stats_view_close(&view);
}

static void test_ioreqctl_view_missing_file_refused(void **state)
{
	struct ioreq_stats_view view;
	struct ioreq_error error;

	(void)state;
	assert_int_equal(ioreq_stats_view_open("/nowhere/x", &view, &error), -ENOENT);
	assert_string_equal(error.text, "/nowhere/x: no such file; is ioreqd running, with this stats file?");
}

static void test_ioreqctl_view_foreign_files_refused(void **state)
{
	struct ioreq_stats_view view;
	char sentence[128];

	(void)state;
	stats->magic = 0;
	assert_refused(-EPROTO, ": no engine has written it yet");
	stats->magic = 0x1234;
	assert_refused(-EPROTO, ": magic 0x1234; a stats file of ioreqd begins with 0x3154535145524f49");
	stats->magic = IOREQ_STATS_MAGIC;
	stats->version = 2;
	snprintf(sentence, sizeof(sentence), ": layout version 2 of %zu bytes; this ioreqctl reads version 1 of %zu",
		 IOREQ_STATS_BYTES, IOREQ_STATS_BYTES);
	assert_refused(-EPROTO, sentence);
	stats->version = 1;
	stats->tsc_hz = 0;
	assert_refused(-EPROTO, ": says that the TSC has 0 ticks per second");
	assert_int_equal(ftruncate(fd, 12), 0);
	snprintf(sentence, sizeof(sentence), ": 12 bytes; a stats file of ioreqd has %zu", IOREQ_STATS_BYTES);
	assert_refused(-EPROTO, sentence);
	assert_int_equal(ioreq_stats_view_open("/tmp", &view, NULL), -EPROTO);
}

static void test_ioreqctl_view_replaced_seen(void **state)
{
	struct ioreq_stats_view view;
	char other[sizeof(path) + 4];

	(void)state;
	assert_int_equal(ioreq_stats_view_open(path, &view, NULL), 0);
	assert_false(ioreq_stats_view_replaced(&view, path));
	assert_false(ioreq_stats_view_replaced(&view, "/nowhere/x"));
	snprintf(other, sizeof(other), "%s.b", path);
	close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_true(ioreq_stats_view_replaced(&view, other));
	unlink(other);
	ioreq_stats_view_close(&view);
}

/* ---- the account ------------------------------------------------------------------------------------------- */

static void test_ioreqctl_view_account_all_completed_none_lost(void **state)
{
	(void)state;
	assert_int_equal(ioreq_stats_view_account(stats, 0, accounts), 0);
	assert_true(accounts[0].used && !accounts[1].used);
	assert_int_equal(accounts[0].posted, 20);
	assert_int_equal(accounts[0].completed, 20);
}

static void test_ioreqctl_view_account_engine_gone_lost_at_once(void **state)
{
	struct timespec before, after;

	(void)state;
	stats->vms[0].posted = 23;
	stats->vms[5] = (struct ioreq_vm_stats){.used = 1, .name = "vm5", .posted = 4};
	add_client(9, "x", 5, 3);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(ioreq_stats_view_account(stats, 60000000000, accounts), 4);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 30);
	assert_int_equal(accounts[0].lost, 3);
	assert_int_equal(accounts[5].lost, 1);
	assert_int_equal(accounts[5].completed, 3);
}

static void test_ioreqctl_view_account_unused_record_not_counted(void **state)
{
	(void)state;
	stats->clients[1].used = 0;
	assert_int_equal(ioreq_stats_view_account(stats, 0, accounts), 5);
}

static void test_ioreqctl_view_account_living_engine_still_lost_after_settling(void **state)
{
	(void)state;
	stats->pid = (uint64_t)getpid();
	stats->vms[0].posted = 21;
	assert_int_equal(ioreq_stats_view_account(stats, 30000000, accounts), 1);
}

/* Completes the request in flight after a while, and posts the next one at once: something is always in flight. */
static void *play_engine(void *argument)
{
	struct timespec pause = {.tv_nsec = 20000000};

	(void)argument;
	nanosleep(&pause, NULL);
	__atomic_fetch_add(&stats->clients[1].completed, 1, __ATOMIC_RELEASE);
	nanosleep(&pause, NULL);
	__atomic_fetch_add(&stats->vms[0].posted, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_ioreqctl_view_account_living_engine_in_flight_not_lost(void **state)
{
	pthread_t engine;

	(void)state;
	stats->pid = (uint64_t)getpid();
	stats->vms[0].posted = 21;
	assert_int_equal(pthread_create(&engine, NULL, play_engine, NULL), 0);
	assert_int_equal(ioreq_stats_view_account(stats, 5000000000, accounts), 0);
	assert_int_equal(accounts[0].posted, 21);
	assert_int_equal(accounts[0].completed, 21);
	pthread_join(engine, NULL);
}

/* There is no moment in which nothing is in flight, but no request is missing for ever. */
static void *play_busy_engine(void *argument)
{
	struct timespec pause = {.tv_nsec = 20000000};

	(void)argument;
	nanosleep(&pause, NULL);
	__atomic_fetch_add(&stats->vms[5].posted, 1, __ATOMIC_RELEASE);
	nanosleep(&pause, NULL);
	__atomic_fetch_add(&stats->clients[1].completed, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_ioreqctl_view_account_busy_engine_none_lost(void **state)
{
	pthread_t engine;

	(void)state;
	stats->pid = (uint64_t)getpid();
	stats->vms[0].posted = 21;
	stats->vms[5] = (struct ioreq_vm_stats){.used = 1, .name = "vm5", .posted = 3};
	add_client(9, "x", 5, 3);
	assert_int_equal(pthread_create(&engine, NULL, play_busy_engine, NULL), 0);
	assert_int_equal(ioreq_stats_view_account(stats, 500000000, accounts), 0);
	pthread_join(engine, NULL);
}

/* ---- adding up --------------------------------------------------------------------------------------------- */

static void test_ioreqctl_view_total_sums_used_records(void **state)
{
	static struct ioreq_stats_totals totals;

	(void)state;
	stats->clients[2].used = 0;
	ioreq_stats_view_total(stats, &totals);
	assert_int_equal(totals.started_ns, 1234);
	assert_int_equal(totals.posted, 20);
	assert_int_equal(totals.completed, 10);
	assert_int_equal(totals.unclaimed, 3);
	assert_int_equal(totals.latency.count, 10);
	assert_int_equal(totals.latency.maximum, 104);
}

static void test_ioreqctl_view_interval_only_what_came_between(void **state)
{
	static struct ioreq_histogram before, now, interval;

	(void)state;
	ioreq_histogram_reset(&before);
	for (unsigned i = 0; i < 1000; i++)
		ioreq_histogram_record(&before, 100000);
	now = before;
	for (uint64_t i = 1; i <= 100; i++)
		ioreq_histogram_record(&now, i);
	ioreq_stats_view_interval(&now, &before, &interval);
	assert_int_equal(interval.count, 100);
	assert_int_equal(ioreq_histogram_quantile(&interval, 0.5), 50);
	assert_int_equal(ioreq_histogram_quantile(&interval, 1.0), 100);
	/* A client went away with its counts. */
	ioreq_stats_view_interval(&before, &now, &interval);
	assert_int_equal(interval.count, 0);
	assert_int_equal(ioreq_histogram_quantile(&interval, 0.5), 0);
}

/* ---- writing it down --------------------------------------------------------------------------------------- */

static void test_ioreqctl_view_time_three_digits_and_unit(void **state)
{
	static const struct {
		uint64_t ticks;
		const char *text;
	} cases[] = {{0, "0 ns"},         {999, "999 ns"},       {1000, "1.00 us"},      {1239, "1.24 us"},
		     {9994, "9.99 us"},   {9996, "10.0 us"},     {99960, "100 us"},      {999400, "999 us"},
		     {999600, "1.00 ms"}, {12345678, "12.3 ms"}, {2000000000, "2.00 s"}, {1234000000000, "1234 s"}};
	char text[IOREQ_STATS_VIEW_TIME_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ioreq_stats_view_time(cases[i].ticks, 1000000000, text);
		assert_string_equal(text, cases[i].text);
	}
	ioreq_stats_view_time(2600, 2600000000, text);
	assert_string_equal(text, "1.00 us");
}

static void test_ioreqctl_view_print_engine_last_reasons_pollers_account(void **state)
{
	(void)state;
	stats->vms[0].posted = 21;
	stats->vms[0].clears = 1;
	add_client(3, "idle", 0, 0);
	ioreq_stats_view_account(stats, 0, accounts);
	assert_string_equal(print(ioreq_stats_view_print),
			    "VM   CLIENT       DELIVERY  REQUESTS  READS  WRITES     P50     P99   P99.9     MAX\n"
			    "vm0  uart0        inline           5      2       3  102 ns  104 ns  104 ns  104 ns\n"
			    "vm0  bank-thread  thread          10      5       5  104 ns  109 ns  109 ns  109 ns\n"
			    "vm0  idle         inline           0      0       0       -       -       -       -\n"
			    "vm0  (engine)     -                5      2       3  102 ns  104 ns  104 ns  104 ns\n"
			    "\n"
			    "vm0 (engine): bad size 2, unclaimed 3, clears 1\n"
			    "poller p0 on core 1: sweeps 1000 notifies 2 doorbells 3 wakes 4\n"
			    "vm0: posted 21 completed 20 lost 1\n");
}

static void test_ioreqctl_view_print_no_vm_says_so(void **state)
{
	(void)state;
	stats->vms[0].used = 0;
	assert_int_equal(ioreq_stats_view_account(stats, 0, accounts), 0);
	assert_string_equal(print(ioreq_stats_view_print),
			    "no VM: none was set up yet, or the engine has given them up\n"
			    "\n"
			    "poller p0 on core 1: sweeps 1000 notifies 2 doorbells 3 wakes 4\n");
}

static void test_ioreqctl_view_print_full_name_stays_in_its_field(void **state)
{
	(void)state;
	memset(stats->clients[1].name, 'n', IOREQ_STATS_NAME_BYTES);
	ioreq_stats_view_account(stats, 0, accounts);
	assert_non_null(strstr(print(ioreq_stats_view_print), "vm0  nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn  inline  "));
}

static void test_ioreqctl_view_json_names_escaped_account_given(void **state)
{
	const char *text;

	(void)state;
	strcpy(stats->clients[1].name, "a\"b\\c\n");
	ioreq_stats_view_account(stats, 0, accounts);
	text = print(ioreq_stats_view_json);
	assert_non_null(strstr(text, "{\"name\": \"a\\\"b\\\\c\\u000a\", \"delivery\": \"inline\", \"completed\": 5,"));
	assert_non_null(strstr(text, "\"alive\": false, \"started_ns\": 1234, \"tsc_hz\": 1000000000,"));
	assert_non_null(strstr(text,
			       "{\"name\": \"vm0\", \"poller\": 0, \"vcpus\": 2, \"attached\": 1, \"posted\": 20, "
			       "\"completed\": 20, \"lost\": 0,"));
	assert_non_null(strstr(text, "\"bad size\": 2"));
	assert_non_null(strstr(text, "{\"name\": \"p0\", \"index\": 0, \"core\": 1, \"sweeps\": 1000,"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ioreqctl_view_good_file_opens, start),
		cmocka_unit_test_setup(test_ioreqctl_view_missing_file_refused, start),
		cmocka_unit_test_setup(test_ioreqctl_view_foreign_files_refused, start),
		cmocka_unit_test_setup(test_ioreqctl_view_replaced_seen, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_all_completed_none_lost, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_engine_gone_lost_at_once, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_unused_record_not_counted, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_living_engine_still_lost_after_settling, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_living_engine_in_flight_not_lost, start),
		cmocka_unit_test_setup(test_ioreqctl_view_account_busy_engine_none_lost, start),
		cmocka_unit_test_setup(test_ioreqctl_view_total_sums_used_records, start),
		cmocka_unit_test_setup(test_ioreqctl_view_interval_only_what_came_between, start),
		cmocka_unit_test_setup(test_ioreqctl_view_time_three_digits_and_unit, start),
		cmocka_unit_test_setup(test_ioreqctl_view_print_engine_last_reasons_pollers_account, start),
		cmocka_unit_test_setup(test_ioreqctl_view_print_no_vm_says_so, start),
		cmocka_unit_test_setup(test_ioreqctl_view_print_full_name_stays_in_its_field, start),
		cmocka_unit_test_setup(test_ioreqctl_view_json_names_escaped_account_given, start),
	};
	int failed;

	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, IOREQ_STATS_BYTES))
		return 1;
	stats = mmap(NULL, IOREQ_STATS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
