"""A user without any rights and with a home: who most of all shall be able to build.

Unlike the processes of tests/fakes/confined.py it may make namespaces of its own.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Outcome, homes
from tests.fakes.confined import NOBODY, can_confine, interpreter

SBIN = "/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Unprivileged:
    """Nobody, with `root`: a folder with a home, a bin with ocitool, a tmp, and an app to build."""

    root: Path

    @property
    def home(self) -> Path:
        """Its home, which it owns."""
        return self.root / "home"

    @property
    def app(self) -> Path:
        """The folder that it builds, which root owns and it may read."""
        return self.root / "app"

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Its environment."""
        _, path = interpreter()
        found = {"PATH": f"{self.root}/bin:{os.environ['PATH']}:{SBIN}", "PYTHONPATH": path, **homes(self.home)}
        return found | {"TMPDIR": str(self.root / "tmp"), "PYTHONDONTWRITEBYTECODE": "1", **(more or {})}

    def command(self, *argv: object) -> list[str]:
        """The words that start ocitool as this user, for whoever is root."""
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *self.words(*argv)]

    def words(self, *argv: object) -> list[str]:
        """The words that start ocitool."""
        return [interpreter()[0], "-m", "ocitool", *map(str, argv)]

    def __call__(
        self,
        *argv: object,
        env: Mapping[str, str] | None = None,
        around: Sequence[str] = (),
        stdin: bytes = b"",
        timeout: float = 600,
    ) -> Outcome:
        """Run ocitool in `app` as this user; `around` are words of root's that start it in another surrounding."""
        done = subprocess.run(
            [*around, *self.command(*argv)],
            cwd=self.app,
            env=self.variables(env),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        return Outcome(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )

    def shell(self, script: str, *, timeout: float = 600) -> Outcome:
        """Run a script in `app` as this user, where `ocitool` is a command."""
        done = subprocess.run(
            ["sh", "-euc", script],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd=self.app,
            env=self.variables(),
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        return Outcome(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )


def why_not() -> str:
    """Why there can be no such user here; empty if there can."""
    return can_confine()


@contextmanager
def unprivileged() -> Iterator[Unprivileged]:
    """Such a user, until the block is left; what it made is removed then."""
    root = Path(tempfile.mkdtemp(prefix="ocitool-user-"))
    try:
        root.chmod(0o755)
        for name in ("bin", "home", "app", "tmp"):
            (root / name).mkdir()
        (root / "tmp").chmod(0o1777)
        os.chown(root / "home", NOBODY, NOBODY)
        (root / "home").chmod(0o700)
        (root / "bin/ocitool").write_text(f'#!/bin/sh\nexec {interpreter()[0]} -m ocitool "$@"\n')
        (root / "bin/ocitool").chmod(0o755)
        yield Unprivileged(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def processes(mark: str) -> list[str]:
    """The command lines of processes of this machine that hold a text, this one's ancestors aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in {os.getpid(), os.getppid()}:
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if mark in line:
            found.append(f"{entry.name}: {line}")
    return found


def mounts(mark: str) -> list[str]:
    """The mounts of this machine's mount namespace that hold a text."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if mark in line]
