"""--chown by number and by name, --chmod in octal and in symbols."""

import os

import pytest

from ocitool.dockerfile.syntax.ownership import mode_of, owner_of
from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import Entry

PASSWD = "root:x:0:0::/:\napp:x:1000:1001::/:\nbroken:x\n"
GROUP = "root:x:0:\nweb:x:33:\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", (5, 5)),
        ("5:6", (5, 6)),
        ("5:", (5, 0)),
        (":6", (0, 6)),
        ("app", (1000, 1001)),
        ("app:web", (1000, 33)),
        ("5:web", (5, 33)),
        ("app:7", (1000, 7)),
    ],
)
def test_owners(text, expected):
    assert expected == owner_of(text, PASSWD, GROUP)


def test_root_needs_no_account():
    assert (0, 0) == owner_of("root:root", "", "")
    assert (7, 8) == owner_of("root:root", "root:x:7:9::/:\n", "root:x:8:\n")


def test_the_first_line_of_a_name_counts():
    """Blanks around it are no part of it, and what is missing behind the numbers is not missed."""
    assert (7, 8) == owner_of("a", "#a:x:1:1\n\n  a:x:7:8\na:x:9:9::/:\n", "")
    assert (7, 50) == owner_of("a:w", "a::7:8", "\tw::50\nw:x:51:\n")


@pytest.mark.parametrize("line", ["a:x:b:1::/:", "a:x:1", "a", "a:x:-1:1", "a:x:4294967295:1"])
def test_a_line_without_numbers_is_refused(line):
    """Files of root, or of whoever comes next, would be a hole nobody sees."""
    with pytest.raises(UsageError, match="number"):
        owner_of("a", f"{line}\na:x:1:1::/:\n", "")


@pytest.mark.parametrize("text", ["nobody", "5:none", "broken", "99999999999", "²"])
def test_an_unknown_name_is_refused(text):
    with pytest.raises(UsageError):
        owner_of(text, PASSWD, GROUP)


@pytest.mark.parametrize(
    ("text", "mode", "folder", "expected"),
    [
        ("755", 0o600, False, 0o755),
        ("04755", 0o600, False, 0o4755),
        ("0777", 0o600, False, 0o777),
        ("+x", 0o644, False, 0o755),
        ("a+x", 0o644, False, 0o755),
        ("u=rwX,go=rX", 0o600, False, 0o644),
        ("u=rwX,go=rX", 0o700, False, 0o755),
        ("u=rwX,go=rX", 0o600, True, 0o755),
        ("g=u", 0o640, False, 0o660),
        ("o-rwx", 0o777, False, 0o770),
        ("u+s,g+s", 0o755, False, 0o6755),
        ("+t", 0o777, True, 0o1777),
        ("o+t", 0o777, True, 0o777),
        ("g+t", 0o777, True, 0o1777),
        ("u-s", 0o4755, False, 0o755),
        ("a=", 0o755, False, 0),
        ("u+r-w", 0o200, False, 0o400),
    ],
)
def test_modes(text, mode, folder, expected):
    """K160: modes are taken as they are said, whatever the umask."""
    old = os.umask(0o077)
    try:
        entry = Entry("x", FileKind.DIRECTORY if folder else FileKind.FILE, mode)
        assert oct(expected) == oct(mode_of(text)(entry))
    finally:
        os.umask(old)


@pytest.mark.parametrize("text", ["", "888", "10000", "u", "u+y", "+x,", "rwx"])
def test_what_is_no_mode(text):
    with pytest.raises(UsageError, match="not a mode"):
        mode_of(text)
