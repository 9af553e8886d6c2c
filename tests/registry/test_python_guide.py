"""docs/guides/python.md: its examples run one after the other, as printed, and a type checker takes them."""

import ast
import re
import subprocess
import sys

import pytest

import ocitool
from ocitool.model.mediatype import Family
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY, process_environment
from tests.fakes.images import put_image
from tests.fakes.sick import Ward, member, program, tar
from tests.peers.engines import podman

GUIDE = (REPOSITORY / "docs" / "guides" / "python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
BUILD, ADD, CHECK, REPAIR, COPY, UNDO = range(6)


def test_there_are_six_and_each_uses_public_names_only():
    used = {
        node.attr
        for text in EXAMPLES
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ocitool"
    }
    imported = {
        ast.unparse(node)
        for text in EXAMPLES
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert 6 == len(EXAMPLES)
    assert {"import ocitool"} == imported
    assert used <= set(ocitool.__all__)


@pytest.mark.slow
def test_a_strict_type_checker_takes_them(tmp_path):
    for number, text in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", tmp_path / "cache", "."],
        cwd=tmp_path,
        env=process_environment({"MYPYPATH": str(REPOSITORY)}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout), done.stderr


@pytest.fixture
def example(docker_registry, home, monkeypatch, capsys):
    """`example(ADD)`: the guide's programs up to that one have run, and the lines that it printed."""
    app, broken = docker_registry.repository("app"), docker_registry.repository("broken")
    monkeypatch.chdir(home)
    for architecture in ("amd64", "arm64"):
        place = home / "app" / "out" / architecture / "app"
        place.parent.mkdir(parents=True)
        place.write_bytes(program(architecture))
        place.chmod(0o755)
    files = tar(member("etc/motd"))
    with Opener(Access(), Scope()) as opener:
        put_image(
            opener.open(app, write=True)[0], "1-riscv64", "linux/riscv64", family=Family.DOCKER, layers=[files]
        )
        ward = Ward(opener.open(broken, write=True)[0])
        ward.index(ward.image(), lost := ward.image("linux/arm64"))
        ward.store.delete(lost["digest"])
    texts = [text.replace("localhost:5000/app:", f"{app}:") for text in EXAMPLES]
    texts[REPAIR] = texts[REPAIR].replace("localhost:5000/broken:", f"{broken}:")

    def call(number):
        lines = []
        for text in texts[len(done) : number + 1]:
            exec(compile(text, "docs/guides/python.md", "exec"), {})
            lines = capsys.readouterr().out.splitlines()
            done.append(lines)
        return lines

    done = []
    call.app, call.broken = f"{app}:1", f"{broken}:1"
    return call


@pytest.mark.registry
def test_programs_are_built_and_pushed(example, run):
    (digest,) = example(BUILD)

    assert run("digest", example.app).stdout == f"{digest}\n"
    assert 0 == run("check", example.app, "--deep").exit_code


@pytest.mark.registry
def test_an_index_is_read_and_a_platform_added(example, run):
    amd64, arm64, *plan = example(ADD)

    assert ["linux/amd64", "linux/arm64"] == [amd64.split()[0], arm64.split()[0]]
    assert example.app.rpartition(":")[0] == plan[0]
    assert "linux/riscv64" in run("inspect", example.app).stdout


@pytest.mark.registry
def test_what_is_whole_has_no_findings(example):
    assert [] == example(CHECK)


@pytest.mark.registry
def test_a_child_that_is_gone_is_dropped(example, run):
    before = run("check", example.broken)
    assert any("index/dangling" in line for line in example(REPAIR))

    after = run("check", example.broken)
    assert (1, True) == (before.exit_code, "index/dangling" in before.stdout)
    assert "index/dangling" not in after.stdout


@pytest.mark.registry
def test_undo_brings_back_what_was_there_before_the_platform_was_added(example):
    (first,) = example(BUILD)

    assert [first] == example(UNDO)


@pytest.mark.interop
@pytest.mark.registry
def test_podman_loads_the_archive(example, home, peer):
    example(COPY)
    call = podman(peer("podman"), home / "podman")

    call("load", "-i", home / "app.tar")

    assert "amd64" in call("images", "--format", "{{.ID}} amd64")
