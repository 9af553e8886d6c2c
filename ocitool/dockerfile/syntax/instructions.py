"""The instructions of a Dockerfile as values, their words not yet expanded; each knows its line.

Spec: BuildKit's Dockerfile reference, one section an instruction.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from ocitool.dockerfile.syntax.lines import Heredoc, Line
from ocitool.dockerfile.syntax.run_flags import RunFlags
from ocitool.values import dataclass, field

_NO_FLAGS: Final = RunFlags()
Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class From:
    """`FROM [--platform=P] IMAGE [AS NAME]`; `name` in lower case, empty if there is none."""

    line: Line
    image: str
    platform: str | None = None
    name: str = ""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Arg:
    """`ARG NAME[=DEFAULT] …`; None where there is no default."""

    line: Line
    items: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Env:
    """`ENV KEY=VALUE …`, or the old form of one key, a blank and the rest."""

    line: Line
    pairs: Pairs
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """`LABEL KEY=VALUE …`."""

    line: Line
    pairs: Pairs
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Maintainer:
    """`MAINTAINER TEXT`."""

    line: Line
    text: str


@dataclass(frozen=True, slots=True)
class User:
    """`USER USER[:GROUP]`."""

    line: Line
    text: str


@dataclass(frozen=True, slots=True)
class Workdir:
    """`WORKDIR PATH`."""

    line: Line
    path: str


@dataclass(frozen=True, slots=True)
class Expose:
    """`EXPOSE PORT[/PROTOCOL] …`."""

    line: Line
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """`VOLUME PATH …` or a JSON array."""

    line: Line
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopSignal:
    """`STOPSIGNAL SIGNAL`."""

    line: Line
    text: str


@dataclass(frozen=True, slots=True)
class Shell:
    """`SHELL ["PROGRAM", …]`."""

    line: Line
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cmd:
    """`CMD`; with `is_shell` the one word is a line for the shell."""

    line: Line
    words: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True)
class Entrypoint:
    """`ENTRYPOINT`; with `is_shell` the one word is a line for the shell."""

    line: Line
    words: tuple[str, ...]
    is_shell: bool


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """`HEALTHCHECK`; `test` as the config has it, times in nanoseconds, 0 where nothing is said."""

    line: Line
    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class OnBuild:
    """`ONBUILD INSTRUCTION`: the text that the config keeps."""

    line: Line
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """`RUN`: what it runs; `flags` as they are written, `options` what they say."""

    line: Line
    words: tuple[str, ...]
    is_shell: bool
    flags: tuple[tuple[str, str | None], ...] = ()
    options: RunFlags = _NO_FLAGS


@dataclass(frozen=True, slots=True)
class Copy:
    """`COPY` and `ADD` with all their flags; None and empty where nothing is said.

    A source `<<NAME` is the heredoc of that name. `unpack` is None where the kind of source decides.
    """

    line: Line
    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    source_stage: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    unpack: bool | None = None

    @property
    def is_add(self) -> bool:
        """Whether the instruction is ADD."""
        return self.line.name == "ADD"


Instruction: TypeAlias = (
    From
    | Arg
    | Env
    | Label
    | Maintainer
    | User
    | Workdir
    | Expose
    | Volume
    | StopSignal
    | Shell
    | Cmd
    | Entrypoint
    | Healthcheck
    | OnBuild
    | Run
    | Copy
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One build stage: its number from 0, its FROM, and the instructions below it."""

    number: int
    base: From
    body: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        """What the stage is called: its name, else its number."""
        return self.base.name or str(self.number)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed file: the ARGs before the first FROM, and the stages; `by_name` has the numbers of each name's."""

    file: str
    escape: str
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    lines: tuple[Line, ...] = ()
    checks: str = ""
    """The value of the `check` directive."""
    syntax: str = ""
    """The value of the `syntax` directive."""
    by_name: Mapping[str, Sequence[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """List the stages by name."""
        found: dict[str, list[int]] = {}
        for stage in self.stages:
            found.setdefault(stage.base.name, []).append(stage.number)
        object.__setattr__(self, "by_name", found)
