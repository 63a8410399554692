#!/bin/sh
# SPDX-License-Identifier: MIT
# What a machine or a configuration can deny: each gives one sentence with cause and remedy, and a status of its own.
. "$(dirname "$0")/pinning_lib.sh"

daemon="$bin/ioreqd --page $page --stats $stats --console $console --serial $console --idle yield"
absent=1000

# ---- values, cores ----
refused 20 "allowed: 1..31 letters" "$probe" --name 'a/b' --core "$core"
refused 20 "priority 100; allowed" "$probe" --core "$core:100"
refused 20 "allowed: 8 MiB..16384 MiB" "$probe" --core "$core" --memory 1
refused 20 "0 pollers; allowed" "$probe"
refused 21 "core $core is given to pollers p0 and p1: give" "$probe" --core "$core" --core "$core"
refused 22 "core $absent does not exist" "$probe" --core $absent
refused 22 "core $absent does not exist" $daemon --core $absent
refused 23 "core $core is outside the CPUs this process may use, $housekeeping: add" \
	taskset -c "$housekeeping" $daemon --core "$core"
refused 24 "CPU $core is the only one" taskset -c "$core" $daemon --core "$core"
refused 25 "core $core is both" $daemon --core "$core" --housekeeping "$core"
refused 25 "housekeeping core $absent is not there" $daemon --core "$core" --housekeeping "$absent"

# A cpuset without the core: EAL would abort().
make_group()
{
	if [ -d /sys/fs/cgroup/cpuset ]; then
		group=/sys/fs/cgroup/cpuset/ioreq-test-$$
		mkdir "$group" && cat /sys/fs/cgroup/cpuset/cpuset.mems >"$group/cpuset.mems"
	else
		group=/sys/fs/cgroup/ioreq-test-$$
		grep -qw cpuset /sys/fs/cgroup/cgroup.subtree_control && mkdir "$group"
	fi && echo "$housekeeping" >"$group/cpuset.cpus"
} 2>/dev/null
if make_group; then
	refused 23 "core $core is outside the cpuset $housekeeping of .*ioreq-test" \
		sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" $daemon --core "$core"
else
	[ -d "$group" ] || group=""
	echo "not tried: no cpuset can be made here"
fi

# ---- memory ----
no_pages
refused 27 "0 MiB of free hugepages, 64 MiB are asked for: echo 32 >" $daemon --core "$core" --hugepages require

# ---- rights: root without a capability, nobody without anything ----
without_lock="setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock prlimit --memlock=65536:65536"
refused 29 "RLIMIT_MEMLOCK is 64 KiB: set LimitMEMLOCK=infinity" $without_lock $daemon --core "$core"
nobody="setpriv --reuid nobody --regid nogroup --clear-groups --bounding-set -all --inh-caps -all"
refused 30 "SCHED_FIFO 10 is not allowed, RLIMIT_RTPRIO is 0: set LimitRTPRIO=10" \
	prlimit --rtprio=0:0 $nobody "$probe" --core "$core:10"
refused 29 "memory cannot be locked, RLIMIT_MEMLOCK is 64 KiB" prlimit --memlock=65536:65536 $nobody "$probe" --core "$core"

# ---- limits that EAL would answer with a signal ----
refused 31 "RLIMIT_NOFILE is 20 and" prlimit --nofile=20:20 "$probe" --core "$core"
refused 31 "RLIMIT_AS is 100 MiB" prlimit --as=104857600:104857600 "$probe" --core "$core"
refused 31 "RLIMIT_FSIZE is 1024 KiB" prlimit --fsize=1048576:1048576 "$probe" --core "$core" --hugepages off
refused 31 "RLIMIT_RTTIME is 1000 us and would kill" prlimit --rttime=1000:1000 "$probe" --core "$core:1"
refused 31 "3 threads are needed and 1 could be started" "$probe" --core "$core" --hugepages off --break-thread 2

# ---- inside EAL: an error, an abort(), a second start ----
refused 33 "DPDK's EAL does not start (.*): .*interrupt handling; see what changed" "$probe" --core "$core" --hugepages off --break-thread 4
refused 33 "probe: DPDK's EAL gave up: Cannot create thread; see what changed" "$probe" --core "$core" --hugepages off --break-thread 5

# ---- somebody else ----
"$probe" --name taken --core "$core" --hugepages off --run 3000 >"$work/first.log" 2>&1 &
first=$!
pids="$pids $first"
within 10 grep -qs 'pinning: started name=taken' "$work/first.log" || fail "the first did not start: $(cat "$work/first.log")"
refused 26 "another process runs under the name 'taken'" "$probe" --name taken --core "$core" --hugepages off
refused 26 "another process runs under the name 'taken'" $daemon --name taken --core "$core"
kill -KILL "$first"
wait "$first" 2>/dev/null
"$probe" --name taken --core "$core" --hugepages off >"$work/out" 2>&1 || fail "a killed one keeps its name: $(cat "$work/out")"

# ---- afterwards ----
"$probe" --core "$core" --hugepages off --stray >"$work/out" 2>&1
[ $? -eq 34 ] || fail "a stray thread on the poll core is not found: $(cat "$work/out")"
grep -q "(stray) may run on poll core $core" "$work/out" || fail "the stray thread is not named: $(cat "$work/out")"
"$probe" --core "$core" --hugepages off --unlock >"$work/out" 2>&1
[ $? -eq 34 ] || fail "unlocked memory is not found: $(cat "$work/out")"
grep -q "no memory is locked any more" "$work/out" || fail "unlocked memory is not explained: $(cat "$work/out")"
"$probe" --core "$core" --hugepages off --twice >"$work/out" 2>&1
[ $? -eq 33 ] || fail "a second start in one process: $(cat "$work/out")"
grep -q "was started before in this process" "$work/out" || fail "a second start is not explained"
echo "every refusal has its sentence and status"
