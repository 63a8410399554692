#!/bin/sh
# SPDX-License-Identifier: MIT
# Each case of the guest self-test is seen to fail, against an engine that answers everything wrongly.
wrong_engine=$2
. "$(dirname "$0")/lib.sh"
need_kvm

"$wrong_engine" "$page" 1 "$console" &
pids="$pids $!"
start_guest --firmware "$bin/ioreq-selftest.bin" --timeout 150
wait "$guest" || fail "the guest ended with status $?"
within 2 grep -q '^selftest: [0-9]* passed' "$console"

# The one case that asks no device: it waits for the other vCPUs.
grep '^selftest: PASS' "$console" | grep -v 'PASS vcpus-started$' && fail "these cases passed with wrong answers"
tail -n 1 "$console"
grep -q '^selftest: 1 passed, 92 failed' "$console" || fail "92 failures expected"
