"""Mounts of a command: each kind made ready at a place of ours, and where in the tree it will be seen.

Sources are opened inside the tree they are in, so that no link of it leads out; what they were opened as is bound.
"""

import base64
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ocitool.errors import BuildError, Unsupported, UsageError
from ocitool.executor import agent, kernel
from ocitool.executor.bundle import Shown
from ocitool.executor.caches import cache_folder
from ocitool.executor.stack import Stacks, make_upper, mount_tree
from ocitool.model.numbers import MIB
from ocitool.values import dataclass, field, replace

_OWN: Final = ("/dev", "/proc", "/sys")
_PUBLIC: Final = ("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844")
_APT: Final = "etc/apt/apt.conf.d"
_MAX_RESOLVER: Final = MIB


@dataclass(frozen=True, slots=True)
class Places:
    """`memory` is a tmpfs, `disk` a folder of this machine's store; both are gone after the command.

    What is put into `written` is new, and into `kept` stays.
    """

    memory: str
    disk: str
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    locks: list[int] = field(default_factory=list)


def prepare(mount: dict[str, Any], stacks: Stacks, places: Places, number: int) -> Shown:
    """Make the source of a mount. Raises BuildError for a source that is not there, Unsupported, OSError."""
    here = f"{places.memory}/mounts/{number}"
    os.mkdir(here, 0o755)
    kind, target, read_only = mount["kind"], mount["target"], mount["read_only"]
    if kind == "tmpfs":
        size = f",size={mount['size']}" if mount["size"] else ""
        kernel.mount("tmpfs", here, "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, f"mode=1777{size}")
        return Shown(here, target, read_only)
    if kind == "secret":
        path = f"{here}/secret"
        with open(path, "xb") as file:
            file.write(base64.b64decode(mount["content"]))
        _dress(path, mount, stacks)
        return Shown(path, target, read_only=True)
    if kind == "ssh":
        return Shown(_agent(mount, stacks, here), target, read_only=False)
    if kind == "cache":
        folder = cache_folder(
            mount, stacks, places.locks, lambda: _source(mount, stacks, places, number, is_kept=False)
        )
        places.kept.append(folder)
        return Shown(folder, target, read_only)
    return Shown(_source(mount, stacks, places, number, is_kept=True), target, read_only)


def _agent(mount: dict[str, Any], stacks: Stacks, here: str) -> str:
    """A socket that leads to the agent's."""
    first = agent.connect(stacks.connector, mount["socket"]) if stacks.connector is not None else None
    if first is None or stacks.connector is None:
        raise Unsupported(
            f"nothing answers at the SSH agent's socket {mount['socket']}",
            ability="ssh",
            hint="start an agent, or name its socket with --ssh",
        )
    first.close()
    path = f"{here}/agent"
    agent.serve(path, mount["socket"], stacks.connector)
    _dress(path, mount, stacks)
    return path


def _source(mount: dict[str, Any], stacks: Stacks, places: Places, number: int, *, is_kept: bool) -> str:
    """What a bind mount shows, at a path of ours; a change to it is seen by this command alone."""
    here = f"{places.memory}/mounts/{number}"
    os.mkdir(f"{here}/tree", 0o755)
    lowers = stacks.lowers(mount["layers"])
    upper = ""
    if is_kept and not mount["read_only"]:
        upper = f"{places.disk}/mount-{number}"
        make_upper(lowers, upper, is_single=stacks.is_single)
        places.written.append(f"{upper}/files")
    mount_tree(lowers, f"{here}/tree", places.memory, upper)
    tree = os.open(f"{here}/tree", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = kernel.open_in_root(tree, mount["source"] or "/")
    except OSError as error:
        raise BuildError(f"the source {mount['source']} of the mount at {mount['target']} is not there") from error
    try:
        shown = f"{here}/shown"
        if stat.S_ISDIR(os.fstat(found).st_mode):
            os.mkdir(shown)
        else:
            Path(shown).touch()
        kernel.bind(f"/proc/self/fd/{found}", shown)
    finally:
        os.close(found)
        os.close(tree)
    return shown


def _dress(path: str, mount: dict[str, Any], stacks: Stacks) -> None:
    """Owner and mode of a file."""
    if not stacks.is_single:
        os.chown(path, mount["uid"], mount["gid"])
    os.chmod(path, mount["mode"])


def show(root: int, shown: list[Shown]) -> tuple[list[Shown], list[str]]:
    """The mounts with the real paths of their targets, and the paths that were made in the tree for them.

    Raises UsageError for the root as a target, BuildError where a target cannot be made.
    """
    real, made = [], []
    for path in _OWN:
        at, new = kernel.make_in_root(root, path, is_folder=True)
        if f"/{at}" != path:
            raise BuildError(f"{path} of the image is a link, where a folder has to be")
        made += new
    for one in shown:
        target = os.path.normpath(f"/{one.target}".replace("//", "/"))
        if target == "/":
            raise UsageError(
                "a mount cannot take the place of the root", hint="name a folder below / as its target"
            )
        if target.startswith(tuple(f"{own}/" for own in _OWN)) or target in _OWN:
            real.append(replace(one, target=target))
            continue
        try:
            at, new = kernel.make_in_root(root, target, is_folder=os.path.isdir(one.source))
        except OSError as error:
            raise BuildError(f"cannot mount at {target}: {(error.strerror or '').lower()}") from error
        made += new
        real.append(replace(one, target=f"/{at}"))
    return real, made


def hosts(place: str, hostname: str, extra: list[Any]) -> str:
    """A /etc/hosts as BuildKit writes it."""
    lines = [f"127.0.0.1\tlocalhost {hostname}", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [f"{address}\t{name}" for name, address in extra]
    return _file(f"{place}/hosts", "\n".join(lines) + "\n")


def apt_of_one_user(place: str, root: int) -> list[Shown]:
    """What lets apt work where one user stands for all: it asks whether it became another user, and ends if not."""
    try:
        os.close(kernel.open_in_root(root, _APT, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError:
        return []
    path = _file(f"{place}/apt", 'APT::Sandbox::User "root";\n')
    return [Shown(path, f"/{_APT}/00-one-user", read_only=True)]


def resolver(place: str, dns: str, *, is_own: bool) -> str:
    """A /etc/resolv.conf: `dns` if the network has one of its own; else the host's.

    In a network of its own the host's loopback is not there: resolvers on it are left out, and if no other is left
    public ones stand in, as with BuildKit.
    """
    text = b""
    with suppress(OSError), open("/etc/resolv.conf", "rb") as file:
        text = file.read(_MAX_RESOLVER)
    return _file(f"{place}/resolv.conf", _resolver(text.decode("utf-8", "replace"), dns, is_own=is_own))


def _resolver(host: str, dns: str, *, is_own: bool) -> str:
    """The text of it, by that of the host's."""
    lines = host.splitlines()
    if dns:
        lines = [f"nameserver {dns}", *(line for line in lines if not line.startswith("nameserver"))]
    elif is_own:
        lines = [line for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1"))]
        if not any(line.startswith("nameserver") for line in lines):
            lines += [f"nameserver {address}" for address in _PUBLIC]
    return "".join(f"{line}\n" for line in lines)


def _file(path: str, text: str) -> str:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path
