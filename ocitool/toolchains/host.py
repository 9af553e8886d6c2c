"""The platform of this machine, as containers see it."""

import os
import re
from pathlib import Path
from typing import Final

from ocitool.errors import UsageError
from ocitool.model.platform import Platform

_CPUINFO: Final = Path("/proc/cpuinfo")
_CPUINFO_LIMIT: Final = 256 * 1024


def host_platform() -> Platform:
    """The platform that programs for this machine have; the variant of an arm comes from /proc/cpuinfo."""
    uname = os.uname()
    return platform_of(uname.sysname, uname.machine, _cpuinfo())


def platform_of(system: str, machine: str, cpuinfo: str = "") -> Platform:
    """The platform of a machine with that `uname -s`, `uname -m` and text of /proc/cpuinfo.

    On macOS it is linux, because that is what containers run on there. An unknown machine keeps its name.
    """
    name = "linux" if system in {"Linux", "Darwin"} else system.lower()
    text = f"{name}/{machine.lower()}"
    if machine.lower().startswith(("arm", "aarch32")) and machine.lower() != "arm64":
        text = f"{name}/arm/{_arm_variant(machine.lower(), cpuinfo)}"
    try:
        return Platform.parse(text)
    except UsageError:
        return Platform(name, machine.lower())


def _arm_variant(machine: str, cpuinfo: str) -> str:
    level = re.search(r"^CPU architecture\s*:\s*(\S+)", cpuinfo, re.MULTILINE)
    model = re.search(r"^model name\s*:\s*(.+)", cpuinfo, re.MULTILINE | re.IGNORECASE)
    word = level.group(1) if level else machine.removeprefix("arm").removeprefix("v")
    # The Raspberry Pi Zero's kernel reports 7 for a core that is ARMv6.
    if word.startswith("7") and model and model.group(1).lower().startswith("armv6-compatible"):
        return "v6"
    if word.lower() == "aarch64" or word[:1] == "8":
        return "v8"
    return f"v{word[0]}" if word[:1] in {"5", "6", "7"} else "v7"


def _cpuinfo() -> str:
    try:
        with _CPUINFO.open("rb") as file:
            return file.read(_CPUINFO_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""
