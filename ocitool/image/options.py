"""Options of an image's configuration: checked, merged, and set the way a container runtime reads them.

Spec: image-spec config.md; Docker image spec.
"""

import ipaddress
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ocitool.errors import UsageError
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is said about the image's configuration; None and empty where nothing is said."""

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    workdir: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    expose: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None


def check_settings(options: ImageOptions) -> None:
    """Raise UsageError for a port, a signal, a volume or a working directory that is none."""
    ports_of(options.expose)
    if options.stop_signal:
        signal_of(options.stop_signal)
    if "" in options.volumes:
        raise UsageError("a volume without a path", hint="name a folder of the image, such as /data")
    if options.workdir and not options.workdir.startswith("/"):
        raise UsageError(
            f"the working directory {options.workdir!r} is not absolute", hint=f"write /{options.workdir}"
        )


def merge(file: ImageOptions, flags: ImageOptions, labels: Sequence[tuple[str, str]] = ()) -> ImageOptions:
    """Settings of a spec with those of the flags over them; `labels` come first of all."""
    return ImageOptions(
        entrypoint=flags.entrypoint if flags.entrypoint is not None else file.entrypoint,
        cmd=flags.cmd if flags.cmd is not None else file.cmd,
        env=tuple({**dict(file.env), **dict(flags.env)}.items()),
        user=flags.user if flags.user is not None else file.user,
        workdir=flags.workdir if flags.workdir is not None else file.workdir,
        labels=tuple(sorted({**dict(labels), **dict(file.labels), **dict(flags.labels)}.items())),
        annotations=tuple({**dict(file.annotations), **dict(flags.annotations)}.items()),
        expose=tuple(dict.fromkeys((*file.expose, *flags.expose))),
        volumes=tuple(dict.fromkeys((*file.volumes, *flags.volumes))),
        stop_signal=flags.stop_signal if flags.stop_signal is not None else file.stop_signal,
    )


PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_RANGE: Final = re.compile(r"\+?([0-9]{1,18})(?:-\+?([0-9]{1,18}))?")


class EnvList:
    """A config's Env in the making: each variable is set in its place if it is there, in constant time.

    `items` is the list as the config has it, `pairs` its variables; of two items for one name the first is set, and
    the last counts for whoever reads.
    """

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self.items = list(items)
        self.pairs = env_of({"Env": self.items})
        self._places: dict[str, int] = {}
        for place, item in enumerate(self.items):
            if isinstance(item, str):
                self._places.setdefault(item.partition("=")[0], place)

    def copy(self) -> "EnvList":
        """Another one that begins with the same."""
        other = EnvList()
        other.items, other.pairs, other._places = self.items.copy(), self.pairs.copy(), self._places.copy()
        return other

    def set(self, name: str, value: str) -> None:
        """Set one variable."""
        place = self._places.setdefault(name, len(self.items))
        self.items[place : place + 1] = [f"{name}={value}"]
        self.pairs[name] = value


def set_env(settings: dict[str, Any], pairs: Iterable[tuple[str, str]]) -> None:
    """Set variables, each in its place if it is there."""
    there = settings.get("Env")
    env = EnvList(there if isinstance(there, list) else ())
    for name, value in pairs:
        env.set(name, value)
    settings["Env"] = env.items


def env_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a config."""
    items = settings.get("Env")
    found = [item for item in items if isinstance(item, str)] if isinstance(items, list) else []
    return dict(item.partition("=")[::2] for item in found)


def workdir_of(current: str, path: str) -> str:
    """The absolute path that WORKDIR means: as it is written, or joined to the current one and cleaned (K166).

    An empty one changes nothing.
    """
    if path.startswith("/") or not path:
        return path or posixpath.join("/", current)
    return posixpath.normpath(posixpath.join("/", current, path)).replace("//", "/")


def signal_of(text: str) -> str:
    """The signal of STOPSIGNAL as it is written. Raises UsageError if Linux has none like it."""
    if not is_signal(text):
        raise UsageError(f"no signal {text[:100]!r}", hint="such as SIGTERM, or its number")
    return text


def ports_of(words: Iterable[str]) -> tuple[str, ...]:
    """The ports of EXPOSE as `80/tcp`, ranges written out, in their order and as often as they are said.

    Of `127.0.0.1:8080:80` the container's port counts. Raises UsageError.
    """
    return tuple(port for word in words for port in _ports(word))


def _ports(word: str) -> Iterator[str]:
    before, _, rest = word.rpartition(":")
    numbers, _, protocol = rest.partition("/")
    if protocol.lower() not in {"", "tcp", "udp", "sctp"}:
        raise UsageError(f"not a port: {word[:100]!r}", hint="write 80, 80/udp or 8000-8010")
    first, last = _range(numbers, word)
    ip, _, host = before.rpartition(":")
    if ip and not _is_address(ip):
        raise UsageError(f"not an address: {ip[:100]!r} in {word[:100]!r}", hint="EXPOSE takes ports alone")
    if host:
        low, high = _range(host, word)
        if last > first and high - low != last - first:
            raise UsageError(
                f"ranges of different lengths: {word[:100]!r}", hint="EXPOSE takes the container's ports alone"
            )
    return (f"{port}/{protocol.lower() or 'tcp'}" for port in range(first, last + 1))


def _range(text: str, word: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(f"not a port: {word[:100]!r}", hint="write 80, 80/udp or 8000-8010")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 <= first <= last <= 65535:
        raise UsageError(f"not a port or range of ports: {word[:100]!r}", hint="from 0 to 65535, the lower first")
    return first, last


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return True


_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")


_SIGNALS: Final = (
    frozenset(
        [
            "ABRT",
            "ALRM",
            "BUS",
            "CHLD",
            "CLD",
            "CONT",
            "FPE",
            "HUP",
            "ILL",
            "INT",
            "IO",
            "IOT",
            "KILL",
            "PIPE",
            "POLL",
            "PROF",
            "PWR",
            "QUIT",
            "SEGV",
            "STKFLT",
            "STOP",
            "SYS",
            "TERM",
            "TRAP",
            "TSTP",
            "TTIN",
            "TTOU",
            "URG",
            "USR1",
            "USR2",
            "VTALRM",
            "WINCH",
            "XCPU",
            "XFSZ",
            "RTMIN",
            "RTMAX",
        ]
    )
    | {f"RTMIN+{n}" for n in range(1, 16)}
    | {f"RTMAX-{n}" for n in range(1, 15)}
)


def is_signal(text: str) -> bool:
    """Whether it is a number but 0, or a name that Linux has, with or without SIG."""
    if _NUMBER.fullmatch(text):
        return int(text) != 0
    return text.upper().removeprefix("SIG") in _SIGNALS
