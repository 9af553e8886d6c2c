"""docs/guides/sign.md: its commands run one after the other and print what it says; then its program."""

import re
import shlex
import shutil
import subprocess

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.sick import Ward

GUIDE = (REPOSITORY / "docs" / "guides" / "sign.md").read_text()
CONSOLES = [
    (block.partition("\n")[0].removeprefix("$ "), block.partition("\n")[2].splitlines())
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
]
_BUILD, DEVICE = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
NAME = "localhost:5000/demo/app"

pytestmark = pytest.mark.registry


@pytest.fixture
def name(docker_registry, tmp_path, monkeypatch):
    """The repository in the place of the guide's, with an index under the tag 1."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY_PASSWORD", "open sesame")
    name = docker_registry.repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image())
    return name


def test_the_guide_from_its_beginning_to_its_end(name, run, monkeypatch, capsys):
    assert ["key", "sign", "verify", "undo"] == [shlex.split(line)[1] for line, _ in CONSOLES]
    for line, printed in CONSOLES:
        done = run(*shlex.split(line.replace(NAME, name))[1:])

        assert 0 == done.exit_code, done.stderr
        pattern = "\n".join(printed).replace(NAME, name)
        assert re.fullmatch(re.escape(pattern).replace("…", "[0-9a-f]{64}"), done.stdout.strip())
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONWARNINGS", "error")
        exec(compile(PROGRAM.replace(NAME, name), "sign.md", "exec"), {})
    assert capsys.readouterr().out.startswith("sha256:")


def test_with_a_device(name, run):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "device.pem"], check=True
    )
    subprocess.run(["openssl", "pkey", "-in", "device.pem", "-pubout", "-out", "device.pub"], check=True)
    for line in DEVICE.splitlines():
        words = shlex.split(line.replace(NAME, name))
        if words[0] == "openssl":
            subprocess.run(words, check=True)
            continue
        done = run(*words[1:])
        assert 0 == done.exit_code, done.stderr

    assert 0 == run("verify", f"{name}:1", "--key", "device.pub").exit_code
