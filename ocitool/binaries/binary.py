"""The values that reading a program's headers gives."""

from enum import Enum
from typing import Final

from ocitool.model.platform import Platform
from ocitool.values import dataclass, field

ELF_MAGIC: Final = b"\x7fELF"
MACHO_MAGICS: Final = (
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xfe\xed\xfa\xce",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
)
"""What files of ELF and Mach-O, thin and fat, begin with."""


class Format(Enum):
    """How a program file is laid out; the value is what people call it."""

    ELF = "ELF"
    PE = "PE"
    MACHO = "Mach-O"
    WASM = "WebAssembly"
    SCRIPT = "script"


class BinaryKind(Enum):
    """What a file of machine code is for."""

    PROGRAM = "program"
    LIBRARY = "shared library"
    OBJECT = "object file"


@dataclass(frozen=True, slots=True)
class GoBuildInfo:
    """The build information that the Go linker leaves in every program.

    `settings` are the `build` lines, such as ("GOARM", "6"); `module` is the main module's path and
    `module_version` its version ("(devel)" when built from a folder). `dependencies` are path, version and checksum
    of the other modules; of one that was replaced those of its replacement.
    """

    version: str = ""
    path: str = ""
    module: str = ""
    module_version: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    dependencies: tuple[tuple[str, str, str], ...] = ()

    def get(self, key: str) -> str:
        """The setting's value, or an empty string."""
        return next((value for name, value in self.settings if name == key), "")


@dataclass(frozen=True, slots=True)
class Binary:
    """What one program, library or script needs to run.

    `platforms` has several entries for a fat Mach-O file only, and none where any machine will do (a script,
    a .NET assembly) or no image architecture exists for it; then `machine` says what it is. An absent variant
    means that the file does not record one, not that it is the default one. `os_is_guess` marks an os that
    nothing in the file speaks for. `loader` is the dynamic loader's path or the script's interpreter, `needed` are
    the libraries, or what a script's env looks for. `crates` are name and version of what cargo-auditable noted.
    """

    format: Format
    kind: BinaryKind
    machine: str
    platforms: tuple[Platform, ...] = ()
    is_portable: bool = False
    os_is_guess: bool = False
    loader: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    is_static: bool = False
    flags: int = 0
    float_abi: str = ""
    isa: str = ""
    go: GoBuildInfo | None = field(default=None)
    crates: tuple[tuple[str, str], ...] = ()

    @property
    def platform(self) -> Platform | None:
        """The platform, where there is exactly one."""
        return self.platforms[0] if len(self.platforms) == 1 else None
