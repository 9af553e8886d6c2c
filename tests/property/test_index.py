"""Whatever an index holds, edits keep its promises, and whatever a file or template says is an answer or an error of ours."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.change.difference import difference
from ocitool.errors import NotFound, OcitoolError, UsageError
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import IndexEntry, Selector
from ocitool.index.spec import parse_spec
from ocitool.index.yaml import parse_yaml
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view
from ocitool.report.template import render
from tests.amounts import amount

pytestmark = pytest.mark.property

PLATFORMS = st.builds(
    Platform,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm", "arm64", "s390x"]),
    st.sampled_from(["", "v1", "v6", "v7", "v8"]),
    st.sampled_from(["", "10.0.1"]),
)
ENTRIES = st.builds(
    lambda n, platform, notes: IndexEntry.of(
        Descriptor(mediatype.OCI_MANIFEST, Digest.of(bytes([n])), n, platform, annotations=notes)
    ),
    st.integers(0, 20),
    PLATFORMS,
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


def attestation_of(entry):
    marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(entry.digest)}
    digest = Digest.of(entry.digest.encode())
    return IndexEntry.of(
        Descriptor(mediatype.OCI_MANIFEST, digest, 1, Platform("unknown", "unknown"), annotations=marks)
    )


@st.composite
def indexes(draw):
    """An index in some layout of the JSON, with duplicates and attestations anywhere."""
    entries = draw(st.lists(ENTRIES, max_size=6))
    entries += [attestation_of(e) for e in entries if draw(st.booleans())]
    order = draw(st.permutations(entries))
    tree = compose.index(Family.OCI, [e.descriptor for e in order]).tree()
    raw = json.dumps(tree, indent=draw(st.sampled_from([None, 1, 3])), ensure_ascii=draw(st.booleans()))
    return view(Document(raw.encode(), mediatype.OCI_INDEX))


@given(indexes(), ENTRIES)
def test_upsert_leaves_one_entry_for_its_platform(index, entry):
    after = view(edit.upsert(index, [entry]))

    same = [e for e in after.entries if not e.is_attestation and e.platform.same(entry.platform)]
    assert [entry.digest] == [e.digest for e in same]


@given(indexes(), ENTRIES)
def test_upsert_twice_is_upsert_once(index, entry):
    once = edit.upsert(index, [entry])

    assert once is edit.upsert(view(once), [entry])


@given(indexes(), ENTRIES)
def test_upsert_touches_no_entry_of_another_platform(index, entry):
    after = view(edit.upsert(index, [entry]))

    others = [e for e in index.entries if not e.is_attestation and not e.platform.same(entry.platform)]
    assert others == [e for e in after.entries if not e.is_attestation and not e.platform.same(entry.platform)]


@given(indexes(), PLATFORMS)
def test_keep_and_remove_share_the_images_between_them(index, platform):
    chosen = Selector((platform,))
    with suppress(NotFound, UsageError):
        kept, rest = view(edit.keep(index, chosen)), view(edit.remove(index, chosen))
        images = [e for e in index.entries if not e.is_attestation]
        divided = [e for e in (*kept.entries, *rest.entries) if not e.is_attestation]
        assert sorted(map(str, images)) == sorted(map(str, divided))


@given(indexes())
def test_order_is_a_permutation_and_stable(index):
    once = edit.order(index)

    assert sorted(map(str, index.entries)) == sorted(map(str, view(once).entries))
    assert once is edit.order(view(once))


@given(indexes())
def test_edit_of_nothing_is_the_same_object(index):
    assert index.document is edit.annotate_index(index, {})
    assert index.document is edit.upsert(index, [])
    assert index.document is edit.flatten(index, {})


@given(indexes(), indexes())
def test_difference_is_empty_only_for_equal_trees(a, b):
    same = json.dumps(a.document.tree()) == json.dumps(b.document.tree())

    assert same == (() == difference(a.document, b.document))


@given(indexes(), st.text(max_size=3), st.text(max_size=3))
def test_annotation_set_and_removed_leaves_the_tree(index, key, value):
    marked = edit.annotate_index(index, {key: value})

    assert index.document.tree() == edit.annotate_index(view(marked), {key: None}).tree()


@given(indexes(), PLATFORMS, st.sampled_from(["", "v5", "v9"]))
def test_marks_change_only_what_is_selected(index, platform, variant):
    chosen = Selector((platform,))
    with suppress(NotFound, UsageError):  # there is none of it, or no engine knows such a variant
        after = view(edit.annotate(index, chosen, EntryChanges(variant=variant), allow_duplicates=True))
        for old, new in zip(index.entries, after.entries, strict=True):
            assert (old == new) or chosen.matches(IndexEntry.of(old))


@settings(max_examples=amount(100, 10_000))
@given(st.text(alphabet='{}[].\\ntaplfrmsd"0', max_size=30))
def test_any_template_is_an_answer_or_a_usage_error(template):
    answer = {"a": 1, "platforms": [{"p": "x", "l": [1, 2]}, {"p": "y"}], "d": {"a.b": "c"}}

    with suppress(UsageError):
        assert isinstance(render(template, answer), str)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "manifests", "platform", "platforms", "os", "architecture", "tags", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TREES)
def test_any_spec_is_a_spec_or_a_usage_error(tree):
    with suppress(UsageError):
        assert parse_spec(tree).sources


@settings(max_examples=amount(100, 10_000))
@given(st.text(alphabet="abc:-[]{}&*!|>\n \"'#,0", max_size=40))
def test_any_yaml_is_texts_or_a_usage_error(text):
    with suppress(OcitoolError):
        json.dumps(parse_yaml(text))
