"""Builders of small program files, field by field as the specifications lay them out."""

import struct
from dataclasses import dataclass, field


@dataclass
class Elf:
    """An ELF file of headers alone; `segments` are (type, flags, data), `sections` (name, type, data)."""

    machine: int = 62
    bits: int = 64
    order: str = "<"
    kind: int = 2
    flags: int = 0
    osabi: int = 0
    segments: list[tuple[int, int, bytes]] = field(default_factory=list)
    sections: list[tuple[str, int, bytes]] = field(default_factory=list)

    def build(self) -> bytes:
        wide = self.bits == 64
        head, phsize, shsize = (64, 56, 64) if wide else (52, 32, 40)
        body = bytearray()
        start = head + phsize * len(self.segments)

        def place(data: bytes) -> int:
            while (start + len(body)) % 16:
                body.append(0)
            offset = start + len(body)
            body.extend(data)
            return offset

        programs = b""
        for kind, flags, data in self.segments:
            offset = place(data)
            if wide:
                programs += struct.pack(
                    self.order + "IIQQQQQQ", kind, flags, offset, offset, offset, len(data), len(data), 8
                )
            else:
                programs += struct.pack(
                    self.order + "IIIIIIII", kind, offset, offset, offset, len(data), len(data), flags, 4
                )
        headers = b"\0" * shsize
        names = b"\0"
        layout = self.order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
        for name, kind, data in [*self.sections, (".shstrtab", 3, b"")]:
            at = len(names)
            names += name.encode() + b"\0"
            content = names if name == ".shstrtab" else data
            offset = place(content)
            headers += struct.pack(layout, at, kind, 0, 0, offset, len(content), 0, 0, 1, 0)
        shoff = place(headers)
        count = len(self.sections) + 2
        ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if self.order == "<" else 2, 1, self.osabi]) + b"\0" * 8
        fields = struct.pack(
            self.order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
            self.kind, self.machine, 1, 0, head, shoff, self.flags,
            head, phsize, len(self.segments), shsize, count, count - 1,
        )  # fmt: skip
        return ident + fields + programs + bytes(body)


def uleb(value: int) -> bytes:
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        if not value:
            return out + bytes([byte])
        out += bytes([byte | 0x80])


def attributes(vendor: str, pairs: bytes, order: str = "<") -> bytes:
    """A build attributes section with one vendor and one set of pairs for the whole file."""
    inner = uleb(1) + struct.pack(order + "I", 5 + len(pairs)) + pairs
    name = vendor.encode() + b"\0"
    return b"A" + struct.pack(order + "I", 4 + len(name) + len(inner)) + name + inner


def note(name: bytes, kind: int, data: bytes, order: str = "<") -> bytes:
    named = name + b"\0"
    return (
        struct.pack(order + "III", len(named), len(data), kind)
        + named + b"\0" * (-len(named) % 4) + data + b"\0" * (-len(data) % 8)
    )  # fmt: skip


def go_build(text: str, version: str = "go1.26.8") -> bytes:
    """Go's build information as its linker writes it, strings inline."""
    framed = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6" + text.encode()
    framed += b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
    head = b"\xff Go buildinf:" + bytes([8, 2])
    return head.ljust(32, b"\0") + uleb(len(version)) + version.encode() + uleb(len(framed)) + framed


def dynamic(order: str, bits: int, entries: list[tuple[int, int]]) -> bytes:
    layout = order + ("qQ" if bits == 64 else "iI")
    return b"".join(struct.pack(layout, *entry) for entry in [*entries, (0, 0)])


def pe(machine: int, *, characteristics: int = 0x22, clr: bool = False, sections: bytes = b"") -> bytes:
    """A PE32+ file with all sixteen data directories."""
    directories = [(0x2000, 72) if clr and at == 14 else (0, 0) for at in range(16)]
    optional = b"\x0b\x02".ljust(108, b"\0") + struct.pack("<I", 16)
    optional += b"".join(struct.pack("<II", *entry) for entry in directories)
    head = b"PE\0\0" + struct.pack(
        "<HHIIIHH", machine, len(sections) // 40, 0, 0, 0, len(optional), characteristics
    )
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + b"\0" * 0x40 + head + optional + sections


def macho(cpu: int, *, kind: int = 2, commands: tuple[bytes, ...] = (), order: str = "<") -> bytes:
    magic = 0xFEEDFACF
    body = b"".join(commands)
    return struct.pack(order + "IIIIIIII", magic, cpu, 0, kind, len(commands), len(body), 0x85, 0) + body


def fat(*parts: tuple[int, bytes]) -> bytes:
    table, body = b"", b""
    start = 8 + 20 * len(parts)
    for cpu, data in parts:
        table += struct.pack(">IIIII", cpu, 0, start + len(body), len(data), 0)
        body += data
    return b"\xca\xfe\xba\xbe" + struct.pack(">I", len(parts)) + table + body
