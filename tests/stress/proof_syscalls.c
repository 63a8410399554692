/* SPDX-License-Identifier: MIT */
/*
 * Proof, under load: while it serves, the poller's thread makes no system call, takes no page fault, allocates nothing.
 *
 * System calls  A seccomp filter on that thread alone, installed by an inline handler, traps every call.
 * Page faults   The kernel's own count for the thread, read by another one.
 * Allocations   malloc and its family are replaced by counting ones; the count is the thread's.
 * Each of the three is then seen to find what a handler does on purpose: getppid(), a first touch, malloc().
 *
 * Served are inline clients and a ring client that yields or spins, in both state cycles, with completion polling and
 * an idle loop that spins. What may cost a system call is left out, for it is counted elsewhere: notify, doorbell, the
 * wake of a parked client, and an update of the tables (liburcu may have the poller wake the reclaimer).
 *
 * Threads   The main thread is the vCPUs; the poller's is started here; the ring client's.
 * Memory    Static.
 */
#include <stdio.h>

#include "rig.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

int main(void)
{
	rig_skip("a sanitizer's runtime allocates and calls the kernel by itself");
}

#else

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define NR_VCPUS 2
#define RING_WINDOW 1u
#define PROBE_WINDOW 2u
#define SECOND_NS UINT64_C(1000000000)

/* What the probe does on the poller's thread, by the port that is read. */
enum probe { ARM, ALLOCATIONS, CALL_GETPPID, CALL_MALLOC, FIRST_TOUCH };

static struct rig rig;
static struct rig_vm vm;
static struct rig_device devices[2];
static struct rig_vcpu vcpus[NR_VCPUS];

static uint32_t poller_tid;
static uint32_t armed, nr_trapped, trapped_call;
static char *fresh_page;
static void *kept; /* a malloc whose result nobody sees would be optimised away */

/* ---- allocations ------------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *memory);

static __thread uint64_t nr_allocations;

void *malloc(size_t bytes)
{
	nr_allocations++;
	return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes)
{
	nr_allocations++;
	return __libc_calloc(number, bytes);
}

void *realloc(void *memory, size_t bytes)
{
	nr_allocations++;
	return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	nr_allocations++;
	return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory_out, size_t alignment, size_t bytes)
{
	nr_allocations++;
	*memory_out = __libc_memalign(alignment, bytes);
	return *memory_out ? 0 : ENOMEM;
}

void free(void *memory)
{
	nr_allocations++;
	__libc_free(memory);
}

/* ---- system calls ------------------------------------------------------------------------------------------ */

/* What a handler of SIGSYS and the end of the thread need is let through. */
static int trap_everything(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		return -errno;
	return 0;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *machine = context;

	(void)number;
	/* Until the trap is checked for; the thread's end makes calls of its own. */
	if (load_relaxed(&armed)) {
		store_relaxed(&trapped_call, (uint32_t)info->si_syscall);
		add_relaxed(&nr_trapped, 1);
	}
	machine->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

/* ---- page faults ------------------------------------------------------------------------------------------- */

/* Minor and major faults of the poller's thread so far: fields 10 and 12 of its stat file (proc(5)). */
static uint64_t count_faults(void)
{
	char path[64], line[1024];
	unsigned long minor, major;
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", load_acquire(&poller_tid));
	file = fopen(path, "r");
	RIG_CHECK(file && fgets(line, sizeof(line), file), "%s: %s", path, strerror(errno));
	fclose(file);
	at = strrchr(line, ')');
	RIG_CHECK(at && sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu", &minor, &major) == 2, "%s: '%s'", path,
		  line);
	return minor + major;
}

/* ---- the probe --------------------------------------------------------------------------------------------- */

static enum ioreq_result probe(void *unused, struct ioreq_access *access)
{
	(void)unused;
	access->value = 0;
	switch ((enum probe)(access->address & 0xff)) {
	case ARM: access->value = (uint32_t)-trap_everything(); break;
	case ALLOCATIONS: access->value = nr_allocations; break;
	case CALL_GETPPID: syscall(SYS_getppid); break;
	case CALL_MALLOC:
		kept = malloc(100);
		__asm__ volatile("" : : "r"(kept) : "memory");
		break;
	case FIRST_TOUCH: store_relaxed(fresh_page, 1); break;
	}
	return IOREQ_DONE;
}

static const struct ioreq_device_ops probe_ops = {.name = "probe", .handle = probe};

static uint64_t ask(enum probe what)
{
	struct ioreq_access access = {.space = IOREQ_PIO,
				      .address = rig_window(IOREQ_PIO, PROBE_WINDOW).start + what,
				      .size = 4,
				      .completion_polling = 1};
	struct ioreq_vcpu *side = &vcpus[0].side;

	RIG_CHECK(!ioreq_vcpu_post(side, &access), "the probe cannot be asked");
	RIG_CHECK(!ioreq_vcpu_wait(side, IOREQ_VCPU_YIELD, RIG_PATIENCE_NS), "the probe does not answer");
	return ioreq_vcpu_finish(side);
}

/* ---- the proof --------------------------------------------------------------------------------------------- */

static void *run_poller(void *unused)
{
	(void)unused;
	rig_pin(1);
	store_release(&poller_tid, (uint32_t)syscall(SYS_gettid));
	RIG_CHECK(!ioreq_poller_run(rig.poller), "the poller does not run");
	/* The trap cannot be removed: not the way out of pthreads, which calls the kernel for more than this. */
	syscall(SYS_exit, 0);
	return NULL;
}

/* Serves for that long; returns how many requests that were. A spinning client on the vCPUs' core makes them few. */
static uint64_t serve(uint64_t duration_ns)
{
	uint64_t end_ns = rig_now_ns() + duration_ns, requests = 0;

	while (rig_now_ns() < end_ns) {
		for (unsigned v = 0; v < NR_VCPUS; v++)
			rig_vcpu_post(&vcpus[v]);
		for (unsigned v = 0; v < NR_VCPUS; v++) {
			rig_vcpu_wait(&vcpus[v]);
			rig_vcpu_check(&vcpus[v], rig_vcpu_finish(&vcpus[v]), &devices[vcpus[v].window]);
		}
		requests += NR_VCPUS;
	}
	return requests;
}

static void check_plants(uint64_t allocations)
{
	uint64_t faults = count_faults();

	ask(CALL_GETPPID);
	RIG_CHECK(load_relaxed(&nr_trapped) == 1 && load_relaxed(&trapped_call) == SYS_getppid,
		  "getppid() was trapped %u times, as call %u", nr_trapped, trapped_call);
	ask(FIRST_TOUCH);
	RIG_CHECK(count_faults() > faults, "a first touch was not counted as a page fault");
	/* The thread's first: the allocator calls the kernel too. */
	ask(CALL_MALLOC);
	RIG_CHECK(ask(ALLOCATIONS) == allocations + 1, "a malloc was not counted");
}

static void prove(const char *name, uint64_t duration_ns)
{
	uint64_t faults, allocations, requests, ring;
	int status;

	/* Before the trap: first touches, and the reclaimer's grace periods after the last update. */
	serve(SECOND_NS / 4);
	status = (int)ask(ARM);
	if (status)
		rig_skip(status == EPERM || status == ENOSYS || status == EINVAL
				 ? "this machine lets no thread install a seccomp filter"
				 : strerror(status));
	store_release(&armed, 1);
	allocations = ask(ALLOCATIONS);
	faults = count_faults();
	ring = load_relaxed(&devices[1].runs);
	requests = serve(duration_ns);
	faults = count_faults() - faults;
	ring = load_relaxed(&devices[1].runs) - ring;
	printf("%s: %lu requests in %.1f s, %lu of them through the ring: %u system calls, %lu page faults, "
	       "%lu allocations\n",
	       name, requests, (double)duration_ns / 1e9, ring, nr_trapped, faults, ask(ALLOCATIONS) - allocations);
	RIG_CHECK(!load_relaxed(&nr_trapped), "%u system calls, the last one number %u", nr_trapped, trapped_call);
	RIG_CHECK(!faults, "%lu page faults", faults);
	RIG_CHECK(ask(ALLOCATIONS) == allocations, "%lu allocations", ask(ALLOCATIONS) - allocations);
	RIG_CHECK(ring > 10 && requests - ring > 10, "next to nothing was served: the test tested nothing");
	check_plants(allocations);
}

static void start(bool strict_states, enum ioreq_wait wait)
{
	struct ioreq_range range = rig_window(IOREQ_PIO, PROBE_WINDOW);
	struct ioreq_client_config config = {.name = "probe", .ops = &probe_ops, .ranges = &range, .nr_ranges = 1};
	struct ioreq_error error = {.text = ""};
	struct ioreq_client *client;

	rig_prepare(&rig, IOREQ_IDLE_SPIN, 1);
	vm = (struct rig_vm){.name = "vm0", .nr_vcpus = NR_VCPUS, .nr_windows = 2, .strict_states = strict_states};
	rig_vm_create(&vm, &rig);
	devices[0] = (struct rig_device){.vm = &vm, .name = "inline", .windows = 1 << 0};
	devices[1] = (struct rig_device){
		.vm = &vm, .name = "ring", .delivery = IOREQ_THREAD, .wait = wait, .windows = 1 << RING_WINDOW};
	rig_device_add(&devices[0]);
	rig_device_add(&devices[1]);
	RIG_CHECK(!ioreq_client_add(vm.vm, &config, &client, &error), "%s", error.text);
	rig_vm_attach(&vm);
	for (unsigned v = 0; v < NR_VCPUS; v++)
		rig_vcpu_init(&vcpus[v], &vm, v, IOREQ_VCPU_YIELD);
	store_relaxed(&armed, 0);
	store_relaxed(&nr_trapped, 0);
}

static void run(bool strict_states, enum ioreq_wait wait, const char *name, uint64_t duration_ns)
{
	struct ioreq_error error = {.text = ""};
	pthread_t poller;

	fresh_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	RIG_CHECK(fresh_page != MAP_FAILED, "no page to touch");
	start(strict_states, wait);
	rig_thread(&poller, run_poller, NULL);
	prove(name, duration_ns);
	store_release(&armed, 0);
	RIG_CHECK(!ioreq_poller_stop(rig.poller, &error), "%s", error.text);
	pthread_join(poller, NULL);
	rig_destroy(&rig);
	rig_page_destroy(&vm.own_page);
	munmap(fresh_page, 4096);
	free(kept);
}

int main(int argc, char **argv)
{
	uint64_t duration_ns = (rig_is_full(argc, argv) ? 10 : 2) * SECOND_NS;
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
	rig_pin(0);
	run(true, IOREQ_WAIT_YIELD, "inline and a yielding ring client, PROCESSING stored", duration_ns / 2);
	run(false, IOREQ_WAIT_YIELD, "inline and a yielding ring client, PROCESSING not stored", duration_ns / 2);
	run(false, IOREQ_WAIT_SPIN, "inline and a spinning ring client", duration_ns);
	return 0;
}

#endif
