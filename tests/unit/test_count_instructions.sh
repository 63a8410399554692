#!/bin/sh
# SPDX-License-Identifier: MIT
# Instructions of one inline request on the poller, counted by callgrind in a library built as the installed one is.
# Usage: test_count_instructions.sh PROGRAM OPTIMISED (ON: linked with link-time optimisation, what the limits are for)
set -u
program=${1:?usage: test_count_instructions.sh PROGRAM OPTIMISED}
repeats=1024 # as in count_instructions.c

# What is allowed: 150 from PENDING seen to COMPLETE is what the project promises; these hold what is reached.
limit_answer=110
limit_answer_strict=120
limit_request=190
limit_request_strict=200

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
	eval limit_a='$'limit_answer${strict:+_strict} limit_r='$'limit_request${strict:+_strict}
	echo "strict_states: ${strict:+true}${strict:-false}" | sed 's/true-strict/true/'
	printf '%-50s %5d instructions\n' 'sweep of 16 free slots' "$idle"
	hold 'sweep called .. COMPLETE stored and notify called' "$answer" "$limit_a"
	hold 'one request in a sweep, counters and histogram too' $((request - idle)) "$limit_r"
	hold 'each of 16 requests in a sweep' $(((full - idle + 15) / 16)) "$limit_r"
done
exit $failed
