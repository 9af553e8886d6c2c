"""Commands really carried out, by the runtime and in the namespaces of this machine."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from ocitool.errors import BuildError, Cancelled, DigestMismatch, Unsupported, UsageError
from ocitool.executor.base import Limits, Mount, MountKind, RootLayer, Sharing
from ocitool.executor.id_maps import IdMaps, Range, single
from ocitool.executor.namespace import CannotMap, Setup, enter
from ocitool.executor.prune import remover
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.model.platform import Platform
from ocitool.store.machine import MachineStore, Pruned
from ocitool.tasks import Scope
from ocitool.workspace import host_platform
from tests.fakes.executions import BUSYBOX, busybox, contents, execution, files, folder, layer, start_as_nobody

pytestmark = pytest.mark.skipif(not BUSYBOX.exists(), reason="no busybox-static here")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """An executor that works, with a store of its own."""
    store = tmp_path_factory.mktemp("store")
    executor = RuntimeExecutor(MachineStore(store))
    try:
        executor.check([host_platform()])
    except Unsupported as error:
        pytest.skip(str(error))
    yield executor, store
    executor.close()


@pytest.fixture
def carry_out(shared):
    """Carries a command out; gives (changes, what it said)."""

    def run(command, *more, scope=None, **fields):
        said = bytearray()
        changes = shared[0].run(execution(command, *more, **fields), scope=scope or Scope(), output=said.extend)
        return changes, said.decode()

    return run


def test_changes_are_those_of_the_command(carry_out):
    changes, said = carry_out(
        "echo hello; mkdir -p /a/b; echo x >/a/b/c; ln /a/b/c /a/d; rm /etc/old; chmod 700 /tmp"
    )
    found = files(changes)

    assert said == "hello\n"
    assert ["a", "a/b", "a/b/c", "a/d", "etc", "etc/.wh.old", "tmp"] == list(found)
    assert found["a/d"].islnk()
    assert found["tmp"].mode == 0o700


def test_a_command_that_changes_nothing_leaves_nothing(carry_out):
    changes, _ = carry_out(
        "cat /etc/passwd >/dev/null; echo x >/dev/null; touch /tmp/x; rm /tmp/x; chmod 644 /etc/group"
    )

    assert changes.is_empty
    assert {} == files(changes)


def test_the_next_command_sees_what_the_last_one_changed(carry_out):
    changes, _ = carry_out("echo one >/new; rm -rf /home")
    kept = RootLayer(changes.key, lambda: pytest.fail("it is unpacked already"))
    _, said = carry_out("cat /new; ls -d /home 2>/dev/null; true", kept)

    assert said == "one\n"


def test_the_tar_unpacks_to_the_same_tree_as_the_folder_that_was_kept(carry_out, tmp_path):
    """The second executor has the tar alone."""
    changes, _ = carry_out(
        "mkdir /d; echo x >/d/f; rm -rf /home; mkdir /home; echo y >/home/g; chmod 4711 /d/f; ln -s a /l"
    )
    kept = RootLayer(changes.key, lambda: pytest.fail("it is unpacked already"))
    fresh = RootLayer(changes.key, lambda: iter([changes.tar.read_bytes()]))
    other = RuntimeExecutor(MachineStore(tmp_path))
    said = bytearray()
    look = "stat -c '%n %f %u %g %s' /d /d/f /l /home /home/* /etc/*"
    with contextlib.closing(other):
        other.run(execution(look, fresh), scope=Scope(), output=said.extend)

    assert said.decode() == carry_out(look, kept)[1]


def test_users_by_name_have_their_groups_home_and_files(carry_out, shared):
    changes, said = carry_out("echo $HOME; pwd; echo x >mine; cat /home/www/file", user="www", workdir="/w/x")

    assert said == "/home/www\n/w/x\ntheirs\n"
    assert {(82, 83)} == {(member.uid, member.gid) for member in files(changes).values()}


def test_a_user_that_is_not_there_is_told(carry_out):
    with pytest.raises(UsageError, match="no user 'who'"):
        carry_out("true", user="who")


def test_a_failing_command_has_its_code_and_last_words(carry_out):
    with pytest.raises(BuildError, match="exited with 3") as caught:
        carry_out("echo why; exit 3")

    assert caught.value.returncode == 3
    assert caught.value.stderr == "why\n"


def test_a_program_that_is_not_there_is_told(carry_out):
    with pytest.raises(BuildError, match=r"cannot be started: .*nope"):
        carry_out(("nope",))


def test_nothing_is_gained_inside(carry_out):
    _, said = carry_out(
        "mount -t tmpfs x /tmp 2>/dev/null && echo gained; unshare -r true 2>/dev/null && echo gained;"
        "(echo x >/proc/sys/kernel/hostname) 2>/dev/null && echo gained; echo end"
    )

    assert said == "end\n"


def test_no_other_process_is_seen_inside(carry_out):
    _, said = carry_out("ls -d /proc/[0-9]*; echo end")

    assert set(said.split()) <= {"/proc/1", "/proc/2", "/proc/3", "end"}


def test_mounts_of_every_kind_are_seen_and_leave_nothing(carry_out):
    shown = layer(folder("top"), ("top/file", {}, b"shown\n"))
    mounts = (
        Mount(MountKind.BIND, "/ctx", layers=(shown,), source="/top"),
        Mount(MountKind.BIND, "/one/file", layers=(shown,), source="top/file", read_only=True),
        Mount(MountKind.CACHE, "/var/cache/x", cache="a", mode=0o700),
        Mount(MountKind.TMPFS, "/scratch", size=1 << 20),
        Mount(MountKind.SECRET, "/run/secrets/token", content=b"hush\n", mode=0o400),
    )
    changes, said = carry_out(
        "cat /ctx/file /one/file /run/secrets/token; echo new >/ctx/new; echo x >/scratch/x; echo kept >/var/cache/x/k;"
        "echo no 2>/dev/null >/one/file || echo refused; dd if=/dev/zero of=/scratch/y bs=1M count=2 2>/dev/null || echo full",
        mounts=mounts,
    )
    again, more = carry_out("cat /var/cache/x/k; ls /ctx; echo y >/run/kept", mounts=mounts)

    assert said == "shown\nshown\nhush\nrefused\nfull\n"
    assert changes.is_empty
    assert more == "kept\nfile\n"
    assert ["run", "run/kept"] == list(files(again))


def test_a_secret_is_nowhere_on_the_disk(carry_out, shared):
    secret = os.urandom(16).hex()
    carry_out(
        "cat /s >/dev/null; true",
        mounts=(Mount(MountKind.SECRET, "/s", content=secret.encode()),),
        env=(f"TOKEN={secret}",),
    )
    texts = list(contents(shared[1]))

    assert texts
    assert not [text for text in texts if secret.encode() in text]


def test_private_caches_are_apart_while_they_are_held(carry_out):
    mounts = (Mount(MountKind.CACHE, "/c", cache="p", sharing=Sharing.PRIVATE),)
    _, first = carry_out("echo one >/c/f; ls /c", mounts=mounts)
    _, second = carry_out("ls /c", mounts=mounts)

    assert (first, second) == ("f\n", "f\n")


def test_a_source_that_is_not_there_is_told(carry_out):
    with pytest.raises(BuildError, match="source /nope of the mount at /x is not there"):
        carry_out("true", mounts=(Mount(MountKind.BIND, "/x", layers=(busybox(),), source="/nope"),))


def test_a_link_in_a_shown_tree_leads_nowhere_else(carry_out):
    shown = layer(("out", {"type": b"2", "linkname": "../../../../../../etc/hostname"}, b""))
    with pytest.raises(BuildError, match="is not there"):
        carry_out("true", mounts=(Mount(MountKind.BIND, "/x", layers=(shown,), source="out"),))


def test_a_layer_of_another_digest_is_refused_and_not_kept(carry_out):
    good, bad = layer(("f", {}, b"good")), layer(("f", {}, b"bad"))
    with pytest.raises(DigestMismatch):
        carry_out("cat /f", RootLayer(good.key, bad.open))

    assert carry_out("cat /f", good)[1] == "good"


def test_folders_that_a_layer_does_not_name_stay_as_they_are(carry_out):
    _, said = carry_out("stat -c %a:%u /home/www; cat /home/www/new", layer(("home/www/new", {}, b"n")))

    assert said.startswith("750:")
    assert said.endswith("n")


def test_more_than_a_hundred_layers_are_one_tree(carry_out):
    many = [layer(folder("n"), (f"n/{number}", {}, b"")) for number in range(120)]
    _, said = carry_out("ls /n", *many)

    assert len(said.split()) == 120


def test_limits_end_a_command_and_say_which(carry_out):
    with pytest.raises(BuildError, match="may use 50000000"):
        carry_out("dd if=/dev/zero of=/dev/null bs=200M count=1000", limits=Limits(memory=50_000_000))
    with pytest.raises(BuildError, match="may write 20000000"):
        carry_out(
            "for i in 1 2 3 4; do dd if=/dev/zero of=/f$i bs=1M count=10; done; sleep 5",
            limits=Limits(disk=20_000_000),
        )


@pytest.mark.parametrize(
    "script",
    [
        "exec 3>/f; dd if=/dev/zero bs=1M count=15 >&3; exec 4>/g; dd if=/dev/zero bs=1M count=15 >&4; rm /f /g",
        "n=$(printf %0200d 0); for i in $(seq 25); do mkdir $n; cd $n; done; for i in 1 2 3; do dd if=/dev/zero of=f$i bs=1M count=10; done",
        "for i in 1 2 3; do dd if=/dev/zero of=/k/$i bs=1M count=10; done",
    ],
    ids=["deleted", "deep", "in a cache"],
)
def test_a_limit_of_the_disk_counts_what_is_out_of_sight(carry_out, script):
    with pytest.raises(BuildError, match=r"it wrote \d+ bytes, and may write 20000000"):
        carry_out(
            f"{script}; sleep 20",
            limits=Limits(disk=20_000_000),
            mounts=(Mount(MountKind.CACHE, "/k", cache="filled"),),
        )


def test_what_a_cache_held_before_is_not_counted(carry_out):
    mounts = (Mount(MountKind.CACHE, "/k", cache="held"),)
    carry_out("dd if=/dev/zero of=/k/f bs=1M count=30 2>/dev/null", mounts=mounts)

    assert carry_out("ls /k; sleep 0.3", mounts=mounts, limits=Limits(disk=20_000_000))[1] == "f\n"


def test_a_fork_bomb_is_contained(carry_out):
    _, said = carry_out("b() { b | b & }; b 2>/dev/null; echo alive; exec sleep 1", limits=Limits(pids=30))

    assert "alive" in said


def test_what_is_left_running_ends_with_the_command(carry_out):
    carry_out("sleep 4711 & echo started")

    assert not [pid for pid in _processes() if b"sleep\0004711" in pid]


def test_a_cancelled_command_ends_at_once(carry_out):
    scope = Scope()
    timer = threading.Timer(0.5, scope.cancel)
    timer.start()
    with pytest.raises(Cancelled):  # and not after more than an hour
        carry_out("sleep 4712", scope=scope)

    assert not [line for line in _processes() if b"sleep\0004712" in line]


def test_loopback_and_abstract_sockets_of_this_machine_are_out_of_reach(carry_out):
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(("127.0.0.1", 0))
        server.listen()
        name = f"ocitool-{os.getpid()}"
        abstract.bind(f"\0{name}")
        port = server.getsockname()[1]
        _, said = carry_out(f"nc -w 1 127.0.0.1 {port} </dev/null 2>/dev/null && echo reached; cat /proc/net/unix")

    assert "reached" not in said
    assert name not in said


def test_names_of_hosts_are_those_of_buildkit_and_more(carry_out):
    changes, said = carry_out("cat /etc/hosts", extra_hosts=(("db", "10.1.2.3"),))

    assert said.splitlines()[0] == "127.0.0.1\tlocalhost buildkitsandbox"
    assert "10.1.2.3\tdb" in said.splitlines()
    assert changes.is_empty


def test_times_are_no_later_than_the_epoch(carry_out):
    changes, _ = carry_out("echo x >/f", epoch=1_700_000_000)

    assert files(changes)["f"].mtime == 1_700_000_000


def test_the_same_command_gives_the_same_bytes(carry_out):
    first, _ = carry_out("mkdir /d; echo x >/d/f; ln -s f /d/l; rm /etc/old", epoch=1_700_000_000)
    second, _ = carry_out("rm /etc/old; mkdir /d; ln -s f /d/l; echo x >/d/f", epoch=1_700_000_000)

    assert first.key == second.key


def test_prune_spares_what_is_in_use_and_then_removes_all(tmp_path):
    machine = MachineStore(tmp_path / "store")
    executor = RuntimeExecutor(machine)
    with contextlib.closing(executor):
        executor.run(
            execution("echo x >/home/www/new; chmod 0 /home/www", user="www"), scope=Scope(), output=lambda _: None
        )
        assert MachineStore(tmp_path / "store").prune(remove=remover()) == Pruned(is_in_use=True)
    machine.let_go()

    assert MachineStore(tmp_path / "store").prune(remove=remover()).freed > 0
    assert not (tmp_path / "store" / "unpacked").exists()


def test_other_systems_are_refused():
    executor = RuntimeExecutor(MachineStore(Path("/nonexistent")))
    with pytest.raises(Unsupported, match="for linux"):
        executor.check([Platform("windows", "amd64")])


def test_without_a_runtime_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr("ocitool.executor.runtime.tool", lambda _environ, _name: None)
    with pytest.raises(Unsupported, match="no OCI runtime"):
        RuntimeExecutor(MachineStore(tmp_path)).check([host_platform()])

    assert not (tmp_path / "unpacked").exists()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def nobodys(shared, tmp_path_factory):
    """A store of another user's."""
    top = Path("/var/tmp") / f"ocitool-test-{os.getpid()}"
    top.mkdir()
    os.chown(top, 65534, 65534)
    yield top
    shutil.rmtree(top)


def _result(process):
    said = process.communicate(timeout=60)[0]
    return said, json.loads(said.splitlines()[-1])


@needs_root
def test_an_unprivileged_user_without_ranges_keeps_recorded_owners(nobodys):
    said, result = _result(
        start_as_nobody(nobodys, "chown 5:6 /etc/old && echo changed; echo more >>/home/www/file; echo >/mine")
    )

    assert "changed" in said
    assert result["changes"]["home/www/file"][:2] == [82, 83]
    assert result["changes"]["mine"][:2] == [0, 0]
    assert "etc/old" not in result["changes"]
    assert any("owners" in warning for warning in result["warnings"])


@needs_root
def test_a_killed_build_leaves_no_process_and_no_mount(nobodys):
    process = start_as_nobody(nobodys, "echo begun; sleep 4713")
    assert process.stdout.readline() == "begun\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while [line for line in _processes() if b"sleep\0004713" in line or str(nobodys).encode() in line]:
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.05)
    process.stdout.close()
    again, result = _result(start_as_nobody(nobodys, "echo again"))

    assert str(nobodys) not in Path("/proc/self/mountinfo").read_text()
    assert again.startswith("again")
    assert result["changes"] == {}
    assert [] == [name for path in nobodys.glob("unpacked/*/runs") for name in os.listdir(path)]


@needs_root
@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        (
            "max_user_namespaces is 0",
            (
                "unshare",
                "--user",
                "--map-root-user",
                "sh",
                "-c",
                'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
                "sh",
            ),
        ),
    ],
)
def test_where_no_namespace_can_be_made_the_reason_is_told(nobodys, words, prefix):
    _, result = _result(start_as_nobody(nobodys, "true", prefix=prefix))

    kind, what, hint = result["error"]
    assert kind == "Unsupported"
    assert words in what
    assert "--no-run" in hint


def _processes():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


def test_an_agents_socket_belongs_to_the_user_inside(carry_out, tmp_path):
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        mount = Mount(MountKind.SSH, "/run/agent", socket=tmp_path / "agent", mode=0o600, uid=82, gid=83)
        changes, said = carry_out(
            "stat -c '%F %a' /run/agent; [ -w /run/agent ] && echo mine", mounts=(mount,), user="www"
        )

    assert said == "socket 600\nmine\n"
    assert changes.is_empty


def test_an_agent_that_is_not_there_is_told(carry_out, tmp_path):
    with pytest.raises(Unsupported, match="nothing answers"):
        carry_out("true", mounts=(Mount(MountKind.SSH, "/a", socket=tmp_path / "none"),))


def test_one_file_cannot_be_larger_than_all_may_be(carry_out):
    _, said = carry_out(
        "(dd if=/dev/zero of=/big bs=1 count=1 seek=4000000000) 2>/dev/null || echo refused",
        limits=Limits(disk=20_000_000),
    )

    assert "refused" in said.splitlines()  # a shell may say what its command died of


def test_a_helper_that_cannot_begin_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(Unsupported, match="the helper in the namespaces ended at once"):
        enter(Setup(tmp_path, (), {}), single(os.getuid(), os.getgid()), {})


def test_ids_that_cannot_be_mapped_are_told(tmp_path):
    """The program that would do it has another word."""
    for name in ("newuidmap", "newgidmap"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    ids = (Range(0, os.getuid(), 1), Range(1, 100_000, 65536))

    with pytest.raises(CannotMap, match="newuidmap failed"):
        enter(Setup(tmp_path, (), {}), IdMaps(ids, ids, "newuidmap"), {"PATH": f"{tmp_path}:/bin"})


def test_a_job_that_nobody_describes_ends_and_others_go_on(shared, carry_out):
    with shared[0]._ready().job("job"):
        pass

    assert "on\n" == carry_out("echo on")[1]


def test_a_layer_that_others_unpack_meanwhile_is_not_read_again(shared, carry_out):
    """The layer above is there when that below is."""
    above = layer(("above", {}, b"above\n"))
    known = RootLayer(above.key, lambda: pytest.fail("it is there"))
    data = b"".join(layer(("between", {}, b"")).open())

    def pieces():
        carry_out("true", above)
        return iter([data])

    between = RootLayer(layer(("between", {}, b"")).key, pieces)

    assert "above\n" == carry_out("cat /above", between, known)[1]
