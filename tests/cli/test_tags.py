"""`tags` and `catalog`: pages, patterns, ranges and order, on two thousand tags."""

import json
import random

import pytest

from ocitool.client import Client
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

MANY = [f"{n // 100}.{n % 100}.{patch}" for n in range(500) for patch in range(4)]
"""0.0.0 to 4.99.3, in the order of versions."""
CREATED = {
    "old": "2020-01-01T00:00:00Z",
    "new": "2024-01-01T00:00:00.5Z",
    "epoch": "1970-01-01T00:00:00Z",
    "none": "",
}


@pytest.fixture
def registry():
    with fake_registry(page=97) as running:
        yield running


@pytest.fixture
def ward(registry):
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(f"{registry.host}/app", write=True)[0])


@pytest.fixture
def many(registry, ward):
    """Two thousand tags on ten images, listed by name."""
    images = [ward.image(layers=[f"{n}".encode()])["digest"] for n in range(10)]
    registry.tags |= {("app", tag): images[number % 10] for number, tag in enumerate(MANY)}
    registry.log.clear()
    return f"{registry.host}/app"


def lines(done):
    assert done.exit_code == 0, done.stderr
    return done.stdout.splitlines()


def test_two_thousand_tags_in_pages(registry, many, run):
    found = lines(run("tags", many))

    assert sorted(MANY) == found
    assert -(-len(MANY) // 97) == len(registry.asked("GET", "*/tags/list*"))
    assert [] == registry.asked("GET", "*/manifests/*") + registry.asked("HEAD", "*/manifests/*")


def test_two_thousand_tags_in_the_order_of_versions(many, run):
    assert MANY == lines(run("tags", many, "--sort", "version"))
    assert MANY[::-1] == lines(run("tags", many, "--sort", "version", "--reverse"))
    assert sorted(MANY)[::-1] == lines(run("tags", many, "--sort", "name", "-r"))


def test_patterns_ranges_and_a_limit(many, run):
    wanted = [tag for tag in MANY if tag.startswith(("1.", "3.7."))]

    assert sorted(wanted) == lines(run("tags", many, "1.*", "3.7.?"))
    assert [tag for tag in sorted(wanted) if not tag.endswith("0")] == lines(
        run("tags", many, "1.*", "3.7.?", "--exclude", "*0")
    )
    assert MANY[800:1200] == lines(run("tags", many, "--semver", "~2", "--sort", "version", "--exclude", "x"))
    assert ["4.99.3", "4.99.2"] == lines(
        run("tags", many, "--semver", ">=4", "--sort", "version", "-r", "--limit", 2)
    )
    assert [] == lines(run("tags", many, "latest"))


def test_a_limit_reads_no_more_pages_than_it_takes(registry, many, run):
    assert 5 == len(lines(run("tags", many, "--limit", 5)))
    assert 1 == len(registry.asked("GET", "*/tags/list*"))


def test_details_are_one_request_for_each_tag(registry, many, run):
    data = json.loads(run("tags", many, "1.*", "--long", "--json").stdout)["data"]

    wanted = {tag: registry.tags["app", tag] for tag in sorted(MANY) if tag.startswith("1.")}
    assert list(wanted) == data["tags"]
    assert wanted == {one["tag"]: one["digest"] for one in data["details"]}
    assert len(wanted) == len(registry.asked("GET", "*/manifests/*") + registry.asked("HEAD", "*/manifests/*"))
    assert 16 >= registry.busiest


def test_details_tell_images_from_indexes(ward, registry, run):
    image = ward.image("linux/arm64", tag="image")
    index = ward.index(image, ward.image(), tag="index")
    name = f"{registry.host}/app"

    data = json.loads(run("tags", name, "-l", "--json").stdout)["data"]["details"]
    text = run("tags", name, "-l").stdout

    held = json.loads(registry.manifests["app", image["digest"]][1])
    size = sum(layer["size"] for layer in held["layers"])
    assert [
        ("image", image["digest"], size, []),
        ("index", index["digest"], None, ["linux/arm64", "linux/amd64"]),
    ] == [(one["tag"], one["digest"], one["size"], one["platforms"]) for one in data]
    assert ["TAG", "DIGEST", "SIZE", "PLATFORMS"] == text.splitlines()[0].split()


def test_the_order_of_dates_is_that_of_the_newest_image(ward, registry, run):
    def dated(text):
        return ward.image(layers=[text.encode()], config=lambda tree: tree.update(created=text))

    for tag, text in CREATED.items():
        ward.index(dated(text), dated("2019-01-01T00:00:00Z"), tag=tag)
    ward.image(layers=[], config=lambda tree: tree.pop("created"), tag="undated")
    name = f"{registry.host}/app"

    assert ["undated", "epoch", "none", "old", "new"] == lines(run("tags", name, "--sort", "date"))
    assert ["new", "old"] == lines(run("tags", name, "--sort", "date", "--reverse", "--limit", 2))
    told = json.loads(run("tags", name, "--sort", "date", "-l", "--json").stdout)["data"]["details"]
    assert [None, "2019-01-01T00:00:00Z"] == [one["created"] for one in told[:2]]
    assert "2024-01-01" in run("tags", name, "--sort", "date", "-l").stdout


def test_a_tag_that_vanishes_in_between_is_left_out(ward, registry, run):
    for tag in ("1", "2"):
        ward.image(layers=[tag.encode()], tag=tag)
    registry.faults.append(Fault("GET */manifests/1", status=404, times=9))

    data = json.loads(run("tags", f"{registry.host}/app", "-l", "--json").stdout)["data"]

    assert ["2"] == data["tags"]


@pytest.mark.parametrize("words", [["--semver", "newest"], ["--sort", "size"], ["--limit", "0"]])
def test_what_cannot_be_meant(registry, words, run):
    assert 2 == run("tags", f"{registry.host}/app", *words).exit_code


def test_tags_of_a_layout_by_pattern(run, tmp_path):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"oci:{tmp_path}/layout", write=True)[0])
        for tag in ("1.10", "1.9", "edge"):
            ward.image(layers=[tag.encode()], tag=tag)

    assert ["1.9", "1.10"] == lines(run("tags", f"oci:{tmp_path}/layout", "1*", "--sort", "version"))


@pytest.fixture
def hosting(registry):
    """A registry of two thousand repositories."""
    names = random.Random(5).sample([f"{team}/app-{n}" for team in ("red", "blue") for n in range(1000)], 2000)
    registry.manifests |= {(name, "sha256:" + "0" * 64): ("text/plain", b"{}") for name in names}
    return sorted(names)


def test_two_thousand_repositories_in_pages(registry, hosting, run):
    assert hosting == lines(run("catalog", registry.host))
    assert -(-len(hosting) // 97) == len(registry.asked("GET", "/v2/_catalog*"))
    with Client() as client:
        assert tuple(hosting) == client.catalog(registry.host)


def test_repositories_by_pattern_and_limit(registry, hosting, run):
    reds = [name for name in hosting if name.startswith("red/")]

    done = run("catalog", registry.host, "red/*", "--limit", 7, "--json")

    assert (0, reds[:7]) == (done.exit_code, json.loads(done.stdout)["data"]["repositories"])


@pytest.mark.parametrize(("status", "code"), [(404, 9), (405, 9), (401, 4), (403, 4), (500, 5)])
def test_a_registry_that_does_not_list_says_so(registry, status, code, run, monkeypatch):
    monkeypatch.setattr("ocitool.tasks.Retry.delay", lambda *_, **__: None)
    registry.faults.append(Fault("GET /v2/_catalog", status=status, times=99))

    assert code == run("catalog", registry.host).exit_code
