"""The executor of a build: what is remembered of it, and where its emulators come from."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from ocitool.builder.executors import RememberedExecutor, _out_of_image, digest_of, executor_of, find_emulators
from ocitool.dockerfile.run.options import RunOptions
from ocitool.errors import NetworkError, NotFound, NotVerified, Unsupported
from ocitool.image.base import open_base
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.registry.hosts import Access
from ocitool.store.forwarding import ForwardingReader
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore, Pruned
from ocitool.tasks import Scope
from ocitool.workspace import Workspace
from tests.fakes.executor import FakeExecutor
from tests.fakes.images import put_image, tar

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


class Maps:
    is_single = True


@pytest.fixture
def inner(tmp_path):
    made = FakeExecutor(tmp_path)
    made.maps = Maps()
    return made


@pytest.fixture
def work(tmp_path):
    return Workspace(MachineStore(tmp_path / "cache"), Opener(Access(), Scope()), Scope(), AMD64)


def test_what_works_is_asked_once(inner, work):
    RememberedExecutor(lambda: inner, work.machine.memo, "here").check((AMD64, ARM64))
    again = RememberedExecutor(lambda: inner, work.machine.memo, "here")
    again.check((AMD64,))

    assert [AMD64, ARM64] == inner.checked
    assert "one" == again.owners
    assert inner.is_closed


def test_what_emulates_is_remembered(inner, work):
    inner.emulators = {"arm64": "/usr/bin/qemu-aarch64"}
    RememberedExecutor(lambda: inner, work.machine.memo, "here").check((AMD64, ARM64))
    again = RememberedExecutor(lambda: inner, work.machine.memo, "here")

    assert ("", "/usr/bin/qemu-aarch64") == (again.emulator(AMD64), again.emulator(ARM64))
    assert "" == RememberedExecutor(lambda: inner, work.machine.memo, "there").emulator(ARM64)


def test_another_machine_is_asked_again(inner, work):
    RememberedExecutor(lambda: inner, work.machine.memo, "here").check((AMD64,))
    RememberedExecutor(lambda: inner, work.machine.memo, "there").check((AMD64,))

    assert [AMD64, AMD64] == inner.checked


def test_what_does_not_work_is_tried_every_time(inner, work):
    inner.refused = "no runtime"
    for _ in range(2):
        with pytest.raises(Unsupported, match="no runtime"):
            RememberedExecutor(lambda: inner, work.machine.memo, "here").check((AMD64,))

    assert 2 == len(inner.checked)


def test_emulators_are_files_of_a_folder(tmp_path, work):
    (tmp_path / "qemu-arm").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")

    assert [tmp_path / "qemu-arm"] == list(find_emulators(str(tmp_path), work))
    assert [tmp_path / "other"] == list(find_emulators(str(tmp_path / "other"), work))


def test_emulators_come_out_of_an_image(tmp_path, work):
    layer = tar(**{"usr/bin/qemu-arm": b"1", "usr/bin/qemu-aarch64": b"2", "usr/bin/binfmt": b"3"})
    put_image(LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[layer])
    place = f"oci:{tmp_path}/img:1"

    found = find_emulators(place, work)

    assert [("qemu-aarch64", b"2"), ("qemu-arm", b"1")] == [(path.name, path.read_bytes()) for path in found]
    assert all(path.stat().st_mode & 0o111 for path in found)
    assert {LayoutStore(tmp_path / "img").head("1").digest} == {
        image.manifest.document.digest for image in found.values()
    }
    assert list(found) == list(find_emulators(place, work))
    assert digest_of(next(iter(found))) == Digest.of(b"2")


def test_an_image_of_emulators_is_asked_of_the_source_policy(work):
    def deny(reference):
        raise NotVerified(f"{reference} is denied")

    with pytest.raises(NotVerified, match="localhost:1/qemu:1 is denied"):
        find_emulators("localhost:1/qemu:1", replace(work, convert=deny))


def test_of_two_emulators_with_one_name_that_in_usr_bin_is_taken(tmp_path, work):
    layer = tar(**{"bin/qemu-arm": b"old", "usr/bin/qemu-arm": b"new", "usr/local/bin/qemu-s390x": b"3"})
    put_image(LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[layer])

    found = find_emulators(f"oci:{tmp_path}/img:1", work)

    assert [("qemu-arm", b"new"), ("qemu-s390x", b"3")] == [(path.name, path.read_bytes()) for path in found]


class Broken(ForwardingReader):
    """A store whose connection breaks in the middle of the second blob that is read; `first` is called before."""

    def __init__(self, store, first=lambda: None, *, breaks=True):
        super().__init__(store)
        self._first, self._breaks, self._opened = first, breaks, 0

    @contextmanager
    def open_blob(self, descriptor, offset=0):
        self._opened += 1
        with super().open_blob(descriptor, offset) as pieces:
            if self._opened == 2:
                self._first()
            yield self._halved(pieces) if self._breaks and self._opened == 2 else pieces

    @staticmethod
    def _halved(pieces):
        whole = b"".join(pieces)
        yield whole[: len(whole) // 2]
        raise NetworkError("the connection broke", host="r.test")


def emulators(tmp_path, work, content):
    """A call that takes the emulators out of an image with one, and may be given another store."""
    layers = [tar(**{"bin/qemu-arm": content})]
    put_image(LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=layers)
    image = open_base(*work.open_image(f"oci:{tmp_path}/img:1")).image(AMD64, lambda _event: None)
    return lambda change: list(_out_of_image(replace(image, store=change(image.store)), work))


def test_an_emulator_that_arrived_in_part_is_no_emulator(tmp_path, work):
    """Whoever asks again in the same process gets all of it, and nothing else is left behind."""
    take, content = emulators(tmp_path, work, b"q" * 1_000_000), b"q" * 1_000_000

    with pytest.raises(NetworkError):
        take(Broken)
    left = list((work.machine.root / "emulators").iterdir())
    [again] = take(lambda store: store)

    assert ([], content) == (left, again.read_bytes())


def test_another_build_that_was_first_has_made_them(tmp_path, work):
    take = emulators(tmp_path, work, b"mine")
    digest = LayoutStore(tmp_path / "img").head("1").digest
    folder = work.machine.root / "emulators" / digest.hex

    def other():
        folder.mkdir(parents=True)
        (folder / "qemu-arm").write_bytes(b"theirs")

    assert [folder / "qemu-arm"] == take(lambda store: Broken(store, other, breaks=False))

    assert b"theirs" == (folder / "qemu-arm").read_bytes()
    assert [folder] == list(folder.parent.iterdir())


def test_emulators_are_pruned_and_spared_while_a_build_uses_them(tmp_path, work, monkeypatch):
    """Also by a build that finds them there, and has written nothing yet."""
    monkeypatch.setattr("ocitool.store.machine._PATIENCE_S", 0.0)
    put_image(
        LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[tar(**{"bin/qemu-arm": b"1"})]
    )
    root, place = work.machine.root, f"oci:{tmp_path}/img:1"
    assert find_emulators(place, work)
    work.machine.let_go()
    building = replace(work, machine=MachineStore(root))
    [path] = find_emulators(place, building)

    spared = MachineStore(root).prune()
    kept = path.is_file()
    building.machine.let_go()
    pruned = MachineStore(root).prune()

    assert (Pruned(is_in_use=True), True) == (spared, kept)
    assert pruned.freed > 0
    assert not (root / "emulators").exists()
    assert [b"1"] == [one.read_bytes() for one in find_emulators(place, building)]


def test_an_image_of_emulators_has_to_be_admitted(tmp_path, work):
    put_image(
        LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[tar(**{"bin/qemu-arm": b"1"})]
    )
    place = f"oci:{tmp_path}/img:1"

    def admit(at, _store, _name):
        raise NotVerified(f"{at} is not verified")

    with pytest.raises(NotVerified):
        find_emulators(place, replace(work, admit=admit))
    assert not (work.machine.root / "emulators").exists()


def test_an_image_without_emulators_is_told(tmp_path, work):
    put_image(LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[tar(a=b"1")])

    with pytest.raises(NotFound, match="no emulator in"):
        find_emulators(f"oci:{tmp_path}/img:1", work)


def test_a_build_knows_the_emulators_of_its_flags_before_anything_is_started(tmp_path, work):
    for name in ("qemu-arm", "qemu-aarch64"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(name.encode())
    (tmp_path / "none").mkdir()
    places = (str(tmp_path / "qemu-arm"), str(tmp_path / "qemu-aarch64"))

    one, both = (executor_of(RunOptions(emulators=named), work, {"PATH": ""}) for named in (places[:1], places))

    assert [tmp_path / "qemu-arm/qemu-arm"] == list(one.named)
    assert [tmp_path / "qemu-arm/qemu-arm", tmp_path / "qemu-aarch64/qemu-aarch64"] == list(both.named)
    with pytest.raises(NotFound, match="no emulator in"):
        executor_of(RunOptions(emulators=(str(tmp_path / "none"),)), work, {})
