#!/usr/bin/env bash
# usage: rust.sh TARGET…
# Standard libraries of Rust for other machines, where rustup is; without it, or a way to its server, the tests that
# need one are skipped with the reason.
set -uo pipefail
command -v rustup >/dev/null || exit 0
installed=$(rustup target list --installed 2>/dev/null)
for target in "$@"; do
    grep -qx "$target" <<<"$installed" && continue
    printf 'adding %s to rustup\n' "$target" >&2
    rustup --quiet target add "$target" >/dev/null 2>&1 || printf 'note: rustup could not add %s\n' "$target" >&2
done
