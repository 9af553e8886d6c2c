import pytest

from ocitool.errors import UsageError
from ocitool.executor.accounts import Account, account

PASSWD = b"root:x:0:0:root:/root:/bin/sh\nwww:x:82:83::/home/www:/bin/false\nshort:x:7:8\nbad line\n"
GROUP = b"root:x:0:\nweb:x:33:other,www\nmail:x:12:www\nwww:x:83:\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Account(0, 0, (0,), "/root")),
        ("root", Account(0, 0, (0,), "/root")),
        ("www", Account(82, 83, (83, 33, 12), "/home/www")),
        ("82", Account(82, 83, (83, 33, 12), "/home/www")),
        ("www:mail", Account(82, 12, (12,), "/home/www")),
        ("82:5", Account(82, 5, (5,), "/home/www")),
        ("4711", Account(4711, 0, (0,), "/")),
        ("4711:4712", Account(4711, 4712, (4712,), "/")),
        ("short", Account(7, 8, (8,), "/")),
    ],
)
def test_a_user_is_found_by_name_and_number(user, expected):
    assert expected == account(user, PASSWD, GROUP)


def test_an_image_without_accounts_has_root_and_numbers():
    assert Account(0, 0, (0,), "/") == account("", b"", b"")
    assert Account(5, 6, (6,), "/") == account("5:6", b"", b"")


@pytest.mark.parametrize("user", ["nobody", "www:nogroup", "-1", "4294967296", "1 2"])
def test_who_is_not_there_is_a_usage_error(user):
    with pytest.raises(UsageError, match="in /etc/"):
        account(user, PASSWD, GROUP)
