/* SPDX-License-Identifier: MIT */
/* The stats file as a reader sees it. See stats_view.h. */
#include "service/stats_view.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/error.h"

#define LOOK_NS 1000000 /* between two looks for a request that seems lost */

/* ---- the mapping ------------------------------------------------------------------------------------------- */

static int check_header(const char *path, const struct ioreq_stats *stats, struct ioreq_error *error)
{
	/* ST2 acquire: the header is whole when the magic is there. Pairs with ST1. Without it: a version of 0. */
	uint64_t magic = load_acquire(&stats->magic);

	if (magic == 0)
		return ioreq_error_set(error, EPROTO, "%s: no engine has written it yet", path);
	if (magic != IOREQ_STATS_MAGIC)
		return ioreq_error_set(error, EPROTO, "%s: magic 0x%llx; a stats file of ioreqd begins with 0x%llx",
				       path, (unsigned long long)magic, (unsigned long long)IOREQ_STATS_MAGIC);
	if (stats->version != IOREQ_STATS_VERSION || stats->bytes != IOREQ_STATS_BYTES)
		return ioreq_error_set(error, EPROTO,
				       "%s: layout version %u of %u bytes; this ioreqctl reads version %u of %zu", path,
				       stats->version, stats->bytes, IOREQ_STATS_VERSION, IOREQ_STATS_BYTES);
	if (stats->tsc_hz == 0)
		return ioreq_error_set(error, EPROTO, "%s: says that the TSC has 0 ticks per second", path);
	return 0;
}

static int map_stats(const char *path, int fd, struct ioreq_stats_view *view, struct ioreq_error *error)
{
	struct stat info;
	void *memory;
	int rc;

	if (fstat(fd, &info))
		return ioreq_error_set(error, errno, "%s: cannot be examined: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return ioreq_error_set(error, EPROTO, "%s: not a regular file, so not a stats file", path);
	if (info.st_size < (off_t)IOREQ_STATS_BYTES)
		return ioreq_error_set(error, EPROTO, "%s: %lld bytes; a stats file of ioreqd has %zu", path,
				       (long long)info.st_size, IOREQ_STATS_BYTES);
	memory = mmap(NULL, IOREQ_STATS_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return ioreq_error_set(error, errno, "%s: cannot be mapped: %s", path, strerror(errno));
	rc = check_header(path, memory, error);
	if (rc) {
		munmap(memory, IOREQ_STATS_BYTES);
		return rc;
	}
	*view = (struct ioreq_stats_view){
		.stats = memory, .memory = memory, .device = info.st_dev, .inode = info.st_ino};
	return 0;
}

int ioreq_stats_view_open(const char *path, struct ioreq_stats_view *view, struct ioreq_error *error)
{
	/* O_NONBLOCK: a FIFO of that name must not hold us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc;

	if (fd < 0 && errno == ENOENT)
		return ioreq_error_set(error, ENOENT, "%s: no such file; is ioreqd running, with this stats file?",
				       path);
	if (fd < 0)
		return ioreq_error_set(error, errno, "%s: cannot be opened: %s", path, strerror(errno));
	rc = map_stats(path, fd, view, error);
	close(fd);
	return rc;
}

void ioreq_stats_view_close(struct ioreq_stats_view *view)
{
	munmap(view->memory, IOREQ_STATS_BYTES);
	*view = (struct ioreq_stats_view){.stats = NULL};
}

bool ioreq_stats_view_replaced(const struct ioreq_stats_view *view, const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && (info.st_dev != view->device || info.st_ino != view->inode);
}

bool ioreq_stats_view_alive(const struct ioreq_stats *stats)
{
	uint64_t pid = load_relaxed(&stats->pid);

	return pid > 0 && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* ---- adding up --------------------------------------------------------------------------------------------- */

static bool is_used(const uint64_t *used)
{
	/* ST4 acquire: name and counters of the record's present owner. Pairs with ST3. Without it: the last one's. */
	return load_acquire(used) != 0;
}

static uint64_t completed_by(const struct ioreq_client_stats *client)
{
	/* ST6 acquire: what is read later is not older than this count. Pairs with ST5. Without it: fewer posted. */
	return load_acquire(&client->completed);
}

void ioreq_stats_view_total(const struct ioreq_stats *stats, struct ioreq_stats_totals *totals)
{
	*totals = (struct ioreq_stats_totals){.started_ns = load_relaxed(&stats->started_ns)};
	ioreq_histogram_reset(&totals->latency);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		const struct ioreq_client_stats *client = &stats->clients[i];

		if (!is_used(&client->used))
			continue;
		totals->completed += completed_by(client);
		ioreq_histogram_merge(&totals->latency, &client->latency);
	}
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		const struct ioreq_vm_stats *vm = &stats->vms[i];

		if (!is_used(&vm->used))
			continue;
		totals->completed += load_relaxed(&vm->departed);
		totals->posted += load_relaxed(&vm->posted);
		totals->unclaimed += load_relaxed(&vm->reasons[IOREQ_UNCLAIMED]);
	}
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void ioreq_stats_view_interval(const struct ioreq_histogram *now, const struct ioreq_histogram *before,
			       struct ioreq_histogram *interval_out)
{
	uint64_t count = 0;

	/* A client that was removed takes its counts along: never below 0. */
	for (unsigned i = 0; i < IOREQ_HISTOGRAM_BUCKETS; i++) {
		interval_out->buckets[i] = minus(now->buckets[i], before->buckets[i]);
		count += interval_out->buckets[i];
	}
	interval_out->count = count;
	interval_out->sum = minus(now->sum, before->sum);
	interval_out->minimum = 0;
	interval_out->maximum = now->maximum;
}

static struct ioreq_stats_account look_at_vm(const struct ioreq_stats *stats, unsigned vm)
{
	struct ioreq_stats_account account = {.used = is_used(&stats->vms[vm].used)};

	if (!account.used)
		return account;
	account.completed = load_relaxed(&stats->vms[vm].departed);
	/* Completions first: requests that pass between the two are taken for missing, never the other way round. */
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		const struct ioreq_client_stats *client = &stats->clients[i];

		if (is_used(&client->used) && load_relaxed(&client->vm) == vm)
			account.completed += completed_by(client);
	}
	account.posted = load_relaxed(&stats->vms[vm].posted);
	account.lost = minus(account.posted, account.completed);
	return account;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Keeps of each VM the look in which the fewest requests were missing. Returns how many these are. */
static uint64_t look_again(const struct ioreq_stats *stats, struct ioreq_stats_account *accounts)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		struct ioreq_stats_account account = look_at_vm(stats, i);

		if (!accounts[i].used || account.lost < accounts[i].lost)
			accounts[i] = account;
		lost += accounts[i].lost;
	}
	return lost;
}

uint64_t ioreq_stats_view_account(const struct ioreq_stats *stats, uint64_t settle_ns,
				  struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS])
{
	uint64_t end_ns = now_ns() + settle_ns, lost;
	struct timespec look = {.tv_nsec = LOOK_NS};

	memset(accounts, 0, IOREQ_STATS_MAX_VMS * sizeof(*accounts));
	for (;;) {
		lost = look_again(stats, accounts);
		if (!lost || now_ns() >= end_ns || !ioreq_stats_view_alive(stats))
			return lost;
		nanosleep(&look, NULL);
	}
}

/* ---- tables ------------------------------------------------------------------------------------------------ */

void ioreq_stats_view_time(uint64_t ticks, uint64_t tsc_hz, char text[IOREQ_STATS_VIEW_TIME_BYTES])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ticks * 1e9 / (double)tsc_hz;
	unsigned unit = 0;

	/* 999.5 would be printed as 1000. */
	while (value >= 999.5 && unit < 3) {
		value /= 1000.0;
		unit++;
	}
	snprintf(text, IOREQ_STATS_VIEW_TIME_BYTES, "%.*f %s",
		 unit == 0 || value >= 99.95 ? 0
		 : value >= 9.995            ? 1
					     : 2,
		 value, units[unit]);
}

enum { NR_COLUMNS = 10, CELL_BYTES = 40 };

struct row {
	char cells[NR_COLUMNS][CELL_BYTES];
};

static const struct row heading = {
	{"VM", "CLIENT", "DELIVERY", "REQUESTS", "READS", "WRITES", "P50", "P99", "P99.9", "MAX"}};

/* From this column on, right-aligned. */
#define FIRST_NUMBER 3

static bool is_engine_record(const struct ioreq_client_stats *client)
{
	/* "-": what the engine answered itself. */
	return client->name[0] == '-' && client->name[1] == '\0';
}

static const char *delivery_name(const struct ioreq_client_stats *client)
{
	static const char *const names[] = {"inline", "thread"}; /* enum ioreq_delivery */
	uint64_t delivery = load_relaxed(&client->delivery);

	if (is_engine_record(client))
		return "-";
	return delivery < sizeof(names) / sizeof(names[0]) ? names[delivery] : "?";
}

static void fill_times(struct row *row, const struct ioreq_histogram *latency, uint64_t tsc_hz)
{
	static const double fractions[] = {0.5, 0.99, 0.999};
	char(*cells)[CELL_BYTES] = &row->cells[6];
	char text[IOREQ_STATS_VIEW_TIME_BYTES];

	if (!load_relaxed(&latency->count)) {
		for (unsigned i = 0; i < 4; i++)
			snprintf(cells[i], CELL_BYTES, "-");
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		ioreq_stats_view_time(ioreq_histogram_quantile(latency, fractions[i]), tsc_hz, text);
		snprintf(cells[i], CELL_BYTES, "%s", text);
	}
	ioreq_stats_view_time(load_relaxed(&latency->maximum), tsc_hz, text);
	snprintf(cells[3], CELL_BYTES, "%s", text);
}

static void fill_row(struct row *row, const struct ioreq_stats *stats, unsigned vm,
		     const struct ioreq_client_stats *client)
{
	int width = IOREQ_STATS_NAME_BYTES;

	snprintf(row->cells[0], CELL_BYTES, "%.*s", width, stats->vms[vm].name);
	snprintf(row->cells[1], CELL_BYTES, "%.*s", width, is_engine_record(client) ? "(engine)" : client->name);
	snprintf(row->cells[2], CELL_BYTES, "%s", delivery_name(client));
	snprintf(row->cells[3], CELL_BYTES, "%" PRIu64, completed_by(client));
	snprintf(row->cells[4], CELL_BYTES, "%" PRIu64, load_relaxed(&client->reads));
	snprintf(row->cells[5], CELL_BYTES, "%" PRIu64, load_relaxed(&client->writes));
	fill_times(row, &client->latency, stats->tsc_hz);
}

/* The engine's own record last. */
static unsigned fill_rows(struct row *rows, const struct ioreq_stats *stats, unsigned vm)
{
	unsigned nr = 0;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
			const struct ioreq_client_stats *client = &stats->clients[i];

			if (is_used(&client->used) && load_relaxed(&client->vm) == vm &&
			    is_engine_record(client) == (pass == 1))
				fill_row(&rows[nr++], stats, vm, client);
		}
	}
	return nr;
}

static void print_row(const struct row *row, const int widths[NR_COLUMNS], FILE *file)
{
	for (unsigned c = 0; c < NR_COLUMNS; c++)
		fprintf(file, "%s%*s", c ? "  " : "", c < FIRST_NUMBER ? -widths[c] : widths[c], row->cells[c]);
	fputc('\n', file);
}

static void print_clients(const struct ioreq_stats *stats, const struct ioreq_stats_account *accounts, FILE *file)
{
	static struct row rows[1 + IOREQ_STATS_MAX_CLIENTS];
	int widths[NR_COLUMNS] = {0};
	unsigned nr = 1;

	rows[0] = heading;
	for (unsigned vm = 0; vm < IOREQ_STATS_MAX_VMS; vm++) {
		if (accounts[vm].used)
			nr += fill_rows(&rows[nr], stats, vm);
	}
	for (unsigned r = 0; r < nr; r++) {
		for (unsigned c = 0; c < NR_COLUMNS; c++) {
			int length = (int)strlen(rows[r].cells[c]);

			widths[c] = length > widths[c] ? length : widths[c];
		}
	}
	for (unsigned r = 0; r < nr; r++)
		print_row(&rows[r], widths, file);
}

/* One thing that happened nr times; begins the VM's line with the first. */
static void print_incident(const struct ioreq_vm_stats *vm, const char *name, uint64_t nr, bool *begun, FILE *file)
{
	if (!nr)
		return;
	if (*begun)
		fputs(", ", file);
	else
		fprintf(file, "%.*s (engine): ", IOREQ_STATS_NAME_BYTES, vm->name);
	fprintf(file, "%s %" PRIu64, name, nr);
	*begun = true;
}

/* Why the engine answered, and what else of a VM belongs to no client. */
static void print_incidents(const struct ioreq_vm_stats *vm, FILE *file)
{
	bool begun = false;

	for (unsigned r = 0; r < IOREQ_NR_REASONS; r++)
		print_incident(vm, ioreq_reason_name(r), load_relaxed(&vm->reasons[r]), &begun, file);
	print_incident(vm, "reposted", load_relaxed(&vm->reposted), &begun, file);
	print_incident(vm, "notify errors", load_relaxed(&vm->notify_errors), &begun, file);
	print_incident(vm, "clears", load_relaxed(&vm->clears), &begun, file);
	print_incident(vm, "interrupts", load_relaxed(&vm->interrupts), &begun, file);
	if (begun)
		fputc('\n', file);
}

static void print_pollers(const struct ioreq_stats *stats, FILE *file)
{
	for (unsigned i = 0; i < IOREQ_STATS_MAX_POLLERS; i++) {
		const struct ioreq_poller_stats *poller = &stats->pollers[i];
		int64_t core = load_relaxed(&poller->core);

		if (!is_used(&poller->used))
			continue;
		fprintf(file, "poller %.*s ", IOREQ_STATS_NAME_BYTES, poller->name);
		if (core >= 0)
			fprintf(file, "on core %" PRId64, core);
		else
			fputs("on any core", file);
		fprintf(file, ": sweeps %" PRIu64 " notifies %" PRIu64 " doorbells %" PRIu64 " wakes %" PRIu64 "\n",
			load_relaxed(&poller->sweeps), load_relaxed(&poller->notifies),
			load_relaxed(&poller->doorbells), load_relaxed(&poller->wakes));
	}
}

void ioreq_stats_view_print(const struct ioreq_stats *stats,
			    const struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS], FILE *file)
{
	unsigned nr_vms = 0;

	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++)
		nr_vms += accounts[i].used;
	if (!nr_vms)
		fputs("no VM: none was set up yet, or the engine has given them up\n", file);
	else
		print_clients(stats, accounts, file);
	fputc('\n', file);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		if (accounts[i].used)
			print_incidents(&stats->vms[i], file);
	}
	print_pollers(stats, file);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		if (accounts[i].used)
			fprintf(file, "%.*s: posted %" PRIu64 " completed %" PRIu64 " lost %" PRIu64 "\n",
				IOREQ_STATS_NAME_BYTES, stats->vms[i].name, accounts[i].posted, accounts[i].completed,
				accounts[i].lost);
	}
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

static void json_name(const char name[IOREQ_STATS_NAME_BYTES], FILE *file)
{
	fputs("\"name\": \"", file);
	for (unsigned i = 0; i < IOREQ_STATS_NAME_BYTES && name[i]; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < 0x20)
			fprintf(file, "\\u%04x", c);
		else
			fprintf(file, c == '"' || c == '\\' ? "\\%c" : "%c", c);
	}
	fputc('"', file);
}

static void json_number(const char *key, uint64_t number, FILE *file)
{
	fprintf(file, ", \"%s\": %" PRIu64, key, number);
}

static void json_client(const struct ioreq_client_stats *client, uint64_t tsc_hz, FILE *file)
{
	static const struct {
		const char *key;
		double fraction;
	} quantiles[] = {{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}, {"p99_9_ns", 0.999}};
	double tick_ns = 1e9 / (double)tsc_hz;

	fputc('{', file);
	json_name(client->name, file);
	fprintf(file, ", \"delivery\": \"%s\"", delivery_name(client));
	json_number("completed", completed_by(client), file);
	json_number("reads", load_relaxed(&client->reads), file);
	json_number("writes", load_relaxed(&client->writes), file);
	json_number("unhandled", load_relaxed(&client->unhandled), file);
	json_number("notifies", load_relaxed(&client->notifies), file);
	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		fprintf(file, ", \"%s\": %.1f", quantiles[i].key,
			(double)ioreq_histogram_quantile(&client->latency, quantiles[i].fraction) * tick_ns);
	fprintf(file, ", \"max_ns\": %.1f}", (double)load_relaxed(&client->latency.maximum) * tick_ns);
}

static void json_clients(const struct ioreq_stats *stats, unsigned vm, FILE *file)
{
	const char *separator = "\n      ";

	fputs(",\n     \"clients\": [", file);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_CLIENTS; i++) {
		const struct ioreq_client_stats *client = &stats->clients[i];

		if (!is_used(&client->used) || load_relaxed(&client->vm) != vm)
			continue;
		fputs(separator, file);
		json_client(client, stats->tsc_hz, file);
		separator = ",\n      ";
	}
	fputc(']', file);
}

static void json_vm(const struct ioreq_stats *stats, unsigned index, const struct ioreq_stats_account *account,
		    FILE *file)
{
	const struct ioreq_vm_stats *vm = &stats->vms[index];

	fputc('{', file);
	json_name(vm->name, file);
	json_number("poller", load_relaxed(&vm->poller), file);
	json_number("vcpus", load_relaxed(&vm->nr_vcpus), file);
	json_number("attached", load_relaxed(&vm->attached), file);
	json_number("posted", account->posted, file);
	json_number("completed", account->completed, file);
	json_number("lost", account->lost, file);
	json_number("reposted", load_relaxed(&vm->reposted), file);
	json_number("interrupts", load_relaxed(&vm->interrupts), file);
	json_number("notify_errors", load_relaxed(&vm->notify_errors), file);
	json_number("clears", load_relaxed(&vm->clears), file);
	fputs(",\n     \"reasons\": {", file);
	for (unsigned r = 0; r < IOREQ_NR_REASONS; r++)
		fprintf(file, "%s\"%s\": %" PRIu64, r ? ", " : "", ioreq_reason_name(r), load_relaxed(&vm->reasons[r]));
	fputc('}', file);
	json_clients(stats, index, file);
	fputc('}', file);
}

static void json_pollers(const struct ioreq_stats *stats, FILE *file)
{
	const char *separator = "\n    ";

	fputs("  \"pollers\": [", file);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_POLLERS; i++) {
		const struct ioreq_poller_stats *poller = &stats->pollers[i];

		if (!is_used(&poller->used))
			continue;
		fprintf(file, "%s{", separator);
		json_name(poller->name, file);
		json_number("index", i, file);
		fprintf(file, ", \"core\": %" PRId64, load_relaxed(&poller->core));
		json_number("sweeps", load_relaxed(&poller->sweeps), file);
		json_number("notifies", load_relaxed(&poller->notifies), file);
		json_number("doorbells", load_relaxed(&poller->doorbells), file);
		json_number("wakes", load_relaxed(&poller->wakes), file);
		fputc('}', file);
		separator = ",\n    ";
	}
	fputs("],\n", file);
}

void ioreq_stats_view_json(const struct ioreq_stats *stats,
			   const struct ioreq_stats_account accounts[IOREQ_STATS_MAX_VMS], FILE *file)
{
	const char *separator = "\n    ";

	fprintf(file,
		"{\n  \"pid\": %" PRIu64 ", \"alive\": %s, \"started_ns\": %" PRIu64 ", \"tsc_hz\": %" PRIu64 ",\n",
		load_relaxed(&stats->pid), ioreq_stats_view_alive(stats) ? "true" : "false",
		load_relaxed(&stats->started_ns), stats->tsc_hz);
	json_pollers(stats, file);
	fputs("  \"vms\": [", file);
	for (unsigned i = 0; i < IOREQ_STATS_MAX_VMS; i++) {
		if (!accounts[i].used)
			continue;
		fputs(separator, file);
		json_vm(stats, i, &accounts[i], file);
		separator = ",\n    ";
	}
	fputs("]\n}\n", file);
}
