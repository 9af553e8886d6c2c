"""Values behave as the standard library's dataclasses do: the same classes, made by both."""

import copy
import dataclasses
import pickle
from types import MappingProxyType

import pytest

from ocitool import values
from ocitool.tasks import Retry


def classes(home):
    """The same classes, decorated by the standard library or by ours."""

    @home.dataclass(frozen=True, slots=True, order=True)
    class Point:
        """Two numbers, and a note that nothing compares."""

        x: int
        y: int = 2
        note: str = home.field(default="n", compare=False, repr=False)

    @home.dataclass(frozen=True, slots=True)
    class Checked(Point):
        """One that checks, with an argument of its own and a field that is none."""

        names: MappingProxyType = home.field(default_factory=lambda: MappingProxyType({}), hash=False)
        sum: int = home.field(init=False, compare=False)

        def __post_init__(self):
            if self.x < 0:
                raise ValueError("below zero")
            object.__setattr__(self, "sum", self.x + self.y)

    @home.dataclass
    class Open:
        """One that changes, whose defaults are attributes of the class."""

        items: list = home.field(default_factory=list)
        size: int = 1

    @home.dataclass(frozen=True, eq=False)
    class Same:
        """One that equals itself alone."""

        x: int = 0

    @home.dataclass(frozen=True, init=False)
    class Own:
        """One with slots and an `__init__` of its own, which no hash is made for."""

        __slots__ = ("x",)
        x: int

        def __init__(self, x):
            super().__init__()
            object.__setattr__(self, "x", x + 1)

        __hash__ = None

    @home.dataclass(frozen=True, init=False)
    class Below(Own):
        """One that is made as the class above it."""

    @home.dataclass(frozen=True)
    class Empty:
        """One without a field."""

    Point.more = Own, Below, Empty
    return Point, Checked, Open, Same


Point, Checked, Open, Same = classes(values)
STANDARD = classes(dataclasses)


@pytest.mark.parametrize("what", [
    lambda point, *_: repr(point(1, note="other")),
    lambda point, *_: (point(1) == point(1, note="other"), point(1) == point(2), point(1) != (1, 2)),
    lambda point, *_: (sorted([point(2), point(1, 3), point(1)]) == [point(1), point(1, 3), point(2)]),
    lambda point, *_: (point(1) < point(1, 3), point(1) <= point(1), point(2) > point(1), point(0) >= point(1)),
    lambda point, *_: len({point(1), point(1, note="other"), point(2)}),
    lambda point, *_: point.__match_args__,
    lambda point, *_: [(f.name, f.type, f.default, f.compare, f.init) for f in dataclasses.fields(point(1))],
    lambda point, *_: (dataclasses.asdict(point(1)), dataclasses.is_dataclass(point), dataclasses.astuple(point(3))),
    lambda point, *_: (hasattr(point(1), "__dict__"), point.__slots__, point.__doc__, point.__qualname__),
    lambda _point, checked, *_: (repr(checked(1)), checked(1, 4).sum, checked(1).names, checked(1, names={}) == checked(1)),
    lambda _point, checked, *_: (hash(checked(1)) == hash(checked(1, names={"a": []})), checked.__slots__),
    lambda point, checked, *_: (point(1) == checked(1), checked(1) == point(1)),
    lambda _point, _checked, mutable, _same: (mutable(), mutable([1], 2).size, mutable.size, mutable.__hash__),
    lambda _point, _checked, mutable, _same: mutable().items is mutable().items,
    lambda point, _checked, mutable, _same: (point.__dataclass_params__.frozen, mutable.__dataclass_params__.frozen),
    lambda point, checked, *_: (point.__match_args__, checked.__match_args__, point(1).__match_args__),
    lambda point, *_: [(repr(kind(1)), kind(1) == kind(1), kind(1) == kind(2), kind(1).x) for kind in point.more[:2]],
    lambda point, *_: hash(point.more[1](1)) == hash(point.more[1](1)),
    lambda point, *_: (repr(point.more[2]()), point.more[2]() == point.more[2](), len({point.more[2](), point.more[2]()})),
    lambda *all_: (all_[3]() == all_[3](), all_[3]().x, all_[3].x, len({all_[3](), all_[3]()})),
])  # fmt: skip
def test_a_value_does_what_the_standard_librarys_does(what):
    assert repr(what(*STANDARD)) == repr(what(Point, Checked, Open, Same))


@pytest.mark.parametrize("what", [
    lambda point, *_: point(),
    lambda point, *_: point(1, z=2),
    lambda point, *_: point(1) < 1,
    lambda point, *_: setattr(point(1), "x", 2),
    lambda point, *_: delattr(point(1), "x"),
    lambda _point, checked, *_: checked(-1),
    lambda point, *_: hash(point.more[0](1)),
    lambda point, *_: setattr(point.more[0](1), "x", 2),
    lambda point, *_: point.more[1](),
    lambda _point, checked, *_: checked(1, sum=2),
    lambda _point, _checked, mutable, _same: hash(mutable()),
])  # fmt: skip
def test_a_value_refuses_what_the_standard_librarys_refuses(what):
    with pytest.raises(Exception) as standard:
        what(*STANDARD)

    with pytest.raises(standard.type):
        what(Point, Checked, Open, Same)


@pytest.mark.parametrize("replace", [values.replace, dataclasses.replace])
def test_a_changed_value_is_made_by_its_constructor(replace):
    assert (Checked(3, 2), 5) == (replace(Checked(1), x=3), replace(Checked(1), x=3).sum)
    with pytest.raises(ValueError, match="below zero"):
        replace(Checked(1), x=-1)


def test_an_open_value_changes():
    one = Open()
    one.size = 7

    assert (7, 1) == (one.size, Open().size)


def test_a_field_that_is_missing_is_told_with_the_name_of_the_class():
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        Point()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_value_is_copied_whole(again):
    assert Retry(attempts=2) == again(Retry(attempts=2))


def test_a_class_is_compiled_when_several_were_made():
    """The values before that are the same, however they are given."""
    made = classes(values)[0]

    def some():
        return [made(1), made(1, 2), made(x=1, y=2), made(1, y=2, note="a")]

    first = [some() for _ in range(4)]
    before = made.__init__.__code__.co_varnames
    later = [some() for _ in range(4)]

    assert before[:3] == ("self", "args", "kwargs")
    assert ("self", "x", "y", "note") == made.__init__.__code__.co_varnames
    assert first == later
    assert list(map(repr, first)) == list(map(repr, later))


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, "a", 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 2})]
)
def test_arguments_that_do_not_fit_are_refused_for_the_first_value_as_for_later_ones(args, kwargs):
    made = classes(values)[0]
    with pytest.raises(TypeError) as first:
        made(*args, **kwargs)
    with pytest.raises(TypeError) as later:
        made(*args, **kwargs)

    assert str(first.value) == str(later.value)
