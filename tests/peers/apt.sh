#!/usr/bin/env bash
# usage: apt.sh PACKAGE…
# Installs the Debian packages that are missing. Where that is not possible it says so and succeeds: the
# tests that need one of them are skipped with the reason.
set -euo pipefail

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

give_up() {
    printf 'note: %s\n' "$1" >&2
    printf 'note: tests that need %s are skipped\n' "${missing[*]}" >&2
    exit 0
}

command -v apt-get >/dev/null || give_up "no apt-get here; install by hand: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        give_up "not root and no sudo without a password; run: sudo apt-get install ${missing[*]}"
    fi
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf 'installing %s\n' "${missing[*]}" >&2
install() { "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@" >"$log" 2>&1; }
"${as_root[@]}" apt-get update -q >"$log" 2>&1 || { tail -n 5 "$log" >&2; give_up "apt-get has no lists of packages"; }
if ! install "${missing[@]}"; then  # one that conflicts with what is here keeps no other away
    left=()
    for package in "${missing[@]}"; do
        install "$package" || { tail -n 2 "$log" >&2; left+=("$package"); }
    done
    missing=("${left[@]}")
    [ ${#missing[@]} -eq 0 ] || give_up "apt-get could not install ${missing[*]}"
fi
