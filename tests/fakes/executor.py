"""An executor that carries nothing out: it remembers what it was asked, and gives the changes it was told to give."""

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocitool.errors import BuildError, Unsupported
from ocitool.executor.base import Changes, Execution
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.tasks import Scope


def tar_of(files: Mapping[str, bytes | None]) -> bytes:
    """A tar of these files; None for what was removed, which is an OCI whiteout."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(files.items()):
            folder, _, name = path.rpartition("/")
            info = tarfile.TarInfo(path if data is not None else f"{folder}/.wh.{name}".lstrip("/"))
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return buffer.getvalue()


@dataclass
class FakeExecutor:
    """Gives `changes(execution)` as the files that a command wrote; see `tar_of`.

    Reads every layer it is given, as an empty machine would. `refused` is what `check` refuses with.
    """

    folder: Path
    changes: Callable[[Execution], Mapping[str, bytes | None]] = lambda _execution: {}
    says: bytes = b""
    refused: str = ""
    code: int = 0
    warnings: tuple[str, ...] = ()
    executions: list[Execution] = field(default_factory=list)
    layers: dict[str, bytes] = field(default_factory=dict)
    checked: list[Platform] = field(default_factory=list)
    is_closed: bool = False
    emulators: Mapping[str, str] = field(default_factory=dict)

    def check(self, platforms: Iterable[Platform]) -> None:
        """Refuse if the fake was told to."""
        self.checked += platforms
        if self.refused:
            raise Unsupported(self.refused, ability="run", hint="use --no-run")

    def run(self, execution: Execution, *, scope: Scope, output: Callable[[bytes], None]) -> Changes:
        """Remember the execution and give the changes."""
        scope.check()
        self.executions.append(execution)
        for layer in (*execution.root, *(layer for mount in execution.mounts for layer in mount.layers)):
            if layer.key not in self.layers:
                self.layers[layer.key] = b"".join(layer.open())
        if self.says:
            output(self.says)
        if self.code:
            raise BuildError(
                f"{execution.label}: exited with {self.code}",
                target=str(execution.platform),
                argv=execution.args,
                returncode=self.code,
                stderr=self.says.decode(),
            )
        files = self.changes(execution)
        data = tar_of(files)
        path = self.folder / f"changes-{len(self.executions)}.tar"
        path.write_bytes(data)
        key = str(Digest.of(data))
        self.layers[key] = data
        return Changes(path, key, len(data), is_empty=not files, warnings=self.warnings)

    def emulator(self, platform: Platform) -> str:
        """The emulator that the fake was given for an architecture."""
        return self.emulators.get(platform.architecture, "")

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True
