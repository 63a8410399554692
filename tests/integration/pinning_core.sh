#!/bin/sh
# SPDX-License-Identifier: MIT
# A poller on its isolated core: FIFO, hugepages, locked memory, alone; it serves; it starts quickly and stays small.
. "$(dirname "$0")/pinning_lib.sh"
startup=$3

# daemon [option...]: ioreqd in the background, ready. Unlike start_engine(): its poller has a core and may keep it.
daemon()
{
	: >"$log"
	"$bin/ioreqd" --page "$page" --stats "$stats" --console "$console" --serial "$console" --core "$core" "$@" \
		>"$log" 2>&1 &
	engine=$!
	pids="$pids $engine"
	within 10 grep -q 'ioreqd: ready' "$log" || fail "no start"
}

field()
{
	sed -n "s/^$1:[	 ]*//p" "$2"
}

# ---- with hugepages ----
reserve 48
daemon --priority 7 --hugepages require
grep -q "pinning: started name=ioreqd cores=$core housekeeping=$housekeeping.* hugepages=yes memory_mib=64" "$log" ||
	fail "the start is not reported"

# Only the poller may run on the core, and only there, under FIFO with reset on fork.
pollers=0
for task in /proc/$engine/task/*; do
	allowed=$(field Cpus_allowed_list "$task/status") name=$(field Name "$task/status")
	echo "$name: CPUs $allowed, $(chrt -p "${task##*/}" | sed -n "s/.*policy: //p")"
	if [ "$name" = p0 ]; then
		pollers=$((pollers + 1))
		[ "$allowed" = "$core" ] || fail "the poller may run on $allowed"
		chrt -p "${task##*/}" | grep -q 'SCHED_FIFO|SCHED_RESET_ON_FORK' || fail "the poller is not FIFO"
		chrt -p "${task##*/}" | grep -q 'priority: 7$' || fail "the poller has another priority"
	else
		case ",$(taskset -cp "${task##*/}" | sed 's/.*: //')," in
		*[,-]"$core"[,-]*) fail "$name may run on poll core $core: $allowed" ;;
		esac
		chrt -p "${task##*/}" | grep -q 'SCHED_OTHER' || fail "$name is not an ordinary thread"
	fi
done
[ "$pollers" -eq 1 ] || fail "$pollers pollers"
[ "$(field HugetlbPages /proc/$engine/status)" = "65536 kB" ] || fail "no hugepages"
locked=$(field VmLck /proc/$engine/status) size=$(field VmSize /proc/$engine/status)
echo "locked $locked of $size, hugepages $(field HugetlbPages /proc/$engine/status)"
[ "${locked% kB}" -gt 1000000 ] || fail "memory is not locked: $locked"
descriptors=$(ls /proc/$engine/fd | wc -l)
[ "$descriptors" -lt 32 ] || fail "$descriptors descriptors: one per hugepage?"
throttle=$(cat /proc/sys/kernel/sched_rt_runtime_us)
if [ "$throttle" -gt 0 ]; then
	[ "$(grep -c 'pinning: throttled reason=' "$log")" -eq 1 ] || fail "throttling is not explained in one line"
fi

# It serves.
taskset -c "$housekeeping" "$bin/ioreq-bench" load "$page" --vcpus 1 --requests 20000 --completion mixed \
	>"$work/guest.log" 2>&1 || fail "the load failed: $(cat "$work/guest.log")"
stop_engine
[ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" -ge 48 ] || fail "hugepages leaked"

# A killed one leaves no hugepage behind either.
daemon --hugepages require
[ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" -lt 48 ] || fail "no hugepages in use"
kill -KILL "$engine"
wait "$engine" 2>/dev/null
within 5 sh -c '[ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)" -ge 48 ]' || fail "hugepages leaked by a kill"

# The library's own view of its memory: page size, lock, node; cores given back and taken again.
"$probe" --core "$core:3" --hugepages require --run 50 >"$work/out" 2>&1 || fail "the probe: $(cat "$work/out")"
grep -q 'memory page_kib=2048 locked=yes page_node=0 core_node=0 distance=10' "$work/out" ||
	grep -q 'memory page_kib=2048 locked=yes page_node=\([0-9]*\) core_node=\1 distance=10' "$work/out" ||
	fail "the memory is not what was asked for: $(cat "$work/out")"
[ "$(grep -c . "$work/out")" -le 4 ] || fail "EAL talks: $(cat "$work/out")"

[ ! -e "$(find /run/dpdk /tmp/dpdk -maxdepth 1 -name probe 2>/dev/null)" ] || fail "EAL leaves a folder behind"

# Two capabilities, or the limits that stand for them, are all it takes: no root.
rights=+ipc_lock,+sys_nice
setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps "-all,$rights" --ambient-caps "-all,$rights" \
	--bounding-set "-all,$rights" "$probe" --name unprivileged --core "$core:3" --hugepages require --run 50 \
	>"$work/out" 2>&1 || fail "without root: $(cat "$work/out")"
grep -q 'memory page_kib=2048 locked=yes' "$work/out" || fail "without root there are no hugepages: $(cat "$work/out")"

# ---- start-up ----
"$startup" 300 16 5 "$bin/ioreqd" --page "$page" --stats "$stats" --console "$console" --serial "$console" --core "$core" \
	--priority 1 --hugepages require || fail "start-up is too slow or too large"

# ---- without ----
no_pages
"$probe" --core "$core:3" --hugepages prefer --run 50 >"$work/out" 2>&1 || fail "prefer does not fall back: $(cat "$work/out")"
[ "$(grep -c 'no-hugepages reason=' "$work/out")" -eq 1 ] || fail "the fall-back is not said in one line: $(cat "$work/out")"
grep -q 'memory page_kib=4 locked=yes page_node=\([0-9]*\) core_node=\1 distance=10' "$work/out" ||
	fail "ordinary memory is not locked on the node: $(cat "$work/out")"
"$probe" --core "$core" --hugepages off >"$work/out" 2>&1 || fail "off: $(cat "$work/out")"
grep -q 'no-hugepages' "$work/out" && fail "off talks about hugepages"
echo "the poller is alone on core $core"
