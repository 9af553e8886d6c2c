#!/usr/bin/env bash
# The pure tests, without the slow ones, on every Python from 3.11 that this machine has; one environment each, kept in the peers' cache.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ocitool-peers
failed=() found=()
shopt -s nullglob
for version in 3.11 3.12 3.13 3.14 3.15; do
    for python in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python; do
        # A shim of pyenv may stand on PATH for a version that is not switched on.
        [ -n "$python" ] && "$python" -c '' 2>/dev/null || continue
        found+=("$version")
        printf '== %s\n' "$("$python" --version)"
        "$(dirname "$0")/venv.sh" "$cache/venv-$version" "$python" '.[dev,go,isal]'
        "$cache/venv-$version/bin/python" -m pytest -q -n "$(nproc)" --dist worksteal -p no:cacheprovider tests/unit tests/structure -m 'not slow' || failed+=("$version")
        break
    done
done
[ ${#found[@]} -gt 0 ] || { echo "error: no Python from 3.11 on PATH" >&2; exit 1; }
[ ${#failed[@]} -eq 0 ] || { echo "error: failed on ${failed[*]}" >&2; exit 1; }
