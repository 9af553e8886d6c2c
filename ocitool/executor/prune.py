"""The helper's folder of this machine's store removed, files of subordinate users included."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from ocitool.errors import OcitoolError
from ocitool.executor.id_maps import of_this_user
from ocitool.executor.namespace import Setup, enter
from ocitool.executor.removal import remove_tree


def remover(environ: Mapping[str, str] | None = None) -> Callable[[Path], None]:
    """What removes a folder of this machine's store: `MachineStore.prune` takes it.

    Files of subordinate users are removed by entering the namespace they are of. It raises OSError.
    """
    environ = os.environ if environ is None else environ

    def remove(folder: Path) -> None:
        maps = of_this_user(environ)
        if maps.by == "newuidmap" and (folder / maps.name).is_dir():
            # Where the namespace cannot be made any more, the files tell so below.
            with suppress(OcitoolError):
                namespace = enter(Setup(folder, (), {}), maps, environ)
                try:
                    with namespace.job("job", {"do": "remove"}) as job:
                        job.receive()
                finally:
                    namespace.close()
        remove_tree(str(folder))

    return remove
