"""Processes that tests start or see started: waited for, and looked for."""

import time
from pathlib import Path


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
