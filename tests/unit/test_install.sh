#!/bin/sh
# SPDX-License-Identifier: MIT
# An installed copy is complete: programs outside the tree find it by pkg-config and by find_package, link it and run.
# Usage: test_install.sh SOURCE_DIR BUILD_DIR SANITIZERS
set -u
root=${1:?usage: test_install.sh SOURCE_DIR BUILD_DIR SANITIZERS}
build=${2:?usage: test_install.sh SOURCE_DIR BUILD_DIR SANITIZERS}
if [ -n "${3:-}" ]; then
	echo "skipped: a library with sanitizers ($3) needs a program with them"
	exit 77
fi
for tool in pkg-config c++; do
	command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

fail()
{
	echo "test_install.sh: $1"
	[ -e "$work/log" ] && cat "$work/log"
	exit 1
}

# runs NAME: the program of that name does its work with the library that was installed.
runs()
{
	[ "$(LD_LIBRARY_PATH=$libdir "$1")" = 42 ] || fail "$1 does not run"
}

DESTDIR=$work/root cmake --install "$build" >"$work/log" 2>&1 || fail "cmake --install failed"
pc=$(find "$work/root" -name libioreq.pc)
config=$(find "$work/root" -name ioreq-config.cmake)
library=$(find "$work/root" -name libioreq.so.0)
header=$(find "$work/root" -path '*/include/ioreq/engine.h')
for file in "$pc" "$config" "$library" "$header"; do
	[ -e "$file" ] || fail "not installed: one of libioreq.pc, ioreq-config.cmake, libioreq.so.0, ioreq/engine.h"
done
libdir=$(dirname "$library")
(cd "$root/include/ioreq" && ls) >"$work/wanted"
(cd "$(dirname "$header")" && ls) >"$work/found"
cmp -s "$work/wanted" "$work/found" || fail "the headers installed are not those of include/ioreq"

PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$work/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
flags=$(pkg-config --cflags --libs libioreq) || fail "pkg-config does not know libioreq"
# shellcheck disable=SC2086
${CC:-cc} -std=c11 "$root/tests/unit/outside/latch.c" -o "$work/with_pkg_config" $flags 2>"$work/log" ||
	fail "cannot be built with: $flags"
runs "$work/with_pkg_config"
readelf -d "$work/with_pkg_config" | grep -q 'NEEDED.*\[libioreq\.so\.0\]' || fail "not linked by its soname libioreq.so.0"
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

cmake -S "$root/tests/unit/outside" -B "$work/outside" -Dioreq_DIR="$(dirname "$config")" >"$work/log" 2>&1 ||
	fail "find_package(ioreq) failed"
cmake --build "$work/outside" >"$work/log" 2>&1 || fail "cannot be built by find_package(ioreq)"
for program in with_shared with_static with_cpp; do
	runs "$work/outside/$program"
done
readelf -d "$work/outside/with_static" | grep -q libioreq && fail "ioreq::static needs the shared library"

# The same must be seen to fail where a piece is missing.
rm "$(dirname "$header")/vcpu.h"
cmake --build "$work/outside" --clean-first >"$work/log" 2>&1 && fail "built without ioreq/vcpu.h: from somewhere else"
exit 0
