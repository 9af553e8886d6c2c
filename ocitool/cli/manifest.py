"""Docker's `manifest` commands: their options, the plain --insecure, and what they mean natively."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from ocitool.cli import docker
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.events import Noted
from ocitool.model.reference import Reference
from ocitool.registry.probe import speaks_tls


def options(function: Callable[..., Outcome]) -> Any:  # noqa: ANN401 - click's
    """The shared options, without our `--insecure HOST`: docker's word is a plain flag."""
    return common(function, docker=True)


def insecure(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option for registries without TLS, or with a certificate that cannot be checked."""
    return click.option("--insecure", is_flag=True, help="Allow HTTP and certificates that cannot be checked.")(
        function
    )


def trust(app: App, names: Iterable[str], *, insecure: bool) -> None:
    """Before anything is opened: let the named registries go without TLS or without a good certificate."""
    hosts = {Reference.parse(name).api_host for name in names} if insecure else set()
    for host in sorted(hosts):
        app.trust([host], plain_http=not speaks_tls(host))


def tell(app: App, words: tuple[str, ...]) -> None:
    """Under --verbose, the native command that means the same."""
    app.listener(Noted(docker.shown(words), "info"))
