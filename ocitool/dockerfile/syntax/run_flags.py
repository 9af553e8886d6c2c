"""The flags of RUN as values: --mount of every type, --network and --security; words with variables as they stand.

Spec: BuildKit's Dockerfile reference, "RUN --mount", "RUN --network", "RUN --security".
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from ocitool.dockerfile.syntax.sizes import parse_size
from ocitool.errors import Unsupported, UsageError
from ocitool.model.numbers import whole
from ocitool.values import dataclass, replace

TYPES: Final = ("bind", "cache", "tmpfs", "secret", "ssh")
NETWORKS: Final = ("default", "none", "host")
_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "bind": frozenset({"target", "source", "from", "rw", "ro"}),
    "cache": frozenset({"target", "source", "from", "rw", "ro", "id", "sharing", "mode", "uid", "gid"}),
    "tmpfs": frozenset({"target", "size"}),
    "secret": frozenset({"target", "id", "required", "mode", "uid", "gid", "env"}),
    "ssh": frozenset({"target", "id", "required", "mode", "uid", "gid"}),
}
_NAMES: Final = {
    "dst": "target", "destination": "target", "src": "source", "readonly": "ro", "readwrite": "rw",
}  # fmt: skip
_SWITCHES: Final = frozenset({"ro", "rw", "required"})
_SHARING: Final = ("shared", "private", "locked")


@dataclass(frozen=True, slots=True)
class RunMount:
    """One --mount: what it says, with its variables; empty, False and None where nothing is said.

    `source_stage` is what `from` names. `env` is the variable that a secret becomes. `read_only` is what the type
    means where neither ro nor rw is written. `size` is in bytes.
    """

    type: str = "bind"
    target: str = ""
    source: str = ""
    source_stage: str = ""
    id: str = ""
    read_only: bool = False
    required: bool = False
    sharing: str = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int = 0
    env: str = ""


@dataclass(frozen=True, slots=True)
class RunFlags:
    """The flags of one RUN; the mounts are texts until their variables are known."""

    mounts: tuple[str, ...] = ()
    network: str = "default"
    security: str = "sandbox"

    @classmethod
    def of(cls, flags: Iterable[tuple[str, str | None]], fail: Callable[[str, str], Exception]) -> "RunFlags":
        """Those that a line has; `fail` makes the error for what no builder would take."""
        mounts: list[str] = []
        said: dict[str, str] = {}
        for name, value in flags:
            if name not in {"mount", "network", "security", "device"}:
                raise fail(f"RUN has no flag --{name}", "RUN takes --mount, --network, --security")
            if not value:
                raise fail(f"--{name} has no value", f"write --{name}=VALUE")
            if name == "mount":
                check_mount(value, fail)
                mounts.append(value)
            elif name in said:
                raise fail(f"--{name} is there twice", "")
            else:
                said[name] = value
        network, security = said.get("network", "default"), said.get("security", "sandbox")
        if network not in NETWORKS:
            raise fail(f"--network={network} is none that RUN has", f"one of {', '.join(NETWORKS)}")
        if security not in {"sandbox", "insecure"}:
            raise fail(f"--security={security} is none that RUN has", "sandbox, or insecure, which is refused here")
        if "device" in said:
            raise Unsupported(
                f"RUN --device={said['device']} needs a device of the host, and none is given to RUN here",
                ability="RUN --device",
                hint="leave it out",
            )
        return cls(tuple(mounts), network, security)

    def sources(self) -> Iterator[str]:
        """What the mounts are from, as it is written: stages, contexts and images."""
        for text in self.mounts:
            if name := dict(_pairs(text)).get("from", ""):
                yield name


def check_mount(text: str, fail: Callable[[str, str], Exception]) -> None:
    """Raise the error for a mount that is wrong whatever its variables hold."""
    try:
        mount = parse_mount(text, lambda word: word if "$" not in word else None)
    except UsageError as error:
        raise fail(error.what, error.hint) from None
    if "$" in mount.source_stage:
        raise fail(
            f"--mount from={mount.source_stage} holds a variable",
            "name a stage with FROM … AS, and the mount that stage",
        )


def parse_mount(text: str, expand: Callable[[str], str | None]) -> RunMount:
    """The mount that --mount says; `expand` gives a word with its variables, None where they are not known yet.

    Raises UsageError for what no builder would take.
    """
    pairs = list(_pairs(text))
    kind = next((expand(value) or "bind" for name, value in pairs if name == "type" and value), "bind")
    if kind not in TYPES:
        raise UsageError(f"--mount has no type {kind!r}", hint=f"one of {', '.join(TYPES)}")
    mount, is_said = RunMount(kind, read_only=kind == "bind"), {"type"}
    for name, value in pairs:
        if name == "type":
            continue
        if name not in _TAKES[kind]:
            raise UsageError(
                f"--mount=type={kind} has no option {name!r}", hint=f"it takes {', '.join(sorted(_TAKES[kind]))}"
            )
        if value is None and name not in _SWITCHES:
            raise UsageError(f"--mount option {name} has no value", hint=f"write {name}=VALUE")
        word = value if name == "from" or value is None else expand(value)
        is_said.add(name)
        if word is not None or value is None:
            mount = _with(mount, name, word)
    return _complete(mount, is_said)


def _complete(mount: RunMount, is_said: set[str]) -> RunMount:
    """The mount with what its type means where nothing is said. Raises UsageError."""
    if mount.type in {"bind", "cache", "tmpfs"} and "target" not in is_said:
        raise UsageError(f"--mount=type={mount.type} says no target", hint="write target=/PATH")
    if mount.type == "secret" and not ({"id", "target"} & is_said):
        raise UsageError("--mount=type=secret says neither id nor target", hint="write id=NAME")
    return mount


def _pairs(text: str) -> Iterator[tuple[str, str | None]]:
    """The options of a --mount by their first names; None for one without a value. Words may be in quotes."""
    try:
        words = next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise UsageError(
            f"--mount={text[:100]} is no list of options", hint="write type=TYPE,target=/PATH"
        ) from None
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip().lower()
        yield _NAMES.get(name, name), value if equals else None


def _with(mount: RunMount, name: str, word: str | None) -> RunMount:
    match name:
        case "ro" | "rw":
            is_on = _is_true(name, word)
            return replace(mount, read_only=is_on if name == "ro" else not is_on)
        case "required":
            return replace(mount, required=_is_true(name, word))
    word = word or ""
    match name:
        case "target":
            return replace(mount, target=word)
        case "source":
            return replace(mount, source=word)
        case "from":
            return replace(mount, source_stage=word)
        case "id":
            return replace(mount, id=word)
        case "env":
            return replace(mount, env=word)
        case "sharing":
            if word not in _SHARING:
                raise UsageError(f"sharing={word} is none that a cache has", hint=f"one of {', '.join(_SHARING)}")
            return replace(mount, sharing=word)
        case "mode":
            if not re.fullmatch(r"(?:0o)?[0-7]{1,5}", word) or int(word, 8) > 0o7777:
                raise UsageError(f"mode={word} is no mode", hint="write it in octal, such as 0755")
            return replace(mount, mode=int(word, 8))
        case "uid":
            return replace(mount, uid=_number(name, word))
        case "gid":
            return replace(mount, gid=_number(name, word))
    return replace(mount, size=parse_size(word, "size"))


def _is_true(name: str, word: str | None) -> bool:
    if word is not None and word.lower() not in {"true", "false", "1", "0", "t", "f"}:
        raise UsageError(f"{name}={word} is neither true nor false")
    return word is None or word.lower() in {"true", "1", "t"}


def _number(name: str, word: str) -> int:
    number = whole(word, 2**32 - 1)
    if number is None:
        raise UsageError(f"{name}={word} is no number of an owner", hint="write a number, names are not looked up")
    return number
