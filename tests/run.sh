#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and passes all tests. --full: the long forms too. Last line: the count.
set -u
cd "$(dirname "$0")/.." || exit 1
. engine/packages.sh

full=no
for argument in "$@"; do
	case $argument in
	--full) full=yes ;;
	--help) echo "Usage: sh tests/run.sh [--full]"; exit 0 ;;
	*) fail "unknown option '$argument'; allowed: --full" ;;
	esac
done

install_missing $packages_build $packages_run $packages_test

passed=0 failed=0 skipped=0
results=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$results"' EXIT

attribute()
{
	sed -n "s/.*[ 	]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1
}

# run PRESET [ctest argument...]: one ctest run, added to the count.
run()
{
	preset=$1 report=$results/$1.xml
	shift
	echo "== $preset"
	build "$preset"
	[ "$preset" = release ] && directory=build || directory=build/$preset
	ctest --test-dir "$directory" --output-on-failure --output-junit "$report" "$@" ||
		echo "run.sh: preset $preset: tests failed"
	[ -s "$report" ] || fail "ctest left no report for preset $preset"
	tests=$(tr '\n' ' ' <"$report" >"$report.line"; attribute tests "$report.line")
	f=$(attribute failures "$report.line")
	s=$(attribute skipped "$report.line")
	[ "$tests" -gt 0 ] || fail "preset $preset ran no test"
	passed=$((passed + tests - f - s)) failed=$((failed + f)) skipped=$((skipped + s))
}

if [ "$full" = yes ]; then
	run release
	run asan -L 'unit|stress'
	run tsan -L 'unit|stress'
else
	run release -LE slow
	run asan -L 'unit|stress' -LE 'slow|script'
	run tsan -L 'unit|stress' -LE 'slow|script'
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
