# SPDX-License-Identifier: MIT
# What the integration tests share. Sourced with $1 = the folder of the programs. Everything a test makes is in $work, every
# process it starts is in $pids; both end with it.
set -u
bin=$1
work=$(mktemp -d) || exit 1
pids=""
page=$work/vm0.page stats=$work/stats console=$work/console log=$work/engine.log
trap 'status=$?; trap - EXIT; for pid in $pids; do kill -CONT $pid; kill -KILL $pid; done 2>/dev/null; wait 2>/dev/null; rm -rf "$work"; exit $status' EXIT
trap 'exit 1' INT TERM

fail()
{
	echo "FAILED: $*"
	for file in "$log" "$work/guest.log"; do
		[ ! -s "$file" ] || { echo "--- ${file##*/}"; tail -n 20 "$file"; }
	done
	exit 1
}

skip()
{
	echo "skipped: $*"
	exit 77
}

need_kvm()
{
	why=$("$bin/ioreq-kvm" --check 2>&1) || skip "no KVM guest: $why"
}

# within SECONDS COMMAND...: true as soon as the command is.
within()
{
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# start_engine [option...]: ioreqd in the background, ready. Yields when idle: the tests may share its core.
start_engine()
{
	: >"$console"
	"$bin/ioreqd" --page "$page" --stats "$stats" --console "$console" --serial "$work/serial" --idle yield "$@" \
		2>"$log" &
	engine=$!
	pids="$pids $engine"
	within 10 grep -qs 'ioreqd: ready' "$log" || fail "the engine did not start"
}

stop_engine()
{
	kill -TERM "$engine"
	wait "$engine" || fail "the engine ended with status $?"
}

# account: posted completed lost, from the stats file.
account()
{
	"$bin/ioreqctl" summary --stats "$stats" | sed -n 's/^vm0: posted \([0-9]*\) completed \([0-9]*\) lost \([0-9]*\)$/\1 \2 \3/p'
}

start_guest()
{
	"$bin/ioreq-kvm" --page "$page" "$@" 2>"$work/guest.log" &
	guest=$!
	pids="$pids $guest"
}
