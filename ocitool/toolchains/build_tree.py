"""A job's files and its build tree: all that has to be there before its commands start, with a copy of the sources.

Build files of strangers write where they like, so they get a copy and the project stays as it was. The copy is
kept; later only what changed is copied again, with its times, so that `make` knows what to do.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ocitool.errors import BuildError, UsageError, local_io
from ocitool.events import Listener, Noted
from ocitool.pack.own_files import is_store
from ocitool.tasks import Scope
from ocitool.toolchains.base import BuildTree, CompileJob, FirstUse, JobFile, JobStep

_LEFT_OUT: Final = frozenset({".git", ".hg", ".svn"})
_COMPILED: Final = (b"\x7fELF", b"!<arch>\n")
_FILES_LIMIT: Final = 200_000
_TOLD: Final = 3
NOT_INSTALLED: Final = (
    'a project without an install rule names its programs: programs = ["NAME"] in the table [make] of '
    "ocitool.toml, or [cmake], [autotools] or [meson]"
)


def prepare(job: CompileJob, scope: Scope, listener: Listener) -> None:
    """Make everything ready for the job's commands. Raises LocalIOError, UsageError, Cancelled."""
    try:
        if job.tree is not None:
            _prepare_tree(job.tree, job.target.source, scope, listener)
        for output in job.outputs:
            output.parent.mkdir(parents=True, exist_ok=True)
            if job.is_fresh:
                output.unlink(missing_ok=True)  # an old file must not pass for a new one
        for file in job.files:
            _write(file)
    except OSError as error:
        raise local_io(error, f"make the place for {job.target}") from error
    for use in job.first_uses:
        if not use.marker.exists():
            listener(Noted(f"building {use.words} of one core, once", "notice"))


def conclude(job: CompileJob) -> None:
    """See that a job that succeeded gave something, and remember what it made for others.

    Raises BuildError where nothing was installed, LocalIOError.
    """
    tree = job.tree
    if tree is not None and not any(files for _, _, files in os.walk(tree.installed)):
        raise BuildError(
            f"cannot compile {job.target}: nothing was installed",
            target=str(job.target.platform),
            argv=job.argv,
            returncode=0,
            hint=NOT_INSTALLED,
        )
    try:
        for use in job.first_uses:
            _mark(use)
    except OSError as error:
        raise local_io(error, "write into the cache") from error


def is_done(step: JobStep, tree: BuildTree | None) -> bool:
    """Whether a step of the kind that is done once has succeeded in this tree."""
    return tree is not None and bool(step.once) and _stamp(step, tree).exists()


def note_done(step: JobStep, tree: BuildTree | None) -> None:
    """Remember that the step succeeded in this tree. Raises LocalIOError."""
    if tree is not None and step.once:
        try:
            _stamp(step, tree).touch()
        except OSError as error:
            raise local_io(error, "write into the build tree") from error


def _stamp(step: JobStep, tree: BuildTree) -> Path:
    return tree.folder / f".done-{step.once}"


def _mark(use: FirstUse) -> None:
    if not use.marker.exists():
        use.marker.parent.mkdir(parents=True, exist_ok=True)
        use.marker.touch()


def _write(file: JobFile) -> None:
    """Write the file unless it is there as it should be: its time tells build systems that nothing changed."""
    raw, mode = file.text.encode(), 0o755 if file.is_program else 0o644
    if file.path.is_file() and file.path.read_bytes() == raw:
        return
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.unlink(missing_ok=True)
    file.path.write_bytes(raw)
    file.path.chmod(mode)


def _prepare_tree(tree: BuildTree, source: Path, scope: Scope, listener: Listener) -> None:
    key = tree.folder / ".key"
    if not key.is_file() or key.read_text("utf-8") != tree.key:
        _remove(tree.folder)
        tree.sources.mkdir(parents=True)
        key.write_text(tree.key, "utf-8")
    _remove(tree.installed)
    tree.installed.mkdir(parents=True)
    (tree.folder / "home").mkdir(exist_ok=True)
    mirror(source, tree.sources, tree.folder / ".copied", scope, listener)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def mirror(source: Path, copy: Path, index: Path, scope: Scope, listener: Listener) -> None:
    """Bring `copy` to what `source` holds; `index` remembers what was copied, one entry a file.

    What a build added to the copy stays. Files that compilers made (ELF, archives) are left out: `make` would take
    those of this machine for finished. Raises OSError, UsageError for more than 200,000 files.
    """
    before = _read_index(index)
    now: dict[str, str] = {}
    folders: set[str] = set()
    left_out: list[str] = []
    for name, status in _files(source):
        scope.check()
        if stat.S_ISDIR(status.st_mode):
            folders.add(name)
            if not _make_folder(copy / name):
                before = {one: how for one, how in before.items() if not one.startswith(f"{name}/")}
            continue
        identity = f"{status.st_mode} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
        now[name] = identity
        if before.get(name) == identity:
            continue
        if not _copy(source, name, copy, status):
            left_out.append(name)
    for gone in before.keys() - now.keys() - folders:
        if (copy / gone).parent.resolve() == copy.resolve() / Path(gone).parent:  # a link may stand there now
            _remove(copy / gone)
    index.write_text("".join(f"{how} {name}\0" for name, how in now.items()), "utf-8", "surrogateescape")
    if left_out:
        more = f" and {len(left_out) - _TOLD} more" if len(left_out) > _TOLD else ""
        listener(Noted(f"left out, for a compiler made them: {', '.join(left_out[:_TOLD])}{more}", "notice"))


def _make_folder(path: Path) -> bool:
    """Whether the folder was there; else it is made, in the place of a link or file."""
    if path.is_dir() and not path.is_symlink():
        return True
    path.unlink(missing_ok=True)
    path.mkdir()
    return False


def _copy(source: Path, name: str, copy: Path, status: os.stat_result) -> bool:
    """Whether the file was copied; it is not if a compiler made it. A link out of the sources still leads there."""
    path, to = source / name, copy / name
    if to.is_dir() and not to.is_symlink():
        shutil.rmtree(to)
    to.unlink(missing_ok=True)
    if stat.S_ISLNK(status.st_mode):
        text = path.readlink()
        leads_out = os.path.normpath(Path(name).parent / text).startswith("..")
        to.symlink_to(path.parent.absolute() / text if leads_out else text)
        return True
    with path.open("rb") as file:
        if file.read(8).startswith(_COMPILED):
            return False
    shutil.copyfile(path, to)
    to.chmod(stat.S_IMODE(status.st_mode) & 0o777 | 0o600)
    os.utime(to, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def _files(source: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every folder, file and link below the folder, relative to it, each after the folder that it is in.

    Folders of version control are left out.
    """
    count = 0
    todo = [""]
    while todo:
        here = todo.pop()
        with os.scandir(source / here) as listing:
            items = sorted(listing, key=lambda item: item.name)
        for item in items:
            name = f"{here}/{item.name}" if here else item.name
            if item.is_dir(follow_symlinks=False):
                if item.name not in _LEFT_OUT and not is_store(item.path):
                    yield name, item.stat(follow_symlinks=False)
                    todo.append(name)
                continue
            status = item.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                yield name, status
            count += 1
            if count > _FILES_LIMIT:
                raise UsageError(
                    f"{source} has more than {_FILES_LIMIT} files", hint="name the folder of the sources alone"
                )


def _read_index(index: Path) -> dict[str, str]:
    if not index.is_file():
        return {}
    found = {}
    for entry in index.read_text("utf-8", "surrogateescape").split("\0"):
        words = entry.split(" ", 5)
        if len(words) == 6:
            found[words[5]] = " ".join(words[:5])
    return found
