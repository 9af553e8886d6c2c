"""The same Dockerfiles built by BuildKit and by us: files, owners, modes, links, config and history are equal.

What BuildKit makes is the expectation. What differs on purpose stands in docs/reference/buildkit-differences.md.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.busybox import put_busybox
from tests.fakes.web import serve_files
from tests.interop.dockerfiles import BUILDKIT_ALONE, CASES, NEITHER, OURS_ALONE
from tests.interop.run_dockerfiles import CASES as RUNS
from tests.interop.sidebyside import (
    EPOCH,
    Case,
    File,
    Seen,
    difference,
    make_bases,
    make_context,
    make_folders,
    seen_in,
)
from tests.peers.buildkit import BuildKit, Refused

pytestmark = pytest.mark.interop
SHA512 = "Other checksums than sha256"
TOLD = REPOSITORY / "docs" / "reference" / "buildkit-differences.md"


@dataclass(frozen=True, slots=True)
class World:
    """What Dockerfiles copy from and are built upon, and the two builders."""

    context: Path
    folders: dict[str, Path]
    bases: dict[str, tuple[Path, str]]
    daemon: BuildKit

    def write(self, case: Case) -> None:
        """The Dockerfile and its ignore files, in place of those of another test."""
        texts = {"Dockerfile": case.text, ".dockerignore": case.ignore, "Dockerfile.dockerignore": case.own_ignore}
        for name, text in texts.items():
            with suppress(FileNotFoundError):
                (self.context / name).unlink()
            if text:
                (self.context / name).write_text(text)

    def theirs(self, case: Case, to: Path) -> LayoutStore:
        """What BuildKit makes of it. Raises Refused."""
        words = ["--opt", f"platform={','.join(case.platforms)}", "--opt", f"target={case.target}"]
        for name, (layout, digest) in self.bases.items():
            words += ["--oci-layout", f"{name}={layout}", "--opt", f"context:{name}=oci-layout://{name}@{digest}"]
        for name, folder in self.folders.items():
            words += ["--local", f"{name}={folder}", "--opt", f"context:{name}=local:{name}"]
        for name, value in {**case.args, "SOURCE_DATE_EPOCH": EPOCH}.items():
            words += ["--opt", f"build-arg:{name}={value}"]
        return self.daemon.build(self.context, to, *words)

    def ours(self, case: Case, to: Path, run: Callable[..., Any]) -> Any:
        """The outcome of our build, whose image is in the layout `to`."""
        words: list[object] = [self.context, "--format", "oci", "-o", f"oci:{to}:1"]
        words += ["--platform", ",".join(case.platforms), *(["--target", case.target] if case.target else [])]
        for name, (layout, _) in self.bases.items():
            words += ["--build-context", f"{name}=oci-layout://{layout}:1"]
        for name, folder in self.folders.items():
            words += ["--build-context", f"{name}={folder}"]
        for name, value in case.args.items():
            words += ["--build-arg", f"{name}={value}"]
        return run("build", *words)


@pytest.fixture(scope="module")
def world(buildkit, tmp_path_factory) -> World:
    root = tmp_path_factory.mktemp("sidebyside")
    return World(make_context(root / "context"), make_folders(root), make_bases(root / "bases"), buildkit)


@pytest.fixture(autouse=True)
def _epoch(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))


@pytest.mark.parametrize("name", CASES)
def test_the_image_is_what_buildkit_makes(name, world, run, tmp_path):
    case = CASES[name]
    world.write(case)

    expected = world.theirs(case, tmp_path / "theirs")
    outcome = world.ours(case, tmp_path / "ours", run)

    assert 0 == outcome.exit_code, outcome.stderr
    differing = 0
    for platform in case.platforms:
        theirs, ours = seen_in(expected, platform), seen_in(LayoutStore(tmp_path / "ours"), platform)
        if case.differs:
            differing += theirs != ours
            theirs, ours = FORGIVEN[case.differs](theirs), FORGIVEN[case.differs](ours)
        assert {} == difference(theirs.tree, ours.tree), platform
        assert theirs.history == ours.history, platform
        assert {} == difference(theirs.config, ours.config), platform
        assert len(theirs.layers) == len(ours.layers), platform
        for number, (layer, own) in enumerate(zip(theirs.layers, ours.layers, strict=True)):
            assert {} == difference(layer, own), (platform, number)
    assert bool(case.differs) == bool(differing), f"{case.differs!r} is no difference any more"


def test_the_seeds_dockerfile_over_a_registry(world, run, tmp_path, docker_registry):
    """FROM and --from by tag and by digest; the entries of the index say the same platforms in the same order."""
    base = docker_registry.repository("base")
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{base}:1", write=True)
        digest = put_busybox(store, tag)
    text = (
        f"FROM {base}:1\nARG TARGETARCH\nCOPY /out/${{TARGETARCH}}/app /bin/\n"
        f"COPY --from={base}@{digest} /usr/bin/busybox /copy\n"
    )
    case = Case(text, platforms=("linux/arm64", "linux/amd64", "linux/arm/v7"))
    world.write(case)

    expected = world.theirs(case, tmp_path / "theirs")
    outcome = world.ours(case, tmp_path / "ours", run)

    assert 0 == outcome.exit_code, outcome.stderr
    ours = LayoutStore(tmp_path / "ours")
    assert [str(entry.platform) for entry in view(expected.get_manifest("")).entries] == [
        str(entry.platform) for entry in view(ours.get_manifest("1")).entries
    ]
    for platform in case.platforms:
        assert seen_in(expected, platform) == seen_in(ours, platform)


@pytest.mark.parametrize("name", NEITHER)
def test_what_buildkit_refuses_is_refused(name, world, run, tmp_path):
    world.write(NEITHER[name])

    with pytest.raises(Refused):
        world.theirs(NEITHER[name], tmp_path / "theirs")
    outcome = world.ours(NEITHER[name], tmp_path / "ours", run)

    assert outcome.exit_code in {2, 3}, outcome.stderr
    assert "Dockerfile" in outcome.stderr


@pytest.mark.parametrize("name", BUILDKIT_ALONE)
def test_what_is_refused_here_alone(name, world, run, tmp_path):
    world.write(BUILDKIT_ALONE[name])

    world.theirs(BUILDKIT_ALONE[name], tmp_path / "theirs")
    outcome = world.ours(BUILDKIT_ALONE[name], tmp_path / "ours", run)

    assert outcome.exit_code in {2, 3, 6, 9}
    assert "hint: " in outcome.stderr


@pytest.mark.parametrize("name", OURS_ALONE)
def test_what_buildkit_alone_refuses(name, world, run, tmp_path):
    world.write(OURS_ALONE[name])

    with pytest.raises(Refused):
        world.theirs(OURS_ALONE[name], tmp_path / "theirs")
    outcome = world.ours(OURS_ALONE[name], tmp_path / "ours", run)

    assert 0 == outcome.exit_code, outcome.stderr


def test_checksums_of_other_kinds(world, run, tmp_path):
    with serve_files() as web:
        url, digest = web.put("/f", b"text"), hashlib.sha512(b"text").hexdigest()
        case = Case(f"FROM bb\nADD --checksum=sha512:{digest} {url} /f\n", differs=SHA512)
        world.write(case)
        with pytest.raises(Refused, match="digest mismatch"):
            world.theirs(case, tmp_path / "theirs")
        outcome = world.ours(case, tmp_path / "ours", run)

    assert 0 == outcome.exit_code, outcome.stderr


def test_every_difference_is_told():
    """The page has one heading for each, and none that no Dockerfile shows."""
    shown = {case.differs for table in (CASES, BUILDKIT_ALONE, OURS_ALONE) for case in table.values()} - {""}
    shown |= {case.differs for case in RUNS.values()} - {""}
    shown.add(SHA512)

    assert shown == set(re.findall(r"^### (.*)$", TOLD.read_text(), re.MULTILINE))


def _without_empty_layers(seen: Seen) -> Seen:
    """Layers that hold no file are taken out, and history says so."""
    config, numbers = deepcopy(seen.config), iter(range(len(seen.layers)))
    for step in config["history"]:
        if not step.get("empty_layer") and not seen.layers[next(numbers)]:
            step["empty_layer"] = True
    layers = tuple(layer for layer in seen.layers if layer)
    config["rootfs"]["diff_ids"] = len(layers)
    return Seen(config, layers, seen.tree)


def _without_times(seen: Seen) -> Seen:
    def plain(files: dict[str, File]) -> dict[str, File]:
        return {path: replace(file, mtime=0) for path, file in files.items()}

    return Seen(seen.config, tuple(map(plain, seen.layers)), plain(seen.tree))


def _without_all_times(seen: Seen) -> Seen:
    config = deepcopy(seen.config)
    for told in (config, *config["history"]):
        del told["created"]
    return _without_times(Seen(config, seen.layers, seen.tree))


def _without_repetition(seen: Seen) -> Seen:
    """What is in a layer and was there already, the same, is taken out of it."""
    below: dict[str, File] = {}
    layers = []
    for layer in seen.layers:
        layers.append({path: file for path, file in layer.items() if below.get(path) != file})
        below |= layer
    return _without_empty_layers(Seen(seen.config, tuple(layers), seen.tree))


def _without_history_of_others(seen: Seen) -> Seen:
    history = [step for step in seen.history if step.get("comment") == "buildkit.dockerfile.v0"]
    return Seen({**seen.config, "history": history}, seen.layers, seen.tree)


def _without_labels(seen: Seen) -> Seen:
    config = deepcopy(seen.config)
    assert "a$xb" == config["config"].pop("Labels")["b"]
    config["history"] = [step for step in config["history"] if not step["created_by"].startswith("LABEL")]
    return Seen(config, seen.layers, seen.tree)


def _without_null(seen: Seen) -> Seen:
    config = {"history": [], "created": None, **{key: value for key, value in seen.config.items() if value}}
    return Seen({**config, "created": None}, seen.layers, seen.tree)


def _without_v8(seen: Seen) -> Seen:
    return Seen(
        {key: value for key, value in seen.config.items() if (key, value) != ("variant", "v8")},
        seen.layers,
        seen.tree,
    )


def _without_programs(seen: Seen) -> Seen:
    def others(files: dict[str, File]) -> dict[str, File]:
        return {path: file for path, file in files.items() if path.partition("/")[0] not in {"bin", "usr"}}

    return Seen(seen.config, tuple(map(others, seen.layers)), others(seen.tree))


def without(*paths: str) -> Callable[[Seen], Seen]:
    """What stands at these paths is taken out, and with it what stands in them."""

    def rest(files: dict[str, File]) -> dict[str, File]:
        return {path: file for path, file in files.items() if path not in paths}

    def rest_of(seen: Seen) -> Seen:
        return _without_empty_layers(Seen(seen.config, tuple(map(rest, seen.layers)), rest(seen.tree)))

    return rest_of


FORGIVEN: dict[str, Callable[[Seen], Seen]] = {
    "Layers without a file": _without_empty_layers,
    "Times": _without_times,
    "Images in the place of a stage": _without_all_times,
    "Files that are there already": _without_repetition,
    "A base without history": _without_history_of_others,
    "An image of nothing": _without_null,
    "Archives over links": _without_programs,
    "Dollars in a replacement": _without_labels,
    "Variant v8 of arm64": _without_v8,
    "Regular expressions in .dockerignore": without("a/a.txt"),
    "Sockets": without("o/socket"),
    "Patterns that bring nothing": without("o", "o/*mark"),
}
