"""`ocitool.toml` as values: read, checked against the schema, stamped, and merged for each platform."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from ocitool.change.promises import NO_PROMISES, Promises
from ocitool.errors import UsageError
from ocitool.image.options import ImageOptions
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.project.images import chosen_names, image_file, merged
from ocitool.project.promises import promises_of
from ocitool.project.schema import SCHEMA, check_file
from ocitool.project.toml import KeyPath, TomlFile, key_text, read_toml
from ocitool.project.trust import policy_of
from ocitool.toolchains.options import (
    SYSTEMS,
    BuildSystemOptions,
    CommandOptions,
    CompilerOptions,
    CProgram,
    GoOptions,
    Program,
    RustOptions,
    SysrootOptions,
)
from ocitool.values import dataclass, field, replace

T = TypeVar("T")
V = TypeVar("V")

_PLACEHOLDER: Final = re.compile(r"\{(version|revision)\}")
_STAMPED: Final = (
    "tags",
    "build-args",
    "go",
    "command",
    "c",
    "rust",
    *SYSTEMS,
    "image",
    "program",
    "platform",
    "stage",
)
_OF_A_STAGE: Final = {
    "go": frozenset(
        ["output", "source", "package", "tags", "ldflags", "flags", "env", "private", "cgo", "vcs", "files", "with"]
    ),
    "command": frozenset(["output", "source", "run", "file", "env", "pass", "parallel", "files", "with"]),
    "prebuilt": frozenset(["files", "with"]),
    **dict.fromkeys(("rust", "c", *SYSTEMS), frozenset(["output", "source", "result", "files", "with"])),
}
"""The keys of a stage that its toolchain understands."""
_NEEDED: Final = {
    "go": (), "command": ("run", "output"), "prebuilt": (), **dict.fromkeys(("rust", "c", *SYSTEMS), ("output",)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stamp:
    """What `{version}` and `{revision}` stand for; empty where it is not known."""

    version: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A program and how it alone is compiled; `path` is where it goes in the image, absolute."""

    program: Program
    path: str
    go: GoOptions = field(default_factory=GoOptions)
    command: CommandOptions = field(default_factory=CommandOptions)
    c: CProgram = field(default_factory=CProgram)


@dataclass(frozen=True, slots=True)
class PlatformSpec:
    """The settings for one platform: what the file says for all, with the platform's own differences.

    `programs` is empty if the file names none; then the toolchain finds them and `go`, `command` and `c`
    hold. `systems` has the build systems that the file has a table for.
    """

    base: str = ""
    files: tuple[str, ...] = ()
    go: GoOptions = field(default_factory=GoOptions)
    package: str = ""
    command: CommandOptions = field(default_factory=CommandOptions)
    c: CProgram = field(default_factory=CProgram)
    rust: RustOptions = field(default_factory=RustOptions)
    systems: Mapping[str, BuildSystemOptions] = field(default_factory=dict, hash=False)
    compiler: CompilerOptions = field(default_factory=CompilerOptions)
    sysroot: SysrootOptions = field(default_factory=SysrootOptions)
    image: ImageOptions = field(default_factory=ImageOptions)
    programs: tuple[ProgramSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class StageSpec:
    """What stands in for the RUN lines of a Dockerfile's stage.

    `at` is its place in the file, for messages; `said` are the keys that are there, for a Dockerfile may say the
    rest. `output` is an absolute path in the stage, or one below its WORKDIR.
    """

    name: str
    at: str
    toolchain: str
    output: str = ""
    source: str = ""
    result: str = ""
    package: str = ""
    go: GoOptions = field(default_factory=GoOptions)
    command: CommandOptions = field(default_factory=CommandOptions)
    files: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    said: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """What a spec file says. Empty strings and tuples, and None, mean that it does not say.

    `common` holds for every platform that `differences` does not name.
    """

    path: Path | None = None
    name: str = ""
    version: str = ""
    revision: str = ""
    platforms: tuple[Platform, ...] = ()
    tags: tuple[str, ...] = ()
    toolchain: str = ""
    dockerfile: str = ""
    target: str = ""
    build_args: tuple[tuple[str, str], ...] = ()
    extras: tuple[str, ...] = ()
    format: str = ""
    compression: str = ""
    index: bool | None = None
    git_labels: bool | None = None
    base_annotations: bool | None = None
    common: PlatformSpec = field(default_factory=PlatformSpec)
    differences: tuple[tuple[Platform, PlatformSpec], ...] = ()
    stages: tuple[StageSpec, ...] = ()
    policy: Path | None = None
    promises: Promises = NO_PROMISES

    @property
    def has_files(self) -> bool:
        """Whether files are copied for some platform."""
        return bool(self.common.files) or any(part.files for _, part in self.differences)

    def part(self, platform: Platform) -> PlatformSpec:
        """The settings for one platform."""
        return next((part for key, part in self.differences if key.same(platform)), self.common)


def images_in(path: Path, wanted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of the images that a file describes, or of the wanted ones; none where it describes only one.

    Raises as `load_spec`.
    """
    file = read_toml(path)
    check_file(file, SCHEMA)
    return chosen_names(file, wanted)


def load_spec(path: Path, stamp: Callable[[], Stamp], *, version: str = "", image: str = "") -> BuildSpec:
    """The spec in a file, stamped; that of one `image` where it describes several.

    `stamp` is asked only if the file needs what it does not say itself: `{revision}`, or `{version}` where
    neither `version` (from a flag or the environment) nor the file says one. Raises UsageError with file,
    line and key, an ExceptionGroup of them if there are several, and LocalIOError.
    """
    file = read_toml(path)
    check_file(file, SCHEMA)
    names = chosen_names(file, (image,) if image else ())
    if len(names) > 1:
        raise UsageError(
            f"{path} describes {len(names)} images: {', '.join(names)}", hint=f"choose one: --image {names[0]}"
        )
    for name in names:
        file = image_file(file, name)
    said = version or file.tree.get("version", "git")
    used = {name: key for key, name in _placeholders(file.tree)}
    asked = stamp() if "revision" in used or ("version" in used and said == "git") else Stamp()
    values = {"version": asked.version if said == "git" else said, "revision": asked.revision}
    for name, key in used.items():
        if not values[name]:
            hint = 'write version = "1.2.3", or set OCITOOL_VERSION' if name == "version" else "build in a checkout"
            raise file.error(key, f"uses {{{name}}}, but the {name} is not known here", hint)
    tree = {key: _filled(item, values) if key in _STAMPED else item for key, item in file.tree.items()}
    return _spec(file, tree, values["version"], values["revision"])


def _placeholders(tree: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    todo: list[tuple[KeyPath, Any]] = [((key,), tree[key]) for key in _STAMPED if key in tree]
    while todo:
        path, value = todo.pop()
        if isinstance(value, str):
            yield from ((path, name) for name in _PLACEHOLDER.findall(value))
        elif isinstance(value, dict):
            todo += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            todo += [((*path, at), item) for at, item in enumerate(value)]


def _filled(value: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value


def _spec(file: TomlFile, tree: Mapping[str, Any], version: str, revision: str) -> BuildSpec:
    platforms = tuple(
        _at(file, ("platforms", at), Platform.parse, text) for at, text in enumerate(tree.get("platforms", []))
    )
    for at, text in enumerate(tree.get("tags", [])):
        _at(file, ("tags", at), Reference.parse, text)
    _check_programs(file, tree)
    differences = []
    for key, own in tree.get("platform", {}).items():
        which = _at(file, ("platform", key), Platform.parse, key)
        if platforms and not any(which.same(other) for other in platforms):
            raise file.error(
                ("platform", key), "is not one of the platforms of this file", f"add {key} to platforms"
            )
        differences.append((which, _at(file, ("platform", key), _part, merged(tree, own))))
    return BuildSpec(
        path=file.path,
        name=tree.get("name", ""),
        version=version,
        revision=revision,
        platforms=platforms,
        tags=tuple(tree.get("tags", ())),
        toolchain=tree.get("toolchain", "") or _toolchain(tree),
        dockerfile=tree.get("dockerfile", ""),
        target=tree.get("target", ""),
        build_args=tuple(tree.get("build-args", {}).items()),
        extras=tuple(tree.get("with", ())),
        format=tree.get("format", ""),
        compression=tree.get("compression", ""),
        index=tree.get("index"),
        git_labels=tree.get("git-labels"),
        base_annotations=tree.get("base-annotations"),
        common=_at(file, ("sysroot",), _part, tree),
        differences=tuple(differences),
        stages=tuple(_stage(file, name, own) for name, own in tree.get("stage", {}).items()),
        policy=policy_of(file, tree["trust"]) if "trust" in tree else None,
        promises=promises_of(file),
    )


def _stage(file: TomlFile, name: str, own: Mapping[str, Any]) -> StageSpec:
    """One table `[stage.NAME]`. Raises UsageError for keys that its toolchain lacks or does not know."""
    path: KeyPath = ("stage", name)
    toolchain = own["toolchain"]
    for key in own:
        if key != "toolchain" and key not in _OF_A_STAGE[toolchain]:
            others = [other for other, keys in _OF_A_STAGE.items() if key in keys]
            raise file.error((*path, key), f"says nothing to {toolchain}", f"it is for {_listed(others)}")
    for needed in _NEEDED[toolchain]:
        if needed not in own:
            raise file.error(path, f"needs {needed} with toolchain {toolchain}")
    if toolchain == "prebuilt" and not own.keys() & {"files", "with"}:
        raise file.error(path, "needs files, or with, for toolchain prebuilt")
    return StageSpec(
        name=name,
        at=f"{file.path} line {file.line(path)}: {key_text(path)}",
        toolchain=toolchain,
        output=own.get("output", ""),
        source=own.get("source", ""),
        result=own.get("result", ""),
        package=own.get("package", ""),
        go=_go(own),
        command=replace(_command(own), output=own.get("file", "")),
        files=tuple(own.get("files", ())),
        extras=tuple(own.get("with", ())),
        said=frozenset(own),
    )


def _listed(names: Sequence[str]) -> str:
    """The names as one reads them aloud: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _toolchain(tree: Mapping[str, Any]) -> str:
    """The toolchain whose table is there; empty if none or several are."""
    there = [name for name in ("go", "rust", "c", *SYSTEMS, "command") if name in tree]
    return there[0] if len(there) == 1 else ""


def _check_programs(file: TomlFile, tree: Mapping[str, Any]) -> None:
    """Refuse what would be two files at one place, or a program nobody can make."""
    seen: set[str] = set()
    for at, program in enumerate(tree.get("program", [])):
        place = _place(program)
        if place in seen:
            raise file.error(("program", at), f"goes to {place}, where another program goes already")
        seen.add(place)
    if "name" in tree and "program" in tree:
        raise file.error(("name",), "and [[program]] cannot both be there", "each program has a name of its own")


def _at(file: TomlFile, path: KeyPath, parse: Callable[[V], T], value: V) -> T:
    """What `parse` makes of the value; its UsageError comes out with file, line and key before it."""
    try:
        return parse(value)
    except UsageError as error:
        raise file.error(path, error.what, error.hint) from error


def _part(tree: Mapping[str, Any]) -> PlatformSpec:
    go = tree.get("go", {})
    programs = tree.get("program", [])
    if not programs and "name" in tree:
        programs = [{"name": tree["name"]}]
    return PlatformSpec(
        base=tree.get("base", ""),
        files=tuple(tree.get("files", ())),
        go=_go(go),
        package=go.get("package", ""),
        command=_command(tree.get("command", {})),
        c=_c(tree.get("c", {})),
        rust=_rust(tree.get("rust", {})),
        systems={name: _system(tree[name]) for name in SYSTEMS if name in tree},
        compiler=_compiler(tree.get("compiler", {})),
        sysroot=_sysroot(tree.get("sysroot", {})),
        image=_image(tree.get("image", {})),
        programs=tuple(_program(program, tree) for program in programs),
    )


def _program(own: Mapping[str, Any], tree: Mapping[str, Any]) -> ProgramSpec:
    go = {**tree.get("go", {}), **{key: own[key] for key in ("tags", "ldflags") if key in own}}
    command = {**tree.get("command", {}), **{key: own[key] for key in ("run", "output") if key in own}}
    package = own.get("package") or go.get("package", "")
    c = {**tree.get("c", {}), **{key: own[key] for key in ("sources",) if key in own}}
    return ProgramSpec(Program(own["name"], package), _place(own), _go(go), _command(command), _c(c))


def _place(program: Mapping[str, Any]) -> str:
    """Where the program goes."""
    path: str = program.get("path", "/bin/")
    path = path if path.startswith("/") else f"/{path}"
    return f"{path}{program['name']}" if path.endswith("/") else path


def _go(tree: Mapping[str, Any]) -> GoOptions:
    return GoOptions(
        tags=tuple(tree.get("tags", ())),
        ldflags=tree.get("ldflags", ""),
        flags=tuple(tree.get("flags", ())),
        env=tuple(tree.get("env", {}).items()),
        private=tuple(tree.get("private", ())),
        cgo=tree.get("cgo", False),
        vcs=tree.get("vcs", False),
    )


def _command(tree: Mapping[str, Any]) -> CommandOptions:
    return CommandOptions(
        run=tuple(tree.get("run", ())),
        output=tree.get("output", ""),
        env=tuple(tree.get("env", {}).items()),
        passed=tuple(tree.get("pass", ())),
        is_parallel=tree.get("parallel", False),
    )


def _c(tree: Mapping[str, Any]) -> CProgram:
    return CProgram(
        sources=tuple(tree.get("sources", ())),
        flags=tuple(tree.get("flags", ())),
        ldflags=tuple(tree.get("ldflags", ())),
    )


def _rust(tree: Mapping[str, Any]) -> RustOptions:
    return RustOptions(
        package=tree.get("package", ""),
        features=tuple(tree.get("features", ())),
        default_features=tree.get("default-features", True),
        flags=tuple(tree.get("flags", ())),
        env=tuple(tree.get("env", {}).items()),
    )


def _system(tree: Mapping[str, Any]) -> BuildSystemOptions:
    return BuildSystemOptions(
        directory=tree.get("directory", ""),
        arguments=tuple(tree.get("arguments", ())),
        variables=tuple(tree.get("variables", {}).items()),
        targets=tuple(tree.get("targets", ())),
        install=tuple(tree["install"]) if "install" in tree else None,
        programs=tuple(tree.get("programs", ())),
        files=tuple(tree.get("files", ())),
    )


def _sysroot(tree: Mapping[str, Any]) -> SysrootOptions:
    return SysrootOptions(
        image=tree.get("image", ""),
        packages=tuple(tree.get("packages", ())),
        path=tree.get("path", ""),
        copy_libraries=tree.get("copy-libraries", False),
        dependencies=tree.get("dependencies", True),
    )


def _compiler(tree: Mapping[str, Any]) -> CompilerOptions:
    return CompilerOptions(
        use=tree.get("use", ""),
        path=tree.get("path", ""),
        libc=tree.get("libc", ""),
        static=tree.get("static"),
        strip=tree.get("strip", True),
        env=tuple(tree.get("env", {}).items()),
        passed=tuple(tree.get("pass", ())),
    )


def _image(tree: Mapping[str, Any]) -> ImageOptions:
    def words(key: str) -> tuple[str, ...] | None:
        return tuple(tree[key]) if key in tree else None

    return ImageOptions(
        entrypoint=words("entrypoint"),
        cmd=words("cmd"),
        env=tuple(tree.get("env", {}).items()),
        user=tree.get("user"),
        workdir=tree.get("workdir"),
        labels=tuple(tree.get("labels", {}).items()),
        annotations=tuple(tree.get("annotations", {}).items()),
        expose=tuple(tree.get("expose", ())),
        volumes=tuple(tree.get("volumes", ())),
        stop_signal=tree.get("stop-signal"),
    )
