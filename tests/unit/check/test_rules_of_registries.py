"""Rules over what is said beside the bytes, without a socket; fault/test_check.py has them over one."""

from dataclasses import replace

import pytest

from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.findings import Severity
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Served
from ocitool.model.views import Descriptor
from ocitool.tasks import Scope
from tests.unit.check.pairs import served

OTHER = str(Digest.of(b"other"))


@pytest.fixture
def told(ward):
    """`told(head=…, **headers)`: what is found where the root is served with other headers, or not at all odd."""

    def call(head=None, **headers):
        served(ward, bool(headers), **headers)
        name = str(ward.store._tags["1"])
        seen = look(ward.store, name, scope=Scope(), head=head)
        return [(one.rule, one.message) for one in findings(seen)]

    return call


def test_nothing_is_said_of_what_is_as_it_ought_to_be(told):
    assert [] == told()


def test_a_root_under_another_digest(told, ward):
    expected = f"served with Docker-Content-Digest {OTHER[:19]}, and its bytes are "

    ((rule, message),) = told(digest=OTHER)

    assert ("registry/wrong-digest", expected + str(ward.store._tags["1"])[:19]) == (rule, message)


def test_a_root_that_is_neither_what_it_is_served_as_nor_one_thing(told, ward):
    """Where the Content-Type alone is in the way it is named; where the bytes are odd too, they are."""
    assert ["registry/content-type"] == [rule for rule, _ in told(content_type=mediatype.OCI_MANIFEST)]
    tree = ward.image_tree("linux/amd64") | {"manifests": []}
    odd = ward.document(tree, mediatype.DOCKER_MANIFEST)
    ward.store.plant(replace(odd, served=Served(mediatype.DOCKER_MANIFEST, str(odd.digest), "1")), "1")

    assert ["index/ambiguous"] == [one.rule for one in findings(look(ward.store, "1", scope=Scope()))]


def test_a_child_that_only_its_header_makes_ambiguous_is_named_once(told, ward):
    """K043: by what the registry does, and not as a broken child as well."""
    told()
    child = list(ward.store._manifests.values())[1]
    wrong = replace(child, media_type=mediatype.DOCKER_MANIFEST, served=Served(mediatype.DOCKER_MANIFEST, "", "1"))
    ward.store.plant(wrong)

    found = findings(look(ward.store, "1", scope=Scope()))

    assert [("registry/content-type", "linux/arm64")] == [
        (one.rule, one.at.label) for one in found if one.severity is Severity.ERROR
    ]


def test_what_is_no_manifest_has_no_type_to_be_served_as(ward):
    """An artifact of a kind we do not know, as application/json."""
    document = ward.document({"schemaVersion": 2, "x": 1}, "application/json")
    ward.store.plant(replace(document, served=Served("application/json", str(document.digest), "9")), "1")

    assert ["index/unknown-type"] == [one.rule for one in findings(look(ward.store, "1", scope=Scope()))]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Served(status=405), "HEAD of a manifest is answered 405"),
        (Served(mediatype.OCI_INDEX, "", "{size}"), "HEAD gives no Docker-Content-Digest"),
        (Served(mediatype.OCI_INDEX, "{digest}", ""), "HEAD gives no Content-Length"),
        (Served(mediatype.OCI_INDEX, "{digest}", "0"), "HEAD gives another Content-Length than GET"),
        (Served(f"{mediatype.OCI_INDEX}; charset=utf-8", "{digest}", "{size}"), None),
        (None, None),
    ],
    ids=["refused", "digest", "no-length", "length", "parameters", "nothing"],
)
def test_head(told, ward, answer, message):
    told()
    root = ward.store.get_manifest("1")
    if answer is not None:
        answer = replace(
            answer,
            digest=answer.digest.replace("{digest}", str(root.digest)),
            length=answer.length.replace("{size}", str(root.size)),
        )
    head = replace(Descriptor.of(root), served=answer)

    assert ([("registry/head", message)] if message else []) == told(head=head)


def test_head_of_what_is_not_from_a_registry(ward):
    ward.index(ward.image())
    head = replace(ward.store.head("1"), served=Served(mediatype.OCI_INDEX, "", "0"))

    assert () == findings(look(ward.store, "1", scope=Scope(), head=head))
