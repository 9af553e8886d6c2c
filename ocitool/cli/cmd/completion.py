"""`ocitool completion`: the script with which a shell completes words."""

import click

from ocitool.cli.completion import SCRIPTS
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
@common
def command(app: App, *, shell: str) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Print the script that lets SHELL complete commands, options and values.

    Bash reads it in ~/.bashrc: eval "$(ocitool completion bash)". Zsh likewise in ~/.zshrc, below compinit. Fish
    reads it in ~/.config/fish/completions/ocitool.fish.
    """
    return Outcome({"shell": shell, "script": SCRIPTS[shell]}, SCRIPTS[shell], is_exact=True)
