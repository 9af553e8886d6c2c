"""Signals that are heard in this process: the reason they give, and what is removed."""

import os
import signal
import threading

import pytest

from ocitool.cli.signals import Signals, _remove_half_made
from ocitool.errors import Cancelled
from ocitool.tasks import Scope


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


class Ended(BaseException):
    """The process would have ended here."""


@pytest.fixture
def ends(monkeypatch):
    """The codes with which the process would have ended."""
    codes = []

    def end(code):
        codes.append(code)
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    return codes


def test_the_process_ends_where_cleaning_up_takes_too_long_and_its_half_made_files_go(tmp_path, ends):
    signals = Signals()
    signals._hear(143)

    with (tmp_path / ".ingest-0123456789abcdef").open("wb"):
        signals._press(0.1)
        before = (list(ends), len(list(tmp_path.iterdir())))
        with pytest.raises(Ended):
            signals._press(10.0)

    assert (([], 1), [143], []) == (before, ends, list(tmp_path.iterdir()))


def test_the_main_thread_is_made_to_raise_unless_it_leaves_already():
    with Signals() as signals:
        signals._scope = Scope()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGALRM)
        try:
            raise Cancelled("terminated")
        except Cancelled:
            signal.raise_signal(signal.SIGALRM)


@pytest.fixture
def deaf():
    """On a busy machine the watching thread may nudge the main one, which has nothing to end here."""
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize(("again_s", "codes"), [(60.0, []), (0.0, [143])])
def test_a_second_signal_is_an_echo_at_first_and_the_end_later(monkeypatch, ends, again_s, codes):
    monkeypatch.setattr("ocitool.cli.signals._AGAIN_S", again_s)
    signals, (reading, writing) = Signals(), os.pipe()
    scope = signals._scope = Scope()

    def watch():
        try:
            signals._watch(reading)
        except Ended:
            os.close(reading)

    thread = threading.Thread(target=watch)
    thread.start()
    os.write(writing, bytes([signal.SIGTERM]))
    with pytest.raises(Cancelled, match="terminated"):
        scope.sleep(60)
    os.write(writing, bytes([signal.SIGINT]))
    os.close(writing)
    thread.join(60)

    assert (False, 143, codes) == (thread.is_alive(), signals.code, ends)
