"""`ocitool.image.config_edit`: changes that no image can say, and configs that stay the same."""

import pytest

from ocitool.errors import UsageError
from ocitool.image.config_edit import ConfigChanges, health_changes, with_config
from ocitool.model.document import Document
from ocitool.model.views import view
from ocitool.store.memory import MemoryStore
from tests.fakes.sick import Ward


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"env": {"": "x"}}, "no name of a variable: ''"),
        ({"env": {"A=B": "x"}}, "no name of a variable: 'A=B'"),
        ({"labels": {"": "x"}}, "no name of a label: ''"),
    ],
)
def test_a_name_that_there_is_not_is_refused(words, said):
    with pytest.raises(UsageError, match=said):
        ConfigChanges(**words)


def test_a_label_may_have_an_equals_sign_in_its_name():
    assert {"A=B": "x"} == dict(ConfigChanges(labels={"A=B": "x"}).labels)


@pytest.mark.parametrize("retries", [-1, 10**9])
def test_a_number_of_retries_is_one(retries):
    with pytest.raises(UsageError, match=f"not a number of retries: {retries}"):
        health_changes(retries=retries)


def test_a_manifest_with_the_config_that_it_has_keeps_its_bytes():
    ward = Ward(MemoryStore())
    manifest = view(ward.store.get_manifest(ward.image()["digest"]))
    with ward.store.open_blob(manifest.config) as pieces:
        same = Document(b"".join(pieces), manifest.config.media_type)

    other = with_config(manifest, Document(same.raw + b" ", same.media_type))

    assert with_config(manifest, same) is manifest.document
    assert same.size + 1 == other.tree()["config"]["size"]
