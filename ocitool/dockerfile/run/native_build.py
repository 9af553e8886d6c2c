"""A build of C, C++ or Rust in RUN lines, read: by which toolchain of ours, in which folder, with which settings.

Only words are looked at; a word that a shell would have to compute is left out, for `[rust]`, `[c]`, `[cmake]` and
their kin say in ocitool.toml what is meant.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ocitool.dockerfile.run.run_lines import RunLine
from ocitool.dockerfile.run.shell_commands import ShellCommand, commands, is_computed, plain
from ocitool.dockerfile.syntax.expand import expand
from ocitool.errors import UsageError
from ocitool.toolchains.options import BuildSystemOptions, CProgram, RustOptions
from ocitool.values import dataclass, field, replace

_ORDER: Final = ("rust", "cmake", "meson", "autotools", "make", "c")
"""Of several in one stage the first is what builds: make runs what CMake wrote, gcc a probe."""
_DRIVERS: Final = re.compile(r"(?:[\w.]+-)*(?:cc|gcc|clang|c\+\+|g\+\+|clang\+\+)(?:-\d+)?")
_SOURCES: Final = (".c", ".cc", ".cpp", ".cxx", ".c++", ".C")
_OURS: Final = re.compile(
    r"-D(?:CMAKE_(?:INSTALL_PREFIX|BUILD_TYPE|TOOLCHAIN_FILE|MAKE_PROGRAM|SYSTEM_\w+|C(?:XX)?_COMPILER\w*)|buildtype)"
    r"\b|--(?:prefix|host|build|buildtype|cross-file)\b|-G"
)
"""Arguments that say what our own commands say."""
_WITH_VALUE: Final = frozenset({"-B", "-S", "-G", "-C", "-f", "-j", "-p", "-o", "-L", "-I", "-D", "-isystem"})
_CARGO_VALUES: Final = frozenset(
    ["-p", "--package", "--bin", "-F", "--features", "--target", "--target-dir", "--manifest-path", "--profile",
     "--path"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NativeBuild:
    """What builds, in which folder of the stage, and where its results lie before anything is installed."""

    toolchain: str
    folder: str
    results: str
    program: str = ""
    rust: RustOptions = field(default_factory=RustOptions)
    c: CProgram = field(default_factory=CProgram)
    system: BuildSystemOptions = field(default_factory=BuildSystemOptions)

    def result(self, path: str) -> str:
        """The file among the results that becomes a path of the stage: the same, or one of its name."""
        inner = posixpath.relpath(path, self.results)
        return posixpath.basename(path) if inner.startswith("..") else inner


def native_build(lines: Sequence[RunLine]) -> NativeBuild | None:
    """The build of a stage's RUN lines; None where they have none that a toolchain of ours does."""
    found = [build for line in lines for build in _Reader(line).builds()]
    first = min(found, key=lambda build: _ORDER.index(build.toolchain), default=None)
    if first is None or first.toolchain not in {"make", "autotools"}:
        return first
    words = [build for build in found if build.toolchain == "make"]  # `make` and `make install` are one build
    targets = tuple(dict.fromkeys(one for build in words for one in build.system.targets if "install" not in one))
    variables = tuple(dict(pair for build in words for pair in build.system.variables).items())
    if first.toolchain == "autotools":
        return replace(first, system=replace(first.system, targets=targets))
    return replace(first, system=replace(first.system, targets=targets, variables=variables))


class _Reader:
    """One RUN: its folder moves with `cd`."""

    def __init__(self, line: RunLine) -> None:
        self._line = line
        self._folder = line.workdir or "/"

    def builds(self) -> Iterator[NativeBuild]:
        for command in commands(self._line.run):
            words = [self._text(word) for word in command.words[1:] if not is_computed(word)]
            name, folder = command.name, self._folder
            if name == "cd" and words:
                self._folder = self._path(words[-1])
            elif name in {"cargo", "xx-cargo"} and _builds_here(words):
                yield _cargo(words, folder)
            elif name == "cmake" and not {"--build", "--install", "-E", "-P"} & set(words):
                values = _values(words, _WITH_VALUE)
                source = values.get("-S") or next(iter(_others(words, _WITH_VALUE)), ".")
                results = values.get("-B") or "."
                yield _system("cmake", self._path(source), self._path(results), _arguments(words))
            elif name == "meson" and "setup" in words[:1]:
                others = [*_others(words[1:], _WITH_VALUE), "build"]
                source = others[1] if len(others) > 2 else "."
                yield _system("meson", self._path(source), self._path(others[0]), _arguments(words))
            elif name == "configure":
                source = self._path(posixpath.dirname(self._text(command.words[0])) or ".")
                yield _system("autotools", source, folder, _arguments(words))
            elif name in {"make", "gmake"}:
                yield self._make(words)
            elif _DRIVERS.fullmatch(name) and (build := self._c(command, words)) is not None:
                yield build

    def _make(self, words: Sequence[str]) -> NativeBuild:
        pairs = [word.split("=", 1) for word in words if re.match(r"[A-Za-z_]\w*=", word)]
        targets = [word for word in _others(words, _WITH_VALUE) if "=" not in word]
        folder = self._path(_values(words, _WITH_VALUE).get("-C", "."))
        variables = tuple((name, value) for name, value in pairs if name not in {"CC", "CXX", "PREFIX", "DESTDIR"})
        options = BuildSystemOptions(variables=variables, targets=tuple(targets))
        return NativeBuild("make", folder, folder, system=options)

    def _c(self, command: ShellCommand, words: Sequence[str]) -> NativeBuild | None:
        sources = [word for word in words if word.endswith(_SOURCES) and not word.startswith("-")]
        if not sources or {"-c", "-E", "-S"} & set(words) or len(words) < len(command.words) - 1:
            return None
        output = _values(words, frozenset({"-o"})).get("-o", "a.out")
        rest = [word for at, word in enumerate(words) if "-o" not in (word, words[at - 1] if at else "")]
        rest = [word for word in rest if word not in sources and word not in {"-static", "-s", "-g"}]
        linked = tuple(word for word in rest if word.startswith(("-l", "-L", "-Wl,")))
        flags = tuple(
            word for word in rest if word not in linked and not re.fullmatch(r"-m(?:arch|cpu|tune)=.*", word)
        )
        program = self._path(output)
        return NativeBuild(
            "c", self._folder, posixpath.dirname(program), program, c=CProgram(tuple(sources), flags, linked)
        )

    def _path(self, word: str) -> str:
        return posixpath.normpath(posixpath.join(self._folder, word))

    def _text(self, word: str) -> str:
        try:
            return expand(word, self._line.variables).text
        except UsageError:
            return plain(word)


def _builds_here(words: Sequence[str]) -> bool:
    """Whether cargo builds the sources of the stage, and not a tool for it."""
    return bool({"build", "zigbuild"} & set(words[:2])) or ("install" in words[:2] and "--path" in words)


def _cargo(words: Sequence[str], folder: str) -> NativeBuild:
    values = _values(words, _CARGO_VALUES)
    place = posixpath.dirname(values.get("--manifest-path", "")) or values.get("--path", ".")
    options = RustOptions(
        package=values.get("--package") or values.get("-p", ""),
        features=tuple((values.get("--features") or values.get("-F", "")).replace(",", " ").split()),
        default_features="--no-default-features" not in words,
    )
    source = posixpath.normpath(posixpath.join(folder, place))
    return NativeBuild("rust", source, f"{source}/target", values.get("--bin", ""), rust=options)


def _system(name: str, folder: str, results: str, arguments: tuple[str, ...]) -> NativeBuild:
    return NativeBuild(name, folder, results, system=BuildSystemOptions(arguments=arguments))


def _arguments(words: Sequence[str]) -> tuple[str, ...]:
    """What configures, without what our own command says and without places."""
    joined = [
        f"-D{words[at + 1]}" if word == "-D" and at + 1 < len(words) else word for at, word in enumerate(words)
    ]
    return tuple(word for word in joined if re.match(r"-D\w|--\w", word) and not _OURS.match(word))


def _values(words: Sequence[str], with_value: frozenset[str]) -> Mapping[str, str]:
    """The values of flags, in both ways of writing them."""
    found: dict[str, str] = {}
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in with_value:
            found.setdefault(name, value if equals else words[at + 1] if at + 1 < len(words) else "")
        elif word[:2] in {"-S", "-B", "-C"} and word[:2] in with_value and len(word) > 2:
            found.setdefault(word[:2], word[2:])
    return found


def _others(words: Sequence[str], with_value: frozenset[str]) -> list[str]:
    """The words that are no flags and no values of flags."""
    return [word for at, word in enumerate(words) if word[:1] != "-" and not (at and words[at - 1] in with_value)]
