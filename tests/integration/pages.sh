#!/bin/sh
# SPDX-License-Identifier: MIT
# A page file's life under a running ioreqd: missing, made, replaced, cut short, wrong, owned by another engine.
. "$(dirname "$0")/lib.sh"

said()
{
	grep -q -- "$1" "$log"
}

load()
{
	"$bin/ioreq-bench" load "$page" --vcpus 2 --requests 20000 --completion mixed "$@" >"$work/guest.log" 2>&1
}

start_engine --vcpus 2
within 5 said 'attach: waiting vm=vm0' || fail "a missing page is not waited for"

load || fail "the first hypervisor was not served"
load --hostile 5 || fail "the second hypervisor, on a new page, was not served"
[ "$(grep -c 'attach: attached' "$log")" -ge 2 ] || fail "the new page was not followed"

# Wrong files: each gets its sentence and no service; a right one afterwards is served.
within 5 sh -c "! [ -e '$page' ]" || fail "the hypervisor left its page behind"
printf 'short' >"$page"
within 5 said 'bytes; allowed: exactly 8192' || fail "a short file is not refused"
head -c 8192 /dev/zero >"$work/zero"
mv "$work/zero" "$page"
within 5 said 'magic 0x0; allowed' || fail "a file of zeroes is not refused"
rm "$page"
mkfifo "$page"
within 5 said 'not a regular file' || fail "a FIFO is not refused"
rm "$page"
load || fail "after wrong files a right one is not served"

# A page for another number of vCPUs.
"$bin/ioreq-bench" load "$page" --vcpus 1 --requests 10 --wait 1 >/dev/null 2>&1
said 'made for 1 vCPUs; the configuration says 2' || fail "a page for another number of vCPUs is not refused"

# Cut short under load: that page is lost, the engine lives and serves the next one.
"$bin/ioreq-bench" load "$page" --vcpus 2 --seconds 20 >/dev/null 2>&1 &
victim=$!
pids="$pids $victim"
attached=$(grep -c 'attach: attached' "$log")
within 5 sh -c "[ \$(grep -c 'attach: attached' '$log') -gt 0 ] && [ -e '$page' ]"
sleep 0.5
truncate -s 0 "$page"
within 5 said 'reason="truncated"' || fail "a truncated page was not noticed"
kill -KILL "$victim"
wait "$victim" 2>/dev/null
rm -f "$page"
load || fail "after a truncated page the next one is not served"

# A second engine on a page in use.
"$bin/ioreq-bench" load "$page" --vcpus 2 --seconds 20 >/dev/null 2>&1 &
victim=$!
pids="$pids $victim"
within 5 test -e "$page"
sleep 0.5
"$bin/ioreqd" --page "$page" --vcpus 2 --stats "$work/stats2" --console "$work/c2" --serial "$work/s2" --idle yield \
	2>"$work/second.log" &
second=$!
pids="$pids $second"
within 5 grep -q 'owned by another engine' "$work/second.log" || fail "a second engine on the page is not refused"
kill -TERM "$second"
wait "$second" || fail "the refused engine did not end cleanly"
kill -INT "$victim"
wait "$victim"
[ $? -eq 130 ] || fail "the hypervisor was disturbed by the refused engine"
stop_engine
