"""`ocitool manifest …` on a real registry: docker's words, flags and answers, without its traps."""

import json

import pytest

from ocitool.model.mediatype import DOCKER_LIST, Family
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import put_image

pytestmark = pytest.mark.registry


@pytest.fixture
def store(docker_registry):
    """A repository with images amd64 and arm64, Docker family."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(docker_registry.repository(), write=True)
        for name, platform in (("amd64", "linux/amd64"), ("arm64", "linux/arm64")):
            put_image(store, name, platform, family=Family.DOCKER)
        yield store


@pytest.fixture
def name(store):
    """`name("amd64")`: a full reference in that repository."""
    return lambda tag: f"{store.label}:{tag}"


@pytest.fixture
def created(run, name):
    """The draft `list` of both images."""
    done = run("manifest", "create", name("list"), "--amend", name("amd64"), "--amend", name("arm64"))
    assert done.exit_code == 0, done.stderr
    return name("list")


def test_create_answers_as_docker_does(run, name):
    done = run("manifest", "create", name("list"), name("amd64"))

    assert (0, f"Created manifest list {name('list')}\n") == (done.exit_code, done.stdout)


def test_create_publishes_nothing(created, store):
    assert store.head("list") is None


def test_create_again_needs_amend(run, created, name):
    refused = run("manifest", "create", created, name("amd64"))
    amended = run("manifest", "create", created, "-a", name("amd64"))

    assert (2, 0) == (refused.exit_code, amended.exit_code)
    assert "refusing to amend an existing manifest list with no --amend flag" in refused.stderr


def test_create_of_a_missing_image_keeps_no_draft(run, name):
    assert 3 == run("manifest", "create", name("list"), name("none")).exit_code
    assert 3 == run("manifest", "push", name("list")).exit_code


def test_push_prints_the_digest_and_keeps_the_draft(run, created, store):
    done = run("manifest", "push", created)

    assert (0, f"{store.head('list').digest}\n") == (done.exit_code, done.stdout)
    assert DOCKER_LIST == store.get_manifest("list").media_type
    assert 0 == run("manifest", "push", created).exit_code


def test_push_with_purge_forgets_the_draft(run, created):
    run("manifest", "push", "-p", created)

    assert 3 == run("manifest", "push", created).exit_code


def test_annotate_every_field(run, created, name, store):
    said = ["--os", "windows", "--arch", "arm", "--variant", "v6", "--os-version", "10.1", "--os-features", "a,b"]
    assert 0 == run("manifest", "annotate", created, name("arm64"), *said).exit_code

    run("manifest", "push", created)

    platform = view(store.get_manifest("list")).entries[1].platform
    assert ("windows", "arm", "v6", "10.1", ("a", "b")) == (
        platform.os,
        platform.architecture,
        platform.variant,
        platform.os_version,
        platform.os_features,
    )


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["--arch", "foo"], "unsupported os/arch combination: /foo", 2),
        (["--os", "foo"], "unsupported os/arch combination: foo/", 2),
    ],
)
def test_annotate_with_what_does_not_exist(run, created, name, words, says, code):
    done = run("manifest", "annotate", created, name("arm64"), *words)

    assert code == done.exit_code
    assert says in done.stderr


def test_annotate_of_a_stranger(run, created, name):
    done = run("manifest", "annotate", created, name("other"), "--variant", "v8")

    assert 3 == done.exit_code
    assert f"manifest for image {name('other')} does not exist in {created}" in done.stderr


def test_inspect_prefers_the_draft(run, created, name):
    run("manifest", "annotate", created, name("arm64"), "--variant", "v8")

    answer = json.loads(run("manifest", "inspect", created).stdout)

    assert ["", "v8"] == [entry["platform"].get("variant", "") for entry in answer["manifests"]]


def test_inspect_verbose_of_draft_list_and_image(run, created, name):
    draft = json.loads(run("manifest", "inspect", "-v", created).stdout)
    run("manifest", "push", "-p", created)
    listed = json.loads(run("manifest", "inspect", "-v", created).stdout)
    image = json.loads(run("manifest", "inspect", "-v", name("amd64")).stdout)

    assert [name("amd64"), name("arm64")] == [entry["Ref"] for entry in draft]
    assert [e["Descriptor"]["digest"] for e in draft] == [e["Ref"].partition("@")[2] for e in listed]
    assert draft[0] == image
    assert {"Ref", "Descriptor", "Raw", "SchemaV2Manifest"} == set(image)


def test_inspect_of_an_image_in_a_draft(run, created, name):
    found = run("manifest", "inspect", created, name("amd64"))
    stranger = run("manifest", "inspect", created, name("list2"))

    assert "layers" in json.loads(found.stdout)
    assert (3, True) == (stranger.exit_code, "No such manifest" in stranger.stderr)


def test_verbose_push_tells_the_native_command(run, created, name):
    run("manifest", "annotate", created, name("arm64"), "--variant", "v8")

    done = run("manifest", "push", "-v", created)

    assert f"ocitool index create {created} {name('amd64')} {name('arm64')}=linux/arm64/v8" in done.stderr


def test_image_built_anew_is_noticed(run, created, name, store):
    """K016: published as it is now, and said so."""
    new = put_image(store, "amd64", "linux/amd64", family=Family.DOCKER, note="anew")

    done = run("manifest", "push", created, "--json")

    assert new == view(store.get_manifest("list")).entries[0].digest
    assert [f"{name('amd64')} was "] == [w[: len(name("amd64")) + 5] for w in json.loads(done.stdout)["warnings"]]


def test_index_is_taken_as_a_member(run, created, name, store):
    """K019: docker says that it is a manifest list."""
    run("manifest", "push", created)

    run("manifest", "create", name("all"), created)
    run("manifest", "push", name("all"))

    assert store.head("list").digest == store.head("all").digest


def test_rm_forgets_drafts_and_not_what_is_published(run, created, store):
    run("manifest", "push", created)

    assert 0 == run("manifest", "rm", created).exit_code
    assert store.head("list") is not None
    gone = run("manifest", "rm", created, f"{created}2")
    assert (3, 2) == (gone.exit_code, gone.stderr.count("No such manifest"))


def test_insecure_is_a_plain_flag(run, name):
    assert 0 == run("manifest", "create", "--insecure", name("list"), name("amd64")).exit_code
    assert 0 == run("manifest", "push", "--insecure", name("list")).exit_code
