"""The network of a command: the host's, a loopback alone, or one of its own with a way out.

In one of its own the host's loopback and abstract sockets are out of reach; addresses of the host that others reach
as well are not.
"""

import os
import select
import signal
from typing import Final

from ocitool.errors import Unsupported
from ocitool.executor import kernel

_READY_S: Final = 10.0
_SLIRP_DNS: Final = "10.0.2.3"


def attach(kind: str, tools: dict[str, str], place: str) -> tuple[str, str, str]:
    """(The network of a bundle, the address of its resolver or "", a warning or "") for a kind of `Network`.

    slirp4netns or pasta, which make the way out, run as long as this PID namespace. Raises Unsupported if a network
    that has to be isolated cannot be made.
    """
    if kind == "host":
        return "", "", ""
    if kind == "none":
        return "new", "", ""
    try:
        network, dns = _isolated(tools, place)
    except Unsupported as error:
        if kind == "isolated":
            raise
        return "", "", f"a command shares the network of this machine: {error.what}"
    return network, dns, ""


def _isolated(tools: dict[str, str], place: str) -> tuple[str, str]:
    path = f"{place}/network"
    _make(path)
    said = []
    for name, argv, dns in (("slirp4netns", _slirp, _SLIRP_DNS), ("pasta", _pasta, "")):
        if name in tools:
            failure = _start(argv(tools[name], path, place), f"{place}/{name}", wait_for_end=name == "pasta")
            if not failure:
                return path, dns
            said.append(f"{name}: {failure}")
    raise Unsupported(
        f"it can have none of its own: {'; '.join(said) or 'there is no slirp4netns or pasta'}",
        ability="run",
        hint="install slirp4netns or passt, or use --run-network=host or none",
    )


def _make(path: str) -> None:
    """A new network namespace, kept by a mount at `path`."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    ready, told = os.pipe()
    done, finish = os.pipe()

    def hold() -> None:
        kernel.unshare(kernel.NEW_NETWORK)
        kernel.hide_memory(is_hidden=False)  # so that its namespace can be taken
        os.write(told, b"1")
        os.close(finish)
        os.read(done, 1)

    child = kernel.fork(hold)
    os.close(told)
    os.close(done)
    try:
        if os.read(ready, 1):
            kernel.bind(f"/proc/{child}/ns/net", path)
        else:
            raise Unsupported("no network namespace can be made", ability="run", hint="use --run-network=host")
    finally:
        os.close(ready)
        os.close(finish)
        os.waitpid(child, 0)


def _slirp(tool: str, path: str, _place: str) -> tuple[str, ...]:
    options = ("--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", "--ready-fd=3")
    return (tool, *options, path, "tap0")


def _pasta(tool: str, path: str, place: str) -> tuple[str, ...]:
    closed = ("-t", "none", "-u", "none", "-T", "none", "-U", "none")
    return (tool, "--config-net", "--no-map-gw", *closed, "--quiet", "--pid", f"{place}/pasta.pid", "--netns", path)


def _start(argv: tuple[str, ...], log: str, *, wait_for_end: bool) -> str:
    """Start a program that stays; "" when it is ready, else what it said.

    It writes to descriptor 3 when it is, or goes to the background with success.
    """
    ready, told = os.pipe()

    def become() -> None:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 1)
        os.dup2(1, 2)
        os.dup2(told, 3)
        os.set_inheritable(3, True)  # noqa: FBT003
        os.closerange(4, 4096)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    child = kernel.fork(become)
    os.close(told)
    try:
        if wait_for_end:
            is_ready = os.waitpid(child, 0)[1] == 0
        else:
            is_ready = bool(select.select([ready], [], [], _READY_S)[0]) and bool(os.read(ready, 1))
    finally:
        os.close(ready)
    if is_ready:
        return ""
    with open(log, "rb") as file:
        return file.read(2000).decode("utf-8", "replace").strip().replace("\n", "; ") or "it did not start"
