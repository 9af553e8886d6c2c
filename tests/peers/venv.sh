#!/usr/bin/env bash
# usage: venv.sh DIR PYTHON REQUIREMENT
# A virtual environment in DIR with REQUIREMENT installed as editable; says what is missing where it cannot.
set -euo pipefail
dir=$1 python=$2 requirement=$3

fail() { printf 'error: %s\n' "$@" >&2; exit 1; }

command -v "$python" >/dev/null || fail "no $python on PATH" "hint: apt-get install python3 python3-venv"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    fail "$("$python" --version) is too old, ocitool needs 3.11" "hint: make PYTHON=python3.12 …"
fi
# Debian splits ensurepip off: without it `venv` leaves half an environment behind.
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    "$(dirname "$0")/apt.sh" python3-venv || true
    "$python" -c 'import venv, ensurepip' 2>/dev/null || fail "$python cannot make virtual environments" \
        "hint: apt-get install python3-venv"
fi
if ! "$dir/bin/python" -c 'import pip' 2>/dev/null; then
    rm -rf "$dir"
    "$python" -m venv "$dir"
fi
"$dir/bin/python" -m pip install --quiet --editable "$requirement"
