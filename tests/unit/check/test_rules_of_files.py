"""Rules over the files of images: links on the way, accounts, Windows."""

import pytest

from tests.fakes.sick import member, tar
from tests.unit.check.pairs import as_platform

PASSWD, GROUP = (
    member("etc/passwd", b"root:x:0:0::/:\napp:x:1:1::/:\n"),
    member("etc/group", b"root:x:0:\nweb:x:5:\n"),
)
MERGED = tar(
    member("bin", type=b"2", linkname="usr/bin"),
    member("usr/bin/sh"),
    member("usr/bin/to", type=b"2", linkname="sh"),
)


@pytest.fixture
def paths(ward, found):
    """`paths(rule, *layers)`: where the rule speaks in an image of these layers."""

    def call(rule, *layers):
        ward.index(ward.image("linux/arm64", layers=layers))
        finding = found().get(rule)
        return None if finding is None else finding.at.path

    return call


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("bin/.wh.sh", None),
        ("usr/bin/.wh.sh", None),
        ("bin/.wh.bash", "bin/bash"),
        (".wh.bin", None),
        (".wh.sbin", "sbin"),
        ("no/where/.wh.x", "no/where/x"),
    ],
)
def test_a_whiteout_goes_through_links(paths, entry, expected):
    assert expected == paths("layer/needless-whiteout", MERGED, tar(member(entry, b"")))


def test_a_whiteout_below_a_circle_of_links_removes_nothing(paths):
    circle = tar(member("a", type=b"2", linkname="b"), member("b", type=b"2", linkname="a"))

    assert "a/x" == paths("layer/needless-whiteout", circle, tar(member("a/.wh.x", b"")))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [("bin", "bin"), ("bin/to", "bin/to"), ("usr/bin", None), ("usr/bin/new", None), ("opt", None)],
)
def test_a_directory_over_a_link_of_the_base(paths, entry, expected):
    assert expected == paths("layer/replaced-link", MERGED, tar(member(entry, type=b"5")))


def test_a_link_and_a_directory_in_one_layer_replace_nothing_of_the_base(paths):
    layer = tar(member("x", type=b"2", linkname="y"), member("x", type=b"5"))

    assert paths("layer/replaced-link", MERGED, layer) is None


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("app", None),
        ("app:web", None),
        ("1000:1000", None),
        ("1000:web", None),
        ("", None),
        ("root:", None),
        (":web", None),
        ("apps", "user 'apps' is not in /etc/passwd"),
        ("app:www", "group 'www' is not in /etc/group"),
        ("1000:www", "group 'www' is not in /etc/group"),
        (7, None),
    ],
)
def test_users_and_groups(ward, found, user, expected):
    ward.index(ward.image(layers=[tar(PASSWD, GROUP)], config=lambda tree: tree["config"].update(User=user)))

    finding = found().get("config/unknown-user")

    assert expected == (finding and finding.message)


@pytest.mark.parametrize(
    ("layers", "is_known"),
    [
        ([tar()], False),
        ([tar(PASSWD), tar(member("etc/.wh.passwd", b""))], False),
        ([tar(PASSWD), tar(member("etc/passwd", b"root:x:0:0::/:\n"))], False),
        ([tar(member("etc/passwd", b"root:x:0:0::/:\n")), tar(PASSWD)], True),
        ([tar(member("etc/passwd", type=b"2", linkname="/run/passwd"), member("run/passwd"))], True),
    ],
    ids=["none", "removed", "replaced", "added", "elsewhere"],
)
def test_the_accounts_of_the_merged_files_count(ward, found, layers, is_known):
    """A file that was not kept is no proof of anything."""
    ward.index(ward.image(layers=layers, config=lambda tree: tree["config"].update(User="app")))

    assert is_known == ("config/unknown-user" not in found())


def test_windows_has_users_and_rights_of_its_own(ward, found):
    layers = [tar(member("Files/x", mode=0o4777), member("Hives/x"))]
    image = ward.image("windows/amd64", layers=layers, config=lambda t: t["config"].update(User="ContainerUser"))
    ward.index(as_platform(image, os="windows", architecture="amd64", **{"os.version": "10.0.1.1"}))

    assert {} == found()


@pytest.mark.parametrize(
    ("created", "is_future"),
    [
        ("2999-01-01T00:00:00Z", True),
        ("2999-01-01T00:00:00.123456789+02:00", True),
        ("9999-12-31T23:59:59-14:00", True),
        ("2999-01-01T00:00:00", True),
        ("2024-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00Z", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_dates(ward, found, created, is_future):
    ward.index(ward.image(config=lambda tree: tree.update(created=created)))

    assert is_future == ("config/future" in found())
