"""A folder with programs that have the names of compilers; they write what they were told into their output."""

from pathlib import Path

_ZIG = """#!/bin/sh
echo "$@" >> "{log}"
all="$*" out=
while [ $# -gt 0 ]; do
    case $1 in -o) out=$2; shift;; esac
    shift
done
{body}
"""


def put_zig(folder: Path, *, body: str = 'echo program > "$out"') -> Path:
    """A `zig` in the folder; `zig.log` beside it gets a line for each start. `body` is what it does with `$out`
    and `$all`, its arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "zig"
    program.write_text(_ZIG.format(log=folder / "zig.log", body=body))
    program.chmod(0o755)
    return program


def starts(folder: Path) -> list[str]:
    """The arguments of each start so far."""
    log = folder / "zig.log"
    return log.read_text().splitlines() if log.exists() else []
