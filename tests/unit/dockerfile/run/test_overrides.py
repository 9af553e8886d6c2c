"""Which stages are replaced and which stand apart; where the files of a stage apart come from."""

import pytest

from ocitool.dockerfile.run.overrides import Backed, replaceable, replaced_stages, roles
from ocitool.dockerfile.stages import StageGraph, StageRequest, runs
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import Unsupported, UsageError
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry
from ocitool.project.values import StageSpec
from ocitool.rootfs.files import Layered

HOST = Platform("linux", "amd64")


def needed(text):
    file = parse(text.encode(), "D")
    return file, StageGraph.of(file, StageRequest(HOST, HOST))


def role(text, *names):
    file, found = needed(text)
    return found, roles(found, replaced_stages(file, [StageSpec(name, f"t: {name}", "go") for name in names]))


def test_a_stage_that_others_copy_from_stands_apart():
    _, one = role("FROM a AS b\nRUN x\nFROM c\nCOPY --from=b /x /\n", "b")

    assert (frozenset({0}), [0]) == (one.apart, list(one.replaced))


def test_so_does_what_only_such_a_stage_is_built_upon():
    text = "FROM a AS base\nRUN y\nFROM base AS b\nRUN x\nFROM c\nCOPY --from=b /x /\n"

    assert frozenset({0, 1}) == role(text, "b")[1].apart
    assert frozenset({1}) == role(f"{text}COPY --from=base /y /\n", "b")[1].apart


@pytest.mark.parametrize(("run", "is_idle"), [("go mod download", True), ("apk add x", False), ("npm ci", False)])
def test_a_stage_that_only_prepares_is_idle(run, is_idle):
    text = f"FROM a AS deps\nRUN {run}\nFROM a AS b\nCOPY --from=deps /go /go\nRUN x\nFROM c\nCOPY --from=b /x /\n"

    assert (frozenset({0}) if is_idle else frozenset()) == role(text, "b")[1].idle
    assert frozenset() == role(f"{text}COPY --from=deps /y /\n", "b")[1].idle


def test_a_stage_that_runs_nothing_is_not_idle():
    text = "FROM a AS n\nFROM a AS b\nCOPY --from=n /go /go\nRUN x\nFROM c\nCOPY --from=b /x /\n"

    assert (frozenset({1}), frozenset()) == ((one := role(text, "b")[1]).apart, one.idle)


@pytest.mark.parametrize(("toolchain", "is_idle"), [("prebuilt", True), ("command", True), ("go", False)])
def test_what_gets_all_from_ocitool_toml_misses_nothing_of_others(toolchain, is_idle):
    text = "FROM a AS deps\nRUN npm ci\nFROM a AS b\nCOPY --from=deps /n /n\nRUN x\nFROM c\nCOPY --from=b /x /\n"
    file, found = needed(text)

    one = roles(found, replaced_stages(file, [StageSpec("b", "t: b", toolchain)]))

    assert (frozenset({0}) if is_idle else frozenset()) == one.idle


def test_so_does_a_stage_that_is_only_another_name():
    text = "FROM a AS b\nRUN x\nFROM b AS d\nENV E=1\nFROM c\nCOPY --from=d /x /\n"

    assert frozenset({0, 1}) == role(text, "b")[1].apart


def test_what_the_image_is_built_upon_does_not():
    assert frozenset() == role("FROM a AS b\nRUN x\nFROM b\n", "b")[1].apart
    assert frozenset() == role("FROM a\nRUN x\n", "0")[1].apart
    assert frozenset() == role("FROM a AS b\nFROM b AS d\nRUN x\nFROM c\nCOPY --from=d / /\n", "b")[1].apart


@pytest.mark.parametrize(
    ("run", "is_taken"),
    [
        ("go build", True),
        ("go mod download && go build", True),
        ("go build && apk add x", False),
        ("chmod 1 x", False),
    ],
)
def test_only_lines_that_do_nothing_but_build_are_taken_from_an_image(run, is_taken):
    stages, one = role(f"FROM a\nRUN {run}\n", "0")
    ((stage, _, line),) = runs(stages.needed)

    assert is_taken == one.takes(stage.stage, line)


def test_every_line_of_a_stage_apart_is_taken():
    stages, one = role("FROM a AS b\nRUN apk add x\nFROM c\nCOPY --from=b /x /\nRUN z\n", "b")

    assert [True, False] == [one.takes(stage.stage, run) for stage, _, run in runs(stages.needed)]


def test_the_last_stage_of_a_name_is_meant_and_names_beat_numbers():
    file, _ = needed("FROM a AS b\nFROM c AS B\nFROM d\n")

    assert [1, 2] == list(replaced_stages(file, [StageSpec("B", "", "go"), StageSpec("2", "", "go")]))


@pytest.mark.parametrize(
    ("names", "words", "hint"),
    [
        (["c"], "t: c: no such stage in D", "it has b, 1 (without a name)"),
        (["b", "0"], "t: 0: is the stage of t: b", ""),
    ],
)
def test_stages_that_are_not_there_or_twice(names, words, hint):
    file, _ = needed("FROM a AS b\nFROM c\n")

    with pytest.raises(UsageError, match=words) as raised:
        replaced_stages(file, [StageSpec(name, f"t: {name}", "go") for name in names])
    assert hint in raised.value.hint


def test_stages_that_a_table_would_set_apart():
    _, found = needed("FROM a AS x\nFROM b AS y\nFROM y\nCOPY --from=x / /\n")

    assert frozenset({0}) == replaceable(found)


def file_entry(path, text):
    return Entry(path, FileKind.FILE, content=BytesContent(text.encode()))


def folder(path):
    return Entry(path, FileKind.DIRECTORY, 0o755)


OWN = Layered(
    [folder("src"), file_entry("src/a", "own"), folder("usr"), folder("usr/bin"), file_entry("usr/bin/app", "own")]
)
BASE = Layered(
    [
        Entry("bin", FileKind.SYMLINK, link="usr/bin"), folder("usr"), folder("usr/bin"), file_entry("usr/bin/sh", "base"),
        folder("src"), file_entry("src/b", "base"), folder("etc"), file_entry("etc/passwd", "base"),
    ]
)  # fmt: skip


def backed(reads, refuse=None):
    def base():
        reads.append(1)
        return BASE

    return Backed(OWN, base, refuse or (lambda _: None))


def test_own_files_are_found_without_the_base():
    reads = []
    files = backed(reads)

    assert b"own" == b"".join(files.get("src/a").content.pieces())
    assert ("a",) == files.names("src")
    assert FileKind.FILE is files.kind_at("usr/bin/app")
    assert None is files.get("src/b")
    assert [] == reads


def test_the_base_gives_what_is_not_there_and_completes_what_every_image_has():
    reads = []
    files = backed(reads)

    assert "usr/bin/sh" == files.get("usr/bin/sh").path
    assert ("app", "sh") == files.names("usr/bin")
    assert "usr/bin" == files.link_at("bin")
    assert "bin/sh" == files.get("bin/sh").path
    assert None is files.get("nothing")
    assert reads


def test_accounts_of_the_base_are_asked_for():
    def refuse(path):
        raise Unsupported(path, ability="RUN")

    with pytest.raises(Unsupported, match="etc/passwd"):
        backed([], refuse).get("etc/passwd")
