"""The form of a rule: a pure function over an Inspection with an id that never changes."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from ocitool.check.finding import Location
from ocitool.check.inspection import Inspection
from ocitool.findings import Severity
from ocitool.values import dataclass

Hit: TypeAlias = tuple[Location, str]
"""Where, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with what its page in the reference says. `id` is family/name and stays for ever.

    `needs_deep` rules see something only where layers were read. `advice` is what to do about a finding that
    `repair` does not mend.
    """

    id: str
    title: str
    reason: str
    example: str
    severity: Severity
    find: Callable[[Inspection], Iterator[Hit]]
    fixable: bool = False
    needs_deep: bool = False
    advice: str = ""
