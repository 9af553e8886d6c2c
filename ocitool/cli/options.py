"""Options of every command, and App, which holds what they decide.

Precedence is flags, environment (OCITOOL_…), defaults; resolved here once.
"""

import functools
import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ocitool.cli.console import Console
from ocitool.cli.outcome import Outcome, distinct, envelope, error_lines, error_tree, exit_code, flatten, ours, see
from ocitool.cli.shared_options import named
from ocitool.cli.signals import Signals
from ocitool.cli.terminal import fitted, painted, width_of
from ocitool.client import Client
from ocitool.errors import Cancelled, OutputClosed
from ocitool.events import Event, Listener
from ocitool.model.numbers import is_digits
from ocitool.model.printable import shown
from ocitool.tasks import Scope
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.change.plan import Plan
    from ocitool.change.promises import Promises
    from ocitool.repair.plan import Repair

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", "Plan", "Repair")


class WholeNumber(click.IntRange):
    """A number within bounds, of ASCII digits alone."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's
        """As click's. Fails for digits of other scripts, underscores and signs."""
        if isinstance(value, str) and not is_digits(value):
            self.fail(f"{shown(value)[:40]!r} is no whole number", param, ctx)
        return super().convert(value, param, ctx)


@dataclass
class App:
    """One run of one command: its client, its scope, and whom to tell.

    `settings` are what the flags say about the client, which is made when it is first used. `sign_keys` sign what
    plans write, and `password` opens them; `promises` are what tags keep to. Closed by the wrapper of `common`.
    """

    command: str
    console: Console
    settings: dict[str, Any]
    scope: Scope = field(default_factory=Scope)
    sign_keys: tuple[str, ...] = ()
    password: Callable[[str], bytes] | None = None
    promises: "Promises | None" = None
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def listener(self) -> Listener:
        """Whom the library tells what happens."""
        return self.console.hear

    @cached_property
    def client(self) -> Client:
        """Everything that is done, it does."""
        return self.stack.enter_context(Client(scope=self.scope, listener=self._hear, **self.settings))

    @property
    def work(self) -> Workspace:
        """Where the client works."""
        return self.client.workspace

    def trust(self, hosts: Iterable[str], *, plain_http: bool = False) -> None:
        """Do not check the certificates of these hosts, or use no TLS at all; a client made before is done with."""
        key = "plain_http" if plain_http else "insecure"
        self.settings[key] = (*self.settings[key], *sorted(set(hosts)))
        self.__dict__.pop("client", None)

    def sign_plans(self, keys: Iterable[str], password: Callable[[str], bytes]) -> None:
        """Let `signed` sign with these keys."""
        self.sign_keys, self.password = tuple(keys), password

    def promised(self, plan: "Plan") -> "Plan":
        """The plan that keeps what was promised of the tags that it writes."""
        return self.client.promise(plan, **self.promises.words) if self.promises is not None else plan

    def signed(self, plan: P) -> P:
        """The plan that also signs what it writes, where keys were given for that."""
        if not self.sign_keys:
            return plan
        return cast("P", self.client.plan_resign(plan, *self.sign_keys, password=self.password))

    def _hear(self, event: Event) -> None:
        self.console.hear(event)


def common(function: F, *, docker: bool = False) -> Any:  # noqa: ANN401 - click's
    """Add the shared options; the function gets an App first and returns an Outcome.

    With `docker`, `--insecure` is docker's plain flag and the function's own business.
    """

    @functools.wraps(function)
    def wrapper(**values: Any) -> int:  # noqa: ANN401 - click's
        signals = click.get_current_context().find_object(Signals) or Signals()
        if not gc.isenabled():  # put off by `__main__`, in a process of our own
            gc.freeze()  # what was imported stays and need not be looked through
            gc.set_threshold(20_000)
            gc.enable()
        return _run(_app(values, docker=docker), function, values, signals)

    decorated: Any = wrapper
    for option in reversed(_options(docker=docker)):
        decorated = option(decorated)
    return decorated


class SharedFlag(click.Option):
    """An option of every command: told by `ocitool --help` once, and by no command's own help."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:  # noqa: ARG002 - click's signature
        """None: a line of help that is not written."""
        return None


def _options(*, docker: bool) -> list[Callable[[Any], Any]]:
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    folder = click.Path(file_okay=False, path_type=Path)
    return [
        _shared("--json", "as_json"),
        _shared("--quiet"),
        _shared("--verbose"),
        _shared("--plain-http", multiple=True),
        *([] if docker else [_shared("--insecure", "insecure_hosts", multiple=True)]),
        _shared("--ca", "ca_files", multiple=True, type=file),
        _shared("--anonymous", "anonymous_hosts", multiple=True),
        _shared("--part-mib", type=WholeNumber(1, 1024)),
        _shared("--jobs", type=WholeNumber(1, 64)),
        _shared("--rate", "rates", multiple=True),
        _shared("--cache-dir", type=folder),
    ]


def _shared(flag: str, *name: str, **more: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - click's
    """One of the shared options, under the name that the function gets it by."""
    one = named(flag)
    takes = {"metavar": one.metavar, "envvar": one.variable, **more} if one.metavar else {"is_flag": True}
    return click.option(*one.names, *name, cls=SharedFlag, help=one.summary, **takes)


def dockerfile(function: F) -> F:
    """Add the options that say which Dockerfile is built, and how."""
    path = click.Path(path_type=Path)
    for option in (
        click.option(
            "--build-context",
            multiple=True,
            metavar="NAME=DIR|LOC",
            help="Files or an image for COPY --from and FROM.",
        ),
        click.option("--target", default="", metavar="STAGE", help="Stage of the Dockerfile to build."),
        click.option("--build-arg", multiple=True, metavar="K[=V]", help="Value for an ARG of the Dockerfile."),
        click.option("-f", "--file", type=path, metavar="FILE", help="The Dockerfile; - reads standard input."),
    ):
        function = option(function)
    return function


def _app(values: dict[str, Any], *, docker: bool) -> App:
    ctx = click.get_current_context()
    console = Console(as_json=values.pop("as_json"), quiet=values.pop("quiet"), verbose=values.pop("verbose"))
    settings = {
        "plain_http": values.pop("plain_http"),
        "insecure": () if docker else values.pop("insecure_hosts"),
        "ca_files": values.pop("ca_files"),
        "anonymous": values.pop("anonymous_hosts"),
        "part_mib": values.pop("part_mib") or 0,
        "jobs": values.pop("jobs") or 0,
        "rates": values.pop("rates"),
        "cache_dir": values.pop("cache_dir"),
    }
    return App(ctx.command_path.removeprefix("ocitool").strip(), console, settings)


def _run(app: App, function: Callable[..., Outcome], values: dict[str, Any], signals: Signals) -> int:
    """Call the command and print what came of it. Raises what makes printing impossible."""
    console = app.console
    try:
        with signals.ending(app.scope), app.stack:
            outcome = function(app, **values)
    except (click.exceptions.Exit, OutputClosed):
        raise
    except BaseException as error:  # noqa: BLE001 - every error becomes lines and a code
        errors = list(flatten(signals.reason() if signals.code else error))
        if len(errors) > 1:  # a sibling that was stopped is no news beside the failure that stopped it
            errors = [e for e in errors if not isinstance(e, Cancelled)] or errors[:1]
        outcome = Outcome(exit_code=exit_code(ours(error) if not signals.code else signals.reason()))
    else:
        errors = list(outcome.errors)
    console.finish()
    failed = distinct([ours(one) for one in errors])
    try:
        _print(app, outcome, failed)
    finally:
        for one in failed:
            for line in error_lines(one, verbose=console.verbose):
                console.error(line)
        for line in see(outcome.exit_code) if failed else ():
            console.talk(line)
    if outcome.summary and not console.quiet:
        console.talk(fitted(outcome.summary, width_of(sys.stderr)))
    return outcome.exit_code


def _print(app: App, outcome: Outcome, failed: Iterable[BaseException]) -> None:
    console = app.console
    if console.as_json:
        trees = [error_tree(one) for one in failed]
        console.json(envelope(app.command, outcome.data, outcome.exit_code, console.warnings, trees))
    elif outcome.raw is not None:
        console.bytes(outcome.raw)
    elif outcome.text:
        text = outcome.text if outcome.text.endswith("\n") else outcome.text + "\n"
        console.data(text if outcome.is_exact else painted(fitted(text, width_of(sys.stdout)), sys.stdout))
