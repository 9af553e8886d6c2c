"""What git's words mean."""

import pytest

from ocitool.builder.git import Checkout, parse_checkout, web_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("revision", "version", "described"),
    [
        (COMMIT, "v1.2.3", f"v1.2.3-0-g{COMMIT}"),
        (f"{COMMIT}-dirty", "v1.2.3-dirty", f"v1.2.3-0-g{COMMIT}-dirty"),
        (COMMIT, "v1.2-rc1-4-g0123456789ab", f"v1.2-rc1-4-g{COMMIT}"),
        (COMMIT, "0123456789ab", COMMIT),
        (f"{COMMIT}-dirty", "0123456789ab-dirty", f"{COMMIT}-dirty"),
        ("f" * 64, "f" * 12, "f" * 64),
    ],
)
def test_revision_and_version(revision, version, described):
    assert Checkout(revision, version) == parse_checkout(described, "")


@pytest.mark.parametrize("described", ["", "fatal: no", "v1-0-gxyz", "abc"])
def test_other_words_are_no_checkout(described):
    assert parse_checkout(described, "") is None


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://github.com/o/r", "https://github.com/o/r.git"),
        ("https://github.com/o/r", "https://user:secret@github.com/o/r.git"),
        ("https://github.com/o/r", "git@github.com:o/r.git"),
        ("https://github.com/o/r", "ssh://git@github.com:22/o/r.git"),
        ("https://git.test:8443/o/r", "https://git.test:8443/o/r/"),
        ("http://git.test/o/r", "http://git.test/o/r"),
        ("", "/srv/git/r.git"),
        ("", "../r"),
        ("", "file:///srv/git/r.git"),
        ("", "host:path"),
        ("", ""),
        ("", "https://[bad/r"),
        ("", "https://git.test:port/r"),
    ],
)
def test_web_address_holds_no_secret_and_no_local_path(address, origin):
    assert address == web_address(origin)


def test_labels_are_those_that_are_known():
    assert (("org.opencontainers.image.revision", COMMIT),) == Checkout(COMMIT, "v1").labels()
    assert (
        ("org.opencontainers.image.revision", COMMIT),
        ("org.opencontainers.image.source", "https://git.test/r"),
    ) == Checkout(COMMIT, "v1", "https://git.test/r").labels()
