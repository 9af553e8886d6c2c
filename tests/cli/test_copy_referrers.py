"""`ocitool copy --referrers` to a registry without the referrers API, where a tag lists what refers to an image."""

from ocitool.graph.referrers import put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.reference import referrers_tag
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward


def test_many_referrers_of_one_image_are_all_listed(run, tmp_path):
    """K131: they share one tag, and do not get into each other's way."""
    kept = Ward(LayoutStore(tmp_path / "kept", create=True))
    image = kept.image(tag="1")
    subject = {key: image[key] for key in ("mediaType", "digest", "size")}
    empty = kept.blob(b"{}", mediatype.OCI_EMPTY)
    made = set()
    for number in range(12):
        layer = kept.blob(f"sbom {number}".encode(), "text/plain")
        tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "artifactType": "text/sbom"}
        document = kept.document(
            tree | {"config": empty, "layers": [layer], "subject": subject}, mediatype.OCI_MANIFEST
        )
        made.add(put_referrer(kept.store, document, scope=Scope()).digest)
    with fake_registry(referrers=False) as old, Opener(Access(), Scope()) as opener:
        done = run("copy", "--referrers", f"oci:{tmp_path}/kept:1", f"{old.host}/app:1")
        store, _ = opener.open(f"{old.host}/app")

        assert 0 == done.exit_code, done.stderr
        assert made == {one.digest for one in store.referrers(Digest(image["digest"]))}
        tag = referrers_tag(Digest(image["digest"]))
        assert 12 == len(old.asked("PUT", f"/v2/app/manifests/{tag}"))  # none was written over and written again


def test_what_stays_behind_is_told(run, registry, app, name, tmp_path):
    app.index(app.image("linux/arm64"), app.image())
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted").exit_code
    silent = run("copy", name, f"oci:{tmp_path}/one:1")
    assert 0 == run("sign", name, "--key", tmp_path / "a.key", "--form", "both").exit_code
    registry.log.clear()

    told = run("copy", name, f"oci:{tmp_path}/two:1")
    asked = [request.path for request in registry.log if "sha256-" in request.path or "/referrers/" in request.path]
    brought = run("copy", name, f"oci:{tmp_path}/three:1", "--referrers")

    assert "behind" not in silent.stderr + brought.stderr
    assert "2 that refer to" in told.stderr
    assert "--referrers brings all of them" in told.stderr
    assert 4 == len(asked)  # the referrers, the list that is there, and two that are not


def test_an_archive_lists_what_refers_to_its_image(run, app, name, tmp_path):
    """Signatures of both forms come through it to another place."""
    app.image(tag="1")
    place = f"oci-archive:{tmp_path}/a.tar:1"
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted").exit_code
    assert 0 == run("sign", name, "--key", tmp_path / "a.key", "--form", "bundle").exit_code

    done = run("copy", name, place, "--referrers")
    brought = run("copy", place, f"oci:{tmp_path}/b:1", "--referrers")

    assert (0, 0) == (done.exit_code, brought.exit_code), done.stderr + brought.stderr
    for where in (place, f"oci:{tmp_path}/b:1"):
        assert 0 == run("verify", where, "--key", tmp_path / "a.pub").exit_code
    plain = run("copy", f"oci-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/c:1")  # one image is listed under a name
    assert 0 == plain.exit_code, plain.stderr


def test_what_docker_loads_has_no_place_for_referrers(run, app, name, tmp_path):
    app.image(tag="1")

    done = run("copy", name, f"docker-archive:{tmp_path}/a.tar:x:1", "--referrers")

    assert (9, False) == (done.exit_code, (tmp_path / "a.tar").exists())
    assert "oci-archive:FILE" in done.stderr
