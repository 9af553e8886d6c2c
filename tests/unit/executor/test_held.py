"""Files and memory without a name: what /proc says of them."""

import ctypes
import os
import socket

import pytest

from ocitool.executor import held

MAPS = """\
7f00-7f01 r-xp 00000000 fe:01 12 /usr/lib/libc.so.6
7f02-7f03 rw-s 00000000 00:05 34 /dev/zero (deleted)
"""


@pytest.mark.parametrize(("beside", "expected"), [({"00:05"}, False), ({"fe:01"}, True), (set(), True)])
def test_what_is_mapped_without_a_name_counts_on_other_devices(tmp_path, beside, expected):
    (tmp_path / "maps").write_text(MAPS)

    assert expected is held._maps_deleted(str(tmp_path), beside)
    assert not held._maps_deleted(str(tmp_path / "gone"), beside)


def test_a_mapped_file_without_a_name_is_found(tmp_path):
    import mmap

    with (tmp_path / "file").open("w+b") as file:
        file.write(bytes(4096))
        file.flush()
        with mmap.mmap(file.fileno(), 4096):
            os.unlink(file.name)
            assert held.has_deleted_mapping(())


def test_a_file_without_a_name_and_descriptors_on_their_way_are_found(tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "file").open("w+b") as file:
        file.write(b"x" * 100_000)
        file.flush()
        status = os.stat(file.name)
        before = held.held()
        os.unlink(file.name)
        socket.send_fds(ours, [b"x"], [file.fileno(), file.fileno()])

        found = held.held()

    where = (status.st_dev, status.st_ino)
    assert where not in before.unnamed
    assert 100_000 <= found.unnamed[where] < 200_000
    assert found.unnamed[where] <= found.on({status.st_dev})
    assert 0 == held.Held({where: 7}).beside({status.st_dev})
    assert 2 <= found.in_flight - before.in_flight


def test_segments_of_shared_memory_count_by_their_pages():
    libc, size = ctypes.CDLL(None, use_errno=True), 1 << 20
    libc.shmat.restype = ctypes.c_void_p
    before = held.segments()
    number = libc.shmget(0, size, 0o600)
    assert number >= 0
    try:
        place = libc.shmat(number, None, 0)
        ctypes.memset(place, 1, size)
        after = held.segments()
        libc.shmdt(ctypes.c_void_p(place))
    finally:
        libc.shmctl(number, 0, None)  # IPC_RMID

    assert size <= after - before


def test_memory_files_are_part_of_what_the_machine_shares():
    before = held.all_shared_memory()
    file = os.memfd_create("held")
    os.write(file, b"x" * (8 << 20))
    after = held.all_shared_memory()
    os.close(file)

    assert 4 << 20 < after - before
