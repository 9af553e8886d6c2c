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
