"""What is mounted for a command: where caches begin and who waits for whom, sources, sizes, wrong targets."""

import contextlib
import re
import tarfile
import threading

import pytest

from ocitool.errors import BuildError, Cancelled, Unsupported, UsageError
from ocitool.executor.base import Mount, MountKind, Sharing, Ulimit
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform
from tests.fakes.executions import BUSYBOX, execution, folder, layer

pytestmark = pytest.mark.skipif(not BUSYBOX.exists(), reason="no busybox-static here")


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    with contextlib.closing(RuntimeExecutor(MachineStore(tmp_path_factory.mktemp("store")))) as found:
        try:
            found.check([host_platform()])
        except Unsupported as error:
            pytest.skip(str(error))
        yield found


@pytest.fixture
def carry_out(executor):
    """Carries a command out; gives what it said."""

    def run(command, *more, scope=None, heard=None, **fields):
        said = bytearray()

        def output(piece):
            said.extend(piece)
            if heard is not None:
                heard.set()

        executor.run(execution(command, *more, **fields), scope=scope or Scope(), output=output)
        return said.decode()

    return run


def cache(name, **fields):
    return Mount(MountKind.CACHE, "/c", cache=name, **fields)


def test_a_new_cache_begins_with_what_a_tree_has_and_keeps_what_is_written(carry_out):
    owned = {"uid": 82, "gid": 83}
    source = layer(
        folder("s", 0o750, **owned),
        folder("s/d", 0o700, **owned),
        ("s/d/f", {"mode": 0o640, "uid": 5, "gid": 6}, b"first"),
        ("s/l", {"type": tarfile.SYMTYPE, "linkname": "gone", **owned}, b""),
        ("s/p", {"type": tarfile.FIFOTYPE}, b""),
    )
    mount = cache("begun", layers=(source,), source="/s")
    look = "cd /c; stat -c '%n %F %a %u %g' . d d/f; stat -c '%N %u' l; cat d/f; ls"

    said = carry_out(f"{look}; echo second >/c/d/f; touch /c/new", mounts=(mount,))

    assert [
        ". directory 750 82 83",
        "d directory 700 82 83",
        "d/f regular file 640 5 6",
        "l -> gone 82",
        "first" + "d",
        "l",
    ] == said.replace("'", "").splitlines()
    assert "second\nd\nl\nnew\n" == carry_out("cat /c/d/f; ls /c", mounts=(mount,))


def test_a_new_cache_has_the_owner_and_mode_that_are_said(carry_out):
    own = cache("own", mode=0o1770, uid=82, gid=83)
    over = cache("over", mode=0o700, uid=5, gid=6, layers=(layer(folder("s", 0o750, uid=82)),), source="/s")

    assert "1770 82 83\n" == carry_out("stat -c '%a %u %g' /c", mounts=(own,))
    assert "700 5 6\n" == carry_out("stat -c '%a %u %g' /c", mounts=(over,))


def test_who_wants_a_locked_cache_waits_for_who_has_it(carry_out):
    mounts = (cache("locked", sharing=Sharing.LOCKED),)

    def add():
        carry_out("echo in >>/c/log; sleep 0.3; echo out >>/c/log", mounts=mounts)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "in\nout\n" * 3 == carry_out("cat /c/log", mounts=mounts)


def test_a_private_cache_that_somebody_has_is_another_folder_for_others(carry_out):
    mounts = (cache("private", sharing=Sharing.PRIVATE),)
    heard, scope = threading.Event(), Scope()

    def hold():
        with contextlib.suppress(Cancelled):
            carry_out("touch /c/mine; echo begun; sleep 100", mounts=mounts, heard=heard, scope=scope)

    holder = threading.Thread(target=hold)
    holder.start()
    heard.wait(60)
    meanwhile = carry_out("ls /c", mounts=mounts)
    scope.cancel()
    holder.join()

    assert "" == meanwhile
    assert "mine\n" == carry_out("ls /c", mounts=mounts)


def test_a_file_can_be_shown_and_changed_for_one_command(carry_out):
    source = layer(("dir/f", {"mode": 0o644}, b"as it was\n"))
    kept = Mount(MountKind.BIND, "/f", layers=(source,), source="dir/f", read_only=True)
    free = Mount(MountKind.BIND, "/f", layers=(source,), source="/dir/f")

    assert "as it was\nrefused\n" == carry_out("cat /f; (echo x >/f) 2>/dev/null || echo refused", mounts=(kept,))
    assert "x\n" == carry_out("echo x >/f; cat /f", mounts=(free,))
    assert "as it was\n" == carry_out("cat /f", mounts=(free,))


def test_a_tmpfs_holds_as_much_as_is_said(carry_out):
    fill = "dd if=/dev/zero of=/t/f bs=1000 count=200 2>/dev/null && echo fits; true"

    assert "fits\n" == carry_out(fill, mounts=(Mount(MountKind.TMPFS, "/t"),))
    assert "" == carry_out(fill, mounts=(Mount(MountKind.TMPFS, "/t", size=100_000),))


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("/", UsageError, "a mount cannot take the place of the root"),
        ("/a/..", UsageError, "a mount cannot take the place of the root"),
        ("/etc/passwd/x", BuildError, "cannot mount at /etc/passwd/x: not a directory"),
    ],
)
def test_targets_that_cannot_be(carry_out, target, error, words):
    with pytest.raises(error, match=re.escape(words)):
        carry_out("true", mounts=(Mount(MountKind.TMPFS, target),))


@pytest.mark.parametrize("name", ["proc", "dev"])
def test_folders_of_the_kernel_that_are_links_in_the_image_are_refused(carry_out, name):
    with pytest.raises(BuildError, match=f"/{name} of the image is a link"):
        carry_out("true", layer((name, {"type": tarfile.SYMTYPE, "linkname": "etc"}, b"")))


def test_limits_of_a_process_are_those_that_are_said(carry_out):
    assert "100\n200\n" == carry_out("ulimit -Sn; ulimit -Hn", ulimits=(Ulimit("nofile", 100, 200),))


def test_a_working_directory_that_is_made_belongs_to_the_user_and_one_in_proc_is_refused(carry_out):
    assert "/a/b\n82\n" == carry_out("pwd; stat -c %u /a/b", user="www", workdir="/a/b")
    with pytest.raises(BuildError, match="is in /proc"):
        carry_out("true", workdir="/proc/self")
