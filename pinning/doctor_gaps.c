/* SPDX-License-Identifier: MIT */
/* What the gaps of a spinning core were. See doctor_gaps.h. */
#include "pinning/doctor_gaps.h"

#define SECOND_NS UINT64_C(1000000000)
#define SAME_MOMENT_NS 5000 /* shorter ones meet by chance, and no hypervisor comes back that fast */
#define COUNTED_NS 100000   /* the kernel's count of steal has a resolution of milliseconds */

/* The first gap that starts at or after a moment. */
static size_t find_from(const struct doctor_gap *gaps, size_t nr, uint64_t start_ns)
{
	size_t low = 0;

	while (low < nr) {
		size_t middle = low + (nr - low) / 2;

		if (gaps[middle].start_ns < start_ns)
			low = middle + 1;
		else
			nr = middle;
	}
	return low;
}

/* ---- the tick ---------------------------------------------------------------------------------------------- */

/* What delays a tick makes it longer, too; but what lasts an eighth of the time between two ticks is none. */
static bool may_be_tick(const struct doctor_gap *gap, uint64_t period_ns)
{
	return gap->length_ns <= period_ns / 8;
}

/* Whether another short gap comes `apart_ns` after gap `at`. */
static bool has_companion(const struct doctor_gap *gaps, size_t nr, size_t at, uint64_t period_ns, uint64_t apart_ns)
{
	uint64_t tolerance_ns = period_ns / 50, wanted_ns = gaps[at].start_ns + apart_ns;
	size_t next = find_from(gaps, nr, wanted_ns - tolerance_ns);

	for (; next < nr && gaps[next].start_ns <= wanted_ns + tolerance_ns; next++) {
		if (next > at && may_be_tick(&gaps[next], period_ns))
			return true;
	}
	return false;
}

static size_t count_companions(const struct doctor_gap *gaps, size_t nr, uint64_t period_ns, uint64_t apart_ns)
{
	size_t found = 0;

	for (size_t i = 0; i < nr; i++)
		found += may_be_tick(&gaps[i], period_ns) && has_companion(gaps, nr, i, period_ns, apart_ns);
	return found;
}

/*
 * The fastest frequency at which enough gaps follow each other. Many gaps at random follow each other at any distance:
 * the count at a distance that is no period says how many. A rhythm that the kernel has not counted as timer
 * interrupts is not its own: a host has a tick too.
 */
static unsigned find_frequency(const struct doctor_gap *gaps, size_t nr, const struct doctor_gap_rules *rules)
{
	static const unsigned frequencies[] = {1000, 300, 250, 100};

	for (unsigned i = 0; i < sizeof(frequencies) / sizeof(frequencies[0]); i++) {
		uint64_t period_ns = SECOND_NS / frequencies[i];
		size_t expected = (size_t)(rules->spun_ns / period_ns);
		size_t found = count_companions(gaps, nr, period_ns, period_ns);
		size_t chance = count_companions(gaps, nr, period_ns, period_ns * 37 / 50);

		if (found >= 8 && found * 3 >= expected && found > 3 * chance && rules->timer_interrupts * 2 >= found)
			return frequencies[i];
	}
	return 0;
}

/* A gap that three of the next four periods begin with a gap: where the row of ticks begins. */
static bool begins_row(const struct doctor_gap *gaps, size_t nr, size_t at, uint64_t period_ns)
{
	unsigned found = 0;

	for (unsigned i = 1; i <= 4; i++)
		found += has_companion(gaps, nr, at, period_ns, i * period_ns);
	return found >= 3;
}

/* Behind the first, a gap is a tick if it is a whole number of periods behind the last one. */
static void mark_ticks(struct doctor_gap *gaps, size_t nr, unsigned frequency)
{
	uint64_t period_ns = SECOND_NS / frequency, tolerance_ns = period_ns / 50, last_ns = 0;
	bool begun = false;

	for (size_t i = 0; i < nr; i++) {
		if (!may_be_tick(&gaps[i], period_ns))
			continue;
		if (!begun) {
			begun = begins_row(gaps, nr, i, period_ns);
			last_ns = begun ? gaps[i].start_ns : 0;
		}
		if (!begun || (gaps[i].start_ns - last_ns + tolerance_ns) % period_ns > 2 * tolerance_ns)
			continue;
		gaps[i].kind = DOCTOR_GAP_TICK;
		last_ns = gaps[i].start_ns;
	}
}

/* ---- throttling -------------------------------------------------------------------------------------------- */

static bool may_be_throttling(const struct doctor_gap *gap, const struct doctor_gap_rules *rules)
{
	return gap->length_ns >= rules->throttle_stop_ns * 6 / 10 &&
	       gap->length_ns <= rules->throttle_stop_ns * 14 / 10;
}

/* Two stops of the right length, a whole number of periods apart. */
static void mark_throttling(struct doctor_gap *gaps, size_t nr, const struct doctor_gap_rules *rules)
{
	uint64_t period_ns = rules->throttle_period_ns;
	struct doctor_gap *before = NULL;

	if (period_ns == 0 || rules->throttle_stop_ns == 0)
		return;
	for (size_t i = 0; i < nr; i++) {
		uint64_t end_ns = gaps[i].start_ns + gaps[i].length_ns, apart_ns;

		if (!may_be_throttling(&gaps[i], rules))
			continue;
		/* From end to end: the period begins when the thread may run again. */
		apart_ns = before ? end_ns - (before->start_ns + before->length_ns) : 0;
		if (apart_ns > period_ns / 2 && (apart_ns + period_ns / 10) % period_ns <= period_ns / 5)
			before->kind = gaps[i].kind = DOCTOR_GAP_THROTTLE;
		before = &gaps[i];
	}
}

/* ---- steal ------------------------------------------------------------------------------------------------- */

static uint64_t overlap_ns(const struct doctor_gap *a, const struct doctor_gap *b)
{
	uint64_t start_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
	uint64_t a_end_ns = a->start_ns + a->length_ns, b_end_ns = b->start_ns + b->length_ns;
	uint64_t end_ns = a_end_ns < b_end_ns ? a_end_ns : b_end_ns;

	return end_ns > start_ns ? end_ns - start_ns : 0;
}

static uint64_t mark_same_moment(struct doctor_gap *gaps, size_t nr, const struct doctor_gap *other, size_t nr_other)
{
	uint64_t sum_ns = 0;
	size_t at = 0;

	for (size_t i = 0; i < nr; i++) {
		if (gaps[i].kind != DOCTOR_GAP_OTHER || gaps[i].length_ns < SAME_MOMENT_NS)
			continue;
		while (at < nr_other && other[at].start_ns + other[at].length_ns <= gaps[i].start_ns)
			at++;
		for (size_t k = at; k < nr_other && other[k].start_ns < gaps[i].start_ns + gaps[i].length_ns; k++) {
			uint64_t longer_ns =
				gaps[i].length_ns > other[k].length_ns ? gaps[i].length_ns : other[k].length_ns;

			if (overlap_ns(&gaps[i], &other[k]) * 2 < longer_ns)
				continue;
			gaps[i].kind = DOCTOR_GAP_STEAL;
			sum_ns += gaps[i].length_ns;
			break;
		}
	}
	return sum_ns;
}

/* What the kernel counted beyond that was taken from this core alone: the longest gaps, as far as the count goes. */
static void mark_stolen(struct doctor_gap *gaps, size_t nr, uint64_t stolen_ns)
{
	while (stolen_ns >= COUNTED_NS) {
		struct doctor_gap *longest = NULL;

		for (size_t i = 0; i < nr; i++) {
			if (gaps[i].kind == DOCTOR_GAP_OTHER && gaps[i].length_ns / 2 <= stolen_ns &&
			    gaps[i].length_ns >= COUNTED_NS && (!longest || gaps[i].length_ns > longest->length_ns))
				longest = &gaps[i];
		}
		if (!longest)
			return;
		longest->kind = DOCTOR_GAP_STEAL;
		stolen_ns -= longest->length_ns < stolen_ns ? longest->length_ns : stolen_ns;
	}
}

unsigned doctor_gaps_classify(struct doctor_gap *gaps, size_t nr, const struct doctor_gap *other, size_t nr_other,
			      const struct doctor_gap_rules *rules)
{
	unsigned frequency = find_frequency(gaps, nr, rules);
	uint64_t together_ns;

	for (size_t i = 0; i < nr; i++)
		gaps[i].kind = DOCTOR_GAP_OTHER;
	/* Ticks of all cores come at the same moments, so they are taken out first. */
	if (frequency)
		mark_ticks(gaps, nr, frequency);
	mark_throttling(gaps, nr, rules);
	together_ns = mark_same_moment(gaps, nr, other, nr_other);
	if (rules->stolen_ns > together_ns)
		mark_stolen(gaps, nr, rules->stolen_ns - together_ns);
	return frequency;
}
