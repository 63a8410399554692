/* SPDX-License-Identifier: MIT */
/*
 * Every check of the doctor: on a perfect machine, on one where just that is wrong, and with each of its files missing,
 * empty, malformed and unreadable. What cannot be read never passes.
 *
 * Threads   One. Memory: trees in /tmp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor_tree.h"

#define MISSING doctor_tree_missing
#define UNREADABLE doctor_tree_unreadable
#define CPU "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/"
#define KERNEL "proc/sys/kernel/"
/* A line of /proc/PID/stat: number and name, state, major faults, last core. */
#define STAT(task, state, faults, cpu)                                                                                 \
	task " " state " 1 1 1 0 -1 4194304 0 0 " faults " 0 0 0 0 0 20 0 1 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 " cpu \
	     " 0 0\n"
#define LIMITS(memlock, rtprio)                                                       \
	"Limit                     Soft Limit           Hard Limit           Units\n" \
	"Max locked memory         " memlock "          " memlock "          bytes\n" \
	"Max realtime priority     " rtprio "           " rtprio "\n"

/* The perfect machine polls on cores 2 and 3, and its service has the pid 700. */
static const char *const perfect_cores = "2-3";

struct edit {
	const char *path, *content;
};

/* clang-format off */
/* One thing that is wrong with a perfect machine, or right in another way. */
static const struct difference {
	const char *id;
	const char *cores; /* NULL: perfect_cores */
	struct edit edits[3];
	enum doctor_result result;
	enum doctor_severity severity; /* of a finding */
	const char *concerned;         /* the cores of the finding; "none": the machine */
	const char *found;             /* part of the words */
} differences[] = {
	{"cores-exist", "2,9", {{0}}, DOCTOR_FINDING, DOCTOR_FATAL, "9", "online are 0-3"},
	{"cores-exist", NULL, {{CPU "online", "0-2\n"}}, DOCTOR_FINDING, DOCTOR_FATAL, "3", "cores 3 are missing"},
	{"housekeeping", "0-3", {{0}}, DOCTOR_FINDING, DOCTOR_FATAL, "none", "no online core is left"},
	{"housekeeping", "0", {{CPU "online", "0\n"}}, DOCTOR_FINDING, DOCTOR_FATAL, "none", "online are 0"},
	{"cpuset", NULL, {{"sys/fs/cgroup/system.slice/ioreqd.service/cpuset.cpus.effective", "0-2\n"}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "3", "without 3"},
	{"cpuset", NULL, {{"sys/fs/cgroup/system.slice/ioreqd.service/cpuset.cpus.effective", MISSING},
	  {"sys/fs/cgroup/system.slice/cpuset.cpus.effective", "0-1"}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "2-3", "is 0-1"},
	{"cpuset", NULL, {{"proc/700/cgroup", "3:cpuset:/rt\n0::/\n"},
	  {"sys/fs/cgroup/cpuset/rt/cpuset.effective_cpus", "0-2"}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "3", "is 0-2"},
	{"cpuset", NULL, {{"proc/700/cgroup", "3:cpuset:/rt\n0::/\n"},
	  {"sys/fs/cgroup/cpuset/rt/cpuset.effective_cpus", "0-3"}},
	 DOCTOR_PASS, 0, "none", "0-3"},
	{"cpuset", NULL, {{"proc/700/cgroup", "2:cpu:/\n"}}, DOCTOR_NOT_APPLICABLE, 0, "none", "no cpuset"},
	{"affinity", NULL, {{"proc/700/task/713/status", "Cpus_allowed_list:\t0-1\n"}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "3", "0-2 only"},
	{"affinity", NULL, {{"proc/700/comm", "other\n"}}, DOCTOR_FINDING, DOCTOR_INFO, "2-3", "unless it asks"},
	{"affinity", NULL, {{"proc/700/comm", "other\n"}, {CPU "isolated", "\n"}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "2-3", "0-1 only"},
	{"affinity", NULL, {{"proc/700/comm", "other\n"}, {"proc/self/status", "Cpus_allowed_list:\t0-3\n"}},
	 DOCTOR_PASS, 0, "none", "0-3"},
	{"hugepages", NULL, {{NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2-3", "no hugepages"},
	{"hugepages", NULL, {{"proc/700/comm", "other\n"},
	  {NODE "node0/hugepages/hugepages-2048kB/free_hugepages", "0\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2-3", "no free"},
	{"hugepages", NULL, {{NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"},
	  {NODE "node0/hugepages/hugepages-1048576kB/nr_hugepages", "4\n"}},
	 DOCTOR_PASS, 0, "none", "some"},
	{"hugepages", NULL, {{"sys/devices/system/node", MISSING}}, DOCTOR_PASS, 0, "none", "64"},
	{"hugepages", NULL, {{"sys/devices/system/node", MISSING},
	  {"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2-3", "no hugepages"},
	{"memlock", NULL, {{"proc/700/limits", LIMITS("8388608", "99")}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "none", "8192 KiB"},
	{"memlock", NULL, {{"proc/700/limits", LIMITS("8388608", "99")},
	  {"proc/700/status", "CapEff:\t0000000000004000\n"}},
	 DOCTOR_PASS, 0, "none", "CAP_IPC_LOCK"},
	{"rtprio", NULL, {{"proc/700/limits", LIMITS("unlimited", "0")}},
	 DOCTOR_FINDING, DOCTOR_FATAL, "none", "priority 0; 1 is needed"},
	{"rtprio", NULL, {{"proc/700/limits", LIMITS("unlimited", "0")},
	  {"proc/700/status", "CapEff:\t0000000000800000\n"}},
	 DOCTOR_PASS, 0, "none", "CAP_SYS_NICE"},
	{"rt-throttling", NULL, {{KERNEL "sched_rt_runtime_us", "950000\n"}},
	 DOCTOR_FINDING, DOCTOR_CRIT, "2-3", "50000 us"},
	{"rt-throttling", NULL, {{KERNEL "sched_rt_runtime_us", "1000000\n"}}, DOCTOR_PASS, 0, "none", "off"},
	{"rt-group", NULL, {{"proc/700/cgroup", "1:cpu,cpuacct:/rt\n"},
	  {"sys/fs/cgroup/cpu,cpuacct/rt/cpu.rt_runtime_us", "0\n"},
	  {"sys/fs/cgroup/cpu,cpuacct/rt/cpu.rt_period_us", "1000000\n"}},
	 DOCTOR_FINDING, DOCTOR_CRIT, "2-3", "SCHED_FIFO is refused"},
	{"rt-group", NULL, {{"proc/700/cgroup", "1:cpu:/\n"},
	  {"sys/fs/cgroup/cpu/cpu.rt_runtime_us", "950000\n"},
	  {"sys/fs/cgroup/cpu/cpu.rt_period_us", "1000000\n"}},
	 DOCTOR_FINDING, DOCTOR_CRIT, "2-3", "950000 of 1000000"},
	{"rt-group", NULL, {{"proc/700/cgroup", "1:cpu:/\n"}, {"sys/fs/cgroup/cpu/cpu.rt_runtime_us", "-1\n"}},
	 DOCTOR_PASS, 0, "none", "not limited"},
	{"rt-group", NULL, {{"proc/700/cgroup", "1:cpu:/\n"}}, DOCTOR_NOT_APPLICABLE, 0, "none", "no real-time groups"},
	{"isolated", NULL, {{CPU "isolated", "2\n"}}, DOCTOR_FINDING, DOCTOR_CRIT, "3", "cores 3 are not isolated"},
	{"isolated", NULL, {{CPU "isolated", "\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.partition", "isolated\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.effective", "2-3"}},
	 DOCTOR_PASS, 0, "none", "isolated partition"},
	{"isolated", NULL, {{CPU "isolated", "\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.partition", "root\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.effective", "2-3"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2-3", "balances"},
	{"isolated", NULL, {{CPU "isolated", "\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.partition", "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.effective", "2-3"}},
	 DOCTOR_FINDING, DOCTOR_CRIT, "2-3", "not in force: isolated invalid (Cpu list"},
	{"isolated", NULL, {{CPU "isolated", "\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.partition", "isolated\n"},
	  {"sys/fs/cgroup/rt/cpuset.cpus.effective", "3"}},
	 DOCTOR_FINDING, DOCTOR_CRIT, "2", "cores 2 are not"},
	{"isolated", NULL, {{CPU "isolated", "\n"}, {"sys/fs/cgroup/rt/cpuset.cpus.partition", UNREADABLE}},
	 DOCTOR_UNREADABLE, 0, "none", "could not be read"},
	{"managed-irq", NULL, {{"proc/cmdline", "isolcpus=domain,2-3\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2-3", "isolcpus=domain,2-3"},
	{"managed-irq", NULL, {{"proc/cmdline", "quiet -- isolcpus=2\n"}},
	 DOCTOR_NOT_APPLICABLE, 0, "none", "not used"},
	{"nohz-full", NULL, {{CPU "nohz_full", "  (null)\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2-3", "keep their timer tick"},
	{"nohz-full", NULL, {{CPU "nohz_full", "3\n"}}, DOCTOR_FINDING, DOCTOR_HIGH, "2", "cores 2 keep"},
	{"rcu-nocbs", NULL, {{CPU "nohz_full", "3\n"}, {"proc/cmdline", "rcu_nocbs=3\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2", "cores 2 do"},
	{"rcu-nocbs", NULL, {{CPU "nohz_full", "\n"}, {"proc/cmdline", "rcu_nocbs=1-N\n"}},
	 DOCTOR_PASS, 0, "none", "1-3"},
	{"rcu-nocbs", NULL, {{CPU "nohz_full", "\n"}, {"proc/cmdline", "rcu_nocbs=all\n"}},
	 DOCTOR_PASS, 0, "none", "0-3"},
	{"rcu-nocbs", NULL, {{CPU "nohz_full", "2-3\n"}, {"proc/cmdline", "quiet\n"}}, DOCTOR_PASS, 0, "none", "2-3"},
	{"irqs", NULL, {{"proc/irq/25/effective_affinity_list", "3\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "3", "1 of 3 interrupts go to cores 3: 25 (eth0-rx-0)"},
	{"irqs", NULL, {{"proc/irq/25/effective_affinity_list", MISSING}, {"proc/irq/25/smp_affinity_list", "0-3\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2-3", "25 (eth0-rx-0)"},
	{"irqs", NULL, {{"proc/irq/8", MISSING}, {"proc/irq/24", MISSING}, {"proc/irq/25", MISSING}},
	 DOCTOR_UNREADABLE, 0, "none", "could not be read"},
	{"irq-default", NULL, {{"proc/irq/default_smp_affinity", "ffffffff\n"}},
	 DOCTOR_FINDING, DOCTOR_LOW, "2-3", "2-3"},
	{"acrn-upcall", NULL, {{"dev/acrn_hsm", ""}}, DOCTOR_PASS, 0, "none", "has not come"},
	{"acrn-upcall", NULL, {{"dev/acrn_hsm", ""},
	  {"proc/interrupts", "    CPU0 CPU1 CPU2 CPU3\n HYP: 9 9 0 4 Hypervisor callback interrupts\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "3", "4 times"},
	{"acrn-upcall", NULL, {{"dev/acrn_hsm", ""}, {"proc/interrupts", UNREADABLE}},
	 DOCTOR_UNREADABLE, 0, "none", "could not"},
	{"smt", NULL, {{CPU "cpu3/topology/thread_siblings_list", "1,3\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "3", "with 1"},
	{"smt", NULL, {{CPU "cpu3/topology/thread_siblings_list", "3,7\n"}}, DOCTOR_PASS, 0, "none", "no core"},
	{"clocksource", NULL, {{"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "none", "hpet"},
	{"tsc", NULL, {{"proc/cpuinfo", "flags\t\t: fpu constant_tsc\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "none", "nonstop_tsc missing"},
	{"tsc", NULL, {{"proc/cpuinfo", "flags\t\t: fpu tsc\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "none", "constant_tsc and nonstop_tsc missing"},
	{"steal", NULL, {{"proc/stat", "cpu2 1000 0 0 9000 0 0 0 10 0 0\ncpu3 1000 0 0 9000 0 0 0 0 0 0\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2", "0.0500 %"},
	{"steal", NULL, {{"proc/stat", "cpu2 1000000 0 0 9000000 0 0 0 1 0 0\ncpu3 1 0 0 9 0 0 0 0 0 0\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2", "%"},
	{"steal", NULL, {{"proc/stat", "cpu0 1 0 0 9 0 0 0 5 0 0\ncpu2 1 0 0 9 0 0 0 0 0 0\n"}},
	 DOCTOR_UNREADABLE, 0, "none", "not understood"},
	{"steal", NULL, {{"proc/stat", "cpu2 1 0 -1 9 0 0 0 0 0 0\ncpu3 1 0 0 9 0 0 0 0 0 0\n"}},
	 DOCTOR_UNREADABLE, 0, "none", "not understood"},
	{"other-tasks", NULL, {{"proc/600/task/601/stat", STAT("601 (worker)", "S", "0", "3")}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "3", "1 tasks ran last on cores 3: worker (601)"},
	{"other-tasks", NULL, {{"proc/600/task/601/stat", STAT("601 (worker)", "Z", "0", "3")}},
	 DOCTOR_PASS, 0, "none", "no task"},
	{"other-tasks", NULL, {{"proc/600/task/601/stat", MISSING}}, DOCTOR_PASS, 0, "none", "no task"},
	{"other-tasks", NULL, {{"proc/1", MISSING}}, DOCTOR_UNREADABLE, 0, "none", "Permission denied"},
	{"governor", NULL, {{CPU "cpu2/cpufreq/scaling_governor", "powersave\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2", "powersave"},
	{"governor", NULL, {{CPU "cpu2/cpufreq", MISSING}, {CPU "cpu3/cpufreq", MISSING}},
	 DOCTOR_NOT_APPLICABLE, 0, "none", "does not control"},
	{"locked", NULL, {{"proc/700/status", "VmLck:\t       0 kB\n"}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "none", "no memory"},
	{"locked", NULL, {{"proc/700/comm", "other\n"}}, DOCTOR_NOT_APPLICABLE, 0, "none", "not running"},
	{"major-faults", NULL, {{"proc/700/task/712/stat", STAT("712 (p)", "R", "7", "2")}},
	 DOCTOR_FINDING, DOCTOR_HIGH, "2", "7 major"},
	{"major-faults", NULL, {{"proc/700/task/700/stat", STAT("700 (m)", "R", "7", "0")}},
	 DOCTOR_PASS, 0, "none", "no major"},
	{"fair-server", NULL, {{KERNEL "osrelease", "6.12.1\n"}}, DOCTOR_UNREADABLE, 0, "none", "No such file"},
	{"fair-server", NULL, {{KERNEL "osrelease", "6.18.0-rt\n"},
	  {"sys/kernel/debug/sched/fair_server/cpu2/runtime", "50000000\n"},
	  {"sys/kernel/debug/sched/fair_server/cpu3/runtime", "0\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2", "cores 2"},
	{"fair-server", NULL, {{KERNEL "osrelease", "7.0.0\n"},
	  {"sys/kernel/debug/sched/fair_server/cpu2/runtime", "0\n"},
	  {"sys/kernel/debug/sched/fair_server/cpu3/runtime", "0\n"}},
	 DOCTOR_PASS, 0, "none", "off"},
	{"cstates", NULL, {{CPU "cpu3/cpuidle/state1/latency", "133\n"}}, DOCTOR_FINDING, DOCTOR_MED, "3", "133 us"},
	{"cstates", NULL, {{CPU "cpu3/cpuidle/state1/latency", "133\n"}, {CPU "cpu3/cpuidle/state1/disable", "1\n"}},
	 DOCTOR_PASS, 0, "none", "2 us"},
	{"cstates", NULL, {{CPU "cpu3/cpuidle/state1/latency", "133\n"}, {"dev/cpu_dma_latency", "\x05\x01\x01"}},
	 DOCTOR_FINDING, DOCTOR_MED, "3", "133 us"},
	{"cstates", NULL, {{CPU "cpu2/cpuidle", MISSING}, {CPU "cpu3/cpuidle", MISSING}},
	 DOCTOR_NOT_APPLICABLE, 0, "none", "no idle states"},
	{"swap", NULL, {{"proc/swaps", "Filename Type\n/dev/sda2  partition 1 0 -2\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "none", "/dev/sda2"},
	{"thp", NULL, {{"sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "none", "[always]"},
	{"ksm", NULL, {{"sys/kernel/mm/ksm/run", "1\n"}}, DOCTOR_FINDING, DOCTOR_MED, "none", "running"},
	{"ksm", NULL, {{"sys/kernel/mm/ksm/run", "2\n"}}, DOCTOR_PASS, 0, "none", "stopped"},
	{"numa-balancing", NULL, {{KERNEL "numa_balancing", "1\n"}}, DOCTOR_FINDING, DOCTOR_MED, "none", "on"},
	{"nmi-watchdog", NULL, {{KERNEL "nmi_watchdog", "1\n"}}, DOCTOR_FINDING, DOCTOR_MED, "2-3", "on"},
	{"workqueue", NULL, {{"sys/devices/virtual/workqueue/cpumask", "f\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "2-3", "2-3"},
	{"hypervisor", NULL, {{"proc/cpuinfo", "flags\t\t: fpu hypervisor\n"}, {"sys/hypervisor/type", "xen\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "none", "virtual machine (xen)"},
	{"hypervisor", NULL, {{"proc/cpuinfo", "flags\t\t: fpu vmx hypervisor\n"}},
	 DOCTOR_FINDING, DOCTOR_MED, "none", "(Example Systems Controller 4), and guests that are started in it are"},
	{"hypervisor", NULL, {{"proc/cpuinfo", "flags\t\t: fpu hypervisor\n"}, {"dev/kvm", ""}},
	 DOCTOR_FINDING, DOCTOR_MED, "none", "nested virtualisation"},
	{"hypervisor", NULL, {{"proc/cpuinfo", "flags\t\t: fpu hypervisor\n"}, {"dev/acrn_hsm", ""}},
	 DOCTOR_FINDING, DOCTOR_INFO, "none", "ACRN"},
	{"hypervisor", NULL, {{"proc/cpuinfo", "flags\t\t: fpu vmx\n"}, {"dev/kvm", ""}},
	 DOCTOR_PASS, 0, "none", "bare machine"},
	{"watchdog-cpus", NULL, {{KERNEL "watchdog_cpumask", "0-3\n"}}, DOCTOR_FINDING, DOCTOR_LOW, "2-3", "2-3"},
	{"watchdog-cpus", NULL, {{KERNEL "watchdog", "0\n"}, {KERNEL "watchdog_cpumask", "0-3\n"}},
	 DOCTOR_PASS, 0, "none", "off"},
	{"timer-migration", NULL, {{KERNEL "timer_migration", "1\n"}, {CPU "nohz_full", "3\n"}},
	 DOCTOR_FINDING, DOCTOR_LOW, "2", "cores 2"},
	{"timer-migration", NULL, {{KERNEL "timer_migration", "1\n"}}, DOCTOR_PASS, 0, "none", "tickless"},
	{"stat-interval", NULL, {{"proc/sys/vm/stat_interval", "1\n"}}, DOCTOR_FINDING, DOCTOR_LOW, "2-3", "every 1 s"},
	{"preempt-rt", NULL, {{"sys/kernel/realtime", MISSING},
	  {"proc/version", "Linux version 6.12 SMP PREEMPT_DYNAMIC\n"}},
	 DOCTOR_FINDING, DOCTOR_INFO, "none", "not PREEMPT_RT"},
	{"preempt-rt", NULL, {{"sys/kernel/realtime", MISSING}}, DOCTOR_PASS, 0, "none", "PREEMPT_RT"},
	{"mitigations", NULL, {{CPU "vulnerabilities/meltdown", "Mitigation: PTI\n"}},
	 DOCTOR_FINDING, DOCTOR_INFO, "none", "1 of 3"},
};
/* clang-format on */

/* What a check answers when one of its files is missing or empty. Malformed and unreadable: always UNREADABLE. */
static const struct source {
	const char *id, *path;
	enum doctor_result missing, empty;
	struct edit first; /* what makes the check look there */
} sources[] = {
	{"cpuset", "proc/700/cgroup", DOCTOR_UNREADABLE, DOCTOR_NOT_APPLICABLE, {0}},
	{"cpuset", "sys/fs/cgroup/system.slice/ioreqd.service/cpuset.cpus.effective", DOCTOR_PASS, DOCTOR_FINDING, {0}},
	{"affinity", "proc/700/task/712/status", DOCTOR_FINDING, DOCTOR_UNREADABLE, {0}},
	{"affinity", "proc/self/status", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {"proc/700/comm", "other"}},
	{"hugepages", NODE "node0/cpulist", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"hugepages", NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"memlock", "proc/700/limits", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"memlock",
	 "proc/700/status",
	 DOCTOR_UNREADABLE,
	 DOCTOR_UNREADABLE,
	 {"proc/700/limits", LIMITS("8388608", "99")}},
	{"rtprio", "proc/700/limits", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"rtprio", "proc/700/status", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {"proc/700/limits", LIMITS("1", "0")}},
	{"rt-throttling", KERNEL "sched_rt_runtime_us", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"rt-throttling",
	 KERNEL "sched_rt_period_us",
	 DOCTOR_UNREADABLE,
	 DOCTOR_UNREADABLE,
	 {KERNEL "sched_rt_runtime_us", "950000"}},
	{"rt-group", "proc/700/cgroup", DOCTOR_UNREADABLE, DOCTOR_NOT_APPLICABLE, {0}},
	{"rt-group",
	 "sys/fs/cgroup/cpu/cpu.rt_runtime_us",
	 DOCTOR_NOT_APPLICABLE,
	 DOCTOR_UNREADABLE,
	 {"proc/700/cgroup", "1:cpu:/\n"}},
	{"isolated", CPU "isolated", DOCTOR_UNREADABLE, DOCTOR_FINDING, {0}},
	{"isolated",
	 "sys/fs/cgroup/rt/cpuset.cpus.effective",
	 DOCTOR_UNREADABLE,
	 DOCTOR_FINDING,
	 {"sys/fs/cgroup/rt/cpuset.cpus.partition", "isolated"}},
	{"managed-irq", "proc/cmdline", DOCTOR_UNREADABLE, DOCTOR_NOT_APPLICABLE, {0}},
	{"nohz-full", CPU "nohz_full", DOCTOR_FINDING, DOCTOR_FINDING, {0}},
	{"rcu-nocbs", "proc/cmdline", DOCTOR_UNREADABLE, DOCTOR_PASS, {0}},
	{"rcu-nocbs", CPU "nohz_full", DOCTOR_PASS, DOCTOR_PASS, {0}},
	{"irqs", "proc/irq/24/effective_affinity_list", DOCTOR_PASS, DOCTOR_PASS, {0}},
	{"irq-default", "proc/irq/default_smp_affinity", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"acrn-upcall", "proc/interrupts", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {"dev/acrn_hsm", ""}},
	{"smt", CPU "cpu3/topology/thread_siblings_list", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"clocksource",
	 "sys/devices/system/clocksource/clocksource0/current_clocksource",
	 DOCTOR_UNREADABLE,
	 DOCTOR_UNREADABLE,
	 {0}},
	{"tsc", "proc/cpuinfo", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"steal", "proc/stat", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"other-tasks", "proc/600/task/601/stat", DOCTOR_PASS, DOCTOR_UNREADABLE, {0}},
	{"governor", CPU "cpu2/cpufreq/scaling_governor", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"locked", "proc/700/status", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"major-faults", "proc/700/task/712/stat", DOCTOR_PASS, DOCTOR_UNREADABLE, {0}},
	{"fair-server", KERNEL "osrelease", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"fair-server",
	 "sys/kernel/debug/sched/fair_server/cpu2/runtime",
	 DOCTOR_UNREADABLE,
	 DOCTOR_UNREADABLE,
	 {KERNEL "osrelease", "6.12.0"}},
	{"cstates", CPU "cpu2/cpuidle/state1/latency", DOCTOR_PASS, DOCTOR_UNREADABLE, {0}},
	{"cstates", CPU "cpu2/cpuidle/state1/disable", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"swap", "proc/swaps", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"thp", "sys/kernel/mm/transparent_hugepage/enabled", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"ksm", "sys/kernel/mm/ksm/run", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"numa-balancing", KERNEL "numa_balancing", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"nmi-watchdog", KERNEL "nmi_watchdog", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"workqueue", "sys/devices/virtual/workqueue/cpumask", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"hypervisor", "proc/cpuinfo", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"watchdog-cpus", KERNEL "watchdog", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"watchdog-cpus", KERNEL "watchdog_cpumask", DOCTOR_UNREADABLE, DOCTOR_PASS, {0}},
	{"timer-migration", KERNEL "timer_migration", DOCTOR_NOT_APPLICABLE, DOCTOR_UNREADABLE, {0}},
	{"stat-interval", "proc/sys/vm/stat_interval", DOCTOR_UNREADABLE, DOCTOR_UNREADABLE, {0}},
	{"preempt-rt", "sys/kernel/realtime", DOCTOR_PASS, DOCTOR_UNREADABLE, {0}},
	{"preempt-rt", "proc/version", DOCTOR_UNREADABLE, DOCTOR_FINDING, {"sys/kernel/realtime", MISSING}},
	{"mitigations", CPU "vulnerabilities/meltdown", DOCTOR_PASS, DOCTOR_PASS, {0}},
};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static void put_edits(const struct edit *edits, unsigned nr)
{
	for (unsigned i = 0; i < nr && edits[i].path; i++)
		doctor_tree_put(edits[i].path, edits[i].content);
}

/* ---- both ways --------------------------------------------------------------------------------------------- */

static void check_difference(const struct difference *difference)
{
	const struct doctor_answer *answer;

	put_edits(difference->edits, NR(difference->edits));
	answer = doctor_tree_examine(difference->id, difference->cores ? difference->cores : perfect_cores);
	if (answer->result != difference->result || !strstr(answer->found, difference->found))
		fail_msg("%s with %s: %s '%s'; expected: %s '...%s...'", difference->id,
			 difference->edits[0].path ? difference->edits[0].path : difference->cores,
			 doctor_result_name(answer->result), answer->found, doctor_result_name(difference->result),
			 difference->found);
	if (answer->result == DOCTOR_FINDING) {
		char cores[DOCTOR_CPUS_TEXT_BYTES];

		assert_string_equal(doctor_severity_name(answer->severity), doctor_severity_name(difference->severity));
		assert_string_equal(doctor_cpus_format(&answer->cpus, cores, sizeof(cores)), difference->concerned);
		/* Who and why are useless without how; only what nobody can mend has no fix. */
		if (!answer->fix[0] && answer->severity > DOCTOR_INFO)
			fail_msg("%s has a finding without a fix", difference->id);
	}
	doctor_tree_restore();
}

static void test_checks_one_thing_wrong_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR(differences); i++)
		check_difference(&differences[i]);
}

/* A finding of one check must not come from, or lead to, one of another: the rest of the machine stays perfect. */
static void test_checks_perfect_machine_has_no_finding(void **state)
{
	struct doctor_answer answers[DOCTOR_MAX_ANSWERS];
	unsigned nr = doctor_run(doctor_tree_doctor(perfect_cores), answers);

	(void)state;
	for (unsigned i = 0; i < nr; i++) {
		if (answers[i].result == DOCTOR_FINDING || answers[i].result == DOCTOR_UNREADABLE)
			fail_msg("%s: %s", answers[i].check->id, answers[i].found);
	}
	assert_int_equal(doctor_status(answers, nr), 0);
}

static void test_checks_each_is_tried_both_ways(void **state)
{
	(void)state;
	for (unsigned i = 0; i < doctor_nr_checks; i++) {
		bool found = false;

		for (size_t d = 0; d < NR(differences); d++)
			found |= differences[d].result == DOCTOR_FINDING &&
				 strcmp(differences[d].id, doctor_checks[i].id) == 0;
		/* These two have tests of their own below. */
		if (!found && strcmp(doctor_checks[i].id, "interrupts") && strcmp(doctor_checks[i].id, "numa"))
			fail_msg("nothing makes %s find something", doctor_checks[i].id);
	}
}

/* ---- files that are not as they should be ------------------------------------------------------------------ */

static void expect(const struct source *source, const char *content, const char *how, enum doctor_result expected)
{
	const struct doctor_answer *answer;
	char hard_case[64];

	/* An empty isolation list makes the partitions count. */
	if (strcmp(source->id, "isolated") == 0 && strstr(source->path, "cgroup"))
		doctor_tree_put(CPU "isolated", "");
	if (source->first.path)
		doctor_tree_put(source->first.path, source->first.content);
	if (strstr(source->path, "cpu.rt_runtime_us"))
		doctor_tree_put("sys/fs/cgroup/cpu/cpu.rt_period_us", "1000000");
	doctor_tree_put(source->path, content);
	answer = doctor_tree_examine(source->id, perfect_cores);
	snprintf(hard_case, sizeof(hard_case), "%.20s %.40s", source->id, how);
	if (answer->result != expected)
		fail_msg("%s: %s: %s '%s', expected %s", hard_case, source->path, doctor_result_name(answer->result),
			 answer->found, doctor_result_name(expected));
	if (answer->result == DOCTOR_UNREADABLE)
		assert_true(answer->path[0] == '/');
	doctor_tree_restore();
}

static void test_checks_missing_file_never_passes_for_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR(sources); i++)
		expect(&sources[i], MISSING, "missing", sources[i].missing);
}

static void test_checks_empty_file_is_not_taken_for_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR(sources); i++)
		expect(&sources[i], "", "empty", sources[i].empty);
}

static void test_checks_unreadable_file_is_unreadable(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR(sources); i++)
		expect(&sources[i], UNREADABLE, "unreadable", DOCTOR_UNREADABLE);
}

/* Files that hold free text have no malformed form. */
static bool is_free_text(const struct source *source)
{
	static const char *const free_texts[] = {"proc/cmdline", "proc/version", "governor", "clocksource",
						 "vulnerabilities"};

	for (size_t i = 0; i < NR(free_texts); i++) {
		if (strstr(source->path, free_texts[i]))
			return true;
	}
	return false;
}

static void test_checks_malformed_file_is_unreadable(void **state)
{
	static const char *const junk[] = {"((((", "-", "0-99999999999", "0x10", "1 2 3 ((", "\x01\x02\x7f\xff"};

	(void)state;
	for (size_t i = 0; i < NR(sources); i++) {
		for (size_t k = 0; k < NR(junk) && !is_free_text(&sources[i]); k++)
			expect(&sources[i], junk[k], junk[k], DOCTOR_UNREADABLE);
	}
}

static void test_checks_enormous_file_is_unreadable(void **state)
{
	enum { BYTES = 9 << 20 };
	char *line = malloc(BYTES + 1);

	(void)state;
	assert_non_null(line);
	memset(line, '1', BYTES);
	line[BYTES] = '\0';
	for (size_t i = 0; i < NR(sources); i += 3)
		expect(&sources[i], line, "enormous", DOCTOR_UNREADABLE);
	free(line);
}

static void test_checks_negative_numbers_are_no_numbers(void **state)
{
	static const struct edit edits[] = {
		{"rt-throttling", KERNEL "sched_rt_runtime_us"},
		{"stat-interval", "proc/sys/vm/stat_interval"},
		{"cstates", CPU "cpu2/cpuidle/state1/latency"},
		{"hugepages", NODE "node0/hugepages/hugepages-2048kB/nr_hugepages"},
	};

	(void)state;
	for (size_t i = 0; i < NR(edits); i++) {
		doctor_tree_put(edits[i].content, "-7\n");
		assert_int_equal(doctor_tree_examine(edits[i].path, perfect_cores)->result, DOCTOR_UNREADABLE);
		doctor_tree_restore();
	}
}

/* ---- checks that need more than a file --------------------------------------------------------------------- */

static void interrupt_comes(void *context)
{
	doctor_tree_put("proc/interrupts", context);
}

static const struct doctor_answer *watch_interrupts(const char *before, char *after)
{
	static struct doctor_answer answer;
	struct doctor *doctor = doctor_tree_doctor(perfect_cores);

	doctor_tree_put("proc/interrupts", before);
	doctor->pause = interrupt_comes;
	doctor->pause_context = after;
	for (unsigned i = 0; i < doctor_nr_checks; i++) {
		if (strcmp(doctor_checks[i].id, "interrupts") == 0)
			doctor_examine(doctor, &doctor_checks[i], &answer);
	}
	doctor_tree_restore();
	return &answer;
}

#define HEAD "           CPU0       CPU1       CPU2       CPU3\n"

static void test_checks_interrupts_that_come_are_found(void **state)
{
	const char *before = HEAD " 24: 100 0 0 5  IR-PCI-MSIX  nvme0q0\nLOC: 9 9 9 9 Local timer interrupts\nERR: 0\n";
	char quiet[] = HEAD " 24: 900 0 0 5  IR-PCI-MSIX  nvme0q0\nLOC: 99 99 9 9 Local timer interrupts\nERR: 7\n";
	char loud[] = HEAD " 24: 100 0 0 8  IR-PCI-MSIX  nvme0q0\nLOC: 9 9 9 20 Local timer interrupts\nERR: 0\n";
	char broken[] = "CPU";
	const struct doctor_answer *answer;

	(void)state;
	assert_int_equal(watch_interrupts(before, quiet)->result, DOCTOR_PASS);
	answer = watch_interrupts(before, loud);
	assert_int_equal(answer->result, DOCTOR_FINDING);
	assert_non_null(strstr(answer->found, "14 interrupts came to cores 3 in a quarter of a second: 24 3, LOC 11"));
	assert_int_equal(watch_interrupts(before, broken)->result, DOCTOR_UNREADABLE);
	assert_int_equal(doctor_tree_examine("interrupts", perfect_cores)->result, DOCTOR_NOT_APPLICABLE);
}

static void test_checks_hugepages_follow_the_configuration(void **state)
{
	struct doctor *doctor = doctor_tree_doctor(perfect_cores);
	struct doctor_answer answer;
	const struct doctor_check *check = NULL;

	(void)state;
	for (unsigned i = 0; i < doctor_nr_checks; i++)
		check = strcmp(doctor_checks[i].id, "hugepages") ? check : &doctor_checks[i];
	doctor_tree_put(NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	doctor->plan.hugepages = DOCTOR_HUGEPAGES_REQUIRE;
	doctor_examine(doctor, check, &answer);
	assert_int_equal(answer.result, DOCTOR_FINDING);
	assert_int_equal(answer.severity, DOCTOR_FATAL);
	doctor->plan.hugepages = DOCTOR_HUGEPAGES_OFF;
	doctor_examine(doctor, check, &answer);
	assert_int_equal(answer.result, DOCTOR_NOT_APPLICABLE);
	doctor_tree_restore();
}

static void test_checks_cpu_dma_latency_is_respected(void **state)
{
	struct doctor_root *root = doctor_tree_root();
	unsigned char zero[4] = {0};
	const struct doctor_answer *answer;
	char path[64];
	FILE *file;

	(void)state;
	/* Four bytes of zero are no string for the helper: they are written through the root's descriptor. */
	doctor_tree_put("dev/cpu_dma_latency", "");
	doctor_tree_put(CPU "cpu3/cpuidle/state1/latency", "133\n");
	snprintf(path, sizeof(path), "/proc/self/fd/%d/dev/cpu_dma_latency", root->fd);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(zero, 1, 4, file), 4);
	fclose(file);
	answer = doctor_tree_examine("cstates", perfect_cores);
	assert_int_equal(answer->result, DOCTOR_PASS);
	assert_string_equal(answer->path, "/dev/cpu_dma_latency");
	doctor_tree_restore();
}

static void test_checks_service_is_found_among_the_living(void **state)
{
	(void)state;
	assert_int_equal(doctor_tree_doctor(perfect_cores)->plan.pid, 700);
	doctor_tree_put(
		"proc/700/stat",
		"700 (ioreqd) Z 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 3\n");
	assert_false(doctor_tree_doctor(perfect_cores)->service);
	doctor_tree_restore();
}

static int make_perfect(void **state)
{
	(void)state;
	return doctor_tree_make("perfect") ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	doctor_tree_remove();
	return 0;
}

/* ---- two nodes --------------------------------------------------------------------------------------------- */

static void expect_numa(const char *path, const char *content, enum doctor_result result, const char *found)
{
	const struct doctor_answer *answer;

	doctor_tree_put(path, content);
	answer = doctor_tree_examine("numa", "6-7");
	if (answer->result != result || !strstr(answer->found, found))
		fail_msg("numa with %s: %s '%s'", path, doctor_result_name(answer->result), answer->found);
	doctor_tree_restore();
}

static void test_checks_numa_page_is_looked_up(void **state)
{
	(void)state;
	assert_int_equal(doctor_tree_examine("numa", "6-7")->result, DOCTOR_PASS);
	expect_numa("proc/700/numa_maps", "7f default file=/run/vm0.page mapped=2 N0=2\n", DOCTOR_FINDING,
		    "node 0, its poll core on node 1: distance 21");
	expect_numa("proc/700/numa_maps", "7f default file=/run/vm0.pages mapped=2 N0=2\n", DOCTOR_NOT_APPLICABLE,
		    "no page yet");
	expect_numa("proc/700/numa_maps", "7f default file=/run/vm0.page\n", DOCTOR_NOT_APPLICABLE, "no page yet");
	expect_numa("proc/700/numa_maps", "", DOCTOR_NOT_APPLICABLE, "no page yet");
	expect_numa("proc/700/numa_maps", MISSING, DOCTOR_UNREADABLE, "No such file");
	expect_numa("proc/700/numa_maps", UNREADABLE, DOCTOR_UNREADABLE, "could not");
	expect_numa("proc/700/comm", "other", DOCTOR_NOT_APPLICABLE, "not running");
	expect_numa(NODE "node1/cpulist", UNREADABLE, DOCTOR_UNREADABLE, "could not");
	expect_numa(NODE "node1/cpulist", "((", DOCTOR_UNREADABLE, "not understood");
}

static void test_checks_hugepages_are_those_of_the_node(void **state)
{
	(void)state;
	doctor_tree_put(NODE "node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	assert_int_equal(doctor_tree_examine("hugepages", "6-7")->result, DOCTOR_PASS);
	doctor_tree_put(NODE "node1/hugepages/hugepages-2048kB/nr_hugepages", "0\n");
	assert_int_equal(doctor_tree_examine("hugepages", "6-7")->result, DOCTOR_FINDING);
	doctor_tree_restore();
}

static int make_two_nodes(void **state)
{
	(void)state;
	return doctor_tree_make("two-nodes") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest perfect[] = {
		cmocka_unit_test(test_checks_perfect_machine_has_no_finding),
		cmocka_unit_test(test_checks_one_thing_wrong_is_found),
		cmocka_unit_test(test_checks_each_is_tried_both_ways),
		cmocka_unit_test(test_checks_missing_file_never_passes_for_read),
		cmocka_unit_test(test_checks_empty_file_is_not_taken_for_good),
		cmocka_unit_test(test_checks_unreadable_file_is_unreadable),
		cmocka_unit_test(test_checks_malformed_file_is_unreadable),
		cmocka_unit_test(test_checks_enormous_file_is_unreadable),
		cmocka_unit_test(test_checks_negative_numbers_are_no_numbers),
		cmocka_unit_test(test_checks_interrupts_that_come_are_found),
		cmocka_unit_test(test_checks_hugepages_follow_the_configuration),
		cmocka_unit_test(test_checks_cpu_dma_latency_is_respected),
		cmocka_unit_test(test_checks_service_is_found_among_the_living),
	};
	const struct CMUnitTest two_nodes[] = {
		cmocka_unit_test(test_checks_numa_page_is_looked_up),
		cmocka_unit_test(test_checks_hugepages_are_those_of_the_node),
	};

	if (system("python3 -c pass 2>/dev/null")) {
		puts("skipped: python3 makes the trees, and is missing");
		return 77;
	}
	return cmocka_run_group_tests(perfect, make_perfect, end) +
	       cmocka_run_group_tests(two_nodes, make_two_nodes, end);
}
