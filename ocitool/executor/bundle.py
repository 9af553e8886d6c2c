"""The config.json of an OCI runtime for one command, with what BuildKit gives a RUN: a pure function.

Spec: runtime-spec config.md and config-linux.md.
"""

from collections.abc import Sequence
from typing import Any, Final

from ocitool.executor.accounts import Account
from ocitool.executor.seccomp import profile
from ocitool.values import dataclass

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES: Final = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
MASKED: Final = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_QUIET: Final = ("nosuid", "noexec", "nodev")


@dataclass(frozen=True, slots=True)
class Shown:
    """Something of the host that is shown inside: `source` at `target`, both absolute."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that a config.json is made of.

    `network` is "" for the host's, "new" for one with a loopback alone, else the path of a network namespace.
    `rlimits` are (name, soft, hard).
    """

    root: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    workdir: str
    account: Account
    is_single: bool
    machine: str
    hostname: str
    network: str
    shm_size: int
    shown: tuple[Shown, ...] = ()
    rlimits: tuple[tuple[str, int, int], ...] = ()


def config(bundle: Bundle) -> dict[str, Any]:
    """The document of `bundle`."""
    account = bundle.account
    capabilities = {name: list(CAPABILITIES) for name in ("bounding", "permitted", "effective")}
    user: dict[str, Any] = {"uid": 0, "gid": 0}
    if not bundle.is_single:
        user = {"uid": account.uid, "gid": account.gid, "additionalGids": list(account.groups)}
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": [*MASKED, *([] if bundle.network else ["/sys/fs/cgroup"])],
        "readonlyPaths": list(READ_ONLY),
        "seccomp": profile(bundle.machine, is_single=bundle.is_single),
    }
    if bundle.network:
        at = {} if bundle.network == "new" else {"path": bundle.network}
        linux["namespaces"].append({"type": "network", **at})
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": user,
            "args": list(bundle.args),
            "env": environment(bundle.env, account),
            "cwd": bundle.workdir,
            "capabilities": capabilities,
            "rlimits": [
                {"type": f"RLIMIT_{name.upper()}", "soft": _unsigned(soft), "hard": _unsigned(hard)}
                for name, soft, hard in bundle.rlimits
            ],
            # As with BuildKit: sudo and su work, and what they gain is root inside, within the sets and the filter.
            "noNewPrivileges": False,
        },
        "root": {"path": bundle.root, "readonly": False},
        "hostname": bundle.hostname,
        "mounts": [*_system(bundle), *map(_bind, bundle.shown)],
        "linux": linux,
    }


def environment(env: Sequence[str], account: Account) -> list[str]:
    """The variables, the last of a name counting, with PATH and HOME where they are not set."""
    found = {"PATH": PATH, "HOME": account.home or "/"}
    for line in env:
        name, _, value = line.partition("=")
        found.pop(name, None)
        found[name] = value
    return [f"{name}={value}" for name, value in found.items()]


def _system(bundle: Bundle) -> list[dict[str, Any]]:
    # A sysfs can be mounted by those alone whose network namespace it shows.
    if bundle.network:
        system = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*_QUIET, "ro"]}
    else:
        system = {"destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", *_QUIET, "ro"]}
    # A world-writable sticky /dev, the default, keeps root inside from opening its own null device for writing.
    dev = ["nosuid", "strictatime", "mode=755", "size=65536k"]
    pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    shm = [*_QUIET, "mode=1777", f"size={bundle.shm_size}"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": list(_QUIET)},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": dev},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": pts},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": shm},  # noqa: S108 - inside
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": list(_QUIET)},
        system,
    ]


def _bind(shown: Shown) -> dict[str, Any]:
    options = ["rbind", "nosuid", "nodev", *(["ro"] if shown.read_only else [])]
    return {"destination": shown.target, "type": "none", "source": shown.source, "options": options}


def _unsigned(number: int) -> int:
    return 2**64 - 1 if number < 0 else number
