"""Where a build goes: what -o, --push and --load say, in our words and in buildx's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocitool.builder.export import check_free, export_files
from ocitool.builder.pipeline import Built, Delivery, deliver, keep
from ocitool.builder.request import BuildPlan
from ocitool.cli.buildx.outputs import Output, read_output
from ocitool.cli.options import App
from ocitool.errors import Unsupported, UsageError
from ocitool.image.annotations import Annotations
from ocitool.model.reference import Reference
from ocitool.store.base import Store
from ocitool.store.locate import SCHEMES, Locator
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class FilesOutput:
    """The root file systems of a build as files: a folder, or a tar (`-` is standard output).

    `split` says whether each platform gets a folder of its own; None: where there are several.
    """

    place: Path
    is_tar: bool = False
    split: bool | None = None

    def __str__(self) -> str:
        return f"{self.place}, as files"

    @property
    def is_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return self.is_tar and str(self.place) == "-"


@dataclass(frozen=True, slots=True)
class StoreOutput:
    """A layout or an archive."""

    locator: Locator

    def __str__(self) -> str:
        return str(self.locator)

    @property
    def is_stdout(self) -> bool:
        """Whether it is written to standard output."""
        return str(self.locator.path) == "-"

    def names(self, tags: Sequence[Reference]) -> tuple[str, ...]:
        """The names it gets there: the one typed, else for archives what -t says."""
        locator = self.locator
        if locator.scheme == "docker-archive":
            typed = (Reference.parse(locator.name),) if locator.name else tags
            return tuple(tag.familiar for tag in typed) or ("",)
        if locator.name or locator.scheme == "oci":
            return (locator.name,)
        return tuple(dict.fromkeys(tag.tag for tag in tags if tag.tag)) or ("",)


@dataclass(frozen=True, slots=True)
class Destinations:
    """Everywhere a build goes, and what the outputs say about the image itself.

    `keeps` says that it also stays in this machine's store, `loads` that a daemon was meant. `names` are those
    of an output (-t goes before); `insecure` says that the registry may be without a good certificate. With
    `by_digest` no tag is written.
    """

    places: tuple[StoreOutput, ...] = ()
    files: tuple[FilesOutput, ...] = ()
    push: bool = False
    by_digest: bool = False
    keeps: bool = False
    loads: bool = False
    insecure: bool = False
    names: tuple[str, ...] = ()
    format: str = ""
    compression: str = ""
    annotations: Annotations = field(default_factory=Annotations)

    @property
    def streams(self) -> int:
        """How many outputs are standard output."""
        return sum(place.is_stdout for place in self.places) + sum(files.is_stdout for files in self.files)

    @property
    def leaves_nothing(self) -> bool:
        """Whether the result goes elsewhere, and nothing of it has to stay in this machine's store."""
        return bool(self.places or self.files or self.push) and not (self.keeps or self.loads)


def destinations(
    texts: Iterable[str], *, push: bool = False, load: bool = False, bare: bool = False
) -> Destinations:
    """What the -o options, --push and --load say: prefixed places, or buildx's `type=…`.

    With `bare` a lone word is a folder, as it is for buildx. Raises UsageError for what says nowhere to write,
    Unsupported for what cannot be written.
    """
    places: list[StoreOutput] = []
    outputs: list[Output] = []
    for text in texts:
        if bare and not text:  # as buildx: a variable of a script that is empty
            continue
        if text.partition(":")[0] in SCHEMES:
            places.append(StoreOutput(Locator.parse(text)))
        elif bare or "=" in text:
            outputs.append(read_output(text))
        else:
            scheme = "oci-archive" if text.endswith(".tar") else "oci"
            raise UsageError(
                f"-o {text!r} does not say what to write", hint=f"write -o {scheme}:{text or 'DIR'}, or --push"
            )
    pushing = [
        one
        for one in outputs
        if (one.kind == "registry" and one.says("push") is not False) or (one.kind == "image" and one.says("push"))
    ]
    archived = [one for one in outputs if one.kind == "oci" or (one.kind == "docker" and one.place)]
    wanted = Destinations(
        places=(*places, *(_place(one) for one in archived)),
        files=tuple(_files(one) for one in outputs if one.kind in {"local", "tar"}),
        push=push or bool(pushing),
        by_digest=any(one.says("push-by-digest") for one in outputs),
        keeps=any(one.kind in {"image", "registry", "cacheonly"} and one not in pushing for one in outputs),
        loads=load or any(one.kind == "docker" and not one.place for one in outputs),
        insecure=any(one.says("registry.insecure") for one in outputs),
        names=tuple(name for one in outputs if one.kind in {"image", "registry", "docker"} for name in one.names),
        format="oci" if any(one.kind == "oci" or one.says("oci-mediatypes") for one in outputs) else "",
        compression=next((one.compression for one in outputs if one.compression), ""),
        annotations=sum((one.annotations for one in outputs), Annotations()),
    )
    if wanted.streams > 1:
        raise UsageError("only one -o can be written to standard output")
    return wanted


def _place(output: Output) -> StoreOutput:
    """An archive or layout; what docker loads is named as a registry's image is, another by its tag alone."""
    if output.kind == "docker":
        return StoreOutput(Locator("docker-archive", Path(output.place), ""))
    name = output.names[0] if output.names else ""
    if "/" in name or ":" in name:
        name = Reference.parse(name).tag
    return StoreOutput(
        Locator("oci" if output.says("tar") is False else "oci-archive", Path(output.place or "-"), name)
    )


def _files(output: Output) -> FilesOutput:
    is_tar = output.kind == "tar"
    if not is_tar and output.place in {"", "-"}:
        raise UsageError("-o type=local does not say which folder to write", hint="add dest=DIR, or write a tar")
    return FilesOutput(Path(output.place or "-"), is_tar, output.says("platform-split"))


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """A store that is open for writing: what its tags are, and how people call them."""

    store: Store
    tags: tuple[str, ...]
    names: tuple[str, ...]
    is_registry: bool = False


def open_targets(app: App, wanted: Destinations, planned: BuildPlan) -> tuple[OpenTarget, ...]:
    """Every store a build goes to, opened; tags of one repository together, so that its blobs are asked for once.

    Archives are complete when the app's stack is closed, and discarded if something fails before. Raises, before
    anything is compiled or sent, UsageError where files would go to a place that is taken, and Unsupported for
    several platforms in a place for one.
    """
    for files in wanted.files:
        check_free(files.place, planned.platforms, is_tar=files.is_tar, split=files.split)
    targets = []
    for place in wanted.places:
        if place.locator.scheme == "docker-archive" and planned.is_index:
            raise Unsupported(
                f"{place} holds one platform, and {len(planned.platforms)} are built",
                ability="index",
                hint="choose one with --platform, or write -o type=oci",
            )
        store, _ = app.opener.open(place.locator, write=True)
        app.stack.enter_context(store)
        targets.append(OpenTarget(store, place.names(planned.tags), (str(place),)))
    repositories: dict[str, list[Reference]] = {}
    for tag in planned.tags if wanted.push else ():
        repositories.setdefault(tag.repository_name, []).append(tag)
    for name, group in repositories.items():
        store, _ = app.opener.open(str(group[0]), write=True)
        if wanted.by_digest:
            targets.append(OpenTarget(store, (), (name,), is_registry=True))
        else:
            tags, names = tuple(t.tag for t in group), tuple(str(t) for t in group)
            targets.append(OpenTarget(store, tags, names, is_registry=True))
    return tuple(targets)


def ahead_of(targets: Sequence[OpenTarget]) -> Store | None:
    """The registry that layers are sent to while others are packed; None if the build goes elsewhere."""
    return next((target.store for target in targets if target.is_registry), None)


def deliver_all(
    app: App, built: Built, wanted: Destinations, targets: Sequence[OpenTarget], around: Workspace
) -> tuple[Delivery, ...]:
    """Take a build everywhere it should go; with nowhere to go it stays in this machine's store."""
    digest = built.root.digest
    done = [
        deliver(
            built,
            t.store,
            [f"{name}@{digest}" for name in t.names] if t.is_registry else t.names,
            t.tags,
            around,
            is_shared=t.is_registry,
        )
        for t in targets
    ]
    done += [
        export_files(built, files.place, around, is_tar=files.is_tar, split=files.split, stream=app.console.stream)
        for files in wanted.files
    ]
    return (*done, *((keep(built, around),) if wanted.keeps or wanted.loads or not done else ()))
