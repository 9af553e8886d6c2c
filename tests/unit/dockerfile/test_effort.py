"""Twice as much of anything takes about twice the work, counted in steps of the interpreter and not in time."""

import pytest

from ocitool.dockerfile.lint.engine import lint
from ocitool.dockerfile.run.overrides import replaceable
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.expand import expand
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered
from tests.fakes.effort import effort

HOST = Platform("linux", "amd64")
WANTED = StageRequest(HOST, HOST)


def growth(function, make, number: int) -> float:
    """By how much the work grows where the input doubles; what is made once is made before."""
    for _ in range(3):  # a class is compiled for its seventeenth value
        function(make(number))
    return effort(function, make(2 * number)) / effort(function, make(number))


def upon_each_other(number: int):
    lines = ["FROM scratch AS s0", *(f"FROM s{n} AS s{n + 1}\nCMD x" for n in range(number))]
    return parse("\n".join(lines).encode(), "D")


def copying_from_each_other(number: int):
    lines = ["FROM scratch AS s0", *(f"FROM scratch AS s{n + 1}\nCOPY --from=s{n} /a /a" for n in range(number))]
    return parse("\n".join(lines).encode(), "D")


@pytest.mark.parametrize("make", [upon_each_other, copying_from_each_other])
@pytest.mark.slow
def test_many_stages(make):
    assert growth(lambda file: StageGraph.of(file, WANTED).needed, make, 100) < 2.5
    assert growth(lambda file: replaceable(StageGraph.of(file, WANTED)), make, 100) < 2.5
    assert growth(lambda file: lint((StageGraph.of(file, WANTED),), IgnoreRules(), for_build=True), make, 100) < 2.5


def layers(number: int) -> list[list[Entry]]:
    return [[Entry("d", FileKind.DIRECTORY), Entry(f"d/{n}", FileKind.FILE)] for n in range(number)]


def look_at_each(given: list[list[Entry]]) -> Layered:
    files = Layered(())
    for entries in given:
        files = Layered(entries, files)
        assert FileKind.FILE is files.kind_at(entries[-1].path)
        assert files.kind_at("d/none") is None
    return files


@pytest.mark.slow
def test_many_layers_over_each_other():
    assert growth(look_at_each, layers, 200) < 2.8

    files = look_at_each(layers(3000))
    assert [str(n) for n in sorted(map(str, range(3000)))] == list(files.names("d"))


def test_layers_that_nobody_looked_at():
    files = Layered(())
    for entries in layers(3000):
        files = Layered(entries, files)

    assert FileKind.FILE is files.kind_at("d/0")


def rules(number: int) -> IgnoreRules:
    return IgnoreRules.parse("".join(f"name{n}\n**/name{n}\n**/*.e{n}\na{n}*/?x\n" for n in range(number)))


def test_many_lines_of_dockerignore():
    assert growth(lambda known: [known.ignores(path) for path in ("a/b/c", "name1", "x/name2/y")], rules, 50) < 1.1


def test_a_long_heredoc():
    text = "some words of a line, with 'quotes' and a / in it\n"

    assert effort(expand, text * 100, {}) < 100 * len(text) * 10
    assert effort(lambda: expand("words " * 10_000, {}, keeps_quotes=True)) < 1000
