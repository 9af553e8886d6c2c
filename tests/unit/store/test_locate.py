"""What users type as places."""

from pathlib import Path

import pytest

from ocitool.errors import UsageError
from ocitool.store.locate import Locator


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
