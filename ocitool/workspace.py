"""Where work happens: on which platform, with which stores, in which scope, and how wide it may go."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from ocitool.arguments import platforms_of, text_of
from ocitool.errors import UsageError
from ocitool.events import Listener, Noted, silent
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform, other_names, parse_platforms
from ocitool.model.platform_pattern import PlatformChoice, is_pattern, parse_choices
from ocitool.store.locate import Locator, Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocitool.model.reference import Reference
    from ocitool.pack.own_files import OwnFiles
    from ocitool.store.base import Reader, Store

PlatformWords: TypeAlias = Iterable[str | Platform] | str | Platform
"""One platform or several, as words or parsed."""
Admit: TypeAlias = "Callable[[Locator, Reader, str], str]"
"""What lets an image be used: from a place, its store and the name in it to the digest to be used from then on."""
Convert: TypeAlias = "Callable[[Reference], Reference]"
"""What a source policy makes of an image that a build names; raises for one that is denied."""
_CPUINFO: Final = Path("/proc/cpuinfo")
_CPUINFO_LIMIT: Final = 256 * KIB


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a build happens: this machine's store, the way to other stores, its scope and how wide it may go.

    `width` bounds compilers and compression, `transfers` requests. `own` is what this program writes, which is no
    input of it. `admit` looks at every image that is used, and raises for one that must not be; `convert` says
    which image a build takes for the one that it names.
    """

    machine: MachineStore
    opener: Opener
    scope: Scope
    host: Platform
    width: int = 2
    transfers: int = 16
    listener: Listener = silent
    own: "OwnFiles | None" = field(default=None, compare=False)
    admit: "Admit | None" = field(default=None, compare=False)
    convert: "Convert | None" = field(default=None, compare=False)

    def open_image(self, place: str, tag: str = "") -> tuple["Store", str]:
        """The store of an image that is used, and the name in it: the digest that was admitted, if one has to be.

        `tag` is for a place that names none. Raises what opening, reading and `admit` raise.
        """
        at = Locator.parse(place)
        store, name = self.opener.open(at)
        name = tag or name
        return store, self.admit(at, store, name) if self.admit is not None else name

    def open_source(self, place: str) -> tuple["Store", str, str]:
        """As `open_image`, for an image that a build stands on or takes files from; and the place of it.

        That is another one where a source policy says so. Raises what `open_image` and `convert` raise.
        """
        named = Locator.parse(place).reference
        if self.convert is not None and named is not None:
            used = self.convert(named)
            if used != named:
                self.listener(Noted(f"note: by the source policy {named} is {used}", "notice"))
                place = str(used)
        return (*self.open_image(place), place)

    def platforms(self, words: PlatformWords) -> tuple[Platform, ...]:
        """The platforms that are meant; another name of an architecture is told. Raises UsageError."""
        listed = platforms_of(words)
        found = parse_platforms(listed, self.host)
        self._tell_names(listed)
        return found

    def platform_choices(self, words: PlatformWords) -> tuple[PlatformChoice, ...]:
        """As `platforms`, and patterns such as `linux/*`."""
        listed = platforms_of(words)
        found = parse_choices(listed, self.host)
        plain = (word for given in listed if isinstance(given, str) for word in given.split(","))
        self._tell_names(word for word in plain if not is_pattern(word))
        return found

    def platform(self, word: str | Platform) -> Platform:
        """The one platform that is meant, as above."""
        found = word if isinstance(word, Platform) else Platform.parse(text_of(word, "a platform"), self.host)
        self._tell_names([word])
        return found

    def _tell_names(self, words: Iterable[str | Platform]) -> None:
        for line in other_names(word for word in words if isinstance(word, str)):
            self.listener(Noted(f"note: {line}", "notice"))


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
