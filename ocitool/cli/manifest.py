"""Docker's `manifest` commands: the plain --insecure, names of lists, drafts and their sources."""

from collections.abc import Callable, Iterable
from typing import Any

import click

from ocitool.cli import docker
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import NotFound
from ocitool.events import Noted
from ocitool.index.drafts import Draft, Drafts
from ocitool.index.editor import open_member
from ocitool.index.sources import MemberSource
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


def full(name: str) -> str:
    """The one name of a list or image, as drafts know it."""
    return str(Reference.parse(name))


def drafts_of(app: App) -> Drafts:
    """The drafts of this machine."""
    return Drafts(app.client.workspace.machine.root / "drafts")


def load(app: App, name: str) -> Draft:
    """The draft of a list. Raises NotFound in docker's words."""
    draft = drafts_of(app).load(full(name))
    if draft is None:
        raise NotFound(f"No such manifest: {name}", name=name, hint="ocitool manifest create starts a list")
    return draft


def sources(app: App, references: Iterable[str]) -> tuple[MemberSource, ...]:
    """The opened images of a draft, in order."""
    return tuple(open_member(app.client.workspace.opener, reference) for reference in references)


def tell(app: App, words: tuple[str, ...]) -> None:
    """Under --verbose, the native command that means the same."""
    app.listener(Noted(docker.shown(words), "info"))
