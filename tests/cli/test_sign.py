"""`sign`, `verify` and `key`: what is said of an image, and what is refused."""

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.sick import Ward


@pytest.fixture
def layout(tmp_path):
    """A layout whose tag `1` holds an index of two images."""
    ward = Ward(LayoutStore(tmp_path / "layout", create=True))
    ward.index(ward.image("linux/arm64"), ward.image())
    return ward.store


@pytest.fixture
def place(layout):
    return f"oci:{layout.root}:1" if hasattr(layout, "root") else layout.label + ":1"


@pytest.fixture
def key(run, tmp_path):
    """`key("a")` makes `a.key`, whose password is empty, and `a.pub`; gives the name without an ending."""

    def make(name):
        done = run("key", "generate", "-o", tmp_path / name, "--unencrypted", "--type", "ed25519")
        assert 0 == done.exit_code, done.stderr
        return tmp_path / name

    return make


def names(store):
    return sorted(store.tags())


@pytest.mark.parametrize("form", ["tag", "bundle", "both"])
def test_what_is_signed_is_verified_and_undone(run, layout, place, key, form):
    a, before = key("a"), names(layout)
    digest = str(layout.head("1").digest)

    signed = run("sign", place, "--key", f"{a}.key", "--form", form)
    verified = run("verify", place, "--key", f"{a}.pub")
    undone = run("undo", place)

    assert 0 == signed.exit_code, signed.stderr
    assert (0, digest) == (verified.exit_code, verified.stdout.strip()), verified.stderr
    assert 0 == undone.exit_code, undone.stderr
    assert (before, []) == (names(layout), layout.referrers(digest))
    assert 1 == run("verify", place, "--key", f"{a}.pub").exit_code
