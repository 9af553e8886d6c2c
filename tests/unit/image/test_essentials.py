"""What an empty image is given, and users that have to exist."""

import pytest

from ocitool.errors import UsageError
from ocitool.image.essentials import STANDARD, Accounts, check_user, extra_entries, parse_extras, with_user
from ocitool.model.files import FileKind

BASE = Accounts("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh", "root:x:0:\napp:x:1000:\n")


def nothing(path: str) -> bool:
    return False


def by_path(*words: str, exists=nothing, **more):
    return {entry.path: entry for entry in extra_entries(words, exists, **more)}


def text(entry) -> str:
    return b"".join(entry.content.pieces()).decode()


def test_k175_the_ca_bundle_is_at_the_standard_path_with_fixed_attributes():
    """K175: mode 0644, owner 0:0, no time of this machine."""
    entry = by_path("ca-certificates")["etc/ssl/certs/ca-certificates.crt"]

    assert (FileKind.FILE, 0o644, 0, 0, None) == (entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime)
    assert text(entry).count("-----BEGIN CERTIFICATE-----") > 50


def test_k176_zoneinfo_holds_zones_and_no_python():
    """K176: compiled zones at the place where libraries look."""
    entries = by_path("zoneinfo")

    assert b"TZif" == next(entries["usr/share/zoneinfo/Asia/Tokyo"].content.pieces())[:4]
    assert "usr/share/zoneinfo/UTC" in entries
    assert not [path for path in entries if path.endswith((".py", ".pyc")) or "__pycache__" in path]
    assert {(FileKind.FILE, 0o644, None)} == {(e.kind, e.mode, e.mtime) for e in entries.values()}


def test_tmp_is_sticky():
    entry = by_path("tmp")["tmp"]

    assert (FileKind.DIRECTORY, 0o1777) == (entry.kind, entry.mode)


def test_what_the_base_has_is_left_alone():
    words = ("ca-certificates", "zoneinfo", "passwd", "tmp")

    assert {} == by_path(*words, exists=lambda path: True, accounts=BASE)


def test_standard_accounts():
    entries = by_path("passwd")

    assert {"etc/passwd", "etc/group"} == entries.keys()
    assert "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin" in text(entries["etc/passwd"]).splitlines()
    assert "nobody:x:65534:" in text(entries["etc/group"]).splitlines()


@pytest.mark.parametrize("user", ["nonroot", "65532", "nonroot:nonroot"])
def test_nonroot_has_a_home(user):
    home = by_path("passwd", user=user)["home/nonroot"]

    assert (FileKind.DIRECTORY, 0o755, 65532, 65532) == (home.kind, home.mode, home.uid, home.gid)


def test_a_new_user_gets_an_account_and_a_home():
    entries = by_path("passwd", user="web")

    assert text(entries["etc/passwd"]).endswith("\nweb:x:1000:1000:web:/home/web:/sbin/nologin\n")
    assert text(entries["etc/group"]).endswith("\nweb:x:1000:\n")
    assert (1000, 1000) == (entries["home/web"].uid, entries["home/web"].gid)


@pytest.mark.parametrize(
    ("passwd_line", "group_lines", "user"),
    [
        ("web:x:1001:1001:web:/home/web:/sbin/nologin", ["web:x:1001:"], "web"),
        ("web:x:1001:1000:web:/home/web:/sbin/nologin", [], "web:app"),
        ("web:x:1001:1001:web:/home/web:/sbin/nologin", ["ops:x:1001:"], "web:ops"),
        ("web:x:1001:50:web:/home/web:/sbin/nologin", [], "web:50"),
        ("", ["ops:x:1001:"], "app:ops"),
        ("", [], "app"),
        ("", [], "1234:5678"),
    ],
)
def test_accounts_are_added_to_those_of_the_base(passwd_line, group_lines, user):
    made, _ = with_user(BASE, user)

    added = made.passwd.removeprefix(BASE.passwd).strip("\n")
    assert passwd_line == added
    assert group_lines == made.group.removeprefix(BASE.group).splitlines()
    check_user(user, made)


@pytest.mark.parametrize("user", ["a b", "x:y z", "UP", "a\nroot2", "a/b"])
def test_names_that_no_account_can_have(user):
    with pytest.raises(UsageError, match="not a user or group name"):
        with_user(STANDARD, user)


@pytest.mark.parametrize("user", ["", "0", "65532:65532", "app", "app:app", "root:1"])
def test_users_that_exist(user):
    check_user(user, BASE)


@pytest.mark.parametrize(
    ("message", "user", "accounts"),
    [
        ("the image has no user 'app'", "app", None),
        ("the image has no user 'web'", "web:app", BASE),
        ("the image has no group 'web'", "app:web", BASE),
        ("the image has no group 'web'", "1:web", BASE),
    ],
)
def test_users_that_do_not_exist(message, user, accounts):
    with pytest.raises(UsageError, match=message) as refused:
        check_user(user, accounts)

    assert "--with passwd" in refused.value.hint


def test_words_of_the_option():
    assert ("ca-certificates", "tmp") == parse_extras(["tmp,ca-certificates", " tmp ,"])
    with pytest.raises(UsageError, match="unknown --with certs"):
        parse_extras(["certs"])
