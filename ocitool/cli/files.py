"""An image's files, for the commands that look into them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ocitool.cli.options import App
from ocitool.events import Noted
from ocitool.model.files import FileKind
from ocitool.model.printable import shown
from ocitool.model.views import Manifest
from ocitool.rootfs.tree import Node

_LETTERS: Final = {
    FileKind.DIRECTORY: "d",
    FileKind.SYMLINK: "l",
    FileKind.CHAR: "c",
    FileKind.BLOCK: "b",
    FileKind.FIFO: "p",
    FileKind.HARDLINK: "h",
}
_LAST_SECOND: Final = 253402300799
_NAMED: Final = 3


def warn_of(app: App, what: str, paths: Sequence[str]) -> None:
    """Tell what happened to some paths, in one line that names the first of them."""
    distinct = list(dict.fromkeys(paths))
    if distinct:
        names = ", ".join(f"/{shown(path)}" for path in distinct[:_NAMED])
        more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
        app.listener(Noted(f"{what}: {names}{more}"))


def long_line(path: str, node: Node) -> str:
    """One file as `ls -l` would tell it, with numeric owners and the time in UTC."""
    bits = "".join(letter if node.mode & (0o400 >> place) else "-" for place, letter in enumerate("rwxrwxrwx"))
    letters = list(bits)
    for bit, place, letter in ((0o4000, 2, "s"), (0o2000, 5, "s"), (0o1000, 8, "t")):
        if node.mode & bit:
            letters[place] = letter if letters[place] == "x" else letter.upper()
    mode = _LETTERS.get(node.kind, "-") + "".join(letters)
    size = f"{node.device[0]},{node.device[1]}" if node.kind in (FileKind.CHAR, FileKind.BLOCK) else str(node.size)
    link = f" -> {shown(node.link)}" if node.link else ""
    return f"{mode} {f'{node.uid}:{node.gid}':>9} {size:>11} {_time(node.mtime)} {shown(path)}{link}"


def file_tree(path: str, node: Node, manifest: Manifest) -> Mapping[str, Any]:
    """One file for --json; `layer` is the digest of the layer that its attributes and content come from."""
    tree: dict[str, Any] = {
        "path": shown(path),
        "kind": node.kind.name.lower(),
        "mode": f"{node.mode:04o}",
        "uid": node.uid,
        "gid": node.gid,
        "size": node.size,
        "mtime": _time(node.mtime),
    }
    if node.link:
        tree["link"] = shown(node.link)
    if node.device != (0, 0):
        tree["device"] = list(node.device)
    if node.xattrs:
        tree["xattrs"] = {shown(key): value.hex() for key, value in node.xattrs}
    if 0 <= node.layer < len(manifest.layers):
        tree["layer"] = str(manifest.layers[node.layer].digest)
    return tree


def _time(second: int) -> str:
    moment = datetime.fromtimestamp(min(max(second, 0), _LAST_SECOND), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
