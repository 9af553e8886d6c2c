"""A newcomer's machine: a Debian with python3, venv and make, no cache of pip and no Go. README's first command works there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import peers
from tests.conftest import REPOSITORY
from tests.peers import debian
from tests.peers.engines import sh

pytestmark = [pytest.mark.long, pytest.mark.slow]
OF_THIS_MACHINE = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
"""How names are found, and which index pip asks: what a network gives a newcomer."""
SCRIPT = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 make -C /src demo
"""


@pytest.fixture
def bare(tmp_path):
    """The root of such a machine, with a checkout in /src."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    try:
        packed = debian.system("linux/amd64", "make", "python3", "python3-venv").layer
    except peers.Missing as missing:
        pytest.skip(str(missing))
    root = tmp_path / "root"
    (root / "src").mkdir(parents=True)
    sh("tar", "-xzf", packed, "-C", root)
    files = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True
    )
    assert files.returncode == 0
    for name in files.stdout.decode().split("\0"):
        path = REPOSITORY / name
        if name and os.path.lexists(path):
            (root / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, root / "src" / name, follow_symlinks=False)
    for name in OF_THIS_MACHINE:
        if Path("/", name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/", name), root / name)
    return root


def test_make_demo_needs_nothing_else(bare):
    assert not shutil.which("go", path=f"{bare}/usr/bin:{bare}/usr/local/bin:{bare}/usr/local/go/bin")
    assert not (bare / "root/.cache").exists()

    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-euc", SCRIPT, "sh", bare],
                          capture_output=True, text=True, timeout=3000)  # fmt: skip

    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    for platform in ("amd64", "arm64", "arm/v7", "arm/v6", "riscv64", "s390x"):
        assert f"linux/{platform} " in done.stdout
    assert (bare / "src/demo-out/index.json").is_file()
