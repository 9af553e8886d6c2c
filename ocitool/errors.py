"""Every exception of the package, with the exit code the command line gives it.

    OcitoolError               70   only raised itself for a bug of ours
     ├ NotVerified              1   a signature that was asked for is missing or does not hold
     ├ NotExpected              1   a tag would not be for the platforms that are expected of it
     ├ UsageError               2   bad reference, bad flag combination
     ├ NotFound                 3   a name that is not there
     ├ AuthError                4   the registry wants other credentials, or refuses these
     ├ NetworkError             5   no answer: connect, read, write, TLS
     ├ RegistryError            5   an answer that is a refusal
     ├ MalformedDocument        6   bytes that are not what they claim
     │   ├ Ambiguous            6   … that can be read as two things
     │   └ EscapingPath         6   … a file of a layer that would lie outside the image
     ├ WrongPlatform            6   a program or image for another platform
     ├ DigestMismatch           6   bytes that differ from their digest or size
     │   └ HeaderMismatch       6   … from the digest that a registry named with them
     ├ BuildError               7   a compiler failed
     ├ Conflict                 8   somebody else wrote the tag, or what is to go together does not
     ├ Unsupported              9   this store, registry or machine cannot
     ├ LocalIOError            10   disk full, unreadable file, read-only cache
     ├ OutputClosed           141   whoever read standard output has gone
     ├ Cancelled              130   interrupted (143 on SIGTERM)
     └ SeveralErrors           of the first that is no Cancelled

Exit code 1 is the answer "no": findings and differences, which are no exceptions, and a failed verification or an
expectation that a push would break, which must not be overlooked.
Attributes hold data; `what` is one lower-case line without a full stop; `hint` says what to do.
Context is added with `add_note`, one line each, and printed below the message.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self

_SHOWN: Final = 2000
_END: Final = 200


def bounded(text: str) -> str:
    """The text, the middle of a longer one left out than anybody reads: most repeat what somebody wrote."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - _END]} … {text[-_END:]}"


class OcitoolError(Exception):
    """Base of all errors the library raises on purpose.

    `what` says what went wrong and where, `hint` (may be empty) what the user can do; both are `bounded`.
    """

    code: str = "internal"
    exit_code: int = 70

    def __init__(self, what: str, *, hint: str = "") -> None:
        what = bounded(what)
        super().__init__(what)
        self.what = what
        self.hint = bounded(hint)

    def __str__(self) -> str:
        return self.what


class NotVerified(OcitoolError):  # noqa: N818 - an answer
    """A signature that was asked for is missing or does not hold; `verification` has all that was found."""

    code = "not-verified"
    exit_code = 1

    def __init__(self, what: str, *, verification: object = None, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.verification = verification


class NotExpected(OcitoolError):  # noqa: N818 - an answer
    """A tag that would be written is not for the platforms that are expected of it."""

    code = "not-expected"
    exit_code = 1


class UsageError(OcitoolError):
    """The request itself is wrong; nothing was tried."""

    code = "usage"
    exit_code = 2


class NotFound(OcitoolError):  # noqa: N818 - the field's word, and the design's
    """A tag, digest, blob, file or repository that is not there."""

    code = "not-found"
    exit_code = 3

    def __init__(self, what: str, *, name: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.name = name
        self.where = where


class AuthError(OcitoolError):
    """The registry refused the credentials, or there were none to send."""

    code = "auth"
    exit_code = 4

    def __init__(
        self,
        what: str,
        *,
        host: str = "",
        scope: str = "",
        source: str = "",
        said: str = "",
        status: int = 0,
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.host = host
        self.scope = scope
        self.source = source
        self.said = said


class NetworkError(OcitoolError):
    """No usable answer came. `phase` is connect, tls, read or write; `elapsed_s` counts all attempts."""

    code = "network"
    exit_code = 5

    def __init__(
        self,
        what: str,
        *,
        host: str = "",
        phase: str = "",
        attempts: int = 1,
        elapsed_s: float = 0.0,
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.host = host
        self.phase = phase
        self.attempts = attempts
        self.elapsed_s = elapsed_s


class RegistryError(OcitoolError):
    """The registry answered with a refusal.

    `url` holds no secret. `diagnostics` are (code, message, detail) triples of the error body.
    """

    code = "registry"
    exit_code = 5

    def __init__(
        self,
        what: str,
        *,
        method: str = "",
        url: str = "",
        status: int = 0,
        diagnostics: Sequence[tuple[str, str, str]] = (),
        retry_after_s: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.method = method
        self.url = url
        self.status = status
        self.diagnostics = tuple(diagnostics)
        self.retry_after_s = retry_after_s

    def has(self, *codes: str) -> bool:
        """Whether the error body carries one of these codes, such as MANIFEST_BLOB_UNKNOWN."""
        return any(code in codes for code, _, _ in self.diagnostics)


class MalformedDocument(OcitoolError):  # noqa: N818 - the field's word
    """Bytes that do not parse or do not hold together; `offset` is a byte offset, `pointer` a JSON pointer."""

    code = "malformed"
    exit_code = 6

    def __init__(
        self, what: str, *, where: str = "", offset: int | None = None, pointer: str = "", hint: str = ""
    ) -> None:
        super().__init__(what, hint=hint)
        self.where = where
        self.offset = offset
        self.pointer = pointer

    def __str__(self) -> str:
        return f"{self.what} at {self.pointer}" if self.pointer not in self.what else self.what


class Ambiguous(MalformedDocument):
    """A document that means one thing to one reader and another to the next (CVE-2021-41190)."""


class EscapingPath(MalformedDocument):
    """A name or hard link in a layer that leads out of the image."""


class WrongPlatform(OcitoolError):  # noqa: N818 - the field's word
    """A program, base or image that is for another platform than the one it is meant for."""

    code = "wrong-platform"
    exit_code = 6

    def __init__(self, what: str, *, path: str = "", found: str = "", expected: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.path = path
        self.found = found
        self.expected = expected


class DigestMismatch(OcitoolError):  # noqa: N818 - the field's word
    """Content that differs from the digest or size its descriptor promises."""

    code = "digest-mismatch"
    exit_code = 6

    def __init__(self, what: str, *, expected: str = "", got: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.expected = expected
        self.got = got
        self.where = where


class SizeMismatch(DigestMismatch):
    """Content of the right digest and of another size than its descriptor says; `size` is its own, in bytes."""

    def __init__(self, what: str, *, size: int = 0, expected: str = "", where: str = "", hint: str = "") -> None:
        super().__init__(what, expected=expected, got=str(size), where=where, hint=hint)
        self.size = size


class HeaderMismatch(DigestMismatch):
    """Content that a registry served under another digest than its own; whether it is the wanted is not said."""


class BuildError(OcitoolError):
    """A compiler failed; `stderr` is the tail of what it said."""

    code = "build"
    exit_code = 7

    def __init__(
        self,
        what: str,
        *,
        target: str = "",
        argv: Sequence[str] = (),
        returncode: int | None = None,
        stderr: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.target = target
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr


class Conflict(OcitoolError):  # noqa: N818 - the field's word
    """Another writer changed the tag between our look and our write."""

    code = "conflict"
    exit_code = 8

    def __init__(self, what: str, *, tag: str = "", expected: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.tag = tag
        self.expected = expected
        self.found = found


class Unsupported(OcitoolError):  # noqa: N818 - the field's word
    """A store, registry, format or machine lacks an ability; `hint` names the alternative.

    `spec` is what an ocitool.toml would have to say to do without it, lines to begin with.
    """

    code = "unsupported"
    exit_code = 9

    def __init__(self, what: str, *, ability: str = "", hint: str = "", spec: str = "") -> None:
        super().__init__(what, hint=hint)
        self.ability = ability
        self.spec = spec


class LocalIOError(OcitoolError):
    """This machine's disk or a file on it: full, read-only, unreadable, vanished."""

    code = "local-io"
    exit_code = 10

    def __init__(self, what: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.path = path


class OutputClosed(OcitoolError):  # noqa: N818 - a fact, not a failure
    """Whoever reads standard output has enough, as `head` does; nothing is said about it."""

    code = "output-closed"
    exit_code = 141


class Cancelled(OcitoolError):  # noqa: N818 - the field's word
    """The work was cancelled: by a signal (`exit_code` tells which) or because a sibling failed."""

    code = "cancelled"

    def __init__(self, what: str = "cancelled", *, exit_code: int = 130, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.exit_code = exit_code


def output_error(error: OSError) -> OcitoolError:
    """The error for standard output that takes nothing: OutputClosed behind a pipe, else LocalIOError."""
    import errno

    if isinstance(error, BrokenPipeError):
        return OutputClosed("nobody reads the output")
    if error.errno == errno.EBADF:
        return LocalIOError("cannot write the output: standard output is closed")
    found = local_io(error, "write the output")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        found.hint = "what standard output goes to is full: free some space there, or send it elsewhere"
    return found


class SeveralErrors(OcitoolError, ExceptionGroup[OcitoolError]):  # noqa: N818 - the plural is the point
    """Several parts of one piece of work failed; `exceptions` holds an error for each.

    `code`, `exit_code` and `hint` are those of the first that is not merely cancelled.
    """

    def __new__(cls, errors: Sequence[OcitoolError]) -> Self:
        """The group of errors that are no groups themselves."""
        return super().__new__(cls, "several errors", errors)

    def __init__(self, errors: Sequence[OcitoolError]) -> None:
        first = min(errors, key=lambda error: isinstance(error, Cancelled))
        super().__init__("; ".join(dict.fromkeys(map(str, errors))), hint=first.hint)
        self.code, self.exit_code = first.code, first.exit_code
        self.args = (tuple(errors),)  # what a copy is made of

    def derive(self, excs: Sequence[OcitoolError]) -> "SeveralErrors":  # type: ignore[override]
        """A part of the group, for `split` and `except*`."""
        return SeveralErrors(excs)


@contextmanager
def as_one() -> Iterator[None]:
    """Let only an OcitoolError leave the block (or a bug): a group becomes SeveralErrors or its one error."""
    try:
        yield
    except ExceptionGroup as group:
        errors = list(_leaves(group))
        if isinstance(group, OcitoolError) or not all(isinstance(error, OcitoolError) for error in errors):
            raise
        ours = [error for error in errors if isinstance(error, OcitoolError)]
        raise (ours[0] if len(ours) == 1 else SeveralErrors(ours)) from group


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known word that a wrong one may be a slip of the pen for, for a hint; empty if there is none."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(known), 1, likeness)), "")


def local_io(error: OSError, doing: str) -> LocalIOError:
    """A LocalIOError for `error`, saying what was being done; the errno decides the hint."""
    import errno

    path = str(error.filename or "")
    reason = error.strerror or str(error)
    hints = {
        errno.ENOSPC: "free some space, or choose another place with --cache-dir or -o",
        errno.EDQUOT: "the disk quota is used up; choose another place with --cache-dir or -o",
        errno.EROFS: "the file system is read-only; choose another place with --cache-dir or -o",
        errno.EACCES: "check the permissions of the file and its folders",
        errno.EPERM: "check the permissions of the file and its folders",
        errno.EMFILE: "too many open files; lower --jobs or raise the limit with ulimit -n",
    }
    folder = path.rpartition("/")[0]
    where = f" {path}" if path and path not in doing and (not folder or folder not in doing) else ""
    return LocalIOError(f"cannot {doing}{where}: {reason.lower()}", path=path, hint=hints.get(error.errno or 0, ""))
