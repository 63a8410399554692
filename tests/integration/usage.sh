#!/bin/sh
# SPDX-License-Identifier: MIT
# Wrong command lines and places: one sentence that names place, value and what is allowed, a distinct status, no crash.
. "$(dirname "$0")/lib.sh"

# refused STATUS PATTERN COMMAND...
refused()
{
	wanted=$1 pattern=$2
	shift 2
	timeout 10 "$@" >"$work/out" 2>&1 </dev/null
	status=$?
	[ "$status" -eq "$wanted" ] || fail "$*: status $status, expected $wanted: $(cat "$work/out")"
	grep -q -- "$pattern" "$work/out" || fail "$*: no '$pattern' in: $(cat "$work/out")"
}

for program in ioreqd ioreqctl ioreq-kvm ioreq-bench; do
	refused 0 '^[Uu]sage: ' "$bin/$program" --help
	refused 0 "^$program [0-9]*\.[0-9]*\.[0-9]*$" "$bin/$program" --version
	refused 2 "$program" "$bin/$program" --no-such-option
done
refused 2 "'17'; allowed: 1..16" "$bin/ioreqd" --vcpus 17
refused 2 "'0'; allowed: 1..16" "$bin/ioreqd" --vcpus 0
refused 2 "'1x'; allowed" "$bin/ioreqd" --vcpus 1x
refused 2 "'-1'; allowed" "$bin/ioreqd" --core -1
refused 2 "'fast'; allowed: pause, spin, yield" "$bin/ioreqd" --idle fast
refused 2 "'100'; allowed: 0..99" "$bin/ioreqd" --core 1 --priority 100
refused 2 "'3-1'; allowed: cores" "$bin/ioreqd" --core 1 --housekeeping 3-1
refused 2 "'yes'; allowed: require, prefer, off" "$bin/ioreqd" --core 1 --hugepages yes
refused 2 "'64MB'; allowed: a number with KiB, MiB or GiB" "$bin/ioreqd" --core 1 --memory-reserve 64MB
refused 2 "'99999999999GiB'; allowed" "$bin/ioreqd" --core 1 --memory-reserve 99999999999GiB
refused 2 "need --core" "$bin/ioreqd" --priority 1
refused 20 "allowed: 8 MiB" "$bin/ioreqd" --core 1 --housekeeping 0 --memory-reserve 1KiB
refused 2 "unexpected argument 'x'" "$bin/ioreqd" x
refused 1 "$work/none/stats" "$bin/ioreqd" --stats "$work/none/stats"
refused 1 'console' "$bin/ioreqd" --stats "$stats" --console "$work/none/console"
refused 22 'core 1023 does not exist' "$bin/ioreqd" --stats "$stats" --console "$console" --serial "$console" --core 1023
refused 1 "$work/none" "$bin/ioreqctl" summary --stats "$work/none"
printf 'not counters' >"$work/foreign"
refused 1 "$work/foreign" "$bin/ioreqctl" summary --stats "$work/foreign"

# A configuration is looked at without touching the machine.
examples=$(dirname "$0")/../../config/examples
for example in demo production; do
	"$bin/ioreqd" --check "$examples/$example.yaml" || fail "--check of $example.yaml"
	"$bin/ioreqd" --print "$examples/$example.yaml" >"$work/printed.yaml" || fail "--print of $example.yaml"
	"$bin/ioreqd" --print "$work/printed.yaml" | cmp -s - "$work/printed.yaml" || fail "$example.yaml: printed twice, two texts"
done
printf 'pollers: [{name: p0, core: 1, prioritee: 3}]\n' >"$work/bad.yaml"
refused 1 "bad.yaml:1:31: error: pollers\[0\].prioritee: .*did you mean 'priority'" "$bin/ioreqd" --check "$work/bad.yaml"
refused 1 "$work/none.yaml" "$bin/ioreqd" --check "$work/none.yaml"
