#!/usr/bin/env bash
# usage: wheel.sh PYTHON
# The sdist, the wheel made from it and from nothing else, and the command installed from that wheel (K244).
set -euo pipefail
python=$(realpath -s "$1")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$python" -m hatchling build -t sdist -d "$place" >/dev/null
sdist=$(echo "$place"/*.tar.gz)
# Installers refuse an archive with links that are absolute or lead out of it.
"$python" - "$sdist" <<'PYTHON'
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        tarfile.data_filter(member, "/nowhere")
PYTHON
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w "$place" "$sdist"
wheel=$(echo "$place"/*.whl)
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$place/installed" "$wheel"
PYTHONPATH="$place/installed" "$python" -P -m ocitool --version >/dev/null
missing=$(cd ocitool && find . -name '*.py' -o -name '*.css' -o -name py.typed | while read -r name; do
    [ -e "$place/installed/ocitool/$name" ] || echo "$name"; done)
[ -z "$missing" ] || { printf 'error: the wheel lacks %s\n' "$missing" >&2; exit 1; }
echo "wheel from sdist: $(basename "$wheel"), $(stat -c %s "$wheel") bytes"
