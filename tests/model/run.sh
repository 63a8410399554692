#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the SPIN models: each row of the table below must hold, or must fail, as it says. --full: larger ones too.
# Exit status 0 if every row came out as it should, 1 if not, 77 without spin or a compiler.
set -u
models=$(cd "$(dirname "$0")" && pwd) || exit 1

usage()
{
	cat <<'END'
Usage: sh tests/model/run.sh [--full] [--help]
Prints one line per row: "ok" or "not ok", what was expected, the model, its switches, what was found.

  --full  the larger configurations too: 4 GB of memory, ten minutes

A row "holds" only if the search was complete, found no error, and reached every state of every process.
A row "fails" only by a violated assertion or an invalid end state.
END
}

full=no
for argument in "$@"; do
	case $argument in
	--full) full=yes ;;
	--help) usage; exit 0 ;;
	*) echo "run.sh: unknown option '$argument'; allowed: --full --help" >&2; exit 1 ;;
	esac
done

compiler=${CC:-gcc}
for tool in spin "$compiler"; do
	command -v "$tool" >/dev/null 2>&1 || { echo "run.sh: skipped: no $tool on this machine (Debian: spin gcc)"; exit 77; }
done

work=$(mktemp -d) || exit 1
child=""
end()
{
	[ -z "$child" ] || kill "$child" 2>/dev/null
	rm -rf "$work"
}
trap end EXIT
trap 'exit 1' HUP INT TERM

# ---- one row ----------------------------------------------------------------------------------------------------

depth=200000   # steps; the longest search needs some 400
memory=1024    # MiB
hash=20        # log2 of the hash table; it grows
seconds=120    # per search; the slowest needs two
optimise=-O0   # the short searches take less time than a better compilation of them
rows=0 wrong=0

# known MODEL DEFINE...: every switch is one that the model looks at. A misspelt mutation would hold for ever.
known()
{
	model=$1
	shift
	for define in "$@"; do
		name=${define#-D}
		name=${name%%=*}
		grep -Eq "^#(if|ifdef|ifndef|elif|define).*\<$name\>" "$models/$model.pml" ||
			{ found="the model knows no switch $name"; return 1; }
	done
}

# search MODEL DEFINE...: leaves pan's output in $work/out, or says in $found why there is none.
search()
{
	model=$1
	shift
	rm -rf "$work/row"
	mkdir "$work/row" && cd "$work/row" || exit 1
	# spin ends with 0 after some errors: what it prints decides.
	spin -a "$@" "$models/$model.pml" >"$work/spin" 2>&1
	if [ ! -s pan.c ] || grep -Eqi 'error|warning' "$work/spin"; then
		found="spin: $(head -n 1 "$work/spin")"
		return 1
	fi
	# -w: the C code is spin's own.
	"$compiler" -w $optimise -DSAFETY -DCOLLAPSE -DNOFAIR -DMEMLIM=$memory -o pan pan.c >"$work/cc" 2>&1 ||
		{ found="compiler: $(head -n 1 "$work/cc")"; return 1; }
	timeout "$seconds" ./pan -m$depth -w$hash >"$work/out" 2>&1 &
	child=$!
	wait "$child"
	status=$?
	child=""
	[ "$status" -ne 124 ] || { found="no result after $seconds s"; return 1; }
	grep -q 'errors: [0-9]' "$work/out" || { found="pan: $(head -n 1 "$work/out")"; return 1; }
}

# A complete search without an error, that went everywhere: a model that stops early proves nothing.
held()
{
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/out")
	if ! grep -q 'errors: 0$' "$work/out"; then
		found=$(sed -n 's/^pan:1: //p' "$work/out" | head -n 1)
		return 1
	fi
	if grep -Eqi 'max search depth too small|out of memory|memory bound|not completed|truncated|aborting' \
	    "$work/out"; then
		found="the search is incomplete"
		return 1
	fi
	unreached=$(sed -n '/^unreached in/,$p' "$work/out" | grep 'state [0-9]*, ' | grep -v '"-end-"$' | head -n 1)
	if [ -n "$unreached" ]; then
		found="unreached: ${unreached##*/}"
		return 1
	fi
	grep -q '^unreached in' "$work/out" || { found="pan says nothing of unreached states"; return 1; }
	found="$states states"
}

failed()
{
	found=$(sed -n 's/^pan:1: \(assertion violated\|invalid end state\)/\1/p' "$work/out" | head -n 1)
	[ -n "$found" ] && return 0
	found="no error found"
	return 1
}

# row EXPECTED MODEL DEFINE...
row()
{
	expected=$1 result=ok found=""
	shift
	rows=$((rows + 1))
	if ! known "$@" || ! search "$@"; then
		result="not ok"
	else
		case $expected in
		holds) held || result="not ok" ;;
		fails) failed || result="not ok" ;;
		*) result="not ok" found="expected neither holds nor fails" ;;
		esac
	fi
	[ "$result" = ok ] || wrong=$((wrong + 1))
	echo "$result $expected $*: $found"
}

table()
{
	while read -r line; do
		case $line in
		'' | '#'*) ;;
		*) row $line </dev/null ;;
		esac
	done
}

# ---- the table --------------------------------------------------------------------------------------------------

table <<'END'
# The hand-over.
holds token -DRESET=1 -DDEADLINE
holds token -DR=3 -DRESET=1 -DDEADLINE -DDEFER
holds token -DNV=2 -DRESET=1
holds token -DNV=2 -DUNHANDLED -DRESET=1 -DR=1
holds token -DRESET=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DDEADLINE
holds token -DRESET=1 -DUNHANDLED -DDEFER -DREPOST=1
holds token -DRESET=2 -DUNHANDLED -DRING_DEFAULT -DBUSY
holds token -DDETACH -DUNHANDLED -DRING_DEFAULT -DDEFER -DBUSY
holds token -DREMOVE=0 -DUNHANDLED -DRING_DEFAULT -DDEFER
holds token -DREMOVE=0 -DDEFER -DRESET=1 -DBUSY
holds token -DREMOVE=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DRESET=1
holds token -DSTALL -DRESET=1 -DDEADLINE -DDEFER
holds token -DSTALL -DDETACH -DUNHANDLED -DRING_DEFAULT -DRESET=1
holds token -DSTALL -DREMOVE=0 -DUNHANDLED -DRING_DEFAULT -DDEADLINE
holds token -DSTALL_INLINE -DDETACH -DRESET=1 -DUNHANDLED -DRING_DEFAULT
fails token -DNOGEN -DDEADLINE -DDEFER
fails token -DTAKE_NOGEN -DDEADLINE
fails token -DCOPY_LATE -DDEADLINE
fails token -DVALFIRST -DDEADLINE
fails token -DEARLY_EMPTY -DRESET=1
fails token -DLATE_PROCESSING
fails token -DTWO_NOTIFY
fails token -DNOTIFY_FIRST
fails token -DIGNORE_DONE
fails token -DSTALL_WINNER -DRESET=1 -DDEADLINE
fails token -DSTALL_WINNER -DRESET=1 -DDEADLINE -DBUSY
fails token -DEXPIRE_STORE -DDEADLINE
fails token -DCLEAR_NOWAIT -DRESET=1
fails token -DCLEAR_NOWAIT -DDETACH
fails token -DUNACKNOWLEDGED -DRESET=1
fails token -DUNACKNOWLEDGED -DDETACH
fails token -DDRAIN_FORGETS_RETURNED -DRESET=1 -DUNHANDLED
fails token -DDRAIN_FORGETS_RETURNED -DREMOVE=0 -DUNHANDLED -DRING_DEFAULT
fails token -DDRAIN_FORGETS_RETURNED -DDETACH -DUNHANDLED
fails token -DASK_OVER -DRESET=2 -DBUSY
fails token -DASK_OVER -DRESET=1 -DBUSY -DREMOVE=0
fails token -DSELF_DELIVERY -DUNHANDLED -DRING_DEFAULT -DRESET=1
fails token -DRETURN_LATE -DUNHANDLED -DNV=2
fails token -DBIT_FIRST -DUNHANDLED
fails token -DREPOST_SERVED -DREPOST=1
fails token -DFREE_NOACK -DREMOVE=0
fails token -DFREE_NOJOIN -DREMOVE=0
fails token -DDRAIN_FIRST -DREMOVE=0

# The engine killed between any two stores.
holds crash
holds crash -DSTRICT
holds crash -DSTRICT -DEXPIRE -DK=3
holds crash -DSTRICT -DNP -DRENOTIFY -DEXPIRE
holds crash -DNP -DSTICKY -DRENOTIFY -DEXPIRE
holds crash -DRESET
holds crash -DRESET -DPREFILL -DSTRICT
holds crash -DLOST -DSTRICT -DNP -DRENOTIFY -DEXPIRE -DRESET -DR=2
fails crash -DSERVE
fails crash -DFAILP
fails crash -DTWOSTORE
fails crash -DTWOSTORE -DSTRICT
fails crash -DNOSERVE -DSTRICT
fails crash -DNORESUME -DSTRICT
fails crash -DJOURNAL_LATE
fails crash -DJOURNAL_LATE -DSTRICT
fails crash -DNO_TAKEOVER -DRESET
fails crash -DREJOURNAL -DEXPIRE
fails crash -DLOST_AS_NEW -DLOST
fails crash -DBIND_EARLY -DLOST
fails crash -DNP
fails crash -DNP -DSTICKY
fails crash -DNP -DRENOTIFY -DRENOTIFY_LATE

# Parking.
holds park
holds park -DONCE -DFENCE
fails park -DONCE
fails park -DONCE -DFENCE -DNO_LOOK
fails park -DONCE -DFENCE -DPARK_LATE
fails park -DONCE -DFENCE -DPLAIN
fails park -DWAKE_FIRST
fails park -DSLEEP_BLIND
fails park -DSTOP_ONCE
fails park -DREPOST -DWATCH_STATE

# Tables and clients that come and go.
holds attach
holds attach -DSTUCK
holds attach -DTICKETS_ONLY
fails attach -DCOUNTS
fails attach -DANSWER_FIRST
fails attach -DASK_EARLY
fails attach -DNO_WAIT
fails attach -DTICKETS_ONLY -DHINT_POINTER
fails attach -DREMOVE_EARLY
fails attach -DREMOVE_NOWAIT
fails attach -DNO_UNREGISTER
END

if [ "$full" = yes ]; then
	memory=8000 hash=25 seconds=1200 optimise=-O2
	table <<'END'
holds token -DNV=2 -DR=3 -DUNHANDLED -DRING_DEFAULT
holds token -DNV=2 -DR=3 -DRESET=1
holds token -DNV=2 -DRESET=1 -DUNHANDLED
holds token -DNV=2 -DRESET=1 -DDEADLINE -DDEFER
holds token -DNV=2 -DRESET=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DR=1
holds token -DNV=2 -DREMOVE=0 -DUNHANDLED -DRING_DEFAULT -DR=1
holds token -DNV=2 -DREMOVE=0 -DDEFER
holds token -DNV=2 -DSTALL -DDETACH -DUNHANDLED
holds token -DR=3 -DRESET=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DDEADLINE
holds token -DRESET=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DDEADLINE -DREPOST=1
holds token -DRESET=1 -DREMOVE=0 -DUNHANDLED -DRING_DEFAULT -DDEFER -DBUSY -DDETACH
holds token -DRESET=1 -DREMOVE=1 -DUNHANDLED -DRING_DEFAULT -DDEFER -DBUSY -DDETACH
holds crash -DLOST -DSTRICT -DNP -DRENOTIFY -DEXPIRE -DRESET -DR=4 -DK=3
holds crash -DLOST -DNP -DSTICKY -DRENOTIFY -DEXPIRE -DRESET -DPREFILL -DK=3
holds park -DNR=6
holds attach -DNT=4 -DSWEEPS=8 -DSTUCK
END
fi

echo "$rows rows, $wrong wrong"
[ "$wrong" -eq 0 ]
