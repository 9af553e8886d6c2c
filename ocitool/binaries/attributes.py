"""The build attributes sections of ARM and RISC-V: which level of the instruction set the code needs.

Format: ARM "Addenda to the ABI", section "Build Attributes"; RISC-V ELF psABI, "Attributes".
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

_ARM_LEVELS: Final = {
    **dict.fromkeys((3, 4, 5), "v5"),
    **dict.fromkeys((6, 7, 8, 9, 11, 12), "v6"),
    **dict.fromkeys((10, 13), "v7"),
    **dict.fromkeys((14, 15), "v8"),
}
_CPU_ARCH: Final = 6
_VFP_ARGS: Final = 28
_RISCV_ARCH: Final = 5
_COMPATIBILITY: Final = 32


def arm_attributes(data: bytes, order: str) -> tuple[str, str]:
    """(variant, float ABI) of an `.ARM.attributes` section; empty strings where it does not tell.

    Cores before ARMv5 are reported as v5, the lowest variant that has a name.
    """
    variant = float_abi = ""
    for tag, value in _file_attributes(data, b"aeabi", order, _arm_is_text):
        if tag == _CPU_ARCH and isinstance(value, int):
            variant = "v5" if value < 3 else _ARM_LEVELS.get(value, "v8" if value > 15 else "")
        if tag == _VFP_ARGS and value == 1:
            float_abi = "hard"
    return variant, float_abi


def riscv_isa(data: bytes, order: str) -> str:
    """The architecture string of a `.riscv.attributes` section, such as `rv64i2p1_m2p0`; empty if absent."""
    for tag, value in _file_attributes(data, b"riscv", order, lambda tag: tag % 2 == 1):
        if tag == _RISCV_ARCH and isinstance(value, str):
            return value
    return ""


def _arm_is_text(tag: int) -> bool:
    return tag in {4, 5} or (tag > 32 and tag % 2 == 1)


def _file_attributes(
    data: bytes, vendor: bytes, order: str, is_text: Callable[[int], bool]
) -> Iterator[tuple[int, int | str]]:
    """The (tag, value) pairs that hold for the whole file; what is cut off or nonsense ends the walk."""
    if data[:1] != b"A":
        return
    at = 1
    while at + 4 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, at)
        section = data[at + 4 : at + length]
        if length < 5:
            return
        at += length
        name, _, rest = section.partition(b"\0")
        if name != vendor:
            continue
        inner = 0
        while inner < len(rest):
            tag, size_at = _uleb(rest, inner)
            if size_at + 4 > len(rest):
                return
            (size,) = struct.unpack_from(order + "I", rest, size_at)
            if size < size_at + 4 - inner:
                return
            if tag == 1:
                yield from _pairs(rest[size_at + 4 : inner + size], is_text)
            inner += size


def _pairs(data: bytes, is_text: Callable[[int], bool]) -> Iterator[tuple[int, int | str]]:
    at = 0
    while at < len(data):
        tag, at = _uleb(data, at)
        if tag == _COMPATIBILITY:  # a number and then a string
            _, at = _uleb(data, at)
        if tag == _COMPATIBILITY or is_text(tag):
            end = data.find(b"\0", at)
            if end < 0:
                return
            yield tag, data[at:end].decode("ascii", "backslashreplace")
            at = end + 1
        elif at == len(data):
            return
        else:
            value, at = _uleb(data, at)
            yield tag, value


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where the next thing stands; ten bytes at most, as in 64 bits."""
    value = shift = 0
    for byte in data[at : at + 10]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return value, len(data)
