#!/bin/sh
# SPDX-License-Identifier: MIT
# What libioreq.so.0 exports, what engine/libioreq.map lists and what the public headers declare are the same functions.
# Usage: test_exports.sh SOURCE_DIR LIBRARY
set -u
root=${1:?usage: test_exports.sh SOURCE_DIR LIBRARY}
library=${2:?usage: test_exports.sh SOURCE_DIR LIBRARY}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The functions that the headers of a folder declare, but not define.
declared()
{
	for header in "$1"/ioreq/*.h; do
		echo "#include <ioreq/${header##*/}>"
	done >"$work/all.c"
	${CC:-cc} -E -P -I"$1" "$work/all.c" | tr '\n' ' ' | awk '{
		depth = 0
		for (i = 1; i <= length($0); i++) {
			c = substr($0, i, 1)
			if (c == "{") { if (depth++ == 0) braces = 1 }
			else if (c == "}") { if (--depth == 0 && text ~ /\)[ ]*$/) text = "" }
			else if (depth == 0 && c == ";") { print text; text = "" }
			else if (depth == 0) text = text c
		}
	}' | grep -v -w -e static -e typedef | sed -n 's/^[^(]*[ *]\(ioreq_[a-z0-9_]*\)(.*/\1/p' | sort -u
}

listed()
{
	sed -n 's/^[ \t]*\(ioreq_[a-z0-9_]*\);.*/\1/p' "$1" | sort
}

# Functions and data; versions are not names.
exported()
{
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort
}

# same WHAT ONE WHAT OTHER
same()
{
	comm -23 "$2" "$4" | sed "s|\$|: in $1, not in $3|"
	comm -13 "$2" "$4" | sed "s|\$|: in $3, not in $1|"
}

# check ROOT LIBRARY
check()
{
	declared "$1/include" >"$work/declared"
	listed "$1/engine/libioreq.map" >"$work/listed"
	exported "$2" >"$work/versioned"
	sed 's/@.*//' "$work/versioned" >"$work/exported"
	{
		same 'the headers' "$work/declared" 'engine/libioreq.map' "$work/listed"
		same 'engine/libioreq.map' "$work/listed" 'the library' "$work/exported"
		grep -v '@@IOREQ_0$' "$work/versioned" | sed 's/$/: exported without version IOREQ_0/'
	} >"$work/wrong"
	cat "$work/wrong"
	[ ! -s "$work/wrong" ] && [ "$(wc -l <"$work/declared")" -gt 50 ]
}

# plant WHAT FILE SED
plant()
{
	rm -rf "$work/tree"
	mkdir -p "$work/tree/engine" && cp -r "$root/include" "$work/tree/" && cp "$root/engine/libioreq.map" "$work/tree/engine/" ||
		exit 1
	sed -i "$3" "$work/tree/$2"
	if check "$work/tree" "$library" >"$work/said"; then
		echo "test_exports.sh: not found: $1"
		failed=1
	elif ! grep -q "$1" "$work/said"; then
		echo "test_exports.sh: found, but not as '$1':"
		cat "$work/said"
		failed=1
	fi
}

failed=0
check "$root" "$library" || failed=1
plant 'ioreq_vm_clear: in the headers, not in engine/libioreq.map' engine/libioreq.map '/ioreq_vm_clear;/d'
plant 'ioreq_vm_clear: in the library, not in engine/libioreq.map' engine/libioreq.map '/ioreq_vm_clear;/d'
plant 'ioreq_vm_cleanse: in engine/libioreq.map, not in the library' engine/libioreq.map 's/ioreq_vm_clear;/ioreq_vm_cleanse;/'
plant 'ioreq_more: in the headers, not in' include/ioreq/vcpu.h '/^void ioreq_vcpu_reset/i int ioreq_more(void);'
plant 'ioreq_vcpu_reset: in engine/libioreq.map, not in the headers' include/ioreq/vcpu.h '/^void ioreq_vcpu_reset/d'
${CC:-cc} -shared -o "$work/bare.so" -x c - <<END || exit 1
int ioreq_vm_clear(void);
int ioreq_vm_clear(void) { return 0; }
END
check "$root" "$work/bare.so" >"$work/said"
grep -q 'ioreq_vm_clear: exported without version IOREQ_0' "$work/said" || { echo "test_exports.sh: a bare symbol is not found"; failed=1; }
exit $failed
