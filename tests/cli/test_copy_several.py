"""`ocitool copy` with several tags, sources and destinations: what is read once, chosen, weighed and bundled."""

import json
import tarfile
import threading
from collections import Counter

import pytest

import ocitool
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.faults import Fault
from tests.fakes.images import tar
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

TAGS = ("1.0", "1.1", "1.2-rc1", "2.0", "edge")


@pytest.fixture
def source(registry):
    """Five indexes of two images in `team/app`, one image in `team/tool`, on one registry."""
    with Opener(Access(), Scope()) as opener:
        app = Ward(opener.open(f"{registry.host}/team/app", write=True)[0])
        for tag in TAGS:
            images = [
                app.image(one, layers=[tar(a=f"{one} {tag}".encode())]) for one in ("linux/amd64", "linux/arm64")
            ]
            app.index(*images, tag=tag)
        Ward(opener.open(f"{registry.host}/team/tool", write=True)[0]).image(layers=[tar(t=b"tool")], tag="1.0")
    registry.log.clear()
    return f"{registry.host}/team/app"


@pytest.fixture
def other():
    with fake_registry() as registry:
        yield registry
        assert [] == registry.problems


def held(registry, name):
    """The tags of a repository of a fake, with what they hold."""
    return {tag: digest for (repository, tag), digest in registry.tags.items() if repository == name}


def reads(registry):
    """How often each manifest and blob was read."""
    return Counter(one.path for one in registry.log if one.method == "GET" and "/tags/" not in one.path)


def test_several_destinations_read_the_source_once(run, registry, source, other, tmp_path):
    places = (f"{other.host}/a:1", f"{other.host}/b:1", f"oci:{tmp_path}/layout:1")

    done = run("copy", f"{source}:1.0", *(word for place in places for word in ("--to", place)))

    digest = registry.tags["team/app", "1.0"]
    assert (0, [f"{place}@{digest}" for place in places]) == (done.exit_code, done.stdout.split()), done.stderr
    blobs = {path: count for path, count in reads(registry).items() if "/blobs/" in path}
    assert ({1}, 4) == (set(blobs.values()), len(blobs))
    children = {path: count for path, count in reads(registry).items() if "/manifests/sha256" in path}
    assert {1} == set(children.values())
    assert digest == other.tags["a", "1"] == other.tags["b", "1"]
    assert 4 == len([one for one in other.log if "mount=" in one.path])  # b got its blobs from a


def test_a_destination_that_is_an_archive_is_no_source_for_the_next(run, source, other, tmp_path):
    done = run("copy", f"{source}:1.0", "--to", f"oci-archive:{tmp_path}/a.tar", "--to", f"{other.host}/a:1")

    assert 0 == done.exit_code, done.stderr
    assert (tmp_path / "a.tar").exists()
    assert {"1"} == set(held(other, "a"))


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        (["--all-tags"], set(TAGS)),
        (["--include", "1.*"], {"1.0", "1.1", "1.2-rc1"}),
        (["--include", "1.*", "--include", "edge", "--exclude", "*-rc*"], {"1.0", "1.1", "edge"}),
        (["--semver", ">=1.1 <2", "--exclude", "*-rc*"], {"1.1"}),
        (["--all-tags", "--exclude", "?.?"], {"1.2-rc1", "edge"}),
    ],
)
def test_tags_are_chosen(run, registry, source, other, words, tags):
    done = run("copy", source, f"{other.host}/app", *words)

    assert 0 == done.exit_code, done.stderr
    wanted = {tag: digest for tag, digest in held(registry, "team/app").items() if tag in tags}
    assert wanted == held(other, "app")


@pytest.mark.parametrize("words", [["--all-tags"], ["--include", "1.*"]])
def test_a_tag_beside_what_chooses_tags_is_refused(run, source, other, words):
    done = run("copy", f"{source}:1.0", f"{other.host}/app", *words)

    assert (2, True) == (done.exit_code, f"{source}:1.0 names 1.0" in done.stderr)
    assert {} == other.tags


def test_no_tag_that_is_chosen(run, source, other):
    done = run("copy", source, f"{other.host}/app", "--include", "3.*")

    assert 3 == done.exit_code
    assert f"hint: ocitool tags {source}" in done.stderr


def test_signatures_come_with_the_tags_that_are_chosen_and_no_others(run, registry, source, other, tmp_path):
    assert 0 == run("key", "generate", "--unencrypted", "-o", tmp_path / "k").exit_code
    for tag in ("1.0", "2.0"):
        assert 0 == run("sign", f"{source}:{tag}", "--key", tmp_path / "k.key", "--recursive").exit_code

    without = run("copy", source, f"{other.host}/one", "--semver", "<1.2")
    done = run("copy", source, f"{other.host}/two", "--semver", "<1.2", "--referrers")

    assert (0, 0) == (without.exit_code, done.exit_code), done.stderr
    assert {"1.0", "1.1"} == set(held(other, "one"))
    signatures = {tag for tag in held(other, "two") if tag.endswith(".sig")}
    signed = json.loads(registry.manifests["team/app", registry.tags["team/app", "1.0"]][1])["manifests"]
    expected = {registry.tags["team/app", "1.0"], *(entry["digest"] for entry in signed)}
    assert {f"{digest.replace(':', '-')}.sig" for digest in expected} == signatures


def test_platforms_by_a_pattern(run, source, other):
    done = run("copy", f"{source}:1.0", f"{other.host}/app:1", "--platform", "*/arm*")
    none = run("copy", f"{source}:1.0", f"{other.host}/app:2", "--platform", "windows/*")

    index = json.loads(other.manifests["app", other.tags["app", "1"]][1])
    assert ["arm64"] == [entry["platform"]["architecture"] for entry in index["manifests"]], done.stderr
    assert (3, True) == (none.exit_code, "no entry windows/*" in none.stderr)


def test_a_dry_run_tells_how_much_would_be_moved(run, registry, source, other):
    """What is there is not counted, and what both platforms have once."""
    place = f"{other.host}/app"
    whole = json.loads(run("copy", f"{source}:1.0", f"{place}:1", "--dry-run", "--json").stdout)["data"]["toMove"]
    assert {} == other.manifests
    before = [one for one in other.log if one.method not in {"GET", "HEAD"}]
    assert 0 == run("copy", f"{source}:1.0", f"{place}:1", "--platform", "linux/amd64").exit_code
    part = json.loads(run("copy", f"{source}:1.0", f"{place}:2", "--dry-run", "--json").stdout)["data"]["toMove"]
    text = run("copy", f"{source}:1.0", f"{place}:2", "--dry-run").stdout

    blobs, manifests = registry.blobs, registry.manifests
    index = json.loads(manifests["team/app", registry.tags["team/app", "1.0"]][1])
    children = [json.loads(manifests["team/app", one["digest"]][1]) for one in index["manifests"]]
    below = {d["digest"] for child in children for d in (child["config"], *child["layers"])}
    size = sum(len(blobs["team/app", one]) for one in below) + sum(one["size"] for one in index["manifests"])
    size += len(manifests["team/app", registry.tags["team/app", "1.0"]][1])
    assert ([], {"bytes": size, "blobs": len(below), "manifests": 3}) == (before, whole)
    mine = {d["digest"] for d in (children[1]["config"], *children[1]["layers"])}
    assert (len(mine), 2) == (part["blobs"], part["manifests"])
    assert f"in {len(mine)} blobs and 2 manifests" in text


def test_several_sources_go_below_a_place_under_their_own_repositories(run, registry, source, other):
    tool = f"{registry.host}/team/tool:1.0"

    done = run("copy", f"{source}:1.0", tool, "--to", f"{other.host}/mirror/")

    assert 0 == done.exit_code, done.stderr
    assert {
        ("mirror/team/app", "1.0"): registry.tags["team/app", "1.0"],
        ("mirror/team/tool", "1.0"): registry.tags["team/tool", "1.0"],
    } == other.tags


@pytest.mark.parametrize("kind", ["oci-archive", "oci"])
def test_a_bundle_of_several_repositories_comes_back_as_they_were(run, registry, source, other, tmp_path, kind):
    bundle = f"{kind}:{tmp_path}/bundle"
    made = run("copy", source, f"{registry.host}/team/tool", "--all-tags", "--exclude", "edge", "--to", bundle)

    back = run("copy", bundle, f"{other.host}/inside/")
    some = run("copy", bundle, f"{other.host}/some/", "--include", "2.*")

    assert (0, 0, 0) == (made.exit_code, back.exit_code, some.exit_code), made.stderr + back.stderr + some.stderr
    kept = {key: digest for key, digest in registry.tags.items() if key[1] != "edge"}
    inside = {(f"inside/{name}", tag): digest for (name, tag), digest in kept.items()}
    assert inside | {("some/team/app", "2.0"): kept["team/app", "2.0"]} == other.tags
    names = run("tags", bundle).stdout.split()
    assert {f"{registry.host}/{name}:{tag}" for name, tag in kept} == set(names)


def test_one_image_of_a_bundle_by_its_full_name(run, registry, source, other, tmp_path):
    bundle = f"oci-archive:{tmp_path}/bundle"
    tool = f"{registry.host}/team/tool:1.0"
    assert 0 == run("copy", f"{source}:1.0", tool, "--to", bundle).exit_code

    done = run("copy", f"{bundle}:{tool}", f"{other.host}/x:1")
    vague = run("copy", f"{bundle}:1.0", f"{other.host}/y:1")

    assert (0, registry.tags["team/tool", "1.0"]) == (done.exit_code, other.tags["x", "1"]), done.stderr
    assert 2 == vague.exit_code
    assert f"hint: it holds {source}:1.0, {tool}" in vague.stderr


def test_a_bundle_leaves_out_what_a_place_has(run, registry, source, other, tmp_path):
    """It is whole again at that place, and at no other."""
    place, bundle = f"{other.host}/inside/team/app", f"oci-archive:{tmp_path}/delta.tar"
    assert 0 == run("copy", f"{source}:1.0", f"{place}:1.0").exit_code
    there = {digest for _, digest in other.blobs}

    words = ("copy", source, "--include", "1.[01]", "--to", bundle, "--lacking", place)
    shown = json.loads(run(*words, "--dry-run", "--json").stdout)["data"]["toMove"]
    made = run(*words)
    nowhere = run("copy", bundle, f"{other.host}/empty/", "--cache-dir", tmp_path / "knows-no-other-place")
    back = run("copy", bundle, f"{other.host}/inside/")

    assert (0, 0, 3) == (made.exit_code, back.exit_code, nowhere.exit_code), made.stderr + back.stderr
    with tarfile.open(tmp_path / "delta.tar") as archive:
        names = {f"sha256:{name.rpartition('/')[2]}" for name in archive.getnames() if name.startswith("blobs/")}
    assert ((set(), 6, 4)) == (names & there, shown["manifests"], shown["blobs"])
    assert f"left out what is there already: {len(there)} blobs" in made.stderr
    assert registry.tags["team/app", "1.1"] == other.tags["inside/team/app", "1.1"]
    assert "made with --lacking" in nowhere.stderr


def test_only_an_archive_may_lack_something(run, source, other, tmp_path):
    for place in (f"{other.host}/app:1", f"oci:{tmp_path}/x", f"docker-archive:{tmp_path}/x"):
        done = run("copy", f"{source}:1.0", place, "--lacking", source)

        assert (2, True) == (done.exit_code, "has to have all blobs" in done.stderr)


def test_two_sources_that_would_be_one_are_refused(run, registry, source, other, tmp_path):
    assert 0 == run("copy", f"{source}:2.0", f"{other.host}/team/app:1.0").exit_code

    done = run("copy", f"{source}:1.0", f"{other.host}/team/app:1.0", "--to", f"{registry.host}/mirror/")

    assert (2, {}) == (done.exit_code, held(registry, "mirror/team/app"))
    assert "two sources would both be 1.0 in" in done.stderr


def test_what_names_no_repository_needs_a_place_of_its_own(run, source, other, tmp_path):
    assert 0 == run("copy", f"{source}:1.0", f"oci-archive:{tmp_path}/a.tar:other").exit_code

    done = run("copy", f"oci-archive:{tmp_path}/a.tar", f"{other.host}/mirror/")

    assert (2, {}) == (done.exit_code, other.tags)
    assert "does not say which repository it is of" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["A:1"],
        ["A:1", "B:1", "C:1"],
        ["A:1.0", "A:2.0", "--to", "B:1"],
        ["A:1", "B:1", "--rate", "fast"],
        ["A:1", "A:2", "--to", "oci-archive:x.tar:1"],
        ["A", "B/", "--semver", "soon"],
    ],
)
def test_what_cannot_be_meant_is_refused(run, source, other, words):
    words = [
        word.replace("A", source).replace("B", f"{other.host}/b").replace("C", f"{other.host}/c") for word in words
    ]

    done = run("copy", *words)

    assert (2, {}) == (done.exit_code, other.tags)
    assert "hint: " in done.stderr


def test_no_more_is_asked_than_a_rate_allows(registry, source, other, home):
    """The fourth request would come tomorrow."""
    scope = Scope()
    cancel = threading.Timer(0.3, scope.cancel)
    registry.faults.append(Fault("* *", skip=2, first=cancel.start))

    with (
        ocitool.Client(scope=scope, rates=f"{registry.host}=3/d") as client,
        pytest.raises(ocitool.OcitoolError) as e,
    ):
        client.copy(f"{source}:1.0", f"{other.host}/app:1")

    assert ("cancelled", 3) == (e.value.code, len(registry.log))


def test_no_more_bytes_move_than_a_rate_allows(registry, source, home):
    scope = Scope()
    registry.faults.append(Fault("GET /v2/team/app/blobs/*", first=threading.Timer(0.3, scope.cancel).start))

    with ocitool.Client(scope=scope, rates="9KB/d") as client, pytest.raises(ocitool.OcitoolError) as e:
        client.copy(f"{source}:1.0", f"oci:{home}/layout:1")  # its layers are larger

    assert "cancelled" == e.value.code
    assert [] == json.loads((home / "layout" / "index.json").read_bytes())["manifests"]
