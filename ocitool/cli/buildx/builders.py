"""Answers of the `buildx` commands about builders: every name is a builder that needs nothing. Pure.

There is no builder, and nothing is remembered: scripts that create, choose and remove one go on to their build.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from ocitool.cli.console import table
from ocitool.cli.options import App
from ocitool.errors import UsageError
from ocitool.events import Noted
from ocitool.values import dataclass

F = TypeVar("F", bound=Callable[..., Any])

NAME: Final = "ocitool"
"""The name of a builder that was given none."""
PLATFORMS: Final = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/386", "linux/ppc64le",
    "linux/s390x", "linux/riscv64", "linux/loong64", "linux/mips64le", "linux/mips64", "linux/mipsle", "linux/mips",
)  # fmt: skip
"""What a Dockerfile is built for, of the platforms that images are published for; any other but Windows is too."""
_FIELD: Final = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder in name: what is said of it where buildx lists one."""

    name: str

    @property
    def data(self) -> dict[str, Any]:
        """What is said of it with --json."""
        return {"name": self.name, "driver": "none", "platforms": list(PLATFORMS)}

    def to_tree(self) -> dict[str, Any]:
        """The fields that `docker buildx ls --format json` has."""
        node = {"Name": f"{self.name}0", "Endpoint": "none", "Status": "running", "Platforms": list(PLATFORMS)}
        return {"Name": self.name, "Driver": "none", "Current": True, "Dynamic": False, "Nodes": [node]}

    def inspected(self) -> str:
        """The text of `inspect`."""
        return "\n".join(
            [
                f"Name:   {self.name}",
                "Driver: none",
                "",
                "Nodes:",
                f"Name:      {self.name}0",
                "Endpoint:  none",
                "Status:    running",
                f"Platforms: {', '.join(PLATFORMS)}",
            ]
        )

    def listed(self) -> str:
        """The table of `ls`: the builder, and its node below it."""
        rows = [
            (f"{self.name}*", "none", "", "", ""),
            (rf" \_ {self.name}0", r" \_ none", "running", "none", ", ".join(PLATFORMS)),
        ]
        return table(("NAME/NODE", "DRIVER/ENDPOINT", "STATUS", "BUILDKIT", "PLATFORMS"), rows)

    def filled(self, template: str) -> str:
        """A template of `ls --format`, a line for the builder and one for its node. Raises UsageError."""
        lines = [
            {"Name": self.name, "DriverEndpoint": "none", "Status": "", "Buildkit": "", "Platforms": ""},
            {
                "Name": f"{self.name}0",
                "DriverEndpoint": "none",
                "Status": "running",
                "Buildkit": "none",
                "Platforms": ", ".join(PLATFORMS),
            },
        ]
        for field in _FIELD.findall(template):
            if field not in lines[0]:
                raise UsageError(f"a builder has no field {field!r}", hint=f"it has {', '.join(lines[0])}")
        if "{{" in _FIELD.sub("", template):
            raise UsageError(f"--format {template!r} holds more than fields", hint="as in {{.Name}}, or json")
        return "\n".join(_fill(template, line) for line in lines)


def _fill(template: str, line: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda match: line[match[1]], template)


def note(app: App) -> None:
    """Tell that there is no builder, and that none is missed."""
    app.listener(
        Noted("note: there is no builder, and none is needed: a build happens where it is called", "notice")
    )


def takes(*names: str, is_flag: bool = False) -> Callable[[F], F]:
    """Options that are taken and mean nothing without a builder; `--force -f` is one with two names."""

    def decorate(function: F) -> F:
        for name in reversed(names):
            kind: dict[str, Any] = {"is_flag": True} if is_flag else {"multiple": True, "metavar": "VALUE"}
            function = click.option(*name.split(), expose_value=False, help="Taken; means nothing here.", **kind)(
                function
            )
        return function

    return decorate
