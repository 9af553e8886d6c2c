"""Who may import whom: the layering rule as a table, checked against every file."""

import ast
import sys

import pytest

from tests.structure.source import Import, imports, modules

pytestmark = pytest.mark.slow  # every file is parsed

# Import strictly downward. On one level only the edges written in BESIDE.
LEVELS = (
    ("values", "version"),
    ("documentation", "errors", "events", "findings", "tasks"),
    ("model",),
    ("codec", "binaries", "arguments"),
    ("store.base", "store.verify", "registry"),
    ("store", "graph", "pack", "rootfs"),
    ("workspace", "change", "image", "toolchains", "executor"),
    ("bake", "index", "project", "check", "sign", "artifact", "attest", "repository"),
    ("dockerfile", "repair", "report", "sync"),
    ("builder",),
    ("read_only_client",),
    ("change_client",),
    ("client",),
    ("artifact.oras",),  # public too, and made of a client
    ("cli",),
)
BESIDE = {
    "tasks": {"errors"},
    "store.verify": {"store.base"},
    "check": {"project"},  # rules are chosen in ocitool.toml
    "rootfs": {"pack"},  # an exported tree is a tar of entries
    "sign": {"project", "attest"},  # a policy is a TOML file, and what is attested is signed
    "executor": {"toolchains", "workspace"},  # one place starts processes, and one knows this machine
}

# A third party, or a module of the standard library with teeth, has one home.
HOMES = {
    "httpx": {"registry.httpx_client"},
    "h11": {"registry.transport"},
    "cryptography": {"sign.keys"},
    "oras": {"artifact"},
    "requests": {"artifact"},  # oras-py answers with its responses
    "deflate": {"codec.codecs"},
    "isal": {"codec.codecs"},
    "zstandard": {"codec.codecs"},
    "certifi": {"image.essentials"},
    "tzdata": {"image.essentials"},
    "click": {"cli"},
    "rich": {"cli.console"},
    "yaml": {"index.yaml"},
    "hcl2": {"bake.syntax"},
    "lark": {"bake.syntax"},  # what hcl2 is made of
    "sqlite3": {"attest.distributions"},
    "subprocess": {"toolchains.processes", "registry.credential_helpers"},
}

# Everything else imports at the top of the file. Optional codecs and the three lazy tables are the reasons.
LAZY = {
    "ocitool.__getattr__",  # the public names
    "ocitool.model.digest",  # OpenSSL, when more is hashed than documents
    "ocitool.codec.codecs",  # codecs, each loaded when a layer needs it
    "ocitool.image.essentials",  # the data of --with, looked for only when asked
    "ocitool.store.remote._upload",  # uploads and their journal, when a blob is sent
    "ocitool.registry.repository._resumed",  # downloads, when one is read
    "ocitool.change.journal._layout",  # a layout, where something is kept in one or was
    "ocitool.store.locate",  # the second table: what users type → adapter
    "ocitool.read_only_client",  # the third: a method of Client → what it does (ADR 0077)
    "ocitool.change_client",
    "ocitool.client",
    "ocitool.builder.compile",  # the fourth: toolchain → what compiles
    "ocitool.builder.frontends",  # the fifth: what a folder is built by, a Dockerfile or sources, and with which sysroots
    "ocitool.builder.dockerfile_frontend._sysroots",  # the same, for its stages
    "ocitool.builder.executors",  # what starts processes, where a RUN line has to be carried out
    "ocitool.dockerfile.frontend",  # what RUN lines and --check need
    "ocitool.dockerfile.evaluate._run",
    "ocitool.dockerfile.reached.download",  # HTTP, where an ADD names a URL
    "ocitool.cli.buildx.command._received",  # or the context is one
    "ocitool.cli.buildx.command._source",  # the reading of archives, where one comes
    "ocitool.cli.buildx.command._read_stdin",  # the same
    "ocitool.dockerfile.lint.source_rules._process",
    "ocitool.dockerfile.run.overrides",  # what RUN lines do, and what compiles in their place
    "ocitool.builder.trust",  # cryptography, where something has to be signed or is
    "ocitool.builder.contents",  # libraries, where there is a sysroot to take them from, and debug information
    "ocitool.index.copy_plans._chosen",  # how an index changes and what platform an image is for, where a part is copied
    "ocitool.change.apply._beside",  # signatures, where a change attaches some
    "ocitool.toolchains.workdir.temporary_folder",  # random names, where something is written that does not stay
    "ocitool.builder.publish",  # files, where they are what is wanted
    "ocitool.binaries.identify.inspect_stream",  # tempfile, for a stream that has to be read twice
    "ocitool.check.caching_reader",
    "ocitool.project.trust.named_policy",  # the same
    "ocitool.project.promises.promises_here",  # the same
    "ocitool.model.toml.parse_toml",  # the parser, where there is a file
    "ocitool.check.config._table",  # TOML, where there is an ocitool.toml
    "ocitool.builder.pipeline._attached",  # what attests, where something is to be attested
    "ocitool.builder.project._has_c",  # what C sources are, where no build file says how to build
    "ocitool.cli.buildx.command.carry_out",  # a Dockerfile looked at instead of built
    "ocitool.cli.buildx.command._previewed",  # what is only told
    "ocitool.cli.table",  # the first table: command → module
    "ocitool.cli.outcome._page_of",  # what exit codes mean, when one is told
    "ocitool.cli.outcome.envelope",  # root help needs no json
    "ocitool.cli.console.start",  # rich, where something is drawn
    "ocitool.cli.root.run",  # what tells an error, when there is one
    "ocitool.cli.root.get_help",  # examples, where help is asked for
    "ocitool.cli.root.get_command",  # values that are offered, where a shell asks for some
    "ocitool.cli.root._call",  # the same
    "ocitool.cli.root.shell_complete",
    "ocitool.cli.suggestions",  # each kind of value has another source
    "ocitool.cli.cmd.inspect.command",  # the page and its style sheet, where one is written
    "ocitool.cli.cmd.check.command",
    "ocitool.cli.cmd.diff.command",
    "ocitool.cli",  # --version is answered before click is imported
    "ocitool.errors.local_io",  # errno, for the functions that read it
    "ocitool.errors.output_error",
    "ocitool.errors.closest",  # difflib, for a hint
    "ocitool.registry.credentials._from_file",  # subprocess, where a helper program is named
    "ocitool.registry.ci_identity._of_cloud",  # subprocess, where the host is a cloud's
    "ocitool.registry.error_response.diagnostics",  # every entity of HTML, for a refusal that is written in it
    "ocitool.registry.hostsconfig._tables",  # TOML, where there is a registries.conf
    "ocitool.store.machine",  # the layout where content is kept; shutil and tempfile, which bring compressors along
    "ocitool.cli.streams",  # --version loads no errors
    "ocitool.cli.signals",  # root help needs no tasks
    "ocitool.tasks.interrupt_workers",  # ctypes, after a signal
    "ocitool.index.editor.create",  # TOML, when a spec is read
    "ocitool.bake.syntax._parse",  # a parser of HCL, when a bake file is written in it
    "ocitool.index.spec._yaml",  # PyYAML, when a spec is written in YAML
    "ocitool.binaries.identify._identify",  # readers of ELF, PE and Mach-O, for the first program of each
    "ocitool.__main__",
    "ocitool.values",  # the standard library's dataclasses, for who asks a class of ours about its fields
    "ocitool.registry.connections._reach",  # SOCKS, where a proxy speaks it
    "ocitool.registry.connections._secure",  # TLS, where a host speaks it
    "ocitool.registry.http._context",
    "ocitool.registry.http._network_error",
    "ocitool.registry.hosts.home_folder",  # the list of users, where HOME is not set
    "ocitool.registry.probe.speaks_tls",  # TLS, where somebody may speak it
    "ocitool.registry.downloads._edition",  # as the next one
    "ocitool.registry.numbers._moment",  # seventeen modules of email, for the one function that reads dates
}


def unit(module: str) -> str:
    """The row of LEVELS a module belongs to."""
    inner = module.removeprefix("ocitool").removeprefix(".")
    if inner in {"", "__main__"}:
        return "cli"
    if inner in {"store.base", "store.verify", "artifact.oras"}:
        return inner
    return inner.split(".")[0]


LEVEL_OF = {name: number for number, row in enumerate(LEVELS) for name in row}


def ours() -> list[Import]:
    """Imports within the package; read when a test wants them, since every worker collects every file."""
    return [one for one in imports() if one.target.partition(".")[0] == "ocitool"]


def breaks_the_rule(one: Import) -> bool:
    importer, imported = unit(one.module), unit(one.target)
    if importer == imported or one.target == "ocitool":
        return False
    if LEVEL_OF[imported] == LEVEL_OF[importer]:
        return imported not in BESIDE.get(importer, set())
    return LEVEL_OF[imported] > LEVEL_OF[importer]


def test_every_module_has_a_level():
    assert set() == {unit(module) for module in modules()} - set(LEVEL_OF)


def test_imports_go_downward():
    assert [] == [str(one) for one in ours() if breaks_the_rule(one)]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_third_parties_live_in_one_file(library):
    strangers = [
        str(one)
        for one in imports()
        if one.target.partition(".")[0] == library
        and not any(
            one.module == f"ocitool.{home}" or one.module.startswith(f"ocitool.{home}.") for home in HOMES[library]
        )
        and not one.typing_only
    ]

    assert [] == strangers


def test_every_third_party_has_a_home():
    known = set(HOMES) | {"ocitool"} | set(sys.stdlib_module_names)

    assert [] == [str(one) for one in imports() if one.target.partition(".")[0] not in known]


def test_imports_stand_at_the_top_of_the_file():
    inside = [one for one in imports() if one.inside and not {one.module, f"{one.module}.{one.inside}"} & LAZY]

    assert [] == [f"{one} inside {one.inside}" for one in inside]


def test_threads_are_made_in_tasks_only():
    makers = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor"}
    made = [
        module
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in makers
    ]

    # toolchains.processes has one more, which ends a compiler that ignores SIGTERM while the group is already leaving.
    assert {"ocitool.tasks"} == set(made) - {"ocitool.toolchains.processes"}


def test_tags_are_written_by_change_apply_alone():
    """A call with a tag in it: `put_manifest(document, tag)`, `put_referrer(store, document, tag)`."""
    arguments = {"put_manifest": 1, "put_referrer": 2}
    writers = {
        module
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in arguments
        if len(node.args) > arguments[name] or any(isinstance(one, ast.Starred) for one in node.args)
    }

    assert {"ocitool.change.apply"} == writers - {
        "ocitool.builder.publish",  # names of this machine's own store, which nobody else reads
        "ocitool.change.journal",  # names in the backup itself
        "ocitool.graph.referrers",  # the fallback index of referrers, which only grows and has a rule of its own
        "ocitool.store.remote",  # the repository below the store
        "ocitool.dockerfile.run.cache",  # tags that are keys: one that is there is never written again
    }


def test_no_module_imports_itself_in_a_circle():
    """Imports under TYPE_CHECKING count: two files that need each other's types are one thought in two places."""
    edges: dict[str, set[str]] = {module: set() for module in modules()}
    for one in ours():
        if one.target != one.module and not one.inside:
            edges[one.module].add(one.target)
    # A package whose __init__ is empty imports nothing; what is left after removing leaves again and again is a circle.
    while leaves := {module for module, targets in edges.items() if not targets & set(edges)}:
        for leaf in leaves:
            del edges[leaf]

    assert {} == {module: sorted(targets & set(edges)) for module, targets in edges.items()}


def test_no_module_is_longer_than_600_lines():
    longest = {
        module: max((getattr(n, "end_lineno", 0) for n in tree.body), default=0)
        for module, tree in modules().items()
    }

    assert {} == {module: lines for module, lines in longest.items() if lines > 600}
