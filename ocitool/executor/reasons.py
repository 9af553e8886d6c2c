"""Why commands cannot be carried out here, told apart by what failed and what the kernel says about itself."""

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ocitool.errors import Unsupported
from ocitool.executor.wire import Message
from ocitool.model.numbers import whole

WAYS_OUT: Final = "use --no-run with a [stage.NAME] of ocitool.toml, or compile with a toolchain"
_BINFMT_SINCE: Final = (6, 7)
_SETTINGS: Final = {
    "max": "/proc/sys/user/max_user_namespaces",
    "clone": "/proc/sys/kernel/unprivileged_userns_clone",
    "apparmor": "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
}


def setting(name: str) -> str:
    """What the kernel says of one of its settings, "" where it has none such."""
    try:
        return Path(_SETTINGS[name]).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def no_namespace(
    message: Message, folder: Path | None = None, setting_of: Callable[[str], str] = setting
) -> Unsupported:
    """The error for a helper that could not make its namespaces: `failed` is the step, `errno` its answer."""
    step, number = message["failed"], message["errno"]
    if step == "file system":
        where = message.get("at", "")
        what = f"the folder {folder} cannot hold layers for overlayfs ({where}: {os.strerror(number)})"
        if "mount" in where or number in {errno.EPERM, errno.EACCES}:
            what = f"a mount in the user namespace was refused ({where}: {os.strerror(number)})"
            return Unsupported(_cannot(what), ability="run", hint=_apparmor_hint(setting_of))
        return Unsupported(_cannot(what), ability="run", hint="choose another folder with --cache-dir")
    if step == "user namespace":
        return _no_user_namespace(number, setting_of)
    what = f"the {step} was refused ({os.strerror(number)})"
    if setting_of("apparmor") == "1":
        what = f"AppArmor restricts user namespaces of unprivileged users, and the {step} was refused"
    return Unsupported(_cannot(what), ability="run", hint=_apparmor_hint(setting_of))


def _no_user_namespace(number: int, setting_of: Callable[[str], str]) -> Unsupported:
    if number == errno.ENOSPC:
        return Unsupported(
            _cannot(
                f"no more user namespaces are allowed (user.max_user_namespaces is {setting_of('max') or '0'})"
            ),
            ability="run",
            hint=f"raise it with sysctl user.max_user_namespaces=15000, or {WAYS_OUT}",
        )
    if number == errno.EPERM and setting_of("clone") == "0":
        return Unsupported(
            _cannot("kernel.unprivileged_userns_clone is 0"),
            ability="run",
            hint=f"set it to 1 with sysctl, or {WAYS_OUT}",
        )
    if number == errno.EPERM:
        return Unsupported(
            _cannot("the system call unshare is forbidden, as by the seccomp profile of a container"),
            ability="run",
            hint=f"start the container with --security-opt seccomp=unconfined, or {WAYS_OUT}",
        )
    return Unsupported(
        _cannot(f"this kernel makes no user namespace ({os.strerror(number)})"), ability="run", hint=WAYS_OUT
    )


def no_runtime(tried: Mapping[str, str]) -> Unsupported:
    """The error where no OCI runtime works: what each of those that are there said."""
    if not tried:
        return Unsupported(
            _cannot("there is no OCI runtime (runc or crun)"),
            ability="runc",
            hint=f"install runc or crun, or {WAYS_OUT}",
        )
    said = "; ".join(f"{name}: {words}" for name, words in tried.items())
    return Unsupported(
        _cannot(f"no OCI runtime works: {said}"), ability="runc", hint=f"install runc 1.1 or newer, or {WAYS_OUT}"
    )


def no_emulation(platform: str, qemu: str, answer: Message, release: str) -> Unsupported:
    """The error for a platform whose programs do not run: see `inside._Server._try`."""
    why = answer.get("why")
    what, hint = f"programs for {platform} do not run on this machine", WAYS_OUT
    if why == "emulator":
        what += f": there is no qemu-{qemu}-static in PATH"
        hint = f"install qemu-user-static, name a file with --emulator, or {WAYS_OUT}"
    elif why == "binfmt":
        number = answer.get("errno", 0)
        if _version(release) < _BINFMT_SINCE:
            what += f": Linux {release} lets only root register an emulator, and 6.7 is the first that does not"
            hint = f"register qemu on the host once as root (tonistiigi/binfmt), or {WAYS_OUT}"
        else:
            what += f": the emulator cannot be registered ({os.strerror(number)})"
    elif why == "program":
        what += f": {answer.get('by')} fails with the shortest of them"
    return Unsupported(_cannot(what), ability=platform, hint=hint)


def _cannot(why: str) -> str:
    return f"RUN cannot be carried out here: {why}"


def _apparmor_hint(setting_of: Callable[[str], str]) -> str:
    if setting_of("apparmor") == "1":
        return f"allow it with sysctl kernel.apparmor_restrict_unprivileged_userns=0, or {WAYS_OUT}"
    return f"see whether this is a container without the right to mount, or {WAYS_OUT}"


def _version(release: str) -> tuple[int, int]:
    major, _, rest = release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (whole(major) or 0, whole(minor) or 0)
