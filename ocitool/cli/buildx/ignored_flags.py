"""The flags of `docker buildx build` that have nothing to do here: one table, each with the reason it gives.

What would change the image and cannot be honoured is refused; the rest is taken with one note for each reason.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import click

from ocitool.cli.buildx.attestations import BARE, OFF, ON, is_value
from ocitool.cli.console import Console
from ocitool.errors import Unsupported, UsageError
from ocitool.events import Noted

F = TypeVar("F", bound=Callable[..., Any])


class IgnoredReason(NamedTuple):
    """Why a flag does nothing: in a few words for the help, and as it is told when the flag is used."""

    brief: str
    told: str


NOT_OURS: Final = IgnoredReason(
    "Limits of RUN are --run-….",
    "for a daemon; the limits of RUN are --run-memory, --run-pids and --run-disk",
)
NO_BUILDER: Final = IgnoredReason("There is no builder.", "there is no builder: the build happens in this process")
ANYWAY: Final = IgnoredReason("So it is at every build.", "images are asked for at every build")
NOT_SENT: Final = IgnoredReason("Nothing is sent.", "the context is read where it is, and sent nowhere")
NOT_SQUASHED: Final = IgnoredReason("Layers stay apart.", "layers stay apart, as with buildx")
RAW_LINES: Final = "progress is told in lines; --json gives the result as JSON"

SECTION: Final = "Taken because scripts for docker buildx say it"


class Word(NamedTuple):
    """One flag: its names, what stands for its value (empty: it takes none), and why it does nothing."""

    names: tuple[str, ...]
    metavar: str
    reason: IgnoredReason
    is_hidden: bool = False

    @property
    def key(self) -> str:
        """The name under which click hands it over."""
        return self.names[0].removeprefix("--").replace("-", "_")


WORDS: Final = (
    Word(("--builder",), "NAME", NO_BUILDER),
    Word(("--pull",), "", ANYWAY),
    Word(("--cgroup-parent",), "NAME", NOT_OURS),
    # What docker build took and buildx hides and ignores.
    Word(("--isolation",), "NAME", NOT_OURS, is_hidden=True),
    Word(("--security-opt",), "OPTION", NOT_OURS, is_hidden=True),
    Word(("--memory", "-m"), "BYTES", NOT_OURS, is_hidden=True),
    Word(("--memory-swap",), "BYTES", NOT_OURS, is_hidden=True),
    Word(("--cpu-shares", "-c"), "N", NOT_OURS, is_hidden=True),
    Word(("--cpu-period",), "N", NOT_OURS, is_hidden=True),
    Word(("--cpu-quota",), "N", NOT_OURS, is_hidden=True),
    Word(("--cpuset-cpus",), "SET", NOT_OURS, is_hidden=True),
    Word(("--cpuset-mems",), "SET", NOT_OURS, is_hidden=True),
    Word(("--rm",), "", NOT_OURS, is_hidden=True),
    Word(("--force-rm",), "", NOT_OURS, is_hidden=True),
    Word(("--compress",), "", NOT_SENT, is_hidden=True),
    Word(("--squash",), "", NOT_SQUASHED, is_hidden=True),
)
_SILENT: Final = frozenset({"pull", "rm", "force_rm"})
"""What asks for nothing else than what happens anyway."""
PROGRESS: Final = ("auto", "none", "plain", "quiet", "rawjson", "tty")
CALLS: Final = ("build", "check", "lint", "outline", "targets")
"""What --call can ask for; lint is docker's other word for check."""
FORMS: Final = ("text", "json", "sarif", "github")
"""How it can be told; the last two are for checks, and buildx does not have them."""


class Flag(click.Option):
    """An option under a heading of its own."""

    section = SECTION


class SectionedCommand(click.Command):
    """A command whose help has the flags of `section` at the end, and whose switches take docker's `=true`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's; `--push=true` is `--push`, and `--push=false` is nothing."""
        options = [one for one in self.params if isinstance(one, click.Option)]
        switches = {name for one in options if one.is_flag for name in (*one.opts, *one.secondary_opts)}
        return super().parse_args(ctx, list(_without_values(args, switches)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options in their sections, in their order."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx) if isinstance(one, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(one, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _without_values(args: Sequence[str], switches: set[str]) -> Iterator[str]:
    """The words without `=true` of switches and without those that say `=false`.

    `--sbom` alone gets a value, or takes the next word, as with buildx, if that can only be one.
    """
    words = iter(range(len(args)))
    for number in words:
        word = args[number]
        if word == "--":
            yield from args[number:]
            return
        name, equals, value = word.partition("=")
        if name in BARE and not equals:
            following = args[number + 1] if number + 1 < len(args) else ""
            if is_value(following):
                next(words)
            yield f"{word}={following if is_value(following) else 'true'}"
        elif not equals or name not in switches:
            yield word
        elif value in ON:
            yield name
        elif value not in OFF:
            raise UsageError(f"{name}={value} is neither true nor false")
        elif f"--no-{name[2:]}" in switches:
            yield f"--no-{name[2:]}"


def flags(function: F) -> F:
    """Add buildx's flags: those of the table, and those that say how the build is told."""
    for option in reversed(tuple(_options())):
        function = option(function)
    return function


def _options() -> Iterator[Callable[[F], F]]:
    yield click.option(
        "--progress",
        cls=Flag,
        type=click.Choice(PROGRESS),
        metavar="HOW",
        envvar="BUILDKIT_PROGRESS",
        help="auto, tty, plain, quiet, none or rawjson.",
    )
    yield click.option("-D", "--debug", cls=Flag, is_flag=True, help="As --verbose.")
    yield click.option(
        "--call",
        cls=Flag,
        metavar="METHOD",
        help="build, check[,format=text|json|sarif|github], outline or targets[,format=json].",
    )
    for word in WORDS:
        takes = {"multiple": True, "metavar": word.metavar} if word.metavar else {"is_flag": True}
        yield click.option(*word.names, cls=Flag, help=word.reason.brief, hidden=word.is_hidden, **takes)


def heed(values: Mapping[str, Any], console: Console) -> None:
    """Do what can be done about buildx's flags, tell why the others do nothing, refuse what would be missed.

    Raises Unsupported, UsageError.
    """
    call(values)
    show(values, console)
    for reason, names in given(values).items():
        console.hear(Noted(f"note: {', '.join(names)}: {reason}", "notice"))


def given(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """For each reason the flags that were given and do nothing because of it."""
    found: dict[str, list[str]] = {}
    for word in WORDS:
        if values.get(word.key) and word.key not in _SILENT:
            found.setdefault(word.reason.told, []).append(word.names[0])
    return found


def show(values: Mapping[str, Any], console: Console) -> None:
    """Tell the build as --progress and --debug ask for."""
    progress = values.get("progress")
    if progress in {"none", "quiet"}:
        console.quiet = True
    elif progress in {"plain", "rawjson"}:
        console.draw_nothing()
    if progress == "rawjson":
        console.hear(Noted(f"note: --progress rawjson: {RAW_LINES}", "notice"))
    console.verbose = console.verbose or bool(values.get("debug"))


def call(values: Mapping[str, Any]) -> tuple[str, str]:
    """What is to be done with the Dockerfile, and in which form it is told.

    Raises Unsupported for another method, UsageError for an option that is none.
    """
    method, *options = (values.get("call") or "build").split(",")
    if method not in CALLS:
        raise Unsupported(f"--call {method} is not answered", ability=method, hint=f"one of {', '.join(CALLS)} is")
    if values.get("check") or method == "lint":
        method = "check"
    form = "text"
    for option in options:
        key, _, form = option.partition("=")
        if key != "format" or form not in (FORMS if method == "check" else FORMS[:2]):
            raise UsageError(f"--call {method} has no option {option!r}", hint="format=json is one")
    return method, form
