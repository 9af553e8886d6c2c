"""A RUN as what an executor is asked: its command line, environment, line of history, and key of the cache. Pure.

Spec: BuildKit's Dockerfile reference, "RUN", "Here-Documents", "Predefined ARGs".
"""

import hashlib
import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocitool.dockerfile.resources import Process
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.dockerfile.variables import PROXIES
from ocitool.errors import Unsupported, UsageError
from ocitool.executor.base import SHM_SIZE, Execution, Mount, MountKind
from ocitool.image.options import PATH
from ocitool.model.platform import Platform
from ocitool.values import dataclass

_FORMAT: Final = 2
"""Part of every key; another number when what an execution leaves behind would be another for the same words."""
PIPES: Final = "/dev/pipes"
"""Where a heredoc that names its own interpreter stands, as in BuildKit."""


@dataclass(frozen=True, slots=True)
class RunCommand:
    """What a RUN starts. `script` is a heredoc that names its own interpreter, and the name it is started by."""

    args: tuple[str, ...]
    script: tuple[str, bytes] | None = None


def command(process: Process) -> RunCommand:
    """The command line. Raises UsageError for a heredoc of a name that is no file's."""
    run = process.run
    if not run.is_shell:
        if not run.words:
            raise UsageError("RUN [] names no program")
        return RunCommand(run.words)
    (text,), heredocs, script = run.words, run.line.heredocs, None
    if heredocs and heredoc_name(text) is not None:
        (only, *_) = heredocs
        text = only.content
        if text.startswith("#!"):
            if "/" in only.name or only.name in {".", ".."}:
                raise UsageError(f"not a file name for a heredoc: {only.name!r}")
            script = (only.name, text.encode())
            text = posixpath.join(PIPES, only.name)
    else:
        text += "".join(f"\n{heredoc.written}{heredoc.name}" for heredoc in heredocs)
    return RunCommand((*process.shell, text), script)


def history(process: Process, args: Sequence[str]) -> str:
    """The line of history: the ARGs that the stage has declared, and the command line."""
    said = [f"{name}={process.variables.get(name, '')}" for name in process.args]
    words = [*([f"|{len(said)}", *said] if said else []), *args]
    return f"RUN {' '.join(words)} # buildkit"


def environment(process: Process) -> dict[str, str]:
    """The variables of ENV and ARG, and PATH where neither sets it."""
    name, _, value = PATH.partition("=")
    return {**dict(process.variables), **({} if name in process.variables else {name: value})}


def proxies(arguments: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """The proxies among the build arguments, in both spellings; what the stage sets itself stays."""
    found: dict[str, str] = {}
    for name, value in arguments.items():
        if name in PROXIES and value:
            found |= {name.upper(): value, name.lower(): value}
    return {name: value for name, value in found.items() if name not in env}


def check_security(process: Process) -> None:
    """Raise Unsupported for what gives a RUN more than it has here."""
    if process.run.options.security == "insecure":
        raise Unsupported(
            "RUN --security=insecure would take the isolation away, and nothing is run without it here",
            ability="RUN --security=insecure",
            hint="leave it out",
        )


def cache_key(
    execution: Execution, env: Mapping[str, str], mounts: Sequence[Mapping[str, Any]], owners: str
) -> str:
    """The digest of everything that an execution depends on, hex; `mounts` are `mount_key`s, `env` has no secret.

    `owners` says how the executor keeps them, for what it cannot keep is not in the layer.
    """
    told = {
        "format": _FORMAT,
        "platform": str(execution.platform.normalised()),
        "root": [layer.key for layer in execution.root],
        "args": execution.args,
        "env": [f"{name}={value}" for name, value in env.items()],
        "workdir": execution.workdir,
        "user": execution.user,
        "network": execution.network.value,
        "hosts": execution.extra_hosts,
        "shm": execution.shm_size if execution.shm_size != SHM_SIZE else 0,
        "ulimits": [(one.name, one.soft, one.hard) for one in execution.ulimits],
        "mounts": mounts,
        "epoch": execution.epoch,
        "owners": owners,
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def line_key(platform: Platform, words: Sequence[str]) -> str:
    """Under which a memo knows that a RUN of these words was carried out before, whatever it stood on."""
    text = json.dumps([str(platform.normalised()), list(words)])
    return f"run-line:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def mount_key(mount: Mount, name: str = "", env: str = "") -> dict[str, Any]:
    """What of a mount the result may depend on: never the bytes of a secret, nor what a cache holds."""
    key: dict[str, Any] = {"kind": mount.kind.value, "target": mount.target}
    match mount.kind:
        case MountKind.BIND:
            key |= {"layers": [layer.key for layer in mount.layers], "source": mount.source, "ro": mount.read_only}
        case MountKind.CACHE:
            key |= {"cache": name, "layers": [layer.key for layer in mount.layers], "ro": mount.read_only}
        case MountKind.TMPFS:
            key |= {"size": mount.size}
        case _:  # secrets and agents
            key |= {"id": name, "env": env, "mode": mount.mode, "uid": mount.uid, "gid": mount.gid}
    return key
