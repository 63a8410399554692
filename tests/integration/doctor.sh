#!/bin/sh
# SPDX-License-Identifier: MIT
# `ioreqctl doctor` on this machine and on its command line: statuses, what it refuses, a short spin that adds up.
. "$(dirname "$0")/lib.sh"

# expect STATUS argument...: the output is in $work/out.
expect()
{
	wanted=$1
	shift
	"$bin/ioreqctl" doctor "$@" >"$work/out" 2>"$work/err"
	found=$?
	[ "$found" -eq "$wanted" ] || { cat "$work/out" "$work/err"; fail "doctor $*: status $found, expected $wanted"; }
}

expect 0 --help
grep -q 'exit status' "$work/out" || fail "the help does not tell the exit status"
expect 2 --cores 0-99999999
grep -q 'a list of cores' "$work/err" || fail "a wrong list is not explained"
expect 2 --cores
expect 2 --bogus
expect 2 --seconds 0
expect 2 --json=yes
expect 2 rest
expect 2 --fix-cmdline
expect 1 --root /nowhere
expect 1 --root "$work"
expect 2 --fix-cmdline --cores 8000

# A machine that needs nothing but its online cores to be asked: all else could not be read.
mkdir -p "$work/tree/sys/devices/system/cpu" "$work/tree/proc"
echo 0-3 >"$work/tree/sys/devices/system/cpu/online"
expect 15 --root "$work/tree" --cores 2-3
expect 0 --root "$work/tree" --cores 2-3 --fix-cmdline
[ "$(cat "$work/out")" = "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1 nmi_watchdog=0 nosoftlockup transparent_hugepage=madvise" ] ||
	fail "other kernel parameters than expected: $(cat "$work/out")"
expect 2 --root "$work/tree" --cores 0-3 --fix-cmdline

# A core that does not exist is FATAL.
expect 14 --cores 8000 --no-spin

# This machine, with a short spin of its last core: every gap has its kind, and no colour is in a file.
last=$(($(nproc --all) - 1))
"$bin/ioreqctl" doctor --cores "$last" --seconds 0.3 --json >"$work/out"
status=$?
grep -q "\"exit_status\": $status\$" "$work/out" || fail "the JSON tells another exit status than $status"
spun=$(sed -n 's/.*"spun_ns": \([0-9]*\),.*/\1/p' "$work/out")
[ "${spun:-0}" -ge 200000000 ] || fail "0.3 s of spinning are not there, but $spun ns"
"$bin/ioreqctl" doctor --cores "$last" --no-spin >"$work/out"
if grep -q "$(printf '\033')" "$work/out"; then fail "colour in a file"; fi

# A reader that has seen enough is no failure of ours.
"$bin/ioreqctl" doctor --cores "$last" --no-spin | head -n 1 >/dev/null || fail "a closed pipe"
echo "status of this machine: $status"
