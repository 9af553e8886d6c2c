"""RUN side by side with BuildKit's worker of runc: what it changes, what it sees, config and history are equal.

What BuildKit makes is the expectation. What differs on purpose stands in docs/reference/buildkit-differences.md.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ocitool.store.layout import LayoutStore
from tests import peers
from tests.conftest import REPOSITORY
from tests.interop.dockerfiles import CASES as COMMON_CASES
from tests.interop.dockerfiles import NEITHER as COMMON_NEITHER
from tests.interop.run_dockerfiles import CASES, NEITHER
from tests.interop.run_world import executor_or_skip
from tests.interop.sidebyside import EPOCH, Case, File, Seen, difference, make_context, make_folders, seen_in
from tests.interop.test_buildkit import FORGIVEN as COMMON
from tests.interop.test_buildkit import without
from tests.peers import debian
from tests.peers.buildkit import BuildKit, Refused, buildkit

pytestmark = pytest.mark.interop
AMD64 = "linux/amd64"


def _without_attributes(seen: Seen) -> Seen:
    def plain(files: dict[str, File]) -> dict[str, File]:
        return {path: replace(file, attributes=()) for path, file in files.items()}

    return Seen(seen.config, tuple(map(plain, seen.layers)), plain(seen.tree))


def _without_script(seen: Seen) -> Seen:
    rest = without("name")(seen)
    history = [step for step in rest.history if not step["created_by"].startswith("RUN")]
    return Seen({**rest.config, "history": history}, rest.layers, rest.tree)


FORGIVEN: dict[str, Callable[[Seen], Seen]] = {
    **COMMON,
    "Extended attributes": _without_attributes,
    "Owners of devices": without("owner.of.a.device"),
    "Places of mounts": without("dev", "proc", "sys"),
    "No agent": without("agent"),
    "Scripts behind tabs": _without_script,
}


@dataclass(frozen=True, slots=True)
class World:
    """What Dockerfiles copy from and are built upon, a store that all builds of ours share, and the daemon."""

    root: Path
    context: Path
    folders: dict[str, Path]
    bases: dict[str, tuple[Path, str]]
    daemon: BuildKit

    def theirs(self, case: Case, to: Path) -> LayoutStore:
        """What BuildKit makes of it. Raises Refused."""
        words = [
            "--opt",
            f"platform={AMD64}",
            "--opt",
            f"target={case.target}",
            *(word for pair in case.words for word in pair),
        ]
        for name, (layout, digest) in self.bases.items():
            words += ["--oci-layout", f"{name}={layout}", "--opt", f"context:{name}=oci-layout://{name}@{digest}"]
        for name, folder in self.folders.items():
            words += ["--local", f"{name}={folder}", "--opt", f"context:{name}=local:{name}"]
        for name, value in {**case.args, "SOURCE_DATE_EPOCH": EPOCH}.items():
            words += ["--opt", f"build-arg:{name}={value}"]
        for name in case.secrets:
            words += ["--secret", f"id={name},src={self.root / name}"]
        return self.daemon.build(self.context, to, "--no-cache", *words)

    def ours(self, case: Case, to: Path, run: Callable[..., Any], *more: object) -> Any:
        """The outcome of our build, whose image is in the layout `to`."""
        words: list[object] = [self.context, "--format", "oci", "-o", f"oci:{to}:1", "--platform", AMD64, *case.own]
        words += [
            "--cache-dir",
            self.root / "store",
            "--no-cache",
            *(["--target", case.target] if case.target else []),
        ]
        for name, (layout, _) in self.bases.items():
            words += ["--build-context", f"{name}=oci-layout://{layout}:1"]
        for name, folder in self.folders.items():
            words += ["--build-context", f"{name}={folder}"]
        for name, value in case.args.items():
            words += ["--build-arg", f"{name}={value}"]
        for name in case.secrets:
            words += ["--secret", f"id={name},src={self.root / name}"]
        return run("build", *words, *more)


def write(root: Path, context: Path, case: Case) -> None:
    """The Dockerfile and its ignore file in a context, and secrets in `root`, in place of those of another test."""
    for name, text in {"Dockerfile": case.text, ".dockerignore": case.ignore}.items():
        with suppress(FileNotFoundError):
            (context / name).unlink()
        if text:
            (context / name).write_text(text)
    for name, text in case.secrets.items():
        (root / name).write_text(text)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    executor_or_skip()
    root = tmp_path_factory.mktemp("runs")
    try:
        roots = {"box": debian.busybox(AMD64), "deb": debian.system(AMD64)}
        folders = {"repo": debian.repository(AMD64), "extra": make_folders(root)["extra"]}
        bases = {}
        for name, one in roots.items():
            digest = debian.put(LayoutStore(root / "bases" / name, create=True), "1", [one])
            bases[name] = (root / "bases" / name, str(digest))
        with buildkit(root / "daemon", "overlayfs") as daemon:
            made = World(root, make_context(root / "context"), folders, bases, daemon)
            yield made
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True)
def _epoch(monkeypatch, home):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    monkeypatch.delenv("OCITOOL_NO_RUN", raising=False)


@pytest.mark.parametrize("name", CASES)
def test_the_image_is_what_buildkit_makes(name, world, run, tmp_path):
    case = CASES[name]
    write(world.root, world.context, case)

    theirs = seen_in(world.theirs(case, tmp_path / "theirs"), AMD64)
    outcome = world.ours(case, tmp_path / "ours", run)

    assert 0 == outcome.exit_code, outcome.stderr
    ours = seen_in(LayoutStore(tmp_path / "ours"), AMD64)
    is_equal = theirs == ours
    if case.differs:
        theirs, ours = FORGIVEN[case.differs](theirs), FORGIVEN[case.differs](ours)
    assert {} == difference(theirs.tree, ours.tree)
    assert theirs.history == ours.history
    assert {} == difference(theirs.config, ours.config)
    for number, (layer, own) in enumerate(zip(theirs.layers, ours.layers, strict=True)):
        assert {} == difference(layer, own), number
    assert bool(case.differs) != is_equal, f"{case.differs!r} is no difference any more"


@pytest.mark.parametrize("name", NEITHER)
def test_what_buildkit_refuses_is_refused(name, world, run, tmp_path):
    write(world.root, world.context, NEITHER[name])

    with pytest.raises(Refused):
        world.theirs(NEITHER[name], tmp_path / "theirs")
    outcome = world.ours(NEITHER[name], tmp_path / "ours", run)

    assert outcome.exit_code in {2, 3, 7, 9}, outcome.stderr
    assert "Dockerfile" in outcome.stderr


def test_the_page_of_differences_counts_the_dockerfiles():
    both, neither = len(COMMON_CASES) + len(CASES), len(COMMON_NEITHER) + len(NEITHER)
    text = (REPOSITORY / "docs/reference/buildkit-differences.md").read_text()

    assert f"the same {both} Dockerfiles" in text
    assert f"{len(CASES)} of them with RUN" in text
    assert f"refuse the same {neither}." in text
