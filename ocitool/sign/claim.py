"""The claim of a signature about an image: its digest, the repository it is meant for, and annotations."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ocitool.errors import UsageError
from ocitool.model.digest import Digest
from ocitool.model.reference import Reference, comparable_host
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about a manifest; `identity` is a repository without tag, empty where none is named.

    Annotations may be any JSON where others wrote them.
    """

    digest: Digest
    identity: str = ""
    annotations: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def repository(self) -> str:
        """The repository in the one form that compares: Docker Hub has several names, and a tag may follow."""
        return repository_of(self.identity)


def repository_of(identity: str) -> str:
    """The full name of a repository as it compares, without tag and digest; what is no reference stays as it is."""
    if not identity:
        return ""
    try:
        found = Reference.parse(identity, default_tag="")
    except UsageError:
        return identity
    return f"{comparable_host(found.registry)}/{found.repository}"
