"""The options that `build` and `buildx build` share, and those of `build` alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ocitool.cli import options, trust, values

F = TypeVar("F", bound=Callable[..., Any])


class _Written(click.Path):
    """A file to write; a script's empty variable names none, as with docker."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        return super().convert(value, param, ctx) if value else None


WRITTEN = _Written(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)


def spec(function: F) -> F:
    """Add the options that name a spec file, and images of several in it."""
    images = click.option(
        "--image",
        "images",
        multiple=True,
        metavar="NAME",
        help="Only this [[image]] of ocitool.toml; repeats.",
    )
    return click.option("--spec", "spec_file", type=_FILE, metavar="FILE", help="The ocitool.toml to use.")(
        images(function)
    )


def platforms(function: F) -> F:
    """Add the option that says which platforms are built for."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="OS/ARCH[/VARIANT]",
        envvar="OCITOOL_PLATFORM",
        help="Repeat, or use commas.",
    )(function)


def result(function: F) -> F:
    """Add the options that say what is built from what, and where it goes."""
    for option in reversed(
        (
            options.dockerfile,
            click.option("--check", is_flag=True, help="Only say what is unwise in the Dockerfile; build nothing."),
            platforms,
            click.option(
                "-t",
                "--tag",
                "tags",
                multiple=True,
                metavar="REF",
                envvar="OCITOOL_TAG",
                help="Name of the result; repeat for several.",
            ),
            click.option("--push", is_flag=True, help="Publish under every -t."),
            click.option("--load", is_flag=True, help="Load it into docker, podman, containerd (OCITOOL_ENGINE)."),
            click.option(
                "-o",
                "--output",
                "outputs",
                multiple=True,
                metavar="LOC|type=…",
                help="Also write oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE (- is stdout), or what "
                "buildx's type= says.",
            ),
        )
    ):
        function = option(function)
    return function


def by_digest(function: F) -> F:
    """Add the option that publishes without a tag."""
    return click.option(
        "--push-by-digest", is_flag=True, help="Publish into every -t REPO without a tag, for ocitool merge."
    )(function)


def contents(function: F) -> F:
    """Add the options that say what is in the image where no Dockerfile does."""
    for option in reversed(
        (
            click.option(
                "--base",
                default="",
                metavar="LOC",
                envvar="OCITOOL_BASE",
                help="Image to build upon  [default: scratch].",
            ),
            click.option(
                "--toolchain",
                default="",
                metavar="NAME",
                envvar="OCITOOL_TOOLCHAIN",
                help="go, rust, c, make, cmake, autotools, meson, command or prebuilt  [default: by build files].",
            ),
            click.option(
                "--copy",
                "copies",
                multiple=True,
                metavar="SRC:DEST[:MODE]",
                help="A file or folder of PATH; {os} {arch} {variant} in SRC.",
            ),
            click.option(
                "--with",
                "extras",
                multiple=True,
                metavar="WORDS",
                envvar="OCITOOL_WITH",
                help="ca-certificates, zoneinfo, passwd, tmp.",
            ),
            click.option(
                "--debug-files",
                type=WRITTEN,
                metavar="DIR",
                help="Keep debug information there, and not in the image.",
            ),
        )
    ):
        function = option(function)
    return function


def trusted(function: F) -> F:
    """Add the options that say what a build may stand on, and who signs it."""
    signed: Any = trust.signing(function)
    decorated: F = based(signed)
    return decorated


def based(function: F) -> F:
    """Add the options that say what a build may stand on."""
    decorated: F = trust.verifying("Every image that is built upon")(function)
    return click.option(
        "--source-policy",
        type=_FILE,
        metavar="FILE",
        envvar="EXPERIMENTAL_BUILDKIT_SOURCE_POLICY",
        help="BuildKit's rules for images: `base lock` writes such a file.",
    )(decorated)


def settings(function: F) -> F:
    """Add the options that say what the config says."""
    for option in reversed(
        (
            click.option("--entrypoint", metavar="JSON|WORDS", help="Program that the image starts."),
            click.option("--cmd", metavar="JSON|WORDS", help="Its default arguments."),
            click.option("--env", "-e", multiple=True, metavar="K=V", help="Environment variable."),
            click.option("--user", metavar="USER[:GROUP]", help="User to run as."),
            click.option("--workdir", metavar="DIR", help="Working directory."),
            click.option("--expose", multiple=True, metavar="PORT[/PROTO]", help="Port the program listens on."),
            click.option("--volume", multiple=True, metavar="PATH", help="Path to keep outside the container."),
            click.option("--stop-signal", metavar="SIGNAL", help="Signal that stops the program."),
            click.option("--no-git-labels", is_flag=True, help="No labels for source and revision."),
        )
    ):
        function = option(function)
    return function


def documents(function: F) -> F:
    """Add the options about labels, annotations, families, and what is written about the build."""
    for option in reversed(
        (
            described,
            click.option("--metadata-file", metavar="FILE", type=WRITTEN, help="Write the result as JSON."),
            click.option("--iidfile", metavar="FILE", type=WRITTEN, help="Write the image id."),
            click.option(
                "--dry-run", is_flag=True, help="Print what would be compiled, packed and sent; do nothing."
            ),
        )
    ):
        function = option(function)
    return function


def described(function: F) -> F:
    """Add the options about labels, annotations and the form of layers and manifests."""
    for option in reversed(
        (
            click.option(
                "--label",
                multiple=True,
                type=values.Whole(),
                metavar="K=V",
                envvar="OCITOOL_LABEL",
                help="Label in the config; several lines are several.",
            ),
            click.option("--label-file", type=_FILE, metavar="FILE", help="Labels, K=V on each line; # comments."),
            click.option(
                "--annotation",
                multiple=True,
                metavar="[PLACE:]K=V",
                help="Annotation, OCI only; PLACE is index, manifest, manifest[PLATFORM] or manifest-descriptor.",
            ),
            click.option(
                "--no-base-annotations", is_flag=True, help="No annotations of the base's name and digest."
            ),
            click.option(
                "--format",
                "form",
                type=click.Choice(["auto", "docker", "oci"]),
                envvar="OCITOOL_FORMAT",
                help="Family of the manifests.",
            ),
            click.option(
                "--compression",
                default="",
                metavar="NAME",
                envvar="OCITOOL_COMPRESSION",
                help="gzip[:LEVEL][,single|,toc], isal, auto, zstd, estargz, none; gzip+zstd is both.",
            ),
            click.option("--index/--no-index", "index", default=None, help="Make an index even of one platform."),
            click.option(
                "--allow-foreign-arch",
                is_flag=True,
                help="Warn instead of refusing programs of other platforms.",
            ),
            click.option("--allow-sparse", is_flag=True, help="Pack files that are mostly holes, in full."),
            click.option("--no-cache", is_flag=True, help="Compile and pack again what has not changed."),
        )
    ):
        function = option(function)
    return function
