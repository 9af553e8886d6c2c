"""Checks of FROM lines and stages: names, platforms, and what leads nowhere."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.lint.context import LintContext, near
from ocitool.dockerfile.lint.rule import LineRange, LintHit, LintRule
from ocitool.dockerfile.stages import global_scope
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.expand import Expanded, expand
from ocitool.dockerfile.syntax.instructions import From
from ocitool.errors import UsageError
from ocitool.findings import Severity
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.values import replace

if TYPE_CHECKING:
    from ocitool.dockerfile.syntax.lines import Line

_RESERVED: Final = frozenset({"scratch", "context"})


def _stage_name_casing(scene: LintContext) -> Iterator[LintHit]:
    for stage in scene.file.stages:
        written = stage.base.written
        if written != written.lower():
            yield LineRange.of(stage.base.line), f"the stage name {written} is not in lower case"


def _duplicate_name(scene: LintContext) -> Iterator[LintHit]:
    first: dict[str, Line] = {}
    for stage in scene.file.stages:
        name, line = stage.base.name, stage.base.line
        if name in first:
            yield LineRange.of(line), f"a stage above is called {name} too, on line {first[name].number}"
        elif name:
            first[name] = line


def _reserved_name(scene: LintContext) -> Iterator[LintHit]:
    for stage in scene.file.stages:
        if stage.base.name in _RESERVED:
            yield (
                LineRange.of(stage.base.line),
                f"{stage.base.name} has a meaning of its own and cannot name a stage",
            )


def _undefined_in_from(scene: LintContext) -> Iterator[LintHit]:
    known = {*scene.graph.scope, *(name for arg in scene.file.arguments for name, _ in arg.items)}
    for stage in scene.file.stages:
        words = (stage.base.image, stage.base.platform or "")
        names = {name: None for word in words for name in _from_word(scene, word).names}
        for name in names:
            if name not in known:
                slip = near(name, known)
                meant = f"; did you mean {slip}?" if slip else ""
                yield LineRange.of(stage.base.line), f"no ARG before the first FROM declares {name}{meant}"


def _invalid_default(scene: LintContext) -> Iterator[LintHit]:
    try:
        scope = global_scope(scene.file, replace(scene.graph.wanted, arguments={}))
    except UsageError:
        return
    names = {stage.base.name for stage in scene.file.stages if stage.base.name}
    for stage in scene.file.stages:
        try:
            expanded = expand(stage.base.image, scope, escape=scene.file.escape)
            if expanded.names and expanded.text.lower() not in names:
                Reference.parse(expanded.text)
        except UsageError:
            yield (
                LineRange.of(stage.base.line),
                f"{stage.base.image} names no image until a build argument does; give the ARG a default",
            )


def _redundant_platform(scene: LintContext) -> Iterator[LintHit]:
    for base, expanded in _platforms(scene):
        target = scene.graph.scope.get("TARGETPLATFORM")
        if expanded.names == ("TARGETPLATFORM",) and expanded.text == target:
            yield LineRange.of(base.line), f"--platform={base.platform} is what FROM does without it"


def _constant_platform(scene: LintContext) -> Iterator[LintHit]:
    for base, expanded in _platforms(scene):
        if expanded.names:
            continue
        try:
            platform = Platform.parse(expanded.text, scene.graph.wanted.host)
        except UsageError:
            continue
        if platform.os not in base.name and platform.architecture not in base.name:
            yield LineRange.of(base.line), f"--platform={expanded.text} is the same whatever platform is built"


def _platforms(scene: LintContext) -> Iterator[tuple[From, Expanded]]:
    for stage in scene.file.stages:
        if stage.base.platform:
            yield stage.base, _from_word(scene, stage.base.platform)


def _from_word(scene: LintContext, word: str) -> Expanded:
    try:
        return expand(word, scene.graph.scope, escape=scene.file.escape)
    except UsageError:
        return Expanded("")


def _only_one_counts(scene: LintContext) -> Iterator[LintHit]:
    for _, steps in scene.stages():
        last: dict[type, Line] = {}
        for step in steps:
            kind = type(step.instruction)
            if kind not in {instructions.Cmd, instructions.Entrypoint, instructions.Healthcheck}:
                continue
            if kind in last:
                line = last[kind]
                yield LineRange.of(line), f"this {line.name} has no effect, line {step.line.number} has another"
            last[kind] = step.line


def _unused(scene: LintContext) -> Iterator[LintHit]:
    stages = scene.file.stages
    if scene.graph.wanted.target or any("$" in stage.base.image for stage in stages):
        return  # who asks for one stage leaves others out, and a variable may lead to any of them
    if any(one.is_open for one in scene.graph.needed):
        return  # ONBUILD of an image that nobody looked into may lead to any of them too (K205)
    for stage in stages:
        if stage.number not in scene.graph.reached:
            said = f"--target {stage.name} alone" if stage.base.name else "nothing"
            yield LineRange.of(stage.base.line), f"{said} leads to this stage, the last one does not need it"


RULES: Final = (
    LintRule(
        "StageNameCasing",
        "Stage names are in lower case",
        "Names are compared in lower case; written otherwise they suggest that case matters.",
        "FROM scratch AS Base",
        "FROM scratch AS base",
        _stage_name_casing,
        "stage-name-casing",
    ),
    LintRule(
        "DuplicateStageName",
        "No two stages have one name",
        "The name means whichever of them stands last above its use.",
        "FROM scratch AS a\nFROM a AS a",
        "FROM scratch AS a\nFROM a AS b",
        _duplicate_name,
        "duplicate-stage-name",
    ),
    LintRule(
        "ReservedStageName",
        "No stage is called `scratch` or `context`",
        "Both words mean something in `FROM` and in flags.",
        "FROM scratch AS context",
        "FROM scratch AS files",
        _reserved_name,
        "reserved-stage-name",
    ),
    LintRule(
        "UndefinedArgInFrom",
        "Variables of a `FROM` line are declared before the first `FROM`",
        "A FROM line sees no other: what is not declared there is empty, and `--build-arg` does not reach it.",
        "FROM registry.example/app:1${SUFFIX}",
        "ARG SUFFIX\nFROM registry.example/app:1${SUFFIX}",
        _undefined_in_from,
        "undefined-arg-in-from",
    ),
    LintRule(
        "InvalidDefaultArgInFrom",
        "Without any build argument `FROM` still names an image",
        "Who builds the file for the first time gives none.",
        "ARG TAG\nFROM registry.example/app:${TAG}",
        "ARG TAG=latest\nFROM registry.example/app:${TAG}",
        _invalid_default,
        "invalid-default-arg-in-from",
    ),
    LintRule(
        "RedundantTargetPlatform",
        "No `--platform=$TARGETPLATFORM`",
        "It is the default, and hides the lines where another platform is meant.",
        "FROM --platform=$TARGETPLATFORM scratch",
        "FROM scratch",
        _redundant_platform,
        "redundant-target-platform",
    ),
    LintRule(
        "FromPlatformFlagConstDisallowed",
        "No constant after `--platform=`",
        "A multi-arch image gets files of that one platform in all its parts. A stage whose name has the system "
        "or architecture in it is taken as meant.",
        "FROM --platform=linux/amd64 scratch",
        "FROM --platform=$BUILDPLATFORM scratch AS build",
        _constant_platform,
        "from-platform-flag-const-disallowed",
    ),
    LintRule(
        "MultipleInstructionsDisallowed",
        "One `CMD`, `ENTRYPOINT` and `HEALTHCHECK` in a stage",
        "Only the last one counts; the one before it is shown.",
        'FROM scratch\nCMD ["a"]\nCMD ["b"]',
        'FROM scratch\nCMD ["b"]',
        _only_one_counts,
        "multiple-instructions-disallowed",
    ),
    LintRule(
        "UnusedStage",
        "Every stage leads to the last one",
        "A stage that nothing takes from is not built. That is meant where it is a `--target` of its own, and a "
        "forgotten `COPY --from` where it is not.",
        "FROM scratch AS build\nFROM scratch",
        "FROM scratch AS build\nFROM scratch\nCOPY --from=build / /",
        _unused,
        severity=Severity.NOTE,
    ),
)
