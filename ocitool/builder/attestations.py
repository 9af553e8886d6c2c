"""Attestations of a build, made before any tag is written: what is in its images, and how they came to be."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ocitool.attest.attachment import Attached, as_referrer, in_index
from ocitool.attest.inventory import take_inventory
from ocitool.attest.provenance import (
    PREDICATE,
    Material,
    compose_provenance,
    git_material,
    names_of,
)
from ocitool.attest.sbom import PREDICATES, Sbom, moment
from ocitool.attest.statement import compose_statement
from ocitool.builder.git import read_checkout
from ocitool.builder.request import BuildPlan, BuildRequest
from ocitool.builder.trust import signed_statement
from ocitool.dockerfile.places import locator_of
from ocitool.image.assemble import Image
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.views import Descriptor, Manifest, view
from ocitool.store.base import BlobStream, Source, Store
from ocitool.store.forwarding import ForwardingReader
from ocitool.workspace import Workspace


class _Sources(ForwardingReader):
    """The blobs of a build, each from where it is: this machine's store, memory, or the base."""

    def __init__(self, store: Store, sources: Mapping[Digest, Source]) -> None:
        super().__init__(store)
        self._sources = sources

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The blob's bytes from `offset`."""
        return self._sources[descriptor.digest].open(offset)


def attest(
    images: Sequence[Image], planned: BuildPlan, sources: Mapping[Digest, Source], workspace: Workspace
) -> tuple[Attached, ...]:
    """The manifests that attest the images, in their order. Layers are read for a bill, those of a base too.

    Those that refer to an image are signed where a key is given; in the index its signature covers them.

    Raises what reading them raises.
    """
    options, trust = planned.request.attest, planned.request.trust
    checkouts = tuple(_checkouts(planned.request)) if options.provenance else ()
    made = list[Attached]()
    for image in images:
        names = names_of(planned.tags, image.platform)
        digest = image.manifest.digest
        predicates = list[tuple[str, Any]]()
        if options.sbom:
            document = _bill(image, planned, sources, workspace).document(options.sbom)
            predicates.append((PREDICATES[options.sbom], parse(document)))
        if options.provenance:
            predicates.append((PREDICATE, provenance(image, planned, workspace, checkouts)))
        statements = [(kind, compose_statement(digest, names, kind, predicate)) for kind, predicate in predicates]
        if options.is_in_index:
            made.append(in_index(image.descriptor, statements))
        elif trust.sign_keys:
            for kind, statement in statements:
                made += signed_statement(image.descriptor, kind, statement, trust)
        else:
            made += [as_referrer(image.descriptor, kind, statement) for kind, statement in statements]
    return tuple(made)


def _bill(image: Image, planned: BuildPlan, sources: Mapping[Digest, Source], workspace: Workspace) -> Sbom:
    reader = _Sources(workspace.machine.content, sources)
    inventory = take_inventory(
        reader,
        cast("Manifest", view(image.manifest)),
        image.platform,
        workspace.machine.memo,
        scope=workspace.scope,
        width=workspace.width,
        origins=planned.frontend.origins(image.platform),
    )
    name = planned.tags[0].repository_name if planned.tags else "image"
    return Sbom(name, inventory, moment(inventory.created, planned.request.environ))


def _checkouts(request: BuildRequest) -> Iterator[Material]:
    """The commits of the folders that are built, that of the context and those of named contexts."""
    folders = {name: Path(place) for name, place in request.dockerfile.contexts if not locator_of(place)}
    for name, folder in {"": request.source, **folders}.items():
        checkout = read_checkout(folder, request.environ) if folder.is_dir() else None
        if checkout is not None:
            yield git_material(checkout.source, checkout.revision, f"context {name}" if name else "sources")


def provenance(
    image: Image, planned: BuildPlan, workspace: Workspace, checkouts: Sequence[Material] = ()
) -> dict[str, Any]:
    """How one image was made. What may be a secret is named without its value."""
    request = planned.request
    settings = planned.options(image.platform)
    parameters = {
        "frontend": planned.toolchain,
        "platform": str(image.platform),
        "format": planned.family.value,
        "compression": planned.codec.id.to_tree(),
        "copy": [f"{rule.source}:{rule.destination}" for rule in planned.rules(image.platform)],
        "with": list(planned.extras),
        "target": request.dockerfile.target,
        "buildArgs": sorted(name for name, _ in request.dockerfile.arguments),
        "buildContexts": sorted(name for name, _ in request.dockerfile.contexts),
        "env": sorted(name for name, _ in settings.env),
        "sourceDateEpoch": request.epoch if request.has_epoch else None,
    }
    materials = dict.fromkeys((*planned.frontend.materials(image.platform), *checkouts))  # an image may serve twice
    return compose_provenance(parameters, tuple(materials), host=workspace.host, builder=request.attest.builder)
