"""`imagetools create` and `inspect` of ours and of buildx over the same registry."""

import json

import pytest

from ocitool.model.mediatype import Family
from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image, tar

pytestmark = [pytest.mark.interop, pytest.mark.registry]


@pytest.fixture
def images(run, home, docker_registry):
    """`images(family)`: two images of one repository, and the repository."""

    def push(family):
        repository = docker_registry.repository(f"imagetools-{family.value}")
        store = LayoutStore(home / f"layout-{family.value}", create=True)
        for name, platform in (("amd64", "linux/amd64"), ("armv7", "linux/arm/v7")):
            put_image(store, name, platform, family=family, layers=[tar(app=name.encode())], compress=True)
            assert 0 == run("copy", f"oci:{store.path}:{name}", f"{repository}:{name}").exit_code
        return str(repository), [f"{repository}:amd64", f"{repository}:armv7"]

    return push


def both(run, tool, *words):
    """What each prints. Ours has to succeed where theirs does."""
    done = run("buildx", "imagetools", *words)
    assert 0 == done.exit_code, done.stderr
    return tool("buildx", "imagetools", *words), done.stdout


@pytest.mark.parametrize("family", list(Family))
def test_an_index_that_is_shown_lists_the_same(run, tool, images, family):
    repository, names = images(family)

    theirs, mine = both(run, tool, "create", "--dry-run", "-t", f"{repository}:x", *names)

    assert json.loads(theirs) == json.loads(mine)


def test_digests_files_and_annotations(run, tool, images, home):
    repository, (one, two) = images(Family.OCI)
    digest = run("digest", two).stdout.strip().rpartition("@")[2]
    (home / "descriptor").write_text(json.dumps({"digest": digest}))
    words = ("--annotation", "index:a=b", "--annotation", "manifest-descriptor[linux/arm/v7]:c=d")

    theirs, mine = both(
        run, tool, "create", "--dry-run", *words, "-f", home / "descriptor", one, "-t", f"{repository}:x"
    )

    assert json.loads(theirs) == json.loads(mine)


def test_what_is_published_alone_is_the_same_bytes_under_every_tag(run, tool, images):
    repository, names = images(Family.OCI)
    assert 0 == run("index", "create", f"{repository}:index", *names, "--annotation", "a=b").exit_code

    done = run(
        "buildx",
        "imagetools",
        "create",
        "-t",
        f"{repository}:copy",
        "-t",
        f"{repository}:more",
        f"{repository}:index",
    )

    assert 0 == done.exit_code, done.stderr
    raw = tool("buildx", "imagetools", "inspect", "--raw", f"{repository}:index")
    for tag in ("copy", "more"):
        assert raw == run("buildx", "imagetools", "inspect", "--raw", f"{repository}:{tag}").stdout


@pytest.mark.parametrize("prefers", ["true", "false"])
def test_one_image_alone(run, tool, images, prefers):
    _, (one, _) = images(Family.DOCKER)

    theirs, mine = both(run, tool, "create", "--dry-run", f"--prefer-index={prefers}", one)

    assert json.loads(theirs) == json.loads(mine)


def test_append_keeps_what_is_there(run, tool, images):
    repository, (one, two) = images(Family.OCI)
    for name in ("ours", "theirs"):
        assert 0 == run("index", "create", f"{repository}:{name}", one).exit_code

    done = run("buildx", "imagetools", "create", "--append", "-t", f"{repository}:ours", two)
    tool("buildx", "imagetools", "create", "--append", "-t", f"{repository}:theirs", two)

    assert 0 == done.exit_code, done.stderr
    entries = [
        json.loads(run("inspect", "--raw", f"{repository}:{name}").stdout)["manifests"]
        for name in ("ours", "theirs")
    ]
    assert entries[1] == entries[0]


@pytest.mark.parametrize(
    "form",
    ["{{json .Manifest}}", "{{json .Image}}", "{{json .}}", "{{.Name}}", "{{json .Manifest.Digest}}",
     "{{range .Manifest.Manifests}}{{.Digest}} {{.Platform.Architecture}}\n{{end}}",
     '{{(index .Image "linux/amd64").Architecture}}'],
)  # fmt: skip
@pytest.mark.parametrize("family", list(Family))
def test_templates(run, tool, images, form, family):
    repository, names = images(family)
    assert 0 == run("index", "create", f"{repository}:index", *names).exit_code

    theirs, mine = both(run, tool, "inspect", "--format", form, f"{repository}:index")

    if form.startswith("{{json"):
        assert json.loads(theirs) == json.loads(mine)
    else:
        assert theirs.strip() == mine.strip()


@pytest.mark.parametrize("name", ["index", "amd64"])
def test_what_is_shown_without_a_template(run, tool, images, name):
    repository, names = images(Family.OCI)
    assert 0 == run("index", "create", f"{repository}:index", *names).exit_code

    theirs, mine = both(run, tool, "inspect", f"{repository}:{name}")

    assert [line.split() for line in theirs.splitlines() if line.strip()] == [
        line.split() for line in mine.splitlines() if line.strip()
    ]
