"""Debug information kept apart: programs go into images without it, and whole into a folder that debuggers know.

`DIR/PLATFORM/PATH.debug` is the program as it was linked, and `DIR/.build-id/ab/cdef….debug` leads to it, which is
where gdb, lldb and their kin look for the build id of a program that they meet.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ocitool.binaries.debug import build_id, strip
from ocitool.errors import local_io
from ocitool.events import Listener, Noted
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry, FileContent
from ocitool.toolchains.base import folder_name
from ocitool.values import replace


def without_debug(
    entries: Sequence[Entry], platform: Platform, folder: Path, work: Path, listener: Listener
) -> Iterator[Entry]:
    """The entries, those programs and libraries stripped that have debug information, which `folder` gets.

    The stripped ones are made below `work`. Raises LocalIOError.
    """
    for entry in entries:
        content = entry.content
        if entry.kind is not FileKind.FILE or not isinstance(content, FileContent):
            yield entry
            continue
        small = work / folder_name(platform) / "stripped" / entry.path
        try:
            is_stripped = _strip(Path(content.path), small)
            if is_stripped:
                _keep(Path(content.path), folder, f"{folder_name(platform)}/{entry.path}.debug", listener)
        except OSError as error:
            raise local_io(error, f"write debug files into {folder}") from error
        yield replace(entry, content=FileContent(small)) if is_stripped else entry


def _strip(path: Path, small: Path) -> bool:
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return False
        small.parent.mkdir(parents=True, exist_ok=True)
        with small.open("w+b") as out:
            return strip(file, out)


def _keep(path: Path, folder: Path, name: str, listener: Listener) -> None:
    kept = folder / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, kept)
    with path.open("rb") as file:
        found = build_id(file)
    if not found:
        listener(Noted(f"{kept} has no build id, so that a debugger has to be told of it", "notice"))
        return
    link = folder / ".build-id" / found[:2] / f"{found[2:]}.debug"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(kept, link.parent))
    listener(Noted(f"debug information: {kept} (build id {found})", "note"))
