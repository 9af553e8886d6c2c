"""Where work happens: this machine's store, the way to other stores, a scope, and how wide it may go."""

from dataclasses import dataclass, field

from ocitool.events import Listener, silent
from ocitool.model.platform import Platform
from ocitool.pack.own_files import OwnFiles
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a build happens: this machine's store, the way to other stores, its scope and how wide it may go.

    `width` bounds compilers and compression, `transfers` requests. `own` is what this program writes, which is no
    input of it.
    """

    machine: MachineStore
    opener: Opener
    scope: Scope
    host: Platform
    width: int = 2
    transfers: int = 16
    listener: Listener = silent
    own: OwnFiles = field(default_factory=OwnFiles, compare=False)
