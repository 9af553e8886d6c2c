"""What the instructions that touch no file do to an image's config, and the lines that history tells of them.

The lines are BuildKit's, letter for letter where it is known. Spec: Docker image spec; image-spec config.md.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from ocitool.dockerfile.syntax.durations import format_duration, is_signal
from ocitool.dockerfile.syntax.instructions import Healthcheck
from ocitool.errors import UsageError

PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL: Final = ("/bin/sh", "-c")
_RANGE: Final = re.compile(r"\+?([0-9]{1,18})(?:-\+?([0-9]{1,18}))?")
_ESCAPES: Final = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    '"': '\\"', "\\": "\\\\",
}  # fmt: skip


def quoted(words: Iterable[str]) -> str:
    """Words as Go prints a list of quoted strings: `["a" "b"]`."""
    return "[" + " ".join(f'"{"".join(map(_escaped, word))}"' for word in words) + "]"


def _escaped(mark: str) -> str:
    if mark in _ESCAPES:
        return _ESCAPES[mark]
    if mark.isprintable():
        return mark
    code = ord(mark)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def bare(words: Iterable[str]) -> str:
    """Words as Go prints a plain list: `[a b]`."""
    return f"[{' '.join(words)}]"


def set_env(settings: dict[str, Any], pairs: Iterable[tuple[str, str]]) -> None:
    """Set variables, each in its place if it is there."""
    env, wanted = list(settings.get("Env") or []), dict(pairs)
    names = [item.partition("=")[0] for item in env]
    places = {name: place for place, name in reversed(tuple(enumerate(names))) if name in wanted}
    for key, value in wanted.items():
        place = places.get(key, len(env))
        env[place : place + 1] = [f"{key}={value}"]
    settings["Env"] = env


def env_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a config."""
    items = settings.get("Env")
    found = [item for item in items if isinstance(item, str)] if isinstance(items, list) else []
    return dict(item.partition("=")[::2] for item in found)


def set_command(settings: dict[str, Any], key: str, words: Sequence[str], *, is_shell: bool) -> list[str]:
    """Set Cmd or Entrypoint, a line for the shell after the shell's words; gives what was set."""
    shell = settings.get("Shell") or SHELL
    command = [*shell, *(words or ("",))] if is_shell else list(words)
    if command:
        settings[key] = command
    else:
        settings.pop(key, None)
    return command


def set_health(settings: dict[str, Any], check: Healthcheck) -> str:
    """Set Healthcheck; gives the line of history."""
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    values: dict[str, Any] = {"Test": list(check.test)}
    values |= {key: value for key, value in {**times, "Retries": check.retries}.items() if value}
    settings["Healthcheck"] = values
    told = " ".join(f'"{format_duration(value)}"' for value in times.values())
    return f"HEALTHCHECK &{{{quoted(check.test)} {told} {_rune(check.retries)}}}"


def _rune(number: int) -> str:
    """A number as Go quotes it: the character with that code, for BuildKit prints the whole struct with %q."""
    mark = chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\N{REPLACEMENT CHARACTER}"
    return "'" + {"'": "\\'", '"': '"'}.get(mark, _escaped(mark)) + "'"


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
        ip_address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return True
