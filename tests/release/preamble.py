"""Runs before a zip application's program: says so where the Python or the machine is not the one of its packages."""

import platform
import sys

PYTHON, MACHINE = "@PYTHON@", "@MACHINE@"
_here = (f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())
if _here != (PYTHON, MACHINE) or sys.platform != "linux":
    print(
        f"error: this file is for Python {PYTHON} on linux {MACHINE}, this is Python {_here[0]} on {sys.platform} {_here[1]}",
        "hint: take the .pyz with cp" + _here[0].replace(".", "") + f" and {_here[1]} in its name",
        sep="\n",
        file=sys.stderr,
    )
    sys.exit(9)
