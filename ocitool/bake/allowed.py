"""The grants of a bake file: by itself it reaches files below the current folder, and no network of the host."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.bake.definition import ChosenTargets
from ocitool.errors import UsageError

_GRANTS: Final = {"fs": ("read", "write"), "fs.read": ("read",), "fs.write": ("write",)}
_CACHES: Final = ("cache-from", "cache-to")


def check_allowed(chosen: ChosenTargets, allow: Iterable[str], folder: Path) -> None:
    """Raise UsageError for a path outside `folder` that is read or written, unless --allow names it or `*`.

    As with buildx the file that says what is built may come from somebody else than who builds it.
    """
    words = [word.strip() for text in allow for word in text.split(",")]
    open_for: dict[str, list[Path]] = {"read": [folder], "write": [folder]}
    for word in words:
        kind, _, path = word.partition("=")
        for way in _GRANTS.get(kind, ()):
            open_for[way].append(Path("/") if path in {"", "*"} else folder / path)
    lacking = []
    for name, target in chosen.targets.items():
        lacking += [(name, "have", one, one) for one in target.get("entitlements", ()) if one not in words]
        for way, path in _paths(target):
            real = Path(os.path.realpath(folder / path))
            if path and not any(real.is_relative_to(os.path.realpath(one)) for one in open_for[way]):
                lacking.append((name, way, path, f"fs.{way}={path}"))
    if lacking:
        name, way, what, _ = lacking[0]
        flags = dict.fromkeys(f"--allow {grant}" for _, _, _, grant in lacking)
        raise UsageError(
            f"target {name} would {way} {what}, which a bake file may not by itself", hint=f"add {' '.join(flags)}"
        )


def _paths(target: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The paths that a target reads or writes."""
    context = target["context"]
    local = [context] if "://" not in context else []
    if local and "dockerfile-inline" not in target:
        local.append(os.path.join(context, target["dockerfile"].removeprefix("cwd://")))  # noqa: PTH118 - a text
    local += [place.removeprefix("cwd://") for place in target.get("contexts", {}).values()]
    for place in local:
        if not place.startswith(("target:", "docker-image:")) and "://" not in place:
            yield "read", place
    local_caches = {side: [one for one in target.get(side, ()) if one.type == "local"] for side in _CACHES}
    for one in (*target.get("secret", ()), *local_caches["cache-from"]):
        yield "read", dict(one.words).get("src", "")
    for one in (*target.get("output", ()), *local_caches["cache-to"]):
        yield "write", dict(one.words).get("dest", "").removeprefix("-")
    for one in target.get("ssh", ()):
        yield from (("read", path) for path in dict(one.words).get("paths", ()))
