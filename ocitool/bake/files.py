"""Bake files found and read: those that are named, else those that buildx looks for."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from ocitool.bake.definition import Definition
from ocitool.bake.syntax import FILE_LIMIT, read_body
from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.model.platform import Platform

_NAMES: Final = ("docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl")
COMPOSE: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_YAML: Final = (".yaml", ".yml")
_LIMIT: Final = 50


def read_files(
    names: Sequence[str], environ: Mapping[str, str], host: Platform, folder: Path, stdin: BinaryIO | None
) -> Definition:
    """What the files say together; those that are named stand below `folder`, and `-` is `stdin`.

    Without names BUILDX_BAKE_FILE has them, else they are docker-bake.json, docker-bake.hcl and their overrides.
    Raises NotFound where there is none, Unsupported for compose files, UsageError, LocalIOError.
    """
    separator = environ.get("BUILDX_BAKE_PATH_SEPARATOR") or ":"
    names = names or [name.strip() for name in environ.get("BUILDX_BAKE_FILE", "").split(separator) if name.strip()]
    chosen = list(names) or [name for name in _NAMES if (folder / name).exists()]
    if not chosen:
        lone = next((name for name in COMPOSE if (folder / name).exists()), "")
        if lone:
            raise _compose(lone)
        raise NotFound("no bake file", name=str(folder), hint=f"name one with -f, or write {_NAMES[1]}")
    if len(chosen) > _LIMIT:
        raise UsageError(f"{len(chosen)} bake files, and at most {_LIMIT} are read together")
    bodies = [read_body(_read(name.removeprefix("cwd://"), folder, stdin), name) for name in chosen]
    return Definition(bodies, environ, {"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": str(host)})


def overlooked(names: Iterable[str], folder: Path) -> str:
    """The compose file that buildx would have read too, empty if there is none."""
    return "" if names else next((name for name in COMPOSE if (folder / name).exists()), "")


def _read(name: str, folder: Path, stdin: BinaryIO | None) -> bytes:
    if name.endswith(_YAML):
        raise _compose(name)
    if name == "-":
        if stdin is None:
            raise UsageError("- is standard input, and none was given")
        return stdin.read(FILE_LIMIT + 1)
    try:
        with (folder / name).open("rb") as file:
            return file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        raise NotFound(f"no file {name}", name=name, hint="-f names a bake file") from None
    except OSError as error:
        raise local_io(error, f"read {name}") from error


def _compose(name: str) -> Unsupported:
    return Unsupported(
        f"{name} is a compose file, and those are not read",
        ability="compose",
        hint='docker-bake.hcl has a target for each service: target "NAME" { context = … }',
    )
