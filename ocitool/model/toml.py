"""TOML from outside, read in one place: whatever is wrong with it is one kind of error, with the reason."""

from typing import Any

_LARGEST = 2**63 - 1
_DOTS = 200
"""Most dots in a line: a key of so many parts costs the square of them, and no text of a file has so many."""


class TomlError(ValueError):
    """Why a text is no TOML 1.0 that can be used; a sentence that begins with a small letter."""


def parse_toml(text: str) -> dict[str, Any]:
    """The table that a text is. Raises TomlError, for nesting too deep and numbers over 64 bits too."""
    import tomllib  # many commands could read a file, and find none

    if any(line.count(".") > _DOTS for line in text.splitlines()):
        raise TomlError(f"a line has more than {_DOTS} dots")
    try:
        tree = tomllib.loads(text.removeprefix("\ufeff"))  # Windows editors begin with a mark
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        raise TomlError(said[:1].lower() + said[1:]) from None
    except RecursionError:
        raise TomlError("nested too deeply") from None
    except ValueError:  # of more digits than Python reads
        raise TomlError("a number has more than 64 bits") from None
    todo: list[Any] = [tree]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
        elif isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
            raise TomlError("a number has more than 64 bits")
    return tree
