"""Whatever is typed or served: values print and parse back, edits keep bytes, nothing but our errors comes out."""

import json
from contextlib import suppress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ocitool.errors import MalformedDocument, OcitoolError, UsageError
from ocitool.model.digest import Digest
from ocitool.model.document import Document, parse
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import ImageConfig, view

pytestmark = pytest.mark.property

COMPONENT = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+){0,2}", fullmatch=True)
HOST = st.sampled_from(
    ["", "localhost/", "reg.test/", "reg.test:5000/", "[::1]:5000/", "127.0.0.1:1/", "REG/", "docker.io/"]
)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
DIGEST = st.sampled_from(["", "@" + str(Digest.of(b"x")), "@" + str(Digest.of(b"x", "sha512"))])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), JSON, max_size=4)
STYLES = st.builds(
    lambda indent, separators, ascii_only, end: (
        {"indent": indent, "separators": separators, "ensure_ascii": ascii_only},
        end,
    ),
    st.sampled_from([None, 1, 2, 3, 4, "\t"]),
    st.sampled_from([(",", ":"), (", ", ": "), (",", " : ")]),
    st.booleans(),
    st.sampled_from(["", "\n"]),
)


def laid_out(tree: object, style) -> bytes:
    options, end = style
    return (json.dumps(tree, **options) + end).encode()


@given(HOST, st.lists(COMPONENT, min_size=1, max_size=3), st.just("") | TAG, DIGEST)
def test_references_print_and_parse_back(host, path, tag, digest):
    assume(host or "." not in path[0])  # it would be a host itself
    reference = Reference.parse(host + "/".join(path) + (f":{tag}" if tag else "") + digest)

    assert reference == Reference.parse(str(reference))
    assert reference == Reference.parse(reference.familiar, default_tag="")


@given(st.text(st.sampled_from("aZ0/:@.-_[]\n sha256é%")) | st.text())
def test_any_text_is_a_reference_or_a_usage_error(text):
    with suppress(UsageError):
        reference = Reference.parse(text)
        assert reference == Reference.parse(str(reference))


@given(st.text(st.sampled_from("linuxarm64v78/(+)%:.0-_ ")) | st.text())
def test_any_text_is_a_platform_or_a_usage_error(text):
    with suppress(UsageError):
        platform = Platform.parse(text, Platform("linux", "amd64"))
        assert platform == Platform.parse(str(platform))
        assert platform.normalised() == platform.normalised().normalised()
        assert platform.candidates()[0].same(platform.without_version())


@given(OBJECT, STYLES)
def test_edit_of_nothing_is_the_same_object(tree, style):
    document = Document(laid_out(tree, style), "x")

    assert document.edit(lambda _: None) is document


@given(OBJECT, STYLES, OBJECT)
def test_what_an_edit_says_is_what_is_written(before, style, after):
    def change(tree):
        tree.clear()
        tree.update(after)

    edited = Document(laid_out(before, style), "x").edit(change)

    assert json.dumps(after) == json.dumps(parse(edited.raw))


@given(OBJECT, STYLES, st.text(st.characters(exclude_categories=["Cs"]), min_size=5, max_size=6), JSON)
def test_adding_a_key_and_taking_it_away_gives_the_old_bytes(tree, style, key, value):
    document = Document(laid_out(tree, style), "x")
    with_key = document.edit(lambda tree: tree.update({key: value}))

    if tree:  # the inside of an empty object has no layout to come back to
        assert document.raw == with_key.edit(lambda tree: tree.pop(key)).raw


@given(
    st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()),
    st.sampled_from(["", "application/vnd.oci.image.index.v1+json"]),
)
def test_any_bytes_are_read_or_refused(data, media_type):
    document = Document(data, media_type)
    for read in (view, ImageConfig.of):
        with suppress(OcitoolError):
            read(document)


@given(st.text() | st.from_regex(r"[a-z0-9+._-]{1,9}:[A-Za-z0-9=_-]{1,9}", fullmatch=True))
def test_any_text_is_a_digest_or_malformed(text):
    with suppress(MalformedDocument):
        assert text == Digest(text)
        assert "/" not in text
        assert ".." not in Digest(text).hex
