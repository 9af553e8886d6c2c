"""A build's request for a Dockerfile: which one, its target, its arguments and named contexts.

Every build makes one, also where there is no Dockerfile, so nothing of its syntax is imported here.
"""

from pathlib import Path
from typing import Final

from ocitool.dockerfile.places import context_name
from ocitool.dockerfile.run.options import RunOptions
from ocitool.executor.base import Executor
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry
from ocitool.project.values import StageSpec
from ocitool.store.base import Memo
from ocitool.values import dataclass, field

DOCKERFILE_LIMIT: Final = 8 * MIB
"""Bytes of a Dockerfile, wherever it comes from."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: the text of the Dockerfile, what messages call it, and the files beside it, parents first."""

    text: bytes
    label: str
    files: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class DockerfileOptions:
    """What is said about a Dockerfile; `sent` is what came in place of a folder, with or without files beside it.

    `text` is the Dockerfile of a folder where it came from standard input.
    """

    file: Path | None = None
    text: bytes | None = None
    sent: Sent | None = None
    target: str = ""
    arguments: tuple[tuple[str, str], ...] = ()
    contexts: tuple[tuple[str, str], ...] = ()
    run: RunOptions = field(default_factory=RunOptions)

    @property
    def places(self) -> dict[str, str]:
        """The contexts by the names they go by; of two for one name the later. Raises UsageError."""
        return {context_name(name): place for name, place in self.contexts}


@dataclass(frozen=True, slots=True)
class DockerfileRequest:
    """What is asked of the Dockerfile of a folder; `stages` are those that are made without their RUN lines.

    Other RUN lines are carried out by `executor`, and refused where there is none. `memo` knows which have been
    before.
    """

    source: Path
    options: DockerfileOptions
    platforms: tuple[Platform, ...]
    host: Platform
    stages: tuple[StageSpec, ...] = ()
    executor: Executor | None = field(default=None, compare=False, repr=False)
    memo: Memo | None = field(default=None, compare=False, repr=False)
