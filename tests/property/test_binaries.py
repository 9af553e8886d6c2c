"""Whatever a file holds, looking at it gives an answer."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.binaries.binary import Binary
from ocitool.binaries.compatibility import mismatch
from ocitool.binaries.identify import inspect_binary, inspect_stream
from ocitool.binaries.needs import missing
from ocitool.model.platform import Platform
from tests.amounts import amount
from tests.fakes.effort import effort
from tests.fakes.programs import Elf, attributes, dynamic, fat, go_build, macho, note, pe, uleb

pytestmark = pytest.mark.property

SEEDS = (
    Elf(
        40,
        32,
        segments=[(3, 4, b"/lib/ld\0"), (2, 6, dynamic("<", 32, [(1, 1), (5, 52), (10, 99)])), (1, 6, bytes(64))],
        sections=[
            (".ARM.attributes", 0x70000003, attributes("aeabi", uleb(6) + uleb(10))),
            (".go.buildinfo", 1, go_build("path\tx\nbuild\tGOARM=7\n")),
        ],
    ).build(),
    Elf(62, segments=[(0x6474E553, 4, note(b"GNU", 5, bytes(32))), (4, 4, note(b"GNU", 1, bytes(16)))]).build(),
    pe(0x8664, sections=b".data\0\0\0" + bytes(32)),
    macho(0x01000007, commands=(b"\x19\0\0\0" + (152).to_bytes(4, "little") + bytes(144),)),
    fat((7, macho(7)), (12, macho(12))),
    b"#!/bin/sh\n",
    b"\0asm\1\0\0\0",
)


@st.composite
def damaged(draw) -> bytes:
    """A program with some bytes replaced by numbers that headers are made of, and perhaps cut off."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(4, len(data) - 1)) if len(data) > 4 else 0
        size = draw(st.sampled_from((1, 2, 4, 8)))
        value = draw(
            st.one_of(st.sampled_from((0, 1, 0xFF, 0x7F, 0xFFFF, 2**31, 2**32 - 1, 2**63)), st.integers(0))
        )
        data[at : at + size] = (value % 256**size).to_bytes(size, draw(st.sampled_from(("little", "big"))))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(damaged())
@settings(max_examples=amount(200, 20_000))
def test_damaged_programs_are_judged_and_never_raise(data):
    found = inspect_binary(lambda: io.BytesIO(data))

    assert found is None or isinstance(found, Binary)
    assert found == inspect_stream([data])
    if found is not None:
        mismatch(found, Platform.parse("linux/arm/v6"))
        missing(found, "bin/app", lambda _: False)


@given(st.binary(max_size=600))
@settings(max_examples=amount(200, 10_000))
def test_any_bytes_behind_a_magic_number(data):
    for magic in (b"\x7fELF\2\1\1", b"\x7fELF\1\2\1", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!"):
        inspect_binary(lambda magic=magic: io.BytesIO(magic + data))


def test_tables_as_large_as_headers_can_claim_take_bounded_work():
    data = bytearray(Elf(62, segments=[(4, 4, b"")] * 3).build().ljust(2_000_000, b"\4"))
    data[32:40] = (64).to_bytes(8, "little")  # program headers
    data[40:48] = (64).to_bytes(8, "little")  # section headers, the same bytes
    data[54:58] = (56).to_bytes(2, "little") + b"\xff\xff"
    data[58:64] = (64).to_bytes(2, "little") + b"\xff\xff\x01\x00"

    assert effort(inspect_binary, lambda: io.BytesIO(bytes(data))) < 5_000_000
