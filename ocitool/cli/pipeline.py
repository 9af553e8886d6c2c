"""Files for the next step of a pipeline: those that a CI service names, and metadata files.

GitHub names its files in GITHUB_OUTPUT and GITHUB_STEP_SUMMARY. GitLab takes a dotenv report; its file is named
in OCITOOL_DOTENV.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from errno import EISDIR
from pathlib import Path
from typing import Final

from ocitool.errors import local_io
from ocitool.model.digest import Digest

PIPELINE_FILES: Final = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "OCITOOL_DOTENV")
"""Variables that name files for the next step of a pipeline."""


def tell_pipeline(outputs: Mapping[str, str], summary: str, environ: Mapping[str, str]) -> None:
    """Write what a CI service's variables ask for: the outputs by name, and a page. Raises LocalIOError."""
    if environ.get("GITHUB_OUTPUT"):
        _append(Path(environ["GITHUB_OUTPUT"]), "".join(f"{key}={value}\n" for key, value in outputs.items()))
    if environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(environ["GITHUB_STEP_SUMMARY"]), summary)
    if environ.get("OCITOOL_DOTENV"):
        lines = (f"OCITOOL_{key.upper()}={value}\n" for key, value in outputs.items())
        _append(Path(environ["OCITOOL_DOTENV"]), "".join(lines))


def page(names: Iterable[str], digest: Digest, table: Iterable[str]) -> str:
    """A result as Markdown, for a CI service's page."""
    return "\n".join([f"### {', '.join(names) or 'image'}", "", f"`{digest}`", "", *table]) + "\n"


def make_way(paths: Iterable[Path | None]) -> None:
    """Before anything is built: each file can be written, and nothing that an earlier build wrote is left there.

    A pipeline must not find the image of an earlier run after one that failed. Links and devices stay as they
    are (`/dev/stdout`). Raises LocalIOError.
    """
    for path in filter(None, paths):
        try:
            if not path.is_symlink() and (path.is_file() or not path.exists()):
                path.open("w", encoding="utf-8").close()
                with suppress(OSError):  # in a folder that is closed, or mounted itself: empty will do
                    path.unlink()
            elif path.is_dir():
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        except OSError as error:
            raise local_io(error, f"write {path}") from error


def write_text(path: Path, text: str) -> None:
    """Write a whole file. Raises LocalIOError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise local_io(error, f"write {path}") from error


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise local_io(error, f"write {path}") from error
