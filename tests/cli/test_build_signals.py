"""SIGINT and SIGTERM during a build: compilers end, nothing half-made stays, the exit code tells which."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import process_environment

SPEC = """
name = "app"
platforms = ["linux/amd64", "linux/arm64"]
[command]
run = ["sh", "-c", "trap '' TERM INT; sleep 100 & echo $$ $! >>pids; wait; wait"]
parallel = true
"""


def wait_for(look, what: str):
    for _ in range(6000):
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited a minute for {what}")


def runs(pid: str) -> bool:
    """Whether a process runs; a zombie that nobody reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("code", "number"), [(130, signal.SIGINT), (143, signal.SIGTERM)])
def test_a_signal_ends_compilers_that_ignore_it(home, code, number):
    (home / "ocitool.toml").write_text(SPEC)
    pids = home / "pids"
    process = subprocess.Popen(
        [sys.executable, "-m", "ocitool", "build", ".", "-o", "oci:img:1", "--jobs", "2"],
        cwd=home,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 4, "two compilers")

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    assert (code, "") == (process.returncode, out)
    assert "Traceback" not in err
    wait_for(lambda: not any(runs(pid) for pid in pids.read_text().split()), "the end of four processes")
    assert not (home / "img").exists()
