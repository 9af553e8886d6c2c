"""Words of the command line in the types they are meant as."""

import pytest

from ocitool.cli.values import LABEL_FILE_LIMIT, Words, pair_lines, read_label_file
from ocitool.errors import LocalIOError, UsageError


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, None),
        ("", ()),
        ("a 'b c' d\\ e", ("a", "b c", "d e")),
        ('["a", "b c"]', ("a", "b c")),
        ("  []", ()),
    ],
)
def test_a_command_line_in_either_form(said, words):
    """K246"""
    assert words == Words({"entrypoint": said}).argv("entrypoint")


@pytest.mark.parametrize("said", ["[", "[1]", "[null]", "'open"])
def test_what_is_no_command_line(said):
    with pytest.raises(UsageError):
        Words({"cmd": said}).argv("cmd")


def test_a_flag_that_is_not_utf_8_is_named():
    words = Words({"label": ("a=b", "c=\udcff"), "user": "é", "output": "\udcff"})

    with pytest.raises(UsageError, match=r"--label c=\\xff is not UTF-8"):
        words.check_unicode("label", "user")
    words.check_unicode("user")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1", ["a=1"]),
        ("alone", ["alone"]),
        ("", [""]),
        ("a b=1\n", ["a b=1"]),
        ("a=1\nb=x y=z\n\nc=\n", ["a=1", "b=x y=z", "c="]),
        ("a=1\r\nb=2\r\n", ["a=1", "b=2"]),
        ("manifest:a=1\nmanifest[linux/arm64],index:b=2", ["manifest:a=1", "manifest[linux/arm64],index:b=2"]),
        ("a=first\nsecond", ["a=first\nsecond"]),
        ("a=first\nand second = third", ["a=first\nand second = third"]),
    ],
)
def test_several_lines_are_several_pairs_or_one_value(text, found):
    assert found == list(pair_lines([text], "--label"))


def test_lines_that_could_be_either_are_refused():
    with pytest.raises(UsageError, match="--label has 3 lines, and 'more of it' of them"):
        list(pair_lines(["a=1\nmore of it\nb=2"], "--label"))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xef\xbb\xbfa=1\n# b=2\n\n  c= x=y #z\r\nd\n", (("a", "1"), ("c", " x=y #z"), ("d", ""))),
        (b"", ()),
        ("ü=é".encode(), (("ü", "é"),)),
    ],
)
def test_a_file_of_labels(tmp_path, data, found):
    (tmp_path / "labels").write_bytes(data)

    assert found == read_label_file(tmp_path / "labels")


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"a=1\n=2", "line 2: '' is no name"), (b"a b=1", "line 1: 'a b'"), (b"\xff=1", "line 1: not UTF-8")],
)
def test_a_file_that_is_no_file_of_labels(tmp_path, data, said):
    (tmp_path / "labels").write_bytes(data)

    with pytest.raises(UsageError, match=said):
        read_label_file(tmp_path / "labels")


def test_a_file_of_labels_has_a_bound(tmp_path):
    (tmp_path / "labels").write_bytes(b"a=" + b"x" * LABEL_FILE_LIMIT)

    with pytest.raises(UsageError, match="more than"):
        read_label_file(tmp_path / "labels")
    with pytest.raises(LocalIOError, match="read the label file"):
        read_label_file(tmp_path / "absent")
