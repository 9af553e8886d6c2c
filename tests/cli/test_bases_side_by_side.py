"""Images of bases are read side by side, and what is told, asked and noted of them is as if one came after the other."""

import json
import threading

import pytest

from tests.fakes.faults import Fault

PATIENCE = 60
BOTH = ("--platform", "linux/amd64,linux/arm64")


@pytest.fixture
def folder(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def dockerfile(folder, registry, run):
    """`dockerfile("FROM {host}/app:1", …)`: built for two platforms into oci:out:1."""

    def call(text, *flags):
        (folder / "Dockerfile").write_text(text.format(host=registry.host))
        return run("build", ".", *BOTH, "-o", "oci:out:1", *flags)

    return call


def late_first(registry, first: str, second: str) -> None:
    """Answer for the config of the first image when somebody has asked for that of the second."""
    asked = threading.Event()
    registry.faults += [
        Fault(f"GET /v2/*/blobs/{first}", first=lambda: asked.wait(PATIENCE), edit={"x-late": "1"}),
        Fault(f"GET /v2/*/blobs/{second}", first=asked.set, edit={"x-late": "0"}),
    ]


def foreign(ward, registry) -> None:
    """An index that promises two platforms, both images for s390x; the first one answers last."""
    app = ward(f"{registry.host}/app")
    says = {"architecture": "s390x"}
    images = [
        app.image(f"linux/{arch}", layers=[b""], config=lambda tree, arch=arch: tree.update(says, author=arch))
        for arch in ("amd64", "arm64")
    ]
    app.index(*images)
    configs = [json.loads(registry.manifests["app", one["digest"]][1])["config"]["digest"] for one in images]
    late_first(registry, *configs)


def warned(done) -> list[str]:
    return [line.rpartition(" ")[2] for line in done.stderr.splitlines() if line.startswith("warning: base ")]


def test_warnings_of_a_dockerfile_s_bases_come_in_the_order_of_the_platforms(dockerfile, ward, registry):
    foreign(ward, registry)

    done = dockerfile("FROM {host}/app:1\n", "--allow-foreign-arch")

    assert ["linux/amd64", "linux/arm64"] == warned(done), done.stderr


def test_warnings_of_a_project_s_base_come_in_the_order_of_the_platforms(run, folder, ward, registry):
    foreign(ward, registry)
    (folder / "data").write_text("x")
    words = ("--toolchain", "prebuilt", "--copy", "data:/", "--base", f"{registry.host}/app:1")

    done = run("build", ".", *words, *BOTH, "-o", "oci:out:1", "--allow-foreign-arch")

    assert ["linux/amd64", "linux/arm64"] == warned(done), done.stderr


def test_a_base_that_is_gone_is_asked_for_once(dockerfile, registry):
    done = dockerfile("FROM {host}/app:1\n")

    assert (3, 1) == (done.exit_code, done.stderr.count("error: Dockerfile:1: cannot read")), done.stderr
    assert 1 == len(registry.asked("GET", "/v2/app/manifests/*"))


def test_an_image_of_a_base_that_is_gone_is_asked_for_once(dockerfile, ward, registry):
    app = ward(f"{registry.host}/app")
    images = [app.image(f"linux/{arch}", layers=[b""]) for arch in ("amd64", "arm64")]
    app.index(*images)
    del registry.manifests["app", images[0]["digest"]]

    done = dockerfile("FROM {host}/app:1\n")

    assert 3 == done.exit_code, done.stderr
    assert 1 == len(registry.asked("GET", f"/v2/app/manifests/{images[0]['digest']}"))


def test_materials_are_in_the_order_in_which_stages_are_needed(run, dockerfile, ward, registry):
    for name in ("low", "top"):
        image = ward(f"{registry.host}/{name}")
        image.index(*(image.image(f"linux/{arch}", layers=[b""]) for arch in ("amd64", "arm64")))

    done = dockerfile(
        "FROM {host}/low:1 AS low\nCOPY Dockerfile /d\nFROM {host}/top:1\nCOPY --from=low /d /d\n", "--provenance"
    )
    told = json.loads(run("inspect", "oci:out:1", "--provenance", "--platform", "linux/arm64").stdout)

    assert 0 == done.exit_code, done.stderr
    uris = [one.get("uri", "") for one in told["buildDefinition"]["resolvedDependencies"]]
    names = [uri.partition("@")[0].rpartition("/")[2] for uri in uris if "/" in uri]
    assert ["top", "low"] * 2 == names
