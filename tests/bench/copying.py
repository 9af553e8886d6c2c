"""Five images of four layers of 20 MB copied, against what crane, regctl, oras and skopeo take for the same.

Each round has targets that hold nothing: registries of their own, folders of their own, other repositories.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.bench.rows import OCITOOL, Best, Row, call, least, until_asked, without
from tests.fakes.images import put_image
from tests.peers.registries import distribution

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/s390x")
LAYERS, SIZE = 4, 20_000_000


def rows() -> Iterator[Row]:
    """The rows of copies."""
    with tempfile.TemporaryDirectory(prefix="ocitool-bench-") as folder, ExitStack() as stack:
        root = Path(folder)
        source = stack.enter_context(distribution(peers.find("docker-registry"), root / "source"))
        fill(source.host)
        yield from _Copies(root, source.host).rows()


def fill(host: str) -> None:
    """The index to copy: bytes that cannot be compressed, as layers are."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{host}/bench/app", write=True)
        entries = []
        for platform in PLATFORMS:
            layers = [os.urandom(SIZE) for _ in range(LAYERS)]
            image = store.get_manifest(str(put_image(store, "", platform, layers=layers, compress=True)))
            entries.append(replace(Descriptor.of(image), platform=Platform.parse(platform)))
        store.put_manifest(compose.index(Family.OCI, entries), "1")


class _Copies:
    """The ways of each program, and the places for its next round."""

    def __init__(self, root: Path, host: str) -> None:
        self.root, self.host = root, host
        self.source = f"{host}/bench/app:1"
        self.numbers = count(1)
        self.home = root / "home"
        self.target, self.layout, self.start = "", root / "layout", 0.0
        self.run("regctl", "registry", "set", "--tls", "disabled", host)

    def run(self, name: str, *words: object) -> str:
        program = OCITOOL if name == "ocitool" else peers.find(name)
        return call(self.home / name, program, *words)

    def ways(self, registry: Callable[[], str]) -> dict[str, Callable[[], object]]:
        """Into the repository that `registry` names next, for each program."""
        skopeo = ("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false")
        plain = ("--from-plain-http", "--to-plain-http")
        return {
            "ocitool": lambda: self.run("ocitool", "copy", self.source, registry()),
            "crane": lambda: self.run("crane", "copy", "--insecure", self.source, registry()),
            "regctl": lambda: self.run("regctl", "image", "copy", self.source, registry()),
            "oras": lambda: self.run("oras", "copy", *plain, self.source, registry()),
            "skopeo": lambda: self.run("skopeo", *skopeo, f"docker://{self.source}", f"docker://{registry()}"),
        }

    def rows(self) -> Iterator[Row]:
        """A row for each kind of target."""
        self.start = until_asked(self.home / "ocitool", "copy", "HOST/app:1", "HOST/copy:1")
        yield self.into_registries()
        yield self.into_layouts()
        best = least(self.ways(lambda: f"{self.host}/other{next(self.numbers)}/app:1"))
        yield self.row("the same inside one registry", best, 1.5)
        yield from self.second()

    def into_registries(self) -> Row:
        """Each call into a registry that holds nothing, started before and ended after it."""
        with ExitStack() as stack:
            best = least(self.ways(lambda: f"{self.target}/app:1"), before=lambda: self.anew(stack))
        return self.row("copy 5 × 4 × 20 MB to another registry", best, 0.95)

    def row(self, work: str, best: Best, goal: float) -> Row:
        """The row of what the ways took."""
        others = without(best, "ocitool")
        return Row(work, best["ocitool"], others, goal, spent=best.spent["ocitool"], start=self.start)

    def anew(self, stack: ExitStack) -> None:
        """End the registry that was the target, forget its blobs, and start the next one."""
        stack.pop_all().close()
        place = self.root / f"target{next(self.numbers)}"
        registry = stack.enter_context(distribution(peers.find("docker-registry"), place))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        self.target = registry.host
        self.run("regctl", "registry", "set", "--tls", "disabled", registry.host)

    def into_layouts(self) -> Row:
        """Each call into a folder that is not there."""

        def place() -> Path:
            self.layout = self.root / f"layout{next(self.numbers)}"
            return self.layout

        ways: dict[str, Callable[[], object]] = {
            "ocitool": lambda: self.run("ocitool", "copy", self.source, f"oci:{place()}:1"),
            "crane": lambda: self.run("crane", "pull", "--insecure", "--format=oci", self.source, place()),
            "regctl": lambda: self.run("regctl", "image", "copy", self.source, f"ocidir://{place()}:1"),
            "oras": lambda: self.run(
                "oras", "copy", "--from-plain-http", "--to-oci-layout", self.source, f"{place()}:1"
            ),
            "skopeo": lambda: self.run(
                "skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{self.source}", f"oci:{place()}:1"
            ),
        }
        best = least(ways, before=lambda: shutil.rmtree(self.layout, ignore_errors=True))
        shutil.rmtree(self.layout)
        return self.row("the same into a layout", best, 1.0)

    def second(self) -> Iterator[Row]:
        """What is at the target already: in another repository, and under the same name."""
        with ExitStack() as stack:
            self.anew(stack)
            for act in self.ways(lambda: f"{self.target}/first/app:1").values():
                act()
            best = least(self.ways(lambda: f"{self.target}/second{next(self.numbers)}/app:1"))
            yield self.row("the same into a second repository of the target", best, 1.0)
