"""What tests of one command share: those of Dockerfiles, and those of repairs and what follows them."""

from contextlib import ExitStack

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.based import PLATFORMS, held, members, program, settings
from tests.fakes.busybox import put_busybox
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward, member, tar
from tests.fakes.web import serve_files


@pytest.fixture
def build(home, run, monkeypatch):
    """`build("FROM scratch", …)`: a Dockerfile in the current folder, into oci:img:1."""
    monkeypatch.chdir(home)
    put_busybox(LayoutStore(home / "base", create=True), "1")

    def call(text, *flags, platform="linux/amd64"):
        (home / "Dockerfile").write_text(text)
        return run(
            "build",
            ".",
            "--build-context",
            "bb=oci-layout://base:1",
            "--platform",
            platform,
            "-o",
            "oci:img:1",
            *flags,
        )

    return call


@pytest.fixture
def web():
    """A server of files."""
    with serve_files() as server:
        yield server


@pytest.fixture
def registry():
    """A registry that does what a test tells it to."""
    with fake_registry() as running:
        yield running


@pytest.fixture
def ward():
    """`ward(LOC)`: what fills a place with images."""
    with ExitStack() as stack:
        opener = stack.enter_context(Opener(Access(), Scope()))
        yield lambda place: Ward(opener.open(place, write=True)[0])


@pytest.fixture
def app(registry, ward):
    """The repository that is to be mended."""
    return ward(f"{registry.host}/app")


@pytest.fixture
def name(registry):
    """The tag of it that is."""
    return f"{registry.host}/app:1"


@pytest.fixture
def kept(tmp_path):
    """A layout that has what the registry loses."""
    return Ward(LayoutStore(tmp_path / "kept", create=True))


@pytest.fixture
def base(ward, registry):
    """`base("1")`: let base:1 hold an image of two layers for each platform, whose words and files can be said."""
    repository = ward(f"{registry.host}/base")

    def put(version, *, says=None, top=None, **files):
        def config(tree):
            tree["created"] = f"2026-01-0{version}T00:00:00Z"
            tree["config"] = settings(version) | (says or {})
            tree["config"] = {key: value for key, value in tree["config"].items() if value is not None}
            tree["history"] = [
                {"created": f"2026-01-0{version}T00:00:00Z", "created_by": "base"},
                {"created_by": "CMD", "empty_layer": True},
                {"created_by": "RUN security"},
            ]
            tree.update(top or {})

        entries = [
            repository.image(
                one,
                layers=[tar(*members(one, version, **files)), tar(member("etc/fixed", version.encode()))],
                config=config,
            )
            for one in PLATFORMS
        ]
        repository.index(*entries)

    return put


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A folder with files for both platforms."""
    monkeypatch.chdir(tmp_path)
    for platform in PLATFORMS:
        arch = platform.partition("/")[2]
        (tmp_path / arch).write_bytes(program(platform))
        (tmp_path / arch).chmod(0o755)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("a")
    return tmp_path


@pytest.fixture
def build_upon(run, sources, registry):
    """`build_upon(words, tag)`: build upon base:1 into oci:app, and give the digest."""

    def call(how, tag="1", *flags):
        base = f"{registry.host}/base:1"
        words = ["--platform", ",".join(PLATFORMS), "-o", f"oci:app:{tag}", *flags]
        if isinstance(how, str):
            (sources / "Dockerfile").write_text(how.replace("BASE", base))
            words += ["-f", "Dockerfile"]
        else:
            words += ["--toolchain", "prebuilt", "--base", base, *how]
        done = run("build", ".", *words)
        assert 0 == done.exit_code, done.stderr
        return held(tag)

    return call
