"""Rules at the edges of what the golden images show: what is healthy though it looks odd, and the other way."""

from ocitool.check.engine import DOCUMENTED
from tests.fakes.sick import member, tar
from tests.unit.check.pairs import PAIRS


def test_ids_are_distinct():
    ids = [rule.id for rule in DOCUMENTED]

    assert sorted(set(ids)) == sorted(ids)


def test_a_healthy_index_has_no_findings(ward, found):
    one, other = ward.image(), ward.image("linux/arm64")
    ward.index(one, other, ward.attestation(one["digest"]))

    assert {} == found()


def test_a_layer_twice_is_legal(ward, found):
    """K052: [L1, L2, L1] is an image like any other."""
    layers = [tar(member("a", b"1")), tar(member("b")), tar(member("a", b"1"))]
    ward.index(ward.image(layers=layers))

    assert {} == found()


def test_an_empty_tar_is_a_layer(ward, found):
    """K049: only empty_layer says that a step made none, whatever its size."""
    steps = [{"created_by": "A"}, {"created_by": "E", "empty_layer": True}, {"created_by": "B"}]
    layers = [tar(member("a")), tar()]
    ward.index(ward.image(layers=layers, config=lambda tree: tree.update(history=steps)))

    assert {} == found()


def test_a_secret_is_not_repeated(ward, found):
    PAIRS["config/secret"](ward, True)

    assert "ghp_" not in found()["config/secret"].message
