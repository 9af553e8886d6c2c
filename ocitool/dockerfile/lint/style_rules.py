"""Checks of how a Dockerfile is written: letter case, old forms, comments."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from ocitool.dockerfile.lint.context import LintContext
from ocitool.dockerfile.lint.rule import LineRange, LintHit, LintRule
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.instructions import From, Instruction
from ocitool.dockerfile.syntax.lines import Line

_AS: Final = re.compile(r"\s(as)\s+\S+$", re.IGNORECASE)


def _consistent_casing(scene: LintContext) -> Iterator[LintHit]:
    lines = [line for stage in scene.file.stages for line in (stage.base.line, *(one.line for one in stage.body))]
    counts = Counter("lower" if line.written.islower() else "upper" for line in lines if _is_of_one_case(line))
    case = "lower" if counts["lower"] > counts["upper"] else "upper"
    for line in lines:
        if line.written != (line.written.lower() if case == "lower" else line.name):
            yield LineRange.of(line), f"{line.written} is not in {case} case as most instructions are"


def _is_of_one_case(line: Line) -> bool:
    return line.written in {line.name, line.name.lower()}


def _from_as_casing(scene: LintContext) -> Iterator[LintHit]:
    for stage in scene.file.stages:
        line = stage.base.line
        match = _AS.search(line.rest) if stage.base.name and _is_of_one_case(line) else None
        word = match[1] if match else ""
        if word and word != (word.upper() if line.written == line.name else word.lower()):
            yield LineRange.of(line), f"{line.written} and {word} are not in the same letter case"


def _empty_continuation(scene: LintContext) -> Iterator[LintHit]:
    for line in scene.file.lines:
        if line.has_empty:
            yield LineRange(line.joined, line.joined), f"an empty line stands inside the {line.name} that ends here"


def _legacy_pairs(scene: LintContext) -> Iterator[LintHit]:
    for _, steps in scene.stages():
        for step in steps:
            if isinstance(step.instruction, instructions.Env | instructions.Label) and step.instruction.is_legacy:
                word, key = step.instruction.line.written, step.instruction.pairs[0][0]
                yield (
                    LineRange.of(step.line),
                    f"a blank parts {word} {key} from its value; write {word} {key}=VALUE",
                )


def _maintainer(scene: LintContext) -> Iterator[LintHit]:
    for stage in scene.file.stages:
        for one in stage.body:
            if isinstance(one, instructions.Maintainer):
                yield (
                    LineRange.of(one.line),
                    "MAINTAINER is out of use; write LABEL org.opencontainers.image.authors=…",
                )


def _shell_form(scene: LintContext) -> Iterator[LintHit]:
    shells = scene.having(instructions.Shell)
    for stage, steps in scene.stages():
        has_shell = scene.upon_any(stage, shells)
        for step in steps:
            one = step.instruction
            has_shell = has_shell or isinstance(one, instructions.Shell)
            if isinstance(one, instructions.Cmd | instructions.Entrypoint) and one.is_shell and not has_shell:
                yield (
                    LineRange.of(step.line),
                    f"{one.line.written} is run by a shell, which keeps signals to itself; write a JSON array",
                )


def _descriptions(scene: LintContext) -> Iterator[LintHit]:
    bodies = (one for stage in scene.file.stages for one in (stage.base, *stage.body))
    for one in (*scene.file.arguments, *bodies):
        names = _defined(one)
        comments = [text for text in one.line.comments if not text.startswith("check=")]
        if names and comments and comments[-1].split(" ")[0] not in names:
            name = names[0] if len(names) == 1 else "NAME"
            yield LineRange.of(one.line), f"the comment above does not begin with what it describes: # {name} …"


def _defined(one: Instruction) -> tuple[str, ...]:
    """The names that an instruction defines and a comment may describe."""
    if isinstance(one, From):
        return (one.name,) if one.name else ()
    return tuple(name for name, _ in one.items) if isinstance(one, instructions.Arg) else ()


def _protocol_casing(scene: LintContext) -> Iterator[LintHit]:
    for place, port in _ports(scene):
        protocol = port.rpartition(":")[2].partition("/")[2]
        if protocol != protocol.lower():
            yield place, f"the protocol of {port} is not in lower case"


def _port_mapping(scene: LintContext) -> Iterator[LintHit]:
    for place, port in _ports(scene):
        if port.rpartition(":")[0]:
            yield place, f"{port} names an address or a port of the host, which EXPOSE cannot choose"


def _ports(scene: LintContext) -> Iterator[tuple[LineRange, str]]:
    for _, steps in scene.stages():
        for step in steps:
            yield from ((LineRange.of(step.line), port) for port in step.traced.ports)


RULES: Final = (
    LintRule(
        "ConsistentInstructionCasing",
        "Instructions are in one letter case throughout the file",
        "Mixed case works and makes a file hard to search. What most instructions have is taken as meant.",
        "FROM scratch\nenv A=1\nENV B=2",
        "FROM scratch\nENV A=1\nENV B=2",
        _consistent_casing,
        "consistent-instruction-casing",
    ),
    LintRule(
        "FromAsCasing",
        "`AS` is in the letter case of its `FROM`",
        "Two ways of writing in one line make readers look twice.",
        "FROM scratch as base",
        "FROM scratch AS base",
        _from_as_casing,
        "from-as-casing",
    ),
    LintRule(
        "NoEmptyContinuation",
        "No empty line inside an instruction that goes on",
        "Builders skip such a line today and say that they will refuse it; often it is an instruction that ended "
        "too late. The last line of the instruction is shown.",
        "FROM scratch\nENV A=1 \\\n\n    B=2",
        "FROM scratch\nENV A=1 \\\n    B=2",
        _empty_continuation,
        "no-empty-continuation",
    ),
    LintRule(
        "LegacyKeyValueFormat",
        "`ENV` and `LABEL` have a `=` between name and value",
        "The form with a blank takes the rest of the line as one value, so that a second pair silently becomes "
        "part of the first.",
        "FROM scratch\nENV A 1",
        "FROM scratch\nENV A=1",
        _legacy_pairs,
        "legacy-key-value-format",
    ),
    LintRule(
        "MaintainerDeprecated",
        "No `MAINTAINER`",
        "The instruction is out of use; tools read the label `org.opencontainers.image.authors`.",
        "FROM scratch\nMAINTAINER me@example.com",
        'FROM scratch\nLABEL org.opencontainers.image.authors="me@example.com"',
        _maintainer,
        "maintainer-deprecated",
    ),
    LintRule(
        "JSONArgsRecommended",
        "`CMD` and `ENTRYPOINT` are JSON arrays",
        "A line for the shell makes the shell process 1, which does not hand SIGTERM on: the container is killed "
        "after the grace period. An image without a shell does not start at all. After a `SHELL` instruction the "
        "form is taken as meant.",
        "FROM scratch\nCMD /bin/app --serve",
        'FROM scratch\nCMD ["/bin/app", "--serve"]',
        _shell_form,
        "json-args-recommended",
    ),
    LintRule(
        "InvalidDefinitionDescription",
        "A comment right above `ARG` or `FROM … AS` begins with the name it describes",
        "Builders show such comments as descriptions of build arguments and targets. An empty `#` between the "
        "two says that the comment is none.",
        "# the version\nARG VERSION=1\nFROM scratch",
        "# VERSION is the version\nARG VERSION=1\nFROM scratch",
        _descriptions,
        "invalid-definition-description",
        is_experimental=True,
    ),
    LintRule(
        "ExposeProtoCasing",
        "Protocols in `EXPOSE` are in lower case",
        "The config has lower case whatever is written.",
        "FROM scratch\nEXPOSE 53/UDP",
        "FROM scratch\nEXPOSE 53/udp",
        _protocol_casing,
        "expose-proto-casing",
    ),
    LintRule(
        "ExposeInvalidFormat",
        "`EXPOSE` names ports of the container only",
        "An address or a port of the host is chosen by who starts the container; the config keeps the "
        "container's port alone.",
        "FROM scratch\nEXPOSE 127.0.0.1:8080:80",
        "FROM scratch\nEXPOSE 80",
        _port_mapping,
        "expose-invalid-format",
    ),
)
