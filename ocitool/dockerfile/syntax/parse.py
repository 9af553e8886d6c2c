"""Lines become instructions and stages; whatever is wrong is said with file and line.

Spec: BuildKit's Dockerfile reference; the splitting of words is that of its parser.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.instructions import Arg, Dockerfile, From, Instruction, Pairs, Stage
from ocitool.dockerfile.syntax.lines import Line, heredoc_name, problem, read_text, split_flags, split_words
from ocitool.dockerfile.syntax.run_flags import RunFlags
from ocitool.errors import UsageError, closest
from ocitool.model.durations import parse_duration
from ocitool.model.numbers import is_digits
from ocitool.values import replace

_STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]*")
_FLAGS: Final[Mapping[str, Mapping[str, type]]] = {
    "FROM": {"platform": str},
    "COPY": {"from": str, "chown": str, "chmod": str, "link": bool, "parents": bool, "exclude": list},
    "ADD": {
        "chown": str,
        "chmod": str,
        "link": bool,
        "exclude": list,
        "keep-git-dir": bool,
        "checksum": str,
        "unpack": bool,
    },
    "HEALTHCHECK": dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), str),
}
_NOT_TRIGGERED: Final = frozenset({"FROM", "MAINTAINER", "ONBUILD"})


def parse(data: bytes, file: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile in `data`. Raises UsageError with file and line for what no builder would take."""
    text = read_text(data, file)
    parser = Parser(file, text.escape)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for line in text.lines:
        instruction = parser.instruction(line)
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise problem(
                file, line.number, f"{line.name} stands before the first FROM", "only ARG may stand there"
            )
    if not stages:
        raise problem(file, text.lines[-1].number, "no FROM in the file", "begin a stage with FROM IMAGE")
    return Dockerfile(
        file,
        text.escape,
        tuple(arguments),
        tuple(Stage(number, base, tuple(body)) for number, (base, body) in enumerate(stages)),
        text.lines,
        text.directives.get("check", ""),
        text.directives.get("syntax", ""),
    )


def parse_trigger(text: str, where: str, escape: str = "\\") -> Instruction:
    """The instruction that an ONBUILD kept; `where` is what messages call its place. Raises UsageError."""
    lines = read_text(text.encode("utf-8", "surrogatepass"), where).lines
    if len(lines) != 1 or lines[0].name in _NOT_TRIGGERED:
        raise UsageError(f"{where}: not an instruction that ONBUILD can keep: {text[:200]!r}")
    return Parser(where, escape).instruction(lines[0])


class Parser:
    """Instructions of one file."""

    def __init__(self, file: str, escape: str) -> None:
        self._file = file
        self._escape = escape
        self._parsers: dict[str, Callable[[Line], Instruction]] = {
            "ADD": self._copy,
            "ARG": self._arg,
            "CMD": lambda line: instructions.Cmd(line, *self._command(line)),
            "COPY": self._copy,
            "ENTRYPOINT": lambda line: instructions.Entrypoint(line, *self._command(line)),
            "ENV": lambda line: instructions.Env(line, *self._pairs(line)),
            "EXPOSE": lambda line: instructions.Expose(line, tuple(self._some(line).split())),
            "FROM": self._from,
            "HEALTHCHECK": self._healthcheck,
            "LABEL": lambda line: instructions.Label(line, *self._pairs(line)),
            "MAINTAINER": lambda line: instructions.Maintainer(line, self._some(line)),
            "ONBUILD": self._onbuild,
            "RUN": self._run,
            "SHELL": self._shell,
            "STOPSIGNAL": lambda line: instructions.StopSignal(line, self._some(line)),
            "USER": lambda line: instructions.User(line, self._some(line)),
            "VOLUME": self._volume,
            "WORKDIR": lambda line: instructions.Workdir(line, self._some(line)),
        }

    def instruction(self, line: Line) -> Instruction:
        """The instruction on a line. Raises UsageError."""
        parser = self._parsers.get(line.name)
        if parser is None:
            near = closest(line.name, self._parsers)
            hint = f"did you mean {near}?" if near else f"one of {', '.join(self._parsers)}"
            raise self._error(line, f"no instruction {line.written[:100]!r}", hint)
        return parser(line)

    def _error(self, line: Line, what: str, hint: str = "") -> UsageError:
        return problem(self._file, line.number, what, hint)

    def _some(self, line: Line) -> str:
        if not line.rest:
            raise self._error(line, f"{line.name} says nothing", f"write {line.name} and what it is about")
        return line.rest

    # Words

    def _flags(self, line: Line) -> tuple[dict[str, str | bool | list[str]], str]:
        """The flags of an instruction by name, checked, and the rest of the line."""
        known = _FLAGS[line.name]
        pairs, rest = split_flags(line.rest, lambda what: self._error(line, what))
        found: dict[str, str | bool | list[str]] = {}
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            kind = known.get(name)
            if kind is None:
                raise self._unknown_flag(line, name, known)
            if name in found:
                raise self._error(line, f"--{name} is there twice")
            if kind is bool:
                if value is not None and value.lower() not in {"true", "false"}:
                    raise self._error(line, f"--{name}={value} is neither true nor false")
                found[name] = value is None or value.lower() == "true"
            elif value is None:
                raise self._error(line, f"--{name} has no value", f"write --{name}=VALUE")
            elif kind is list:
                lists.setdefault(name, []).append(value)
            else:
                found[name] = value
        return found | lists, rest

    def _unknown_flag(self, line: Line, name: str, known: Mapping[str, type]) -> UsageError:
        near = closest(name, known)
        hint = f"did you mean --{near}?" if near else f"{line.name} takes --{', --'.join(known)}"
        return self._error(line, f"{line.name} has no flag --{name}", hint)

    def _json(self, line: Line, rest: str) -> tuple[str, ...] | None:
        """The words of a JSON array; None if it is none, which makes it another form."""
        if not rest.startswith("["):
            return None
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            return None
        if not all(isinstance(word, str) for word in words):
            raise self._error(
                line, f"{line.name} takes an array of strings only", "put every item in double quotes"
            )
        # Half a surrogate pair is no character: JSON can write it, nothing else can (Go reads U+FFFD as well).
        return tuple(word.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for word in words)

    def _command(self, line: Line, rest: str | None = None) -> tuple[tuple[str, ...], bool]:
        """The words of a command, and whether they are one line for the shell."""
        rest = line.rest if rest is None else rest
        words = self._json(line, rest)
        if words is not None:
            return words, False
        return ((rest,) if rest else ()), True

    def _pairs(self, line: Line) -> tuple[Pairs, bool]:
        words = split_words(self._some(line), self._escape)
        if "=" not in words[0]:
            key, *value = re.split(r"[ \t\v\f\r]+", line.rest, maxsplit=1)
            if not value:
                raise self._error(line, f"{line.name} {key} has no value", f"write {line.name} {key}=VALUE")
            return ((key, value[0]),), True
        pairs = []
        for word in words:
            key, equals, text = word.partition("=")
            if not equals:
                raise self._error(
                    line, f"{word!r} has no =", "each word is NAME=VALUE; a value with blanks needs quotes"
                )
            if not key:
                raise self._error(line, f"{word!r} has no name", "each word is NAME=VALUE")
            pairs.append((key, text))
        return tuple(pairs), False

    # Instructions

    def _from(self, line: Line) -> From:
        flags, rest = self._flags(line)
        words = rest.split()
        if len(words) not in {1, 3} or (len(words) == 3 and words[1].upper() != "AS"):
            raise self._error(line, "FROM takes an image, or IMAGE AS NAME", "write FROM IMAGE [AS NAME]")
        name = words[2].lower() if len(words) == 3 else ""
        if name and not _STAGE_NAME.fullmatch(name):
            raise self._error(
                line, f"not a name for a stage: {words[2]!r}", "letters, digits, _ . and -, a letter first"
            )
        platform = flags.get("platform")
        written = words[2] if name else ""
        return From(line, words[0], platform if isinstance(platform, str) else None, name, written)

    def _arg(self, line: Line) -> Arg:
        items = []
        for word in split_words(self._some(line), self._escape):
            name, equals, value = word.partition("=")
            if not name:
                raise self._error(line, f"{word!r} has no name", "write ARG NAME=DEFAULT")
            items.append((name, value if equals else None))
        return Arg(line, tuple(items))

    def _copy(self, line: Line) -> Instruction:
        flags, rest = self._flags(line)
        words = self._json(line, rest) or tuple(rest.split())
        if len(words) < 2:
            raise self._error(line, f"{line.name} needs a source and a destination", f"write {line.name} SRC… DEST")
        *sources, destination = words
        if heredoc_name(destination) is not None:
            raise self._error(line, "a heredoc cannot be the destination", "name a file or a directory last")

        def text(name: str) -> str:
            value = flags.get(name)
            return value if isinstance(value, str) else ""

        exclude, unpack = flags.get("exclude"), flags.get("unpack")
        return instructions.Copy(
            line,
            tuple(sources),
            destination,
            heredocs=line.heredocs,
            source_stage=text("from"),
            chown=text("chown"),
            chmod=text("chmod"),
            link=flags.get("link") is True,
            parents=flags.get("parents") is True,
            exclude=tuple(exclude) if isinstance(exclude, list) else (),
            checksum=text("checksum"),
            unpack=unpack if isinstance(unpack, bool) else None,
        )

    def _volume(self, line: Line) -> Instruction:
        paths = self._json(line, self._some(line))
        paths = tuple(line.rest.split()) if paths is None else paths
        if not paths or not all(path.strip() for path in paths):
            raise self._error(line, "VOLUME names no path")
        return instructions.Volume(line, tuple(path.strip() for path in paths))

    def _shell(self, line: Line) -> Instruction:
        words = self._json(line, line.rest)
        if not words:
            raise self._error(line, "SHELL needs a JSON array", 'write SHELL ["/bin/sh", "-c"]')
        return instructions.Shell(line, words)

    def _run(self, line: Line) -> Instruction:
        flags, rest = split_flags(line.rest, lambda what: self._error(line, what))
        if not rest:
            raise self._error(line, "RUN says nothing", "write RUN and a command")
        options = RunFlags.of(flags, lambda what, hint: self._error(line, what, hint))
        return instructions.Run(line, *self._command(line, rest), flags, options)

    def _onbuild(self, line: Line) -> Instruction:
        words = self._some(line)
        written, rest = (*words.split(maxsplit=1), "")[:2]
        name = written.upper()
        if name in _NOT_TRIGGERED:
            raise self._error(line, f"ONBUILD cannot keep {name}", "FROM, MAINTAINER and ONBUILD are not possible")
        self.instruction(replace(line, name=name, written=written, rest=rest.rstrip()))  # whether it could be done
        bodies = "".join(f"\n{heredoc.written}{heredoc.name}" for heredoc in line.heredocs)
        return instructions.OnBuild(line, words + bodies)

    def _healthcheck(self, line: Line) -> Instruction:
        _, rest = split_flags(line.rest, lambda what: self._error(line, what))
        kind, rest = (*rest.split(maxsplit=1), "", "")[:2]
        kind = kind.upper()
        if kind == "NONE":
            if rest:
                raise self._error(line, "HEALTHCHECK NONE takes nothing else")
            return instructions.Healthcheck(line, ("NONE",))
        flags, _ = self._flags(line)
        if kind != "CMD":
            raise self._error(line, f"HEALTHCHECK takes CMD or NONE, not {kind[:100]!r}", "write HEALTHCHECK CMD …")
        words, is_shell = self._command(line, rest)
        if not words:
            raise self._error(line, "HEALTHCHECK CMD names no command")

        def nanoseconds(name: str) -> int:
            text = flags.get(name, "0")
            value = parse_duration(text) if isinstance(text, str) else None
            if value is None or (value != 0 and value < 1_000_000):
                raise self._error(
                    line, f"--{name}={text} is no time", "write 30s, 1m30s or 500ms; at least 1ms, or 0"
                )
            return value

        retries = str(flags.get("retries", "0")).removeprefix("+")
        if not (is_digits(retries) and len(retries) < 10):
            raise self._error(line, f"--retries={retries} is no number", "write a number from 0 on")
        return instructions.Healthcheck(
            line,
            ("CMD-SHELL" if is_shell else "CMD", *words),
            nanoseconds("interval"),
            nanoseconds("timeout"),
            nanoseconds("start-period"),
            nanoseconds("start-interval"),
            int(retries),
        )
