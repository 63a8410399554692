#!/bin/sh
# SPDX-License-Identifier: MIT
# Instructions of one inline request on the poller, counted by callgrind in a library built as the installed one is.
# Usage: test_count_instructions.sh PROGRAM OPTIMISED (linked with link-time optimisation: what the limits are for)
set -u
program=${1:?usage: test_count_instructions.sh PROGRAM OPTIMISED}
repeats=1024 # as in count_instructions.c

# What is promised is 150 from PENDING seen to COMPLETE; the limits hold what is reached, with a little room for a compiler.
limit_steps=145 limit_steps_strict=150 limit_answer=200 limit_answer_strict=205 limit_request=200 limit_request_strict=205
limit_idle=195

case ${2:-} in
ON | YES | TRUE) ;;
*)
	echo "skipped: not an optimised build without sanitizers"
	exit 77
	;;
esac
command -v valgrind >/dev/null || { echo "skipped: valgrind is missing"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

"$program" --steps >"$work/steps"
status=$?
[ $status -eq 0 ] || { cat "$work/steps"; exit $status; }
valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/out" "$program" >"$work/log" 2>&1 ||
	{ cat "$work/log"; exit 1; }

# total PHASE: all instructions that were counted in it.
total()
{
	for file in "$work"/out.*; do
		grep -q "^desc: Trigger: Client Request: $1\$" "$file" && sed -n 's/^\(totals\|summary\): //p' "$file" | head -n 1
	done
}

# each PHASE: of one repetition, without the toggles. Rounded up.
each()
{
	all=$(total "$1") none=$(total toggles)
	[ -n "$all" ] && [ -n "$none" ] || { echo "test_count_instructions.sh: no phase '$1'" >&2; exit 1; }
	echo $(((all - none + repeats - 1) / repeats))
}

failed=0
# hold WHAT FOUND LIMIT
hold()
{
	printf '%-50s %5d instructions (limit %d)\n' "$1" "$2" "$3"
	if [ "$2" -gt "$3" ] || [ "$2" -lt 30 ]; then
		echo "test_count_instructions.sh: $1: $2 instructions; allowed: 30..$3"
		failed=1
	fi
}

for strict in '' -strict; do
	idle=$(each idle$strict) answer=$(each answer$strict) request=$(each request$strict) full=$(each full$strict)
	[ -n "$idle" ] && [ -n "$answer" ] && [ -n "$request" ] && [ -n "$full" ] || exit 1
	[ -z "$strict" ] && mode=plain || mode=strict
	steps=$(awk -v mode=$mode '$1 == mode { print $3 }' "$work/steps")
	eval limit_s='$'limit_steps${strict:+_strict} limit_a='$'limit_answer${strict:+_strict}
	eval limit_r='$'limit_request${strict:+_strict}
	[ $mode = plain ] && echo 'strict_states: false' || echo 'strict_states: true'
	hold 'PENDING seen .. COMPLETE stored' "${steps:-0}" "$limit_s"
	hold 'sweep called .. COMPLETE stored and notify called' "$answer" "$limit_a"
	hold 'one request in a sweep, counters and histogram too' $((request - idle)) "$limit_r"
	hold 'each of 16 requests in a sweep' $(((full - idle + 15) / 16)) "$limit_r"
	hold 'sweep of 16 free slots' "$idle" $limit_idle
done
exit $failed
