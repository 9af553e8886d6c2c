"""Where a build goes: what -o and --push say, in our words and in buildx's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocitool.build.pipeline import Built, Delivery, deliver, keep
from ocitool.build.request import Surroundings
from ocitool.cli.options import App
from ocitool.errors import Unsupported, UsageError
from ocitool.model.reference import Reference
from ocitool.store.base import Store
from ocitool.store.locate import SCHEMES, Locator


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a result goes: a place, or with `push` the registries of its tags."""

    locator: Locator | None
    push: bool = False

    @property
    def is_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return self.locator is not None and str(self.locator.path) == "-"

    def names(self, tags: Sequence[Reference]) -> tuple[str, ...]:
        """The names it gets there: the one typed, else for archives what -t says."""
        locator = self.locator
        if locator is None or locator.scheme == "":
            return (locator.name,) if locator is not None else ()
        if locator.scheme == "docker-archive":
            typed = (Reference.parse(locator.name),) if locator.name else tags
            return tuple(tag.familiar for tag in typed) or ("",)
        if locator.name or locator.scheme == "oci":
            return (locator.name,)
        return tuple(dict.fromkeys(tag.tag for tag in tags if tag.tag)) or ("",)


def destinations(texts: Sequence[str]) -> tuple[Destination, ...]:
    """The -o options: a prefixed place, or buildx's `type=…`.

    Raises UsageError for a bare word, which could be a file or a name, and Unsupported for what needs a daemon.
    """
    found = []
    for text in texts:
        if text.startswith("type="):
            found.append(_buildx_output(text))
        elif text.partition(":")[0] in SCHEMES:
            found.append(Destination(Locator.parse(text)))
        else:
            raise UsageError(f"-o {text!r} does not say what to write", hint=f"write -o oci:{text}, or --push")
    if sum(destination.is_stdout for destination in found) > 1:
        raise UsageError("only one -o can be written to standard output")
    return tuple(found)


def _buildx_output(text: str) -> Destination:
    """One output in buildx's words: comma-separated KEY=VALUE."""
    words = dict(word.partition("=")[::2] for word in text.split(","))
    kind, place = words["type"], words.get("dest", "")
    if kind in {"image", "registry"}:
        return Destination(None, push=kind == "registry" or words.get("push") == "true")
    if kind == "oci" and place:
        scheme = "oci" if words.get("tar") == "false" else "oci-archive"
        return Destination(Locator(scheme, Path(place), words.get("name", "")))
    if kind == "docker" and place:
        return Destination(Locator("docker-archive", Path(place), words.get("name", "")))
    if kind == "docker":
        raise Unsupported(
            "-o type=docker loads into a docker daemon, and there is none",
            ability="docker",
            hint="write type=docker,dest=FILE, or pipe -o docker-archive:- into docker load",
        )
    if kind in {"oci", "local", "tar"}:
        hint = "add dest=FILE" if kind == "oci" else "build the image, then ocitool export writes its files"
        raise Unsupported(f"-o {text!r} is not written by a build", ability=kind, hint=hint)
    raise UsageError(f"unknown output type {kind!r}", hint="one of image, registry, oci, docker")


@dataclass(frozen=True, slots=True)
class Target:
    """A store that is open for writing: what its tags are, and how people call them."""

    store: Store
    tags: tuple[str, ...]
    names: tuple[str, ...]
    is_registry: bool = False


def open_targets(
    app: App, wanted: Sequence[Destination], tags: Sequence[Reference], *, push: bool
) -> tuple[Target, ...]:
    """Everywhere a build goes, opened; the tags of one repository together, so that its blobs are asked for once.

    Archives are complete when the app's stack is closed, and discarded if something fails before.
    """
    targets = []
    for destination in wanted:
        if destination.locator is not None:
            store, _ = app.opener.open(destination.locator, write=True)
            app.stack.enter_context(store)
            targets.append(Target(store, destination.names(tags), (str(destination.locator),)))
    repositories: dict[str, list[Reference]] = {}
    for tag in tags if push else ():
        repositories.setdefault(tag.repository_name, []).append(tag)
    for group in repositories.values():
        store, _ = app.opener.open(str(group[0]), write=True)
        targets.append(Target(store, tuple(t.tag for t in group), tuple(str(t) for t in group), is_registry=True))
    return tuple(targets)


def ahead_of(targets: Sequence[Target]) -> Store | None:
    """The registry that layers are sent to while others are packed; None if the build goes elsewhere."""
    return next((target.store for target in targets if target.is_registry), None)


def deliver_all(built: Built, targets: Sequence[Target], around: Surroundings) -> tuple[Delivery, ...]:
    """Take a build everywhere it should go; with nowhere to go it stays in this machine's store."""
    digest = built.root.digest
    return tuple(
        deliver(
            built, t.store, [f"{name}@{digest}" for name in t.names] if t.is_registry else t.names, t.tags, around
        )
        for t in targets
    ) or (keep(built, around),)
