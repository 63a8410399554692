#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and runs the main job: a guest whose every I/O access is answered by this engine.
set -u
cd "$(dirname "$0")/.." || exit 1
. engine/packages.sh

usage()
{
	cat <<'END'
Usage: sh engine/run.sh [--software] [--build-only] [--help]
Builds ioreqd, starts it beside a guest, shows the guest's console and the engine's counters, and sums up.

  --software    the software hypervisor instead of a KVM guest
  --build-only  stop after the build
Exit status 0 only if no request was lost and every value was right.
END
}

software=no build_only=no
for argument in "$@"; do
	case $argument in
	--software) software=yes ;;
	--build-only) build_only=yes ;;
	--help) usage; exit 0 ;;
	*) fail "unknown option '$argument'; see --help" ;;
	esac
done

install_missing $packages_build $packages_run
build release
bin=$PWD/build/bin
[ "$build_only" = no ] || { echo "run.sh: built in $bin"; exit 0; }

# ---- everything of this run is in one private folder and dies with it ----
work=$(mktemp -d) || fail "no temporary folder"
page=$work/vm0.page stats=$work/stats console=$work/console serial=$work/serial
engine="" guest="" viewers=""

end()
{
	status=$?
	trap - EXIT INT TERM
	for pid in $viewers $guest $engine; do kill "$pid" 2>/dev/null; done
	[ -z "$guest" ] || wait "$guest" 2>/dev/null
	[ -z "$engine" ] || wait "$engine" 2>/dev/null
	rm -rf "$work"
	exit $status
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Poller, vCPU and a client thread want three cores; on fewer the poller lets the others in when it has nothing to do.
idle=""
[ "$(nproc)" -ge 3 ] || idle="--idle yield"

start_engine()
{
	: >"$console"
	# A session of its own: Ctrl-C is for this script, which ends the engine last.
	setsid "$bin/ioreqd" $idle --page "$page" --stats "$stats" --vcpus "$1" --console "$console" --serial "$serial" \
		2>"$work/engine.log" &
	engine=$!
	tries=0
	until [ -s "$stats" ]; do
		kill -0 "$engine" 2>/dev/null || { cat "$work/engine.log" >&2; fail "the engine did not start"; }
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || fail "the engine did not start within 10 s"
		sleep 0.1
	done
	"$bin/ioreqctl" watch --stats "$stats" --interval 1 2>/dev/null | sed -u 's/^/engine | /' &
	viewers="$viewers $!"
}

show_console()
{
	tail -n +1 -f "$console" 2>/dev/null | sed -u 's/^/guest  | /' &
	viewers="$viewers $!"
}

summarise()
{
	echo
	"$bin/ioreqctl" summary --stats "$stats"
}

# The monitor's last line counts what the guest asked for; it must be what the engine answered.
posted_by_guest()
{
	sed -n 's/^ioreq-kvm: posted \([0-9]*\) completed.*/\1/p' "$work/guest.log" | awk '{ n += $1 } END { print n + 0 }'
}

completed_by_engine()
{
	"$bin/ioreqctl" summary --stats "$stats" | sed -n 's/^vm0: posted [0-9]* completed \([0-9]*\) .*/\1/p'
}

run_guest()
{
	"$bin/ioreq-kvm" --page "$page" "$@" 2>>"$work/guest.log" &
	guest=$!
}

run_firmware()
{
	echo "run.sh: SeaBIOS boots; each of its accesses goes through the polled page"
	run_guest --timeout 40
	tries=0
	until grep -q 'No bootable device.*seconds' "$console"; do
		kill -0 "$guest" 2>/dev/null || break
		tries=$((tries + 1))
		[ "$tries" -lt 350 ] || break
		sleep 0.1
	done
	# It waits for a disk now, with some accesses a second.
	sleep 3
	kill "$guest" 2>/dev/null
	wait "$guest" 2>/dev/null
	guest=""
	# The firmware ends without a newline.
	echo >>"$console"
	grep -q 'SeaBIOS (version' "$console" || { cat "$work/guest.log" >&2; fail "SeaBIOS did not print its banner"; }
	grep -q 'No bootable device' "$console" || fail "SeaBIOS did not reach the end of its boot attempt within 35 s"
}

run_selftest()
{
	echo "run.sh: the self-test guest checks every value from inside"
	run_guest --firmware "$bin/ioreq-selftest.bin" --timeout 60
	wait "$guest"
	status=$?
	guest=""
	[ "$status" -eq 0 ] || { cat "$work/guest.log" >&2; fail "the self-test guest ended with status $status"; }
	sleep 0.2
	grep -q '^selftest: [0-9]* passed, 0 failed' "$console" || fail "the self-test guest found wrong values"
}

main_job_kvm()
{
	start_engine 1
	show_console
	run_firmware
	run_selftest
	summarise || fail "requests were lost"
	completed=$(completed_by_engine)
	posted=$(posted_by_guest)
	echo "guest: posted $posted completed $completed"
	# The firmware was stopped in mid-wait: at most one request of its one vCPU was posted and not yet counted.
	[ "$posted" -ge "$completed" ] && [ $((posted - completed)) -le 1 ] ||
		fail "the guest posted $posted requests, the engine completed $completed"
}

main_job_software()
{
	start_engine 2
	"$bin/ioreq-bench" load "$page" --vcpus 2 --seconds 15 --completion mixed --hostile 5 >"$work/load" &
	guest=$!
	wait "$guest"
	status=$?
	guest=""
	cat "$work/load"
	summarise || fail "requests were lost"
	[ "$status" -eq 0 ] || fail "the software hypervisor ended with status $status"
	posted=$(sed -n 's/^ioreq-bench load: posted \([0-9]*\) .*/\1/p' "$work/load")
	completed=$(completed_by_engine)
	[ "$posted" -eq "$completed" ] || fail "the hypervisor posted $posted requests, the engine completed $completed"
}

if [ "$software" = no ]; then
	why=$("$bin/ioreq-kvm" --check 2>&1) || { echo "run.sh: no KVM guest: $why"; software=yes; }
fi
if [ "$software" = yes ]; then
	echo "run.sh: the software hypervisor drives the page with 2 vCPUs"
	main_job_software
else
	main_job_kvm
fi
echo "run.sh: done, nothing lost, every value right"
