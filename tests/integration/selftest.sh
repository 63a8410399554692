#!/bin/sh
# SPDX-License-Identifier: MIT
# selftest.sh BIN VCPUS COMPLETION [ioreqd option...]: the guest self-test passes every case.
bin_argument=$1 vcpus=$2 completion=$3
shift 3
engine_options="$*"
set -- "$bin_argument"
. "$(dirname "$0")/lib.sh"
need_kvm

start_engine --vcpus "$vcpus" $engine_options
start_guest --vcpus "$vcpus" --completion "$completion" --firmware "$bin/ioreq-selftest.bin" --timeout 150 --yield
wait "$guest" || fail "the guest ended with status $?"
within 2 grep -q '^selftest: [0-9]* passed' "$console"
grep '^selftest: FAIL' "$console"
tail -n 1 "$console"
grep -q "^selftest: 93 passed, 0 failed, $vcpus vCPUs" "$console" || fail "not all 93 cases passed"

set -- $(account)
guest_posted=$(sed -n 's/^ioreq-kvm: posted \([0-9]*\) .*/\1/p' "$work/guest.log")
echo "guest posted $guest_posted; engine posted $1 completed $2 lost $3"
[ "$guest_posted" -eq "$2" ] && [ "$3" -eq 0 ] || fail "guest and engine disagree"
stop_engine
