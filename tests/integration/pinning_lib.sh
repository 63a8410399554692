# SPDX-License-Identifier: MIT
# What the pinning tests share. Sourced with $1 = the folder of the programs, $2 = pinning_probe. Machine settings that a test
# changes go back to what they were, whatever happens.
. "$(dirname "$0")/lib.sh"
probe=$work/probe
pages_file=/proc/sys/vm/nr_hugepages
pages_before="" group=""

restore()
{
	[ -z "$pages_before" ] || echo "$pages_before" >"$pages_file"
	[ -z "$group" ] || rmdir "$group"
}
trap 'status=$?; trap - EXIT; for pid in $pids; do kill -CONT $pid; kill -KILL $pid; done 2>/dev/null; wait 2>/dev/null; restore; rm -rf "$work"; exit $status' EXIT

[ "$(id -u)" -eq 0 ] || skip "needs root, to reserve hugepages and to take rights away"
cpus=$(taskset -cp $$ | sed 's/.*: //')
housekeeping=$(echo "$cpus" | sed 's/[-,].*//')
core=$(echo "$cpus" | sed 's/.*[-,]//')
[ "$core" != "$housekeeping" ] || skip "needs two CPUs, this process may use $cpus"

# The probe where everybody may run it: the build folder may be private.
chmod 755 "$work"
cp "$2" "$probe" || fail "cannot copy $2"
chmod 755 "$probe"

# reserve PAGES: so many hugepages of 2 MiB are free, or the test is skipped.
reserve()
{
	[ -w "$pages_file" ] || skip "this kernel has no hugepages"
	[ -n "$pages_before" ] || pages_before=$(cat "$pages_file")
	echo $((pages_before + $1)) >"$pages_file"
	free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)
	[ "$free" -ge "$1" ] || skip "only $free of $1 hugepages could be reserved"
}

no_pages()
{
	[ -n "$pages_before" ] || pages_before=$(cat "$pages_file")
	echo 0 >"$pages_file"
	free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages)
	[ "$free" -eq 0 ] || skip "$free hugepages are free and cannot be given back"
}

# refused STATUS PATTERN COMMAND...: exactly one line of that pattern, that status, no signal, no core file.
refused()
{
	wanted=$1 pattern=$2
	shift 2
	(cd "$work" && ulimit -c unlimited 2>/dev/null; cd "$work" && exec timeout 20 "$@") >"$work/out" 2>&1 </dev/null
	status=$?
	[ "$status" -eq "$wanted" ] || fail "$*: status $status, expected $wanted: $(cat "$work/out")"
	[ "$(wc -l <"$work/out")" -eq 1 ] || fail "$*: not one sentence: $(cat "$work/out")"
	grep -q -- "$pattern" "$work/out" || fail "$*: no '$pattern' in: $(cat "$work/out")"
	[ -z "$(find "$work" -name 'core*')" ] || fail "$*: a core file"
	echo "$wanted: $(cat "$work/out")"
}
