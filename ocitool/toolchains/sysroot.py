"""Libraries and headers of the target platform: a folder that compilers look into beside their own."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sysroot:
    """A folder with the root of a system of the target platform; `libc` is `musl`, `glibc:2.36`, or empty.

    `identity` tells its content from that of any other.
    """

    folder: Path
    libc: str = ""
    identity: str = ""

    def compile_flags(self, triplet: str, *, whole: bool) -> tuple[str, ...]:
        """Where headers are; `whole` makes it the root, for compilers that bring no C library of their own."""
        if whole:
            return (f"--sysroot={self.folder}",)
        # After the compiler's own: its C library's headers have to be those of the library that it links.
        folders = (f"usr/include/{triplet}", "usr/include")
        return tuple(word for name in folders for word in ("-idirafter", str(self.folder / name)))

    def link_flags(self, triplet: str) -> tuple[str, ...]:
        """Where libraries are."""
        folders = (f"usr/lib/{triplet}", f"lib/{triplet}", "usr/lib", "lib")
        return tuple(f"-L{self.folder / name}" for name in folders if (self.folder / name).is_dir())
