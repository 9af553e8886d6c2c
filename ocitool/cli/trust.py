"""Options about trust: which keys and rules what is used has to fulfil, and which keys sign what is made."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ocitool.cli import passwords
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError


def verifying(what: str) -> Callable[[Any], Any]:
    """The options that say what `what` has to fulfil before it is used."""

    def add(function: Any) -> Any:  # noqa: ANN401 - click's
        for option in (
            policy,
            click.option(
                "--verify-identity",
                "verify_identity",
                metavar="NAME",
                multiple=True,
                help="A repository that it may be signed for; repeats  [default: its own]",
            ),
            click.option(
                "--verify-key",
                "verify_keys",
                metavar="FILE",
                multiple=True,
                help=f"{what} has to be signed with this public key; repeats, one is enough.",
            ),
        ):
            function = option(function)
        return function

    return add


def resigning(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that sign what a change of a tag writes; stands next to the function, which does not see them."""

    @functools.wraps(function)
    def wrapper(app: App, *, resign: tuple[str, ...], password_sources: tuple[str, ...], **values: Any) -> Outcome:  # noqa: ANN401 - click's
        if password_sources and not resign:
            raise UsageError("--password-from opens a key, and none is given", hint="add --resign FILE")
        if resign:
            app.sign_plans(resign, passwords.Passwords(password_sources))
        outcome: Outcome = function(app, **values)
        return outcome

    return click.option(
        "--resign",
        metavar="FILE",
        multiple=True,
        help="Sign the result with this private key before the tag is written; repeats.",
    )(passwords.option(wrapper))


def signing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name keys which sign what is published, and their passwords."""
    return click.option(
        "--sign-key",
        "sign_keys",
        metavar="FILE",
        multiple=True,
        help="Sign the result and each image with this private key before a tag is written; repeats.",
    )(passwords.option(function))


def passwords_of(sign_keys: tuple[str, ...], sources: tuple[str, ...]) -> passwords.Passwords:
    """The passwords of keys that sign. Raises UsageError where there are none."""
    if sources and not sign_keys:
        raise UsageError("--password-from opens a key, and none is given", hint="add --sign-key FILE")
    return passwords.Passwords(sources)


def policy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a policy file."""
    return click.option(
        "--policy",
        metavar="FILE",
        envvar="OCITOOL_POLICY",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Rules that images have to fulfil  [default: what ocitool.toml names]",
    )(function)
