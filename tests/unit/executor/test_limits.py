import os
import socket
import subprocess

from ocitool.executor.limits import SPARE_PROCESSES, Watch, _Walk, written
from ocitool.executor.removal import remove_tree


def test_bytes_of_a_folder_are_those_that_a_layer_would_have(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 1_000_000)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(5_000_000)

    size, is_whole = written(str(tmp_path))

    assert 6_000_000 <= size < 7_000_000
    assert is_whole


def test_a_folder_above_the_limit_is_told_with_both_numbers(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1_000_000)

    told = Watch(0, 0, 500_000, [str(tmp_path)]).exceeded()

    assert "500000" in told
    assert Watch(0, 0, 5_000_000, [str(tmp_path)]).exceeded() == ""


def test_what_has_no_limit_is_not_watched():
    assert not Watch(0, 0, 0, []).is_needed
    assert Watch(1, 0, 0, []).is_needed


def test_folders_deeper_than_a_path_can_be_are_counted(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as file:
        file.write(b"x" * 1_000_000)
    os.close(here)
    (tmp_path / "beside").write_bytes(b"x" * 1_000_000)

    size, is_whole = written(str(tmp_path))

    assert 2_000_000 <= size < 3_000_000
    assert is_whole
    remove_tree(str(tmp_path))


def test_no_link_is_followed(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path)

    assert written(str(tmp_path / "top"))[0] < 100_000


def test_every_file_counts_whatever_is_in_it(tmp_path):
    for number in range(1000):
        (tmp_path / str(number)).touch()

    assert written(str(tmp_path))[0] >= 1000 * 512


def test_of_a_folder_that_stays_only_what_comes_counts(tmp_path):
    for name in ("new", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "cache" / "old").write_bytes(b"x" * 1_000_000)
    watch = Watch(0, 0, 500_000, [str(tmp_path / "new")], kept=[str(tmp_path / "cache")])

    assert watch._written() == ""
    (tmp_path / "cache" / "more").write_bytes(b"x" * 600_000)

    assert "500000" in watch._written()


def test_more_processes_than_may_be_are_told_with_both_numbers():
    many = [subprocess.Popen(["sleep", "60"]) for _ in range(SPARE_PROCESSES + 1)]
    told = Watch(0, 1, 0, []).exceeded()
    for one in many:
        one.kill()
        one.wait()

    assert "and may have 1" in told
    assert int(told.split()[2]) > SPARE_PROCESSES + 1
    assert "" == Watch(0, 1 << 22, 0, []).exceeded()


def test_memory_that_only_waits_in_a_socket_is_told_by_the_whole_machine():
    watch = Watch(1 << 50, 0, 0, [])
    watch._shared = -(1 << 51)  # so much was taken since
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "" == watch._processes()
        socket.send_fds(ours, [b"x"], [0])

        assert "a part cannot be seen" in watch._processes()


def test_what_is_written_where_nobody_can_look_is_told_by_free_space(tmp_path):
    hidden = Watch(0, 0, 500_000, [str(tmp_path)], kept=[str(tmp_path / "none")])
    assert "" == hidden._written()
    hidden._free += 1 << 50

    assert "it wrote more than 500000 bytes, of which a part cannot be seen" in hidden._written()


def test_a_folder_that_is_moved_while_it_is_looked_into_ends_the_look(tmp_path):
    class Moving(_Walk):
        def _look(self):
            found = super()._look()
            if not found:
                (tmp_path / "top/inner").rename(tmp_path / "inner")
            return found

    (tmp_path / "top/inner").mkdir(parents=True)
    (tmp_path / "top/inner/file").write_bytes(b"x" * 10_000)

    size, is_whole = Moving(str(tmp_path / "top")).result()

    assert 10_000 < size < 40_000
    assert not is_whole
