"""The way out of one thing that a RUN line does, in that line's own words: the flag or line to write.

Where the words do not tell enough, `Deed.instead` says the general way.
"""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ocitool.dockerfile.run.effects import Effect
from ocitool.dockerfile.run.run_context import Around, Brought
from ocitool.dockerfile.run.shell_commands import ShellCommand, is_computed, plain
from ocitool.dockerfile.syntax.instructions import Copy, User, Workdir

_LISTED: Final = 4
"""How many names a sentence lists."""
_MOST: Final = 50
"""Commands of one line that are looked at; of more no sentence could tell, and each is looked for in all others."""
_MODE: Final = re.compile(r"[0-7]{3,4}|(?:[ugoa]*[-+=][rwxXstugo]*,?)+")
_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_DATA: Final = {
    "ca-certificates": f"COPY --from=gcr.io/distroless/static {_CERTIFICATES} /etc/ssl/certs/",
    "tzdata": "COPY --from=gcr.io/distroless/static /usr/share/zoneinfo /usr/share/zoneinfo",
}
"""Packages that are nothing but files, and a small image that has them at the same place."""
_WITH_NAME: Final = frozenset({"-t", "--virtual", "--repository", "-X", "--target-release", "-c", "--root"})


def way_out(deed: Effect, done: Sequence[ShellCommand], around: Around) -> str:
    """What to write instead of the commands of a line that do one thing."""
    find = _WAYS.get(deed.does) if len(done) <= _MOST else None
    return (find(done, around) if find is not None else "") or deed.instead


def _modes(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    fetched = {around.path(target) for _, target in _fetched(around.commands)}
    for command in done:
        mode, *paths = _words(command) or [""]
        if not _MODE.fullmatch(mode) or not paths:
            return ""
        deep = any(re.fullmatch(r"-\w*R\w*|--recursive", word) for word in command.words)
        for word in paths:
            below = _modes_below(mode, word, around) if deep else ""
            ways.append(below or _mode(mode, word, around, fetched))
    return _all(ways)


def _mode(mode: str, word: str, around: Around, fetched: Collection[str]) -> str:
    path = around.path(word)
    brought = around.brought(path)
    if path and path in fetched:
        return f"write --chmod={mode} into that ADD"
    made = around.made(path)
    if around.is_workdir(path) or (made is not None and made.name in {"mkdir", "install"}):
        return (
            f"make it in the context, mkdir -p root{path} and chmod {mode} root{path}, and COPY root/ /, which"
            " keeps the modes of folders"
        )
    if made is not None:
        return f"write --chmod={mode} into that COPY"
    if brought is None:
        return f"use COPY --chmod={mode} for {plain(word)}, or set the mode in the context"
    if brought.is_alone or re.search(r"[*?]", path):
        return f"write --chmod={mode} into {brought.words}"
    return f"add {_copy(brought, f'--chmod={mode}', path)}"


def _modes_below(mode: str, word: str, around: Around) -> str:
    """The way for a folder with everything in it, if lines of the stage bring what is in it."""
    path = around.path(word).rstrip("/")
    copies = [one.line.number for one in around.below(path)] if path else []
    return f"write --chmod={mode} into the COPY of {_lines(copies)}" if copies else ""


def _copy(brought: Brought, flag: str, path: str) -> str:
    """A COPY of that one file alone."""
    origin = f" --from={brought.copy.source_stage}" if brought.copy.source_stage else ""
    chown = f" --chown={brought.copy.chown}" if brought.copy.chown and "chown" not in flag else ""
    return f"COPY{origin}{chown} {flag} {brought.source} {path}"


def _owners(done: Sequence[ShellCommand], around: Around) -> str:
    owners: dict[str, tuple[str, str]] = {}
    made = accounts(around.earlier())
    for command in done:
        spec, *paths = _words(command) or [""]
        owner = made.in_numbers(plain(spec))
        if not owner or is_computed(spec) or not paths:
            return ""
        owners |= {plain(word): (f":{owner}" if command.name == "chgrp" else owner, word) for word in paths}
    ways, others = [], []
    for owner, word in owners.values():
        found = list(_owned(owner, around.path(word).rstrip("/"), around))
        ways += found
        others += [] if found else [(owner, plain(word))]
    if others:
        names = ", ".join(word for _, word in others)
        ways.append(f"use COPY --chown={others[0][0].lstrip(':')} for what is in {names}")
    return _all(ways)


def _owned(owner: str, path: str, around: Around) -> Iterator[str]:
    """The ways to give one path to an owner, which begins with a colon if it is a group alone."""
    if not path:
        return
    copies = list(around.below(path))
    brought = around.brought(path)
    if owner.startswith(":"):
        users = {one.chown.partition(":")[0] for one in (*copies, *([brought.copy] if brought else ()))}
        owner = f"{users.pop() or 0 if len(users) == 1 else 0}{owner}"
    made = around.made(path)
    workdir, maker = around.is_workdir(path), around.maker(path)
    if copies:
        yield f"write --chown={owner} into the COPY of {_lines([one.line.number for one in copies])}"
    elif made is None and brought is not None:
        yield f"add {_copy(brought, f'--chown={owner}', path)}"
    if workdir is not None and not _is_root(owner, around):
        back = around.goes_back(user=True)
        yield f"USER {owner} above the WORKDIR of line {workdir.line.number}{back}, gives it the folder"
    elif made is not None and made.name in {"mkdir", "install"}:
        if isinstance(maker, Copy) and maker.chown:
            yield f"the {maker.line.name} of line {maker.line.number} makes {path} and gives it its --chown"
        elif isinstance(maker, Workdir):
            back = around.goes_back(user=True)
            yield f"USER {owner} above the WORKDIR of line {maker.line.number}{back}, gives it the folder"
        else:
            back = around.goes_back(user=True, workdir=True)
            yield f"USER {owner} and WORKDIR {path}{back}, make it that user's"
    elif made is not None:
        yield f"write --chown={owner} into that COPY"


def _is_root(owner: str, around: Around) -> bool:
    """Whether whoever makes a folder in these lines is the owner anyway."""
    users = ["root", *(one.text for one in around.before if isinstance(one, User))]
    return all(re.fullmatch(r"(?:0|root)(?::(?:0|root))?", one) for one in (owner, users[-1]))


def _folders(done: Sequence[ShellCommand], around: Around) -> str:
    words = [word for command in done for word in _words(command, ("-m", "--mode", "-o", "-g"))]
    paths = [around.path(word).rstrip("/") for word in words]
    if not paths or not all(paths):
        return ""
    ways, alone = [], []
    for path in paths:
        maker = around.maker(path)
        if maker is None:
            alone.append(path)
        else:
            ways.append(f"the {maker.line.name} of line {maker.line.number} makes {path}")
    if alone:
        lines = " and ".join(f"WORKDIR {path}" for path in alone)
        ways.append(f"use {lines}{around.goes_back(workdir=True)}")
    return _all(ways) if len(alone) <= _LISTED else ""


def _links(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    for command in done:
        if command.name.startswith("a2en"):
            kind = command.name.removeprefix("a2en")
            folder, ending = f"/etc/apache2/{kind}s", {"mod": ".load"}.get(kind, ".conf")
            ways += [
                f"ln -s ../{kind}s-available/{name}{ending} links{folder}-enabled/{name}{ending}"
                for name in _words(command)
            ]
            continue
        target, *rest = [plain(word) for word in _words(command)] or [""]
        place = around.path(rest[-1] if rest else posixpath.basename(target))
        if not place.startswith("/") or len(rest) > 1 or is_computed(command.text):
            return ""
        if rest and place.endswith("/"):
            place += posixpath.basename(target)
        ways.append(f"ln -s {target} links{place}")
    return f"in the context: {'; '.join(ways)}; then COPY links/ /, which keeps links" if ways else ""


def _writes(done: Sequence[ShellCommand], around: Around) -> str:
    words = [word for command in done for word in (command.writes or _words(command))]
    paths = list(dict.fromkeys(around.path(word) for word in words))
    if not paths or not all(paths) or len(paths) > _LISTED:
        return ""
    return f"use COPY <<EOF {', COPY <<EOF '.join(paths)}: the lines that follow, up to EOF, are the file"


def _changes(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    for command in done:
        words = list(command.writes)
        if not words and command.name == "sed":
            is_script = any(word.startswith(("-e", "--expression", "-f")) for word in command.words)
            words = _words(command, ("-e", "-f"))[0 if is_script else 1 :]
        for word in words:
            path = around.path(word)
            brought = around.brought(path)
            if brought is not None and brought.is_local and not re.search(r"[*?]", path):
                ways.append(f"change {brought.source} in the context")
            elif path.startswith("/") and around.image and not re.search(r"[*?$]", path):
                ways.append(
                    f"ocitool cat {around.image} {path} prints what the base has: COPY the changed file over it"
                )
            else:
                return ""
    return _all(ways)


def _moves(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    for command in done:
        flags = [word for word in command.words[1:] if word.startswith("-")]
        mode = next((command.words[n + 1] for n, word in enumerate(command.words[:-1]) if word == "-m"), "")
        chmod = f"--chmod={mode} " if mode else ""
        words = _words(command, ("-m", "-o", "-g", "-t"))
        if len(words) < 2 or any(re.match(r"-\w*[rRat]|--", flag) for flag in flags):
            return ""
        into = plain(words[-1])
        for word in words[:-1]:
            path = around.path(word)
            brought = around.brought(path)
            if brought is not None:
                origin = f"--from={brought.copy.source_stage} " if brought.copy.source_stage else ""
                ways.append(f"COPY {origin}{chmod}{brought.source} {into}")
            elif path and around.image:
                ways.append(f"COPY --from={around.image} {chmod}{plain(word)} {into}")
            else:
                return ""
    return _all(ways)


def _packages(done: Sequence[ShellCommand], around: Around) -> str:  # noqa: ARG001 - as the others
    names = []
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
    shown = ", ".join(names[:_LISTED])
    return f"build upon an image that has {shown}{more}: change FROM"


def _downloads(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    fetched = _fetched(done)
    digests = {word for one in around.commands for word in re.findall(r"\b[0-9a-f]{64}\b", one.text)}
    checksum = f"sha256:{digests.pop()}" if len(digests) == 1 and len(fetched) == 1 else "sha256:…"
    tar = next((one for one in around.commands if one.name == "tar"), None)
    for url, target in fetched:
        is_known = not is_computed(url) and not re.search(r"\$\{?[a-z]", url)
        folder = _unpacked_into(tar, around) if tar is not None else ""
        if not target and not folder:
            return ""
        path = around.path(target) if target else ""
        if folder and (not path or plain(target) in tar.text if tar is not None else False):
            words = f"ADD --checksum={checksum} --unpack=true {url} {folder}"
        elif path:
            words = f"ADD --checksum={checksum} {url} {path}"
        else:
            return ""
        ways.append(f"use {words}" if is_known else f"use {words} with ARG TARGETARCH for what the shell finds out")
    return _all(ways) if 0 < len(ways) <= _LISTED else ""


def _fetched(done: Iterable[ShellCommand]) -> list[tuple[str, str]]:
    """What `curl` and `wget` fetch, and the file it goes to; empty for the next command of a pipe."""
    found = []
    for command in done:
        if command.name not in {"curl", "wget"}:
            continue
        words = [*command.words[1:]]
        url = next((plain(word) for word in words if "://" in word), "")
        short = "o" if command.name == "curl" else "O"
        target = command.writes[0] if command.writes else ""
        is_remote_name = command.name == "wget"
        for number, word in enumerate(words):
            if re.fullmatch(rf"-\w*{short}|--output|--output-document", word) and number + 1 < len(words):
                target = words[number + 1]
            elif word.startswith(("--output=", "--output-document=")):
                target = word.partition("=")[2]
            elif re.fullmatch(r"-\w*O\w*|--remote-name", word) and command.name == "curl":
                is_remote_name = True
        if not target and is_remote_name:
            target = posixpath.basename(url)
        if url:
            found.append((url, "" if target == "-" else target))
    return found


def _unpacked_into(tar: ShellCommand, around: Around) -> str:
    """The folder that a `tar x` fills with all of an archive; empty if it does more than that."""
    words = [plain(word) for word in tar.words[1:]]
    if any(word.startswith(("--strip", "--exclude", "--transform")) for word in words):
        return ""
    folder = next((words[n + 1] for n, word in enumerate(words[:-1]) if word in {"-C", "--directory"}), "")
    flags = {n for n, word in enumerate(words) if word.startswith("-") or (n == 0 and re.fullmatch(r"\w+", word))}
    values = {n + 1 for n in flags if words[n] in {"-C", "--directory"} or words[n].endswith("f")}
    if any(n not in flags | values for n in range(len(words))):
        return ""
    path = around.path(folder) if folder else around.workdir
    return f"{path.rstrip('/')}/" if path else ""


def _unpacks(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    for command in done:
        words = [plain(word) for word in command.words[1:]]
        archive = next(
            (words[n + 1] for n, word in enumerate(words[:-1]) if re.fullmatch(r"-?\w*f|--file", word)), ""
        )
        brought = around.brought(around.path(archive)) if archive else None
        folder = _unpacked_into(command, around)
        if brought is None or not folder:
            return ""
        if brought.copy.is_add and not brought.is_local:
            ways.append(f"write --unpack=true and {folder} into {brought.words}")
        else:
            ways.append(f"use ADD {brought.source} {folder}, which unpacks it")
    return _all(ways)


def _users(done: Sequence[ShellCommand], around: Around) -> str:
    ways = []
    names = accounts(done).names
    for name, number in names.items():
        if lines := around.named(name):
            ways.append(f"write {number or f'a number, such as {FREE},'} for {name} on {_lines(lines)}")
    if not names:
        return ""
    told = _all(ways, ", ") or "leave it out, as nothing below says the name"
    return f"{told}; COPY an etc/passwd that has it where programs look for the name"


def _certificates(done: Sequence[ShellCommand], around: Around) -> str:  # noqa: ARG001 - as the others
    if not around.image:
        return ""
    return f"ocitool cat {around.image} {_CERTIFICATES} prints the list: add yours to it, and COPY it there"


_WAYS: Final[Mapping[str, Callable[[Sequence[ShellCommand], Around], str]]] = {
    "changes modes": _modes,
    "changes owners": _owners,
    "makes a directory": _folders,
    "makes a link": _links,
    "writes a file": _writes,
    "changes a file": _changes,
    "moves or copies files": _moves,
    "installs packages of the system": _packages,
    "downloads": _downloads,
    "unpacks": _unpacks,
    "makes or changes a user": _users,
    "lists certificates anew": _certificates,
}


def _words(command: ShellCommand, with_value: Iterable[str] = ()) -> list[str]:
    """The words that are no flags, without the values of some."""
    found = []
    is_value = False
    for word in command.words[1:]:
        if is_value:
            is_value = False
        elif word in with_value:
            is_value = True
        elif not word.startswith("-"):
            found.append(word)
    return found


def _lines(numbers: Sequence[int]) -> str:
    *first, last = [str(number) for number in dict.fromkeys(numbers)]
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


def _all(ways: Iterable[str], joint: str = ", and ") -> str:
    """The ways in one sentence; empty if there are none or too many to read."""
    told = list(dict.fromkeys(ways))
    return joint.join(told) if len(told) <= _LISTED else ""


_MAKERS: Final = {"useradd": "u", "adduser": "u", "groupadd": "g", "addgroup": "g"}


_NUMBERS: Final = {"-u": "u", "--uid": "u", "-g": "g", "--gid": "g"}


_WITH_VALUE: Final = frozenset(
    ["-G", "-h", "--home", "-d", "--home-dir", "-s", "--shell", "-c", "--comment", "-k", "--skel", "--gecos", "-b",
     "--base-dir", "--ingroup", "--groups", "-K", "--key", "-e", "-f", "-p", "--password", "-R", "--root"]
)  # fmt: skip


FREE: Final = "10001"
"""A number that images leave free."""


@dataclass(frozen=True, slots=True)
class DeclaredAccounts:
    """Users and groups by name, with their numbers as they are written, empty where the system would choose."""

    users: Mapping[str, str] = field(default_factory=dict, hash=False)
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)

    def in_numbers(self, owner: str) -> str:
        """`USER[:GROUP]` in numbers for names that are made here; other names stay.

        A user without a group of its name has its own number for one.
        """
        user, colon, group = owner.partition(":")
        return f"{_number(user, self.users)}{colon}{_number(group, {**self.users, **self.groups})}"

    @property
    def names(self) -> dict[str, str]:
        """All names, users first, each once."""
        return {**self.groups, **self.users}


def accounts(done: Iterable[ShellCommand]) -> DeclaredAccounts:
    """The users and groups that commands make."""
    found: dict[str, dict[str, str]] = {"u": {}, "g": {}}
    for command in done:
        kind = _MAKERS.get(command.name)
        if kind is None:
            continue
        numbers, names = _read(command, kind)
        number = numbers.get(kind, "")
        if names:
            is_known = re.fullmatch(r"\d+|\$\{?\w+\}?", number) is not None
            found[kind][names[0]] = number if is_known else ""
    return DeclaredAccounts(found["u"], found["g"])


def _number(name: str, made: Mapping[str, str]) -> str:
    return made[name] or FREE if name in made else name


def _read(command: ShellCommand, kind: str) -> tuple[dict[str, str], list[str]]:
    """The numbers of a command by their letter, and its names."""
    numbers: dict[str, str] = {}
    names: list[str] = []
    words = iter(command.words[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name in _NUMBERS:
            numbers[_NUMBERS[name]] = plain(value if equals else next(words, ""))
        elif re.fullmatch(r"-[A-Za-z]+[ug]", word) and kind == word[-1]:
            numbers[kind] = plain(next(words, ""))
        elif name in _WITH_VALUE or re.fullmatch(r"-[A-Za-z]*[Gshdck]", word):
            if not equals:
                next(words, "")
        elif not word.startswith("-"):
            names.append(plain(word))
    return numbers, names
