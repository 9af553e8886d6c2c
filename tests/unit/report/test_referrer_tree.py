"""`ocitool.report.referrer_tree`: how far, and how many, are looked at."""

from ocitool.model import mediatype
from ocitool.report.referrer_tree import DEPTH, MOST, referrer_tree
from ocitool.store.forwarding import ForwardingReader
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Ward


def refer(ward, about, note):
    """A manifest that refers to another one."""
    subject = {key: about[key] for key in ("mediaType", "digest", "size")}
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "artifactType": "text/x", "layers": []}
    tree |= {"config": ward.blob(b"{}", mediatype.OCI_EMPTY), "subject": subject, "annotations": {"note": note}}
    return ward.manifest(tree)


def test_what_refers_to_referrers_is_followed_so_far_and_no_further():
    ward = Ward(MemoryStore())
    above = ward.image(tag="1")
    for number in range(DEPTH + 2):
        above = refer(ward, above, str(number))

    nodes, depth = referrer_tree(ward.store, "1", scope=Scope()).root.referrers, 0
    while nodes:
        [node] = nodes
        assert {"note": str(depth)} == dict(node.annotations)
        nodes, depth = node.referrers, depth + 1

    assert DEPTH == depth


class Many(ForwardingReader):
    """A registry that lists one referrer of a manifest over and over."""

    def referrers(self, digest):
        return [one for one in super().referrers(digest) for _ in range(MOST + 1)]


def test_of_many_referrers_the_rest_is_told():
    ward = Ward(MemoryStore())
    refer(ward, ward.image(tag="1"), "many")

    found = referrer_tree(Many(ward.store), "1", scope=Scope()).root.referrers

    assert MOST + 1 == len(found)
    assert f"more than {MOST} refer to it; the others were not looked at" == found[-1].problem
    assert "" == found[-2].problem
