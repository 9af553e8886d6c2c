"""`ocitool config edit`: what the configs of a published image say, every platform at once."""

from collections.abc import Callable
from typing import Any

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.values import Words
from ocitool.errors import UsageError


def _removing(name: str, metavar: str, of: str) -> Callable[[Any], Any]:
    return click.option(f"--remove-{name}", metavar=metavar, multiple=True, help=f"Take {of} away; repeats.")


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option("--env", "-e", multiple=True, metavar="K=V", help="Set a variable; K= sets it empty; repeats.")
@_removing("env", "NAME", "a variable")
@click.option("--label", multiple=True, metavar="K=V", help="Set a label; repeats.")
@_removing("label", "KEY", "a label")
@click.option("--entrypoint", metavar="JSON|WORDS", help="Program that the image starts; a cmd not named goes.")
@click.option("--cmd", metavar="JSON|WORDS", help="Its default arguments.")
@click.option("--user", metavar="USER[:GROUP]", help="User to run as.")
@click.option("--workdir", metavar="DIR", help="Working directory.")
@click.option("--expose", multiple=True, metavar="PORT[/PROTO]", help="Add a port; repeats.")
@_removing("expose", "PORT[/PROTO]", "a port")
@click.option("--volume", multiple=True, metavar="PATH", help="Add a volume; repeats.")
@_removing("volume", "PATH", "a volume")
@click.option("--stop-signal", metavar="SIGNAL", help="Signal that stops the program.")
@click.option("--health-cmd", metavar="JSON|LINE", help="Check of its health: words, or a line for the shell.")
@click.option("--health-interval", metavar="TIME", help="Time between two checks, as 30s.")
@click.option("--health-timeout", metavar="TIME", help="Longest time of a check.")
@click.option("--health-start-period", metavar="TIME", help="Time in which failures do not count.")
@click.option("--health-start-interval", metavar="TIME", help="Time between checks in it.")
@click.option("--health-retries", type=WholeNumber(0), metavar="N", help="Failures until it is unhealthy.")
@click.option("--no-healthcheck", is_flag=True, help="Let engines check nothing.")
@click.option("--created", metavar="TIME", help="When it was made: RFC 3339, or seconds since 1970.")
@click.option("--os", help="Operating system, in the entry of the index too.")
@click.option("--arch", help="Architecture, in the entry too.")
@click.option("--variant", help="Variant, in the entry too; an empty one removes it.")
@click.option("--os-version", help="OS version, in the entry too; an empty one removes it.")
@click.option("--os-features", "features", metavar="FEATURE", multiple=True, help="OS features; repeats.")
@click.option(
    "--annotation",
    "annotations",
    multiple=True,
    metavar="[PLACE:]K=V",
    help="Annotation, OCI only; PLACE is manifest, manifest[PLATFORM], index or manifest-descriptor.",
)
@_removing("annotation", "[PLACE:]KEY", "an annotation")
@plans.attested
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(app: App, *, reference: str, tags: tuple[str, ...], dry_run: bool, **flags: Any) -> Outcome:  # noqa: ANN401 - click's
    """Change what the configs of REF say, in every image of an index at once, or in those of --platform.

    Layers stay as they are, and so do images that do not change. A value that is empty takes the setting away.
    Manifests get new digests: what refers to the old ones is told, and --resign signs the new ones.
    """
    words = Words(flags)
    words.check_unicode(*flags)
    plan = app.client.image(reference).edit_config(
        platforms=words.many("platforms"),
        digests=words.many("digests"),
        entrypoint=words.argv("entrypoint"),
        cmd=words.argv("cmd"),
        env=_changes(words.pairs("env"), words.many("remove_env")),
        user=words.maybe("user"),
        workdir=words.maybe("workdir"),
        labels=_changes(words.labels(), words.many("remove_label")),
        expose=words.many("expose"),
        remove_expose=words.many("remove_expose"),
        volumes=words.many("volume"),
        remove_volumes=words.many("remove_volume"),
        stop_signal=words.maybe("stop_signal"),
        created=words.maybe("created"),
        health_cmd=_health(words),
        health_interval=words.maybe("health_interval"),
        health_timeout=words.maybe("health_timeout"),
        health_start_period=words.maybe("health_start_period"),
        health_start_interval=words.maybe("health_start_interval"),
        health_retries=flags["health_retries"],
        no_healthcheck=words.is_set("no_healthcheck"),
        os=words.maybe("os"),
        arch=words.maybe("arch"),
        variant=words.maybe("variant"),
        os_version=words.maybe("os_version"),
        os_features=[word for text in words.many("features") for word in text.split(",") if word]
        if words.many("features")
        else None,
        annotations=_changes(
            tuple(plans.pairs(words.many("annotations")).items()), words.many("remove_annotation")
        ),
        attestations=words.text("attestations"),
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)


def _changes(pairs: tuple[tuple[str, str], ...], removed: tuple[str, ...]) -> dict[str, str | None]:
    """Values by name, None for what goes. Raises UsageError for a name that is both."""
    both = {name for name, _ in pairs} & set(removed)
    if both:
        raise UsageError(f"{min(both)} is to be set and to be taken away", hint="leave one of them out")
    return {**dict(pairs), **dict.fromkeys(removed)}


def _health(words: Words) -> tuple[str, ...] | str | None:
    """The words of a JSON array, else a line for the shell."""
    text = words.maybe("health_cmd")
    return words.argv("health_cmd") if text is not None and text.lstrip().startswith("[") else text
