"""Instructions that touch no file: what each does to an image's config, and its line of history.

The lines are BuildKit's, letter for letter where it is known. Spec: Docker image spec; image-spec config.md.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ocitool.dockerfile.syntax.instructions import Healthcheck
from ocitool.model.durations import format_duration

SHELL: Final = ("/bin/sh", "-c")
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
