"""What is loaded before work starts, as sets of modules: a budget in milliseconds would be noise.

Each case is a fresh interpreter that reports what it has loaded at the end.
"""

import json
import os
import subprocess
import sys

import pytest

from ocitool.model.digest import Digest
from ocitool.store.layout import LayoutStore
from tests.conftest import untraced
from tests.fakes.images import put_image
from tests.fakes.registry import fake_registry
from tests.structure.source import REPOSITORY

pytestmark = pytest.mark.slow  # each starts an interpreter

REPORT = (
    "import sys, io, json; from ocitool.cli import main\n"
    "out, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())\n"  # click writes bytes to a shell
    "code = main({argv!r})\n"
    "print(json.dumps([code, sorted(sys.modules)]), file=out)"
)


def loaded(*argv: str, completing: str = "") -> set[str]:
    """The modules after a command line that succeeds, or after what a shell asks about one that is not finished."""
    shell = {"_OCITOOL_COMPLETE": "zsh_complete", "_OCITOOL_LINE": completing} if completing else {}
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(argv=list(argv))],
        cwd=REPOSITORY,
        env=untraced(os.environ | shell),
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(done.stdout)
    assert code == 0, done.stderr
    return set(modules)


def test_the_version_needs_no_click():
    modules = loaded("--version")

    assert set() == modules & {"click", "typing", "contextlib", "dataclasses", "importlib.metadata"}
    assert {"ocitool", "ocitool.cli", "ocitool.version"} == {name for name in modules if name.startswith("ocitool")}


def test_root_help_loads_no_command_and_no_data_layer():
    modules = loaded("--help")

    assert [] == [name for name in modules if name.startswith("ocitool.cli.cmd.")]
    assert set() == modules & {"h11", "ssl", "rich", "dataclasses", "subprocess", "shutil", "pathlib", "select"}
    assert set() == modules & {"ocitool.tasks", "ocitool.model.document", "ocitool.model.files"}


@pytest.fixture
def layout(tmp_path) -> str:
    store = LayoutStore(tmp_path / "layout", create=True)
    put_image(store, "v1", "linux/amd64", layers=[b"x"])
    return f"oci:{tmp_path / 'layout'}:v1"


def test_inspecting_a_layout_loads_no_http_client(layout):
    modules = loaded("inspect", layout)

    assert set() == modules & {"h11", "ssl", "asyncio", "rich", "requests", "oras", "cryptography"}
    assert set() == modules & {"socket", "subprocess", "shutil", "tempfile", "html", "tomllib", "difflib"}
    assert set() == {"pack", "toolchains", "change", "project"} & {
        name.split(".")[1] for name in modules if "ocitool." in name
    }


@pytest.mark.parametrize("command", ["tags", "digest"])
def test_reading_a_registry_loads_no_uploads_no_mirrors_and_no_layout(command):
    with fake_registry() as registry:
        digest = str(Digest.of(b"{}"))
        registry.tags["app", "v1"] = digest
        registry.manifests["app", digest] = ("application/vnd.oci.image.manifest.v1+json", b"{}")
        modules = loaded(command, f"{registry.host}/app:v1")

    assert set() == modules & {"ocitool.registry.uploads", "ocitool.store.mirrors", "ocitool.store.layout"}
    assert set() == modules & {"subprocess", "html", "difflib", "ocitool.graph.walk"}


def test_a_check_loads_no_toolchain(layout):
    modules = loaded("check", layout)

    assert [] == [name for name in modules if name.startswith("ocitool.toolchains")]


def test_a_build_loads_no_toolchain_and_no_dockerfile_before_it_knows_what_it_builds():
    rooms = (
        "ocitool.dockerfile.evaluate",
        "ocitool.dockerfile.lint",
        "ocitool.dockerfile.frontend",
        "ocitool.executor.inside",
    )
    compilers = {f"ocitool.toolchains.{name}" for name in ("go", "rust", "c", "command", "build_systems", "debian")}
    modules = loaded("build", "--help")

    assert [] == [name for name in modules if name.startswith(rooms)]
    assert set() == modules & compilers


@pytest.mark.parametrize("command", [["artifact", "pull", "--help"], ["push", "--help"], ["sbom", "--help"]])
def test_oras_is_loaded_where_artifacts_are_alone(command):
    assert set() == loaded(*command) & {"oras", "requests", "jsonschema", "ocitool.artifact.pull", "sqlite3"}


def test_listing_an_artifact_loads_no_requests_and_no_http_client(layout):
    command = ["artifact", "push", layout.removesuffix("v1") + "a", __file__, "--dry-run"]

    assert set() == loaded(*command) & {"requests", "h11", "cryptography", "ocitool.artifact.oras"}


@pytest.fixture
def copied(tmp_path) -> str:
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /\nCMD ["/a"]\n')
    return str(tmp_path)


def test_a_dockerfile_that_only_copies_loads_nothing_about_processes_downloads_and_compilers(copied):
    modules = loaded("build", copied, "-o", f"oci:{copied}/out:1", "--cache-dir", f"{copied}/cache")
    rooms = ("ocitool.executor.", "ocitool.dockerfile.run.")
    kept = {"ocitool.executor.base", "ocitool.dockerfile.run.options", "ocitool.dockerfile.run.overrides"}

    assert kept == {name for name in modules if name.startswith(rooms)}
    assert set() == modules & {f"ocitool.toolchains.{name}" for name in ("compilers", "go", "command", "sysroot")}
    assert set() == modules & {"ocitool.registry.downloads", "email.utils", "decimal", "ocitool.dockerfile.outline"}
    assert set() == modules & {"ocitool.builder.export", "ocitool.builder.debug_files", "ocitool.builder.preview"}
    assert set() == modules & {f"ocitool.binaries.{name}" for name in ("elf", "pe", "macho", "goinfo")}


def test_a_build_without_a_dockerfile_loads_nothing_of_its_syntax(tmp_path):
    (tmp_path / "app").write_text("#!/bin/sh\n")
    words = (
        "--toolchain",
        "prebuilt",
        "--copy",
        "app:/",
        "--platform",
        "linux/amd64",
        "--cache-dir",
        f"{tmp_path}/c",
    )
    command = ("build", str(tmp_path), *words, "-o", f"oci:{tmp_path}/out:1")
    modules = loaded(*command)
    counts = counted(*command)

    kept = {"places", "request", "run", "run.options", "syntax", "syntax.sizes"}
    assert {f"ocitool.dockerfile.{name}" for name in kept} == {
        name for name in modules if name.startswith("ocitool.dockerfile.")
    }
    assert set() == modules & {"tomllib", "ocitool.codec.estargz_writer"}
    assert {"locale", "selectors", "_hashlib"} == set(counts["heavy"])  # of subprocess, and for layers


def test_a_look_at_a_dockerfile_loads_nothing_that_writes(copied):
    modules = loaded("build", copied, "--check")

    assert set() == modules & {"ocitool.change.apply", "ocitool.change.journal", "ocitool.builder.publish"}
    assert set() == modules & {"ocitool.builder.pipeline", "ocitool.builder.programs", "ocitool.graph.copy"}


def test_a_change_of_tags_loads_no_random_numbers_signatures_or_temporary_files(layout):
    modules = loaded("tag", layout, "v2")

    assert set() == modules & {"tomllib", "ocitool.project.schema"}
    assert set() == modules & {"random", "secrets", "tempfile", "ocitool.graph.signature_list"}


def test_a_push_of_what_is_kept_loads_no_builder(copied):
    with fake_registry() as registry:
        common = ("-t", f"{registry.host}/app:1", "--cache-dir", f"{copied}/cache")
        loaded("build", copied, *common)
        modules = loaded("push", common[1], *common[2:])

    assert {"ocitool.builder", "ocitool.builder.push", "ocitool.builder.trust"} == {
        n for n in modules if n.startswith("ocitool.builder")
    }
    assert [] == [name for name in modules if name.startswith(("ocitool.dockerfile", "ocitool.toolchains"))]


@pytest.mark.parametrize("command", ["build", "copy", "inspect", "push"])
def test_help_of_a_command_loads_no_http_client(command):
    assert set() == loaded(command, "--help") & {"h11", "ssl", "asyncio", "rich", "requests"}


def test_completing_words_of_the_table_loads_no_command_and_no_data_layer():
    modules = loaded(completing="ocitool index a")

    assert [] == [name for name in modules if name.startswith("ocitool.cli.cmd.")]
    assert set() == modules & {"ocitool.cli.options", "ocitool.client", "ocitool.cli.suggestions", "h11", "rich"}


@pytest.mark.parametrize("line", ["ocitool inspect --pl", "ocitool inspect x --platform l", "ocitool tags --"])
def test_completing_options_and_known_values_asks_nobody(line):
    modules = loaded(completing=line)

    assert set() == modules & {"h11", "ssl", "rich", "subprocess", "ocitool.check.engine", "ocitool.store.layout"}


def test_completing_a_toolchain_asks_nobody():
    assert set() == loaded(completing="ocitool build . --toolchain c") & {
        "h11",
        "ssl",
        "rich",
        "ocitool.toolchains.go",
    }


def test_completing_a_layout_loads_no_http_client(layout):
    modules = loaded(completing=f"ocitool inspect {layout.removesuffix('v1')}")

    assert set() == modules & {"h11", "ssl", "rich", "subprocess"}


def test_help_alone_loads_the_examples():
    assert "ocitool.cli.help" in loaded("index", "--help")
    assert set() == loaded("completion", "bash") & {"ocitool.cli.help", "ocitool.cli.suggestions", "h11"}


COUNTS = """
import gc, json, os, sys
from ocitool.__main__ import main
os._exit = sys.exit
sys.argv = ["ocitool", *{argv!r}]
try:
    main()
except SystemExit as ended:
    code = ended.code
ours = [
    kind
    for name, module in sys.modules.items()
    if name.startswith("ocitool.")
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == name and "__dataclass_fields__" in vars(kind)
]
compiled = [kind for kind in ours if kind.__init__.__code__.co_name != "first"]
looked = sum(one["collections"] for one in gc.get_stats())
heavy = [name for name in ("ast", "dis", "locale", "tokenize", "tomllib", "_hashlib") if name in sys.modules]
stood = ("copy", "dataclasses", "datetime", "gettext", "inspect", "ipaddress", "platform", "selectors", "shlex")
heavy += [name for name in stood if name in sys.modules and "__file__" in vars(sys.modules[name])]
counts = dict(code=code, modules=len(sys.modules), compiled=len(compiled), kinds=len(ours), looked=looked, heavy=heavy)
sys.stdout.write("\\n" + json.dumps(counts))
sys.stdout.flush()
"""


def counted(*argv: str) -> dict[str, object]:
    """How much a command line that succeeds loads, compiles and looks through."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTS.format(argv=list(argv))],
        cwd=REPOSITORY,
        env=untraced(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [["manifest", "get"], ["inspect"]])
def test_one_manifest_costs_little_before_and_after_it_is_read(command):
    """Modules of the interpreter's own start are counted too; a class is compiled where one of it is made."""
    with fake_registry() as registry:
        content = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
        digest = str(Digest.of(content))
        registry.tags["app", "v1"] = digest
        registry.manifests["app", digest] = ("application/vnd.oci.image.index.v1+json", content)
        counts = counted(*command, f"{registry.host}/app:v1")
        modules = loaded(*command, f"{registry.host}/app:v1")

    assert set() == modules & {
        "httpx",
        "ssl",
        "email.utils",
        "encodings.idna",
        "random",
        "rich",
        "ocitool.documentation",
    }
    assert counts.pop("code") == 0
    assert [] == counts.pop("heavy")
    assert {} == {name: n for name, n in counts.items() if n > MOST[name]}


def test_a_copy_inside_a_registry_costs_little_and_loads_nothing_about_bytes_that_are_sent_or_kept():
    with fake_registry() as registry:
        content = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
        digest = str(Digest.of(content))
        registry.tags["app", "v1"] = digest
        registry.manifests["app", digest] = ("application/vnd.oci.image.index.v1+json", content)
        counts = counted("copy", f"{registry.host}/app:v1", f"{registry.host}/other:v1")
        modules = loaded("copy", f"{registry.host}/app:v1", f"{registry.host}/another:v1")

    assert set() == modules & {"ocitool.store.layout", "ocitool.registry.downloads", "ocitool.store.archive_read"}
    assert counts.pop("code") == 0
    assert [] == counts.pop("heavy")
    assert {} == {name: n for name, n in counts.items() if n > MOST_OF_A_COPY[name]}


MOST = {"modules": 207, "compiled": 2, "kinds": 70, "looked": 16}
"""A few more than were counted when this was written; at first, 333 modules, all of 64 classes, 60 looks."""
MOST_OF_A_COPY = {"modules": 225, "compiled": 2, "kinds": 92, "looked": 16}
"""The same, of a copy."""
