"""`referrers`, `attach`, `detach`: what stands beside an image, put there, shown and taken away."""

import json

import pytest

from ocitool.graph.referrers import put_referrer
from ocitool.model import mediatype
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.tasks import Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

KIND = "application/vnd.example.report.v1"


@pytest.fixture(params=["referrers API", "fallback tag", "layout"])
def kept(request, ward, tmp_path):
    """A place that has an index of two images under the tag 1: its name, and what is there."""
    if request.param == "layout":
        at = Ward(LayoutStore(tmp_path / "layout", create=True))
        at.index(at.image("linux/arm64"), at.image())
        yield f"oci:{tmp_path / 'layout'}:1", at.store
        return
    with fake_registry(referrers=request.param == "referrers API") as running:
        at = ward(f"{running.host}/app")
        at.index(at.image("linux/arm64"), at.image())
        yield f"{running.host}/app:1", at.store


@pytest.fixture
def report(home, monkeypatch):
    """A file in the current folder."""
    monkeypatch.chdir(home)
    (home / "report.txt").write_text("all is well\n")
    return "report.txt"


def attached(store, name="1"):
    return store.referrers(store.head(name).digest)


def test_a_file_is_attached_found_and_taken_back(run, kept, report):
    name, store = kept
    digest = str(store.head("1").digest)

    done = run("attach", name, f"{report}:text/plain", "--artifact-type", KIND, "-a", "by=me")
    listed = run("referrers", name)
    again = run("attach", name, f"{report}:text/plain", "--artifact-type", KIND, "-a", "by=me")
    [entry] = attached(store)
    manifest = view(store.get_manifest(str(entry.digest)))
    undone = run("undo", name)

    assert 0 == done.exit_code, done.stderr
    assert digest == str(store.head("1").digest)
    assert (KIND, {"by": "me"}) == (entry.artifact_type, dict(entry.annotations))
    [layer] = manifest.layers
    assert ("text/plain", report) == (layer.media_type, layer.annotations["org.opencontainers.image.title"])
    assert f"└─ {KIND} {entry.digest}" in listed.stdout
    assert (0, True) == (again.exit_code, "nothing to change" in again.stderr)
    assert 0 == undone.exit_code, undone.stderr
    assert [] == attached(store)


def test_to_each_image(run, kept, report):
    name, store = kept
    children = [str(one.digest) for one in view(store.get_manifest("1")).entries]

    done = run("attach", name, report, "--artifact-type", KIND, "--each-platform")
    tree = json.loads(run("referrers", name, "--json").stdout)["data"]

    assert 0 == done.exit_code, done.stderr
    assert [] == attached(store)
    assert children == [one["digest"] for one in tree["images"]]
    assert [[KIND]] * 2 == [[node["artifactType"] for node in one["referrers"]] for one in tree["images"]]
    assert 0 == run("undo", name).exit_code
    assert [[], []] == [attached(store, child) for child in children]


def test_what_is_detached_is_put_back(run, kept, report):
    name, store = kept
    for text in ("one", "two"):
        assert 0 == run("attach", name, report, "--artifact-type", KIND, "-a", f"n={text}").exit_code
    first, second = (str(one.digest) for one in attached(store))

    shown = run("detach", name, first, "--dry-run")
    both = {str(one.digest) for one in attached(store)}
    done = run("detach", name, first)
    left = [str(one.digest) for one in attached(store)]
    undone = run("undo", name)

    assert (0, {first, second}) == (shown.exit_code, both)
    assert f"delete {first}" in shown.stdout
    assert (0, [second]) == (done.exit_code, left), done.stderr
    assert 0 == undone.exit_code, undone.stderr
    assert "puts back what was detached" in undone.stderr
    assert {first, second} == {str(one.digest) for one in attached(store)}


@pytest.mark.parametrize("what", ["image", "nothing", "list"])
def test_what_is_no_referrer_is_not_detached(run, kept, tmp_path, what):
    name, store = kept
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    assert 0 == run("sign", name, "--key", tmp_path / "a.key").exit_code
    root = store.head("1").digest
    digest = {
        "image": str(view(store.get_manifest("1")).entries[0].digest),
        "nothing": f"sha256:{'0' * 64}",
        "list": str(store.head(f"sha256-{root.hex}.sig").digest),
    }[what]

    done = run("detach", name, digest)

    assert (3 if what == "nothing" else 2) == done.exit_code, done.stderr
    assert 0 == run("verify", name, "--key", tmp_path / "a.pub").exit_code
    assert store.head("1").digest == root


def test_a_registry_that_deletes_nothing_is_told(run, registry, app, name, report):
    app.image(tag="1")
    assert 0 == run("attach", name, report, "--artifact-type", KIND).exit_code
    [entry] = attached(app.store)
    registry.faults.append(Fault("DELETE *", status=405, times=-1))

    done = run("detach", name, entry.digest)

    assert (9, True) == (done.exit_code, "does not delete" in done.stderr)
    assert [entry.digest] == [one.digest for one in attached(app.store)]


def test_cosigns_tags_and_signatures_of_referrers_are_in_the_tree(run, kept, report, tmp_path):
    name, store = kept
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    assert 0 == run("sign", name, "--key", tmp_path / "a.key", "--form", "tag").exit_code
    assert 0 == run("attach", name, report, "--artifact-type", KIND).exit_code
    [entry] = attached(store)
    beside = f"{name.removesuffix(':1')}@{entry.digest}"
    assert 0 == run("sign", beside, "--key", tmp_path / "a.key", "--form", "bundle").exit_code

    lines = run("referrers", name).stdout.splitlines()

    digest = store.head("1").digest
    assert lines[0].endswith(f" {digest}")
    assert f"├─ {KIND} {entry.digest}" == lines[1]
    assert lines[2].startswith(
        "│  └─ application/vnd.dev.sigstore.bundle.v0.3+json https://sigstore.dev/cosign/sign/v1 "
    )
    assert lines[3].startswith(f"└─ cosign signatures: 1 under sha256-{digest.hex}.sig ")
    assert 4 == len(lines)


def test_an_entry_that_lies_is_shown_as_such(run, app, name, ward):
    with fake_registry(referrers=False) as old:
        at = ward(f"{old.host}/app")
        image, other = at.image(tag="1"), at.image("linux/arm64", tag="2")
        tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "artifactType": KIND}
        tree |= {"config": at.blob(b"{}", mediatype.OCI_EMPTY), "layers": []}
        tree["subject"] = {key: image[key] for key in ("mediaType", "digest", "size")}
        put_referrer(at.store, at.document(tree, mediatype.OCI_MANIFEST), scope=Scope())
        held = at.store.get_manifest(image["digest"].replace(":", "-"))
        at.store.put_manifest(held, other["digest"].replace(":", "-"))

        done = run("referrers", f"{old.host}/app:2")

    assert 0 == done.exit_code, done.stderr
    assert f"is listed and is about {image['digest'][:19]}" in done.stdout


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("no.txt", "--artifact-type", KIND), 3, "no file no.txt"),
        (("report.txt", "--artifact-type", "report"), 2, "not an artifact type"),
        (("report.txt",), 2, "--artifact-type"),
        (("--artifact-type", KIND), 2, "missing argument"),
    ],
)
def test_what_cannot_be_attached(run, kept, report, flags, code, said):
    name, store = kept

    done = run("attach", name, *flags)

    assert (code, True) == (done.exit_code, said in done.stderr.lower()), done.stderr
    assert [] == attached(store)


def test_one_image_has_no_platforms_to_attach_to(run, app, name, report):
    app.image(tag="1")

    done = run("attach", name, report, "--artifact-type", KIND, "--each-platform")

    assert (2, True) == (done.exit_code, "leave --each-platform out" in done.stderr)


def test_an_attachment_that_somebody_else_deleted_is_told_when_it_is_taken_back(run, app, name, report):
    app.image(tag="1")
    assert 0 == run("attach", name, report, "--artifact-type", KIND).exit_code
    [entry] = attached(app.store)
    app.store.delete(str(entry.digest))

    done = run("undo", name)

    assert (0, True) == (done.exit_code, "nothing of it is there any more" in done.stderr), done.stderr


def test_what_was_asked_for_is_told_and_is_no_warning(run, kept, report):
    name, _ = kept

    done = run("attach", name, report, "--artifact-type", KIND)

    assert f"attaches {KIND} to sha256:" in done.stderr
    assert "warning:" not in done.stderr
    assert [] == [
        line for line in done.stderr.splitlines() if line.startswith(":")
    ]  # each blob is called something
