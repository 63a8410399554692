#!/bin/sh
# SPDX-License-Identifier: MIT
# SeaBIOS boots on the engine to the end of its boot attempt; with the engine stopped the guest stands still.
. "$(dirname "$0")/lib.sh"
need_kvm
[ -r /usr/share/seabios/bios.bin ] || skip "/usr/share/seabios/bios.bin is missing (package seabios)"

# Accesses that went through the page so far, as the engine counts them.
posted()
{
	set -- $(account)
	echo "${1:-0}"
}

start_engine
start_guest --timeout 60
within 30 grep -q 'SeaBIOS (version' "$console" || fail "no banner of SeaBIOS on the debug console"

# The monitor answers nothing itself.
kill -STOP "$engine"
sleep 0.5
before=$(stat -c %s "$console")
sleep 1.5
kill -0 "$guest" || fail "the guest ended while the engine was stopped"
[ "$(stat -c %s "$console")" -eq "$before" ] || fail "the guest went on while the engine was stopped"
grep -q 'No bootable device' "$console" && fail "the engine was stopped too late for this test to say anything"
kill -CONT "$engine"

within 45 grep -q 'No bootable device.*seconds' "$console" || fail "SeaBIOS did not reach the end of its boot attempt"
# It now waits for a disk, with some accesses a second.
more_than_2500()
{
	[ "$(posted)" -gt 2500 ]
}
within 30 more_than_2500 || fail "only $(posted) requests went through the page; more than 2500 expected"
kill -TERM "$guest"
wait "$guest"

set -- $(account)
[ $# -eq 3 ] || fail "no account"
echo "requests $1, completed $2, lost $3"
[ "$3" -eq 0 ] || fail "$3 requests lost"
stop_engine
