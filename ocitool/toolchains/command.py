"""`--toolchain command`: any command line compiles; what for is in its environment."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import CompileJob, Target, find_program, passed
from ocitool.toolchains.go import go_platform
from ocitool.toolchains.options import CommandOptions
from ocitool.values import dataclass

_PLACEHOLDER: Final = re.compile(r"\{(os|arch|variant|output)\}")


@dataclass(frozen=True, slots=True)
class CommandToolchain:
    """A command as a toolchain.

    `program` is what `find_command` found for its first word; `environ` is what it may see of this process's
    environment.
    """

    options: CommandOptions
    program: str
    environ: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The word after `--toolchain`."""
        return "command"

    def plan(self, target: Target) -> CompileJob:
        """The command for one target. Raises UsageError if there is none or its output leads out of the project.

        An output that the options name is the project's own file and is left for the command to renew; without
        a name the target's output is new every time.
        """
        if not self.options.run:
            raise UsageError(
                f"no command to make {target}", hint='write [command] with run = ["make", ...] into ocitool.toml'
            )
        output = target.output
        if self.options.output:
            path = PurePosixPath(_fill(self.options.output, target.platform, ""))
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise UsageError(f"the output of a command stands in the project: {self.options.output!r} does not")
            output = target.source / path
        arguments = (_fill(word, target.platform, str(output)) for word in self.options.run[1:])
        env = {**dict(self.environ), **dict(self.options.env), **target_environ(target, output)}
        return CompileJob(
            target,
            (self.program, *arguments),
            env,
            target.source,
            (output,),
            is_fresh=not self.options.output,
            is_exclusive=not self.options.is_parallel,
        )


def command_environ(environ: Mapping[str, str], options: CommandOptions) -> tuple[tuple[str, str], ...]:
    """What the command may see of this process's environment."""
    return tuple(passed(environ, options.passed).items())


def target_environ(target: Target, output: Path) -> dict[str, str]:
    """The target as variables: ours, those of a Dockerfile's ARGs, and Go's where Go has such a port.

    OCITOOL_PLATFORM, OCITOOL_OS, OCITOOL_ARCH, OCITOOL_VARIANT, OCITOOL_PROGRAM, OCITOOL_OUTPUT (absolute);
    TARGETPLATFORM, TARGETOS, TARGETARCH, TARGETVARIANT; GOOS, GOARCH and the level.
    """
    platform = target.platform
    env = {
        "OCITOOL_PLATFORM": str(platform),
        "OCITOOL_OS": platform.os,
        "OCITOOL_ARCH": platform.architecture,
        "OCITOOL_VARIANT": platform.variant,
        "OCITOOL_PROGRAM": target.program.name,
        "OCITOOL_OUTPUT": str(output),
        "TARGETPLATFORM": str(platform),
        "TARGETOS": platform.os,
        "TARGETARCH": platform.architecture,
        "TARGETVARIANT": platform.variant,
    }
    try:
        return {**env, **go_platform(platform)}
    except Unsupported:
        return env


def find_command(options: CommandOptions, source: Path, environ: Mapping[str, str]) -> str:
    """The absolute path of the command's program: on PATH, or below the project if it is written with a slash.

    Empty if the options name none. Raises Unsupported if it is not there.
    """
    name = options.run[0] if options.run else ""
    if not name:
        return ""
    found = source.absolute() / name if "/" in name else find_program(name, environ)
    if found is None or not found.is_file():
        raise Unsupported(
            f"the command {name} is not there", ability=name, hint="install it, or correct [command] run"
        )
    return str(found)


def _fill(text: str, platform: Platform, output: str) -> str:
    values = {"os": platform.os, "arch": platform.architecture, "variant": platform.variant, "output": output}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)
