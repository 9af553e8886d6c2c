"""Outcomes and errors as text, JSON and exit codes."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from ocitool.cli.terminal import painted
from ocitool.errors import (
    AuthError,
    BuildError,
    Cancelled,
    LocalIOError,
    NetworkError,
    OcitoolError,
    OutputClosed,
    RegistryError,
    Unsupported,
    UsageError,
    bounded,
    local_io,
)
from ocitool.model.printable import ascii_json, shown, shown_json
from ocitool.values import dataclass, field

_SHOWN_LINES: Final = 30
"""Lines of a compiler's output that an error shows without --verbose."""

_OUTPUT: Final = (OutputClosed, LocalIOError)
_ESCAPED: Final = "[\udc80-\udcff]"
"""What Python makes of bytes of the command line that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has to say: `data` for --json, `text` for people (stdout), and the exit code.

    `summary` is talk for stderr, printed last and not with --quiet. `raw` replaces `text` by exact bytes. `errors`
    are of the parts of the work that could not be done, told as errors are. `is_exact` text is for other programs,
    or to be copied, and no terminal changes its lines.
    """

    data: Mapping[str, Any] = field(default_factory=dict, hash=False)
    text: str = ""
    exit_code: int = 0
    summary: str = ""
    raw: bytes | None = None
    errors: tuple[OcitoolError, ...] = ()
    is_exact: bool = False


def envelope(
    command: str, data: Mapping[str, Any], exit_code: int, warnings: Sequence[str], errors: Sequence[dict[str, Any]]
) -> str:
    """The one JSON envelope of every command; fields are only ever added."""
    import json

    tree = {
        "ocitool": 1,
        "command": command,
        "ok": exit_code == 0,
        "exit_code": exit_code,
        "data": dict(data),
        "warnings": list(warnings),
        "errors": list(errors),
    }
    return shown_json(json.dumps(tree, indent=2, ensure_ascii=False))


def flatten(error: BaseException) -> Iterator[BaseException]:
    """The single errors in a (nested) group, in order."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from flatten(inner)
    else:
        yield error


def distinct(errors: Sequence[BaseException]) -> list[BaseException]:
    """The errors without those that say the same again: one host that cannot be reached is one line.

    The first of its kind and host gets a note that counts the others.
    """
    first: dict[str, BaseException] = {}
    more: dict[str, int] = {}
    for error in errors:
        host = error.host if isinstance(error, (AuthError, NetworkError)) else ""
        key = f"{type(error).__name__} {host}" if host else f"{type(error).__name__}: {error}"
        if key not in first:
            first[key] = error
        elif host:
            more[key] = more.get(key, 0) + 1
    for key, count in more.items():
        first[key].add_note(f"and {count} more request{'s' if count > 1 else ''} that failed in the same way")
    return list(first.values())


def exit_code(error: BaseException) -> int:
    """The exit code of an error; a group has that of its first real failure."""
    one = min(flatten(error), key=lambda e: isinstance(e, (Cancelled, KeyboardInterrupt)))
    if isinstance(one, OcitoolError):
        return one.exit_code
    if isinstance(one, (KeyboardInterrupt, click.Abort)):
        return 130
    return 2 if isinstance(one, click.ClickException) else 70


def error_lines(error: BaseException, *, verbose: bool = False) -> Iterator[str]:
    """The lines that tell one error: what, notes, the compiler's or registry's words, then what to do."""
    if isinstance(error, click.ClickException):
        message = bounded(error.format_message())
        yield f"error: {message[:1].lower()}{message[1:].rstrip('.')}"
        ctx = getattr(error, "ctx", None)
        if ctx is not None:
            yield f"hint: {ctx.command_path} --help"
        return
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        yield "error: interrupted"
        return
    if isinstance(error, OutputClosed):
        return
    if not isinstance(error, OcitoolError):
        yield from _bug(error)
        return
    yield f"error: {clean(str(error))}"
    for note in dict.fromkeys(getattr(error, "__notes__", ())):
        yield f"  {clean(str(note))}"
    if isinstance(error, BuildError):
        lines = [line for line in error.stderr.splitlines() if line.strip()]
        told = lines if verbose else lines[-_SHOWN_LINES:]
        if len(told) < len(lines):
            yield f"  | ... {len(lines) - len(told)} lines before; --verbose shows more"
        yield from (f"  | {clean(line)}" for line in told)
    if isinstance(error, RegistryError) and verbose:
        yield from (
            f"  {clean(code)}: {clean(message)} {clean(detail)}".rstrip()
            for code, message, detail in error.diagnostics
        )
    if isinstance(error, AuthError) and error.source:
        yield f"  credentials from {clean(error.source)}"
    if error.hint:
        yield f"hint: {clean(error.hint)}"
    if isinstance(error, Unsupported) and error.spec:
        yield "hint: ocitool.toml beside the Dockerfile, to begin with"
        yield from (f"  {clean(line)}".rstrip() for line in error.spec.splitlines())


def see(code: int) -> Iterator[str]:
    """The line that leads from an error to what there is to read about its exit code; none after a signal."""
    if 0 < code < 128:
        yield f"see: ocitool explain {code}, or {_page_of(code)}"


def _page_of(code: int) -> str:
    from ocitool.cli.exit_codes import exit_code_page

    return exit_code_page(code)


def _bug(error: BaseException) -> Iterator[str]:
    """An exception we did not foresee: what and where, in two lines, no traceback."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    file = frame.tb_frame.f_code.co_filename.rpartition("ocitool/")[2] if frame is not None else ""
    where = f"{file}:{frame.tb_lineno}" if frame is not None else "?"
    what = " ".join(str(error).split())[:300]
    yield f"error: internal error in {where}: {type(error).__name__}{f': {clean(what)}' if what else ''}"
    yield "hint: this is a bug in ocitool; please report it with the command line and this message"


def clean(text: str) -> str:
    """Text of others without control characters, which could move the cursor or colour a terminal."""
    return shown(text, keep="\t")


def error_tree(error: BaseException) -> dict[str, Any]:
    """An error for the JSON envelope."""
    if not isinstance(error, OcitoolError):
        number, what = exit_code(error), next(error_lines(error)).removeprefix("error: ")
        code = {2: "usage", 130: "interrupted"}.get(number, "internal")
        return {"code": code, "exit_code": number, "what": what, "page": _page_of(number)}
    tree: dict[str, Any] = {"code": error.code, "exit_code": error.exit_code, "what": error.what}
    tree["page"] = _page_of(error.exit_code)
    if error.hint:
        tree["hint"] = error.hint
    notes = list(dict.fromkeys(getattr(error, "__notes__", ())))
    if notes:
        tree["notes"] = notes
    for key, value in vars(error).items():
        if key not in {"what", "hint", "exit_code", "verification", "__notes__"} and value not in ("", (), None):
            tree[key] = list(value) if isinstance(value, tuple) else value
    return tree


def ours(error: BaseException) -> BaseException:
    """The error as one of ours, where it is one that this machine or the command line is to blame for.

    What the file system says is told as that even where no code expected it; a pipe that broke is the output. Words
    of the command line that are not UTF-8 are refused by whatever could not write them down (K232).
    """
    if isinstance(error, BrokenPipeError):
        return OutputClosed("nobody reads the output")
    if isinstance(error, OSError):
        return local_io(error, "go on")
    if isinstance(error, UnicodeEncodeError) and re.search(_ESCAPED, str(error.object)):
        return UsageError(
            f"not UTF-8: {clean(str(error.object))[:200]!r}",
            hint="words of the command line are UTF-8, but for paths",
        )
    return error


def fail(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell an error that no command could tell: wrong words, or before a command's options were known."""
    errors = [ours(one) for one in flatten(error)]
    code = exit_code(errors[0] if len(errors) == 1 else BaseExceptionGroup("", errors))
    try:
        if "--json" in arguments and not isinstance(error, _OUTPUT):
            words = " ".join(a for a in arguments[:2] if not a.startswith("-"))
            sys.stdout.write(printable_json(envelope(words, {}, code, (), [error_tree(one) for one in errors])))
            sys.stdout.flush()
    except (OSError, *_OUTPUT) as failure:
        errors.append(ours(failure))
        code = exit_code(errors[-1])
    told = [line for one in errors for line in error_lines(one)]
    for line in (*told, *(see(code) if told else ())):
        sys.stderr.write(f"{painted(line, sys.stderr)}\n")
    return code


def printable_json(text: str) -> str:
    """JSON and the end of its line, as standard output can write it: escaped where that is not UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    return (text if encoding == "utf8" else ascii_json(text)) + "\n"
