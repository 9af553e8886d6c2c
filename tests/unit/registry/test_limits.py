import json
import os
from dataclasses import asdict

import pytest

from ocitool.registry.hosts import FLOOR, MIB, UploadLimits, known_limits, limits_from
from ocitool.registry.session_state import KEPT_S, Remembered


def test_a_host_that_takes_no_body_at_the_close_still_streams():
    """K103"""
    limits = UploadLimits().without_whole()

    assert (0, True) == (limits.whole, limits.streams)


def test_a_stream_that_is_too_large_becomes_parts_that_shrink():
    """K101: a size is never tried again unchanged."""
    limits, sizes = UploadLimits(), []
    sent = 12 * MIB
    while (smaller := limits.after_too_large(sent)) is not None:
        limits, sent = smaller, smaller.part
        sizes.append(sent)

    assert [8 * MIB, 5 * MIB, 4 * MIB, 2 * MIB, MIB, MIB // 4] == sizes
    assert not limits.streams


def test_a_small_blob_that_is_too_large_at_the_close_is_streamed():
    limits = UploadLimits().after_too_large(3 * MIB)

    assert (0, True) == (limits.whole, limits.streams)


def test_parts_are_as_large_as_any_known_floor_unless_a_cap_is_known():
    """K101: ECR takes no part below 5 MiB but the last, and tells so only at the commit."""
    assert UploadLimits(streams=False).part >= FLOOR
    assert UploadLimits().after_too_large(12 * MIB).part >= FLOOR


def test_nothing_below_a_known_floor_is_tried():
    assert UploadLimits(part_min=FLOOR).after_too_large(FLOOR) is None


@pytest.mark.parametrize(("text", "least"), [("5242880", FLOOR), ("x", 0), ("", 0), ("-5", 0)])
def test_a_minimum_that_the_host_says_is_heeded(text, least):
    assert least == UploadLimits().with_minimum(text).part_min


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("ghcr.io", 4 * MIB),
        ("123.dkr.ecr.eu-west-1.amazonaws.com", 8 * MIB),
        ("public.ecr.aws", 8 * MIB),
        ("reg.test:5000", 8 * MIB),
        ("notghcr.io", 8 * MIB),
    ],
)
def test_where_to_begin_with_a_host(host, part):
    assert part == known_limits(host).part


def test_the_users_part_size_wins():
    limits = known_limits("ghcr.io", 2 * MIB)

    assert (2 * MIB, False, 2 * MIB) == (limits.whole, limits.streams, limits.part)


def test_what_was_learned_is_there_in_the_next_process(tmp_path):
    learned = UploadLimits(whole=0, streams=False, part_max=4 * MIB)
    Remembered(folder=tmp_path).learn("[::1]:5000", learned)

    again = Remembered(folder=tmp_path)
    assert learned == again.limits("[::1]:5000")
    assert again.has_learned("[::1]:5000")
    assert UploadLimits() == again.limits("other.test")


def test_what_was_learned_long_ago_is_forgotten(tmp_path):
    Remembered(folder=tmp_path).learn("reg.test", UploadLimits(whole=0))
    (file,) = tmp_path.iterdir()
    old = file.stat().st_mtime - KEPT_S - 1
    os.utime(file, (old, old))

    assert UploadLimits() == Remembered(folder=tmp_path).limits("reg.test")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"whole": "x"}', '{"whole":-1,"streams":true,"part_min":0,"part_max":0}']
)
def test_a_damaged_file_is_no_knowledge(tmp_path, text):
    (tmp_path / "limits-reg.test.json").write_text(text)

    assert UploadLimits() == Remembered(folder=tmp_path).limits("reg.test")


def test_limits_survive_a_file():
    limits = UploadLimits(whole=1, streams=False, part_min=2, part_max=3)

    assert limits == limits_from(json.loads(json.dumps(asdict(limits))))
