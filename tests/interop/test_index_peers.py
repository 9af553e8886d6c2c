"""Indexes that we publish, in the hands of docker, crane, skopeo and containerd, on two registries."""

import pytest

from ocitool.model.mediatype import Family
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests import peers
from tests.fakes.images import put_image, tar
from tests.peers.engines import containerd

pytestmark = pytest.mark.interop

PLATFORMS = {"amd64": "linux/amd64", "arm32v7": "linux/arm/v7", "arm64v8": "linux/arm64/v8"}


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def repository(request):
    """A repository of its own on docker-registry 2.8, then on Distribution 3."""
    return request.getfixturevalue(request.param).repository("multiarch-example")


@pytest.fixture
def pushed(run, home, repository):
    """`pushed(family)`: the three images of a build matrix under tags manifest-ARCH; returns their references."""

    def push(family):
        store = LayoutStore(home / f"layout-{family.value}", create=True)
        references = []
        for name, platform in PLATFORMS.items():
            put_image(store, name, platform, family=family, layers=[tar(app=name.encode())], compress=True)
            reference = f"{repository}:manifest-{name}"
            done = run("copy", f"oci:{store.path}:{name}", reference)
            assert done.exit_code == 0, done.stderr
            references.append(reference)
        return references

    return push


def ours(run, *words):
    """Our answer on stdout, or a failure with our words."""
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


class TestDockerManifest:
    """What docker's own client publishes from the same images."""

    @pytest.mark.parametrize("family", list(Family))
    def test_same_digest(self, run, tool, pushed, repository, family):
        images = pushed(family)
        amended = [word for image in images for word in ("--amend", image)]

        tool("docker", "manifest", "create", "--insecure", f"{repository}:docker", *amended)
        theirs = tool("docker", "manifest", "push", "--insecure", f"{repository}:docker")
        ours(run, "manifest", "create", "--insecure", f"{repository}:ours", *amended)
        mine = ours(run, "manifest", "push", "--insecure", f"{repository}:ours")

        assert theirs == mine
        assert theirs.startswith("sha256:")

    def test_same_digest_after_annotate(self, run, tool, pushed, repository):
        images = pushed(Family.DOCKER)
        said = ["--variant", "v6", "--os-version", "1.2", "--os-features", "b,a"]

        tool("docker", "manifest", "create", "--insecure", f"{repository}:docker", *images)
        tool("docker", "manifest", "annotate", f"{repository}:docker", images[1], *said)
        theirs = tool("docker", "manifest", "push", "--purge", "--insecure", f"{repository}:docker")
        ours(run, "manifest", "create", f"{repository}:ours", *images)
        ours(run, "manifest", "annotate", f"{repository}:ours", images[1], *said)
        mine = ours(run, "manifest", "push", "--purge", f"{repository}:ours")

        assert theirs == mine

    @pytest.mark.parametrize("verbose", [[], ["-v"]])
    def test_same_answers(self, run, tool, pushed, repository, verbose):
        """inspect of an image, of a draft and of a published list, plain and verbose."""
        images = pushed(Family.DOCKER)
        tool("docker", "manifest", "create", "--insecure", f"{repository}:list", *images)
        ours(run, "manifest", "create", f"{repository}:list", *images)
        answers = []
        for name in (images[0], f"{repository}:list"):
            theirs = tool("docker", "manifest", "inspect", "--insecure", *verbose, name)
            answers.append((theirs, ours(run, "manifest", "inspect", *verbose, name)))
        ours(run, "manifest", "push", "--purge", f"{repository}:list")
        tool("docker", "manifest", "rm", f"{repository}:list")
        theirs = tool("docker", "manifest", "inspect", "--insecure", *verbose, f"{repository}:list")
        answers.append((theirs, ours(run, "manifest", "inspect", *verbose, f"{repository}:list")))

        for theirs, mine in answers:
            assert theirs == mine

    def test_image_built_anew_is_published_as_it_is_now(self, run, tool, pushed, repository, home):
        """K016: docker publishes the old digest, we name the change and publish the new one."""
        images = pushed(Family.DOCKER)
        ours(run, "manifest", "create", f"{repository}:list", *images)
        store = LayoutStore(home / "layout-docker")
        new = put_image(store, "amd64", "linux/amd64", family=Family.DOCKER, note="built anew")
        ours(run, "copy", f"oci:{store.path}:amd64", images[0], "--replace")

        done = run("manifest", "push", f"{repository}:list")

        assert str(new) in tool("crane", "manifest", "--insecure", f"{repository}:list")
        assert f"and is {new.short} now" in done.stderr


class TestAccepted:
    """Every index that we write is taken and read by the others."""

    @pytest.fixture(params=list(Family))
    def index(self, run, pushed, repository, request):
        ours(run, "index", "create", f"{repository}:all", *pushed(request.param))
        return f"{repository}:all"

    def test_crane_validates_it(self, tool, index):
        assert "PASS" in tool("crane", "validate", "--insecure", "--remote", index)

    def test_docker_shows_its_platforms(self, tool, index):
        answer = tool("docker", "manifest", "inspect", "--insecure", index)

        assert all(f'"architecture": "{architecture}"' in answer for architecture in ("amd64", "arm", "arm64"))

    def test_buildx_shows_its_digest_and_platforms(self, tool, index):
        told = tool("buildx", "imagetools", "inspect", index)

        assert f"Digest:    {tool('crane', 'digest', '--insecure', index).strip()}" in told
        shown = [line.split()[-1] for line in told.splitlines() if line.strip().startswith("Platform:")]
        assert ["linux/amd64", "linux/arm/v7", "linux/arm64/v8"] == sorted(shown)

    def test_skopeo_reads_the_same_bytes(self, run, tool, index):
        raw = tool("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{index}")

        assert ours(run, "inspect", "--raw", index) == raw

    def test_containerd_pulls_each_platform(self, run, index, tmp_path):
        digests = dict(
            line.split()
            for line in ours(
                run, "inspect", index, "--template", "{platforms[].platform} {platforms[].digest}"
            ).splitlines()
        )
        try:
            with containerd(tmp_path) as engine:
                for platform, digest in digests.items():
                    engine.pull(index, platform)
                    assert digest in engine.content()
        except peers.Missing as missing:
            pytest.skip(str(missing))

        assert set(PLATFORMS.values()) == set(digests)


def test_index_of_other_repositories(run, tool, pushed, repository):
    """K035: children are brought to the target, or the registry would refuse the index."""
    images = pushed(Family.OCI)
    elsewhere = f"{repository}/sub:all"

    ours(run, "index", "create", elsewhere, *images)

    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", elsewhere)


def test_annotate_then_undo_gives_the_first_digest(run, tool, pushed, repository):
    ours(run, "index", "create", f"{repository}:all", *pushed(Family.OCI))
    first = tool("crane", "digest", "--insecure", f"{repository}:all")

    ours(run, "index", "annotate", f"{repository}:all", "--annotation", "a=b")
    second = tool("crane", "digest", "--insecure", f"{repository}:all")
    ours(run, "undo", f"{repository}:all")

    assert first != second
    assert first == tool("crane", "digest", "--insecure", f"{repository}:all")


def test_undo_after_another_tool_wrote_is_refused(run, tool, pushed, repository):
    images = pushed(Family.OCI)
    ours(run, "index", "create", f"{repository}:all", *images)
    ours(run, "index", "annotate", f"{repository}:all", "--annotation", "a=b")
    tool("crane", "tag", "--insecure", images[0], "all")

    assert 8 == run("undo", f"{repository}:all").exit_code


def test_oci_index_by_skopeo_is_edited_and_still_valid(run, tool, repository, home):
    """The reverse: an index that another tool copied is edited in place."""
    store = LayoutStore(home / "layout", create=True)
    for name, platform in PLATFORMS.items():
        put_image(store, name, platform)
    run("index", "create", f"oci:{store.path}:all", *(f"oci:{store.path}:{name}" for name in PLATFORMS))
    tool(
        "skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{store.path}:all", f"docker://{repository}:all"
    )

    ours(run, "index", "remove", f"{repository}:all", "--platform", "linux/arm/v7")

    assert "PASS" in tool("crane", "validate", "--insecure", "--remote", f"{repository}:all")
    assert 2 == len(view(store.get_manifest("all")).entries) - 1
