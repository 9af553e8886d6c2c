"""The command line: arguments in, text or JSON out.

`main` answers `--version` before anything else is imported; the rest starts in `cli.root`.
"""

import sys
from collections.abc import Sequence

VERSION = (["--version"], ["-V"])
"""Arguments that are answered at once."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing is raised."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in VERSION:
        from ocitool.version import __version__

        sys.stdout.write(f"ocitool {__version__}\n")
        return 0
    from ocitool.cli.root import run

    return run(arguments)
