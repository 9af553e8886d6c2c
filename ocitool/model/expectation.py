"""Which platforms a name has to be for: a promise that `check` looks at and a push keeps."""

from collections.abc import Iterable

from ocitool.model.platform import Platform
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Expectation:
    """The platforms that a name has to be for; with `is_exact` for these and no others."""

    platforms: tuple[Platform, ...]
    is_exact: bool = True

    def missing(self, there: Iterable[Platform]) -> tuple[Platform, ...]:
        """Those that are expected and not there."""
        offered = tuple(there)
        return tuple(wanted for wanted in self.platforms if not any(_fits(wanted, one) for one in offered))

    def others(self, there: Iterable[Platform]) -> tuple[Platform, ...]:
        """Those that are there and not expected; none where more may be."""
        offered = there if self.is_exact else ()
        return tuple(one for one in offered if not any(_fits(wanted, one) for wanted in self.platforms))


def _fits(wanted: Platform, has: Platform) -> bool:
    """Whether it is the platform that is wanted, of any version where none was named."""
    return wanted.same(has if wanted.os_version else has.without_version())
