"""A `go build` or `go install` of a RUN line, read: which package it compiles, how, and where the program goes.

Only words are looked at; what a shell would have to compute is reported, never guessed.
"""

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ocitool.dockerfile.run.shell_commands import ShellCommand, commands, is_computed, plain
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.instructions import Run
from ocitool.dockerfile.trace import GOPATH
from ocitool.errors import UsageError
from ocitool.toolchains.go import PASSED
from ocitool.values import dataclass

_OURS: Final = frozenset({"-a", "-v", "-x", "-i", "-work", "-trimpath", "-buildvcs", "-installsuffix", "-p"})
"""Flags that say nothing about the program, or what our own command says."""
_WITH_VALUE: Final = frozenset(
    ["-o", "-C", "-p", "-asmflags", "-buildmode", "-compiler", "-covermode", "-coverpkg", "-exec", "-gccgoflags",
     "-gcflags", "-installsuffix", "-ldflags", "-mod", "-modfile", "-overlay", "-pgo", "-pkgdir", "-tags",
     "-toolexec"]
)  # fmt: skip
_PATHS: Final = frozenset(
    {"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "GOTMPDIR", "GOENV", "GOWORK", "GOCACHEPROG"}
)
_VARIABLES: Final = frozenset(PASSED) - _PATHS
"""Variables of a stage that mean something outside of it; CC and the like are programs of its image."""
_OF_THE_IMAGE: Final = frozenset({"-compiler", "-exec", "-overlay", "-pkgdir", "-toolexec"})
"""Flags that name programs to start or files to read, which a Dockerfile has no say in on this machine."""
_COMPUTED: Final = re.compile(r"\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|`[^`]*`")
"""What a shell runs to know a word."""
_STAMPS: Final = (
    ("{revision}", re.compile(r"rev-parse|git log|show-ref|commit|sha")),
    ("{version}", re.compile(r"describe|version|tag", re.IGNORECASE)),
)
"""What an ocitool.toml can say in place of a command that looks like it."""
_FOLDERS: Final = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/go/bin"})


@dataclass(frozen=True, slots=True)
class GoBuild:
    """What one command compiles.

    `folder` is where it is started in the stage. `output` is absolute; it ends with a slash if it is a folder, or
    if the package gives the program its name. `cgo` is None where nothing is said. `unclear` are the keys of a
    stage in ocitool.toml whose value only a shell or the image's environment could tell, and `guesses` what to
    begin with there, as TOML. `system` is GOOS, if it is said.
    """

    folder: str
    package: str = "."
    output: str = ""
    tags: tuple[str, ...] = ()
    ldflags: str = ""
    flags: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cgo: bool | None = None
    unclear: frozenset[str] = frozenset()
    system: str = ""
    guesses: tuple[tuple[str, str], ...] = ()


def foreign_flags(flags: Iterable[str]) -> tuple[str, ...]:
    """The flags among these words that mean programs or files of the image, by their names with one dash."""
    names = (f"-{word.partition('=')[0].lstrip('-')}" for word in flags)
    return tuple(name for name in names if name in _OF_THE_IMAGE)


def go_builds(
    run: Run, workdir: str, variables: Mapping[str, str], folders: Iterable[str] = ()
) -> tuple[GoBuild, ...]:
    """The compiles of a line that starts in `workdir` and sees `variables`.

    `folders` are known to be directories of the stage, so that `-o FOLDER` means a file in it.
    """
    reader = _Shell(workdir, dict(variables), {*_FOLDERS, *folders})
    return tuple(found for command in commands(run) for found in reader.step(command))


class _Shell:
    """The little of a shell's state that a `go build` depends on."""

    def __init__(self, folder: str, variables: dict[str, str], folders: set[str]) -> None:
        self._folder = folder
        self._variables = variables
        self._computed: dict[str, str] = {}
        self._folders = folders

    def step(self, command: ShellCommand) -> Iterator[GoBuild]:
        """What a command compiles, and what it changes for those after it."""
        words = command.words
        if not words or command.name == "export":
            pairs = [(name, value) for name, equals, value in (word.partition("=") for word in words[1:]) if equals]
            for name, value in (*command.settings, *pairs):
                self._set(name, value)
        elif command.name == "cd" and len(words) > 1:
            self._folder = posixpath.normpath(posixpath.join(self._folder, self._text(words[-1])))
        elif command.name == "mkdir":
            self._folders |= {self._path(word).rstrip("/") for word in words[1:] if not word.startswith("-")}
        elif command.name in {"go", "xx-go"}:
            yield from self._go(command)

    def _set(self, name: str, value: str) -> None:
        if self._is_unclear(value):
            self._computed[name] = value
        else:
            self._variables[name] = self._text(value)
            self._computed.pop(name, None)

    def _is_unclear(self, word: str) -> bool:
        return is_computed(word) or any(f"${name}" in word or f"${{{name}" in word for name in self._computed)

    def _text(self, word: str) -> str:
        try:
            return expand(word, self._variables).text
        except UsageError:
            return plain(word)

    def _path(self, word: str) -> str:
        text = self._text(word)
        path = posixpath.normpath(posixpath.join(self._folder, text))
        return f"{path}/" if text.endswith("/") or path in self._folders or text == "." else path

    def _go(self, command: ShellCommand) -> Iterator[GoBuild]:
        flags, packages = _split(command.words[1:])
        if flags.get("-C"):
            outer, self._folder = self._folder, self._path(flags["-C"]).rstrip("/")
            yield from self._compile(command, flags, packages)
            self._folder = outer
        else:
            yield from self._compile(command, flags, packages)

    def _compile(
        self, command: ShellCommand, flags: Mapping[str, str], packages: Sequence[str]
    ) -> Iterator[GoBuild]:
        verb = next(iter(packages), "")
        if verb not in {"build", "install"} or any("@" in package for package in packages):
            return
        packages = packages[1:] or (".",)
        if all(package.endswith(".go") for package in packages) and len(packages) > 1:
            packages = (posixpath.dirname(packages[0]) or ".",)
        variables = {**self._variables, **{name: self._text(value) for name, value in command.settings}}
        others = [(flag, value) for flag, value in flags.items() if _is_theirs(flag)]
        output = flags.get("-o", "")
        said = {"ldflags": [flags.get("-ldflags", "")], "tags": [flags.get("-tags", "")], "output": [output]}
        said["flags"] = [value for _, value in others]
        unclear = {key for key, values in said.items() if any(map(self._has_unknown, values))}
        env = tuple((name, value) for name, value in sorted(variables.items()) if name in _VARIABLES and value)
        for package in packages:
            doubt = {"package"} if self._has_unknown(package) else set()
            guesses = tuple(
                (key, json.dumps(guess(self, value), ensure_ascii=False))
                for key, value, guess in (
                    ("package", package, _Shell._above),
                    ("output", output, _Shell._above),
                    ("ldflags", flags.get("-ldflags", ""), _Shell._stamped),
                )
                if key in unclear | doubt
            )
            yield GoBuild(
                self._folder,
                self._text(package),
                self._output(verb, output, variables, is_one=len(packages) == 1),
                tuple(self._text(flags.get("-tags", "")).replace(",", " ").split()),
                self._text(flags.get("-ldflags", "")),
                tuple(f"{flag}={self._text(value)}" if value else flag for flag, value in others),
                env,
                {"0": False, "1": True}.get(variables.get("CGO_ENABLED", "")),
                frozenset(unclear | doubt),
                variables.get("GOOS", ""),
                guesses,
            )

    def _above(self, word: str) -> str:
        """A path up to the folder where it stops being known; of a package everything below that."""
        known = self._text(re.split(r"[$`]", plain(word), maxsplit=1)[0]).rpartition("/")[0]
        return f"{known}/..." if known.startswith(".") else f"{known}/"

    def _stamped(self, word: str) -> str:
        """Flags with a stamp of ocitool.toml, or nothing, in the place of what is computed."""
        for name, value in self._computed.items():
            word = re.sub(rf"\$(?:{name}\b|{{{name}}})", plain(value).replace("\\", r"\\"), word)
        return self._text(_COMPUTED.sub(_stamp, word))

    def _has_unknown(self, word: str) -> bool:
        """Whether a word cannot be known: it is computed, or holds a variable of a loop or of the image."""
        try:
            names = [name for name in expand(word, self._variables).names if name not in self._variables]
        except UsageError:
            return True
        has_default = {name for name in names if re.search(rf"\$\{{{re.escape(name)}:?[-+]", word)}
        return self._is_unclear(word) or not has_default.issuperset(names)

    def _output(self, verb: str, written: str, variables: Mapping[str, str], *, is_one: bool) -> str:
        if verb == "install":
            path = variables.get("GOBIN") or posixpath.join(variables.get("GOPATH") or GOPATH, "bin")
            return f"{path.rstrip('/')}/"
        path = self._path(written) if written else f"{self._folder.rstrip('/')}/"
        return path if is_one or path.endswith("/") else f"{path}/"


def _stamp(found: re.Match[str]) -> str:
    return next((stamp for stamp, pattern in _STAMPS if pattern.search(found[0])), "")


def _is_theirs(flag: str) -> bool:
    return flag not in _OURS and flag not in {"-o", "-C", "-ldflags", "-tags"}


def _split(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Flags by their name with one dash, values as they are written, and the words that are no flags."""
    flags: dict[str, str] = {}
    others = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not plain(word).startswith("-"):
            others.append(word)
            continue
        name, equals, value = word.partition("=")
        name = f"-{plain(name).lstrip('-')}"
        if not equals and name in _WITH_VALUE and rest:
            value = rest.pop(0)
        flags[name] = value
    return flags, tuple(others)
