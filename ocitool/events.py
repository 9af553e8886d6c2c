"""Events of the library while it works, as values; who listens decides how to show them.

A listener is any callable that takes an Event. It may be called from several threads.
Digests are strings here so that a listener needs nothing else of the package.
"""

from collections.abc import Callable
from typing import TypeAlias

from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """A step began. `key` names it for later events; `total` is bytes, 0 when not known.

    With a `unit` (tags) total and what follows count these and not bytes.
    """

    key: str
    label: str
    total: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Advanced:
    """`size` more bytes (or units) of step `key` have passed (a negative number takes some back before a retry)."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Done:
    """Step `key` ended; `outcome` is one word such as stored, mounted, existed, cached, compiled."""

    key: str
    outcome: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should know and need not act on at once (a warning, a registry's notice)."""

    text: str
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class Printed:
    """A line that a process of the build printed; `label` says which one, such as `[linux/arm64 build 2/3]`."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Working:
    """Step `key` goes on; `text` is the last line that its process printed, empty before the first.

    It comes every second or so, whether there is a new line or not.
    """

    key: str
    text: str = ""


Event: TypeAlias = Started | Advanced | Done | Noted | Printed | Working
Listener: TypeAlias = Callable[[Event], None]


def silent(event: Event) -> None:
    """Hear nothing."""
