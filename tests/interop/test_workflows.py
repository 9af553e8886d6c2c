"""Ten pipelines of the shapes that public repositories have, their files as they are, with `docker` being ocitool.

What they publish is compared with what buildx and BuildKit publish from the same files; the one that needs an
engine (`docker build`, `tag` and `push`) is held to what its file says.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from ocitool.model.views import Index, view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope
from tests.conftest import process_environment
from tests.interop import workflows

pytestmark = [pytest.mark.interop, pytest.mark.slow]

FILES = Path(__file__).parents[2] / "testdata" / "workflows"
BASE = "org.opencontainers.image.base."
GIT = {"org.opencontainers.image.source", "org.opencontainers.image.revision"}
RELEASES = {"github-metadata.yml"}
BY_AN_ENGINE = {"gitlab-docker.yml"}
OURS = """#!{python}
import sys
from ocitool.__main__ import main
main()
"""
THEIRS = """#!/bin/sh
case "$1 $2" in
"buildx create") echo builder-x ;;
"buildx inspect" | run* | info*) ;;
login*) cat >/dev/null ;;
buildx*) shift; exec {buildx} "$@" ;;
*) echo "$1 needs an engine" >&2; exit 1 ;;
esac
"""


def script(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "docker").write_text(text)
    (folder / "docker").chmod(0o755)
    return folder


@pytest.fixture
def carried_out(home, docker_registry):
    """`carried_out(name, file, docker)`: the pipeline run with that docker; gives what its repository holds then."""

    def call(name, file, docker, environ):
        is_release = file.name in RELEASES
        repository = f"{name}/{file.stem}/app"
        run = workflows.Run(
            home / name,
            FILES / "source",
            environ | {"PATH": workflows.path_with(docker)},
            docker_registry.host,
            repository,
            *(("v1.2.3", "tag") if is_release else ("main", "branch")),
        )
        run.folder.mkdir()
        (workflows.gitlab if file.name.startswith("gitlab") else workflows.github)(file, run)
        return published(f"{docker_registry.host}/{repository}")

    return call


def published(repository):
    """Each tag of a repository: platforms with labels, config and annotations; attestations are left out."""
    found = {}
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(repository)
        for tag in store.tags():
            document = store.get_manifest(tag)
            seen = view(document)
            root = dict(seen.annotations) if isinstance(seen, Index) else {}
            entries = [one for one in seen.entries if not one.is_attestation] if isinstance(seen, Index) else []
            images = {}
            for digest, said in [(str(one.digest), dict(one.annotations)) for one in entries] or [(tag, {})]:
                manifest = view(store.get_manifest(digest))
                config = json.loads(read_blob(store, manifest.config, 1 << 20))
                platform = "/".join(filter(None, (config["os"], config["architecture"], config.get("variant", ""))))
                images[platform] = {
                    "labels": config["config"].get("Labels") or {},
                    "entrypoint": config["config"].get("Entrypoint"),
                    "env": config["config"].get("Env"),
                    "layers": len(manifest.layers),
                    "annotations": {k: v for k, v in manifest.annotations.items() if not k.startswith(BASE)},
                    "entry": said,
                }
            found[tag] = {"index": {k: v for k, v in root.items() if not k.startswith(BASE)}, "images": images}
    return found


@pytest.fixture
def ours(home, carried_out):
    """`ours(file)`: with a link to ocitool."""
    docker = script(home / "ours-bin", OURS.format(python=sys.executable))
    return lambda file: carried_out("one", file, docker, process_environment())


@pytest.fixture
def theirs(home, peer, buildkit, carried_out):
    """`theirs(file)`: with buildx and BuildKit."""
    docker = script(home / "theirs-bin", THEIRS.format(buildx=peer("buildx")))
    environ = {**os.environ, "BUILDX_CONFIG": str(home / "buildx"), "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    run = workflows.Run(home, home, environ, "", "")
    run.sh(
        [
            str(peer("buildx")),
            "create",
            "--name",
            "peer",
            "--driver",
            "remote",
            f"unix://{buildkit.socket}",
            "--use",
        ],
        home,
    )
    return lambda file: carried_out("two", file, docker, environ)


def neutral(tree):
    """What is published, without the names of the two repositories."""
    return json.loads(json.dumps(tree).replace("one/", "NAME/").replace("two/", "NAME/"))


@pytest.mark.parametrize("file", sorted(FILES.glob("*.yml")), ids=lambda file: file.stem)
def test_a_pipeline_publishes_what_dockers_own_tools_do(request, ours, file):
    mine = ours(file)

    if file.name in BY_AN_ENGINE:
        (platform,) = {one for tag in mine.values() for one in tag["images"]}
        labels = {"org.example.commit": workflows.SHA, "org.example.version": "unset"}
        assert {"main", "latest"} == set(mine)
        assert all(labels.items() <= tag["images"][platform]["labels"].items() for tag in mine.values())
        return
    other = request.getfixturevalue("theirs")(file)
    assert mine
    assert neutral(other) == neutral(mine)


def test_there_are_ten():
    assert 10 == len(list(FILES.glob("*.yml")))
