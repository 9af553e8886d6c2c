"""What is given to Client: words or types; anything else is refused in words, whatever the method."""

import inspect
from pathlib import Path

import pytest

import ocitool
from ocitool.change.plan import Plan
from ocitool.index.editor import IndexEditor
from ocitool.index.image_editor import ImageEditor

GOOD = {"place": "oci:images:app", "before": "oci:images:app", "after": "oci:images:app", "reference": "oci:images:app",
        "source": "oci:images:app", "repository": "oci:images", "path": "hello", "destination": "oci:new:1", "registry": "localhost:1",
        "username": "me", "password": "secret", "image": "app:1", "name": "localhost:1/app:1", "family": "oci",
        "kind": "sbom", "compression": "zstd", "plan": Plan("oci:images"),
        "sources": "oci:images:app", "destinations": "oci:new:1", "file": "sync.toml", "request": None}  # fmt: skip
SKIPPED = {
    "self",
    "request",
    "requests",
    "planned",
    "plans",
    "password",
    "stdin",
}  # values of ours that the command line makes; a function


def parameters(owner):
    for name, method in vars(owner).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        for one in inspect.signature(method).parameters.values():
            if one.name not in SKIPPED and one.annotation not in {bool, int} and "bool" not in str(one.annotation):
                yield name, one


def call(method, one, value):
    words, extra = {}, ()
    for other in inspect.signature(method).parameters.values():
        if other.name == one.name:
            if other.kind is other.VAR_POSITIONAL:
                extra = (value,)
            else:
                words[other.name] = value
        elif other.default is other.empty and other.kind not in {other.VAR_POSITIONAL, other.VAR_KEYWORD}:
            words[other.name] = GOOD[other.name]
    if extra:
        return method(*words.values(), *extra)
    return method(**words)


EDITORS = {IndexEditor: ocitool.Client.index, ImageEditor: ocitool.Client.image}
METHODS = [
    (owner, name, one.name)
    for owner in (*ocitool.Client.__mro__[:3], *EDITORS)
    for name, one in parameters(owner)
    if one.kind is not one.VAR_KEYWORD
]


@pytest.mark.parametrize(("owner", "name", "argument"), METHODS)
def test_what_is_no_word_is_refused_in_words(layout, owner, name, argument):
    """`client.push(1)` was an AttributeError, and `client.tags(Path("images"))` a question to docker.io."""
    for value in (1, object(), b"oci:images:app"):
        with ocitool.Client(retry_s=0) as client:
            method = getattr(EDITORS[owner](client, "oci:images:app") if owner in EDITORS else client, name)
            one = inspect.signature(method).parameters[argument]
            with pytest.raises(ocitool.OcitoolError) as caught:
                call(method, one, value)

        assert "usage" == caught.value.code, (value, caught.value)


@pytest.mark.parametrize("limit", ["1", -1, True, None, object()])
def test_what_is_no_number_is_refused(client, layout, limit):
    for call in (client.tags, client.tag_details, client.catalog):
        with pytest.raises(ocitool.OcitoolError) as caught:
            call("oci:images" if call != client.catalog else "localhost:1", limit=limit)

        assert "usage" == caught.value.code


@pytest.mark.parametrize(
    "argument", ["plain_http", "insecure", "anonymous", "ca_files", "credentials", "rates", "cache_dir"]
)
def test_the_constructor_too(home, argument):
    with pytest.raises(ocitool.OcitoolError) as caught:
        ocitool.Client(**{argument: 1})

    assert "usage" == caught.value.code


def test_one_host_is_a_list_of_one(home):
    """A word was taken for a list of letters."""
    with ocitool.Client(plain_http="reg.test:5000", ca_files=Path("a.pem")) as client:
        assert ("reg.test:5000",) == client._access.plain_http
        assert (Path("a.pem"),) == client._access.ca_files


def test_a_path_for_a_place_is_told_how_it_is_written(client):
    with pytest.raises(ocitool.OcitoolError) as caught:
        client.tags(Path("images"))

    assert "write 'oci:images' or 'oci-archive:images'" == caught.value.hint


def test_push_takes_a_name_or_a_build_and_says_what_takes_places(client):
    with pytest.raises(ocitool.OcitoolError, match="oci:images:app is a place, and push takes a name") as place:
        client.push("oci:images:app", "reg.test/app:1")
    with pytest.raises(ocitool.OcitoolError, match="pushed under its own name"):
        client.push("reg.test/app:1", "reg.test/other:1")

    assert "ocitool copy oci:images:app reg.test/app:1" in place.value.hint


def test_a_family_that_is_none_is_refused_with_those_that_are(client):
    with pytest.raises(ocitool.OcitoolError, match="no family is called 'rocket'") as refused:
        client.index("oci:images:app").convert("rocket")

    assert ("usage", "docker or oci") == (refused.value.code, refused.value.hint)
