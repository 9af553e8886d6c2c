from pathlib import Path

import pytest

from ocitool.cli.destinations import destinations
from ocitool.errors import Unsupported, UsageError
from ocitool.model.reference import Reference

TAGS = (Reference.parse("reg.test/app:1"), Reference.parse("other.test/app:latest"), Reference.parse("app:1"))


@pytest.mark.parametrize(
    ("text", "scheme", "path", "names"),
    [
        ("oci:out", "oci", "out", ("",)),
        ("oci:out:v1", "oci", "out", ("v1",)),
        ("oci-archive:a.tar", "oci-archive", "a.tar", ("1", "latest")),
        ("oci-archive:a.tar:v1", "oci-archive", "a.tar", ("v1",)),
        ("docker-archive:d.tar", "docker-archive", "d.tar", ("reg.test/app:1", "other.test/app:latest", "app:1")),
        ("docker-archive:d.tar:x/y:2", "docker-archive", "d.tar", ("x/y:2",)),
        ("type=oci,dest=a.tar", "oci-archive", "a.tar", ("1", "latest")),
        ("type=oci,dest=out,tar=false", "oci", "out", ("",)),
        ("type=docker,dest=-", "docker-archive", "-", ("reg.test/app:1", "other.test/app:latest", "app:1")),
    ],
)
def test_places(text, scheme, path, names):
    (destination,) = destinations([text])

    assert (scheme, Path(path)) == (destination.locator.scheme, destination.locator.path)
    assert names == destination.names(TAGS)


@pytest.mark.parametrize(
    ("text", "push"), [("type=registry", True), ("type=image,push=true", True), ("type=image", False)]
)
def test_registries_in_buildx_words(text, push):
    (destination,) = destinations([text])

    assert (None, push) == (destination.locator, destination.push)


@pytest.mark.parametrize("text", ["out", "reg.test/app:1", "dir:out", "type=what", "oci:"])
def test_what_says_no_place_is_refused(text):
    with pytest.raises(UsageError):
        destinations([text])


@pytest.mark.parametrize("text", ["type=docker", "type=local,dest=x", "type=tar,dest=x", "type=oci"])
def test_what_a_build_does_not_write_is_named(text):
    with pytest.raises(Unsupported):
        destinations([text])


def test_standard_output_takes_one():
    with pytest.raises(UsageError, match="standard output"):
        destinations(["docker-archive:-", "oci-archive:-"])
