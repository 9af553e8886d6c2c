"""SIGINT and SIGTERM during a build: compilers end, nothing half-made stays, the exit code tells which."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import process_environment
from tests.fakes.processes import runs, wait_for

SPEC = """
name = "app"
platforms = ["linux/amd64", "linux/arm64"]
[command]
run = ["sh", "-c", "trap '' TERM INT; sleep 100 & echo $$ $! >>pids; wait; wait"]
parallel = true
"""


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
