"""The options of `build` and `buildx build` about RUN, and what they come to."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from ocitool.cli.values import Words
from ocitool.dockerfile.run.options import RunOptions, run_options

F = TypeVar("F", bound=Callable[..., Any])

SECTION: Final = "RUN lines of a Dockerfile"


class RunFlag(click.Option):
    """An option under the heading of RUN."""

    section = SECTION


_MANY: Final = (
    ("--secret", "secrets", "id=ID[,src=FILE|,env=NAME]", "A secret for RUN --mount=type=secret."),
    ("--ssh", "ssh", "ID[=SOCKET]", "An agent for RUN --mount=type=ssh  [default: SSH_AUTH_SOCK]."),
    ("--allow", "allow", "network.host", "Let RUN --network=host be what it says."),
    ("--add-host", "add_hosts", "NAME:ADDRESS", "A line more in /etc/hosts of RUN."),
    ("--ulimit", "ulimits", "NAME=SOFT[:HARD]", "A limit of the processes, such as nofile."),
    ("--emulator", "emulators", "FILE|LOC", "Where qemu is: a file, a folder or an image  [default: PATH]."),
    (
        "--cache-from",
        "cache_from",
        "type=…",
        "Take what RUN left from type=registry,ref=REF or type=local,src=DIR.",
    ),
    ("--cache-to", "cache_to", "type=…", "Leave it at type=registry,ref=REF or type=local,dest=DIR."),
    ("--no-cache-filter", "fresh", "STAGE", "Run the lines of this stage again; compile and pack all again."),
)
_ONE: Final = (
    ("--network", "network", "MODE", "Network of RUN: default, none or host."),
    ("--run-network", "run_network", "MODE", "The same for every RUN, whatever it says: none, isolated or host."),
    ("--shm-size", "shm_size", "BYTES", "Size of /dev/shm  [default: 64m]."),
    ("--run-memory", "run_memory", "BYTES", "Most memory of one RUN."),
    ("--run-pids", "run_pids", "N", "Most processes of one RUN."),
    ("--run-disk", "run_disk", "BYTES", "Most bytes that one RUN writes."),
)


def flags(function: F) -> F:
    """Add the options."""
    for option in reversed(tuple(_options())):
        function = option(function)
    return function


def _options() -> list[Callable[[Any], Any]]:
    found: list[Callable[[Any], Any]] = [
        click.option(
            "--no-run",
            cls=RunFlag,
            is_flag=True,
            envvar="OCITOOL_NO_RUN",
            help="Refuse what would have to be carried out.",
        ),
        click.option(
            "--rewrite-timestamp",
            cls=RunFlag,
            is_flag=True,
            help="No time in what RUN leaves is later than SOURCE_DATE_EPOCH  [default: 1970].",
        ),
    ]
    for flag, name, metavar, text in _MANY:
        found.append(click.option(flag, name, cls=RunFlag, multiple=True, metavar=metavar, help=text))
    for flag, name, metavar, text in _ONE:
        variable = f"OCITOOL_{name.upper()}" if name.startswith("run_") else None
        found.append(click.option(flag, name, cls=RunFlag, default="", metavar=metavar, envvar=variable, help=text))
    return found


def options_of(words: Words, environ: Mapping[str, str]) -> RunOptions:
    """What the flags come to. Raises UsageError, Unsupported, and what reading a secret raises."""
    return run_options(
        environ,
        is_allowed=not words.is_set("no_run"),
        use_cache=not words.is_set("no_cache"),
        secrets=words.many("secrets"),
        ssh=words.many("ssh"),
        allow=words.many("allow"),
        network=words.text("network"),
        run_network=words.text("run_network"),
        add_hosts=words.many("add_hosts"),
        shm_size=words.text("shm_size"),
        ulimits=words.many("ulimits"),
        memory=words.text("run_memory"),
        pids=words.text("run_pids"),
        disk=words.text("run_disk"),
        emulators=words.many("emulators"),
        fresh=words.many("fresh"),
        cache_from=words.many("cache_from"),
        cache_to=words.many("cache_to"),
    )
