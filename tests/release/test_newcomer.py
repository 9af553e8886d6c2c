"""A newcomer's machine: a Debian with python3, venv and make, no cache of pip and no Go. README's commands work there."""

import os
import shutil
from pathlib import Path

import pytest

from tests import peers
from tests.cli.guides import scripts
from tests.conftest import REPOSITORY
from tests.peers import debian
from tests.peers.engines import sh
from tests.peers.registries import held

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.xdist_group("newcomer")]
OF_THIS_MACHINE = (
    "etc/resolv.conf",
    "etc/hosts",
    "etc/pip.conf",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/debian.sources",
)
"""How names are found, and which indexes pip and apt ask: what a network gives a newcomer."""
ACCOUNTS = {
    "account": "account required pam_unix.so\n",
    "auth": "auth required pam_unix.so nullok\n",
    "password": "password required pam_unix.so yescrypt\n",
    "session": "session required pam_unix.so\n",
}
"""What a script of Debian's leaves in etc/pam.d; packages that make an account stop without it."""
SCRIPT = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 sh -euxc "cd /src; $2"
"""
PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The root of such a machine, with a checkout in /src."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    try:
        packed = debian.system("linux/amd64", "make", "python3", "python3-venv").layer
    except peers.Missing as missing:
        pytest.skip(str(missing))
    root = tmp_path_factory.mktemp("newcomer")
    root.chmod(0o755)  # as the root of any machine is: its other users get in
    sh("tar", "-xzf", packed, "-C", root)
    for name in sh("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=REPOSITORY).split("\0"):
        path = REPOSITORY / name
        if name and os.path.lexists(path):
            (root / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, root / "src" / name, follow_symlinks=False)
    for name in OF_THIS_MACHINE:
        if Path("/", name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/", name), root / name)
    for name, text in ACCOUNTS.items():
        (root / "etc/pam.d" / f"common-{name}").write_text(text)
    assert not shutil.which("go", path=f"{root}/usr/bin:{root}/usr/local/bin:{root}/usr/local/go/bin")
    assert not (root / "root/.cache").exists()
    yield root
    shutil.rmtree(root)


def typed(root: Path, script: str) -> str:
    """What lines that somebody types in /src print."""
    inside = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", SCRIPT, "sh", root, script)
    return sh(*inside, timeout=3000)


def test_make_demo_needs_nothing_else(bare):
    shown = typed(bare, "make demo")

    for platform in (*PLATFORMS, "linux/arm/v6", "linux/riscv64", "linux/s390x"):
        assert f"{platform} " in shown
    assert (bare / "src/demo-out/index.json").is_file()


def test_the_tutorial_is_a_tag_that_was_mended(bare, docker_registry):
    """Each line of docs/tutorial.md as it stands there, with a registry of ours."""
    name = docker_registry.repository("hello")
    install, *rest = scripts("tutorial.md")

    script = "\n".join(
        [install, ". venv/bin/activate", *rest, f"ocitool config get {name}:1 --platform linux/arm64"]
    )

    shown = typed(bare, script.replace("localhost:5000/demo/hello", name))

    assert sorted(PLATFORMS) == sorted(held(f"{name}:1")[1])
    assert '"note":"fixed"' in shown


def test_make_test_brings_what_its_tests_need(bare):
    """Some of them: a command's, a registry's, and those that need a program which is not here."""
    some = "tests/cli/test_tags.py tests/registry/test_manifest.py tests/cli/test_recipes_matrix.py tests/cli/test_disk_full.py"

    shown = typed(bare, f"make test JOBS=2 TESTS='{some}'")

    assert " passed" in shown
    assert "git is not installed" in shown
    assert "docker-registry is not installed" not in shown
    status = (bare / "var/lib/dpkg/status").read_text()
    for name in ("docker-registry", "skopeo"):
        assert f"Package: {name}\nStatus: install ok installed\n" in status
