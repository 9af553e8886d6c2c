"""The entries of a layer in little memory: those of plain files as bytes, all others as the objects they are.

A layer may hold a hundred thousand files that differ in name and content alone. Of each there are a path, the
number of what it has in common with others, and that of its content among those of its folder (`FileRows`). An
entry that is asked for is made again, equal to the one that was put in.
"""

import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence, ValuesView
from operator import eq, itemgetter
from struct import Struct
from typing import Final, TypeAlias

from ocitool.model.files import FileKind, name_bytes, name_text
from ocitool.pack.entries import Entry, FileContent, FileOrigin, plain_file
from ocitool.pack.file_rows import FewOpen, FileRows

_ROW: Final = Struct("3I")
"""The numbers of the style, of the folder's rows, and of the content in them."""
_MOST: Final = 256
_FEW: Final = 16
"""Files of one chunk: most of them, and so many that one can be put between them."""
_Style: TypeAlias = tuple[int, int, int, int | None, FileOrigin | None, int]
"""What plain files have in common: mode, owners, time and origin of the entry, and the source."""


class EntryTable:
    """Entries by path, sorted bytewise. `source` is a number that is kept with each, for whoever puts them in.

    Two are equal if their entries are; one that is a key of a mapping is not to be changed any more.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._objects: dict[str, Entry] = {}
        self._sources: dict[str, int] = {}
        self._files = _Files()
        for entry in entries:
            self.put(entry)

    def __len__(self) -> int:
        """How many entries there are."""
        return self._files.count + len(self._objects)

    def __contains__(self, entry: object) -> bool:
        """Whether an equal entry is there."""
        return isinstance(entry, Entry) and self.get(entry.path) == entry

    def __iter__(self) -> Iterator[Entry]:
        """All of them in their order."""
        others = sorted(((name_bytes(path), entry) for path, entry in self._objects.items()), key=itemgetter(0))
        others.reverse()
        for path, row in self._files.rows():
            while others and others[-1][0] < path:
                yield others.pop()[1]
            yield self._files.entry(name_text(path), row)
        while others:
            yield others.pop()[1]

    def __eq__(self, other: object) -> bool:
        """Whether it has equal entries."""
        if self is other or not isinstance(other, EntryTable):
            return self is other
        ours, others = self._files, other._files
        if self._objects != other._objects or ours.count != others.count:
            return False
        return ours.is_copy(others) or all(map(eq, self, other))

    def __hash__(self) -> int:
        """Of all paths and objects, and of the outermost files: a build may have thousands of small layers."""
        return hash((frozenset(self._objects.values()), *self._files.marks()))

    @property
    def objects(self) -> ValuesView[Entry]:
        """What is kept as it is, in no order: all but plain files of this machine."""
        return self._objects.values()

    def paths(self) -> Iterator[str]:
        """The paths, in no order."""
        yield from self._objects
        for path, _ in self._files.rows():
            yield name_text(path)

    def files_in(self, folder: str) -> Iterator[str]:
        """The names of plain files right in a directory, sorted."""
        return self._files.names(f"{folder}/" if folder else "")

    def get(self, path: str) -> Entry | None:
        """The entry of a path."""
        found = self._objects.get(path)
        row = self._files.get(name_bytes(path)) if found is None and self._files.count else None
        return found if row is None else self._files.entry(path, row)

    def kind_at(self, path: str) -> FileKind | None:
        """The kind of what has that path."""
        found = self._objects.get(path)
        if found is not None or not self._files.count:
            return found.kind if found is not None else None
        return FileKind.FILE if self._files.get(name_bytes(path)) is not None else None

    def put(self, entry: Entry, source: int = 0) -> None:
        """The entry in the place of another one of its path."""
        path, content = entry.path, entry.content
        if (
            isinstance(content, FileContent)
            and content.rows is not None
            and entry.kind is FileKind.FILE
            and not (entry.xattrs or entry.link or any(entry.device))
        ):
            self._objects.pop(path, None)
            style = (entry.mode, entry.uid, entry.gid, entry.mtime, entry.origin, source)
            self._files.put(name_bytes(path), style, content.rows, content.number)
            return
        self._files.remove(name_bytes(path))
        self._objects[path] = entry
        if source or path in self._sources:
            self._sources[path] = source

    def remove(self, path: str) -> None:
        """Take away the entry of a path, if there is one."""
        self._objects.pop(path, None)
        self._files.remove(name_bytes(path))

    def update(self, other: "EntryTable") -> None:
        """All entries of another table in the place of those of their paths."""
        for entry in other.objects:
            self.put(entry, other._sources.get(entry.path, 0))  # noqa: SLF001 - one of this class
        files = other._files  # noqa: SLF001
        for path, row in files.rows():
            self._objects.pop(name_text(path), None)
            self._files.put(path, *files.value(row))

    def alike(self) -> Iterator[tuple[int, Entry]]:
        """Files whose content may be that of another one too, sorted, and the source of each."""
        found = [
            (self._sources.get(path, 0), entry)
            for path, entry in self._objects.items()
            if entry.kind is FileKind.FILE and entry.content is not None
        ]
        found += self._files.doubled()
        return iter(sorted(found, key=lambda one: name_bytes(one[1].path)))


def kept_objects(entries: Collection[Entry]) -> Collection[Entry]:
    """Of the entries of a layer those that may be anything but plain files of this machine."""
    return entries.objects if isinstance(entries, EntryTable) else entries


class _Chunk:
    """Some files that follow each other: their paths with a NUL before and after each, and a row of each."""

    __slots__ = ("_count", "_few", "_opened", "_packed", "last")

    def __init__(self, few: FewOpen, paths: Sequence[bytes], rows: bytes) -> None:
        self.last = paths[-1]
        self._count = len(paths)
        self._opened: tuple[bytearray, bytearray] | None = bytearray(b"\0%b\0" % b"\0".join(paths)), bytearray(rows)
        self._packed = b""
        self._few = few
        few.note(self.shut)

    def __len__(self) -> int:
        return self._count

    def shut(self) -> None:
        """Keep it compressed."""
        opened = self._opened
        if opened is not None and not self._packed:
            paths, rows = opened
            self._packed = zlib.compress(rows + paths, 1)
        self._opened = None

    def open(self) -> tuple[bytearray, bytearray]:
        """The paths and the rows."""
        opened = self._opened
        if opened is None:
            data, size = zlib.decompress(self._packed), self._count * _ROW.size
            opened = self._opened = bytearray(data[size:]), bytearray(data[:size])
            self._few.note(self.shut)
        return opened

    def find(self, path: bytes) -> int:
        """Where the row of a path begins, -1 if there is none."""
        if path > self.last:
            return -1
        paths, _ = self.open()
        at = paths.find(b"\0%b\0" % path)
        return paths.count(0, 0, at) * _ROW.size if at >= 0 else -1

    def row(self, at: int) -> bytes:
        """The row that begins there."""
        return bytes(self.open()[1][at : at + _ROW.size])

    def put(self, at: int, row: bytes) -> None:
        """Another row in its place."""
        self._changing()[1][at : at + _ROW.size] = row

    def append(self, paths: Sequence[bytes], rows: bytes) -> None:
        """More files, with paths beyond the last."""
        all_paths, all_rows = self._changing()
        all_paths += b"%b\0" % b"\0".join(paths)
        all_rows += rows
        self._count += len(paths)
        self.last = paths[-1]

    def _changing(self) -> tuple[bytearray, bytearray]:
        opened = self._opened = self.open()
        self._packed = b""
        return opened

    def listed(self) -> tuple[list[bytes], bytes]:
        """The paths in their order, and all rows."""
        paths, rows = self.open()
        return bytes(paths).split(b"\0")[1:-1], bytes(rows)


class _Files:
    """Plain files by path: sorted chunks, and what their rows count."""

    def __init__(self) -> None:
        self.count = 0
        self._few = FewOpen()
        self.chunks: list[_Chunk] = []
        self._firsts: list[bytes] = []
        self.styles: list[_Style] = []
        self.folders: list[FileRows] = []
        self._numbers: dict[object, int] = {}
        self._met: list[bytearray] = []
        self._doubled: set[tuple[int, int]] = set()

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The paths in their order, each with its row."""
        size = _ROW.size
        for chunk in self.chunks:
            paths, rows = chunk.listed()
            yield from zip(paths, [rows[at : at + size] for at in range(0, len(rows), size)], strict=True)

    def value(self, row: bytes) -> tuple[_Style, FileRows, int]:
        """What a row says."""
        style, folder, number = _ROW.unpack(row)
        return self.styles[style], self.folders[folder], number

    def entry(self, path: str, row: bytes) -> Entry:
        """The entry that a row is of."""
        style, folder, number = _ROW.unpack(row)
        mode, uid, gid, mtime, origin, _ = self.styles[style]
        return plain_file(path, mode, uid, gid, mtime, FileContent.listed(self.folders[folder], number), origin)

    def get(self, path: bytes) -> bytes | None:
        """The row of a path."""
        number = bisect_right(self._firsts, path) - 1
        if number < 0:
            return None
        chunk = self.chunks[number]
        at = chunk.find(path)
        return chunk.row(at) if at >= 0 else None

    def names(self, prefix: str) -> Iterator[str]:
        """What follows the prefix in paths that have no slash behind it."""
        begin = sought = name_bytes(prefix)
        number = 0
        while (number := max(number, bisect_right(self._firsts, sought) - 1)) < len(self.chunks):
            paths, _ = self.chunks[number].listed()
            at = bisect_left(paths, sought)
            while at < len(paths):
                if not paths[at].startswith(begin):
                    return
                name, slash, _ = paths[at][len(begin) :].partition(b"/")
                if slash:  # beyond all that is in that directory
                    sought = begin + name + b"0"
                    at = bisect_left(paths, sought, at)
                else:
                    yield name_text(name)
                    at += 1
            number += 1

    def doubled(self) -> Iterator[tuple[int, Entry]]:
        """The files whose content was put in more than once, and their sources."""
        for path, row in self.rows() if self._doubled else ():
            style, folder, number = _ROW.unpack(row)
            if (folder, number) in self._doubled:
                yield self.styles[style][-1], self.entry(name_text(path), row)

    def marks(self) -> Iterator[object]:
        """What equal ones have in common, however they were made."""
        told = 0
        for chunk in self.chunks:
            told = zlib.crc32(chunk.open()[0][1:], told)
        yield told
        for chunk, at in ((self.chunks[0], 0), (self.chunks[-1], len(self.chunks[-1]) - 1)) if self.chunks else ():
            style, folder, number = self.value(chunk.row(at * _ROW.size))
            yield style[:4], id(folder), number

    def is_copy(self, other: "_Files") -> bool:
        """Whether it was made of equal entries in the same order."""
        return (
            [one[:4] for one in self.styles] == [one[:4] for one in other.styles]
            and len(self.folders) == len(other.folders)
            and all(one is another for one, another in zip(self.folders, other.folders, strict=True))
            and len(self.chunks) == len(other.chunks)
            and all(one.open() == another.open() for one, another in zip(self.chunks, other.chunks, strict=True))
        )

    # Changes

    def put(self, path: bytes, style: _Style, rows: FileRows, number: int) -> None:
        """A file in the place of another one of that path."""
        row = _ROW.pack(self._style(style), self._folder(rows, number), number)
        at = bisect_right(self._firsts, path) - 1
        chunk = self.chunks[at] if at >= 0 else None
        there = chunk.find(path) if chunk is not None else -1
        if chunk is not None and there >= 0:
            chunk.put(there, row)
            return
        self.count += 1
        if chunk is not None and path > chunk.last:
            if len(chunk) < _MOST:
                chunk.append((path,), row)
            else:
                self._insert(at + 1, (path,), row)
        else:
            self._between(max(at, 0), path, row)

    def _between(self, at: int, path: bytes, row: bytes) -> None:
        """A file before others of a chunk; what is before it stays there, or goes to the chunk before."""
        if not self.chunks:
            self._insert(0, (path,), row)
            return
        chunk = self.chunks[at]
        paths, rows = chunk.listed()
        number = bisect_left(paths, path)
        before, cut = (*paths[:number], path), number * _ROW.size
        if len(paths) < _FEW:
            self._replace(at, (*before, *paths[number:]), rows[:cut] + row + rows[cut:])
            return
        self._replace(at, paths[number:], rows[cut:])
        if at and len(self.chunks[at - 1]) + len(before) <= _MOST:
            self.chunks[at - 1].append(before, rows[:cut] + row)
        else:
            self._insert(at, before, rows[:cut] + row)

    def _insert(self, at: int, paths: Sequence[bytes], rows: bytes) -> None:
        self.chunks.insert(at, _Chunk(self._few, paths, rows))
        self._firsts.insert(at, paths[0])

    def _replace(self, at: int, paths: Sequence[bytes], rows: bytes) -> None:
        self.chunks[at], self._firsts[at] = _Chunk(self._few, paths, rows), paths[0]

    def remove(self, path: bytes) -> None:
        """Take away the file of that path, if there is one."""
        number = bisect_right(self._firsts, path) - 1
        there = self.chunks[number].find(path) if number >= 0 else -1
        if there < 0:
            return
        self.count -= 1
        paths, rows = self.chunks[number].listed()
        paths.remove(path)
        if paths:
            self._replace(number, paths, rows[:there] + rows[there + _ROW.size :])
        else:
            del self.chunks[number], self._firsts[number]

    def _style(self, style: _Style) -> int:
        """The number of a style; origins are looked at as objects, for each is kept here."""
        *others, origin, source = style
        key = (*others, id(origin), source)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.styles)
            self.styles.append(style)
        return known

    def _folder(self, rows: FileRows, number: int) -> int:
        """The number of a folder; that the content of this number was put in is noted."""
        known = self._numbers.get(id(rows))
        if known is None:
            known = self._numbers[id(rows)] = len(self.folders)
            self.folders.append(rows)
            self._met.append(bytearray(len(rows)))
        met = self._met[known]
        if number >= len(met):
            met.extend(bytes(len(rows) - len(met)))
        if met[number]:
            self._doubled.add((known, number))
        met[number] = 1
        return known
