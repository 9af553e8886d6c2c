"""Words of the command line in the types they are meant as."""

import pytest

from ocitool.cli.values import Words
from ocitool.errors import UsageError


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
