"""An ocitool.toml to begin with: what is found in a folder decides, and comments tell what else there is."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ocitool.binaries.identify import inspect_binary
from ocitool.builder.project import DOCKERFILE, choose_toolchain, find_build_files
from ocitool.documentation import page
from ocitool.errors import local_io
from ocitool.model.printable import shown
from ocitool.project.schema import SCHEMA_FILE
from ocitool.toolchains.go import find_programs
from ocitool.toolchains.options import SYSTEMS
from ocitool.values import dataclass

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
"""What a new file builds for; most servers and most laptops."""
_ARCHITECTURE: Final = re.compile(
    r"(?<![a-z0-9])(amd64|arm64|386|ppc64le|riscv64|s390x|loong64|mips64le)(?![a-z0-9])"
)
_LOOKED_AT: Final = 2000
"""Names that are looked at for programs that are there already; a guess at what no output folder exceeds."""
_DEPTH: Final = 4

_HEAD: Final = """\
#:schema ./{schema}
# `ocitool schema -o {schema}` writes that file, and editors that read it check this one.
# Every key may be left out, and flags go before the file. All of them: {reference}
# {found}
"""
_TAGS: Final = """
# What the image is published as; `{version}` is the tag of the commit.
# version = "git"
# tags = ["registry.example/team/NAME:{version}"]
"""
_EMPTY: Final = """
# What an empty image lacks.
# with = ["ca-certificates", "tmp"]
# base = "registry.example/base:1"
"""
_TABLES: Final = {
    "go": """
[go]
# package = "./cmd/server"
# ldflags = "-s -w -X main.version={version}"
# cgo = true
""",
    "rust": """
[rust]
# package = "server"
# features = ["tls"]
""",
    "c": """
[c]
# sources = ["src/*.c"]
# flags = ["-Iinclude", "-O2"]
# ldflags = ["-lm"]

[compiler]
# use = "zig"
# libc = "glibc:2.31"
""",
    **{
        name: f"""
[{name}]
{settings}
# Without an install rule: the programs that are packed, by their paths in the build tree.
# programs = ["NAME"]

[compiler]
# use = "zig"
# libc = "glibc:2.31"
"""
        for name, settings in (
            ("make", '# targets = ["all"]\n# variables = { WITH_TLS = "1" }'),
            ("cmake", '# arguments = ["-DWITH_TLS=ON"]'),
            ("autotools", '# arguments = ["--with-tls"]'),
            ("meson", '# arguments = ["-Dtls=enabled"]'),
        )
    },
}
_IMAGE: Final = """
[image]
# user = "65532"
# env = { TZ = "UTC" }
# labels = { "org.opencontainers.image.title" = "NAME" }
"""
_ENTRYPOINT: Final = """\
# What is started; without it the only program, and none of several.
# entrypoint = ["{folder}/NAME"]
"""
_BESIDE_DOCKERFILE: Final = """
# Findings of `ocitool check` that are known and right.
# [[check.allow]]
# rule = "layer/setuid"
# reason = "su needs it"
"""


@dataclass(frozen=True, slots=True)
class _Prebuilt:
    """Programs that are there already: rules that copy them, the first one's name, and their platforms."""

    rules: tuple[str, ...]
    program: str
    platforms: tuple[str, ...]


def initial_spec(source: Path) -> str:
    """The text of an ocitool.toml for a folder.

    Raises UsageError where nothing in it says how it is built and no programs are there, and as `find_build_files`.
    """
    found = find_build_files(source)
    kinds = [kind for kind in found if kind != "spec"]
    programs = None if kinds else _prebuilt(source)
    kind = "prebuilt" if programs else choose_toolchain(source)
    told = _found(kind, [found[one].name for one in kinds])
    parts = [_HEAD.format(schema=SCHEMA_FILE, reference=page("reference/ocitool-toml.md"), found=told)]
    if kind != DOCKERFILE:
        parts.append(f'\ntoolchain = "{kind}"')
    parts.append(f"\nplatforms = [{_quoted(programs.platforms if programs else PLATFORMS)}]\n")
    if programs:
        parts.append(f"files = [{_quoted(programs.rules)}]\n")
    parts.append(_TAGS.replace("NAME", _name(source)))
    if kind == DOCKERFILE:
        return "".join([*parts, _BESIDE_DOCKERFILE])
    parts.append(_EMPTY)
    parts += _programs(source) if kind == "go" else []
    parts.append(_TABLES.get(kind, ""))
    parts.append(_IMAGE.replace("NAME", _name(source)))
    if programs:
        parts.append(f'entrypoint = ["/bin/{programs.program}"]\n')
    else:
        parts.append(_ENTRYPOINT.format(folder="/usr/bin" if kind in SYSTEMS else "/bin"))
    return "".join(parts)


def _found(kind: str, files: Sequence[str]) -> str:
    """Why it is built so."""
    match kind, files:
        case "prebuilt", _:
            return "Found: programs for the platforms below, which are packed as they are."
        case _, []:
            return "Found: sources of C or C++, which one command compiles."
        case _, [first]:
            return f"Found: {shown(first)}."
        case _, [first, *others]:
            return f"Found: {shown(first)}, which goes before {', '.join(map(shown, others))}."
    raise AssertionError(kind)


def _programs(source: Path) -> Iterator[str]:
    """A table for each program of a Go module that has several."""
    programs = find_programs(source)
    for one in programs if len(programs) > 1 else ():
        yield f'\n[[program]]\nname = "{one.name}"\npackage = "{one.package}"\n'


def _prebuilt(source: Path) -> _Prebuilt | None:
    """Programs whose paths say which architecture they are for; None where there are none."""
    rules: dict[str, list[str]] = {}
    for path in _files(source):
        relative = path.relative_to(source).as_posix()
        match = _ARCHITECTURE.search(relative)
        if (
            match is None
            or not relative.isprintable()
            or re.search(r'[:{}"\\*?\[\]]', relative)
            or not _is_program(path)
        ):
            continue
        template = relative[: match.start()] + "{arch}" + relative[match.end() :]
        rules.setdefault(template, []).append(match.group(1))
    if not rules:
        return None
    named = {template: _program_name(template) for template in rules}
    platforms = [f"linux/{one}" for one in dict.fromkeys(arch for found in rules.values() for arch in found)]
    whole = [t for t in rules if len(rules[t]) == max(map(len, rules.values()))]
    first: dict[str, str] = {}
    for template in whole:
        first.setdefault(named[template], template)  # one path has one program
    return _Prebuilt(
        tuple(f"{template}:/bin/{name}:755" for name, template in first.items()),
        named[whole[0]],
        tuple(platforms),
    )


def _files(source: Path) -> Iterator[Path]:
    """Files of a folder, not too many and not too deep, nothing that begins with a dot, and no links."""
    left = _LOOKED_AT
    for here, folders, names in os.walk(source):
        depth = len(Path(here).relative_to(source).parts)
        folders[:] = sorted(one for one in folders if not one.startswith(".")) if depth < _DEPTH else []
        left -= 1
        for name in sorted(names)[: max(left, 0)]:
            path = Path(here) / name
            left -= 1
            if path.is_file() and not path.is_symlink():
                yield path
        if left <= 0:
            return


def _is_program(path: Path) -> bool:
    try:
        return inspect_binary(lambda: path.open("rb")) is not None
    except OSError as error:
        raise local_io(error, f"read {path}") from error


def _program_name(template: str) -> str:
    """The name of a program without the platform that its file's name may have: `app-linux-{arch}` is app."""
    name = template.rpartition("/")[2]
    name = re.sub(r"[-_.]?(linux)?[-_.]?\{arch\}", "", name)
    return name if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", name) else "app"


def _name(source: Path) -> str:
    """The folder's name as a repository may be called."""
    return re.sub(r"[^a-z0-9]+", "-", source.resolve().name.lower()).strip("-") or "app"


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
