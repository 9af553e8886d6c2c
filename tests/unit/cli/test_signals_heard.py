"""Signals that are heard in this process: the reason they give, and what is removed."""

import signal

import pytest

from ocitool.cli.signals import Signals, _remove_half_made
from ocitool.errors import Cancelled


@pytest.mark.parametrize(
    ("number", "what", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_where_nothing_is_to_be_cleaned_up_the_reason_is_raised_at_once(number, what, code):
    before = signal.getsignal(number)

    with Signals() as signals, pytest.raises(Cancelled, match=what) as caught:
        signal.raise_signal(number)

    assert (code, code) == (signals.code, caught.value.exit_code)
    assert before == signal.getsignal(number)


def test_a_signal_that_comes_when_all_is_done_is_still_the_reason():
    signals = Signals()

    signals._hear(143)
    signals._hear(130)

    assert (143, "terminated") == (signals.code, signals.reason().what)


def test_only_what_is_written_under_a_temporary_name_is_removed(tmp_path):
    half, read, whole = (tmp_path / name for name in (".ingest-0123456789abcdef", ".x.ocitool-01234567", "whole"))
    read.touch()
    with half.open("wb"), read.open("rb"), whole.open("wb"):
        _remove_half_made()

    assert {read, whole} == set(tmp_path.iterdir())
