#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header compiles alone, and twice, in C11 and in C++11, without a warning.
# Usage: test_headers.sh SOURCE_DIR. Checks the tree, then a copy with a mistake, which must be found.
set -u
root=${1:?usage: test_headers.sh SOURCE_DIR}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
warnings='-Wall -Wextra -Wpedantic -Werror -fsyntax-only'

# compile COMPILER LANGUAGE STANDARD INCLUDE_DIR HEADER
compile()
{
	printf '#include <ioreq/%s>\n#include <ioreq/%s>\n' "$5" "$5" >"$work/alone"
	# shellcheck disable=SC2086
	$1 -x "$2" "-std=$3" $warnings -I"$4" "$work/alone"
}

check()
{
	wrong=0
	for header in "$1"/ioreq/*.h; do
		name=${header##*/}
		compile "$cc" c c11 "$1" "$name" || { echo "$name: not alone in C11 ($cc)"; wrong=1; }
		compile "$cxx" c++ c++11 "$1" "$name" || { echo "$name: not alone in C++11 ($cxx)"; wrong=1; }
	done
	return $wrong
}

# plant WHAT FILE SED
plant()
{
	rm -rf "$work/include"
	cp -r "$root/include" "$work/include" || exit 1
	sed -i "$3" "$work/include/ioreq/$2"
	if cmp -s "$root/include/ioreq/$2" "$work/include/ioreq/$2"; then
		echo "test_headers.sh: the mistake cannot be planted in $2: $3"
		failed=1
	elif check "$work/include" >"$work/said" 2>/dev/null; then
		echo "test_headers.sh: not found: $1"
		failed=1
	elif ! grep -q "$1" "$work/said"; then
		echo "test_headers.sh: found, but not as '$1':"
		cat "$work/said"
		failed=1
	fi
}

failed=0 compilers=0
for pair in gcc:g++ clang:clang++; do
	cc=${pair%:*} cxx=${pair#*:}
	command -v "$cc" >/dev/null && command -v "$cxx" >/dev/null || continue
	compilers=$((compilers + 1))
	check "$root/include" || failed=1
	[ $compilers -eq 1 ] || continue
	plant 'access.h: not alone in C11' access.h '/<stdint.h>/d'
	plant 'stats.h: not alone in C++11' stats.h 's/^#define IOREQ_STATS_VERSION.*/&\n_Static_assert(1, "");/'
	plant 'error.h: not alone in C11' error.h '/define IOREQ_ERROR_H/d'
done
if [ $compilers -eq 0 ]; then
	echo "skipped: neither gcc and g++ nor clang and clang++"
	exit 77
fi
exit $failed
