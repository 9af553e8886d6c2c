"""Multi-arch container images without Docker, as a library.

The public names below are loaded on first use, so importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from ocitool.version import __version__

if TYPE_CHECKING:
    from ocitool.change.copy import copy
    from ocitool.graph.walk import walk
    from ocitool.model.digest import Digest
    from ocitool.model.document import Document
    from ocitool.model.platform import Platform
    from ocitool.model.reference import Reference
    from ocitool.model.views import view
    from ocitool.registry.hosts import Access
    from ocitool.store.locate import Opener
    from ocitool.tasks import Scope

_HOMES = {
    "Access": "ocitool.registry.hosts",
    "Digest": "ocitool.model.digest",
    "Document": "ocitool.model.document",
    "Opener": "ocitool.store.locate",
    "Platform": "ocitool.model.platform",
    "Reference": "ocitool.model.reference",
    "Scope": "ocitool.tasks",
    "copy": "ocitool.change.copy",
    "view": "ocitool.model.views",
    "walk": "ocitool.graph.walk",
}

__all__ = [
    "Access",
    "Digest",
    "Document",
    "Opener",
    "Platform",
    "Reference",
    "Scope",
    "__version__",
    "copy",
    "view",
    "walk",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use (PEP 562)."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ocitool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
