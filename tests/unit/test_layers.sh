#!/bin/sh
# SPDX-License-Identifier: MIT
# Includes point down the layers; raw atomics, slot states and foreign libraries stay where they belong.
# Usage: test_layers.sh SOURCE_DIR. Checks the tree, then copies of it with one mistake each, which must be found.
set -u
root=${1:?usage: test_layers.sh SOURCE_DIR}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# What the core may include beside its own: ISO C, POSIX and Linux (libc), and liburcu through rcu.h.
libc='assert|ctype|dirent|errno|fcntl|inttypes|limits|pthread|sched|semaphore|signal|stdarg|stdbool|stddef|stdint|stdio|stdlib'
libc="$libc|string|time|unistd|sys/[a-z]*|linux/(acrn|futex)"

sources()
{
	(cd "$1" && find include engine pinning config -name '*.[chS]' 2>/dev/null | sort)
}

# The code of a file with its comments and strings gone, lines kept.
code()
{
	awk '{
		line = $0; out = ""
		while (line != "") {
			if (open) {
				at = index(line, "*/")
				if (!at) { line = ""; break }
				line = substr(line, at + 2); open = 0
			} else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"/)) {
				what = substr(line, RSTART, RLENGTH)
				out = out substr(line, 1, RSTART - 1)
				rest = substr(line, RSTART + RLENGTH)
				if (what == "//") { line = ""; break }
				if (what == "/*") open = 1
				else out = out (line ~ /^[ \t]*#[ \t]*include/ ? what : "\"\"")
				line = rest
			} else { out = out line; line = "" }
		}
		print out
	}' "$1"
}

# layer PATH: 1 (top) to 5; nothing for a path that is in no layer.
layer()
{
	case $1 in
	engine/service/*) echo 1 ;;
	config/* | pinning/*) echo 2 ;;
	engine/backend/* | engine/device/* | engine/vcpu/*) echo 3 ;;
	engine/core/*) echo 4 ;;
	include/ioreq/*) echo 5 ;;
	esac
}

# check_include TREE FILE WHAT: is the include of WHAT ("x.h" or <x.h>) allowed there?
check_include()
{
	name=$(echo "$3" | tr -d '<>"')
	case $3 in
	'<ioreq/'*) target=include/$name ;;
	'<'*) target= ;;
	*)
		target=$(dirname "$2")/$name
		[ -e "$1/$target" ] || target=engine/$name
		[ -e "$1/$target" ] || target=$name
		;;
	esac
	if [ -z "$target" ]; then
		case $2 in
		include/* | engine/core/*)
			[ "$2" = engine/core/rcu.h ] && [ "$name" = urcu-qsbr.h ] && return
			echo "$name" | grep -Eq "^($libc)\.h\$" || echo "$2: includes <$name>: the core depends on libc, <linux/acrn.h> and liburcu (rcu.h)"
			;;
		esac
		return
	fi
	if [ ! -e "$1/$target" ]; then
		echo "$2: includes $3, which is nowhere"
		return
	fi
	from=$(layer "$2") to=$(layer "$target")
	if [ -z "$to" ]; then
		echo "$2: includes $target, which is in no layer"
	elif [ "$to" -lt "$from" ]; then
		echo "$2: includes $target, which is above it"
	elif [ "$to" -eq "$from" ] && [ "${target%/*}" != "${2%/*}" ] && [ "${target#"${2%/*}"/}" = "$target" ] &&
		[ "${2#"${target%/*}"/}" = "$2" ] && [ "$to" -ne 2 ]; then
		echo "$2: includes $target, which is beside it"
	fi
}

# check TREE [FILE]: prints what is wrong in the file, or all of them. Returns 1 if anything is.
check()
{
	for file in ${2:-$(sources "$1")}; do
		code "$1/$file" >"$work/code"
		sed -n 's/^[ \t]*#[ \t]*include[ \t]*\([<"][^>"]*[>"]\).*/\1/p' "$work/code" >"$work/includes"
		while read -r include; do
			check_include "$1" "$file" "$include"
		done <"$work/includes"
		check_words "$file"
	done >"$work/wrong"
	cat "$work/wrong"
	[ ! -s "$work/wrong" ]
}

# Words that only certain files may use. Looks at $work/code.
check_words()
{
	case $1 in
	engine/core/atomic.h) ;;
	engine/device/*) deny "$1" '__sync_|_Atomic|stdatomic|(^|[^_a-z])volatile' 'raw atomics' ;;
	*) deny "$1" '__atomic_|__ATOMIC_|__sync_|_Atomic|stdatomic|(^|[^_a-z])volatile' 'raw atomics' ;;
	esac
	case $1 in
	include/ioreq/* | engine/core/page.c | engine/vcpu/vcpu.c) ;;
	*) deny "$1" '(->|\.)[ \t]*processed|IOREQ_STATE_OFFSET|IOREQ_SEQUENCE_OFFSET' "a slot's state" ;;
	esac
	case $1 in
	engine/core/* | engine/backend/*) deny "$1" 'ioreq_vcpu_[a-z]*[ \t]*\(' "the hypervisor's side of a slot" ;;
	engine/vcpu/*) deny "$1" 'core/page\.h|ioreq_page_(claim|complete)' "the engine's side of a slot" ;;
	esac
}

deny()
{
	grep -nE "$2" "$work/code" | sed "s|^\([0-9]*\):.*|$1:\1: $3|"
}

# plant WHAT FILE SED: a copy of the tree with one mistake; `check` must say WHAT.
plant()
{
	rm -rf "$work/tree"
	mkdir "$work/tree" && cp -r "$root/engine" "$root/include" "$work/tree/" || exit 1
	sed -i "$3" "$work/tree/$2"
	if cmp -s "$root/$2" "$work/tree/$2"; then
		echo "test_layers.sh: the mistake cannot be planted in $2: $3"
		failed=1
	elif check "$work/tree" "$2" >"$work/said"; then
		echo "test_layers.sh: not found: $1 ($2: $3)"
		failed=1
	elif ! grep -q "$1" "$work/said"; then
		echo "test_layers.sh: found, but not as '$1':"
		cat "$work/said"
		failed=1
	fi
}

failed=0
[ "$(sources "$root" | wc -l)" -gt 40 ] || { echo "test_layers.sh: no sources in $root"; exit 1; }
check "$root" || failed=1
plant 'page.c: includes "backend/shm.h", which is nowhere' engine/core/page.c '/core\/page.h/a #include "backend/shm.h"'
plant 'page.c: includes engine/device/devices.h, which is above it' engine/core/page.c '/core\/page.h/a #include "device/devices.h"'
plant 'shm.c: includes engine/device/devices.h, which is beside it' engine/backend/shm.c '/core\/error.h/a #include "device/devices.h"'
plant 'abi.h: includes engine/core/page.h, which is above it' include/ioreq/abi.h '/linux\/acrn.h>/a #include "core/page.h"'
plant 'page.c: includes <yaml.h>' engine/core/page.c '/<string.h>/a #include <yaml.h>'
plant 'page.c: includes <urcu-qsbr.h>' engine/core/page.c '/<string.h>/a #include <urcu-qsbr.h>'
plant 'stats.c:[0-9]*: raw atomics' engine/core/stats.c '$a static volatile int flag;'
plant 'sink.c:[0-9]*: raw atomics' engine/device/sink.c '$a static _Atomic int flag;'
plant "poller.c:[0-9]*: a slot's state" engine/core/poller.c '/^static inline void serve/,/^{/s/^{/{ slot->processed = 1;/'
plant "client.c:[0-9]*: the hypervisor's side" engine/core/client.c '$a void f(struct ioreq_vcpu *v) { ioreq_vcpu_reset(v); }'
plant "vcpu.c:[0-9]*: the engine's side" engine/vcpu/vcpu.c '$a void f(void) { ioreq_page_claim(0); }'
exit $failed
