"""How many requests it takes to publish, and what they are, by what the tag held; a proxy in front of a real registry counts."""

import json

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.proxy import proxy

pytestmark = pytest.mark.registry

ARCHES = ("amd64", "arm64", "arm", "riscv64", "s390x")


@pytest.fixture
def between(docker_registry):
    """A proxy in front of the registry."""
    with proxy(docker_registry.host) as running:
        yield running


@pytest.fixture
def reference(docker_registry, between):
    """A tag of a repository of its own, seen through the proxy."""
    return f"{between.host}/{docker_registry.repository().partition('/')[2]}:1"


@pytest.fixture
def build(tmp_path, run, between, reference):
    """`build("one")`: five platforms whose files hold that word, pushed; what was sent, and the requests for the tag."""

    def call(word, *flags, name=reference):
        for arch in ARCHES:
            (tmp_path / arch).write_text(f"{word} {arch}")
        between.seen.clear()
        platforms = ",".join(f"linux/{arch}" for arch in ARCHES)
        argv = (tmp_path, "--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", platforms, "--json")
        done = run("build", *argv, *flags, "-t", name, "--push")
        assert 0 == done.exit_code, done.stderr
        return json.loads(done.stdout)["data"]

    return call


def tag_requests(between):
    return between.methods("/manifests/1")


def test_an_unchanged_build_sends_no_byte_in_17_requests(build, between):
    """Ten blobs, six manifests and the tag, each asked for once."""
    build("one")

    again = build("one")

    assert (0, []) == (again["sent"], again["replaced"])
    assert 17 == len([1 for _, path, _ in between.seen if path != "/v2/"])
    assert ["GET"] == tag_requests(between)


def test_a_new_tag_is_asked_for_once_and_written(build, between):
    build("one")

    assert ["GET", "PUT"] == tag_requests(between)
    assert 5 == len([1 for method, path, _ in between.seen if method == "PUT" and "/manifests/sha256:" in path])


def test_a_tag_that_held_something_costs_a_read_and_a_look(build, between):
    first = build("one")

    second = build("two")

    assert ["GET", "HEAD", "PUT", "HEAD"] == tag_requests(between)
    assert [first["digest"]] == [one["digest"] for one in second["replaced"]]


def test_two_tags_are_looked_at_in_one_round_and_the_root_is_sent_under_each(build, between, reference):
    build("one", "-t", f"{reference}-b")

    assert ["GET", "GET", "PUT", "PUT"] == sorted(between.methods("/manifests/1"))


@pytest.mark.parametrize("held", ["", "amd64"], ids=["new", "held"])
def test_copy_sends_the_root_once(run, docker_registry, between, reference, held):
    """Under its tag alone, and not by its digest before."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{docker_registry.host}/{reference.partition('/')[2]}", write=True)
        put_image(store, "arm64", "linux/arm64")
        if held:
            put_image(store, "1", f"linux/{held}")
    source = f"{reference.rpartition(':')[0]}:arm64"
    between.seen.clear()

    done = run("copy", source, reference, "--replace")

    assert 0 == done.exit_code, done.stderr
    assert 1 == between.methods("/manifests/").count("PUT")
