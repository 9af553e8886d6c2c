"""Targets of bake files as the flags of `buildx build`: each is built by what that command does."""

import json
import os.path
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ocitool.bake.definition import ChosenTargets
from ocitool.bake.target import Override, Target, read_override
from ocitool.cli.buildx.attestations import OFF, ON
from ocitool.cli.buildx.command import BUILDX, carry_out
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import make_way, write_text
from ocitool.errors import UsageError
from ocitool.events import Noted
from ocitool.toolchains.workdir import temporary_folder

_LINK: Final = "target:"


def build_all(app: App, chosen: ChosenTargets, flags: Mapping[str, Any], metadata_file: Path | None) -> Outcome:
    """Build the targets one after the other, those that others stand on first.

    `flags` are what all of them get from the command line. The metadata file holds what `buildx build` would write
    of each, by its name.
    """
    make_way((metadata_file,))
    folder = app.stack.enter_context(temporary_folder(None))
    order = in_order(chosen)
    above = {name: tuple(_links(chosen, name)) for name in order}
    platforms = _platforms(chosen, order, above)
    layouts = {name: folder / name for name in order if above[name]}
    told: dict[str, Outcome] = {}
    metadata: dict[str, Any] = {}
    for name in order:
        app.listener(Noted(f"target {name}", "notice"))
        target = chosen.targets[name]
        words = {**flags, **flags_of(target, layouts), "metadata_file": folder / f"{name}.json"}
        words["platforms"] = platforms[name]
        if name in layouts:
            words["outputs"] = (*(() if name in chosen.linked else words["outputs"]), f"oci:{layouts[name]}")
        try:
            done = carry_out(app, target["context"], words, BUILDX)
        except BaseException as error:
            error.add_note(f"target {name}")
            raise
        if name not in chosen.linked:
            told[name] = done
        if words["metadata_file"].exists():
            metadata[name] = json.loads(words["metadata_file"].read_text())
    if metadata_file is not None:
        write_text(metadata_file, json.dumps(metadata, indent=2) + "\n")
    return Outcome(
        {"targets": {name: dict(one.data) for name, one in told.items()}},
        "\n".join(one.text for one in told.values() if one.text),
        max((one.exit_code for one in told.values()), default=0),
        "\n".join(f"{name}\n{one.summary}" for name, one in told.items() if one.summary),
    )


def overrides_of(sets: Iterable[str], flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Override, ...]:
    """What --set says, and what --push and its siblings stand for. Raises UsageError."""
    words = [*sets]
    for name in ("push", "load"):
        words += [f"*.{name}=true"] if flags[name] else []
    method = "check" if flags["check"] else flags["call"]
    words += [f"*.call={method}"] if method and method != "build" else []
    for name in ("no_cache", "pull"):
        words += [f"*.{name.replace('_', '-')}=true"] if flags[name] else []
    for name in ("sbom", "provenance"):
        said = flags[name]
        if said in ON | OFF:
            words.append(f"*.attest=type={name},disabled={'false' if said in ON else 'true'}")
        elif said:
            words.append(f"*.attest=type={name},{said if '=' in said else f'format={said}'}")
    return tuple(filter(None, (read_override(word, environ) for word in words)))


def _links(chosen: ChosenTargets, name: str) -> Iterator[str]:
    """The targets that stand on one."""
    for other, target in chosen.targets.items():
        if f"{_LINK}{name}" in target.get("contexts", {}).values():
            yield other


def _platforms(
    chosen: ChosenTargets, order: Sequence[str], above: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """What each target is built for: where it does not say, what those `above` it are built for."""
    found: dict[str, tuple[str, ...]] = {}
    for name in reversed(order):
        said = chosen.targets[name].get("platforms", ())
        found[name] = said or tuple(dict.fromkeys(one for other in above[name] for one in found[other]))
    return found


def in_order(chosen: ChosenTargets) -> tuple[str, ...]:
    """The targets by name, each behind what it stands on."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name in found:
            return
        for place in chosen.targets[name].get("contexts", {}).values():
            if place.startswith(_LINK):
                add(place.removeprefix(_LINK))
        found[name] = None

    for name in sorted(chosen.targets):
        add(name)
    return tuple(found)


def flags_of(target: Target, layouts: Mapping[str, Path]) -> dict[str, Any]:
    """What a target means, as click would hand it to `buildx build`. Raises UsageError for standard input."""
    inline, file = target.get("dockerfile-inline"), target["dockerfile"]
    if "-" in {target["context"], file}:
        raise UsageError("a target reads nothing from standard input", hint="name a folder, or use buildx build")
    if not file.startswith("cwd://") and "://" not in target["context"]:
        file = os.path.join(target["context"], file)  # noqa: PTH118 - it may lead upward, and stays a text
    contexts = {
        name: f"oci:{layouts[place.removeprefix(_LINK)]}"
        if place.startswith(_LINK)
        else place.removeprefix("cwd://")
        for name, place in target.get("contexts", {}).items()
    }
    return {
        "file": None if inline is not None else Path(file.removeprefix("cwd://")),
        "dockerfile_text": inline,
        "build_arg": _pairs(target.get("args", {})),
        "label": _pairs(target.get("labels", {})),
        "build_context": _pairs(contexts),
        "add_hosts": _pairs(target.get("extra-hosts", {}), ":"),
        "annotation": target.get("annotations", ()),
        "tags": target.get("tags", ()),
        "target": target.get("target", ""),
        "outputs": _entries(target, "output"),
        "cache_from": _entries(target, "cache-from"),
        "cache_to": _entries(target, "cache-to"),
        "secrets": _entries(target, "secret", "id"),
        "ssh": tuple(_agent(one.type, dict(one.words).get("paths", ())) for one in target.get("ssh", ())),
        "attest": _entries(target, "attest"),
        "no_cache": target.get("no-cache", False),
        "fresh": target.get("no-cache-filter", ()),
        "network": target.get("network", ""),
        "shm_size": target.get("shm-size", ""),
        "ulimits": target.get("ulimits", ()),
        "allow": target.get("entitlements", ()),
        "call": target.get("call", ""),
    }


def _pairs(words: Mapping[str, str], sign: str = "=") -> tuple[str, ...]:
    return tuple(f"{key}{sign}{value}" for key, value in words.items())


def _entries(target: Target, name: str, head: str = "type") -> tuple[str, ...]:
    return tuple(one.csv(head) for one in target.get(name, ()))


def _agent(name: str, paths: Sequence[str]) -> str:
    return f"{name}={','.join(paths)}" if paths else name
