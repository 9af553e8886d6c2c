"""Whether what the config of an image starts is there and may be executed: one function for builds and for check.

Looked up as runc does: ENTRYPOINT and CMD are one command line, whose first word is a path, relative to WORKDIR, or
is searched for in the PATH of the image's own environment; links lead nowhere but inside the image. Nothing is run,
and what only a running container knows (mounts, /proc) is not judged (K212).
"""

import posixpath
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from ocitool.binaries.needs import PROGRAM_PATH
from ocitool.errors import MalformedDocument
from ocitool.model.files import MAX_PATH, FileAttributes, FileKind, PathLookup
from ocitool.model.numbers import is_digits
from ocitool.model.platform import Platform
from ocitool.values import dataclass

_MOUNTED: Final = ("proc", "sys", "dev", "run/secrets")
"""What engines put over the image's own files."""
_MOST_FOLDERS: Final = 256
"""Folders of a PATH that are searched; a guess."""
_DEFAULT: Final = ":".join(PROGRAM_PATH)


class StartFault(Enum):
    """Why a container does not start."""

    MISSING = "missing"
    NOT_EXECUTABLE = "not executable"


@dataclass(frozen=True, slots=True)
class StartProblem:
    """What keeps a container from starting. `setting` is Entrypoint or Cmd, `word` the first of the command line.

    `path` is where the file is that was found, relative to the root, empty where none was; `reason` is one clause.
    """

    fault: StartFault
    setting: str
    word: str
    reason: str
    path: str = ""


def starts_files(platform: Platform | None) -> bool:
    """Whether engines start such an image by a path in a Unix file system: neither Windows nor WebAssembly."""
    return platform is None or (platform.os != "windows" and platform.architecture != "wasm")


def first_word(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The setting that holds what is started and its first word; empty strings where nothing is."""
    for key in ("Entrypoint", "Cmd"):
        words = settings.get(key)
        if isinstance(words, (list, tuple)) and words and isinstance(words[0], str):
            return key, words[0]
    return "", ""


def start_problem(
    files: PathLookup[FileAttributes],
    settings: Mapping[str, Any],
    interpreter_of: Callable[[str], str] = lambda _: "",
) -> StartProblem | None:
    """What keeps a container of these files and settings from starting; None if nothing is known to.

    `settings` is the `config` object of the image's config. `interpreter_of` gives the interpreter of a script by
    the script's real path, empty for others; one that is missing is for `binaries.needs` to tell.
    """
    setting, word = first_word(settings)
    if not word or len(word) >= MAX_PATH:
        return None
    try:
        return _Start(files, settings, setting, word).problem(interpreter_of)
    except MalformedDocument:  # more links than any image needs
        return None


class _Start:
    """One look for the program of a command line."""

    def __init__(
        self, files: PathLookup[FileAttributes], settings: Mapping[str, Any], setting: str, word: str
    ) -> None:
        self._files, self._setting, self._word = files, setting, word
        self._user = _numbers(settings.get("User"))
        self._places = _places(word, settings)

    def problem(self, interpreter_of: Callable[[str], str]) -> StartProblem | None:
        """What keeps it from starting."""
        if any(map(_is_mounted, self._places)):
            return None
        found = [(place, there) for place in self._places if (there := self._file(place)) is not None]
        runs = next((place for place, there in found if self._may_execute(there)), None)
        if runs is not None:
            return self._by_interpreter(self._files.resolve(runs), interpreter_of)
        if found:
            place, there = found[0]
            path = self._files.resolve(place)
            return self._told(StartFault.NOT_EXECUTABLE, self._refusal(f"/{path}", there), path)
        return self._told(StartFault.MISSING, self._absence())

    def _by_interpreter(self, script: str, interpreter_of: Callable[[str], str]) -> StartProblem | None:
        """What keeps the interpreter of a script, which is there, from being executed."""
        name = interpreter_of(script)
        there = self._file(name[1:]) if name.startswith("/") and len(name) < MAX_PATH else None
        if there is None or self._may_execute(there):
            return None
        reason = f"the interpreter of /{script}, {self._refusal(name, there)}"
        return self._told(StartFault.NOT_EXECUTABLE, reason, self._files.resolve(name[1:]))

    def _told(self, fault: StartFault, reason: str, path: str = "") -> StartProblem:
        return StartProblem(fault, self._setting, self._word, reason, path)

    def _file(self, place: str) -> FileAttributes | None:
        there = self._files.lookup(place)
        return there if there is not None and there.kind is FileKind.FILE else None

    def _may_execute(self, file: FileAttributes) -> bool:
        """Whether the mode lets the user execute it; what depends on groups that nobody knows is taken on trust."""
        uid, gid = self._user if self._user is not None else (0, None)
        if uid == 0 or file.xattrs:  # an access list may say more
            return bool(file.mode & 0o111)
        if file.uid == uid:
            return bool(file.mode & 0o100)
        if gid is None:
            return bool(file.mode & 0o011)
        return bool(file.mode & (0o010 if file.gid == gid else 0o001))

    def _refusal(self, path: str, file: FileAttributes) -> str:
        mode = file.mode & 0o7777
        if self._user is None or not mode & 0o111:
            return f"{path} has mode {mode:04o}: nobody may execute it"
        return f"{path} has mode {mode:04o}: user {self._user[0]} may not execute it"

    def _absence(self) -> str:
        """Why there is no file to start."""
        if "/" not in self._word:
            return f"{self._word} is in no folder of the PATH"
        place = self._places[0]
        there = self._files.lookup(place)
        if there is not None:
            kind = "a directory" if there.kind is FileKind.DIRECTORY else "no regular file"
            return f"{self._word} is {kind}"
        shown = posixpath.normpath(f"/{place}")
        link = self._files.link_at(self._files.resolve(place, follow_last=False))
        if link is not None:
            return f"{self._word} is a link to {link}, which is not there"
        return f"{shown if self._word.startswith('/') else f'{self._word} ({shown})'} is not there"


def _places(word: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths at which the word is looked for, relative to the root, links not followed yet."""
    folder = settings.get("WorkingDir")
    here = posixpath.join("/", folder) if isinstance(folder, str) else "/"
    if "/" in word:
        return (posixpath.join(here, word).lstrip("/"),)
    folders = _search_path(settings).split(":", _MOST_FOLDERS)[:_MOST_FOLDERS]
    return tuple(posixpath.join(here, one, word).lstrip("/") for one in folders if len(one) < MAX_PATH)


def _search_path(settings: Mapping[str, Any]) -> str:
    lines = settings.get("Env")
    words = [line for line in lines if isinstance(line, str)] if isinstance(lines, (list, tuple)) else []
    said = [line.removeprefix("PATH=") for line in words if line.startswith("PATH=")]
    return said[-1] if said else _DEFAULT


def _is_mounted(place: str) -> bool:
    path = posixpath.normpath(f"/{place}").lstrip("/")
    return any(path == mount or path.startswith(f"{mount}/") for mount in _MOUNTED)


def _numbers(user: object) -> tuple[int, int | None] | None:
    """The user and group that a container runs as; None where a name stands for them that only files explain."""
    if not isinstance(user, str) or not user:
        return 0, 0
    name, _, group = user.partition(":")
    name = "0" if name == "root" else name
    return (int(name), int(group) if _is_number(group) else None) if _is_number(name) else None


def _is_number(text: str) -> bool:
    return is_digits(text) and len(text) < 11
