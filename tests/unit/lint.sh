#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh SOURCE BUILD format|tidy: the tree keeps to .clang-format, or to .clang-tidy. Fails with the places.
set -u
cd "$1" || exit 1
build=$2
case $3 in
format)
	command -v clang-format >/dev/null || { echo "skipped: clang-format is missing"; exit 77; }
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
	;;
tidy)
	command -v clang-tidy >/dev/null || { echo "skipped: clang-tidy is missing"; exit 77; }
	[ -s "$build/compile_commands.json" ] || { echo "skipped: no compile_commands.json (configure with a preset)"; exit 77; }
	git ls-files 'engine/*.c' 'bench/*.c' 'config/*.c' 'pinning/*.c' | grep -v '^engine/vcpu/guest/' |
		xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet 2>/dev/null
	;;
*)
	echo "lint.sh: '$3'; allowed: format, tidy"
	exit 1
	;;
esac
