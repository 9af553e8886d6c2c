"""Arguments of the public methods: words or the types they stand for, and a UsageError for what is neither."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.errors import LocalIOError, MalformedDocument, UsageError, local_io
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference

_WORDS: Final = (str, Reference, Platform, Digest)


def text_of(value: object, what: str = "a place") -> str:
    """One word, such as a reference or a platform. Raises UsageError, and says how a path is meant."""
    if isinstance(value, _WORDS):
        return str(value)
    hint = f"write 'oci:{value}' or 'oci-archive:{value}'" if isinstance(value, Path) else ""
    raise UsageError(f"{what} is given as {_shown(value)}, and not as a word", hint=hint)


def maybe_text(value: object, what: str) -> str | None:
    """One word or None. Raises UsageError."""
    return None if value is None else text_of(value, what)


def words_of(values: object, what: str = "a list of words") -> tuple[str, ...]:
    """One word or several, as several. Raises UsageError."""
    return tuple(text_of(value, what) for value in several_of(values, what))


def platforms_of(values: object) -> tuple[str | Platform, ...]:
    """One platform or several, as several. Raises UsageError."""
    found = several_of(values, "a platform")
    return tuple(one if isinstance(one, Platform) else text_of(one, "a platform") for one in found)


def count_of(value: object, what: str) -> int:
    """A number of things, 0 or more. Raises UsageError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise UsageError(f"{what} is given as {_shown(value)}, and not as a number")


def digests_of(values: object) -> tuple[Digest, ...]:
    """One digest or several, as several. Raises UsageError."""
    try:
        return tuple(map(Digest, words_of(values, "a digest")))
    except MalformedDocument as error:
        raise UsageError(error.what, hint=error.hint) from None


def paths_of(values: object, what: str) -> tuple[Path, ...]:
    """One path or several, as several. Raises UsageError."""
    return tuple(path_of(value, what) for value in several_of(values, what))


def path_of(value: object, what: str = "a path") -> Path:
    """A path. Raises UsageError."""
    if isinstance(value, (str, Path)):
        return Path(value)
    raise UsageError(f"{what} is given as {_shown(value)}, and not as a path")


def pairs_of(values: object, what: str) -> tuple[tuple[str, str], ...]:
    """The pairs of a mapping of words; None is an empty one. Raises UsageError."""
    return tuple((text_of(key, what), text_of(value, what)) for key, value in mapping_of(values, what).items())


def mapping_of(values: object, what: str) -> Mapping[object, object]:
    """A mapping; None is an empty one. Raises UsageError."""
    if values is None:
        return {}
    if isinstance(values, Mapping):
        return values
    raise UsageError(f"{what} are given as {_shown(values)}, and not as a mapping of words to words")


def several_of(values: object, what: str) -> tuple[Any, ...]:
    """One value or several, as several, of whatever kind. Raises UsageError."""
    if isinstance(values, (*_WORDS, Path)):
        return (values,)
    if isinstance(values, Iterable) and not isinstance(values, (bytes, bytearray)):
        return tuple(values)
    raise UsageError(f"{what} is given as {_shown(values)}, and not as a word or several")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # a guess at what is read


def read_small(file: str | Path, limit: int) -> bytes:
    """The bytes of a small file, a pipe too. Raises LocalIOError, MalformedDocument for more than `limit`."""
    try:
        with path_of(file, "the name of a file").open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise local_io(error, f"read {file}") from error
    except ValueError:
        raise LocalIOError(f"cannot read {str(file)!r}: not the name of a file") from None
    if len(data) > limit:
        raise MalformedDocument(f"{file} has more than {limit} bytes", where=str(file))
    return data
