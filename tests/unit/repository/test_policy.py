"""Which tags go by which rule, and why: over graphs that are values."""

import json
from types import MappingProxyType

import pytest

from ocitool.errors import UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.moments import moment_of
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange
from ocitool.repository.graph import ManifestNode, RepositoryGraph
from ocitool.repository.policy import PrunePolicy, decide
from ocitool.store.placeholder import placeholder
from tests.fakes.repositories import NOW

DAY = 24 * 3600
DATES = {
    "new": "2023-11-14T00:00:00Z",
    "week": "2023-11-08T00:00:00Z",
    "month": "2023-10-16T00:00:00Z",
    "year": "2022-11-15T00:00:00Z",
    "epoch": "1970-01-01T00:00:00Z",
    "buildpacks": "1980-01-01T00:00:01Z",
    "future": "2024-11-14T00:00:00Z",
    "none": None,
}
UNKNOWN = {"epoch", "buildpacks", "future", "none"}


def document(name):
    return Document(json.dumps({"schemaVersion": 2, "manifests": [], "name": name}).encode(), mediatype.OCI_INDEX)


def graph_of(dates, *, tags=None):
    """A repository of images, each under a tag of its name, or several `tags` on them."""
    documents = {name: document(name) for name in dates}
    nodes = {
        documents[name].digest: ManifestNode(
            documents[name], is_image=True, created=moment_of(date) if date is not None else None
        )
        for name, date in dates.items()
    }
    held = {tag: documents[name].digest for tag, name in (tags or {name: name for name in dates}).items()}
    return RepositoryGraph("reg.test/app", MappingProxyType(held), MappingProxyType(nodes))


def going(graph, **rules):
    return {one.tag for one in decide(graph, PrunePolicy(**rules), NOW) if one.goes}


@pytest.fixture
def dated():
    return graph_of(DATES)


def test_what_is_older_goes_and_what_has_no_age_stays(dated):
    assert {"month", "year"} == going(dated, within_s=14 * DAY, within="2w")
    assert {"month", "year", *UNKNOWN} == going(dated, within_s=14 * DAY, deletes_unknown_age=True)


def test_the_newest_stay_and_what_has_no_age_does_not_count(dated):
    assert {"month", "year"} == going(dated, newest=2)
    assert {"week", "month", "year", *UNKNOWN} == going(dated, newest=1, deletes_unknown_age=True)
    assert set() == going(dated, newest=9)


def test_any_rule_keeps(dated):
    assert {"month"} == going(dated, newest=1, within_s=7 * DAY, keep=("y*",))


def test_tags_of_one_manifest_count_once():
    graph = graph_of(
        {name: DATES[name] for name in ("new", "week", "month")},
        tags={"1": "new", "1.0": "new", "latest": "new", "0.9": "week", "0.8": "month"},
    )

    assert {"0.8"} == going(graph, newest=2)


def test_manifests_of_the_same_age_as_the_last_that_counts_stay_too():
    graph = graph_of({"a": DATES["new"], "b": DATES["week"], "c": DATES["week"], "d": DATES["month"]})

    assert {"d"} == going(graph, newest=2)


def test_the_age_is_that_of_the_newest_image_and_unknown_where_that_of_one_is():
    images = graph_of({name: DATES[name] for name in ("month", "year", "epoch")})
    index, doubtful, lacking = document("index"), document("doubtful"), document("lacking")
    digests = {name: images.tags[name] for name in images.tags}
    nodes = dict(images.nodes) | {
        index.digest: ManifestNode(index, (digests["year"], digests["month"])),
        doubtful.digest: ManifestNode(doubtful, (index.digest, digests["epoch"])),
        lacking.digest: ManifestNode(lacking, (digests["year"], Digest.of(b"gone"))),
    }
    tags = {"index": index.digest, "doubtful": doubtful.digest, "lacking": lacking.digest}
    graph = RepositoryGraph("reg.test/app", MappingProxyType(tags), MappingProxyType(nodes))

    found = {one.tag: one for one in decide(graph, PrunePolicy(within_s=7 * DAY, within="7d"), NOW)}

    assert {"index"} == {tag for tag, one in found.items() if one.goes}
    assert (moment_of(DATES["month"]), "from 2023-10-16, older than 7d") == (
        found["index"].created,
        found["index"].why,
    )
    assert "age unknown: an image says a date before there were images" == found["doubtful"].why
    assert "age unknown: an image says no date" == found["lacking"].why
    assert set() == {one.tag for one in decide(graph, PrunePolicy(within_s=60 * DAY), NOW) if one.goes}


def test_patterns_and_versions():
    graph = graph_of(dict.fromkeys(("1.0", "1.1", "1.1-alpine", "1.2", "2.0-rc1", "latest", "dev"), ""))

    assert {"latest", "dev"} == going(graph, keep=("[12].*",))
    assert {"1.0", "latest", "dev"} == going(graph, versions=VersionRange.parse(">=1.1"))
    assert {"1.0", "1.1", "1.1-alpine", "latest", "dev"} == going(graph, highest=2)
    assert {"1.0", "latest", "dev"} == going(graph, highest=3)
    assert {"dev"} == going(graph, only=TagFilter(("d*",)))
    assert {"1.0"} == going(graph, keep=("1.1*",), only=TagFilter(("1.[01]*",)))


def test_tags_that_belong_to_a_manifest_are_not_judged_and_do_not_count():
    names = [f"sha256-{'a' * 64}", f"sha256-{'b' * 64}.sig", f"sha256-{'b' * 64}.unheard-of", f"sha512-{'c' * 64}"]
    release = f"main-{'a' * 40}"
    graph = graph_of({"old": DATES["year"]} | dict.fromkeys([*names, release], DATES["new"]))

    found = {one.tag: one.goes for one in decide(graph, PrunePolicy(newest=1), NOW)}

    assert {"old": True, release: False} == found


def test_what_a_deletion_left_goes():
    document, _ = placeholder("1.0", Digest.of(b"held"))
    nodes = {document.digest: ManifestNode(document)}
    graph = RepositoryGraph("r", MappingProxyType({"1.0": document.digest}), MappingProxyType(nodes))

    assert {"1.0"} == going(graph, keep=("*",))
    assert set() == going(graph, only=TagFilter(("2*",)))


def test_a_policy_that_keeps_nothing_is_refused():
    with pytest.raises(UsageError, match="nothing says what is kept"):
        PrunePolicy()
    with pytest.raises(UsageError, match="nothing says what is kept"):
        PrunePolicy(deletes_unknown_age=True)
