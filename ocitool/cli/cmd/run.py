"""`ocitool run`: the answer to `docker run`, for nothing is run here.

Scripts that build for several platforms begin with an image that installs emulators; none is needed, so that line
is no reason to stop.
"""

import re
from typing import Final

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import Unsupported
from ocitool.events import Noted

_EMULATORS: Final = re.compile(
    r"(?:docker\.io/)?(?:tonistiigi/binfmt|multiarch/qemu-user-static|linuxkit/binfmt)(?:[:@].*)?"
)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@common
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS] IMAGE [COMMAND]")
def command(app: App, *, words: tuple[str, ...]) -> Outcome:
    """Tell that no container is run; an image that installs emulators is not missed.

    Exit code 0 for tonistiigi/binfmt and its like, 9 for everything else.
    """
    if not any(_EMULATORS.fullmatch(word) for word in words):
        raise Unsupported(
            "no container is run here",
            ability="run",
            hint="ocitool build compiles without one; ocitool doctor tells for which platforms, and by what",
        )
    app.listener(Noted("note: no emulator is needed: nothing of another platform is run", "notice"))
    return Outcome({"needed": False})
