"""What the tests of RUN build upon: images of Debian's packages in a registry, and a user without rights."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ocitool.model.platform import Platform, choose
from ocitool.model.views import Index, Manifest, view
from ocitool.registry.hosts import Access
from ocitool.rootfs.tree import Node, read_file, read_tree
from ocitool.store.base import Store
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.unprivileged import Unprivileged, unprivileged, why_not
from tests.peers import debian
from tests.peers.registries import Registry

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")


TUN = "mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200"
"""What gives a command a device for networks of its own; this machine's may be root's alone."""


def private(script: str) -> list[str]:
    """Words of root's that start a command after a script, in a mount namespace that ends with it."""
    return [str(peers.find("unshare")), "-m", "--propagation", "private", "sh", "-ec", f'{script}; exec "$@"', "sh"]


@dataclass(frozen=True, slots=True)
class World:
    """A user without rights, and a registry that it takes for Docker Hub."""

    user: Unprivileged
    registry: Registry

    def write(self, text: str, **files: str | bytes) -> None:
        """The Dockerfile, and files beside it."""
        (self.user.app / "Dockerfile").write_text(text)
        for name, content in files.items():
            path = self.user.app / name.replace("__", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o644)

    def build(self, *words: object, to: str = "out", **how: object):
        """Build `app` to a layout in the home; `image(to)` reads it."""
        return self.user("build", ".", "-o", f"oci:{self.user.home}/{to}:1", *words, **how)

    def image(self, to: str = "out", platform: str = "linux/amd64") -> "Image":
        """The image that `build` made."""
        return Image.of(LayoutStore(self.user.home / to), "1", platform)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one platform in a store."""

    store: Store
    manifest: Manifest

    @classmethod
    def of(cls, store: Store, name: str, platform: str) -> "Image":
        """The image that a name holds for a platform."""
        found = view(store.get_manifest(name))
        if isinstance(found, Index):
            entry = choose(Platform.parse(platform), found.entries, lambda entry: entry.platform)
            assert entry is not None, f"nothing for {platform}"
            found = view(store.get_manifest(str(entry.digest)))
        assert isinstance(found, Manifest)
        return cls(store, found)

    @property
    def config(self) -> dict:
        """Its config."""
        return json.loads(read_blob(self.store, self.manifest.config, 1 << 20))

    @property
    def tree(self) -> dict[str, Node]:
        """Its files by their paths, layers over each other."""
        return dict(read_tree(self.store, self.manifest, None, scope=Scope()).walk())

    def text(self, path: str) -> str:
        """What a file holds."""
        tree = read_tree(self.store, self.manifest, None, scope=Scope())
        return b"".join(read_file(self.store, self.manifest, tree, path, scope=Scope())).decode()


@contextmanager
def world(registry: Registry, **images: dict[str, object]) -> Iterator[World]:
    """A user, and `alpine`, `debian` and what `images` names in a registry that its settings name as Docker Hub.

    Each of `images` is a name and what stands in its config. Skips with the reason where a machine lacks something.
    """
    executor_or_skip()
    if why := why_not():
        pytest.skip(why)
    try:
        boxes = [debian.busybox(platform) for platform in PLATFORMS]
        systems = [debian.system(platform) for platform in PLATFORMS[:2]]
        peers.find("runc")
    except peers.Missing as missing:
        pytest.skip(str(missing))
    with unprivileged() as user, Opener(Access(), Scope()) as opener:
        for name, roots, settings in (
            ("alpine", boxes, {}),
            ("debian", systems, {}),
            *((name, systems, settings) for name, settings in images.items()),
        ):
            store, tag = opener.open(f"{registry.host}/library/{name}:latest", write=True)
            debian.put(store, tag, roots, **settings)
        conf = user.home / ".config/containers/registries.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{registry.host}"\ninsecure = true\n')
        for folder in (user.home / ".config", conf.parent):
            folder.chmod(0o755)
        yield World(user, registry)


def executor_or_skip() -> None:
    """Skip where nothing carries RUN out yet."""
    try:
        importlib.import_module("ocitool.executor.runtime")
    except ModuleNotFoundError:
        pytest.skip("this checkout has no executor for RUN")


def repository(platform: str) -> Path:
    """A folder of packages that apt reads, or a skip."""
    try:
        return debian.repository(platform)
    except peers.Missing as missing:
        pytest.skip(str(missing))
