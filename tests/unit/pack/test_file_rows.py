import os
import random
import sys

import pytest

from ocitool.errors import LocalIOError
from ocitool.pack.entries import FileContent
from ocitool.pack.file_identity import stamp_of
from ocitool.pack.file_rows import FewOpen, FileRows, HeldContents


@pytest.fixture
def found(tmp_path) -> tuple[list[FileRows], dict[tuple[int, int], os.DirEntry[bytes]]]:
    """Rows of more folders than are open at once, and what the system says of each file."""
    others, every, items = FewOpen(most=2), [], {}
    for folder in range(5):
        (tmp_path / f"{folder}").mkdir()
        for number in range(100):
            path = tmp_path / f"{folder}" / f"{number}-\udcff"
            path.write_text(f"{folder}/{number}")
            path.chmod(0o640 + number % 8)
        rows = FileRows(f"{tmp_path}/{folder}/", others)
        with os.scandir(os.fsencode(tmp_path / f"{folder}")) as listing:
            for item in listing:
                items[folder, len(rows)] = item
                rows.add(item.name, item.stat())
        rows.finish()
        every.append(rows)
    return every, items


def test_a_content_says_what_the_system_said(found):
    every, items = found
    for (folder, number), item in items.items():
        content = FileContent.listed(every[folder], number)
        assert os.fsdecode(item.path) == content.path
        assert item.name == every[folder].name(number) == content.name
        assert stamp_of(item.stat()) == content.stamp
        assert (item.stat().st_mode & 0o7777, item.stat().st_size) == (content.mode, content.size)
        assert FileContent(os.fsdecode(item.path)).stamp == content.stamp
    assert [100] * 5 == [len(rows) for rows in every]


def test_contents_are_equal_by_their_place(found):
    every, _ = found
    one, again = FileContent.listed(every[0], 1), FileContent.listed(every[0], 1)

    assert one == again
    assert hash(one) == hash(again)
    assert one not in (FileContent.listed(every[0], 2), FileContent.listed(every[1], 1))
    assert FileContent(one.path) not in (one, FileContent(one.path))


def test_what_is_held_is_given_once_and_read_from_the_file_after_that(found):
    every, items = found
    held, (key, item) = HeldContents(), next(iter(items.items()))
    content = FileContent.listed(every[key[0]], key[1])
    data = b"".join(content.pieces())
    content.rows.hold(content.number, data, held)
    os.unlink(item.path)

    again = FileContent.listed(every[key[0]], key[1])

    assert again.is_held
    assert data == again.hold() == b"".join(again.pieces())
    assert not FileContent.listed(every[key[0]], key[1]).is_held
    with pytest.raises(LocalIOError):
        list(FileContent.listed(every[key[0]], key[1]).pieces())


def test_what_another_thread_takes_at_any_step_is_right_or_no_more_there(found):
    rows, held, left = found[0][0], HeldContents(), 0
    for _ in range(50):
        held.add(b"another" * 3000)

    def looked_at(frame, event, _argument):
        nonlocal left
        frame.f_trace_opcodes = True
        left -= event == "opcode" and frame.f_code is FileRows.held.__code__
        if left == 0:
            rows.held(0, last=True)
        return looked_at

    answers = []
    while left <= 0:
        left = len(answers) + 1
        rows.hold(0, b"right", held)
        sys.settrace(looked_at)
        try:
            answers.append(rows.held(0, last=True))
        finally:
            sys.settrace(None)

    assert len(answers) > 10
    assert set(answers) == {b"right", None}


def test_contents_come_back_in_the_order_in_which_they_came():
    rng, held = random.Random(0), HeldContents()
    contents = [rng.randbytes(rng.randrange(3000)) for _ in range(1000)]

    numbers = [held.add(data) for data in contents]

    assert contents == [held.get(number) for number in numbers]


def test_of_what_is_asked_for_in_another_order_some_is_kept_no_more_and_none_is_wrong():
    rng, held = random.Random(0), HeldContents()
    contents = [rng.randbytes(3000) for _ in range(1000)]
    numbers = [held.add(data) for data in contents]
    order = rng.sample(range(1000), 1000)

    found = {number: held.get(numbers[number]) for number in order}

    assert None in found.values()
    assert set() == {number for number, data in found.items() if data not in (None, contents[number])}


def test_what_came_last_is_there_at_once():
    held = HeldContents()

    assert b"x" == held.get(held.add(b"x"))
    assert b"" == held.get(held.add(b""))
