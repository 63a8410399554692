# SPDX-License-Identifier: MIT
# The one list of Debian packages, and how the missing ones are installed. Sourced by engine/run.sh and tests/run.sh.

packages_build="gcc libc6-dev linux-libc-dev cmake ninja-build pkg-config liburcu-dev libyaml-dev libcmocka-dev libdpdk-dev libnuma-dev"
packages_run="seabios"
packages_test="rt-tests g++ git spin valgrind python3-minimal binutils clang-format clang-tidy cppcheck man-db"

fail()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# install_missing PACKAGE...: nothing if all are there, else as root or through sudo, saying what.
install_missing()
{
	command -v dpkg-query >/dev/null 2>&1 ||
		fail "this is no Debian: install these packages' equivalents yourself, then run cmake: $*"
	missing=""
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) missing="$missing $package" ;;
		esac
	done
	[ -n "$missing" ] || return 0
	as_root=""
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null 2>&1 || fail "missing packages:$missing; run as root, or install sudo"
		as_root="sudo"
	fi
	echo "${0##*/}: installing Debian packages:$missing"
	log=$(mktemp)
	# The lists may be missing or old: fetched only when an install without them fails.
	# shellcheck disable=SC2086
	if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1; then
		$as_root apt-get update >"$log" 2>&1 &&
			$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing \
				>"$log" 2>&1 || {
			tail -n 5 "$log" >&2
			rm -f "$log"
			fail "the packages could not be installed:$missing"
		}
	fi
	rm -f "$log"
}

# build PRESET: quiet when it works, everything when it does not.
build()
{
	log=$(mktemp)
	trap 'rm -f "$log"; exit 130' INT TERM
	if ! { cmake --preset "$1" && cmake --build --preset "$1"; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		fail "the build (preset $1) failed"
	fi
	rm -f "$log"
	trap - INT TERM
}
