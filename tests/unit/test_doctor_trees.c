/* SPDX-License-Identifier: MIT */
/*
 * Whole machines: which checks find something on each, what the exit status is, and that the reports can be read by
 * people and by programs.
 *
 * Threads   One. Memory: a tree in /tmp per machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor_tree.h"
#include "pinning/doctor_spin.h"

static struct doctor_answer answers[DOCTOR_MAX_ANSWERS];
static unsigned nr_answers;

/* The ids with that result, in the order of the table, with blanks between. */
static const char *ids(enum doctor_result result)
{
	static char text[1024];

	text[0] = '\0';
	for (unsigned i = 0; i < nr_answers; i++) {
		if (answers[i].result == result)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? " " : "",
				 answers[i].check->id);
	}
	return text;
}

static void run(const char *cores)
{
	nr_answers = doctor_run(doctor_tree_doctor(cores), answers);
}

static char *print(const char *cores, bool json, bool colour, const struct doctor_spin_report *spin)
{
	struct doctor *doctor = doctor_tree_doctor(cores);
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);

	assert_non_null(file);
	if (json)
		doctor_print_json(doctor, answers, nr_answers, spin, file);
	else
		doctor_print(doctor, answers, nr_answers, spin, colour, file);
	fclose(file);
	return text;
}

/* Reads the report with a program that knows JSON. */
static void expect_json(const char *cores, const struct doctor_spin_report *spin)
{
	char *text = print(cores, true, false, spin);
	/* A minimal python3 has no json module, but reads such an object as one of its own. */
	FILE *python =
		popen("python3 -c '\n"
		      "import sys\n"
		      "text = sys.stdin.read()\n"
		      "try:\n"
		      "  import json\n"
		      "  r = json.loads(text)\n"
		      "except ImportError:\n"
		      "  r = eval(text, {\"true\": True, \"false\": False, \"null\": None})\n"
		      "assert len(r[\"checks\"]) >= 40\n"
		      "wanted = \"id result severity cores found path hurts mend\"\n"
		      "assert all(\" \".join(c) == wanted for c in r[\"checks\"])\n"
		      "wanted = \"version poll housekeeping online survey service_pid checks spin exit_status\"\n"
		      "assert \" \".join(r) == wanted'",
		      "w");

	assert_non_null(python);
	fputs(text, python);
	if (pclose(python))
		fail_msg("no JSON as promised: %s", text);
	free(text);
}

static void make(const char *name)
{
	assert_true(doctor_tree_make(name));
}

/* ---- machines ---------------------------------------------------------------------------------------------- */

static void test_trees_perfect_machine_is_clean_and_its_housekeeping_is_not(void **state)
{
	(void)state;
	make("perfect");
	run("2-3");
	assert_string_equal(ids(DOCTOR_FINDING), "");
	assert_string_equal(ids(DOCTOR_UNREADABLE), "");
	assert_int_equal(doctor_status(answers, nr_answers), 0);
	expect_json("2-3", NULL);
	/* The same machine, asked about its housekeeping cores: red. */
	run("0-1");
	assert_string_equal(ids(DOCTOR_FINDING),
			    "isolated nohz-full rcu-nocbs irqs other-tasks workqueue irq-default watchdog-cpus");
	assert_int_equal(doctor_status(answers, nr_answers), 13);
	doctor_tree_remove();
}

static void test_trees_survey_is_green_for_isolated_cores_only(void **state)
{
	char *text;

	(void)state;
	make("perfect");
	run(NULL);
	text = print(NULL, false, false, NULL);
	assert_non_null(strstr(text, "core 2    quiet"));
	assert_non_null(strstr(text, "core 3    quiet"));
	assert_non_null(strstr(text, "core 0    CRIT   isolated, nohz-full"));
	/* No advice with cores that nobody has named. */
	assert_non_null(strstr(text, "isolcpus=managed_irq,domain,<poll cores>"));
	free(text);
	doctor_tree_remove();
}

static void test_trees_partition_isolates_as_well(void **state)
{
	(void)state;
	make("partition");
	run("2-3");
	assert_string_equal(ids(DOCTOR_FINDING), "");
	assert_int_equal(doctor_status(answers, nr_answers), 0);
	doctor_tree_remove();
}

static void test_trees_laptop_is_no_place_for_a_poller(void **state)
{
	(void)state;
	make("laptop");
	run("3");
	assert_string_equal(
		ids(DOCTOR_FINDING),
		"hugepages memlock rtprio rt-throttling isolated nohz-full rcu-nocbs smt other-tasks governor "
		"cstates swap thp nmi-watchdog workqueue irq-default watchdog-cpus timer-migration "
		"stat-interval preempt-rt mitigations");
	assert_string_equal(ids(DOCTOR_UNREADABLE), "fair-server");
	assert_int_equal(doctor_status(answers, nr_answers), 14);
	expect_json("3", NULL);
	doctor_tree_remove();
}

static void test_trees_server_has_siblings_and_a_far_page(void **state)
{
	(void)state;
	make("server");
	run("60-63");
	assert_string_equal(ids(DOCTOR_FINDING), "smt numa numa-balancing");
	assert_int_equal(doctor_status(answers, nr_answers), 12);
	doctor_tree_remove();
}

static void test_trees_unreadable_machine_passes_nothing(void **state)
{
	char *text;

	(void)state;
	make("unreadable");
	run("2-3");
	assert_string_equal(ids(DOCTOR_PASS), "cores-exist housekeeping");
	assert_string_equal(ids(DOCTOR_FINDING), "");
	assert_int_equal(doctor_status(answers, nr_answers), DOCTOR_STATUS_UNREADABLE);
	text = print("2-3", false, false, NULL);
	assert_null(strstr(text, "quiet"));
	assert_non_null(strstr(text, "core 2    ?"));
	free(text);
	doctor_tree_remove();
}

static void test_trees_hostile_contents_end_as_clean_text(void **state)
{
	char *text;

	(void)state;
	make("hostile");
	run("2-3");
	assert_int_equal(doctor_status(answers, nr_answers), DOCTOR_STATUS_UNREADABLE);
	for (unsigned i = 0; i < 2; i++) {
		text = print("2-3", i == 1, false, NULL);
		for (const char *at = text; *at; at++)
			assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
		free(text);
	}
	expect_json("2-3", NULL);
	doctor_tree_remove();
}

static void test_trees_quotes_do_not_end_a_json_string(void **state)
{
	(void)state;
	make("perfect");
	doctor_tree_put("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "a\"b\\c\n");
	run("2-3");
	assert_string_equal(ids(DOCTOR_FINDING), "governor");
	expect_json("2-3", NULL);
	doctor_tree_restore();
	doctor_tree_remove();
}

/* A 2-vCPU virtual machine with a 6.18 kernel, cgroup v1, nothing isolated; recorded. */
static void test_trees_recorded_machine_names_what_it_lacks(void **state)
{
	(void)state;
	make("vm2.recorded");
	run("1");
	assert_non_null(strstr(ids(DOCTOR_FINDING), "rt-throttling rt-group isolated nohz-full rcu-nocbs irqs"));
	assert_non_null(strstr(ids(DOCTOR_FINDING), "hypervisor"));
	assert_int_equal(doctor_status(answers, nr_answers), 13);
	for (unsigned i = 0; i < nr_answers; i++) {
		if (strcmp(answers[i].check->id, "hypervisor") == 0)
			assert_non_null(strstr(answers[i].found, "KVM), and guests that are started in it are nested"));
	}
	doctor_tree_remove();
}

/* ---- the report -------------------------------------------------------------------------------------------- */

static void test_trees_status_weighs_what_could_not_be_read(void **state)
{
	static const struct {
		enum doctor_severity found, unread;
		int status;
	} cases[] = {
		{DOCTOR_INFO, DOCTOR_INFO, 0},    {DOCTOR_LOW, DOCTOR_INFO, 10},  {DOCTOR_LOW, DOCTOR_LOW, 10},
		{DOCTOR_LOW, DOCTOR_MED, 15},     {DOCTOR_INFO, DOCTOR_LOW, 15},  {DOCTOR_MED, DOCTOR_INFO, 11},
		{DOCTOR_HIGH, DOCTOR_HIGH, 12},   {DOCTOR_CRIT, DOCTOR_HIGH, 13}, {DOCTOR_CRIT, DOCTOR_FATAL, 15},
		{DOCTOR_FATAL, DOCTOR_FATAL, 14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct doctor_answer two[2] = {
			{.result = DOCTOR_FINDING, .severity = cases[i].found},
			{.result = DOCTOR_UNREADABLE, .severity = cases[i].unread},
		};

		assert_int_equal(doctor_status(two, 2), cases[i].status);
	}
	/* A pass of a heavy check weighs nothing. */
	assert_int_equal(doctor_status(&(struct doctor_answer){.result = DOCTOR_PASS, .severity = DOCTOR_FATAL}, 1), 0);
}

static void test_trees_colour_only_when_wanted(void **state)
{
	char *plain, *coloured;

	(void)state;
	make("laptop");
	run("3");
	plain = print("3", false, false, NULL);
	coloured = print("3", false, true, NULL);
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(coloured, "\033[31mCRIT"));
	assert_non_null(strstr(plain, "FATAL  memlock"));
	assert_true(strstr(plain, "FATAL  memlock") < strstr(plain, "CRIT   isolated"));
	free(plain);
	free(coloured);
	doctor_tree_remove();
}

static void test_trees_kernel_parameters_are_those_of_the_cores(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(file);
	make("perfect");
	doctor_print_cmdline(doctor_tree_doctor("2-3"), file);
	fclose(file);
	assert_string_equal(
		text, "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1 nmi_watchdog=0 "
		      "nosoftlockup transparent_hugepage=madvise\n");
	free(text);
	doctor_tree_remove();
}

/* ---- the spin test's answers ------------------------------------------------------------------------------- */

static struct doctor_spin_core core(int cpu, uint64_t other_max_us, uint64_t steal_max_us)
{
	struct doctor_spin_core made = {.cpu = cpu, .spun_ns = 2000000000};

	ioreq_histogram_reset(&made.gaps);
	if (other_max_us) {
		made.kind_count[DOCTOR_GAP_OTHER] = 1;
		made.kind_ns[DOCTOR_GAP_OTHER] = made.kind_max_ns[DOCTOR_GAP_OTHER] = other_max_us * 1000;
		ioreq_histogram_record(&made.gaps, other_max_us * 1000);
	}
	if (steal_max_us) {
		made.kind_count[DOCTOR_GAP_STEAL] = 1;
		made.kind_ns[DOCTOR_GAP_STEAL] = made.kind_max_ns[DOCTOR_GAP_STEAL] = steal_max_us * 1000;
		ioreq_histogram_record(&made.gaps, steal_max_us * 1000);
	}
	made.lost_ns = (other_max_us + steal_max_us) * 1000;
	return made;
}

static void test_trees_spin_weighs_own_gaps_and_steal_apart(void **state)
{
	static const struct {
		uint64_t own_us, steal_us;
		int own, steal; /* severity, -1: pass */
	} cases[] = {
		{0, 0, -1, -1},
		{9, 0, -1, -1},
		{50, 0, DOCTOR_MED, -1},
		{500, 0, DOCTOR_HIGH, -1},
		{6000, 0, DOCTOR_CRIT, -1},
		{0, 50, -1, DOCTOR_MED},
		{0, 5000, -1, DOCTOR_HIGH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct doctor_spin_core cores[2] = {core(2, 0, 0), core(3, cases[i].own_us, cases[i].steal_us)};
		struct doctor_spin_report report = {.seconds = 2, .nr = 2, .cores = cores};
		struct doctor_answer two[DOCTOR_SPIN_ANSWERS];

		doctor_spin_judge(&report, two);
		assert_int_equal(two[0].result, cases[i].own < 0 ? DOCTOR_PASS : DOCTOR_FINDING);
		assert_int_equal(two[1].result, cases[i].steal < 0 ? DOCTOR_PASS : DOCTOR_FINDING);
		for (unsigned k = 0; k < 2; k++) {
			int expected = k ? cases[i].steal : cases[i].own;

			if (expected < 0)
				continue;
			assert_int_equal(two[k].severity, expected);
			assert_true(doctor_cpus_has(&two[k].cpus, 3));
			assert_false(doctor_cpus_has(&two[k].cpus, 2));
		}
	}
}

static void test_trees_spin_that_could_not_run_is_no_pass(void **state)
{
	struct doctor_spin_core refused = core(3, 0, 0);
	struct doctor_spin_report report = {.seconds = 2, .nr = 1, .cores = &refused};
	struct doctor_answer two[DOCTOR_SPIN_ANSWERS];

	(void)state;
	refused.error = -22;
	refused.spun_ns = 0;
	doctor_spin_judge(&report, two);
	assert_int_equal(two[0].result, DOCTOR_UNREADABLE);
	assert_int_equal(doctor_status(two, 2), DOCTOR_STATUS_UNREADABLE);
}

static void test_trees_spin_report_is_printed_whole(void **state)
{
	struct doctor_spin_core cores[2] = {core(2, 5, 3000), core(3, 0, 0)};
	struct doctor_spin_report report = {.seconds = 2, .virtual_machine = true, .nr = 2, .cores = cores};
	char *text;

	(void)state;
	make("perfect");
	run("2-3");
	cores[0].witness = 3;
	cores[1].error = -22;
	text = print("2-3", false, false, &report);
	assert_non_null(strstr(text, "core 2, gaps per length:  4 us 1  2048 us 1\n"));
	assert_non_null(strstr(text, "3    could not be run: Invalid argument\n"));
	free(text);
	expect_json("2-3", &report);
	doctor_tree_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees_perfect_machine_is_clean_and_its_housekeeping_is_not),
		cmocka_unit_test(test_trees_survey_is_green_for_isolated_cores_only),
		cmocka_unit_test(test_trees_partition_isolates_as_well),
		cmocka_unit_test(test_trees_laptop_is_no_place_for_a_poller),
		cmocka_unit_test(test_trees_server_has_siblings_and_a_far_page),
		cmocka_unit_test(test_trees_unreadable_machine_passes_nothing),
		cmocka_unit_test(test_trees_hostile_contents_end_as_clean_text),
		cmocka_unit_test(test_trees_quotes_do_not_end_a_json_string),
		cmocka_unit_test(test_trees_recorded_machine_names_what_it_lacks),
		cmocka_unit_test(test_trees_status_weighs_what_could_not_be_read),
		cmocka_unit_test(test_trees_colour_only_when_wanted),
		cmocka_unit_test(test_trees_kernel_parameters_are_those_of_the_cores),
		cmocka_unit_test(test_trees_spin_weighs_own_gaps_and_steal_apart),
		cmocka_unit_test(test_trees_spin_that_could_not_run_is_no_pass),
		cmocka_unit_test(test_trees_spin_report_is_printed_whole),
	};

	if (system("python3 -c pass 2>/dev/null")) {
		puts("skipped: python3 makes the trees, and is missing");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
