"""Where a build goes: what -o, --push and --load say, in our words and in buildx's."""

from collections.abc import Iterable
from pathlib import Path

from ocitool.builder.outputs import BuildOutputs, FilesOutput, StoreOutput
from ocitool.cli.buildx.outputs import Output, read_output
from ocitool.errors import UsageError
from ocitool.image.annotations import Annotations
from ocitool.model.reference import Reference
from ocitool.store.locate import SCHEMES, Locator
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Destinations:
    """Everywhere a build goes, and what the outputs say about the image itself.

    `loads` says that an engine is meant, `engine` which one, `context` which of docker's. `names` are those of an
    output (-t goes before); `insecure` says that the registry may be without a good certificate.
    """

    outputs: BuildOutputs = BuildOutputs()
    loads: bool = False
    engine: str = ""
    context: str = ""
    insecure: bool = False
    names: tuple[str, ...] = ()
    format: str = ""
    compression: str = ""
    annotations: Annotations = field(default_factory=Annotations)


def destinations(
    texts: Iterable[str], *, push: bool = False, load: bool = False, by_digest: bool = False, bare: bool = False
) -> Destinations:
    """What the -o options, --push, --push-by-digest and --load say: prefixed places, or buildx's `type=…`.

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
    loaded = [one for one in outputs if one.kind == "docker" and not one.place]
    goes = BuildOutputs(
        places=(*places, *(_place(one) for one in archived)),
        files=tuple(_files(one) for one in outputs if one.kind in {"local", "tar"}),
        push=push or by_digest or bool(pushing),
        by_digest=by_digest or any(one.says("push-by-digest") for one in outputs),
        keeps=any(one.kind in {"image", "registry", "cacheonly"} and one not in pushing for one in outputs),
    )
    if goes.streams > 1:
        raise UsageError("only one -o can be written to standard output")
    return Destinations(
        goes,
        loads=load or bool(loaded),
        engine=_said(loaded, "engine"),
        context=_said(loaded, "context"),
        insecure=any(one.says("registry.insecure") for one in outputs),
        names=tuple(name for one in outputs if one.kind in {"image", "registry", "docker"} for name in one.names),
        format="oci" if any(one.kind == "oci" or one.says("oci-mediatypes") for one in outputs) else "",
        compression=next((one.compression for one in outputs if one.compression), ""),
        annotations=sum((one.annotations for one in outputs), Annotations()),
    )


def _said(outputs: Iterable[Output], key: str) -> str:
    """The first value that outputs say for a key, empty if none does."""
    return next((one.attributes[key] for one in outputs if one.attributes.get(key)), "")


def _place(output: Output) -> StoreOutput:
    """An archive or layout; what docker loads is named as a registry's image is, another by its tag alone."""
    if output.kind == "docker":
        return StoreOutput(Locator("docker-archive", Path(output.place), ""))
    name, full_name = output.names[0] if output.names else "", ""
    if "/" in name or ":" in name:
        reference = Reference.parse(name)
        name, full_name = reference.tag, str(reference)
    scheme = "oci" if output.says("tar") is False else "oci-archive"
    return StoreOutput(Locator(scheme, Path(output.place or "-"), name), full_name)


def _files(output: Output) -> FilesOutput:
    is_tar = output.kind == "tar"
    if not is_tar and output.place in {"", "-"}:
        raise UsageError("-o type=local does not say which folder to write", hint="add dest=DIR, or write a tar")
    return FilesOutput(Path(output.place or "-"), is_tar, output.says("platform-split"))
