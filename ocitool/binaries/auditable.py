"""The list of crates that cargo-auditable leaves in a Rust program: compressed JSON in a section of its own.

Spec: cargo-auditable PARSING.md.
"""

import json
import zlib
from typing import Final

from ocitool.binaries.window import READ_LIMIT, Window
from ocitool.model.numbers import MIB

_LIMIT: Final = 8 * MIB
"""Most bytes of the JSON, which the specification bounds so too."""


def read_audit_data(window: Window, offset: int, size: int) -> tuple[tuple[str, str], ...]:
    """Name and version of each crate in the program; nothing where the section holds something else.

    What only building it took (build scripts, macros) is left out.
    """
    machine = zlib.decompressobj()
    try:
        data = machine.decompress(window.at(offset, min(size, READ_LIMIT)), _LIMIT)
        tree = json.loads(data) if machine.eof else None
    except (zlib.error, ValueError, RecursionError):
        return ()
    packages = tree.get("packages") if isinstance(tree, dict) else None
    return tuple(
        (one["name"], one["version"])
        for one in (packages if isinstance(packages, list) else ())
        if isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("version"), str)
        and one.get("kind", "runtime") == "runtime"
    )
