"""The config of an image over another base: what it set itself stays, what it inherited is the new base's. Pure.

A setting is an image's own where its base says otherwise; where both say the same, lines of history tell, which
builds write for each setting. The result has the keys in the order in which a build over the new base writes them.
"""

import json
from collections.abc import Iterable, Mapping, Sized
from functools import cached_property
from typing import Any, Final

from ocitool.errors import Unsupported
from ocitool.image.assemble import (
    BUILDKIT_ORDER,
    LEFTOVERS,
    inherited_history,
    last_time,
    set_platform,
)
from ocitool.image.options import PATH, EnvList
from ocitool.model.document import Document, JsonTree
from ocitool.model.views import History, ImageConfig
from ocitool.values import dataclass

_PROJECT_ORDER: Final = (
    "Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "StopSignal",
)  # fmt: skip
"""The order in which a build of a project sets what its base does not have."""
_WORDS: Final = {
    "User": "USER",
    "WorkingDir": "WORKDIR",
    "StopSignal": "STOPSIGNAL",
    "Entrypoint": "ENTRYPOINT",
    "Cmd": "CMD",
    "ArgsEscaped": "CMD",
    "Healthcheck": "HEALTHCHECK",
    "Shell": "SHELL",
    "OnBuild": "ONBUILD",
}
"""Settings of one value, and the instruction that sets each."""
_TABLES: Final = {"Labels": "LABEL", "ExposedPorts": "EXPOSE", "Volumes": "VOLUME"}
_OWN_RULES: Final = frozenset({"created", "author", "config", "rootfs", "history", "os", "architecture", "variant"})
_MOST_WORK: Final = 1 << 28
"""Names of settings, each looked for in so many characters of history: some hundred times what any image has."""
_CLASSIC: Final = "/bin/sh -c #(nop) "


@dataclass(frozen=True)  # no slots: what is looked for is kept
class OwnHistory:
    """The lines of history that an image has above its base.

    `fits` says that those below are the base's, and that there is a line for each layer above it. `labels` are
    those that flags set although the base, or an instruction, says them too.
    """

    trees: tuple[JsonTree, ...]
    steps: tuple[History, ...]
    fits: bool = True
    labels: frozenset[str] = frozenset()

    @classmethod
    def of(cls, image: ImageConfig, base: ImageConfig, reads: Iterable[str] = ()) -> "OwnHistory":
        """The lines above a base; where its own do not stand first, those after as many layers as it has.

        `reads` are the words of the image's annotation about its base.
        """
        told, tree = list(image.document.tree().get("history") or []), base.document.tree()
        filled = [number for number, step in enumerate(image.history) if not step.empty_layer]
        added, fits = len(image.diff_ids) - len(base.diff_ids), False
        at = filled[len(base.diff_ids) - 1] + 1 if 0 < len(base.diff_ids) <= len(filled) else 0
        for below in (inherited_history(tree, base), list(tree.get("history") or [])):
            if told[: len(below)] == below and sum(number >= len(below) for number in filled) == added:
                at, fits = len(below), True
                break
        steps = image.history[at:]
        labels = frozenset(word.removeprefix("label:") for word in reads if word.startswith("label:"))
        return cls(tuple(told[at:]), steps, fits, labels)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The instructions, one a line, without what Docker's old builder wrote around them."""
        return tuple(_line(step.created_by) for step in self.steps)

    @property
    def is_of_project(self) -> bool:
        """Whether a build of a project wrote all of it, and no Dockerfile."""
        return bool(self.steps) and all(step.comment == "ocitool" for step in self.steps)

    def says(self, word: str) -> bool:
        """Whether there is such an instruction."""
        return any(line.partition(" ")[0] == word for line in self.lines)

    def place(self, word: str, name: str, value: str | None = None) -> tuple[int, int] | None:
        """Where `name=` stands first in such an instruction, followed by `value` if one is given."""
        text = f" {name}=" if value is None else f" {name}={value} "
        for number, line in enumerate(self.lines):
            if line.startswith(f"{word} ") and (at := f"{line} ".find(text)) >= 0:
                return number, at
        return None

    def lists(self, word: str, item: str) -> bool:
        """Whether an item of a list (a port, a volume) stands in such an instruction."""
        spelt = {item, json.dumps(item), item.removesuffix("/tcp")}
        found = (line.partition(" ")[2].strip("[]") for line in self.lines if line.partition(" ")[0] == word)
        return any(spelt & {one.rstrip(",") for one in text.split()} for text in found)


def rebased_config(image: ImageConfig, old: ImageConfig, new: ImageConfig, own: OwnHistory) -> Document:
    """The config of `image`, which stands on `old`, over `new`; its media type is the new base's.

    Raises Unsupported for a config in which looking for what history says would take too long.
    """
    now, was = image.document.tree(), old.document.tree()
    tables = (image.setting(key) for key in ("Env", *_TABLES))
    names = sum(len(one) for one in tables if isinstance(one, Sized))
    if names * sum(map(len, own.lines)) > _MOST_WORK:
        raise Unsupported(
            "settings and a history that are larger than any build makes them", ability="large configs"
        )

    def change(tree: Any) -> None:  # noqa: ANN401 - JSON
        tree["created"] = image.created if own.steps else last_time(new.history) or image.created
        if own.says("MAINTAINER"):
            _put(tree, "author", now)
        _carry(tree, now, was, ["author"])
        if image.platform != old.platform:
            set_platform(tree, new.platform, image.platform)
        tree["config"] = rebased_settings(image.settings, old.settings, new.settings, own)
        added = now["rootfs"]["diff_ids"][len(old.diff_ids) :]
        tree["rootfs"] = {**tree["rootfs"], "diff_ids": [*map(str, new.diff_ids), *added]}
        tree["history"] = inherited_history(tree, new) + list(own.trees)
        if own.is_of_project:
            for leftover in LEFTOVERS:
                tree.pop(leftover, None)
        _carry(tree, now, was, (key for key in (*now, *was) if key not in _OWN_RULES))

    return new.document.edit(change)


def rebased_settings(
    now: Mapping[str, Any], was: Mapping[str, Any], new: Mapping[str, Any], own: OwnHistory
) -> dict[str, Any]:
    """The runtime part of a config: that of `new`, with what `now` says other than `was`, or says itself."""
    settings = dict(new)
    order = _PROJECT_ORDER if own.is_of_project else BUILDKIT_ORDER
    places = {key: number for number, key in enumerate(order)}
    changed = {key for key in {**now, **was} if now.get(key) != was.get(key)}
    if "Entrypoint" in changed:  # the arguments are of another program than the new base's
        changed.add("Cmd")
    for key in sorted({**now, **was, **_WORDS}, key=lambda key: (places.get(key, len(places)), key)):
        if key == "Env":
            _change_env(settings, now, was, own)
        elif key in _TABLES:
            _change_table(settings, key, now, was, own)
        elif key in changed or _is_said(key, own):
            _put(settings, key, now)
    return settings


def reads_over(
    reads: Iterable[str], image: ImageConfig, old: ImageConfig, new: ImageConfig, own: OwnHistory
) -> frozenset[str]:
    """The words of the annotation about the base as a build over `new` writes them: other labels may be its too."""
    held = _table(new.settings, "Labels")
    labels = _said_in(_table(image.settings, "Labels"), _table(old.settings, "Labels"), "Labels", own)
    told = {name for name in labels if own.place("LABEL", name) is not None}
    same = {name for name, value in labels.items() if value == held.get(name)} - told
    kept = {word for word in reads if not word.startswith("label:")}
    return frozenset(kept | {f"label:{name}" for name in same | (told & own.labels)})


def _is_said(key: str, own: OwnHistory) -> bool:
    """Whether an instruction sets it. A new ENTRYPOINT forgets a CMD, so both are the image's then."""
    if key == "OnBuild":  # of a base's triggers, which went off, nothing is left
        return not own.is_of_project
    return own.says(_WORDS.get(key, "")) or (key == "Cmd" and own.says("ENTRYPOINT"))


def _put(settings: dict[str, Any], key: str, now: Mapping[str, Any]) -> None:
    """Let a setting be what it is, be it not there."""
    if key in now:
        settings[key] = now[key]
    else:
        settings.pop(key, None)


def _change_env(settings: dict[str, Any], now: Mapping[str, Any], was: Mapping[str, Any], own: OwnHistory) -> None:
    before, after, env = _variables(was, own), _variables(now, own), _variables(settings, own)
    said = {
        name: own.place("ENV", name) or (len(own.lines), number)
        for number, (name, value) in enumerate(after.pairs.items())
        if before.pairs.get(name) != value or own.place("ENV", name, value) is not None
    }
    gone = before.pairs.keys() - after.pairs.keys()
    for name in sorted(said, key=lambda name: said[name]):
        env.set(name, after.pairs[name])
    items = [one for one in env.items if not (isinstance(one, str) and one.partition("=")[0] in gone)]
    if said or gone or not own.is_of_project:
        settings["Env"] = items


def _variables(settings: Mapping[str, Any], own: OwnHistory) -> EnvList:
    """The variables; a Dockerfile's stage has a PATH whatever its base says."""
    items = settings.get("Env")
    env = EnvList(items if isinstance(items, list) else ())
    if not own.is_of_project and "PATH" not in env.pairs:
        env.set("PATH", PATH.partition("=")[2])
    return env


def _change_table(
    settings: dict[str, Any], key: str, now: Mapping[str, Any], was: Mapping[str, Any], own: OwnHistory
) -> None:
    before, after, table = _table(was, key), _table(now, key), _table(settings, key)
    said, gone = _said_in(after, before, key, own), before.keys() - after.keys()
    if not said and not gone:
        return
    places = {name: own.place("LABEL", name) if key == "Labels" else None for name in said}
    for name in sorted(said, key=lambda name: places[name] or (len(own.lines), 0)):
        table[name] = said[name]
    kept = {name: value for name, value in table.items() if name not in gone}
    if key == "Labels" and (None in places.values() or own.labels & said.keys()):  # those of flags sort all
        kept = dict(sorted(kept.items()))
    settings[key] = kept


def _said_in(after: Mapping[str, Any], before: Mapping[str, Any], key: str, own: OwnHistory) -> dict[str, Any]:
    """What of a table the image says itself: what its base does not say, or what it says again."""
    return {
        name: value
        for name, value in after.items()
        if name not in before or before[name] != value or _says_again(key, name, value, own)
    }


def _says_again(key: str, name: str, value: Any, own: OwnHistory) -> bool:  # noqa: ANN401 - JSON
    """Whether the image itself says what its base says too."""
    if key == "Labels":
        return name in own.labels or (isinstance(value, str) and own.place("LABEL", name, value) is not None)
    return own.lists(_TABLES[key], name)


def _table(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    held = settings.get(key)
    return dict(held) if isinstance(held, Mapping) else {}


def _carry(tree: dict[str, Any], now: Mapping[str, Any], was: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Let keys that the image has other than its old base be as the image has them."""
    for key in dict.fromkeys(keys):
        if now.get(key) != was.get(key):
            _put(tree, key, now)


def _line(text: str) -> str:
    """A line of history as an instruction: Docker's old builder wrote shell commands around them."""
    if text.startswith(_CLASSIC):
        return text.removeprefix(_CLASSIC).strip()
    if text.startswith("/bin/sh -c ") or (text.startswith("|") and " /bin/sh -c " in text):
        return f"RUN {text}"
    return text
