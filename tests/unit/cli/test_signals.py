"""Signals in a process that has nothing else to do: how it ends, and what it leaves. K239."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import untraced

pytestmark = pytest.mark.slow

BEGIN = """
import ctypes, os, signal, sys, threading, time
from pathlib import Path
from ocitool.cli.signals import Signals
from ocitool.errors import Cancelled
from ocitool.tasks import Scope, TaskGroup

def deaf():
    mutex = ctypes.create_string_buffer(64)
    while True:
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

scope = Scope()
with Signals() as signals:
    try:
        with signals.ending(scope):
            print("ready", flush=True)
            {work}
    except BaseException as error:
        print(type(error).__name__, signals.reason().what, flush=True)
        sys.exit(signals.code)
"""
WORK = {
    "waits": "scope.sleep(60)",
    "computes": "while True: pass",
    "opens a pipe": "os.mkfifo('fifo'); Path('fifo').open()",
    "works aside": """
            def work():
                while True: pass
            with TaskGroup(scope, 2) as group:
                group.spawn(work)
""",
    "is deaf": "deaf()",
    "is deaf aside": """
            with TaskGroup(scope, 2) as group:
                group.spawn(deaf)
""",
}


def run(tmp_path, work: str, *numbers: signal.Signals, pause_s: float = 0.0):
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN.replace("{work}", work.strip("\n").lstrip())],
        cwd=tmp_path,
        env=untraced(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "ready\n" == process.stdout.readline(), process.stderr.read()
    time.sleep(0.2)  # nearly always enough to be in the middle of it, and right if it is not
    for number in numbers:
        process.send_signal(number)
        time.sleep(pause_s)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize("work", WORK)
def test_the_first_signal_ends_whatever_is_done(tmp_path, work):
    code, out, err = run(tmp_path, WORK[work], signal.SIGTERM)

    assert (143, "") == (code, err)
    assert out in ({""} if work == "is deaf" else {"Cancelled terminated\n", "KeyboardInterrupt terminated\n"})


def test_an_interruption_is_told_as_one(tmp_path):
    assert (130, "Cancelled interrupted\n", "") == run(tmp_path, WORK["waits"], signal.SIGINT)


CLEANS = """
            try:
                scope.sleep(60)
            finally:
                time.sleep({seconds})
                print("clean", flush=True)
"""


def test_cleaning_up_is_waited_for(tmp_path):
    code, out, _ = run(tmp_path, CLEANS.format(seconds=2.5), signal.SIGTERM)

    assert (143, "clean\nCancelled terminated\n") == (code, out)


def test_while_cleaning_up_is_waited_for_nothing_spins(tmp_path):
    """The thread that watches hears the signals that it sends itself."""
    counted = CLEANS.format(seconds=2.5).replace("time.sleep", "began = time.process_time(); time.sleep")

    _, out, _ = run(tmp_path, counted.replace('"clean"', "time.process_time() - began"), signal.SIGTERM)

    assert float(out.splitlines()[0]) < 0.5


@pytest.mark.parametrize(("pause_s", "said"), [(0.0, "clean\nCancelled terminated\n"), (1.0, "")])
def test_a_second_signal_counts_when_it_is_no_echo_of_the_first(tmp_path, pause_s, said):
    """`timeout` sends two at once, to the process and to its group."""
    twice = (signal.SIGTERM, signal.SIGTERM)

    code, out, _ = run(tmp_path, CLEANS.format(seconds=3), *twice, pause_s=pause_s)

    assert (143, said) == (code, out)


@pytest.mark.parametrize("work", ["is deaf", "is deaf aside"])
def test_what_is_half_written_goes(tmp_path, work):
    held = tmp_path / ".ingest-0123456789abcdef"
    read = tmp_path / ".other.ocitool-01234567"
    read.write_text("somebody else writes this one")
    opens = (
        f"half, other = Path({str(held)!r}).open('wb'), Path({str(read)!r}).open(); whole = Path('whole').open('w')"
    )

    run(tmp_path, f"{opens}\n            {WORK[work].strip(chr(10)).lstrip()}", signal.SIGTERM)

    assert {"whole", read.name} == {path.name for path in tmp_path.iterdir()}


def test_without_a_signal_nothing_is_removed(tmp_path):
    held = tmp_path / ".ingest-0123456789abcdef"

    code, out, err = run(tmp_path, f"half = Path({str(held)!r}).open('wb')")

    assert (0, "", "") == (code, out, err)
    assert held.exists()
