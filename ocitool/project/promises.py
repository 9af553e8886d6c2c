"""Promises that ocitool.toml makes about what is pushed: `[push]`, and the platforms that `[check]` expects."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.change.promises import ONE_OF, Promises
from ocitool.errors import UsageError
from ocitool.model.platform import parse_platforms
from ocitool.project.build_files import FILE_NAME

if TYPE_CHECKING:
    from ocitool.project.toml import TomlFile

EXPECT: Final = ("expect", "expect-at-least")
_TABLES: Final = ("check", "push")


def promises_here() -> Promises:
    """What the ocitool.toml of the current folder promises, if there is one. Raises UsageError, LocalIOError."""
    path = Path(FILE_NAME)
    if not path.is_file():
        return Promises()
    from ocitool.project.schema import SCHEMA, problems
    from ocitool.project.toml import read_toml

    file = read_toml(path)
    for name in _TABLES:
        for problem in problems(file.tree.get(name, {}), SCHEMA["properties"][name], (name,)):
            raise file.error(problem.path, problem.message, problem.hint)
    return promises_of(file)


def promises_of(file: "TomlFile") -> Promises:
    """What a file promises that fits the schema. Raises UsageError with the line."""
    check, push = (file.tree.get(name, {}) for name in _TABLES)
    for error in expectation_errors(file, check):
        raise error
    return Promises.parse(
        *(check.get(key, ()) for key in EXPECT),
        no_clobber=push.get("no-clobber"),
        keep_platforms=push.get("keep-platforms"),
    )


def expectation_errors(file: "TomlFile", table: Mapping[str, Any]) -> Iterator[UsageError]:
    """What is wrong with the platforms that a table `[check]` expects."""
    if all(table.get(key) for key in EXPECT):
        yield file.error(("check", EXPECT[1]), ONE_OF)
    for key in EXPECT:
        for number, word in enumerate(table.get(key, ())):
            try:
                if not parse_platforms(word):
                    yield file.error(("check", key, number), "names no platform")
            except UsageError as error:
                yield file.error(("check", key, number), error.what, error.hint)
