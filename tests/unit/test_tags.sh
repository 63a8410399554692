#!/bin/sh
# SPDX-License-Identifier: MIT
# Every ordered access of the engine carries a tag, its partner exists, and engine/ARCHITECTURE.md lists them all.
# Usage: test_tags.sh SOURCE_DIR. Checks the tree, then copies of it with one mistake each, which must be found.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=${1:?usage: test_tags.sh SOURCE_DIR}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# check ROOT: prints what is wrong, one line each. Returns 1 if anything is.
check()
{
	tree=$1 found=$work/found
	wrappers=$(sed -n 's/^#define \([a-z_]*\)(.*/\1/p' "$tree/engine/core/atomic.h" | grep -v -e '_relaxed$' -e '^count_one$')
	# A device is written against the public headers, with the compiler's own words.
	raw='__ATOMIC_ACQUIRE __ATOMIC_RELEASE __ATOMIC_ACQ_REL __ATOMIC_SEQ_CST __ATOMIC_CONSUME'
	rcu='rcu_dereference rcu_assign_pointer rcu_quiescent_state synchronize_rcu rcu_register_thread rcu_unregister_thread'
	(cd "$tree" && find engine -name '*.[ch]' ! -path engine/core/atomic.h | sort |
		xargs awk -v names="$(echo $wrappers $rcu $raw)" -f "$here/tags.awk") >"$found" || return 1
	sed -n 's/^| `\([A-Z]*[0-9]*\)` |.*/\1/p' "$tree/engine/ARCHITECTURE.md" | sort >"$work/listed"
	awk '$1 == "tag" { print $4 }' "$found" | sort -u >"$work/tags"
	{
		awk '$1 == "use" && $5 == "-" { print $2 ":" $3 ": " $4 " without a tag" }
		     $1 == "lone" { print $2 ":" $3 ": " $4 " stands at no ordered access" }
		     $1 == "mute" { print $2 ":" $3 ": " $4 " names no partner" }' "$found"
		awk 'NR == FNR { known[$1] = 1; next }
		     $1 == "pair" && !($5 in known) { print $2 ":" $3 ": " $4 " pairs with " $5 ", which is nowhere" }' \
			"$work/tags" "$found"
		comm -23 "$work/tags" "$work/listed" | sed 's/$/: not in the table of engine\/ARCHITECTURE.md/'
		comm -13 "$work/tags" "$work/listed" | sed 's/$/: in engine\/ARCHITECTURE.md only, or there twice/'
		check_partners "$tree/engine/ARCHITECTURE.md"
	} >"$work/wrong"
	cat "$work/wrong"
	[ ! -s "$work/wrong" ] && [ "$(grep -c '^use' "$found")" -gt 50 ]
}

# Partners in the table name each other.
check_partners()
{
	awk -F '|' '/^\| `[A-Z]+[0-9]+` \|/ {
		gsub(/[ `]/, "", $2)
		count = split($4, list, /[^A-Z0-9]+/)
		for (i = 1; i <= count; i++)
			if (list[i] ~ /^[A-Z]+[0-9]+$/)
				pairs[$2 " " list[i]] = 1
	}
	END {
		for (pair in pairs) {
			split(pair, two, " ")
			if (!((two[2] " " two[1]) in pairs))
				print two[1] ": its partner " two[2] " does not name it (table)"
		}
	}' "$1" | sort
}

# plant WHAT FILE SED: a copy of the tree with one mistake; `check` must say WHAT.
plant()
{
	rm -rf "$work/tree"
	mkdir "$work/tree" && cp -r "$root/engine" "$work/tree/" || exit 1
	sed -i "$3" "$work/tree/$2"
	if cmp -s "$root/$2" "$work/tree/$2"; then
		echo "test_tags.sh: the mistake cannot be planted in $2: $3"
		failed=1
	elif check "$work/tree" >"$work/said"; then
		echo "test_tags.sh: not found: $1 ($2: $3)"
		failed=1
	elif ! grep -q "$1" "$work/said"; then
		echo "test_tags.sh: found, but not as '$1':"
		cat "$work/said"
		failed=1
	fi
}

failed=0
check "$root" || failed=1
plant 'store_release without a tag' engine/core/page.c '/PG3 release/d'
plant 'load_acquire without a tag' engine/core/ring.c 's/R1 acquire: EMPTY/EMPTY/'
plant 'and_release without a tag' engine/core/client_control.c \
	's/^\t\tand_release(&vm->lines, ~bit);/\t\tbit = 0;\n\tand_release(\&vm->lines, ~bit);/'
plant 'rcu_dereference without a tag' engine/core/poller.c '0,/RT1 dereference/s/RT1 dereference/Dereference/'
plant 'PG3 names no partner' engine/core/page.c 's/Pairs with HV2\././'
plant 'PG3 pairs with HV9, which is nowhere' engine/core/page.c 's/Pairs with HV2\./Pairs with HV9./'
plant 'XY1: not in the table' engine/core/page.c 's/PG3 release/XY1 release/'
plant 'PG3: in engine/ARCHITECTURE.md only' engine/core/page.c 's/PG3 release/PG2 release/'
plant 'HV2: its partner PG3 does not name it' engine/ARCHITECTURE.md '/^| `PG3`/s/`HV2`/nobody/'
plant 'PG1 stands at no ordered access' engine/core/page.c 's/return load_acquire(/return load_relaxed(/'
exit $failed
