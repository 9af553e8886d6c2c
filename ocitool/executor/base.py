"""The values of an executor: a command, the tree it sees, and the changes it made; and the protocol.

Nothing here knows of Dockerfiles, and nothing of how a command is isolated.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from ocitool.values import dataclass

SHM_SIZE: Final = 64 * MIB
"""Bytes of /dev/shm where nothing else is asked for, as in BuildKit."""


@dataclass(frozen=True, slots=True)
class RootLayer:
    """One layer of a tree: `key` is its diff_id; `open` gives its uncompressed tar, called where it is new."""

    key: str
    open: Callable[[], Iterator[bytes]]


class Network(Enum):
    """What a command reaches: `ISOLATED` and `DEFAULT` are a network of its own with a way out.

    `DEFAULT` falls back to the host's network, with a warning, where no such network can be made; `ISOLATED`
    is Unsupported then. `NONE` is a loopback of its own.
    """

    DEFAULT = "default"
    ISOLATED = "isolated"
    NONE = "none"
    HOST = "host"


class MountKind(Enum):
    """The kinds of mounts; the values are those of `RUN --mount=type=`."""

    BIND = "bind"
    CACHE = "cache"
    TMPFS = "tmpfs"
    SECRET = "secret"  # noqa: S105 - a kind
    SSH = "ssh"


class Sharing(Enum):
    """Who may use a cache folder at the same time; the values are those of `sharing=`."""

    SHARED = "shared"
    PRIVATE = "private"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Mount:
    """Something to be seen at `target`, an absolute path inside; never part of what changed.

    BIND shows `source` of the tree of `layers` (writes are discarded, or refused when `read_only`). CACHE is the
    persistent folder of this machine named `cache`; when it is new it belongs to `uid`:`gid` with `mode` and
    begins with what BIND would show (nothing without layers). TMPFS is empty, of `size` bytes at most (0: any).
    SECRET is a file of `content`, with `mode`, `uid` and `gid`, that never touches a disk; scripts travel so too.
    SSH is the socket of an agent at `socket` on the host.
    """

    kind: MountKind
    target: str
    layers: tuple[RootLayer, ...] = ()
    source: str = "/"
    cache: str = ""
    sharing: Sharing = Sharing.SHARED
    content: bytes = b""
    socket: Path | None = None
    read_only: bool = False
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Ulimit:
    """One limit of setrlimit by its name without RLIMIT_, in lower case; -1 is unlimited."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command may use: bytes of resident memory, processes, bytes written; 0 is no limit."""

    memory: int = 0
    pids: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """A command in a tree.

    `args` is what is started, by a path or found in PATH of `env`. `user` is a name or number with an optional
    `:group`, looked up in the merged root; "" is root. `root` is lowest first, empty for scratch. `workdir` is
    absolute and made where it is not there. `epoch` (seconds since 1970) is the latest time in what comes of it.
    `label` begins what is told of it, such as "[linux/arm64 stage 3/7] RUN make".
    """

    platform: Platform
    args: tuple[str, ...]
    root: tuple[RootLayer, ...]
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    mounts: tuple[Mount, ...] = ()
    network: Network = Network.DEFAULT
    extra_hosts: tuple[tuple[str, str], ...] = ()  # (name, address)
    hostname: str = "buildkitsandbox"
    shm_size: int = SHM_SIZE
    ulimits: tuple[Ulimit, ...] = ()
    limits: Limits = Limits()
    epoch: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a command changed: an uncompressed tar with OCI whiteouts in a stable order, owners as inside.

    `key` is its digest, and a RootLayer of this key is unpacked here already. The caller moves or deletes `tar`;
    nothing changed where `is_empty`. `warnings` are lines such as that owners are lost.
    """

    tar: Path
    key: str
    size: int
    is_empty: bool = False
    warnings: tuple[str, ...] = ()


class Executor(Protocol):
    """Carries commands out. One object serves a whole build, from several threads; `close` ends what it started."""

    def check(self, platforms: Iterable[Platform]) -> None:
        """Raise Unsupported with the true reason and the ways out if a platform's commands cannot run here."""

    def run(self, execution: Execution, *, scope: Scope, output: Callable[[bytes], None]) -> Changes:
        """Carry a command out; `output` gets what it prints as it comes, both streams together.

        Raises BuildError when it fails (`returncode`, and its last words as `stderr`), MalformedDocument for a
        layer that is none, UsageError for a user that is not there, Unsupported, LocalIOError, Cancelled. Then
        nothing of it is left.
        """

    def emulator(self, platform: Platform) -> str:
        """The path of what emulates a platform that was checked; "" where its programs run by themselves."""

    def close(self) -> None:
        """End every process; to be called once, also after an error."""
