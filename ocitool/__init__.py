"""Multi-arch container images without Docker, as a library: `Client` does what the command line does.

Public are the names in `__all__`, what their docstrings say, and the attributes of the values that the methods of
Client give; and the module `ocitool.artifact.oras`, for programs that were written for oras-py. Everything else in
the package may change in any release. The names are loaded on first use, so importing the package costs nothing.
"""

from ocitool.version import __version__

TYPE_CHECKING = False  # what type checkers take for typing's, without loading typing

if TYPE_CHECKING:
    from ocitool.builder.pipeline import Built
    from ocitool.change.apply import ChangeReport
    from ocitool.change.plan import Plan
    from ocitool.check.finding import Finding
    from ocitool.client import Client
    from ocitool.errors import OcitoolError
    from ocitool.events import Event
    from ocitool.model.digest import Digest
    from ocitool.model.document import Document
    from ocitool.model.platform import Platform
    from ocitool.model.reference import Reference
    from ocitool.tasks import Scope

_HOMES = {
    "Built": "ocitool.builder.pipeline",
    "ChangeReport": "ocitool.change.apply",
    "Client": "ocitool.client",
    "Digest": "ocitool.model.digest",
    "Document": "ocitool.model.document",
    "Event": "ocitool.events",
    "Finding": "ocitool.check.finding",
    "OcitoolError": "ocitool.errors",
    "Plan": "ocitool.change.plan",
    "Platform": "ocitool.model.platform",
    "Reference": "ocitool.model.reference",
    "Scope": "ocitool.tasks",
}

__all__ = [
    "Built",
    "ChangeReport",
    "Client",
    "Digest",
    "Document",
    "Event",
    "Finding",
    "OcitoolError",
    "Plan",
    "Platform",
    "Reference",
    "Scope",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use (PEP 562)."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ocitool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
