"""Tables of entries against mappings."""

import random

import pytest

from ocitool.model.files import FileKind, name_bytes
from ocitool.pack.entries import BytesContent, Entry, FileContent, FileOrigin
from ocitool.pack.entry_table import EntryTable, kept_objects
from ocitool.pack.file_rows import FewOpen, FileRows
from ocitool.pack.placing import link

WORDS = ("a", "a-b", "a.b", "b", "é", "\udcff", "\uff5a", "\U0001d4b3", "z")


@pytest.fixture
def contents(tmp_path) -> list[FileContent]:
    """More files of a folder than are open at once, as contents that can be made again."""
    (tmp_path / "f").write_text("x")
    status, others, found = (tmp_path / "f").stat(), FewOpen(most=1), []
    for number in range(3):
        rows = FileRows(f"{tmp_path}/{number}/", others)
        for name in range(200):
            rows.add(b"%d" % name, status)
        rows.finish()
        found += [FileContent.listed(rows, name) for name in range(200)]
    return found


def in_order(entries) -> list[Entry]:
    return sorted(entries, key=lambda entry: name_bytes(entry.path))


def drawn(rng: random.Random, contents: list[FileContent]) -> Entry:
    """Any entry, its path among many of which some are drawn again."""
    path = "/".join([*rng.choices(WORDS, k=rng.randrange(3)), f"{rng.choice(WORDS)}{rng.randrange(400)}"])
    kind = rng.choices([FileKind.FILE, FileKind.DIRECTORY, FileKind.SYMLINK], [20, 1, 1])[0]
    if kind is not FileKind.FILE:
        return Entry(path, kind, link="x" if kind is FileKind.SYMLINK else "")
    content = rng.choice([BytesContent(b"x"), None]) if rng.random() < 0.05 else rng.choice(contents)
    xattrs = (("user.x", b"y"),) if rng.random() < 0.05 else ()
    return Entry(path, kind, rng.choice([0o644, 0o755]), rng.randrange(3), content=content, xattrs=xattrs)


@pytest.mark.parametrize("seed", range(4))
def test_a_table_holds_what_a_mapping_does(contents, seed):
    rng, table, model = random.Random(seed), EntryTable(), {}
    for _ in range(3000):
        entry = drawn(rng, contents)
        if rng.random() < 0.1 and model:
            path = rng.choice([*model, entry.path])
            table.remove(path)
            model.pop(path, None)
        else:
            table.put(entry)
            model[entry.path] = entry

    assert in_order(model.values()) == list(table)
    assert len(model) == len(table)
    assert sorted(model) == sorted(table.paths())
    for path in [*model, *(drawn(rng, contents).path for _ in range(500))]:
        found = model.get(path)
        assert found == table.get(path)
        assert (found.kind if found is not None else None) == table.kind_at(path)
        assert found is None or found in table
    objects = [entry for entry in model.values() if entry.xattrs or not isinstance(entry.content, FileContent)]
    assert in_order(objects) == in_order(table.objects) == in_order(kept_objects(table))


@pytest.mark.parametrize("seed", range(4))
def test_files_of_a_directory_are_those_right_in_it(contents, seed):
    rng = random.Random(seed)
    model = {entry.path: entry for entry in (drawn(rng, contents) for _ in range(2000))}
    table = EntryTable(model.values())
    objects = {entry.path for entry in table.objects}

    for folder in {"", "none", *(path.rpartition("/")[0] for path in model)}:
        right_in_it = [path for path in model.keys() - objects if path.rpartition("/")[0] == folder]
        names = sorted((path.rpartition("/")[2] for path in right_in_it), key=name_bytes)
        assert names == list(table.files_in(folder))


def test_an_update_is_that_of_a_mapping_and_sources_stay(contents):
    rng = random.Random(1)
    one, other = ([drawn(rng, contents) for _ in range(700)] for _ in range(2))
    table, more = EntryTable(one), EntryTable()
    more.put(Entry("twin", FileKind.FILE, content=contents[0]), 7)
    more.put(Entry("twin2", FileKind.FILE, content=contents[0]), 8)
    for entry in other:
        more.put(entry)

    table.update(more)

    model = {entry.path: entry for entry in (*one, *more)}
    assert in_order(model.values()) == list(table)
    assert [(7, "twin"), (8, "twin2")] == [
        (source, entry.path) for source, entry in table.alike() if entry.path.startswith("twin")
    ]


def test_tables_are_equal_by_their_entries_in_whatever_order_they_came(contents):
    rng = random.Random(2)
    entries = list({entry.path: entry for entry in (drawn(rng, contents) for _ in range(900))}.values())
    one, again, turned = EntryTable(entries), EntryTable(entries), EntryTable(reversed(entries))
    other = EntryTable(entries)
    other.put(Entry("a-b", FileKind.FILE, 0o600, content=contents[5]))
    fewer = EntryTable(entries[1:])

    assert one == again == turned
    assert 1 == len({one: 1, again: 2, turned: 3})
    assert one not in (other, fewer)
    assert one != list(one)


def test_an_entry_comes_back_with_its_origin_and_equal_content(contents):
    origin = FileOrigin("COPY", "context", "d", is_folder=True)
    entry = Entry("a/b", FileKind.FILE, 0o4750, 3, 4, 99, contents[250], origin=origin)
    found = EntryTable([entry]).get("a/b")

    assert entry == found
    assert origin is found.origin
    assert (entry.content.path, entry.content.stamp) == (found.content.path, found.content.stamp)
    assert contents[250] == found.content != contents[251]


def test_names_of_one_content_from_one_source_become_links(contents):
    table = EntryTable()
    for path, source in (("b", 1), ("a", 1), ("c", 2), ("d", 1)):
        table.put(Entry(path, FileKind.FILE, 0o755 if path == "d" else 0o644, content=contents[0]), source)

    link(table)

    assert ["", "a", "", ""] == [entry.link for entry in table]
    assert [FileKind.FILE, FileKind.HARDLINK] == [entry.kind for entry in table][:2]


def test_tables_of_a_few_files_each_are_told_apart_by_their_hashes(contents):
    others = [EntryTable([Entry(f"d/{number}", FileKind.FILE, content=contents[0])]) for number in range(100)]
    others += [EntryTable([Entry("d", FileKind.FILE, content=content)]) for content in contents[:100]]
    others += [
        EntryTable([Entry("d", FileKind.FILE, content=BytesContent(b"%d" % number))]) for number in range(100)
    ]

    assert len({hash(table) for table in others}) == 300
