"""Compiling: targets become jobs, and a job is a command line, not an action.

A toolchain's `plan` is pure: it reads nothing and starts nothing, so `--dry-run` can print what it gives and
tests can compare it. `toolchains/processes.py` starts the commands.
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from ocitool.model.platform import Platform
from ocitool.toolchains.options import Program
from ocitool.values import dataclass, field

PASSED: Final = frozenset(
    [
        "PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SOURCE_DATE_EPOCH",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE",
        "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_TERMINAL_PROMPT", "NETRC",
        "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT",
    ]
)  # fmt: skip
"""Variables of this process that every compiler gets: where it finds things, never what they contain."""

_PASSED_PATTERN: Final = re.compile(r"GIT_CONFIG_(?:KEY|VALUE)_\d+")


@dataclass(frozen=True, slots=True)
class Target:
    """One program for one platform. `source` is the project's folder, `output` the file to be written."""

    program: Program
    platform: Platform
    source: Path
    output: Path

    def __str__(self) -> str:
        return f"{self.program.name} for {self.platform}"


class Inputs(Enum):
    """Which files decide a job's output, as far as its toolchain knows them."""

    UNKNOWN = "unknown"
    GO_MODULE = "go module"
    C_SOURCES = "C sources"


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that a job's commands need, such as a wrapper of the compiler; written where it is not there yet."""

    path: Path
    text: str
    is_program: bool = True


@dataclass(frozen=True, slots=True)
class JobStep:
    """A command before the job's own; one with a name in `once` is left out once it succeeded in its build tree."""

    argv: tuple[str, ...]
    cwd: Path
    once: str = ""


@dataclass(frozen=True, slots=True)
class BuildTree:
    """A folder of the job's own with a copy of the sources in `sources`, kept from one build to the next.

    It begins anew where `key`, everything that decides how the tree is set up, is another. `installed` is the
    folder that what is installed goes to; it is emptied before the job.
    """

    folder: Path
    key: str
    installed: Path

    @property
    def sources(self) -> Path:
        """Where the copy of the project stands."""
        return self.folder / "src"


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What a compiler makes once for a target and keeps: `marker` is written when a job that made it succeeded."""

    marker: Path
    words: str


@dataclass(frozen=True, slots=True)
class CompileJob:
    """A command that makes one target: argv and the whole environment, started in `cwd`.

    `outputs` are the files that must be there afterwards, the program itself first. Those that are there before
    are removed if `is_fresh`; otherwise they are a project's own, and the command decides whether to renew them.
    Exclusive jobs are never run beside each other, for they may write the same files in one folder.
    `steps` are commands before it, in the same environment; `files` are written first. With a `tree` everything
    happens in a copy of the sources, and what is installed is the output.
    """

    target: Target
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(hash=False)
    cwd: Path
    outputs: tuple[Path, ...]
    is_fresh: bool = True
    is_exclusive: bool = False
    inputs: Inputs = Inputs.UNKNOWN
    steps: tuple[JobStep, ...] = ()
    files: tuple[JobFile, ...] = ()
    tree: BuildTree | None = None
    first_uses: tuple[FirstUse, ...] = ()

    @property
    def commands(self) -> tuple[JobStep, ...]:
        """Every command in the order they are run, the job's own last."""
        return (*self.steps, JobStep(self.argv, self.cwd))


class Toolchain(Protocol):
    """A way to compile; values, safe to share between threads."""

    @property
    def name(self) -> str:
        """The word after `--toolchain`."""

    def plan(self, target: Target) -> CompileJob:
        """The command for one target. Pure. Raises Unsupported if it cannot compile for that platform."""


def targets(
    programs: Iterable[Program], platforms: Iterable[Platform], source: Path, work: Path
) -> tuple[Target, ...]:
    """Every program for every platform, platform by platform, each with an output of its own under `work`."""
    return tuple(
        Target(
            program,
            platform,
            source.absolute(),
            work.absolute() / folder_name(platform) / file_name(program, platform),
        )
        for platform in platforms
        for program in programs
    )


def file_name(program: Program, platform: Platform) -> str:
    """The program's file name on that platform."""
    return f"{program.name}.exe" if platform.os == "windows" and "." not in program.name else program.name


def folder_name(platform: Platform) -> str:
    """A folder name that tells platforms apart, such as `linux-arm-v7`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", str(platform)).strip("-")


def passed(environ: Mapping[str, str], names: Iterable[str] = ()) -> dict[str, str]:
    """The part of this process's environment that a compiler may see: `PASSED` and `names`.

    Everything else stays here: it may hold secrets, and what is not passed cannot change the bytes.
    """
    wanted = PASSED.union(names)
    return {key: value for key, value in sorted(environ.items()) if key in wanted or _PASSED_PATTERN.fullmatch(key)}


def find_program(name: str, environ: Mapping[str, str]) -> Path | None:
    """The program on the absolute folders of PATH, or None; the current folder is never searched."""
    folders = [folder for folder in environ.get("PATH", "").split(":") if folder.startswith("/")]
    found = shutil.which(name, path=":".join(folders)) if folders else None
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class Project:
    """Where compiling happens: the folder of the sources, the folder for outputs, this process's environment.

    `cache` is a folder that all projects share, for what compilers keep (None: below `work`); `width` how many
    processes one job may run side by side. `with_debug` asks for debug information and build ids.
    """

    source: Path
    work: Path
    environ: Mapping[str, str] = field(hash=False, repr=False)
    cache: Path | None = None
    width: int = 1
    with_debug: bool = False

    @property
    def compiler_cache(self) -> Path:
        """The folder for what compilers keep and all projects share."""
        return (self.cache or self.work).absolute()


@dataclass(frozen=True, slots=True)
class Planned:
    """A job, and the absolute path that its program has in the image; in a Dockerfile's stage, if it names one.

    Of a job with a build tree `place` is the folder that the installed files go to, those that a pattern of
    `files` fits if there are any.
    """

    job: CompileJob
    place: str
    stage: str = ""
    files: tuple[str, ...] = ()

    @property
    def platform(self) -> Platform:
        """The platform that the job is for."""
        return self.job.target.platform
