"""The policy that ocitool.toml names, for the commands that build nothing: of the current folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.project.build_files import FILE_NAME

if TYPE_CHECKING:
    from ocitool.project.toml import TomlFile

_TABLE: Final = "trust"


def named_policy(config: Path | None = None) -> Path | None:
    """The file that `[trust]` names, relative to the ocitool.toml that does; None where nothing names one.

    Without `config` the ocitool.toml of the current folder is read, if there is one. Raises UsageError with the
    line, LocalIOError.
    """
    path = config or Path(FILE_NAME)
    if config is None and not path.is_file():
        return None
    from ocitool.project.schema import SCHEMA, problems
    from ocitool.project.toml import read_toml

    file = read_toml(path)
    table = file.tree.get(_TABLE)
    if table is None:
        return None
    for problem in problems(table, SCHEMA["properties"][_TABLE], (_TABLE,)):
        raise file.error(problem.path, problem.message, problem.hint)
    return policy_of(file, table)


def policy_of(file: "TomlFile", table: dict[str, Any]) -> Path:
    """The file that a table `[trust]` names."""
    return file.path.parent / str(table["policy"])
