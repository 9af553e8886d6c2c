"""A process as a hardened CI job has it: another user than root, no namespaces, no mounts, no way to gain any.

Run as a program, this file forbids itself all that and becomes its arguments. A forbidden call kills the process,
so a command that ends well has made none.
"""

import ctypes
import os
import platform
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

NOBODY = 65534
REPOSITORY = Path(__file__).resolve().parents[2]
before: list[str] = []
"""Folders that other users' processes look for modules in before anything else: `make coverage` has one."""

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_REFUSE = 0x00050000 | 1
_ALLOW, _KILL, _NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050000 | 38
_NAMESPACES = 0x7E020000  # every CLONE_NEW flag
# The architecture's number for audit; clone, clone3, and what is forbidden: unshare, setns, mount, chroot, pivot_root.
_CALLS = {
    "x86_64": (0xC000003E, 56, 435, (272, 308, 165, 161, 155)),
    "aarch64": (0xC00000B7, 220, 435, (97, 268, 40, 51, 41)),
}


def can_confine() -> str:
    """Why nothing can be confined here; empty if it can."""
    if os.geteuid() != 0:
        return "only root can become another user"
    if platform.machine() not in _CALLS:
        return f"no list of system calls for {platform.machine()}"
    done = run_confined("-c", "import ocitool.cli.root, h11", home=Path("/"))
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def interpreter() -> tuple[str, str]:
    """A Python that every user may start, and the PYTHONPATH with which it runs this checkout."""
    path = os.pathsep.join((*before, str(REPOSITORY)))
    own = os.path.realpath(sys.executable)
    shared = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    closed = any(not parent.stat().st_mode & 0o001 for parent in Path(own).parents)
    if closed and os.access(shared, os.X_OK):
        return shared, os.pathsep.join((path, sysconfig.get_path("purelib")))
    return sys.executable, path


def run_confined(
    *argv: str, home: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, confined."""
    python, path = interpreter()
    return subprocess.run(
        [python, __file__, python, *argv],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=cwd or home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": path, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def confine(answer: int = _KILL) -> None:
    """Forbid this process and its children namespaces, mounts and new privileges.

    `answer` is what becomes of who tries: the end of it, or with `_REFUSE` an error as in a container of Docker's.
    """
    number, clone, clone3, forbidden = _CALLS[platform.machine()]

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    steps = [step(load, 4), step(equal, number, 1, 0), step(give, answer), step(load, 0)]
    for call in forbidden:
        steps += [step(equal, call, 0, 1), step(give, answer)]
    # The flags of clone3 are in memory, where a filter cannot look: libc falls back to clone.
    steps += [step(equal, clone3, 0, 1), step(give, _NO_SUCH_CALL), step(equal, clone, 0, 3), step(load, 16)]
    steps += [step(any_bit, _NAMESPACES, 0, 1), step(give, answer), step(give, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot confine")


if __name__ == "__main__":
    words = sys.argv[1:]
    confine(_REFUSE if words[0] == "--refuse" else _KILL)
    words = words[1:] if words[0] == "--refuse" else words
    os.execvp(words[0], words)
