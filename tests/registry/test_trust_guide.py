"""docs/guides/trust.md: its commands are run with its policy, before and after the image is signed."""

import re
import shlex

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.sick import Ward

GUIDE = (REPOSITORY / "docs" / "guides" / "trust.md").read_text()
CONSOLES = [
    (block.partition("\n")[0].removeprefix("$ "), block.partition("\n")[2].splitlines())
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
]
POLICY, SPEC = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)

pytestmark = pytest.mark.registry


@pytest.fixture
def at(docker_registry, tmp_path, monkeypatch, run):
    """What puts this test's repositories into the place of the guide's, with an index under the tag 1."""
    monkeypatch.chdir(tmp_path)
    name = docker_registry.repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image())
    assert 0 == run("key", "generate", "--unencrypted", "--type", "ed25519").exit_code
    places = {
        "localhost:5000/demo/app": name,
        "localhost:5000/demo": name,
        "localhost:5000/mirror": f"{name}/mirror",
    }

    def put(text: str) -> str:
        for place, own in places.items():
            text = text.replace(place, own)
        return text.replace(f"{name}/*", f"{name}*")

    return put


def test_the_guide_before_and_after_the_image_is_signed(at, run, tmp_path):
    (tmp_path / "policy.toml").write_text(at(POLICY))
    (tmp_path / "ocitool.toml").write_text(SPEC)
    refused = [run(*shlex.split(at(line))[1:]).exit_code for line, _ in CONSOLES]
    assert 0 == run("sign", at("localhost:5000/demo/app:1"), "--key", "cosign.key").exit_code

    assert [1] * len(CONSOLES) == refused
    for line, printed in CONSOLES:
        done = run(*shlex.split(at(line))[1:])

        assert 0 == done.exit_code, done.stderr
        pattern = re.escape(at("\n".join(printed))).replace("…", "[0-9a-f]{64}")
        assert re.fullmatch(pattern, done.stdout.strip())
