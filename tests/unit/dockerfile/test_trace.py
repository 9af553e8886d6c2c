"""The one trace: what each line sees, what stays open, and how much it may come to."""

import pytest

from ocitool.dockerfile.evaluate import evaluate
from ocitool.dockerfile.stages import ImageStart, StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.dockerfile.trace import Trace
from ocitool.errors import UsageError
from ocitool.model.platform import Platform
from tests.fakes.effort import effort

HOST = Platform("linux", "amd64")


def graph(text, start=None, **more):
    return StageGraph.of(parse(text.encode(), "D"), StageRequest(HOST, HOST, **more), start)


def texts(made):
    """The words of the last instruction of the target as they read there; None for those that are open."""
    *_, (traced, _) = Trace(made).follow(made.stages[made.target.number])
    return [traced.certain(word) for word in traced.texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nARG A=1\nENV B=$A\nUSER $B$C", ["1"]),
        ("FROM x\nARG A=1\nENV B=$A\nUSER $B$C", [None]),
        ("FROM x\nENV A=$OTHER\nENV B=$A\nUSER $B", [None]),
        ("FROM x\nENV A=$OTHER\nENV A=1\nUSER $A", ["1"]),
        ("FROM x\nUSER $PATH", [None]),
        ("FROM x AS a\nENV A=1\nARG B=2\nFROM a\nUSER $A$B", ["12"]),
        ("FROM scratch AS a\nENV A=1\nFROM a\nARG A=2\nUSER $A", ["2"]),
        ("FROM scratch AS a\nENV A=1\nARG A=2\nFROM a\nUSER $A", ["1"]),
    ],
)
def test_what_is_certain(text, expected):
    assert expected == texts(graph(text))


def test_an_image_that_was_looked_into_leaves_nothing_open():
    start = ImageStart("x", ("A=1", "B", "A=2"), "/w", ("ENV C=$A$NONE", "WORKDIR sub"))
    made = graph("FROM x\nUSER $A$B$C\n", lambda _stage_base, _stage: start)

    assert ["22"] == texts(made)
    assert "/w/sub" == Trace(made).end(made.stages[0]).workdir
    assert ["A=1", "B", "A=2"] == Trace(made).end(made.stages[0]).env.items[:3]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("USER $A$NONE", {"A", "NONE"}),
        ("ENV C=${A:+x}", {"A"}),
        ("ENV A=1\nUSER $A", set()),
        ("ARG A=1\nUSER $A", set()),
        ("ARG A\nUSER $A", {"A"}),
        ("ENV A=2 C=$A\nUSER $A", {"A"}),
        ("ARG A=1\nFROM a\nUSER $A", {"A"}),
        ("ENV A=1\nFROM a\nUSER $A", set()),
        ("USER $A\nFROM a\nUSER 1", {"A"}),
    ],
)
def test_which_variables_the_base_was_asked_for(text, asked):
    start = ImageStart("x", ("A=1",))
    made = graph(f"FROM x AS a\n{text}\n", lambda _stage_base, _stage: start)

    assert asked == Trace(made).end(made.stages[made.target.number]).asked


class Nothing:
    """Resources of a Dockerfile that asks for none."""

    def shared(self, entries):
        return entries

    def is_apart(self, _stage, _platform):
        return False


def lines(number):
    return graph(
        "FROM scratch\n" + "".join(f"ENV A{n}=x\nLABEL l{n}=$A{n}\nEXPOSE {n % 60_000}\n" for n in range(number))
    )


def triggers(number):
    return graph("FROM scratch AS a\n" + "".join(f"ONBUILD ENV A{n}=x\n" for n in range(number)) + "FROM a\n")


@pytest.mark.parametrize("make", [lines, triggers])
@pytest.mark.slow
def test_k268_many_lines_take_work_in_proportion(make):
    """K268: a Dockerfile of 50,000 ENV lines took 20 s."""
    small, large = make(200), make(400)
    evaluate(small, Nothing())

    assert effort(evaluate, large, Nothing()) < 2.2 * effort(evaluate, small, Nothing())
    assert 400 <= len([one for one in evaluate(large, Nothing()).settings["Env"] if one.startswith("A")])


@pytest.mark.slow
def test_k268_many_variables_of_a_base():
    env = tuple(f"A{n}=x" for n in range(50_000))
    text = "FROM x\n" + "ENV A7=y\n" * 300
    made = graph(text, lambda _stage_base, _stage: ImageStart("x", env))

    end = Trace(made).end(made.stages[0])

    assert (50_001, "A7=y") == (len(end.env.items), end.env.items[7])
    assert effort(Trace(made).end, made.stages[0]) < 4_000_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("FROM scratch\nENV A=xxxxxxxxxx\n" + "ENV A=$A$A$A$A$A$A$A$A$A$A\n" * 9, "D:8:"),
        ("ARG A=xxxxxxxxxx\n" + "ARG A=$A$A$A$A$A$A$A$A$A$A\n" * 9 + "FROM scratch\n", "D:7:"),
        ("FROM scratch\nENV A=" + "x" * 60_000 + "\n" + "ENV B=$A$A$A$A$A$A$A$A$A$A\n" * 400, "D:"),
        ("FROM scratch AS s\n" + "EXPOSE 0-65535\n" * 99, "D:"),
        pytest.param(
            "FROM scratch AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nARG A{n}\nENV B{n}=1\n" for n in range(4000)),
            "D:",
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.slow
def test_k206_what_grows_is_refused_with_its_line(text, place):
    """K206: by evaluation and by the trace alike, before it has taken much."""

    def follow():
        made = graph(text)
        trace = Trace(made)
        return next(t.error for one in made.needed for t, _ in trace.follow(one) if t.error)

    for carry_out in (lambda: evaluate(graph(text), Nothing()), follow):
        try:
            said = carry_out()
        except UsageError as error:
            said = error
        assert str(said).startswith(place)
        assert "more than" in str(said)
