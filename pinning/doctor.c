/* SPDX-License-Identifier: MIT */
/* The doctor's table of checks, and how they are run. See doctor.h. */
#include "pinning/doctor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_tasks.h"

const struct doctor_check doctor_checks[] = {
	{"cores-exist", DOCTOR_FATAL, "a poller cannot start on a core that is not there", doctor_check_cores_exist},
	{"housekeeping", DOCTOR_FATAL,
	 "signals, logs, the watchdog and every other task need a core; beside a poller that never sleeps they starve",
	 doctor_check_housekeeping},
	{"cpuset", DOCTOR_FATAL, "the kernel refuses to move a thread to a core outside its cpuset",
	 doctor_check_cpuset},
	{"affinity", DOCTOR_FATAL, "a poller is not started on a core that the process may not use",
	 doctor_check_affinity},
	{"hugepages", DOCTOR_FATAL, "small pages miss in the TLB: each miss adds up to 100 ns to a request",
	 doctor_check_hugepages},
	{"memlock", DOCTOR_FATAL, "memory that is not locked can be paged out: milliseconds for one request",
	 doctor_check_memlock},
	{"rtprio", DOCTOR_FATAL, "without SCHED_FIFO every other task on the core takes its share of the poller's time",
	 doctor_check_rtprio},
	{"rt-throttling", DOCTOR_CRIT,
	 "a FIFO thread that never sleeps is stopped once per period, by default for 50 ms in every second",
	 doctor_check_rt_throttling},
	{"rt-group", DOCTOR_CRIT, "a group's share of real time stops its FIFO threads when it is used up",
	 doctor_check_rt_group},
	{"isolated", DOCTOR_CRIT, "the scheduler puts other tasks beside the poller: milliseconds at a time",
	 doctor_check_isolated},
	{"nohz-full", DOCTOR_HIGH, "100 to 1000 times a second the timer tick takes 1 to 20 us from a request",
	 doctor_check_nohz_full},
	{"rcu-nocbs", DOCTOR_HIGH, "the kernel frees its memory on this core, in softirqs of up to milliseconds",
	 doctor_check_rcu_nocbs},
	{"irqs", DOCTOR_HIGH, "each interrupt takes 1 to 50 us from a request", doctor_check_irqs},
	{"interrupts", DOCTOR_HIGH, "each interrupt takes 1 to 50 us from a request", doctor_check_interrupts},
	{"acrn-upcall", DOCTOR_HIGH, "an upcall on a poll core is the very interrupt that polling is to save",
	 doctor_check_acrn_upcall},
	{"smt", DOCTOR_HIGH, "what runs on the sibling takes up to half of the core's speed, unforeseeably",
	 doctor_check_smt},
	{"clocksource", DOCTOR_HIGH, "reading any other clock takes a microsecond or an exit to the hypervisor",
	 doctor_check_clocksource},
	{"tsc", DOCTOR_HIGH, "latencies and deadlines are counted in TSC ticks, which must not change their length",
	 doctor_check_tsc},
	{"steal", DOCTOR_HIGH, "the host runs something else while the poller is taken for running: milliseconds",
	 doctor_check_steal},
	{"other-tasks", DOCTOR_HIGH, "a task on the poll core waits for ever behind a FIFO poller, or runs in its time",
	 doctor_check_other_tasks},
	{"governor", DOCTOR_HIGH,
	 "the clock of the core follows the load of the past: a request may meet half the speed",
	 doctor_check_governor},
	{"numa", DOCTOR_HIGH,
	 "every exchange with a page on another node crosses the link between the sockets, three times",
	 doctor_check_numa},
	{"locked", DOCTOR_HIGH, "memory that is not locked can be paged out: milliseconds for one request",
	 doctor_check_locked},
	{"major-faults", DOCTOR_HIGH, "a thread of a poll core has waited for the disk", doctor_check_major_faults},
	{"fair-server", DOCTOR_MED, "a normal task that starves behind the poller gets up to 50 ms of every second",
	 doctor_check_fair_server},
	{"managed-irq", DOCTOR_MED,
	 "interrupts of multi-queue devices are spread over all cores, and cannot be moved later",
	 doctor_check_managed_irq},
	{"cstates", DOCTOR_MED,
	 "a core that sleeps (before the first request, or under `idle` other than spin) wakes late",
	 doctor_check_cstates},
	{"swap", DOCTOR_MED, "what is paged out must be read back: milliseconds", doctor_check_swap},
	{"thp", DOCTOR_MED, "the kernel moves and joins pages behind a process that touches them: up to milliseconds",
	 doctor_check_thp},
	{"ksm", DOCTOR_MED, "merged pages are copied again at the first write, in the time of the request",
	 doctor_check_ksm},
	{"numa-balancing", DOCTOR_MED, "the kernel unmaps pages to see who touches them: page faults in the poller",
	 doctor_check_numa_balancing},
	{"nmi-watchdog", DOCTOR_MED, "a non-maskable interrupt every few seconds on every core",
	 doctor_check_nmi_watchdog},
	{"workqueue", DOCTOR_MED, "kernel work that belongs to no core is put on the poll core",
	 doctor_check_workqueue},
	{"hypervisor", DOCTOR_MED,
	 "who schedules the virtual cores decides when the poller runs; no setting in here changes it",
	 doctor_check_hypervisor},
	{"irq-default", DOCTOR_LOW, "an interrupt that is requested later may land on the poll core",
	 doctor_check_irq_default},
	{"watchdog-cpus", DOCTOR_LOW, "the lockup watchdog's timer interrupts the core every few seconds",
	 doctor_check_watchdog_cpus},
	{"timer-migration", DOCTOR_LOW, "timers of idle cores are moved to busy ones, and a poller is always busy",
	 doctor_check_timer_migration},
	{"stat-interval", DOCTOR_LOW, "a kernel worker runs on every core that often", doctor_check_stat_interval},
	{"preempt-rt", DOCTOR_INFO, "without PREEMPT_RT there is no bound on what the rest of the service waits for",
	 doctor_check_preempt_rt},
	{"mitigations", DOCTOR_INFO, "they make every entry into the kernel dearer; a poller makes none",
	 doctor_check_mitigations},
};

const unsigned doctor_nr_checks = sizeof(doctor_checks) / sizeof(doctor_checks[0]);

static_assert(sizeof(doctor_checks) / sizeof(doctor_checks[0]) + 2 <= DOCTOR_MAX_ANSWERS, "room for the spin test too");

int doctor_start(const struct doctor_root *root, const struct doctor_plan *plan, struct doctor *doctor_out,
		 const char **path_out)
{
	struct doctor doctor = {.root = root, .plan = *plan};
	int rc;

	*path_out = "/sys/devices/system/cpu/online";
	rc = doctor_root_list(root, *path_out, &doctor.online);
	if (rc == 0 && doctor_cpus_empty(&doctor.online))
		rc = -EINVAL;
	if (rc)
		return rc;
	if (doctor.plan.survey)
		doctor.plan.poll = doctor.online;
	if (doctor_cpus_empty(&doctor.plan.housekeeping)) {
		doctor.plan.housekeeping = doctor.online;
		doctor_cpus_minus(&doctor.plan.housekeeping, &doctor.plan.poll);
	}
	if (doctor.plan.priority <= 0)
		doctor.plan.priority = 1;
	if (doctor.plan.pid == 0)
		doctor.plan.pid = doctor_find_process(root, "ioreqd");
	doctor.service = doctor.plan.pid > 0;
	*doctor_out = doctor;
	return 0;
}

void doctor_examine(const struct doctor *doctor, const struct doctor_check *check, struct doctor_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->check = check;
	answer->severity = check->severity;
	answer->result = check->run(doctor, answer);
	/* A pass and the like are about nobody in particular. */
	if (answer->result != DOCTOR_FINDING) {
		memset(&answer->cpus, 0, sizeof(answer->cpus));
		answer->severity = check->severity;
		answer->fix[0] = '\0';
	}
}

unsigned doctor_run(const struct doctor *doctor, struct doctor_answer answers[DOCTOR_MAX_ANSWERS])
{
	for (unsigned i = 0; i < doctor_nr_checks; i++)
		doctor_examine(doctor, &doctor_checks[i], &answers[i]);
	return doctor_nr_checks;
}

int doctor_status(const struct doctor_answer *answers, unsigned nr)
{
	static const int statuses[DOCTOR_NR_SEVERITIES] = {0, 10, 11, 12, 13, 14};
	enum doctor_severity worst = DOCTOR_INFO, unknown = DOCTOR_INFO;

	for (unsigned i = 0; i < nr; i++) {
		if (answers[i].result == DOCTOR_FINDING && answers[i].severity > worst)
			worst = answers[i].severity;
		if (answers[i].result == DOCTOR_UNREADABLE && answers[i].severity > unknown)
			unknown = answers[i].severity;
	}
	return unknown > worst ? DOCTOR_STATUS_UNREADABLE : statuses[worst];
}

const char *doctor_severity_name(enum doctor_severity severity)
{
	static const char *const names[] = {"INFO", "LOW", "MED", "HIGH", "CRIT", "FATAL"};

	return (unsigned)severity < DOCTOR_NR_SEVERITIES ? names[severity] : "?";
}

const char *doctor_result_name(enum doctor_result result)
{
	static const char *const names[] = {"pass", "finding", "unreadable", "not-applicable"};

	return (unsigned)result < DOCTOR_NR_RESULTS ? names[result] : "?";
}
