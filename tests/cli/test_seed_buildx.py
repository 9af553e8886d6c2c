"""The Dockerfile and the buildx commands of the text this project started from, where nothing is allowed.

Word for word but for the first word and the registry to push to; as a user without rights, without namespaces,
and with a home that cannot be written. `FROM alpine` is read from a mirror that the home's settings name.
"""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from ocitool.model.platform import choose
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.busybox import put_busybox
from tests.fakes.confined import NOBODY, can_confine, interpreter, run_confined
from tests.fakes.programs import Elf
from tests.fakes.registry import fake_registry

DOCKERFILE = """\
FROM alpine
ARG TARGETARCH

COPY /out/${TARGETARCH}/myapp /bin/
"""
PREPARE = """
# 配置模拟器
docker run --privileged --rm tonistiigi/binfmt --install all

# 配置buildx环境

export DOCKER_CLI_EXPERIMENTAL=enabled
docker buildx create --use --name mybuilder

# 查看buildx配置

docker buildx ls
"""
THREE = """
  docker buildx build \\
--push \\
--platform linux/arm/v7,linux/arm64/v8,linux/amd64 \\
--tag your-username/multiarch-example:buildx-latest .
"""
TWO = """
export DOCKER_CLI_EXPERIMENTAL=enabled
docker buildx build \\
--push \\
--platform linux/arm64,linux/amd64 --tag your-username/multiarch-example:buildx-latest .
"""
PROGRAMS = {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}


@pytest.fixture
def place():
    """A folder that everybody may look into and nobody but root may write: bin, home, app; and a tmp for all."""
    if why := can_confine():
        pytest.skip(why)
    root = Path(tempfile.mkdtemp(prefix="ocitool-seed-"))
    root.chmod(0o755)
    for name in ("bin", "home", "app", "tmp"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    python, _ = interpreter()
    (root / "bin/ocitool").write_text(f'#!/bin/sh\nexec {python} -m ocitool "$@"\n')
    (root / "bin/ocitool").chmod(0o755)
    (root / "app/Dockerfile").write_text(DOCKERFILE)
    for arch, elf in PROGRAMS.items():
        program = root / "app/out" / arch / "myapp"
        program.parent.mkdir(parents=True)
        program.write_bytes(elf.build())
        program.chmod(0o755)
    (root / "home").chmod(0o555)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def registry(place):
    """A registry with alpine for three platforms, which the home's settings name as the mirror of Docker Hub."""
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{registry.host}/library/alpine:latest", write=True)
        put_busybox(store, tag)
        conf = place / "home/.config/containers/registries.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{registry.host}"\ninsecure = true\n')
        yield registry


def run_script(place, registry, script):
    """A shell runs the script with our first word and registry, confined."""
    text = script.replace("docker ", "ocitool ").replace("your-username", f"{registry.host}/your-username")
    path = os.pathsep.join((str(place / "bin"), os.environ["PATH"]))
    become = f"import os; os.execvp('sh', ['sh', '-euc', {text!r}])"
    return run_confined(
        "-c", become, home=place / "home", cwd=place / "app", env={"PATH": path, "TMPDIR": str(place / "tmp")}
    )


def published(registry):
    """Platform to the bytes of its program and what its history says last."""
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{registry.host}/your-username/multiarch-example:buildx-latest")
        entries = view(store.get_manifest(tag)).entries
        found = {}
        for entry in entries:
            assert entry is choose(entry.platform, entries, lambda e: e.platform)
            manifest = view(store.get_manifest(str(entry.digest)))
            tree = read_tree(store, manifest, None, scope=Scope())
            pieces = read_file(store, manifest, tree, "bin/myapp", scope=Scope())
            found[str(entry.platform)] = b"".join(pieces)
        return found


def test_the_sandbox_forbids_what_the_others_shall_do_without(place):
    """Or the tests below would prove nothing."""
    unshare = "import ctypes; ctypes.CDLL(None).unshare(0x10000000)"
    write = "import os, pathlib; print(os.getuid()); pathlib.Path('x').write_text('')"

    assert -signal.SIGSYS == run_confined("-c", unshare, home=place / "home").returncode
    written = run_confined("-c", write, home=place / "home")
    assert (1, f"{NOBODY}\n") == (written.returncode, written.stdout)
    assert "PermissionError" in written.stderr


def test_the_seeds_script_builds_and_pushes_for_two_platforms(place, registry):
    done = run_script(place, registry, PREPARE + TWO)

    assert 0 == done.returncode, done.stderr
    assert ["linux/arm64", "linux/amd64"] == list(published(registry))
    assert PROGRAMS["arm64"].build() == published(registry)["linux/arm64"]
    assert PROGRAMS["amd64"].build() == published(registry)["linux/amd64"]
    assert done.stdout.startswith("mybuilder\n")
    assert done.stdout.splitlines()[-1].startswith(
        f"{registry.host}/your-username/multiarch-example:buildx-latest@"
    )


def test_the_seeds_first_command_builds_and_pushes_for_three(place, registry):
    done = run_script(place, registry, THREE)

    assert 0 == done.returncode, done.stderr
    assert {
        "linux/arm/v7": PROGRAMS["arm"].build(),
        "linux/arm64/v8": PROGRAMS["arm64"].build(),
        "linux/amd64": PROGRAMS["amd64"].build(),
    } == published(registry)


def test_a_home_that_cannot_be_written_is_told_once_and_nothing_is_left_behind(place, registry):
    done = run_script(place, registry, TWO)

    assert 1 == done.stderr.count(f"cannot write this machine's store {place / 'home/.cache/ocitool'}")
    assert [".config"] == os.listdir(place / "home")
    assert [] == os.listdir(place / "tmp")


def test_a_result_that_would_stay_in_such_a_home_is_refused_with_a_way_out(place, registry):
    done = run_script(place, registry, TWO.replace("--push", "--load"))

    assert 10 == done.returncode
    assert "hint: choose another folder with --cache-dir" in done.stderr
    assert [] == registry.asked("PUT", "*your-username*")


def test_a_home_that_is_closed_is_no_obstacle_either(place, registry):
    """The home of root, where only the user was changed; what is in it is not looked for."""
    (place / "home").chmod(0o700)
    (place / "app/Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY /out/${TARGETARCH}/myapp /bin/\n")

    done = run_script(place, registry, TWO)

    assert 0 == done.returncode, done.stderr
    assert ["linux/arm64", "linux/amd64"] == list(published(registry))
