"""Files that this program writes itself, and keys that it signs with: no build takes them as its input (K210).

Three things are known by where they are or what they are called: the outputs of this run, stores like this
machine's (by their CACHEDIR.TAG), and temporary files of any run, which a killed one leaves. What an earlier run
wrote under another name is not taken with the folder it is in either, but only where it is named itself. A key that
signs the image, and the file with its password, are never in it.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ocitool.errors import UsageError
from ocitool.events import Listener, Noted, silent
from ocitool.model.files import from_system, is_temporary
from ocitool.store.base import CACHE_TAG, CACHE_TAG_TEXT, Memo
from ocitool.values import dataclass

_TOLD: Final = 3
"""Most files that are told of one by one."""
_KEPT: Final = 200
"""Outputs of earlier runs that are remembered."""
_KEY: Final = "outputs"


@dataclass(frozen=True, slots=True)
class Inside:
    """What of ours is below one folder, by paths relative to it in the form of `model.files`."""

    never: frozenset[str]
    unless_named: frozenset[str]

    def is_own(self, path: str, place: bytes, *, is_folder: bool) -> bool:
        """Whether what stands at a path, `place` for the system, is no input in any case."""
        name = path.rpartition("/")[2]
        return path in self.never or is_temporary(name) or (is_folder and is_store(os.fsdecode(place)))


class OwnFiles:
    """The outputs of this run and of earlier ones, and whom to tell of those that are met; each is told once.

    `secrets` are files of keys and passwords.
    """

    def __init__(
        self,
        outputs: Iterable[Path] = (),
        earlier: Iterable[Path] = (),
        listener: Listener = silent,
        *,
        secrets: Iterable[Path] = (),
    ) -> None:
        self._outputs = tuple(outputs)
        self._secrets = tuple(secrets)
        self._earlier = tuple(earlier)
        self._listener = listener
        self._told: set[str] = set()

    def inside(self, folder: Path) -> Inside:
        """What of ours is below a folder."""
        root = os.path.realpath(folder)
        return Inside(_below(root, (*self._outputs, *self._secrets)), _below(root, self._earlier))

    def check(self, source: Path, root: Path) -> None:
        """Raise UsageError for a source that is ours, or in something of ours that does not hold the root too."""
        real, home = os.path.realpath(source), os.path.realpath(root)
        if any(os.path.realpath(secret) == real for secret in self._secrets):
            raise UsageError(
                f"{source} is what the image is signed with, and no input",
                hint="keep keys and passwords elsewhere, or copy another file",
            )
        ours = {os.path.realpath(output) for output in self._outputs} - {home, *map(str, Path(home).parents)}
        if not ours.isdisjoint((real, *map(str, Path(real).parents))) or is_temporary(Path(real).name):
            raise UsageError(
                f"{source} is what ocitool writes itself, and no input", hint="write it elsewhere, or copy another"
            )

    def tell(self, path: str) -> None:
        """Say that something was met and left out; what becomes an output of this run is nothing to speak of."""
        name = Path(path).name
        is_ours = is_temporary(name) and any(name.startswith(f".{one.name}.") for one in self._outputs)
        if path not in self._told and not is_ours:
            self._told.add(path)
            if any(name == secret.name for secret in self._secrets):
                self._listener(
                    Noted(f"note: {path} is left out of the image, for it is signed with that", "notice")
                )
            elif len(self._told) <= _TOLD:
                self._listener(Noted(f"note: {path} is left out of the image, for ocitool wrote it", "notice"))
            elif len(self._told) == _TOLD + 1:
                self._listener(Noted("note: more files that ocitool wrote are left out of the image", "notice"))


def _below(root: str, paths: Iterable[Path]) -> frozenset[str]:
    """The paths that are below a folder, relative to it."""
    real = (os.path.realpath(path) for path in paths)
    prefix = root.rstrip("/") + "/"
    return frozenset(from_system(path.removeprefix(prefix)) for path in real if path.startswith(prefix))


def is_store(folder: str | Path) -> bool:
    """Whether a folder is a store like this machine's."""
    tag = Path(folder, CACHE_TAG)
    try:
        if not tag.is_file():
            return False
        with tag.open("rb") as file:
            return file.read(len(CACHE_TAG_TEXT)) == CACHE_TAG_TEXT.encode()
    except OSError:
        return False


def earlier_outputs(memo: Memo) -> tuple[Path, ...]:
    """What earlier runs wrote and nobody has changed since."""
    known = (memo.recall(_KEY) or {}).get("rows")
    rows = known if isinstance(known, list) else []
    return tuple(Path(row[0]) for row in rows if row[1:] == _identity(row[0]))


def remember_outputs(memo: Memo, outputs: Iterable[Path]) -> None:
    """Remember what was written, and forget what is gone."""
    paths = dict.fromkeys(os.path.realpath(path) for path in (*earlier_outputs(memo), *outputs))
    rows = [[path, *identity] for path in paths if (identity := _identity(path))]
    if rows:
        memo.remember(_KEY, {"rows": rows[-_KEPT:]})


def _identity(path: str) -> list[int]:
    """What tells that a file or folder is still the one that was written; empty for what is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return []
    is_folder = stat.S_ISDIR(found.st_mode)
    return [found.st_dev, found.st_ino, *([] if is_folder else [found.st_size, found.st_mtime_ns])]
