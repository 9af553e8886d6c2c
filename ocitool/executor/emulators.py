"""Emulators of foreign programs: which file runs them, how the kernel is told, and a program to try it with.

Names are GOARCH's with their byte order; qemu's user emulators are found by theirs.
Spec: Documentation/admin-guide/binfmt-misc.rst of Linux.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.model.platform import Platform
from ocitool.values import dataclass

_REGISTERED: Final = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True, slots=True)
class Machine:
    """How programs of an architecture begin, and the shortest of them: its code ends with status 0.

    `bits` 32 or 64, `order` of bytes as `struct` writes it, `number` is ELF's e_machine, `qemu` how qemu calls it.
    """

    qemu: str
    bits: int
    order: str
    number: int
    code: str
    flags: int = 0


MACHINES: Final = {
    "386": Machine("i386", 32, "<", 3, "b801000000 31db cd80"),
    "amd64": Machine("x86_64", 64, "<", 62, "b83c000000 31ff 0f05"),
    "arm": Machine("arm", 32, "<", 40, "0000a0e3 0170a0e3 000000ef", 0x0500_0000),
    "arm64": Machine("aarch64", 64, "<", 183, "000080d2 a80b80d2 010000d4"),
    "loong64": Machine("loongarch64", 64, "<", 258, "04008003 0b748103 00002b00", 0x43),
    "mips64le": Machine("mips64el", 64, "<", 8, "c2130224 00000424 0c000000", 0x6000_0000),
    "ppc64le": Machine("ppc64le", 64, "<", 21, "01000038 00006038 02000044", 2),
    "riscv64": Machine("riscv64", 64, "<", 243, "13050000 9308d005 73000000", 4),
    "s390x": Machine("s390x", 64, ">", 22, "a7290000 0a01"),
}
"""By GOARCH; what is not here is run only where the host does it by itself."""


def program(machine: Machine) -> bytes:
    """A program of the machine that ends at once with status 0."""
    code = bytes.fromhex(machine.code)
    wide = machine.bits == 64
    header, segment = (64, 56) if wide else (52, 32)
    start = 0x10000
    size = header + segment + len(code)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if machine.order == "<" else 2, 1]) + bytes(9)
    entry = start + header + segment
    word = "Q" if wide else "I"
    fields = (2, machine.number, 1, entry, header, 0, machine.flags, header, segment, 1, 0, 0, 0)
    elf = ident + struct.pack(f"{machine.order}HHI{word}{word}{word}IHHHHHH", *fields)
    if wide:
        load = struct.pack(f"{machine.order}IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000)
    else:
        load = struct.pack(f"{machine.order}IIIIIIII", 1, 0, start, start, size, size, 5, 0x1000)
    return elf + load + code


def registration(architecture: str, interpreter: str) -> bytes:
    """The line that tells binfmt_misc to run programs of an architecture by the file `interpreter`.

    F: the file is opened now, so that it need not be in any image; P: a program's own name is kept; C: so are the
    rights of the program.
    """
    machine = MACHINES[architecture]
    head = b"\x7fELF" + bytes([2 if machine.bits == 64 else 1, 1 if machine.order == "<" else 2, 1]) + bytes(9)
    magic = head + struct.pack(f"{machine.order}HH", 2, machine.number)
    # Any system's own mark (byte 7), executables (2) and those that may lie anywhere (3).
    kinds = struct.pack(f"{machine.order}HH", 0xFFFE, 0xFFFF)
    mask = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + kinds
    text = ["".join(f"\\x{byte:02x}" for byte in part) for part in (magic, mask)]
    return f":qemu-{machine.qemu}:M:0:{text[0]}:{text[1]}:".encode() + os.fsencode(interpreter) + b":PCF"


def find(environ: Mapping[str, str], named: Sequence[Path] = ()) -> dict[str, str]:
    """The emulators of this machine by GOARCH: named files first, then PATH, then what the host has registered.

    Only programs that need no others beside them: an image has none of the host's libraries.
    """
    found = {}
    folders = [*environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    for architecture, machine in MACHINES.items():
        names = (f"qemu-{machine.qemu}-static", f"qemu-{machine.qemu}")
        places = [str(path) for path in named if path.name in names or path.name.startswith(f"{names[1]}-")]
        places += [os.path.join(folder, name) for folder in folders for name in names if folder.startswith("/")]
        places += _registered(machine)
        found[architecture] = next((place for place in places if is_alone(place)), "")
    return {architecture: place for architecture, place in found.items() if place}


def is_alone(path: str) -> bool:
    """Whether a file is a program of this system that needs no loader."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    if not os.access(path, os.X_OK) or head[:4] != b"\x7fELF" or len(head) < 64:
        return False
    order, wide = ("<" if head[5] == 1 else ">"), head[4] == 2
    at, step, count = (
        struct.unpack_from(f"{order}Q", head, 32)[0] if wide else struct.unpack_from(f"{order}I", head, 28)[0],
        *struct.unpack_from(f"{order}HH", head, 54 if wide else 42),
    )
    kinds = [head[at + step * n :][:4] for n in range(min(count, 64))]
    interpreter = struct.pack(f"{order}I", 3)
    return bool(kinds) and all(len(kind) == 4 and kind != interpreter for kind in kinds)


def _registered(machine: Machine) -> list[str]:
    try:
        text = (_REGISTERED / f"qemu-{machine.qemu}").read_text("utf-8", "replace")
    except OSError:
        return []
    return [line.removeprefix("interpreter ") for line in text.splitlines() if line.startswith("interpreter /")]


def architecture_of(platform: Platform) -> str:
    """The key of `MACHINES` for a platform; what is not in it is its own."""
    return platform.normalised().architecture
