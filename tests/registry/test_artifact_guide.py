"""docs/guides/artifacts.md: its commands print what it says, and its program runs in bounded memory."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY, process_environment

GUIDE = (REPOSITORY / "docs" / "guides" / "artifacts.md").read_text()
CONSOLES = re.findall(
    r"^\$ (.*)\n((?:(?![$`]).*\n)*)", "".join(re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)), re.MULTILINE
)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
(ANNOTATIONS,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
NAME = "localhost:5000/demo/report"
MIB = 1024**2

pytestmark = pytest.mark.registry


@pytest.fixture
def name(docker_registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.json").write_text('{"x": 1}\n')
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "a.svg").write_text("<svg/>")
    return docker_registry.repository()


def test_the_guide_from_its_beginning_to_its_end(name, run):
    assert ["push", "list", "pull"] == [shlex.split(line)[2] for line, _ in CONSOLES]
    for line, printed in CONSOLES:
        done = run(*shlex.split(line.replace(NAME, name))[1:])

        assert 0 == done.exit_code, done.stderr
        pattern = re.escape(" ".join(printed.replace(NAME, name).split())).replace("…", "[0-9a-f]{64}")
        assert re.fullmatch(re.sub(r"\d+\\ B", r"\\d+\\ B", pattern), " ".join(done.stdout.split()))


def test_its_annotation_file_is_taken(name, run, tmp_path):
    (tmp_path / "notes.json").write_text(ANNOTATIONS)

    done = run("artifact", "push", f"{name}:1", "report.json", "--annotation-file", "notes.json", "--dry-run")

    assert 0 == done.exit_code, done.stderr


@pytest.mark.parametrize("mib", [64, pytest.param(1024, marks=[pytest.mark.long, pytest.mark.slow])])
def test_its_program_runs_over_our_registry_below_128_mib(name, tmp_path, home, mib):
    """Fifteen lines for oras-py; what it would hold in memory is the whole file."""
    (tmp_path / "program.py").write_text(PROGRAM)
    with (tmp_path / "large").open("wb") as file:
        file.write(b"x")
        file.truncate(mib * MIB)
    measure = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            measure,
            sys.executable,
            "-W",
            "error",
            "program.py",
            f"{name}:1",
            "large",
            "report.json",
        ],
        env=process_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    *printed, peak = done.stdout.split()
    assert ["a", "program", "1", str(mib * MIB), "large", "9", "report.json"] == printed
    assert int(peak) * 1024 <= 128 * MIB
    assert 15 >= len([line for line in PROGRAM.splitlines() if line])
