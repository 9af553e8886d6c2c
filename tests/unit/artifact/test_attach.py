"""`ocitool.artifact.attach`: what a program can ask for that the command line cannot."""

import pytest

from ocitool.errors import UsageError


def test_nothing_is_attached_without_files(client, tmp_path):
    with pytest.raises(UsageError, match="what should be attached"):
        client.artifact(f"oci:{tmp_path / 'out'}:1").attach(artifact_type="x/y")

    assert not (tmp_path / "out").exists()
