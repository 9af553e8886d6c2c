"""What a sync remembers: by digests and by what was asked for, and never more than may be lost."""

import pytest

from ocitool.index.copy_plans import CopyOptions
from ocitool.model.digest import Digest
from ocitool.model.platform_pattern import parse_choices
from ocitool.model.views import Descriptor
from ocitool.store.machine import DiskMemo
from ocitool.sync.state import CopiedTree, SyncState

ONE, TWO = (Digest.of(text) for text in (b"1", b"2"))
TREE = CopiedTree(TWO, (Descriptor("application/octet-stream", ONE, 1),))


@pytest.fixture
def memo(tmp_path):
    return DiskMemo(tmp_path / "memo")


def test_what_was_remembered_is_known_to_the_next_run(memo):
    state = SyncState(memo, CopyOptions())
    state.set_tree(ONE, TREE)
    state.set_put("host/app", "1", ONE)

    later = SyncState(memo, CopyOptions())

    assert TREE == later.tree(ONE)
    assert (True, False, False) == (
        later.is_put("host/app", "1", ONE),
        later.is_put("host/app", "1", TWO),
        later.is_put("host/other", "1", ONE),
    )


@pytest.mark.parametrize(
    "other", [CopyOptions(platforms=parse_choices("linux/*")), CopyOptions(referrers=True)], ids=["part", "more"]
)
def test_a_copy_of_another_kind_knows_nothing_of_it(memo, other):
    SyncState(memo, CopyOptions()).set_tree(ONE, TREE)
    SyncState(memo, CopyOptions()).set_put("host/app", "1", ONE)

    state = SyncState(memo, other)

    assert (None, False) == (state.tree(ONE), state.is_put("host/app", "1", ONE))


def test_anew_only_this_run_counts(memo):
    SyncState(memo, CopyOptions()).set_tree(ONE, TREE)
    state = SyncState(memo, CopyOptions(), anew=True)
    before = state.tree(ONE)

    state.set_tree(ONE, TREE)

    assert (None, TREE) == (before, state.tree(ONE))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"root": "x", "blobs": []},
        {"root": str(ONE), "blobs": [["sha256:0", 1]]},
        {"root": str(ONE), "blobs": 3},
    ],
)
def test_what_is_damaged_is_not_known(memo, value):
    state = SyncState(memo, CopyOptions())
    state.set_tree(ONE, TREE)
    memo.remember(state._key(("tree", ONE)), value)

    assert None is state.tree(ONE)
