"""A Dockerfile looked at instead of built: what its checks find, and what it takes."""

from collections.abc import Sequence

from ocitool.builder.executors import executor_of
from ocitool.builder.project import spec_of
from ocitool.builder.request import BuildRequest
from ocitool.builder.trust import trusting
from ocitool.dockerfile.base_images import BaseImages
from ocitool.dockerfile.frontend import check_recipe, images_of, outline_recipe
from ocitool.dockerfile.lint.engine import Report
from ocitool.dockerfile.outline import Outline
from ocitool.dockerfile.request import DockerfileRequest
from ocitool.dockerfile.syntax.instructions import Dockerfile
from ocitool.events import silent
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec
from ocitool.values import replace
from ocitool.workspace import Workspace


def check_dockerfile(request: BuildRequest, workspace: Workspace) -> tuple[Report, str]:
    """What the checks find for the platforms that would be built, and the text. Raises as `check_recipe` does."""
    request, spec = spec_of(request)
    workspace = trusting(request.trust, spec, workspace)
    platforms = request.platforms or spec.platforms or (workspace.host,)
    return check_recipe(_asked(request, platforms, spec, workspace), _images(request, workspace))


def outline_dockerfile(request: BuildRequest, workspace: Workspace) -> tuple[Dockerfile, Outline, bytes]:
    """The Dockerfile, what its target takes, and its bytes. Raises as `outline_recipe` does."""
    request, spec = spec_of(request)
    workspace = trusting(request.trust, spec, workspace)
    platform = (*request.platforms, *spec.platforms, workspace.host)[0]
    return outline_recipe(_asked(request, (platform,), spec, workspace), _images(request, workspace))


def images_of_dockerfile(request: BuildRequest, spec: BuildSpec, workspace: Workspace) -> tuple[str, ...]:
    """Where the images are that a build for the platforms would look into. Raises as `images_of` does."""
    platforms = request.platforms or spec.platforms or (workspace.host,)
    return images_of(_asked(request, platforms, spec, workspace), _images(request, workspace))


def _images(request: BuildRequest, workspace: Workspace) -> BaseImages:
    """The images that the Dockerfile names, for what they leave to the stages upon them."""
    return BaseImages(request.dockerfile.places, replace(workspace, listener=silent), allow_foreign=True)


def _asked(
    request: BuildRequest, platforms: Sequence[Platform], spec: BuildSpec, workspace: Workspace
) -> DockerfileRequest:
    run, executor = request.dockerfile.run, request.executor
    if run.is_allowed and executor is None:
        executor = executor_of(run, workspace, request.environ)
    return DockerfileRequest(
        request.source,
        request.dockerfile,
        tuple(platforms),
        workspace.host,
        spec.stages,
        executor if run.is_allowed else None,
    )
