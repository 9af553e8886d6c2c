"""What is loaded before work starts, as sets of modules: a budget in milliseconds would be noise.

Each case is a fresh interpreter that reports what it has loaded at the end.
"""

import json
import subprocess
import sys

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image
from tests.structure.source import REPOSITORY

REPORT = (
    "import sys, io, json; from ocitool.cli import main\n"
    "out, sys.stdout = sys.stdout, io.StringIO()\n"
    "code = main({argv!r})\n"
    "print(json.dumps([code, sorted(sys.modules)]), file=out)"
)


def loaded(*argv: str) -> set[str]:
    """The modules after a command line that succeeds."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(argv=list(argv))],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout)
    assert code == 0, done.stderr
    return set(modules)


def test_the_version_needs_no_click():
    assert set() == loaded("--version") & {"click", "dataclasses", "importlib.metadata", "ocitool.errors"}


def test_root_help_loads_no_command_and_no_data_layer():
    modules = loaded("--help")

    assert [] == [name for name in modules if name.startswith("ocitool.cli.cmd.")]
    assert set() == modules & {"httpx", "ssl", "rich", "dataclasses", "ocitool.model.document", "subprocess"}


@pytest.fixture
def layout(tmp_path) -> str:
    store = LayoutStore(tmp_path / "layout", create=True)
    put_image(store, "v1", "linux/amd64", layers=[b"x"])
    return f"oci:{tmp_path / 'layout'}:v1"


def test_inspecting_a_layout_loads_no_http_client(layout):
    modules = loaded("inspect", layout)

    assert set() == modules & {"httpx", "httpcore", "ssl", "asyncio", "rich", "requests", "cryptography"}


@pytest.mark.parametrize("command", ["build", "copy", "inspect", "push"])
def test_help_of_a_command_loads_no_http_client(command):
    assert set() == loaded(command, "--help") & {"httpx", "httpcore", "ssl", "asyncio", "rich", "requests"}
