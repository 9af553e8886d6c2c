"""`ocitool repair --source`: what comes back is looked at before anything is written, so one repair is enough."""

import pytest

from ocitool.model.views import Manifest, view
from tests.fakes.sick import member, program, tar


@pytest.fixture
def mended(name, kept, run):
    """`mended()`: one repair from the layout, after which there is nothing to find and nothing to do."""

    def call(*words):
        done = run("repair", name, "--apply", "--source", kept.store.label, *words)
        again = run("repair", name, "--apply", "--source", kept.store.label, *words)
        assert (0, "nothing wrong\n") == (done.exit_code, run("check", name, "--deep").stdout), done.stderr
        assert (0, True) == (again.exit_code, "nothing to change" in again.stderr)
        return done

    return call


def entries(ward):
    return [(str(entry.platform), str(entry.digest)) for entry in view(ward.store.get_manifest("1")).entries]


@pytest.fixture
def lost(registry, app, kept):
    """`lost(entry, …)`: these images or indexes are in the layout, and in the registry no longer."""

    def call(*wanted):
        for entry in wanted:
            document = app.store.get_manifest(entry["digest"])
            seen = view(document)
            for blob in (seen.config, *seen.layers) if isinstance(seen, Manifest) else ():
                kept.blob(registry.blobs["app", str(blob.digest)], blob.media_type)
            kept.store.put_manifest(document)
        for entry in wanted:
            del registry.manifests["app", entry["digest"]]

    return call


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 1},
        {"platform": {"os": "linux", "architecture": "s390x"}},
        {"mediaType": "application/vnd.oci.image.index.v1+json"},
    ],
    ids=["size", "platform", "type"],
)
def test_what_the_index_says_wrongly_of_a_lost_child(app, mended, lost, wrong):
    """K034, K007: the child is back, and its entry says what it is."""
    arm64 = app.image("linux/arm64")
    app.index(app.image(), arm64 | wrong)
    lost(arm64)

    mended()

    assert ("linux/arm64", arm64["digest"]) == entries(app)[1]


def test_a_lost_child_whose_config_is_wrong(app, mended, lost):
    blank = app.image("linux/arm64", config=lambda tree: tree.update(architecture=""))
    app.index(app.image(), blank)
    lost(blank)

    mended()

    assert blank["digest"] != entries(app)[1][1]


def test_a_lost_index_inside_the_index(app, mended, lost):
    """K020: it comes back to be replaced by its entries, of which one is lost too."""
    amd64, arm64, s390x = app.image(), app.image("linux/arm64"), app.image("linux/s390x", layers=[tar(member("x"))])
    inner = app.index(arm64, s390x, tag="inner")
    before = app.index(amd64, inner)["digest"]
    lost(arm64, inner)

    done = mended()

    assert [amd64["digest"], arm64["digest"], s390x["digest"]] == [digest for _, digest in entries(app)]
    assert f"linux/arm64 {arm64['digest'][:19]} is brought back" in done.stderr
    assert before != app.store.head("1").digest


def test_undo_of_that_brings_the_inner_index_back(app, mended, lost, name, run):
    """From the backup: the registry has lost it."""
    inner = app.index(app.image("linux/arm64"), tag="inner")
    before = app.index(app.image(), inner)["digest"]
    lost(inner)
    mended()

    assert (0, before) == (run("undo", name).exit_code, app.store.head("1").digest)


def test_a_lost_child_that_stands_twice(app, mended, lost):
    arm64 = app.image("linux/arm64")
    app.index(app.image(), arm64, arm64 | {"platform": arm64["platform"] | {"variant": "v8"}})
    lost(arm64)

    mended()

    assert 2 == len(entries(app))


def test_a_lost_child_that_is_not_kept_is_not_brought(registry, app, mended, lost):
    """K017: of two images the other one stays."""
    old, new = app.image("linux/arm64", layers=[program("arm64"), tar(member("old"))]), app.image("linux/arm64")
    app.index(app.image(), old, new)
    lost(old)

    mended("--keep", new["digest"])

    assert ("app", old["digest"]) not in registry.manifests


def test_a_layer_that_a_source_has_without_the_image(registry, app, kept, mended, name):
    """A blob is found by its digest, whatever holds it."""
    arm64 = app.image("linux/arm64")
    held = app.index(app.image(), arm64)["digest"]
    [layer] = view(app.store.get_manifest(arm64["digest"])).layers
    kept.blob(registry.blobs.pop(("app", str(layer.digest))), layer.media_type)

    done = mended("--deep")

    assert (held, True) == (app.store.head("1").digest, ("app", str(layer.digest)) in registry.blobs)
    assert f"what linux/arm64 {arm64['digest'][:19]} lacks is brought back from {kept.store.label}" in done.stderr


def test_a_root_that_is_gone_is_not_there(registry, app, kept, lost, run):
    """By its digest: a source has it, and nothing in the repository names it."""
    index = app.index(app.image(), tag="other")
    lost(index)

    assert 3 == run("repair", f"{registry.host}/app@{index['digest']}", "--source", kept.store.label).exit_code
