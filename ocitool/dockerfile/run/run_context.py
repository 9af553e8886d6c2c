"""The surroundings of one RUN: its working folder, and which line brought a file.

Read from the words alone, as they are written; what cannot be told is left open.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from ocitool.dockerfile.run.run_lines import is_in
from ocitool.dockerfile.run.shell_commands import ShellCommand, commands, is_computed, plain
from ocitool.dockerfile.sources import is_web
from ocitool.dockerfile.syntax.instructions import Copy, Instruction, Run, Stage, User, Workdir
from ocitool.dockerfile.syntax.lines import heredoc_name

_FAR: Final = 100
"""Instructions before and after a line that are looked at, so that a file of thousands is told in linear time."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that a COPY or ADD brings: the instruction, and what it is called where it comes from.

    `is_alone` says that the instruction brings nothing else.
    """

    copy: Copy
    source: str
    is_alone: bool

    @property
    def words(self) -> str:
        """The instruction's name, for messages."""
        return f"the {self.copy.line.name} of line {self.copy.line.number}"

    @property
    def is_local(self) -> bool:
        """Whether the file comes from the context."""
        return not self.copy.source_stage and not is_web(self.source) and heredoc_name(self.source) is None


class Around:
    """One RUN of a stage that is built upon `image` in the end; empty if that is not known."""

    def __init__(self, stage: Stage, run: Run, image: str = "") -> None:
        at = next((n for n, one in enumerate(stage.body) if one is run), len(stage.body))
        self.image = image
        self.commands = commands(run)
        self.before: Sequence[Instruction] = stage.body[max(0, at - _FAR) : at]
        self.after: Sequence[Instruction] = stage.body[at + 1 : at + 1 + _FAR]
        self.workdir = ""
        self._places: list[tuple[Copy, str, str, bool]] = []
        for one in self.before:
            if isinstance(one, Workdir):
                self.workdir = _joined(self.workdir, plain(one.path))
            elif isinstance(one, Copy):
                self._places += _places(one, self.workdir)

    def path(self, word: str) -> str:
        """The absolute path that a word of the line means; empty where only a shell could tell."""
        text = plain(word)
        if not text or is_computed(word) or re.search(r"[{}]", re.sub(r"\$\{\w+\}", "", text)):
            return ""
        if not text.startswith(("/", "$")) and any(one.name == "cd" for one in self.commands):
            return ""
        return _joined(self.workdir, text)

    def brought(self, path: str) -> Brought | None:
        """What brought the file of that path, the last one first."""
        for copy, source, place, is_folder in reversed(self._places):
            if not path or copy.heredocs:
                continue
            name = f"{place.rstrip('/')}/{posixpath.basename(source)}" if place.endswith("/") else place
            if fnmatchcase(path, name) or fnmatchcase(name, path) or (path == place.rstrip("/") and is_folder):
                return Brought(copy, source, is_alone=len(copy.sources) == 1)
            if is_folder and is_in(path, place.rstrip("/") or "/"):
                inside = posixpath.normpath(posixpath.join(source, posixpath.relpath(path, place)))
                return Brought(copy, inside, is_alone=False)
        return None

    def below(self, folder: str) -> Iterator[Copy]:
        """The instructions that bring something into a folder."""
        for copy in dict.fromkeys(copy for copy, *_ in self._places):
            places = [place.rstrip("/") or "/" for one, _, place, _ in self._places if one is copy]
            if any(is_in(place, folder) for place in places):
                yield copy

    def maker(self, folder: str) -> Workdir | Copy | None:
        """The instruction after this line that makes a folder anyway."""
        workdir = self.workdir
        for one in self.after:
            if isinstance(one, Workdir):
                workdir = _joined(workdir, plain(one.path))
                if workdir and is_in(workdir, folder):
                    return one
            elif isinstance(one, Copy):
                for _, _, place, _ in _places(one, workdir):
                    is_below = place.rstrip("/") != folder or place.endswith("/")
                    if is_below and is_in(place.rstrip("/") or "/", folder):
                        return one
        return None

    def made(self, path: str) -> ShellCommand | None:
        """The command up to this line that makes a file or folder of that path."""
        for command in self.earlier():
            names = command.writes if command.name not in {"mkdir", "touch", "install"} else command.words[1:]
            if path and path in {self.path(word).rstrip("/") for word in names if not word.startswith("-")}:
                return command
        return None

    def is_workdir(self, path: str) -> Workdir | None:
        """The WORKDIR above that makes a folder."""
        workdir = ""
        for one in self.before:
            if isinstance(one, Workdir):
                workdir = _joined(workdir, plain(one.path))
                if workdir.rstrip("/") == path:
                    return one
        return None

    def goes_back(self, *, user: bool = False, workdir: bool = False) -> str:
        """What has to be said after a USER or WORKDIR for the image to say what it said before."""
        ways = []
        if workdir and not any(isinstance(one, Workdir) for one in self.after):
            ways.append(f"WORKDIR {self.workdir}" if self.workdir else "WORKDIR with the base's folder")
        if user and not any(isinstance(one, User) for one in self.after):
            before = [one.text for one in self.before if isinstance(one, User)]
            ways.append(f"USER {before[-1]}" if before else "USER with the base's user")
        return f", then {' and '.join(ways)}" if ways else ""

    def named(self, name: str) -> list[int]:
        """The lines below that say the name of a user or group."""
        word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
        return [
            one.line.number
            for one in self.after
            if (isinstance(one, User) and word.search(one.text))
            or (isinstance(one, Copy) and word.search(one.chown))
        ]

    def earlier(self) -> Iterator[ShellCommand]:
        """The commands of the RUN lines above, and those of the line itself."""
        for one in self.before:
            if isinstance(one, Run):
                yield from commands(one)
        yield from self.commands


def _joined(folder: str, path: str) -> str:
    """The path as an absolute one, its last slash kept; empty if the folder is not known and would be needed."""
    if not path.startswith(("/", "$")):
        if not folder:
            return ""
        path = f"{folder.rstrip('/')}/{path}"
    found = posixpath.normpath(path)
    return f"{found}/" if path.endswith(("/", "/.")) and found != "/" else found


def _places(copy: Copy, workdir: str) -> Iterator[tuple[Copy, str, str, bool]]:
    """Where each source goes, with a slash behind a folder, and whether the source may be one itself."""
    place = _joined(workdir, copy.destination) if copy.destination not in {".", "./"} else f"{workdir or ''}/"
    if not place or ((place == "/" and not workdir) and not copy.destination.startswith("/")):
        return
    if len(copy.sources) > 1 and not place.endswith("/"):
        place = f"{place}/"
    for source in copy.sources:
        name = posixpath.basename(source.rstrip("/"))
        is_file = heredoc_name(source) is not None or ("." in name.strip(".") and not source.endswith("/"))
        yield copy, source, place if place != "//" else "/", not is_file
