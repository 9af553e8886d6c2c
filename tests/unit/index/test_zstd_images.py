"""Two images for one platform, one with gzip and one with zstd: edits keep them together, and zstd behind."""

import pytest

from ocitool.errors import UsageError
from ocitool.index import edit
from ocitool.index.entries import IndexEntry, Selector
from ocitool.model.platform import Platform
from ocitool.model.views import ZSTD_IMAGE, view

ZSTD = {ZSTD_IMAGE: "true"}


@pytest.fixture
def pair(make):
    """amd64 and arm64 with gzip, and both with zstd: the index."""
    return make.index(
        make.entry("a", "linux/amd64"),
        make.entry("b", "linux/arm64"),
        make.entry("az", "linux/amd64", **ZSTD),
        make.entry("bz", "linux/arm64", **ZSTD),
        make.attestation("att", make.entry("bz", "linux/arm64")),
    )


def digests(document):
    return [entry.digest for entry in view(document).entries]


def named(make, *texts):
    return [make.entry(text).digest for text in texts]


def test_a_new_image_takes_the_place_of_both(pair, make):
    """The old zstd image would be what some clients go on to pull."""
    after = edit.upsert(pair, [make.entry("new", "linux/arm64/v8")])

    assert named(make, "a", "new", "az") == digests(after)


def test_a_new_pair_takes_the_place_of_the_old_one(pair, make):
    new = [make.entry("new", "linux/arm64"), make.entry("newz", "linux/arm64", **ZSTD)]

    assert named(make, "a", "new", "az", "newz") == digests(edit.upsert(pair, new))
    assert named(make, "a", "new", "az", "newz") == digests(edit.upsert(pair, new[::-1]))


def test_a_zstd_image_joins_the_one_that_is_there(make):
    amd, arm = make.entry("a", "linux/amd64"), make.entry("b", "linux/arm64")
    index = make.index(amd, arm, make.attestation("att", amd))

    after = edit.upsert(index, [make.entry("az", "linux/amd64", **ZSTD)])

    assert named(make, "a", "b", "az", "att") == digests(after)


def test_a_platform_joins_before_the_zstd_images(pair, make):
    after = edit.upsert(pair, [make.entry("c", "linux/s390x")])

    assert named(make, "a", "b", "c", "az", "bz", "att") == digests(after)


def test_what_is_there_already_changes_nothing(pair, make):
    assert pair.document is edit.upsert(pair, [make.entry("b", "linux/arm64")])
    assert pair.document is edit.upsert(pair, [make.entry("bz", "linux/arm64", **ZSTD)])


def test_two_zstd_images_of_one_platform_are_refused(make):
    with pytest.raises(UsageError, match="are for the same platform"):
        edit.upsert(make.index(), [make.entry(text, "linux/arm64", **ZSTD) for text in ("1", "2")])


def test_a_platform_leaves_with_both_and_stays_with_both(pair, make):
    arm = Selector((Platform.parse("linux/arm64"),))

    assert named(make, "a", "az") == digests(edit.remove(pair, arm))
    assert named(make, "b", "bz", "att") == digests(edit.keep(pair, arm))


def test_order_leaves_zstd_behind(pair, make):
    after = edit.order(pair, [Platform.parse("linux/arm64")])

    assert named(make, "b", "a", "bz", "az", "att") == digests(after)
    assert pair.document is edit.order(pair)


def test_flattened_pairs_stand_with_zstd_behind(pair, make):
    entry = IndexEntry.of(make.entry("x").descriptor)
    outer = make.index(entry, make.entry("d", "linux/riscv64"))

    after = edit.flatten(outer, {entry.digest: pair})

    assert named(make, "a", "b", "d", "az", "bz", "att") == digests(after)


def test_another_value_of_the_annotation_is_no_zstd_image(make):
    with pytest.raises(UsageError):
        edit.upsert(
            make.index(), [make.entry("1", "linux/arm64"), make.entry("2", "linux/arm64", **{ZSTD_IMAGE: "1"})]
        )
