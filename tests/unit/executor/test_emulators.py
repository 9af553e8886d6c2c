import os
import struct
import subprocess

import pytest

from ocitool.executor.emulators import MACHINES, find, is_alone, program, registration
from ocitool.workspace import host_platform


@pytest.fixture
def folder(tmp_path):
    for name in ("qemu-aarch64-static", "qemu-arm"):
        (tmp_path / name).write_bytes(program(MACHINES["amd64"]))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_the_shortest_program_of_this_machine_runs(tmp_path):
    architecture = host_platform().architecture
    path = tmp_path / "program"
    path.write_bytes(program(MACHINES[architecture]))
    path.chmod(0o755)

    assert subprocess.run([path], check=False).returncode == 0


def test_programs_have_the_headers_that_elf_says_and_begin_at_their_code():
    for machine in MACHINES.values():
        data, order = program(machine), machine.order
        place, word, sizes = (52, "Q", (64, 56, 1)) if machine.bits == 64 else (40, "I", (52, 32, 1))
        (entry,) = struct.unpack_from(f"{order}{word}", data, 24)
        (first,) = struct.unpack_from(f"{order}{word}", data, sizes[0] + (16 if word == "Q" else 8))

        assert sizes == struct.unpack_from(f"{order}HHH", data, place)
        assert bytes.fromhex(machine.code) == data[entry - first :]


def test_emulators_are_found_in_path_by_qemus_names(folder):
    found = find({"PATH": str(folder)})

    assert found["arm64"] == f"{folder}/qemu-aarch64-static"
    assert found["arm"] == f"{folder}/qemu-arm"


def test_a_named_emulator_goes_before_those_in_path(folder, tmp_path_factory):
    named = tmp_path_factory.mktemp("named") / "qemu-aarch64"
    named.write_bytes(program(MACHINES["amd64"]))
    named.chmod(0o755)

    assert str(named) == find({"PATH": str(folder)}, [named])["arm64"]


def test_a_program_with_a_loader_emulates_nothing(tmp_path):
    path = tmp_path / "qemu-arm"
    elf = bytearray(program(MACHINES["amd64"]))
    elf[64:68] = b"\x03\0\0\0"  # the segment names an interpreter
    path.write_bytes(elf)
    path.chmod(0o755)

    assert not is_alone(str(path))


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + b"\xff" * 200])
def test_other_files_emulate_nothing(tmp_path, data):
    path = tmp_path / "qemu-arm"
    path.write_bytes(data)
    path.chmod(0o755)

    assert not is_alone(str(path))


def test_registrations_fit_the_programs_they_are_for_and_no_others():
    for architecture, machine in MACHINES.items():
        _, name, kind, offset, magic, mask, interpreter, flags = registration(architecture, "/q").split(b":")
        pattern, care = (bytes.fromhex(part.decode().replace("\\x", "")) for part in (magic, mask))
        fitting = {
            other
            for other, its in MACHINES.items()
            if bytes(a & b for a, b in zip(program(its), care, strict=False))
            == bytes(map(int.__and__, pattern, care))
        }

        assert fitting == {architecture}
        assert (name, kind, offset) == (f"qemu-{machine.qemu}".encode(), b"M", b"0")
        assert (interpreter, flags) == (b"/q", b"PCF")


def test_no_registration_is_longer_than_the_kernel_takes():
    assert max(len(registration(name, "/q")) for name in MACHINES) < 1920 - os.pathconf("/", "PC_NAME_MAX")
