"""What a build left in a layout, looked into."""

import json

from ocitool.model.platform import Platform, choose
from ocitool.model.views import Index, view
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope


class Built:
    """One image of the layout `folder`: its manifest, its config, its merged tree."""

    def __init__(self, folder, platform="linux/amd64"):
        self.store = LayoutStore(folder)
        seen = view(self.store.get_manifest("1"))
        if isinstance(seen, Index):
            entry = choose(Platform.parse(platform), seen.platforms, lambda e: e.platform)
            seen = view(self.store.get_manifest(str(entry.digest)))
        self.manifest = seen
        self.config = json.loads(read_blob(self.store, seen.config, 1 << 20))
        self.tree = read_tree(self.store, seen, None, scope=Scope())

    def data(self, path):
        return b"".join(read_file(self.store, self.manifest, self.tree, path, scope=Scope()))

    def files(self):
        """Path to (kind, mode, owner)."""
        return {p: (n.kind.name, oct(n.mode), f"{n.uid}:{n.gid}") for p, n in self.tree.walk()}

    @property
    def told(self):
        return [(step["created_by"], step.get("empty_layer", False)) for step in self.config["history"]]


def built(home, outcome, platform="linux/amd64"):
    assert 0 == outcome.exit_code, outcome.stderr
    return Built(home / "img", platform)
