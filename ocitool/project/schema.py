"""The shape of `ocitool.toml` as a JSON Schema, and the check of a file against it.

The schema is the one source: it validates here, it is published in docs/reference for editors, and the
reference page is made from its descriptions. It uses a few keywords of draft 2020-12 only, so the check
is a page of code instead of a dependency (ADR 0020).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ocitool.documentation import page
from ocitool.errors import closest
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.project.toml import TomlFile

_NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$"
_ENV_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
_EXTRAS: Final = ["ca-certificates", "zoneinfo", "passwd", "tmp"]


def _text(description: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - keywords of a schema
    return {"type": "string", "description": description, **more}


def _texts(description: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"type": "array", "items": {"type": "string", **more}, "description": description}


def _map(description: str, pattern: str = "") -> dict[str, Any]:
    names = {"propertyNames": {"pattern": pattern}} if pattern else {}
    return {"type": "object", "additionalProperties": {"type": "string"}, **names, "description": description}


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def _table(description: str, properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    need = {"required": list(required)} if required else {}
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "additionalProperties": False,
        **need,
    }


_GO: Final = _table(
    "How Go compiles.",
    {
        "package": _text("The main package, such as `./cmd/server`; found by itself if left out."),
        "tags": _texts("Build tags."),
        "ldflags": _text("Flags for the linker; `{version}` and `{revision}` are filled in."),
        "flags": _texts("Further arguments of `go build`."),
        "env": _map("Variables for the compiler; the platform's own (GOOS, GOARM ...) cannot be set.", _ENV_NAME),
        "private": _texts("Module patterns that are fetched from their origin and not looked up (GOPRIVATE)."),
        "cgo": _flag("Compile with cgo; the default makes static programs."),
        "vcs": _flag("Let Go stamp the state of the checkout into the program."),
    },
)
_COMMAND: Final = _table(
    "Any command that compiles; the target is in its environment.",
    {
        "run": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The command; `{os}`, `{arch}`, `{variant}` and `{output}` are filled in.",
        },
        "output": _text("The file it writes, with `{os}`, `{arch}`, `{variant}`; without it, OCITOOL_OUTPUT."),
        "env": _map("Variables for the command.", _ENV_NAME),
        "pass": _texts("Names of variables of this process that the command may see.", pattern=_ENV_NAME),
        "parallel": _flag("Whether several platforms may be compiled at once in the same folder."),
    },
)
_COMPILER: Final = _table(
    "Which compiler of C and C++ is used (c, make, cmake, autotools, meson, rust, and go with cgo).",
    {
        "use": _text(
            "The compiler: zig (the default), Debian's GNU cross compilers, or clang.", enum=["zig", "gnu", "clang"]
        ),
        "path": _text("The folder that the compiler is in; PATH if left out."),
        "libc": _text(
            "The C library: `musl`, `glibc`, or a version such as `glibc:2.31` (zig); musl if left out.",
            pattern=r"^(musl|glibc(:[0-9]+\.[0-9]+)?)$",
        ),
        "static": _flag("Link programs statically; the default with musl and no sysroot."),
        "strip": _flag("Leave symbols and debug information out of programs; the default."),
        "env": _map("Variables for the compiler and the project's build files.", _ENV_NAME),
        "pass": _texts("Names of variables of this process that they may see.", pattern=_ENV_NAME),
    },
)  # fmt: skip
_C: Final = _table(
    "How sources of C and C++ become a program.",
    {
        "sources": _texts(
            "Files or patterns, such as `lib/*.c`; all sources right in the folder, or in `src`.", minLength=1
        ),
        "flags": _texts("Arguments for compiling, such as `-Iinclude` or `-std=c++20`."),
        "ldflags": _texts("Arguments for linking, such as `-lz`; they stand after the sources."),
    },
)  # fmt: skip
_RUST: Final = _table(
    "How cargo compiles.",
    {
        "package": _text("The package of a workspace."),
        "features": _texts("Features of the package.", minLength=1),
        "default-features": _flag("Whether its default features are on; they are if left out."),
        "flags": _texts("Further arguments of `cargo build`."),
        "env": _map("Variables for cargo.", _ENV_NAME),
    },
)
_SYSROOT: Final = _table(
    "Libraries and headers of the target platform: one of an image, Debian's packages and a folder.",
    {
        "image": _text("The image of the target platform whose files are looked into, such as `debian:bookworm`."),
        "packages": _texts("Debian packages, `NAME` or `NAME=VERSION`, with all that they need.", minLength=1),
        "dependencies": _flag("Whether packages come with all that they need; they do if left out."),
        "path": _text("A folder with the root of a system, with `{os}`, `{arch}`, `{variant}`."),
        "copy-libraries": _flag("Bring libraries that a program lacks in its image, with their licence files."),
    },
)
_SYSTEM_KEYS: Final = {
    "directory": _text("The folder of its build file, below the sources."),
    "arguments": _texts("Arguments for configuring."),
    "variables": _map("Variables of its command line.", _ENV_NAME),
    "targets": _texts("What is built; the default target if left out.", minLength=1),
    "install": _texts("Arguments of the step that installs; `{destdir}` is the folder that is packed."),
    "programs": _texts("Programs of the build tree that go to `/usr/bin`, in place of installing.", minLength=1),
    "files": _texts(
        "Patterns of what is packed, such as `usr/bin/*`; all that is installed if left out.", minLength=1
    ),
}
_SYSTEMS: Final = {
    name: _table(
        f"How {told} builds and installs.", {key: _SYSTEM_KEYS[key] for key in _SYSTEM_KEYS if key not in less}
    )
    for name, told, less in (
        ("make", "make", {"arguments"}),
        ("cmake", "CMake", {"variables"}),
        ("autotools", "a configure script", set[str]()),
        ("meson", "meson", {"variables"}),
    )
}
_IMAGE: Final = _table(
    "What the image's configuration says.",
    {
        "entrypoint": _texts("What is started; the only program if left out."),
        "cmd": _texts("Arguments that whoever runs the image can replace."),
        "env": _map("Environment variables.", r"^[^=\x00]+$"),
        "user": _text("User, or user:group, by name or number; a name has to exist in the image."),
        "workdir": _text("The folder things start in."),
        "labels": _map("Labels; `{version}` and `{revision}` are filled in."),
        "annotations": _map(
            "Annotations of the index or only image; below a platform, of its image (OCI images only)."
        ),
        "expose": _texts("Ports, such as `8080/tcp`."),
        "volumes": _texts("Folders for data that outlives a container."),
        "stop-signal": _text("The signal that asks the program to end."),
    },
)
IMAGE_KEYS: Final = frozenset(_IMAGE["properties"])
"""What the configuration of an image says."""
_PROGRAM: Final = _table(
    "One program of several in the image.",
    {
        "name": _text("The file's name.", pattern=_NAME),
        "path": _text("Where it goes, `/bin/NAME` if left out; a folder if it ends with a slash."),
        "package": _text("Its main package (go)."),
        "tags": _texts("Its build tags (go)."),
        "ldflags": _text("Its flags for the linker (go)."),
        "run": {**_COMMAND["properties"]["run"], "description": "The command that makes it (command)."},
        "output": _text("The file its command writes (command)."),
        "sources": _texts("Its sources, files or patterns (c).", minLength=1),
    },
    required=("name",),
)
_STAGE: Final = _table(
    "What stands in for the RUN lines of a Dockerfile's stage, by its name or number.",
    {
        "toolchain": _text(
            "What makes the stage's program.", enum=["go", "rust", "c", *_SYSTEMS, "command", "prebuilt"]
        ),
        "output": _text("Where the stage would have left the program; what `go build -o` says if left out."),
        "source": _text("The folder of the sources in the context; the one copied to WORKDIR if left out."),
        "result": _text(
            "The program's name (rust), or its file in the build tree (make, cmake, autotools, meson)."
        ),
        "package": _text("The main package (go)."),
        **{key: _GO["properties"][key] for key in ("tags", "ldflags", "flags")},
        "env": _map("Variables for the compiler or command.", _ENV_NAME),
        **{key: _GO["properties"][key] for key in ("private", "cgo", "vcs")},
        "run": {**_COMMAND["properties"]["run"], "description": "The command that makes it (command)."},
        "file": _text(
            "The file it writes, with `{os}`, `{arch}`, `{variant}`; without it, OCITOOL_OUTPUT (command)."
        ),
        **{key: _COMMAND["properties"][key] for key in ("pass", "parallel")},
        "files": _texts("What is there already, `SRC:DEST[:MODE]`, with `{os}`, `{arch}` and `{variant}` in SRC."),
        "with": _texts("What RUN lines install in it.", enum=_EXTRAS),
    },
    required=("toolchain",),
)
_CHECK: Final = _table(
    "What `ocitool check` looks for.",
    {
        "select": _texts("Only these rules; ids, or patterns such as `index/*`.", minLength=1),
        "ignore": _texts("Not these rules.", minLength=1),
        "expect": _texts("The platforms that have to be there, and no others.", minLength=1),
        "expect-at-least": _texts("The platforms that have to be there, whatever else is.", minLength=1),
        "severity": {
            "type": "object",
            "additionalProperties": _text("How grave.", enum=["error", "warning", "note"]),
            "description": 'How grave findings of a rule are here: `"layer/setuid" = "error"`; ids or patterns.',
        },
        "allow": {
            "type": "array",
            "description": "Findings that are known and right, each with its reason.",
            "items": _table(
                "A finding that is known and right.",
                {
                    "rule": _text("The rule's id, or a pattern.", minLength=1),
                    "reason": _text("Why it is right.", minLength=1),
                    "at": _text("Only for this platform or file, or a pattern of them."),
                },
                required=("rule", "reason"),
            ),
        },
    },
)
_PUSH: Final = _table(
    "What a push keeps to; `[check]` has the platforms that are expected.",
    {
        "no-clobber": _flag("A tag that exists is not written over; what holds the same already is left alone."),
        "keep-platforms": _flag("A tag does not lose platforms that it offers."),
    },
)
_TRUST: Final = _table(
    "What images have to fulfil before they are used.",
    {"policy": _text("The policy file, beside this one: see the guide on trust.", minLength=1)},
    required=("policy",),
)
_COMMON: Final = {
    "base": _text("The image to build on, a reference or `oci:DIR`; `scratch`, the default, is an empty one."),
    "files": _texts("Files to copy, `SRC:DEST[:MODE]`, with `{os}`, `{arch}` and `{variant}` in SRC.", minLength=1),
    "go": _GO,
    "command": _COMMAND,
    "c": _C,
    "rust": _RUST,
    **_SYSTEMS,
    "compiler": _COMPILER,
    "sysroot": _SYSROOT,
    "image": _IMAGE,
}

_OF_AN_IMAGE: Final = {
    "platforms": _texts("The platforms to build for, such as `linux/arm/v7`.", minLength=1),
    "tags": _texts("References to publish as; `{version}` and `{revision}` are filled in.", minLength=1),
    "toolchain": _text("What compiles.", enum=["go", "rust", "c", *_SYSTEMS, "command", "prebuilt"]),
    "dockerfile": _text("A Dockerfile that says what is in the image, in the folder that is built.", minLength=1),
    "target": _text("The stage of the Dockerfile to build."),
    "build-args": _map("Values for ARG of the Dockerfile."),
    "with": _texts("What an empty image lacks.", enum=_EXTRAS),
    "format": _text("The family of manifests.", enum=["auto", "docker", "oci"]),
    "compression": _text("The codec of layers, such as `gzip:6`, `zstd` or `gzip+zstd`."),
    "index": _flag("Publish an index even for one platform."),
    "git-labels": _flag("Label the image with source and revision when this is a checkout."),
    "base-annotations": _flag("Annotate images with the name and digest of their base, as is usual."),
    **{key: _COMMON[key] for key in _COMMON if key != "image"},
    "program": {
        "type": "array",
        "items": _PROGRAM,
        "minItems": 1,
        "description": "The programs, where there are several or one with settings of its own.",
    },
    "stage": {
        "type": "object",
        "additionalProperties": _STAGE,
        "description": "Stages of a Dockerfile that are made without their RUN lines: `[stage.build]`.",
    },
    "platform": {
        "type": "object",
        "additionalProperties": _table("What differs for one platform.", _COMMON),
        "description": 'Differences by platform: `[platform."linux/arm/v6"]`.',
    },
}
_IMAGES: Final = {
    "type": "array",
    "minItems": 1,
    "description": "Several images: each has what stands outside of them, and what it says itself.",
    "items": _table(
        "One image of several; `{name}` is its name wherever text is.",
        {
            "name": _text("What it is called: by `--image`, and in reports.", pattern=_NAME),
            **_OF_AN_IMAGE,
            **_IMAGE["properties"],
        },
        required=("name",),
    ),
}

SCHEMA_FILE: Final = "ocitool-toml.schema.json"
"""What the file with the schema is called, here and beside an ocitool.toml."""
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": page(f"reference/{SCHEMA_FILE}"),
    "title": "ocitool.toml",
    **_table(
        "What `ocitool build` makes of a folder.",
        {
            "name": _text("The name of the only program.", pattern=_NAME),
            "version": _text("What `{version}` stands for; `git`, the default in a checkout, asks git describe."),
            **_OF_AN_IMAGE,
            "image": {"oneOf": [_IMAGE, _IMAGES]},
            "config": {**_IMAGE, "description": "What the configuration of several images says alike."},
            "check": _CHECK,
            "push": _PUSH,
            "trust": _TRUST,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the schema does not allow; `path` leads to it from the root, `hint` may be empty."""

    path: tuple[str | int, ...]
    message: str
    hint: str = ""


_TYPES: Final = {
    "string": (str, "a string"),
    "boolean": (bool, "true or false"),
    "array": (list, "a list"),
    "object": (dict, "a table"),
}


_SYNC_KEYS: Final = {
    "include": _texts("Patterns of tags; every tag if left out.", minLength=1),
    "exclude": _texts("Patterns of tags that stay behind.", minLength=1),
    "semver": _text("A range of versions that tags are in, such as `>=1.2 <2`.", minLength=1),
    "platforms": _texts("Only these platforms, or patterns such as `linux/*`; all if left out.", minLength=1),
    "referrers": _flag("Whether signatures, SBOMs and whatever refers to the images come too."),
    "targets": _texts(
        "Repositories or `oci:DIR`; `HOST/PATH/` is the repository of the same name below it.", minLength=1
    ),
}
SYNC_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A file of ocitool sync",
    "description": "What holds for every source that does not say it itself.",
    "type": "object",
    "additionalProperties": False,
    "required": ["sync"],
    "properties": {
        **_SYNC_KEYS,
        "sync": {
            "type": "array",
            "minItems": 1,
            "description": "What is to be kept alike.",
            "items": _table(
                "One source and what is kept alike with it.",
                {
                    "source": _text(
                        "A repository, one tag of it, `oci:DIR`, or repositories by a pattern: `HOST/team/*`.",
                        minLength=1,
                    ),
                    **_SYNC_KEYS,
                },
                required=("source",),
            ),
        },
    },
}


def check_file(file: "TomlFile", schema: Mapping[str, Any]) -> None:
    """Raise UsageError with file, line and key for what the schema does not allow, a group of them for several."""
    found = [file.error(problem.path, problem.message, problem.hint) for problem in problems(file.tree, schema)]
    if len(found) == 1:
        raise found[0]
    if found:
        raise ExceptionGroup(f"{file.path} has {len(found)} errors", found)


def problems(value: object, schema: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Everything in `value` that the schema does not allow, in the order it stands."""
    schema = next((one for one in schema.get("oneOf", ()) if _is_of(value, one)), schema)
    if "oneOf" in schema:
        words = " or ".join(_TYPES[one["type"]][1] for one in schema["oneOf"])
        yield Problem(path, f"must be {words}, not {_is(value)}")
        return
    kind, words = _TYPES[schema["type"]]
    if not isinstance(value, kind):
        yield Problem(path, f"must be {words}, not {_is(value)}")
    elif isinstance(value, str):
        yield from _string_problems(value, schema, path)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield Problem(path, "must not be empty")
        for at, item in enumerate(value):
            yield from problems(item, schema["items"], (*path, at))
    elif isinstance(value, dict):
        yield from _object_problems(value, schema, path)


def _string_problems(value: str, schema: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Problem]:
    allowed = schema.get("enum")
    if allowed is not None and value not in allowed:
        yield Problem(path, f"must be one of {', '.join(allowed)}, not {value!r}", _similar(value, allowed))
    if len(value) < schema.get("minLength", 0):
        yield Problem(path, "must not be empty")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield Problem(path, f"{value!r} is not allowed here")


def _object_problems(
    value: Mapping[str, object], schema: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[Problem]:
    known: Mapping[str, Any] = schema.get("properties", {})
    others = schema.get("additionalProperties", False)
    names = schema.get("propertyNames", {}).get("pattern", "")
    for key, item in value.items():
        if names and not re.search(names, key):
            yield Problem((*path, key), "is not a name that is allowed here")
        elif key in known and (other := _meant(key, item, known)):
            yield from (replace(one, hint=other) for one in problems(item, known[key], (*path, key)))
        elif key in known:
            yield from problems(item, known[key], (*path, key))
        elif others:
            yield from problems(item, others, (*path, key))
        else:
            hint = _similar(key, known) or f"known here: {', '.join(known)}"
            yield Problem((*path, key), "unknown key", hint)
    for key in schema.get("required", ()):
        if key not in value:
            yield Problem(path, f"needs {key}")


def _meant(key: str, item: object, known: Mapping[str, Any]) -> str:
    """A key of a similar name that takes such a value, where the key itself does not; empty for none."""
    if _is_of(item, known[key]):
        return ""
    return _similar(key, [name for name, schema in known.items() if _is_of(item, schema)])


def _is_of(value: object, schema: Mapping[str, Any]) -> bool:
    """Whether a value is of the type, or of one of the types, that a schema is about."""
    return any(isinstance(value, _TYPES[one["type"]][0]) for one in schema.get("oneOf", (schema,)))


def _similar(word: str, known: Iterable[str]) -> str:
    near = closest(word.replace("_", "-"), known)
    return f"did you mean {near}?" if near else ""


def _is(value: object) -> str:
    for kind, words in _TYPES.values():
        if isinstance(value, kind):
            return words
    return "a number" if isinstance(value, int | float) else "a date"
