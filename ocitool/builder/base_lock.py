"""Bases pinned: every image that a build would open, with the digest that its tag holds now."""

from collections.abc import Iterable, Iterator

from ocitool.builder.dockerfile import images_of_dockerfile
from ocitool.builder.dockerfile_frontend import refuse_beside_dockerfile
from ocitool.builder.frontends import SCRATCH, toolchain_of
from ocitool.builder.project import DOCKERFILE, images_of, spec_of
from ocitool.builder.request import BuildRequest
from ocitool.builder.trust import trusting
from ocitool.errors import NotFound
from ocitool.model.digest import as_digest
from ocitool.model.reference import Reference
from ocitool.project.source_policy import SourcePolicy
from ocitool.project.values import BuildSpec
from ocitool.store.locate import Locator
from ocitool.values import replace
from ocitool.workspace import Workspace


def lock_bases(request: BuildRequest, workspace: Workspace) -> SourcePolicy:
    """The policy by which a build for all of its platforms takes the images that their tags hold now.

    Left out is what has a digest, and what is on this machine. Nothing is built, and nothing has to be able to be.
    Raises what reading the spec and a Dockerfile raises, NotFound for a tag that is not there, NotVerified for an
    image that the spec's policy does not let in.
    """
    names = images_of(request.source, request.images, spec=request.spec_file) or ("",)
    return SourcePolicy.pinning(
        {one for name in names for one in _pins(replace(request, images=(name,)), workspace)}
    )


def _pins(request: BuildRequest, workspace: Workspace) -> Iterator[Reference]:
    """The images that one image of the spec, or its only one, would be built upon."""
    request, spec = spec_of(request)
    workspace = trusting(request.trust, spec, workspace)
    if toolchain_of(request, spec, has_files=True) == DOCKERFILE:
        refuse_beside_dockerfile(request, spec)
        places = images_of_dockerfile(request, spec, workspace)
    else:
        places = tuple(_of_project(request, spec))
    named = {Locator.parse(one).reference for one in places if one not in {"", SCRATCH}}
    moving = [one for one in named if one is not None and one.digest is None]
    yield from (_pinned(one, workspace) for one in moving)


def _of_project(request: BuildRequest, spec: BuildSpec) -> Iterable[str]:
    """The bases and the images of sysroots, of the platforms that are named or of all that the spec tells apart."""
    platforms = request.platforms or spec.platforms
    parts = [spec.part(one) for one in platforms] or [part for _, part in spec.differences]
    for part in (spec.common, *parts):
        yield request.base or part.base
        yield part.sysroot.image


def _pinned(reference: Reference, workspace: Workspace) -> Reference:
    store, name = workspace.open_image(str(reference))
    found = store.head(name)
    digest = as_digest(name) or (found.digest if found is not None else None)
    if digest is None:
        raise NotFound(
            f"no {reference}", name=name, where=store.label, hint=f"ocitool tags {reference.repository_name}"
        )
    return reference.with_digest(digest)
