"""Options about trust: which keys and rules what is used has to fulfil, and which keys sign what is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


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


def policy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a policy file."""
    return click.option(
        "--policy",
        metavar="FILE",
        envvar="OCITOOL_POLICY",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Rules that images have to fulfil  [default: what ocitool.toml names]",
    )(function)
