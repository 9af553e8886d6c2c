"""Options of promises: what tags keep to when a command writes them, by flags or by ocitool.toml."""

import functools
from collections.abc import Callable
from typing import Any

import click

from ocitool.change.promises import Promises
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.values import Words
from ocitool.project.promises import promises_here


def flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options alone; `promises_of` reads them."""
    for option in (
        click.option(
            "--keep-platforms/--no-keep-platforms", default=None, help="No tag loses a platform it offers."
        ),
        click.option("--no-clobber/--clobber", default=None, help="No tag that holds something else is written."),
        click.option(
            "--expect-at-least", metavar="PLATFORM", multiple=True, help="Written only for these and maybe more."
        ),
        click.option("--expect", metavar="PLATFORM", multiple=True, help="Written only for exactly these; commas."),
    ):
        function = option(function)
    return function


def promises_of(words: Words) -> Promises:
    """What the options say. Raises UsageError."""
    return Promises.parse(
        words.many("expect"),
        words.many("expect_at_least"),
        no_clobber=words.tri("no_clobber"),
        keep_platforms=words.tri("keep_platforms"),
    )


def promising(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options for a command whose plans keep them; stands next to the function, which does not see them."""
    return _keeping(function, from_file=False)


def publishing(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `promising`, and what the ocitool.toml of the current folder promises of all that is published."""
    return _keeping(function, from_file=True)


def _keeping(function: Callable[..., Any], *, from_file: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(app: App, **values: Any) -> Outcome:  # noqa: ANN401 - click's
        said = {name: values.pop(name) for name in ("expect", "expect_at_least", "no_clobber", "keep_platforms")}
        promises = promises_of(Words(said))
        app.promises = promises.over(promises_here()) if from_file else promises
        outcome: Outcome = function(app, **values)
        return outcome

    return flags(wrapper)
