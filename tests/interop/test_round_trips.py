"""From a registry through layouts and archives and back: what each form can keep is kept, for us and for other tools."""

import json

import pytest

from ocitool.model.views import Manifest, view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.peers.engines import containerd, podman, sh

pytestmark = [pytest.mark.interop, pytest.mark.registry]


@pytest.fixture
def project(tmp_path):
    for arch in ("amd64", "arm64"):
        (tmp_path / "project" / arch).mkdir(parents=True)
        (tmp_path / "project" / arch / "data").write_text(f"for {arch}\n" * 100)
    return tmp_path / "project"


@pytest.fixture
def published(run, project, docker_registry, tmp_path):
    """A repository with an index `1` of two OCI images, each with provenance, and signed in both forms."""
    place = docker_registry.repository()
    words = ("--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", "linux/amd64,linux/arm64")
    made = run("build", project, *words, "--format", "oci", "--provenance", "-t", f"{place}:1", "--push")
    assert 0 == made.exit_code, made.stderr
    assert 0 == run("key", "generate", "--unencrypted", "-o", tmp_path / "k").exit_code
    signed = run("sign", f"{place}:1", "--key", tmp_path / "k.key", "--form", "both", "--recursive")
    assert 0 == signed.exit_code, signed.stderr
    return place


@pytest.fixture
def look():
    """`look(place)`: the document under a name anywhere."""
    with Opener(Access(), Scope()) as opener:

        def call(place):
            store, name = opener.open(place)
            return store.get_manifest(name)

        yield call


@pytest.fixture
def digest(look):
    return lambda place: str(look(place).digest)


@pytest.fixture
def copy(run):
    def call(*words):
        done = run("copy", *words)
        assert 0 == done.exit_code, done.stderr

    return call


@pytest.fixture
def images(look, published):
    """The two images as their index lists them, and what cannot be lost of one: config and contents of layers."""
    return [entry for entry in view(look(f"{published}:1")).entries if not entry.is_attestation]


def kept(look, place):
    """What every form keeps of an image: its config, and its layers."""
    seen = view(look(place))
    assert isinstance(seen, Manifest)
    return seen.config.digest, [layer.digest for layer in seen.layers]


def test_through_every_form_and_back(copy, run, look, digest, published, images, docker_registry, tmp_path):
    """Layouts and OCI archives keep bytes, all platforms and what refers to them; docker's archive one image's parts."""
    layout, archive, docker = (f"{kind}:{tmp_path}/{kind}" for kind in ("oci", "oci-archive", "docker-archive"))
    back = docker_registry.repository()
    copy(f"{published}:1", f"{layout}:1", "--referrers")
    copy(f"{layout}:1", archive, "--referrers")
    copy(archive, f"{back}:1", "--referrers")
    arm = next(one for one in images if one.platform.architecture == "arm64")
    copy(f"{archive}@{arm.digest}", docker)
    copy(docker, f"{back}:arm")

    first = digest(f"{published}:1")
    assert [first] * 3 == [digest(f"{layout}:1"), digest(archive), digest(f"{back}:1")]
    assert 0 == run("check", f"{back}:1", "--deep").exit_code
    verified = run("verify", f"{back}:1", "--key", tmp_path / "k.pub", "--identity", published, "--recursive")
    assert 0 == verified.exit_code, verified.stderr
    tree = json.loads(run("referrers", f"{back}:1", "--json").stdout)["data"]
    assert tree == json.loads(run("referrers", f"{published}:1", "--json").stdout)["data"] | {
        key: value for key, value in tree.items() if key in {"name", "place", "reference", "target"}
    }
    assert kept(look, f"{published}@{arm.digest}") == kept(look, f"{back}:arm")


LAYOUTS = {
    "skopeo": ("copy", "--all", "--preserve-digests", "--dest-tls-verify=false", "oci:LAYOUT:1", "docker://OUT:1"),
    "regctl": ("image", "copy", "ocidir://LAYOUT:1", "OUT:1"),
    "oras": ("cp", "--from-oci-layout", "LAYOUT:1", "--to-plain-http", "OUT:1"),
}


@pytest.fixture
def regctl_home(peer, home, docker_registry):
    """regctl asks by TLS unless it was told."""
    sh(peer("regctl"), "registry", "set", "--tls", "disabled", docker_registry.host)


def filled(words, **meanings):
    for name, meaning in meanings.items():
        words = [word.replace(name, str(meaning)) for word in words]
    return words


@pytest.mark.usefixtures("regctl_home")
def test_our_layout_in_the_hands_of_others(copy, peer, digest, published, docker_registry, tmp_path):
    copy(f"{published}:1", f"oci:{tmp_path}/layout:1")
    for tool, words in LAYOUTS.items():
        out = docker_registry.repository()

        sh(peer(tool), *filled(words, LAYOUT=tmp_path / "layout", OUT=out))

        assert digest(f"{published}:1") == digest(f"{out}:1"), tool


THEIRS = {
    "skopeo": ("copy", "--all", "--preserve-digests", "--src-tls-verify=false", "docker://IN:1", "oci:PLACE:1"),
    "skopeo archive": (
        *("copy", "--all", "--preserve-digests", "--src-tls-verify=false"),
        *("docker://IN:1", "oci-archive:PLACE:1"),
    ),
    "regctl": ("image", "copy", "IN:1", "ocidir://PLACE:1"),
    "regctl archive": ("image", "export", "IN:1", "PLACE"),
    "oras": ("cp", "--from-plain-http", "IN:1", "--to-oci-layout", "PLACE:1"),
    "crane": ("pull", "--insecure", "--format", "oci", "IN:1", "PLACE"),
}


@pytest.mark.usefixtures("regctl_home")
def test_what_others_wrote_comes_back_as_it_was(copy, peer, digest, published, docker_registry, tmp_path):
    for tool, words in THEIRS.items():
        out, kind = docker_registry.repository(), "oci-archive" if "archive" in tool else "oci"
        place = tmp_path / tool.replace(" ", "-")

        sh(peer(tool.split()[0]), *filled(words, IN=published, PLACE=place))
        copy(f"{kind}:{place}{':1' if tool == 'oras' else ''}", f"{out}:1")  # oras lists what is below it too

        assert digest(f"{published}:1") == digest(f"{out}:1"), tool


def test_umoci_edits_our_layout_and_we_take_it_back(
    copy, peer, digest, published, images, docker_registry, tmp_path
):
    """It knows images alone, and none of an index."""
    out, layout = docker_registry.repository(), tmp_path / "layout"
    copy(f"{published}@{images[0].digest}", f"oci:{layout}:one")

    sh(peer("umoci"), "tag", "--image", f"{layout}:one", "two")
    sh(peer("umoci"), "config", "--image", f"{layout}:one", "--config.label", "a=b", "--tag", "three")
    copy(f"oci:{layout}", out, "--all-tags")

    assert str(images[0].digest) == digest(f"{out}:one") == digest(f"{out}:two")
    assert digest(f"{out}:three") not in {digest(f"{out}:one"), digest(f"{published}:1")}


def test_our_archives_in_podman_and_what_it_saves(copy, peer, look, published, images, docker_registry, tmp_path):
    engine, out = podman(peer("podman"), tmp_path / "engine"), docker_registry.repository()
    ours = f"{published}@{next(one for one in images if one.platform.architecture == 'amd64').digest}"
    for kind in ("oci-archive", "docker-archive"):
        copy(ours, f"{kind}:{tmp_path}/{kind}:app:1")

        name = engine("load", "-i", tmp_path / kind).strip().rpartition(" ")[2]
        engine("save", "--format", kind, "-o", tmp_path / f"saved-{kind}", name)
        copy(f"{kind}:{tmp_path}/saved-{kind}", f"{out}:{kind}")
        engine("rmi", "-f", name)

        config, layers = kept(look, ours)
        theirs, others = kept(look, f"{out}:{kind}")
        assert (config, len(layers)) == (theirs, len(others)), kind


def test_dockers_archive_in_crane_and_skopeo(copy, peer, look, published, images, docker_registry, tmp_path):
    out, ours = docker_registry.repository(), f"{published}@{images[0].digest}"
    copy(ours, f"docker-archive:{tmp_path}/a.tar:app:1")

    sh(peer("crane"), "push", "--insecure", tmp_path / "a.tar", f"{out}:crane")
    sh(
        peer("skopeo"),
        "copy",
        "--dest-tls-verify=false",
        f"docker-archive:{tmp_path}/a.tar",
        f"docker://{out}:skopeo",
    )
    sh(peer("crane"), "pull", "--insecure", "--platform", "linux/amd64", f"{published}:1", tmp_path / "b.tar")
    copy(f"docker-archive:{tmp_path}/b.tar", f"{out}:back")

    amd = next(one for one in images if one.platform.architecture == "amd64")
    config = view(look(ours)).config.digest
    assert [config] * 2 == [view(look(f"{out}:{tag}")).config.digest for tag in ("crane", "skopeo")]
    assert view(look(f"{published}@{amd.digest}")).config.digest == view(look(f"{out}:back")).config.digest


def test_a_bundle_of_repositories_in_skopeo_and_containerd(
    copy, peer, digest, published, images, docker_registry, tmp_path
):
    tool, out = docker_registry.repository("tool"), docker_registry.repository()
    copy(f"{published}@{images[1].digest}", f"{tool}:1")
    bundle = tmp_path / "bundle.tar"
    copy(f"{published}:1", f"{tool}:1", "--to", f"oci-archive:{bundle}")

    for name, tag in ((f"{published}:1", "app"), (f"{tool}:1", "tool")):
        words = ("copy", "--all", "--preserve-digests", "--dest-tls-verify=false")
        sh(peer("skopeo"), *words, f"oci-archive:{bundle}:{name}", f"docker://{out}:{tag}")
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as daemon:
        daemon._call("images", "import", "--all-platforms", "--no-unpack", str(bundle))
        names = daemon.images()

    assert digest(f"{published}:1") == digest(f"{out}:app")
    assert digest(f"{tool}:1") == digest(f"{out}:tool")
    assert {f"{published}:1", f"{tool}:1"} <= names
