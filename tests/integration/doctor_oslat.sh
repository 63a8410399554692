#!/bin/sh
# SPDX-License-Identifier: MIT
# The spin test against oslat (package rt-tests), in turns within the same minute on the same core and both with the normal
# policy: the share of time lost agrees within a factor of two. FIFO cannot be compared: oslat runs into throttling, the
# doctor avoids it.
. "$(dirname "$0")/lib.sh"
command -v oslat >/dev/null || skip "oslat is missing (package rt-tests)"
command -v setpriv >/dev/null || skip "setpriv is missing (package util-linux)"
[ "$(nproc)" -ge 2 ] || skip "one core only: oslat needs another for its main thread"
core=$(($(nproc --all) - 1))
rounds=4

# Microseconds lost and spun, from oslat's report. Its average counts every loop as one bucket of a microsecond at least:
# what a loop took beyond the first bucket was lost; the time of the last bucket is in the average, too.
oslat_loss()
{
	oslat --cpu-list "$core" --cpu-main-thread 0 --duration 2 --quiet --json="$work/oslat.json" >/dev/null 2>&1 ||
		skip "oslat cannot run here"
	awk -F'[:,]' '/"avg"/ {average = $2} /"duration"/ {seconds = $2} /"histogram"/ {inside = 1; next} /}/ {inside = 0}
		inside {gsub(/[" ]/, "", $1); count += $2; if ($1 == 1) fast = $2}
		END {printf "%.0f %.0f\n", average * count - fast, seconds * 1e6}' "$work/oslat.json"
}

# The same from the doctor, without the right to FIFO.
doctor_loss()
{
	setpriv --bounding-set -sys_nice --inh-caps -sys_nice "$bin/ioreqctl" doctor --cores "$core" --seconds 2 --json >"$work/doctor.json"
	grep -q '"policy": "normal"' "$work/doctor.json" || { cat "$work/doctor.json" >&2; return 1; }
	sed -n 's/.*"spun_ns": \([0-9]*\), "lost_ns": \([0-9]*\),.*/\2 \1/p' "$work/doctor.json" |
		awk '{printf "%.0f %.0f\n", $1 / 1000, $2 / 1000}'
}

compare()
{
	: >"$work/losses"
	for round in $(seq "$rounds"); do
		echo "oslat $(oslat_loss)" >>"$work/losses"
		echo "doctor $(doctor_loss)" >>"$work/losses" || fail "the doctor did not spin with the normal policy"
	done
	awk '{lost[$1] += $2; spun[$1] += $3; printf "%-6s lost %9d us of %9d us: %.4f %%\n", $1, $2, $3, 100 * $2 / $3}
		END {
			if (!lost["oslat"] || !lost["doctor"]) {print "one of them lost nothing at all"; exit 1}
			o = lost["oslat"] / spun["oslat"]; d = lost["doctor"] / spun["doctor"]
			printf "in sum: oslat %.4f %%, doctor %.4f %%, ratio %.2f\n", 100 * o, 100 * d, d / o
			exit !(d / o <= 2 && o / d <= 2)
		}' "$work/losses"
}

# What else runs on this machine comes and goes between two turns: one more chance.
compare || { echo "once more"; compare; } || fail "the spin test and oslat differ by more than a factor of two"
