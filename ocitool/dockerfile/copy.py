"""COPY and ADD of files: which entries they put where, as BuildKit's file operations do it.

A directory's contents are merged into the destination, whose own attributes stay as they are (K161); the
directories below it take the source's. Links on the way to the destination are followed inside the root (K163).
Spec: BuildKit's Dockerfile reference, "COPY".
"""

import posixpath
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ocitool.dockerfile.syntax.ignore import IgnoreRules, IgnoreVerdict
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.model.files import FileKind, TreeBudget, resolve
from ocitool.model.path_pattern import deep_glob, glob, is_pattern, may_match_below
from ocitool.pack.entries import Content, Entry, FileOrigin
from ocitool.pack.entry_table import EntryTable
from ocitool.pack.placing import GrowingLayer, add_parents, link
from ocitool.rootfs.files import Files
from ocitool.values import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class CopyAttributes:
    """What --chown and --chmod say of every file; None where nothing is said. `mode` gets an entry's own one.

    `folder_mode` is that of the directories made on the way: --chmod in octal, without its three high bits (K160).
    """

    owner: tuple[int, int] | None = None
    mode: Callable[[Entry], int] | None = None
    folder_mode: int = 0o755

    def on(self, entry: Entry) -> Entry:
        """The entry with them."""
        uid, gid = self.owner or (entry.uid, entry.gid)
        mode = self.mode(entry) if self.mode is not None and entry.kind is not FileKind.SYMLINK else entry.mode
        return (
            entry
            if (uid, gid, mode) == (entry.uid, entry.gid, entry.mode)
            else replace(entry, uid=uid, gid=gid, mode=mode)
        )


@dataclass(frozen=True, slots=True)
class Order:
    """One COPY, decided: sources as patterns, an absolute destination whose last slash counts.

    `origin` says where a file of the source is from, by its path there.
    """

    sources: tuple[str, ...]
    destination: str
    attributes: CopyAttributes = field(default_factory=CopyAttributes)
    exclude: IgnoreRules = field(default_factory=IgnoreRules)
    parents: bool = False
    origin: Callable[..., FileOrigin | None] = field(default=lambda _path, **_: None, compare=False)

    @property
    def into(self) -> bool:
        """Whether the destination is a directory by how it is written."""
        return self.destination.endswith(("/", "/."))


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one pattern of `--parents` means below its root: the paths it matches, with everything below them.

    An empty one means everything.
    """

    pattern: str = ""

    def has(self, path: str) -> bool:
        """Whether the path matches."""
        return not self.pattern or deep_glob(self.pattern)(path)

    def may_be_below(self, path: str) -> bool:
        """Whether a path below this one may match."""
        return may_match_below(self.pattern, path)


class LayerBuilder(GrowingLayer):
    """The entries of one layer while COPY and ADD put them over a tree (None: an empty root)."""

    def __init__(self, below: Files | None) -> None:
        super().__init__(below)
        self._source = 0

    def next_source(self) -> None:
        """What is put from now on comes from another source."""
        self._source += 1

    def put(self, entry: Entry) -> None:
        """One entry at its path, whose parents are real directories.

        Raises UsageError for a kind that cannot take the other's place, MalformedDocument for a link to nothing.
        """
        if entry.kind is FileKind.HARDLINK:  # K208: other names of a file come as that file
            raise MalformedDocument(
                f"/{entry.path} is a hard link to /{entry.link}, which the layer does not have before it",
                hint="copy what is beside it by name, or make the image again; ocitool check --deep tells of all",
            )
        there = self.kind_at(entry.path)
        if there is FileKind.DIRECTORY and entry.kind is not FileKind.DIRECTORY:
            raise UsageError(
                f"/{entry.path} is a directory and cannot become a file",
                hint="end the destination with / to copy into it",
            )
        if there not in {None, FileKind.DIRECTORY} and entry.kind is FileKind.DIRECTORY:
            target = self.link_at(entry.path)
            hint = f"copy what is in it with a line of its own, to /{entry.path}/" if target else ""
            what = f"a link to {target}" if target else "a file"
            raise UsageError(f"/{entry.path} is {what} and cannot become a directory", hint=hint)
        self._set(entry, there)

    def put_over(self, entry: Entry) -> None:
        """The same where it takes the place of what is there, a directory and what is in it too."""
        there = self.kind_at(entry.path)
        if there is not None and (there is FileKind.DIRECTORY) != (entry.kind is FileKind.DIRECTORY):
            inside = f"{entry.path}/"
            for path in [path for path in self.entries.paths() if path == entry.path or path.startswith(inside)]:
                self.entries.remove(path)
        self._set(entry, there)

    def _set(self, entry: Entry, there: FileKind | None) -> None:
        if there is not None or entry.kind is FileKind.SYMLINK:
            self.moved()
        self.entries.put(entry, self._source)

    def sorted(self) -> EntryTable:
        """The layer's entries sorted bytewise, with the directories they stand in; none is put in any more.

        Names that share one content are links to the first, if one source brought them.
        """
        add_parents(self.entries, self.below)
        link(self.entries)
        return self.entries


Unpack: TypeAlias = Callable[[Content], tuple[Entry, ...] | None]


def copy(
    order: Order,
    source: Files,
    onto: LayerBuilder,
    missing: Callable[[str], Exception],
    unpack: Unpack | None = None,
) -> None:
    """Put what the order names into the layer. `missing` makes the error for a source that is not there.

    `unpack` gives the entries of a file that is an archive, None for any other (ADD). Raises UsageError for
    several files that would all become one.
    """
    job = _Copying(order, source, onto)
    if order.parents:
        _copy_with_parents(job, missing)
        return
    found = [one for pattern in order.sources for one in matches(pattern, source, missing)]
    if not found:
        raise missing(order.sources[0])
    destination = onto.resolve(order.destination)
    archives = {path: inside for path, _ in found if (inside := _inside(source, path, unpack)) is not None}
    files = [path for path, _ in found if source.kind_at(path) is not FileKind.DIRECTORY and path not in archives]
    if len(files) > 1 and not order.into and onto.kind_at(destination) is not FileKind.DIRECTORY:
        raise UsageError(
            f"{len(files)} files go to {order.destination}, which is no directory",
            hint=f"write {order.destination}/ to copy into a directory",
        )
    for path, name in found:
        onto.next_source()
        if order.into and path not in archives:
            job.folder(destination)  # where an archive comes first, its attributes are the usual ones
        if path in archives:
            job.unpacked(path, archives[path], destination)
        elif source.kind_at(path) is FileKind.DIRECTORY:
            job.contents(path, job.folder(destination))
        elif order.into or onto.kind_at(destination) is FileKind.DIRECTORY:
            job.file(path, destination, name)
        else:
            job.file(path, *_split(destination))


def _inside(source: Files, path: str, unpack: Unpack | None) -> tuple[Entry, ...] | None:
    """What the archive at a path holds; None if it is none, or nothing is to be unpacked."""
    entry = source.get(path) if unpack is not None else None
    if unpack is None or entry is None or entry.content is None:
        return None
    return unpack(entry.content)


def _split(path: str) -> tuple[str, str]:
    above, _, name = path.rpartition("/")
    return above, name


@dataclass(frozen=True, slots=True)
class _Folder:
    """A directory of the source that is to be looked into, and where it goes.

    `waiting` are the directories, it and those above it, that are placed as soon as something in it is.
    """

    path: str
    target: str
    relative: str = ""
    verdict: IgnoreVerdict | None = None
    chosen: Chosen = Chosen()
    waiting: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Copying:
    """One COPY on its way into a layer."""

    order: Order
    source: Files
    onto: LayerBuilder

    def folder(self, path: str) -> str:
        """The real path of a directory, made as the flags say where it is missing."""
        return self.onto.directory(path, self.order.attributes.owner, self.order.attributes.folder_mode)

    def file(self, path: str, folder: str, name: str) -> None:
        """One file into a directory that is made if it is missing."""
        entry = self.source.get(path)
        if entry is not None:
            real = self.folder(folder)
            origin = self.order.origin(entry.path)
            self.onto.put(self.order.attributes.on(entry.at(f"{real}/{name}".lstrip("/"), origin)))

    def unpacked(self, archive: str, entries: tuple[Entry, ...], folder: str) -> None:
        """What an archive holds, with its owners and modes, below a directory that is made if it is missing.

        That directory is the root of the archive's links, so that nothing of it lands elsewhere in the image.
        """
        onto, attributes = self.onto, replace(self.order.attributes, mode=None)
        real, budget = onto.directory(folder, self.order.attributes.owner), TreeBudget()
        origin = self.order.origin(archive)

        def link_at(path: str) -> str | None:
            return onto.link_at(f"{real}/{path}".lstrip("/"))

        for entry in entries:
            above, _, name = entry.path.rpartition("/")
            target = f"{onto.directory(f'{real}/{resolve(above, link_at, budget=budget)}', None)}/{name}".lstrip(
                "/"
            )
            if entry.kind is FileKind.DIRECTORY and onto.kind_at(target) is FileKind.SYMLINK:
                led_to = f"{real}/{resolve(entry.path, link_at, budget=budget)}".lstrip("/")
                if onto.kind_at(led_to) is FileKind.DIRECTORY:
                    continue  # the link of a base stays: without its /bin nothing in it would run
            onto.put_over(attributes.on(replace(entry, path=target, origin=origin)))

    def contents(self, path: str, target: str, chosen: Chosen = Chosen()) -> int:  # noqa: B008 - frozen
        """What stands in a directory of the source, merged into a real one; how much that is.

        A directory that is not wanted itself comes along only if something in it is.
        """
        exclude, count = self.order.exclude, 0
        todo = [_Folder(path, target, chosen=chosen)]
        while todo:
            folder = todo.pop()
            origin = self.order.origin(folder.path, is_folder=True)
            for entry in self.source.entries_in(folder.path):
                name = entry.path.rpartition("/")[2]
                below = f"{folder.relative}/{name}".lstrip("/")
                verdict, is_chosen = exclude.judge(below, folder.verdict), folder.chosen.has(below)
                placed = self.order.attributes.on(entry.at(f"{folder.target}/{name}".lstrip("/"), origin))
                waiting = (*folder.waiting, placed)
                if is_chosen and not verdict.ignored:
                    for one in waiting:
                        self.onto.put(one)
                    waiting, count = (), count + 1
                is_open = not verdict.ignored or exclude.may_keep_below(below)
                if (
                    entry.kind is FileKind.DIRECTORY
                    and is_open
                    and (is_chosen or folder.chosen.may_be_below(below))
                ):
                    inside = Chosen() if is_chosen else folder.chosen
                    todo.append(_Folder(entry.path, placed.path, below, verdict, inside, waiting))
        return count


def _copy_with_parents(job: _Copying, missing: Callable[[str], Exception]) -> None:
    """Each pattern's matches under the names they have from the root on, or from the `/./` in the pattern."""
    target = job.folder(job.onto.resolve(job.order.destination))
    count = 0
    for written in job.order.sources:
        job.onto.next_source()
        above, pivot, below = written.partition("/./")
        pattern = posixpath.normpath(f"/{below if pivot else written}").lstrip("/")
        roots = tuple(matches(above if pivot else "/", job.source, missing))
        found = sum(job.contents(root, target, Chosen(pattern)) for root, _ in roots)
        if not found and not is_pattern(written):
            raise missing(written)
        count += found
    if not count:
        raise missing(job.order.sources[0])


def matches(pattern: str, source: Files, missing: Callable[[str], Exception]) -> Iterator[tuple[str, str]]:
    """The real paths that a source names, each with the last component it was found under.

    Raises what `missing` makes for a plain path that is not there, UsageError for a malformed pattern.
    """
    written = posixpath.normpath("/" + pattern).lstrip("/")
    if not is_pattern(written):
        real = source.resolve(written)
        if source.kind_at(real) is None:
            raise missing(pattern)
        yield real, posixpath.basename(written)
        return
    parts = written.split("/")
    plain = next(number for number, part in enumerate(parts) if is_pattern(part))
    todo = [(source.resolve("/".join(parts[:plain])), plain)]
    while todo:
        folder, depth = todo.pop()
        fits, is_last = glob(parts[depth]), depth == len(parts) - 1
        named = [f"{folder}/{name}".lstrip("/") for name in source.names(folder) if fits(name)]
        if is_last:
            for path in named:
                real = source.resolve(path)
                if source.kind_at(real) is None:
                    raise missing(path)
                yield real, posixpath.basename(path)
        else:
            todo += [(path, depth + 1) for path in reversed(named) if source.kind_at(path) is FileKind.DIRECTORY]


def not_found(pattern: str, where: str, hint: str) -> NotFound:
    """The error for a source that is not there."""
    what = f"no file matches {pattern}" if is_pattern(pattern) else f"no {pattern}"
    if is_pattern(pattern) and not hint:
        is_deep = "**" in pattern.split("/")
        hint = "BuildKit would copy nothing; leave the pattern out if that is meant"
        hint = "** reaches any depth with COPY --parents; without, it is one directory" if is_deep else hint
    return NotFound(f"{what} in {where}", name=pattern, where=where, hint=hint)
