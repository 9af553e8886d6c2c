"""K217: HEAD answers 404 where GET works. One GET before "missing", and what a host is like is remembered."""

import pytest

from ocitool.events import Noted
from tests.fakes.images import put_image, tar
from tests.fakes.registry import Fault, fake_registry
from tests.fault.conftest import named

BLOB = b"a blob"


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def lying(registry):
    registry.faults = [Fault("HEAD *", status=404, times=-1)]
    return registry


def requests(registry, part: str = "") -> list[str]:
    return [f"{one.method} {one.path}" for one in registry.log if part in one.path]


def test_a_name_that_is_read_is_asked_for_twice_once(registry, opened):
    digest = put_image(opened(registry), "v1", "linux/amd64")
    registry.faults = [Fault("HEAD *", status=404, times=-1)]
    registry.log.clear()
    told = []
    store = opened(registry, write=False, listener=told.append)

    assert [digest, digest] == [store.head("v1").digest, store.head(str(digest)).digest]
    assert ["HEAD", "GET", "GET"] == [one.method for one in registry.log]
    notes = [one.text for one in told if isinstance(one, Noted) and one.severity == "notice"]
    assert [f"{registry.host} answers HEAD with 404 for what it has; it is asked by GET from now on"] == notes


def test_a_blob_that_is_looked_for_is_asked_for_twice_and_one_that_is_sent_is_not(registry, opened):
    store = opened(registry)
    put_image(store, "v1", "linux/amd64", layers=[BLOB])
    registry.faults = [Fault("HEAD *", status=404, times=-1)]

    assert opened(registry, write=False).has_blob(named(BLOB))
    registry.log.clear()
    put_image(opened(registry, "other"), "v1", "linux/amd64", layers=[BLOB])

    assert [] == [line for line in requests(registry, "/blobs/") if line.startswith("GET")]


def test_once_a_registry_lied_blobs_are_asked_for_by_get_alone(registry, opened):
    put_image(opened(registry), "v1", "linux/amd64", layers=[BLOB, b"another"])
    registry.faults = [Fault("HEAD *", status=404, times=-1)]
    registry.log.clear()
    store = opened(registry, write=False)

    assert [True, True, False] == [store.has_blob(named(data)) for data in (BLOB, b"another", b"none")]
    assert ["HEAD", "GET", "GET", "GET"] == [one.method for one in registry.log]


def test_a_healthy_registry_is_asked_no_more_than_before_an_upload(registry, opened):
    """What is about to be sent is mostly absent: a blob and a manifest by digest cost one HEAD."""
    store = opened(registry)
    digest = put_image(store, "", "linux/amd64", layers=[BLOB])
    registry.log.clear()

    assert not opened(registry, "empty").has_blob(named(BLOB))
    assert opened(registry, "empty").head(str(digest)) is None

    assert {"HEAD"} == {one.method for one in registry.log}
    assert 2 == len(registry.log)


def test_what_is_absent_is_absent(registry, opened):
    store = opened(registry, write=False)

    assert store.head("v1") is None
    assert not store.has_blob(named(BLOB))
    assert ["HEAD", "GET", "HEAD", "GET"] == [one.method for one in registry.log]


def test_commands_end_right(run, lying, tmp_path):
    """Copy, digest, tag, undo, check and repair."""
    from ocitool.store.layout import LayoutStore

    layout = LayoutStore(tmp_path / "img", create=True)
    for tag, platform in (("a", "linux/amd64"), ("b", "linux/arm64")):
        put_image(layout, tag, platform, layers=[tar(x=tag.encode())])
    place = f"{lying.host}/app"
    assert (
        0
        == run("index", "create", f"oci:{layout.path}:i", f"oci:{layout.path}:a", f"oci:{layout.path}:b").exit_code
    )
    first, second = (str(layout.head(tag).digest) for tag in ("a", "i"))

    copied = run("copy", f"oci:{layout.path}:a", f"{place}:1")
    assert 0 == copied.exit_code, copied.stderr
    assert first == run("digest", f"{place}:1").stdout.strip()
    again = run("copy", f"oci:{layout.path}:i", f"{place}:1", "--replace")
    assert 0 == again.exit_code, again.stderr
    assert second == run("digest", f"{place}:1").stdout.strip()
    assert 0 == run("tag", f"{place}:1", "two").exit_code
    assert second == lying.tags["app", "two"]
    assert 0 == run("check", f"{place}:1").exit_code
    assert 0 == run("repair", f"{place}:1").exit_code
    removed = run("index", "remove", f"{place}:1", "--platform", "linux/arm64")
    assert 0 == removed.exit_code, removed.stderr
    assert second != lying.tags["app", "1"]
    undone = run("undo", f"{place}:1")
    assert 0 == undone.exit_code, undone.stderr
    assert second == lying.tags["app", "1"]


def test_a_new_tag_is_looked_for_twice_once_in_a_run(registry, opened):
    """A tag that only seems to be new would be overwritten."""
    store = opened(registry)

    assert [None, None, None] == [store.head(tag) for tag in ("a", "b", "c")]
    assert ["HEAD", "GET", "HEAD", "HEAD"] == [one.method for one in registry.log]


def test_what_was_just_written_is_not_gone(registry, opened):
    store = opened(registry)
    digest = put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("HEAD *", status=404, times=-1)]

    assert digest == store.head("v1").digest
    store.delete("v1")
    assert store.head("v1") is None
