import os

import pytest

from ocitool.pack.file_identity import foreign_devices, has_foreign_clock, is_settled, stamp_of

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
41 30 0:52 / /home rw,relatime shared:20 master:3 - nfs4 server:/home rw,vers=4.2
42 30 0:53 / /mnt/c rw - 9p drvfs rw
43 30 0:54 / /mnt/remote rw - fuse.sshfs me@there:/ rw
44 30 0:55 / /mnt/a\\040space rw - cifs //server/share rw
45 30 0:56 / /var/lib/overlay rw - overlay overlay rw
46 30 0:57 / /broken rw
47 30 x:y / /broken rw - nfs4 x rw
"""


@pytest.mark.parametrize(
    ("settled", "newest_ns", "taken_ns"),
    [
        (False, 1_000_000_001, 1_100_000_001),
        (True, 1_000_000_001, 1_100_000_002),
        (False, 1_000_000_000, 3_000_000_000),
        (True, 1_000_000_000, 3_000_000_001),
        (False, 5, 4),
    ],
)
def test_young_files_are_not_settled(settled, newest_ns, taken_ns):
    assert settled == is_settled(newest_ns, taken_ns)


def test_network_file_systems_have_a_clock_of_their_own():
    """A server whose clock lags gives a later write the time that was there already."""
    foreign = foreign_devices(MOUNTS)

    assert {os.makedev(0, minor) for minor in (52, 53, 54, 55)} == foreign
    assert has_foreign_clock([os.makedev(8, 1), os.makedev(0, 52)], foreign)
    assert not has_foreign_clock([os.makedev(8, 1), os.makedev(0, 56)], foreign)


def test_without_a_list_of_mounts_nothing_is_foreign():
    assert frozenset() == foreign_devices("")


@pytest.mark.parametrize("change", ["content", "times put back", "another file in its place", "longer"])
def test_a_changed_file_has_another_stamp(tmp_path, change):
    """Also where somebody gives it its old size and modification time: the change time is the kernel's."""
    path, later = tmp_path / "f", tmp_path / "later"
    path.write_bytes(b"old")
    os.utime(path, ns=(10**18, 10**18))
    before = stamp_of(path.stat())
    later.touch()
    while later.stat().st_ctime_ns == before[4]:  # until the clock of file times has moved, some ms
        later.touch()

    match change:
        case "content":
            path.write_bytes(b"new")
        case "times put back":
            path.write_bytes(b"new")
            os.utime(path, ns=(10**18, 10**18))
        case "another file in its place":
            (tmp_path / "g").write_bytes(b"new")
            os.utime(tmp_path / "g", ns=(10**18, 10**18))
            (tmp_path / "g").replace(path)
        case "longer":
            path.write_bytes(b"old and new")

    assert before != stamp_of(path.stat())
