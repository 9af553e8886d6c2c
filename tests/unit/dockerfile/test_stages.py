"""Stages: what FROM and --from lead to, and which stages are looked at."""

import pytest

from ocitool.dockerfile.places import context_name
from ocitool.dockerfile.stages import OriginKind, StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import NotFound, UsageError
from ocitool.model.platform import Platform

ARM = Platform("linux", "arm", "v7")
ARM64 = Platform("linux", "arm64")
AMD64 = Platform("linux", "amd64")


def needed(text: str, platform: Platform = ARM64, **more: object):
    return StageGraph.of(parse(text.encode(), "D"), StageRequest(platform, AMD64, **more)).checked().needed


def test_global_arguments_are_seen_by_from():
    """K169: FROM uses the default, and --build-arg overrides it."""
    text = "ARG V=1\nARG R=reg.test/base:${V}\nFROM $R\n"

    assert "reg.test/base:1" == needed(text)[0].stage_base.name
    assert "reg.test/base:2" == needed(text, arguments={"V": "2"})[0].stage_base.name


def test_each_argument_of_a_line_sees_those_before_it():
    """K169: as BuildKit has it, other than for ENV."""
    assert "x:1-1" == needed("ARG A=1 B=$A\nFROM x:$A-$B\n")[0].stage_base.name


def test_only_stages_that_lead_to_the_target_are_looked_at():
    """K172: one stage for each architecture, the final one chosen by TARGETARCH."""
    text = (
        "FROM scratch AS base\nFROM base AS amd64\nCOPY only-amd64 /\nFROM base AS arm64\nCOPY only-arm64 /\n"
        "FROM ${TARGETARCH}\nCMD x\n"
    )

    assert ["base", "arm64", "3"] == [one.stage.name for one in needed(text)]
    assert ["base", "amd64", "3"] == [one.stage.name for one in needed(text, AMD64)]
    assert ["base", "amd64"] == [one.stage.name for one in needed(text, target="amd64")]


def test_platforms_of_stages():
    build, final = needed("FROM --platform=$BUILDPLATFORM go AS b\nFROM alpine\nCOPY --from=b /x /\n")

    assert (AMD64, True) == (build.stage_base.platform, build.stage_base.is_explicit)
    assert (ARM64, False) == (final.stage_base.platform, final.stage_base.is_explicit)


@pytest.mark.parametrize(
    ("platform", "variant"), [(ARM, "v7"), (ARM64, ""), (Platform("linux", "arm64", "v8"), "")]
)
def test_automatic_arguments(platform, variant):
    """K170: TARGETVARIANT is v7 for arm/v7 and empty for arm64, which is how BuildKit calls arm64/v8 too."""
    text = "FROM x:$TARGETARCH-$TARGETOS-$TARGETVARIANT-$BUILDARCH\n"

    assert f"x:{platform.architecture}-linux-{variant}-amd64" == needed(text, platform)[0].stage_base.name


def test_an_automatic_argument_that_is_declared_before_from():
    """K170: declared without a default it keeps its value, with one it hides it."""
    assert "x:arm64" == needed("ARG TARGETARCH\nFROM x:$TARGETARCH\n")[0].stage_base.name
    assert "x:amd64" == needed("ARG TARGETARCH=amd64\nFROM x:$TARGETARCH\n")[0].stage_base.name


def test_where_copy_takes_files_from():
    text = "FROM a AS one\nFROM scratch\nCOPY --from=one /x /\nCOPY --from=0 /x /\nCOPY --from=ctx . /\nCOPY --from=im:1 /x /\n"

    sources = needed(text, contexts={"ctx": "."})[-1].sources

    assert {
        "one": OriginKind.STAGE,
        "0": OriginKind.STAGE,
        "ctx": OriginKind.CONTEXT,
        "im:1": OriginKind.IMAGE,
    } == {name: stage_base.origin for name, stage_base in sources.items()}


def test_of_two_stages_of_one_name():
    """FROM means the nearest above, --from the last of all; recorded from BuildKit."""
    text = "FROM a AS x\nFROM x AS x\nFROM x\nCOPY --from=X /b /\nCOPY --from=+0 /b /\n"

    found = needed(text)

    assert [-1, 0, 1] == [one.stage_base.stage for one in found]
    assert {"X": 1, "+0": 0} == {name: stage_base.stage for name, stage_base in found[-1].sources.items()}


def test_a_context_stands_in_for_a_stage_on_the_platform_of_its_from():
    text = "FROM --platform=$BUILDPLATFORM b AS x\nFROM x\nCOPY --from=x /y /\n"

    (found,) = needed(text, contexts={"x": "."})
    (target,) = needed(text, contexts={"x": "."}, target="x")

    assert (OriginKind.CONTEXT, "x", AMD64) == (
        found.stage_base.origin,
        found.stage_base.name,
        found.stage_base.platform,
    )
    assert found.stage_base == found.sources["x"] == target.stage_base


def test_scratch_is_never_a_context():
    assert OriginKind.SCRATCH is needed("FROM scratch\n", contexts={"scratch": "."})[0].stage_base.origin


def test_triggers_of_a_stage_are_followed():
    text = "FROM scratch AS data\nFROM scratch AS p\nONBUILD COPY --from=data /x /\nFROM p\n"

    assert ["data", "p", "2"] == [one.stage.name for one in needed(text)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM $none\n", "D:1: FROM $none names no image"),
        ("FROM --platform=$none x\n", "D:1: --platform is empty"),
        ("FROM --platform=what x\n", "D:1: unknown platform"),
        ("FROM ${x\n", "D:1: '${x'"),
        ("FROM x\nCOPY --from=$y a b\n", "D:2: --from=$y holds a variable"),
        ("FROM x\nCOPY --from=late a b\nFROM y AS late\n", None),
        ("FROM x AS late\nCOPY --from=late a b\n", "D:2: --from=late is no stage above"),
        ("FROM x\nCOPY --from=7 a b\n", "D:2: --from=7 is no stage above"),
        ("FROM x\nCOPY --from=-1 a b\n", "D:2: --from=-1 is no stage above"),
        ("FROM x AS a\nFROM y AS a\nCOPY --from=a b c\n", "D:3: --from=a is no stage above"),
        ("FROM x AS Base\nFROM Base\n", "D:2: FROM Base is no stage: names of stages are kept in small letters"),
    ],
)
def test_what_leads_nowhere_is_said_with_its_line(text, said):
    if said is None:
        assert ["late"] == [one.stage.name for one in needed(text)]
        return
    with pytest.raises(UsageError) as raised:
        needed(text)

    assert raised.value.what.startswith(said)


def test_an_unknown_target_names_those_there_are():
    with pytest.raises(NotFound) as raised:
        needed("FROM x AS a\nFROM y\n", target="b")

    assert "it has a, 1 (without a name)" == raised.value.hint


def test_a_context_stands_in_for_the_stage_of_its_name():
    """K172: none of its lines is carried out, whether it is named by name, by number or as a base."""
    text = "FROM nowhere AS Build\nRUN make\nFROM scratch AS mid\nCOPY --from=BUILD /a /b\nCOPY --from=0 /a /c\nFROM {}\n"
    contexts = {"build": "out"}

    copied = needed(text.format("mid"), contexts=contexts)
    base = needed(text.format("build"), contexts=contexts)
    itself = needed(text.format("mid"), contexts=contexts, target="build")

    assert [1, 2] == [one.stage.number for one in copied]
    assert {"BUILD": "build", "0": "build"} == {
        word: stage_base.name for word, stage_base in copied[0].sources.items()
    }
    assert [(OriginKind.CONTEXT, "build")] == [(one.stage_base.origin, one.stage_base.name) for one in base]
    assert [(OriginKind.CONTEXT, ())] == [(one.stage_base.origin, one.steps) for one in itself]


@pytest.mark.parametrize(
    "written", ["alpine", "alpine:latest", "docker.io/library/alpine", "library/alpine:latest"]
)
def test_every_spelling_of_a_name_means_its_context(written):
    text = f"FROM {written}\nCOPY --from={written} /a /b\n"
    contexts = {context_name("index.docker.io/library/alpine"): "docker-image://mine"}

    (only,) = needed(text, contexts=contexts)

    assert [(OriginKind.CONTEXT, "alpine")] * 2 == [
        (one.origin, one.name) for one in (only.stage_base, *only.sources.values())
    ]
    assert OriginKind.IMAGE is needed("FROM alpine:3\n", contexts=contexts)[0].stage_base.origin


def test_instructions_of_a_whole_file_have_a_bound(monkeypatch):
    monkeypatch.setattr("ocitool.dockerfile.stages._MAX_STEPS", 3)
    text = "FROM scratch\nENV a=1\nENV b=1\nFROM scratch\nENV c=1\n"

    assert needed(text)
    with pytest.raises(
        UsageError, match="D:1: with the lines that ONBUILD leaves there are more than 3 instructions"
    ):
        needed(f"{text}ENV d=1\n")
