"""docs/guides/sbom.md: its commands print what it says; then its program."""

import json
import re
import shlex

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.programs import Elf, go_build
from tests.fakes.sick import Ward, member, tar

GUIDE = (REPOSITORY / "docs" / "guides" / "sbom.md").read_text()
CONSOLE, BUILT, SIGNED = re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
NAME = "localhost:5000/demo/app"

pytestmark = pytest.mark.registry


@pytest.fixture
def name(docker_registry, tmp_path, monkeypatch):
    """The repository in the place of the guide's, with an index of two Go programs under the tag 1."""
    monkeypatch.chdir(tmp_path)
    name = docker_registry.repository()
    text = "path\texample.com/app\nmod\texample.com/app\tv1.2.3\t\n"
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        layers = (
            tar(member("app", Elf(machine=machine, sections=[(".go.buildinfo", 1, go_build(text))]).build()))
            for machine in (62, 183)
        )
        ward.index(*(ward.image(f"linux/{arch}", layers=[next(layers)]) for arch in ("amd64", "arm64")))
    return name


def test_the_guide_from_its_beginning_to_its_end(name, run, capsys):
    first, second, *printed = CONSOLE.replace(NAME, name).splitlines()

    words = shlex.split(first.removeprefix("$ ").partition(" > ")[0])
    document = run(*words[1:])
    written = run(*shlex.split(second.removeprefix("$ "))[1:])

    assert "SPDX-2.3" == json.loads(document.stdout)["spdxVersion"]
    assert printed == written.stdout.splitlines()
    exec(compile(PROGRAM.replace(NAME, name), "sbom.md", "exec"), {})
    assert "linux/amd64 pkg:golang/example.com/app@v1.2.3" in capsys.readouterr().out


@pytest.fixture
def programs(tmp_path):
    """What the guide builds: programs that are ready."""
    for arch, machine in (("amd64", 62), ("arm64", 183)):
        (tmp_path / f"app-{arch}").write_bytes(Elf(machine=machine).build())
        (tmp_path / f"app-{arch}").chmod(0o755)
    (tmp_path / "ocitool.toml").write_text('toolchain = "prebuilt"\nfiles = ["app-{arch}:/app"]\n')


def test_attested_as_it_is_built(name, run, programs):
    build, printed, *inspects = BUILT.replace("localhost:5000/demo/made", name).splitlines()

    done = run(*shlex.split(build.removeprefix("$ "))[1:])

    assert 0 == done.exit_code, done.stderr
    assert re.fullmatch(re.escape(printed).replace("…", "[0-9a-f]{64}"), done.stdout.strip())
    documents = [run(*shlex.split(line.removeprefix("$ ").partition(" > ")[0])[1:]) for line in inspects]
    assert ["buildDefinition", "spdxVersion"] == [next(iter(json.loads(one.stdout))) for one in documents]


@pytest.mark.parametrize("flags", [(), ("--attest-form", "referrers")])
def test_signed_as_it_is_built(name, run, programs, flags):
    lines = SIGNED.replace("localhost:5000/demo/made", name).splitlines()

    for number, line in enumerate(lines):
        if not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "))[1:]
        done = run(*words, *(flags if words[0] == "build" else ()))

        assert 0 == done.exit_code, done.stderr
        printed = re.escape(lines[number + 1]).replace("…", "[0-9a-f]{64}")
        assert re.match(printed, done.stdout)
    assert f"https://spdx.dev/Document of linux/arm64, {'' if flags else 'in the index, '}signed" in done.stderr
