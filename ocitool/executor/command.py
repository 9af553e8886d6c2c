"""One command carried out by an OCI runtime, from its mounts to the tar of its changes; inside the namespaces.

This runs as the first process of a PID namespace and in a mount namespace of its own: when it ends, every process
of the command and every mount are gone. What holds secrets (config.json, secret files) lies on a tmpfs.
"""

import json
import os
import secrets
import select
import signal
import socket
import stat
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from ocitool.errors import BuildError, Unsupported
from ocitool.executor import kernel
from ocitool.executor.accounts import MAX_FILE, Account, account
from ocitool.executor.bundle import Bundle, Shown, config
from ocitool.executor.caches import release
from ocitool.executor.changes import write_changes
from ocitool.executor.emulators import MACHINES, program
from ocitool.executor.limits import SPARE_PROCESSES, Watch
from ocitool.executor.mounts import Places, apt_of_one_user, hosts, prepare, resolver, show
from ocitool.executor.network import attach
from ocitool.executor.stack import Lower, Stacks, make_upper, mount_tree, owner_of
from ocitool.executor.unpack import Unpacked
from ocitool.executor.wire import Message
from ocitool.model.numbers import GIB, MIB

_POLL_MS: Final = 50
_LONGEST: Final = 64 * GIB
_MAX_LOG: Final = MIB
_HYBRID: Final = "/sys/fs/cgroup/unified"
_NOT_FOUND, _NOT_STARTED = 127, 126


def carry_out(
    job: Message, control: socket.socket, descriptors: list[int], stacks: Stacks, places: tuple[str, str]
) -> Message:
    """Run the command of `job` and write the tar of its changes.

    `descriptors` are where its output goes and the tar. `places` are a folder to mount over, and one on disk for
    what it writes. The answer has the exit code (`code`), the passed limit (`limit`), or the changes. Raises
    BuildError, Unsupported, UsageError, MalformedDocument, OSError.
    """
    place, disk = places
    output, tar = descriptors
    kernel.mount("tmpfs", place, "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, "mode=0700")
    at = Places(place, disk)
    lowers = stacks.lowers(job["root"])
    upper = f"{disk}/upper"
    make_upper(lowers, upper, is_single=stacks.is_single)
    for name in ("below", "root", "bundle", "state", "mounts"):
        os.mkdir(f"{place}/{name}", 0o755)
    mount_tree(lowers, f"{place}/below", place)
    mount_tree(lowers, f"{place}/root", place, upper)
    root = os.open(f"{place}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _check_accounts(root)
    who = account(job["user"], *(kernel.read_in_root(root, f"etc/{name}", MAX_FILE) or b"" for name in _ACCOUNTS))
    workdir, made = kernel.make_in_root(root, os.path.normpath(f"/{job['workdir']}"), is_folder=True)
    if workdir.partition("/")[0] == "proc":
        # What a runtime holds open could be found there.
        raise BuildError(f"the working directory {job['workdir']} is in /proc")
    _give(root, made, who, stacks)
    network, dns, warning = attach(job["network"], job["tools"], place)
    mounts = [_bounded(mount, job["limits"]["memory"]) for mount in job["mounts"]]
    shown = [
        Shown(resolver(place, dns, is_own=bool(network)), "/etc/resolv.conf", read_only=True),
        Shown(hosts(place, job["hostname"], job["hosts"]), "/etc/hosts", read_only=True),
        *(apt_of_one_user(place, root) if stacks.is_single else ()),
        *(prepare(mount, stacks, at, number) for number, mount in enumerate(mounts)),
    ]
    real, stubs = show(root, shown)
    limits = job["limits"]
    bundle = Bundle(
        root=f"{place}/root",
        args=tuple(job["args"]),
        env=tuple(job["env"]),
        workdir=f"/{workdir}",
        account=who,
        is_single=stacks.is_single,
        machine=os.uname().machine,
        hostname=job["hostname"],
        network=network,
        shm_size=min(job["shm_size"], limits["memory"] or job["shm_size"]),
        shown=tuple(real),
        rlimits=_rlimits(job["ulimits"], limits),
    )
    os.close(root)
    watch = Watch(**limits, folders=(f"{upper}/files", *at.written), kept=at.kept)
    code, passed = _run(job["runtime"], place, bundle, output, (control, watch))
    os.close(output)
    release(at.locks)  # before the answer: the next command may be quicker than the end of this process
    if passed:
        return {"limit": passed}
    if code:
        _explain(place, code)
        return {"code": code}
    changes = _pack(tar, (lowers, stacks, upper), (job, stubs, who), place)
    return {"changes": changes, "warning": warning}


_ACCOUNTS: Final = ("passwd", "group")


def try_runtime(job: Message, stacks: Stacks, places: tuple[str, str]) -> Message:
    """Whether the runtime runs the shortest program of this machine, as `runs`, and what it `said` if not."""
    place, disk = places
    kernel.mount("tmpfs", place, "tmpfs", kernel.NO_SETUID | kernel.NO_DEVICES, "mode=0700")
    for name in ("below", "root", "bundle", "state"):
        os.mkdir(f"{place}/{name}", 0o755)
    upper = f"{disk}/upper"
    make_upper((), upper, is_single=stacks.is_single)
    mount_tree((), f"{place}/root", place, upper)
    path = f"{place}/root/program"
    with open(path, "wb") as file:
        file.write(program(MACHINES[job["architecture"]]))
    os.chmod(path, 0o755)  # noqa: S103 - a program
    bundle = Bundle(
        root=f"{place}/root",
        args=("/program",),
        env=(),
        workdir="/",
        account=Account(),
        is_single=stacks.is_single,
        machine=os.uname().machine,
        hostname="probe",
        network="new",
        shm_size=65536,
    )
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    code, _ = _run(job["runtime"], place, bundle, nowhere, None)
    return {"runs": code == 0, "said": "" if code == 0 else _errors(place) or f"it exited with {code}"}


def _run(
    runtime: str, place: str, bundle: Bundle, output: int, watched: tuple[socket.socket, Watch] | None
) -> tuple[int, str]:
    """(Exit code, the limit that was passed). Ends this whole namespace when the build is no longer there."""
    with open(f"{place}/bundle/config.json", "w", encoding="utf-8") as file:
        json.dump(config(bundle), file)
    options = ("--root", f"{place}/state", "--log", f"{place}/log", "--log-format", "json")
    is_runc = os.path.basename(runtime).startswith("runc")
    if not is_runc and os.path.isdir(_HYBRID):
        # crun looks at cgroups also where it is to use none, and ends at this mixture of two kinds of them.
        kernel.mount("tmpfs", os.path.dirname(_HYBRID), "tmpfs", kernel.READ_ONLY, "mode=0755,size=4k")
    rootless = ("--rootless=true",) if is_runc else ("--cgroup-manager=disabled",)
    name = secrets.token_hex(8)
    argv = (runtime, *options, *rootless, "run", "--bundle", f"{place}/bundle", name)
    child = kernel.fork(lambda: _become(argv, output))
    leader = os.pidfd_open(child)
    poll = select.poll()
    poll.register(leader, select.POLLIN)
    if watched is not None:
        poll.register(watched[0], select.POLLIN)
    passed = ""
    while not passed:
        events = dict(poll.poll(_POLL_MS if watched is not None and watched[1].is_needed else None))
        if leader in events or watched is None:
            break
        if watched[0].fileno() in events:
            os._exit(1)
        passed = watched[1].exceeded()
    if passed:
        os.kill(-1, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        os.kill(-1, signal.SIGKILL)  # what helps the network; nothing of the command is left
    return (128 - code if code < 0 else code), passed


def _become(argv: tuple[str, ...], output: int) -> None:
    """Become a program that reads nothing and writes to `output`."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 4096)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.setsid()
        os.execve(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    os._exit(_NOT_FOUND)


def _explain(place: str, code: int) -> None:
    """Raise if it was the runtime that failed: BuildError for a program that is not there, else Unsupported."""
    said = _errors(place)
    if not said:
        return
    said = said.removeprefix("runc run failed: ").removeprefix("unable to start container process: ")
    words = said.lower()
    if "exec:" in words or "executable" in words or "exec format error" in words:
        raise BuildError(f"the command cannot be started: {said}")
    if "chdir" in words:
        raise BuildError(f"the working directory cannot be entered: {said}")
    raise Unsupported(f"the OCI runtime failed with {code}: {said}", ability="run")


def _errors(place: str) -> str:
    """What the runtime wrote into its log as an error."""
    try:
        with open(f"{place}/log", "rb") as file:
            lines = file.read(_MAX_LOG).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    found = []
    for line in lines:
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("level") in {"error", "fatal"}:
                found.append(str(entry.get("msg", "")))
    return "; ".join(found)[:2000]


def _check_accounts(root: int) -> None:
    """Raise BuildError for what is no file: a runtime reads it as well, and waits for a pipe without end."""
    for name in _ACCOUNTS:
        with suppress(OSError):
            found = kernel.open_in_root(root, f"etc/{name}")
            try:
                mode = os.fstat(found).st_mode
            finally:
                os.close(found)
            if not stat.S_ISREG(mode):
                raise BuildError(f"/etc/{name} of the image is no file")


def _give(root: int, made: list[str], who: Account, stacks: Stacks) -> None:
    """The folders that were made for a working directory belong to the user, as with BuildKit."""
    if not stacks.is_single:
        for path in made:
            found = kernel.open_in_root(root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            os.fchown(found, who.uid, who.gid)
            os.close(found)


def _bounded(mount: Message, memory: int) -> Message:
    """A mount, of which a tmpfs holds no more than the memory that a command may use (0: any)."""
    if mount["kind"] != "tmpfs" or not memory:
        return mount
    return {**mount, "size": min(mount["size"] or memory, memory)}


def _rlimits(ulimits: list[Any], limits: dict[str, int]) -> tuple[tuple[str, int, int], ...]:
    found = {name: (name, soft, hard) for name, soft, hard in ulimits}
    if limits["pids"]:
        count = limits["pids"] + SPARE_PROCESSES
        found["nproc"] = ("nproc", count, count)
    if limits["disk"]:
        # One file cannot be larger at all, a hole of it included; many are what is watched.
        found["fsize"] = ("fsize", limits["disk"], limits["disk"])
    return tuple(found.values())


def _pack(
    tar: int,
    tree: tuple[list[Lower], Stacks, str],
    asked: tuple[Message, list[str], Account],
    place: str,
) -> Message:
    """Write the tar, and keep the upper folder as the layer that it is."""
    (lowers, stacks, upper), (job, stubs, who) = tree, asked
    kernel.unmount(f"{place}/root")
    owners: dict[str, tuple[int, int]] = {}

    def owner(path: str, status: os.stat_result, has_below: bool) -> tuple[int, int]:  # noqa: FBT001
        if not stacks.is_single:
            return status.st_uid, status.st_gid
        found = owner_of(lowers, path) if has_below else (who.uid, who.gid)
        if found != (0, 0):
            owners[path] = found
        return found

    limit = job["limits"]["disk"] or _LONGEST
    with open(tar, "wb") as file:
        written = write_changes(
            f"{upper}/files", f"{place}/below", file, owner, epoch=job["epoch"], limit=limit, stubs=stubs
        )
    os.chdir("/")
    keys = [*job["root"], written.key]
    with stacks.lock(written.key):
        if stacks.find(keys) is None:
            with stacks.run_folder() as kept:
                if written.is_empty:
                    os.mkdir(f"{kept}/fs", 0o755)
                else:
                    os.rename(f"{upper}/files", f"{kept}/fs")
                stacks.keep(keys, kept, Unpacked(is_empty=written.is_empty, owners=owners))
    return asdict(written)
