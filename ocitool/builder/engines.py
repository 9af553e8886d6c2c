"""Engines that images are loaded into: docker, podman and containerd, found by asking each, fed through a pipe."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

from ocitool.builder.outputs import Engine, StoreOutput
from ocitool.builder.pipeline import Built
from ocitool.builder.request import BuildPlan
from ocitool.errors import LocalIOError, Unsupported, UsageError
from ocitool.graph.walk import snapshot_of
from ocitool.model.platform import Platform, choose
from ocitool.store.archive_write import ArchiveWriter
from ocitool.store.locate import Locator
from ocitool.tasks import Scope
from ocitool.toolchains.processes import capture, feed
from ocitool.values import replace

NONE: Final = "none"
"""The word for this machine's store, whatever answers here."""
_QUESTIONS: Final = {
    "docker": ("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"),
    "podman": ("podman", "info", "--format", "{{.Host.OS}}/{{.Host.Arch}}"),
    "containerd": ("ctr", "--connect-timeout", "2s", "version"),
}
"""What each engine is asked, in the order in which they are tried; an answer means that it can be loaded into."""
_PATIENCE_S: Final = 10.0
_TOLD_LINES: Final = 10
_TOLD: Final = 500


def find_engine(environ: Mapping[str, str], host: Platform, name: str = "", *, context: str = "") -> Engine | None:
    """The engine of that name, or without one the first that answers; None if none does.

    `context` is one of docker's. Raises UsageError for a name that no engine has, Unsupported for an engine that
    is named and does not answer.
    """
    if name == NONE:
        return None
    if name and name not in _QUESTIONS:
        known = ", ".join((*_QUESTIONS, NONE))
        raise UsageError(f"unknown engine {name!r}", hint=f"one of {known}")
    if context and name not in {"", "docker"}:
        raise UsageError(f"context={context} is of docker, and the engine is {name}")
    environ = _environment(environ)
    for one in (name,) if name else ("docker",) if context else _QUESTIONS:
        program, *question = _QUESTIONS[one]
        started = (program, *(("--context", context) if context else ()))
        said = capture((*started, *question), Path.cwd(), environ, timeout_s=_PATIENCE_S)
        if said is not None:
            return Engine(one, started, _platform(said, host), whole=one == "containerd")
    if name or context:
        asked = " ".join(_QUESTIONS[name or "docker"][:2])
        raise Unsupported(
            f"{name or 'docker'} does not answer here",
            ability=name or "docker",
            hint=f"see what `{asked}` says, or load an archive: -o docker-archive:- | ssh HOST docker load",
        )
    return None


def _platform(said: str, host: Platform) -> Platform:
    """What an engine runs by its own words, else what this machine does."""
    try:
        found = Platform.parse(said.strip())
    except UsageError:
        return host
    return host if (found.os, found.architecture) == (host.os, host.architecture) else found


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Everything that says where the engine is and how it stores; our own variables may hold passwords."""
    return {key: value for key, value in environ.items() if not key.startswith("OCITOOL_")}


def platforms_for(engine: Engine, planned: BuildPlan) -> tuple[Platform, ...]:
    """Which platforms of a build an engine gets: all of them, one that was asked for alone, or the one it runs.

    Raises Unsupported where it would be none, UsageError for a nameless image in containerd, which has no others.
    """
    if engine.whole:
        if not planned.tags:
            raise UsageError(f"{engine} keeps images by their names, and this one has none", hint="add -t NAME")
        return planned.platforms
    if len(planned.platforms) == 1:
        return planned.platforms
    found = choose(engine.platform, planned.platforms, lambda platform: platform)
    if found is None:
        raise Unsupported(
            f"{engine} holds one platform of an image, and runs {engine.platform}, which is not built",
            ability="index",
            hint=f"add {engine.platform} to --platform, or choose one",
        )
    return (found,)


def part_for(engine: Engine, built: Built) -> Built:
    """What of a build goes into an engine: its root, or the image of one platform."""
    if engine.whole:
        return built
    (platform,) = platforms_for(engine, built.plan)
    image = next(one for one in built.images if one.platform == platform)
    return replace(
        built, root=image.manifest, images=(image,), zstd_images=(), snapshot=snapshot_of(image.manifest, ())
    )


def feed_engine(
    engine: Engine, built: Built, scope: Scope, put: Callable[[ArchiveWriter, tuple[str, ...]], None]
) -> None:
    """Let `put` write a build's archive, under these names, into an engine that reads it meanwhile.

    Raises LocalIOError with the engine's words if it fails, and what `put` raises; then the engine is ended.
    """
    tags = built.plan.tags
    output = StoreOutput(Locator("oci-archive" if engine.whole else "docker-archive", Path("-"), ""))
    words = ["load"]
    if engine.whole:
        words = ["images", "import", "--all-platforms", "-"]
        if choose(engine.platform, built.plan.platforms, lambda platform: platform) is None:
            words.insert(-1, "--no-unpack")  # there is nothing that it could run

    def write(stream: IO[bytes]) -> None:
        full_names = output.full_names(tags)
        with ArchiveWriter(engine.name, docker=not engine.whole, full_names=full_names, stream=stream) as store:
            put(store, output.names(tags))

    environ = _environment(built.plan.request.environ)
    returncode, said = feed((*engine.argv, *words), Path.cwd(), environ, scope, write)
    if returncode != 0:
        raise _failure(engine, returncode, said)


def _failure(engine: Engine, returncode: int, said: str) -> LocalIOError:
    lines = [line.strip()[:_TOLD] for line in said.splitlines() if line.strip()]
    why = lines[-1] if lines else f"its client ended with {returncode}"
    error = LocalIOError(
        f"{engine} did not take the image: {why}", hint="-o docker-archive:FILE writes it into a file"
    )
    for line in lines[-_TOLD_LINES:-1]:
        error.add_note(line)
    return error
