"""The way out of one thing that a RUN does; for modes, owners, folders and packages the flag or line to write.

Read from the words as they are written; where they do not tell, `Effect.instead` says the general way.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Final

from ocitool.dockerfile.run.effects import Effect
from ocitool.dockerfile.run.run_lines import is_in
from ocitool.dockerfile.run.shell_commands import ShellCommand, commands, is_computed, plain
from ocitool.dockerfile.stages import ResolvedStage, Step
from ocitool.dockerfile.syntax.instructions import Copy, Instruction, Run, Workdir
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.values import dataclass

_LISTED: Final = 4
"""How many names a sentence lists."""
_MOST: Final = 50
"""Commands of one line that are looked at; of more no sentence could tell, and each is looked for in all others."""
_FAR: Final = 100
"""Instructions before and after a line that are looked at, so that a file of thousands is told in linear time."""
_MODE: Final = re.compile(r"[0-7]{3,4}|(?:[ugoa]*[-+=][rwxXstugo]*,?)+")
_DATA: Final = {
    "ca-certificates": "COPY --from=gcr.io/distroless/static /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/",
    "tzdata": "COPY --from=gcr.io/distroless/static /usr/share/zoneinfo /usr/share/zoneinfo",
}
"""Packages that are nothing but files, and a small image that has them at the same place."""
_WITH_NAME: Final = frozenset({"-t", "--virtual", "--repository", "-X", "--target-release", "-c", "--root"})
_MAKERS: Final = {"useradd": "u", "adduser": "u", "groupadd": "g", "addgroup": "g"}
_ROOT: Final = re.compile(r"(?:0|root)(?::(?:0|root))?")
_FREE: Final = "10001"
"""A number that images leave free."""


def way_out(effect: Effect, done: Sequence[ShellCommand], one: ResolvedStage, step: Step) -> str:
    """What to write instead of the commands of a line that do one thing."""
    find = _WAYS.get(effect.does) if len(done) <= _MOST else None
    return (find(done, _Place(one, step)) if find is not None else "") or effect.instead


@dataclass(frozen=True, slots=True)
class _Brought:
    """A source of a COPY: the place it goes to as it is written, and the folder that is certain to be made."""

    copy: Copy
    place: str
    folder: str
    is_folder: bool


class _Place:
    """One RUN of a stage: its working folder, and which lines bring a file or make a folder."""

    def __init__(self, one: ResolvedStage, step: Step) -> None:
        before = [other.instruction for other in one.steps[max(0, step.at - _FAR) : step.at]]
        self.after = [other.instruction for other in one.steps[step.at + 1 : step.at + 1 + _FAR]]
        self.workdir = ""
        self.workdirs: set[str] = set()
        self.commands: list[ShellCommand] = []
        self.sources: list[_Brought] = []
        for instruction in (*before, step.instruction):
            if isinstance(instruction, Workdir):
                self.workdir = _joined(self.workdir, instruction.path)
                self.workdirs.add(self.workdir)
            elif isinstance(instruction, Copy):
                self.sources += _brought(instruction, self.workdir)
            elif isinstance(instruction, Run):
                self.commands += commands(instruction)

    def path(self, word: str) -> str:
        """The absolute path that a word of the line means; empty where only a shell could tell."""
        text = plain(word)
        is_moved = not text.startswith(("/", "$")) and any(one.name == "cd" for one in self.commands)
        if not text or is_moved or is_computed(word) or re.search(r"[{}]", re.sub(r"\$\{\w+\}", "", text)):
            return ""
        return _joined(self.workdir, text).rstrip("/") or "/"

    def file(self, path: str) -> list[Copy]:
        """The instruction that brings a file and nothing else, or all that a pattern names."""
        found = [one for one in self.sources if path and not one.is_folder and fnmatchcase(one.place, path)]
        is_pattern = re.search(r"[*?]", path) is not None
        return _copies(one for one in found if is_pattern or len(one.copy.sources) == 1)

    def below(self, path: str) -> list[Copy]:
        """The instructions that bring it, or something into it if it is a folder."""
        return _copies(one for one in self.sources if path and (is_in(one.place, path) or is_in(one.folder, path)))

    def maker(self, folder: str) -> Instruction | None:
        """The instruction after this line that makes a folder anyway."""
        workdir = self.workdir
        for one in self.after:
            made = [each.folder for each in _brought(one, workdir)] if isinstance(one, Copy) else []
            if isinstance(one, Workdir):
                workdir = _joined(workdir, one.path)
                made = [workdir]
            if any(place and is_in(place, folder) for place in made):
                return one
        return None


def _modes(done: Sequence[ShellCommand], place: _Place) -> str:
    ways = []
    for command in done:
        mode, *words = _words(command) or [""]
        if not _MODE.fullmatch(mode) or not words:
            return ""
        is_deep = any(re.fullmatch(r"-\w*R\w*|--recursive", word) for word in command.words)
        for word in words:
            copies = (place.below if is_deep else place.file)(place.path(word))
            said = f"use COPY --chmod={mode} for {plain(word)}, or set the mode in the context"
            ways.append(f"write --chmod={mode} into {_lines(copies)}" if copies else said)
    return _all(ways)


def _owners(done: Sequence[ShellCommand], place: _Place) -> str:
    ways, others = [], []
    for command in done:
        spec, *words = _words(command) or [""]
        user, colon, group = f"{':' if command.name == 'chgrp' else ''}{plain(spec)}".partition(":")
        owner = f"{_in_numbers(user, place.commands, 'u')}{colon}{_in_numbers(group, place.commands, 'g')}"
        if is_computed(spec) or not owner or not words:
            return ""
        for word in words:
            path = place.path(word)
            copies = place.below(path)
            if owner.startswith(":"):  # of a group alone; the user stays who it is
                users = {one.chown.partition(":")[0] for one in copies}
                owner = f"{(users.pop() if len(users) == 1 else '') or 0}{owner}"
            if copies:
                ways.append(f"write --chown={owner} into {_lines(copies)}")
            if path in place.workdirs and not _ROOT.fullmatch(owner):
                ways.append(f"write USER {owner} before WORKDIR {path}, which then makes it that user's")
            elif not copies:
                others.append((owner, plain(word)))
    if others:
        owner, names = others[0][0], ", ".join(dict.fromkeys(word for _, word in others))
        ways.append(f"use COPY --chown={owner} for what is in {names}; USER {owner} and WORKDIR make a folder")
    return _all(ways)


def _in_numbers(name: str, done: Sequence[ShellCommand], kind: str) -> str:
    """The number of a user or group that a line makes, for nothing makes it here; any other name as it is."""
    makers = [one for one in done if one.name in _MAKERS and name and name in map(plain, one.words[1:])]
    same = [one for one in makers if _MAKERS[one.name] == kind]
    if not same and (kind == "u" or not makers):
        return name
    for one in same or makers:  # a user has a group of its own number
        letter = _MAKERS[one.name]
        found = re.search(rf"(?:-\w*{letter}|--{letter}id)[ =](\d+|\$\{{?\w+\}}?)(?!\S)", one.text)
        if found:
            return found[1]
    return _FREE


def _folders(done: Sequence[ShellCommand], place: _Place) -> str:
    paths = [place.path(word) for command in done for word in _words(command, {"-m", "--mode", "-o", "-g"})]
    if not paths or not all(paths):
        return ""
    makers = {path: place.maker(path) for path in paths}
    ways = [f"{_lines([one])} makes {path}" for path, one in makers.items() if one is not None]
    alone = [f"WORKDIR {path}" for path, one in makers.items() if one is None]
    if alone:
        has_other = any(isinstance(one, Workdir) for one in place.after)
        back = f", then WORKDIR {place.workdir}" if place.workdir else ", then WORKDIR with the base's folder"
        ways.append(f"use {' and '.join(alone)}{'' if has_other else back}")
    return _all(ways) if len(alone) <= _LISTED else ""


def _packages(done: Sequence[ShellCommand], _workspace: _Place) -> str:
    names: list[str] = []
    for command in done:
        words = [plain(word) for word in _words(command, _WITH_NAME)]
        verb = next((n for n, word in enumerate(words) if word in {"install", "add", "localinstall"}), None)
        names += words[verb + 1 :] if verb is not None else words if "ext-install" in command.name else []
    names = list(dict.fromkeys(names))
    if names and _DATA.keys() >= set(names):
        return f"{_all([_DATA[name] for name in names])}, or build upon an image that has them: change FROM"
    if not names or any(re.search(r"[$`*]", name) for name in names):
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"build upon an image that has {', '.join(names[:_LISTED])}{more}: change FROM"


_WAYS: Final[Mapping[str, Callable[[Sequence[ShellCommand], _Place], str]]] = {
    "changes modes": _modes,
    "changes owners": _owners,
    "makes a directory": _folders,
    "installs packages of the system": _packages,
}


def _joined(folder: str, path: str) -> str:
    """The path as an absolute one; empty if the folder is not known and would be needed."""
    if path.startswith(("/", "$")):
        return posixpath.normpath(path)
    return posixpath.normpath(f"{folder}/{path}") if folder else ""


def _brought(copy: Copy, workdir: str) -> list[_Brought]:
    """What an instruction brings and where to; nothing where its words do not tell."""
    place = _joined(workdir, copy.destination)
    into = copy.destination.endswith(("/", "/.")) or copy.destination == "." or len(copy.sources) > 1
    found = []
    for source in copy.sources if place and not copy.heredocs else ():
        name = posixpath.basename(source.rstrip("/"))
        is_folder = source.endswith("/") or not name.strip(".")
        is_file = heredoc_name(source) is not None or ("." in name.strip(".") and not is_folder)
        target = f"{place.rstrip('/')}/{name}" if into and is_file else place
        found.append(_Brought(copy, target, place if into or is_folder else posixpath.dirname(place), is_folder))
    return found


def _copies(found: Iterable[_Brought]) -> list[Copy]:
    return list(dict.fromkeys(one.copy for one in found))


def _words(command: ShellCommand, with_value: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """The words that are no flags, without the values of some."""
    pairs = pairwise(command.words)
    return [word for last, word in pairs if not word.startswith("-") and last not in with_value]


def _lines(found: Sequence[Instruction]) -> str:
    """The instructions by the word of the first one and their lines."""
    *first, last = [str(one.line.number) for one in found]
    numbers = f"lines {', '.join(first)} and {last}" if first else f"line {last}"
    return f"the {found[0].line.name} of {numbers}"


def _all(ways: Sequence[str]) -> str:
    """The ways in one sentence; empty if there are none or too many to read."""
    told = list(dict.fromkeys(ways))
    return ", and ".join(told) if len(told) <= _LISTED else ""
