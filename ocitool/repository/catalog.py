"""The repositories of a registry, where it tells them."""

from collections.abc import Sequence
from itertools import islice

from ocitool.errors import AuthError, NotFound, RegistryError, Unsupported
from ocitool.model.tag_filter import TagFilter
from ocitool.registry.repository import Registry
from ocitool.registry.session import Session


def list_repositories(
    session: Session, registry: str, patterns: Sequence[str] = (), limit: int = 0
) -> tuple[str, ...]:
    """The names that one of the patterns fits (all, where there are none), in the registry's order.

    At most `limit`, 0 for all; no more pages are read than that takes. Raises Unsupported where the registry has no
    such list, AuthError where it does not show it.
    """
    wanted = TagFilter(tuple(patterns))
    names = dict.fromkeys(_names(session, registry, wanted, limit))
    return tuple(names)


def _names(session: Session, registry: str, wanted: TagFilter, limit: int) -> list[str]:
    try:
        return list(islice(filter(wanted.holds, Registry(session, registry).catalog()), limit or None))
    except (NotFound, RegistryError) as error:
        if isinstance(error, RegistryError) and error.status not in {400, 405, 501}:
            raise
        raise Unsupported(
            f"{registry} does not list its repositories",
            ability="catalog",
            hint="most public registries do not; name the repository: ocitool tags REPO",
        ) from error
    except AuthError as error:
        error.hint = error.hint or "many registries show the list to administrators only"
        raise
