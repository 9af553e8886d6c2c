"""Flags of a build about RUN: whether it is carried out, its secrets, its network and its limits."""

import re
import socket
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ocitool.dockerfile.syntax.sizes import parse_size
from ocitool.errors import NotFound, Unsupported, UsageError, local_io
from ocitool.executor.base import SHM_SIZE, Limits, Network, Ulimit
from ocitool.model.numbers import KIB
from ocitool.values import dataclass, field

SECRET_LIMIT: Final = 500 * KIB
"""Most bytes of a secret, as in BuildKit."""
NETWORKS: Final = ("default", "none", "isolated", "host")
_ENTITLED: Final = "network.host"
_ULIMITS: Final = frozenset(
    ["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
     "rtprio", "rttime", "sigpending", "stack"]
)  # fmt: skip
_LARGEST: Final = 2**63 - 1
_NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the build: a file or a variable of this process, read when a RUN asks for it."""

    id: str
    path: Path | None = None
    variable: str = ""

    def value(self, environ: Mapping[str, str]) -> bytes:
        """Its bytes. Raises NotFound, UsageError for too many, LocalIOError."""
        if self.path is None:
            if self.variable not in environ:
                what = f"secret {self.id}: the variable {self.variable} is not set"
                raise NotFound(what, name=self.variable, hint="set it, or name a file with src=")
            return environ[self.variable].encode("utf-8", "surrogateescape")
        try:
            with self.path.open("rb") as file:
                data = file.read(SECRET_LIMIT + 1)
        except FileNotFoundError:
            raise NotFound(f"secret {self.id}: no file {self.path}", name=str(self.path)) from None
        except OSError as error:
            raise local_io(error, f"read {self.path}, secret {self.id}") from error
        if len(data) > SECRET_LIMIT:
            raise UsageError(f"secret {self.id}: {self.path} has more than {SECRET_LIMIT} bytes")
        return data


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The flags about RUN. `network` is --network, `run_network` decides for every line where it is not empty.

    `ssh` has the sockets of agents by id. `fresh` are the stages of --no-cache-filter. `emulators` are the places
    of --emulator. `cache_from` and `cache_to` are the words of the flags.
    """

    is_allowed: bool = True
    secrets: Mapping[str, Secret] = field(default_factory=dict, hash=False, repr=False)
    ssh: Mapping[str, Path] = field(default_factory=dict, hash=False)
    network: str = "default"
    run_network: str = ""
    entitlements: frozenset[str] = frozenset()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = SHM_SIZE
    ulimits: tuple[Ulimit, ...] = ()
    limits: Limits = _NO_LIMITS
    use_cache: bool = True
    fresh: frozenset[str] = frozenset()
    emulators: tuple[str, ...] = ()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()

    def network_of(self, written: str) -> Network:
        """The network of a line that says `written`. Raises Unsupported for the host's where nobody allows it."""
        if self.run_network and self.run_network != "default":
            return Network(self.run_network)
        wanted = written if written != "default" else self.network
        if wanted == "host" and self.network != "host" and _ENTITLED not in self.entitlements:
            raise Unsupported(
                "RUN --network=host would reach what listens on this machine alone, and nobody allows it",
                ability="RUN --network=host",
                hint=f"say --allow {_ENTITLED} if it may",
            )
        return Network(wanted)


def parse_secret(text: str, environ: Mapping[str, str]) -> Secret:
    """The secret of --secret `id=NAME[,src=FILE|,env=NAME]`. An id alone is a variable, else a file.

    Raises UsageError.
    """
    said = _said("secret", text, {"id": "id", "src": "src", "source": "src", "env": "env", "type": "type"})
    name, kind = said.get("id", ""), said.get("type", "")
    if not name:
        raise UsageError("--secret says no id", hint="as in id=token,src=FILE or id=token,env=NAME")
    if kind not in {"", "file", "env"}:
        raise UsageError(f"--secret id={name} has type {kind!r}", hint="file and env are the types")
    path, variable = said.get("src", ""), said.get("env", "")
    if kind == "env" and not variable:
        path, variable = "", path
    if path and variable:
        raise UsageError(f"--secret id={name} says src and env", hint="leave one of them out")
    if not path and not variable:
        path, variable = ("", name) if name in environ and kind != "file" else (name, "")
    return Secret(name, Path(path) if path else None, variable)


def secrets_of(texts: Iterable[str], environ: Mapping[str, str]) -> dict[str, Secret]:
    """Every --secret by its id; of two the later. Raises UsageError, and as reading them would."""
    found = {secret.id: secret for secret in (parse_secret(text, environ) for text in texts)}
    for secret in found.values():
        secret.value(environ)
    return found


def parse_ssh(text: str, environ: Mapping[str, str]) -> tuple[str, Path]:
    """Id and socket of --ssh `ID[=SOCKET]`, without one that of SSH_AUTH_SOCK. Raises UsageError, Unsupported."""
    name, _, place = text.partition("=")
    place = place or environ.get("SSH_AUTH_SOCK", "")
    if not place:
        raise UsageError(
            f"--ssh {text} names no agent, and SSH_AUTH_SOCK is not set",
            hint="start ssh-agent, or write --ssh default=SOCKET",
        )
    path = Path(place)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise local_io(error, f"read {path}, --ssh {name}") from error
    if not stat.S_ISSOCK(mode):
        raise Unsupported(
            f"--ssh {name}={place} is no agent's socket, and keys are not read here",
            ability="--ssh with a key",
            hint="ssh-add it to an agent, and write --ssh default",
        )
    return name or "default", path


def parse_host(text: str) -> tuple[str, str]:
    """Name and address of --add-host `NAME:ADDRESS` or `NAME=ADDRESS`. Raises UsageError."""
    name, equals, address = text.partition("=")
    if not equals:
        name, _, address = text.partition(":")
    address = address.removeprefix("[").removesuffix("]") if address.startswith("[") else address
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            return name, address
    raise UsageError(f"--add-host {text!r} is not NAME:ADDRESS", hint="as in db:10.0.0.2")


def parse_ulimit(text: str) -> Ulimit:
    """The limit of --ulimit `NAME=SOFT[:HARD]`, -1 for none. Raises UsageError."""
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    found = [int(one) if re.fullmatch(r"-1|[0-9]{1,19}", one) else None for one in (soft, hard or soft)]
    if name not in _ULIMITS or None in found or max(found[0] or 0, found[1] or 0) > _LARGEST:
        raise UsageError(f"--ulimit {text!r} is not NAME=SOFT[:HARD]", hint="as in nofile=1024:2048")
    first, last = found[0] or 0, found[1] or 0
    if last != -1 and (first == -1 or first > last):
        raise UsageError(f"--ulimit {text}: the soft limit is above the hard one")
    return Ulimit(name, first, last)


def parse_limits(memory: str, pids: str, disk: str) -> Limits:
    """The limits of --run-memory, --run-pids and --run-disk; empty for none. Raises UsageError."""
    if pids and not re.fullmatch(r"[0-9]{1,9}", pids):
        raise UsageError(f"--run-pids {pids!r} is no number")
    return Limits(
        parse_size(memory, "--run-memory") if memory else 0,
        int(pids or 0),
        parse_size(disk, "--run-disk") if disk else 0,
    )


def check_network(flag: str, word: str) -> str:
    """The word. Raises UsageError for one that names no network."""
    known = NETWORKS if flag == "--run-network" else ("default", "none", "host")
    if word and word not in known:
        raise UsageError(f"{flag} {word} is no network of RUN", hint=f"one of {', '.join(known)}")
    return word


def _said(flag: str, text: str, names: Mapping[str, str]) -> dict[str, str]:
    """The options of a flag by their first names. Raises UsageError, which shows no value: it may be a secret."""
    found: dict[str, str] = {}
    for word in text.split(","):
        name, equals, value = word.partition("=")
        if not equals or name.lower() not in names:
            hint = f"it takes {', '.join(dict.fromkeys(names))}, each with a value"
            raise UsageError(f"--{flag} has no option {name[:40]!r}", hint=hint)
        found[names[name.lower()]] = value
    return found


def run_options(
    environ: Mapping[str, str],
    *,
    is_allowed: bool = True,
    use_cache: bool = True,
    secrets: Iterable[str] = (),
    ssh: Iterable[str] = (),
    allow: Iterable[str] = (),
    network: str = "",
    run_network: str = "",
    add_hosts: Iterable[str] = (),
    shm_size: str = "",
    ulimits: Iterable[str] = (),
    memory: str = "",
    pids: str = "",
    disk: str = "",
    emulators: Iterable[str] = (),
    fresh: Iterable[str] = (),
    cache_from: Iterable[str] = (),
    cache_to: Iterable[str] = (),
) -> RunOptions:
    """What the words of the flags mean. Raises UsageError, Unsupported, and what reading a secret raises."""
    return RunOptions(
        is_allowed=is_allowed,
        use_cache=use_cache,
        secrets=secrets_of(secrets, environ),
        ssh=dict(parse_ssh(text, environ) for text in ssh),
        network=check_network("--network", network) or "default",
        run_network=check_network("--run-network", run_network),
        entitlements=frozenset(word.strip() for text in allow for word in text.split(",")),
        extra_hosts=tuple(map(parse_host, add_hosts)),
        shm_size=parse_size(shm_size, "--shm-size") if shm_size else SHM_SIZE,
        ulimits=tuple(map(parse_ulimit, ulimits)),
        limits=parse_limits(memory, pids, disk),
        fresh=frozenset(name.lower() for text in fresh for name in text.split(",") if name),
        emulators=tuple(emulators),
        cache_from=tuple(cache_from),
        cache_to=tuple(cache_to),
    )
