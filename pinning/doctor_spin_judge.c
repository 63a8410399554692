/* SPDX-License-Identifier: MIT */
/* What the spin test says about each core, as two answers among the others. See doctor_spin.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinning/doctor_check.h"
#include "pinning/doctor_spin.h"

static const struct doctor_check spin_check = {"spin", DOCTOR_CRIT,
					       "this is what a request that comes at the wrong moment waits for", NULL};
static const struct doctor_check steal_check = {
	"spin-steal", DOCTOR_HIGH, "the whole machine was stopped from outside: no setting in here changes it", NULL};

#define QUIET_NS 10000   /* a request that waits that long still meets any deadline that a guest can have */
#define LOUD_NS 100000   /* longer than the path through an interrupt, which polling is to replace */
#define LOST_NS 5000000  /* guests take their device for dead */
#define LOUD_SHARE 0.001 /* one request in a thousand meets a gap */

/* The sum and the longest of what the machine itself did, and of what was done to it. */
struct loss {
	uint64_t own_ns, own_max_ns, steal_ns, steal_max_ns;
};

static struct loss loss_of(const struct doctor_spin_core *core)
{
	struct loss loss = {.steal_ns = core->kind_ns[DOCTOR_GAP_STEAL],
			    .steal_max_ns = core->kind_max_ns[DOCTOR_GAP_STEAL]};

	for (unsigned kind = 0; kind < DOCTOR_NR_GAP_KINDS; kind++) {
		if (kind == DOCTOR_GAP_STEAL)
			continue;
		loss.own_ns += core->kind_ns[kind];
		if (core->kind_max_ns[kind] > loss.own_max_ns)
			loss.own_max_ns = core->kind_max_ns[kind];
	}
	return loss;
}

static enum doctor_severity weigh(const struct doctor_spin_core *core, const struct loss *loss)
{
	double share = core->spun_ns ? (double)loss->own_ns / (double)core->spun_ns : 0.0;

	if (core->kind_count[DOCTOR_GAP_THROTTLE] || loss->own_max_ns > LOST_NS)
		return DOCTOR_CRIT;
	if (loss->own_max_ns > LOUD_NS || share > LOUD_SHARE)
		return DOCTOR_HIGH;
	return loss->own_max_ns > QUIET_NS ? DOCTOR_MED : DOCTOR_INFO;
}

static void begin(struct doctor_answer *answer, const struct doctor_check *check)
{
	memset(answer, 0, sizeof(*answer));
	answer->check = check;
	answer->severity = DOCTOR_INFO;
}

/* The worst core is named; its neighbours are in the table of the test. */
static void judge_own(const struct doctor_spin_report *report, struct doctor_answer *answer)
{
	const struct doctor_spin_core *worst = NULL;
	struct loss worst_loss = {0};

	begin(answer, &spin_check);
	for (unsigned i = 0; i < report->nr; i++) {
		struct loss loss = loss_of(&report->cores[i]);
		enum doctor_severity severity = weigh(&report->cores[i], &loss);

		if (severity > DOCTOR_INFO)
			doctor_cpus_add(&answer->cpus, (unsigned)report->cores[i].cpu);
		if (severity > answer->severity || !worst || loss.own_max_ns > worst_loss.own_max_ns) {
			worst = &report->cores[i];
			worst_loss = loss;
		}
		answer->severity = severity > answer->severity ? severity : answer->severity;
	}
	if (!worst || answer->severity == DOCTOR_INFO) {
		answer->severity = spin_check.severity;
		answer->result = doctor_pass(answer, "spin test", "no gap above %d us but for what came from outside",
					     QUIET_NS / 1000);
		return;
	}
	doctor_fix(answer,
		   "the findings above name the causes; what remains: trace it, trace-cmd record -e irq -e sched "
		   "-M <mask of core %d>",
		   worst->cpu);
	answer->result = doctor_find(
		answer, "spin test", "core %d stood still for up to %" PRIu64 " us, in sum %.3f %% of its time",
		worst->cpu, worst_loss.own_max_ns / 1000, 100.0 * (double)worst_loss.own_ns / (double)worst->spun_ns);
}

static void judge_steal(const struct doctor_spin_report *report, struct doctor_answer *answer)
{
	uint64_t max_ns = 0;
	double share = 0.0;

	begin(answer, &steal_check);
	answer->severity = steal_check.severity;
	for (unsigned i = 0; i < report->nr; i++) {
		const struct doctor_spin_core *core = &report->cores[i];
		struct loss loss = loss_of(core);

		if (!core->kind_count[DOCTOR_GAP_STEAL])
			continue;
		doctor_cpus_add(&answer->cpus, (unsigned)core->cpu);
		max_ns = loss.steal_max_ns > max_ns ? loss.steal_max_ns : max_ns;
		if ((double)loss.steal_ns > share * (double)core->spun_ns)
			share = (double)loss.steal_ns / (double)core->spun_ns;
	}
	if (doctor_cpus_empty(&answer->cpus)) {
		answer->result = doctor_pass(answer, "spin test", "nothing stopped the machine from outside");
		return;
	}
	answer->severity = share > 0.0001 || max_ns > LOUD_NS ? DOCTOR_HIGH : DOCTOR_MED;
	if (report->virtual_machine)
		doctor_fix(answer, "on the host: give each of these vCPUs a physical core of its own");
	else
		doctor_fix(answer,
			   "firmware: switch off what runs in system management mode (USB legacy support, power and "
			   "thermal management)");
	answer->result = doctor_find(
		answer, "spin test", "%s stopped the cores for up to %" PRIu64 " us, in sum %.3f %% of the time",
		report->virtual_machine ? "the hypervisor" : "the firmware (SMI)", max_ns / 1000, 100.0 * share);
}

static int first_error(const struct doctor_spin_report *report, struct doctor_cpus *cpus)
{
	int error = 0;

	for (unsigned i = 0; i < report->nr; i++) {
		if (!report->cores[i].error)
			continue;
		doctor_cpus_add(cpus, (unsigned)report->cores[i].cpu);
		error = error ? error : report->cores[i].error;
	}
	return error;
}

void doctor_spin_judge(const struct doctor_spin_report *report, struct doctor_answer answers[DOCTOR_SPIN_ANSWERS])
{
	struct doctor_cpus refused = {{0}};
	int error = first_error(report, &refused);

	judge_own(report, &answers[0]);
	judge_steal(report, &answers[1]);
	/* A core that could not be tried is not a quiet one. */
	if (!error || answers[0].result == DOCTOR_FINDING)
		return;
	begin(&answers[0], &spin_check);
	answers[0].severity = spin_check.severity;
	snprintf(answers[0].found, sizeof(answers[0].found), "could not be run on cores %s: %s",
		 doctor_cores(&refused).text, strerror(-error));
	snprintf(answers[0].path, sizeof(answers[0].path), "spin test");
	answers[0].result = DOCTOR_UNREADABLE;
}
