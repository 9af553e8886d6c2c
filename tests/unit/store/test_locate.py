"""What users type as places."""

from pathlib import Path

import pytest

from ocitool.errors import UsageError
from ocitool.registry.hosts import Access
from ocitool.store.locate import Locator, Opener
from ocitool.tasks import Scope


@pytest.mark.parametrize("typed", ["dir:out", "docker-daemon:app:1", "containers-storage:app", "ocidir://out:1"])
def test_places_of_other_tools_are_refused_and_not_looked_for_at_docker_hub(typed):
    with pytest.raises(UsageError, match="other tools") as caught:
        Locator.parse(typed)

    assert "write oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE" == caught.value.hint


def test_a_repository_may_be_called_so():
    at = Locator.parse("docker.io/library/dir:z")

    assert ("docker.io/library/dir:z", "z") == (str(at), at.name)


def test_a_path_ends_at_its_first_colon():
    assert Locator("oci", Path("out/a"), "v1") == Locator.parse("oci:out/a:v1")


@pytest.mark.parametrize(
    "typed", ["oci:out@sha256:00", "oci:out:v1@sha512:ab", "oci-archive:a.tar@sha256:" + "G" * 64]
)
def test_what_begins_as_a_digest_and_is_none_is_refused(typed):
    with pytest.raises(UsageError) as caught:
        Locator.parse(typed)

    algorithm, typed_digest = typed.partition("@")[2].partition(":")[0], typed.partition("@")[2]
    assert f"not a {algorithm} digest: {typed_digest!r} in {typed!r}" == caught.value.what


@pytest.fixture
def opener():
    with Opener(Access(), Scope()) as opened:
        yield opened


def test_a_layout_does_not_come_to_lie_among_other_files(opener, tmp_path):
    """A build with the wrong folder behind -o oci: mixed its blobs into it, and said nothing."""
    (tmp_path / "keep").write_text("mine")

    with pytest.raises(UsageError, match="no OCI layout") as caught:
        opener.open(f"oci:{tmp_path}:v1", write=True)

    assert f"name a new or empty folder, as in oci:{tmp_path / 'image'}" == caught.value.hint
    assert ["keep"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize(
    "names", [(), ("blobs",), ("oci-layout", "README")], ids=["empty", "half made", "a layout"]
)
def test_a_layout_is_written_where_one_is_or_nothing(opener, tmp_path, names):
    for name in names:
        (tmp_path / name).mkdir() if name == "blobs" else (tmp_path / name).write_text("{}")

    assert f"oci:{tmp_path}" == opener.open(f"oci:{tmp_path}:v1", write=True)[0].label
