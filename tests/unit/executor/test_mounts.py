"""Files that a command is shown: resolvers, names, and what holds secrets."""

import base64
import os
from pathlib import Path

import pytest

from ocitool.executor.mounts import Places, _resolver, apt_of_one_user, hosts, prepare
from ocitool.executor.stack import Stacks

PUBLIC = (
    "nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n"
)


@pytest.mark.parametrize(
    ("host", "dns", "is_own", "expected"),
    [
        ("search a\nnameserver 127.0.0.53", "", False, "search a\nnameserver 127.0.0.53\n"),
        ("nameserver 127.0.0.53\nsearch a", "", True, f"search a\n{PUBLIC}"),
        ("nameserver ::1\nnameserver 9.9.9.9\n", "", True, "nameserver 9.9.9.9\n"),
        ("", "", True, PUBLIC),
        ("", "", False, ""),
        ("nameserver 9.9.9.9\noptions x\n", "10.0.2.3", True, "nameserver 10.0.2.3\noptions x\n"),
    ],
)
def test_resolvers_are_those_that_can_be_reached(host, dns, is_own, expected):
    assert expected == _resolver(host, dns, is_own=is_own)


def test_names_of_hosts(tmp_path):
    assert Path(hosts(str(tmp_path), "me", [("a", "1.2.3.4")])).read_text() == (
        "127.0.0.1\tlocalhost me\n::1\tlocalhost ip6-localhost ip6-loopback\n1.2.3.4\ta\n"
    )


def test_apt_of_one_user_becomes_nobody_else(tmp_path):
    (tmp_path / "tree").mkdir()
    root = os.open(tmp_path / "tree", os.O_PATH)
    without = apt_of_one_user(str(tmp_path), root)
    (tmp_path / "tree/etc/apt/apt.conf.d").mkdir(parents=True)

    (shown,) = apt_of_one_user(str(tmp_path), root)
    os.close(root)

    assert [] == without
    assert ("/etc/apt/apt.conf.d/00-one-user", True) == (shown.target, shown.read_only)
    assert 'APT::Sandbox::User "root";\n' == Path(shown.source).read_text()


@pytest.mark.parametrize("is_single", [True, False])
def test_a_secret_has_its_mode_and_where_there_are_several_users_its_owner(tmp_path, is_single):
    if os.getuid() and not is_single:
        pytest.skip("only root can give a file away")
    (tmp_path / "mounts").mkdir()
    mount = {"kind": "secret", "target": "/s", "read_only": False, "uid": 5, "gid": 6, "mode": 0o440}
    mount["content"] = base64.b64encode(b"hush").decode()

    shown = prepare(mount, Stacks("", is_single=is_single), Places(str(tmp_path), ""), 0)
    status = Path(shown.source).stat()

    assert ("/s", True, b"hush", 0o100440) == (
        shown.target,
        shown.read_only,
        Path(shown.source).read_bytes(),
        status.st_mode,
    )
    assert (os.getuid(), os.getgid()) == (status.st_uid, status.st_gid) or (5, 6) == (status.st_uid, status.st_gid)
    assert is_single == (5 != status.st_uid)
