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
