"""Artifacts that may be wrong, in memory, and a workspace to pull them with."""

import gzip

import pytest

from ocitool.artifact.conventions import DIRECTORY_TYPE, FILE_TYPE, TITLE
from ocitool.artifact.pull import list_artifact, pull_artifact
from ocitool.client import Client
from tests.fakes.sick import Loose, Ward, tar


@pytest.fixture
def client(tmp_path):
    with Client(cache_dir=tmp_path / "cache", environ={"PATH": ""}) as client:
        yield client


@pytest.fixture
def ward():
    return Ward(Loose())


@pytest.fixture
def put(ward):
    """`put(("title", b"data"), …)`: an artifact of these files under the tag 1; a layer's tree in place of a pair."""

    def call(*files):
        layers = [one if isinstance(one, dict) else layer(ward, *one) for one in files]
        config = ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
        ward.manifest({"schemaVersion": 2, "artifactType": "a/b", "config": config, "layers": layers}, tag="1")

    return call


@pytest.fixture
def packed(ward):
    """`packed("dir", member, …)`: the layer of a packed directory."""

    def call(title, *members, **annotations):
        said = {"io.deis.oras.content.unpack": "true"} | annotations
        return layer(ward, title, gzip.compress(tar(*members), mtime=0), DIRECTORY_TYPE, said)

    return call


@pytest.fixture
def pull(ward, client):
    """`pull(folder)`: what `1` holds, pulled there."""
    return lambda folder, **words: pull_artifact(
        client.workspace, ward.store, list_artifact(ward.store, "1"), folder, **words
    )


def layer(ward, title, data, media_type=FILE_TYPE, annotations=None):
    return ward.blob(data, media_type) | {"annotations": {TITLE: title, **(annotations or {})}}
