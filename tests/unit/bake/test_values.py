"""Values of bake files: how numbers and texts are shown, what types ask for, and what nobody may grow without end."""

import pytest

from ocitool.bake.constraints import converted, from_environment, from_json, inferred, read_constraint
from ocitool.bake.numbers import Number, calculate, counted, environment_number, number_from, shown
from ocitool.bake.syntax import read_expression
from ocitool.bake.values import Budget, alike, normal, once, same
from ocitool.errors import OcitoolError, Unsupported, UsageError

THIRD = "0." + "3" * 154 + "5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.50", "1.5"),
        ("-7", "-7"),
        ("1e3", "1000"),
        ("1e-7", "0.0000001"),
        ("9" * 140, "9" * 140),
        ("1.5e300", "15" + "0" * 299),
    ],
)
def test_a_number_is_shown_by_the_digits_that_tell_it(text, expected):
    assert expected == shown(number_from(text))


@pytest.mark.parametrize("text", ["", "one", "0x10", "1_000", "inf", "1e2001", "1" * 1001, "1e-2001"])
def test_what_is_no_number_or_beyond_bounds(text):
    assert number_from(text) is None


@pytest.mark.parametrize(
    ("one", "sign", "two", "expected"),
    [
        ("1", "/", "3", THIRD),
        ("0.1", "+", "0.2", "0.3"),
        ("-7.5", "%", "2", "-1.5"),
        ("7", "-", "7", "0"),
    ],
)
def test_results_are_rounded_to_512_bits(one, sign, two, expected):
    assert expected == shown(calculate(sign, number_from(one), number_from(two)))


def test_a_third_of_ten_thrice_is_ten():
    third = calculate("/", number_from("10"), number_from("3"))

    assert number_from("10") == calculate("*", third, number_from("3"))


def test_there_is_no_number_of_a_division_by_zero_or_beyond_bounds():
    large = number_from("1e600")

    assert calculate("/", counted(1), counted(0)) is None
    assert calculate("%", counted(1), counted(0)) is None
    assert calculate("*", large, large) is None


def test_a_double_of_the_environment_keeps_its_bits():
    tenth = environment_number("0.1")

    assert "0.1" == shown(tenth)
    assert number_from("0.1") != tenth
    assert "0.3000000000000000055511151231257827021181583404541015625" == shown(
        calculate("+", tenth, number_from("0.2"))
    )


@pytest.mark.parametrize("text", ["", " 1", "1 ", "nan", "inf", "one", "٣"])
def test_what_is_no_double(text):
    assert environment_number(text) is None


def test_a_text_has_letters_with_their_accents_in_one():
    assert "\xe9" == normal("e\u0301")
    assert "a\ufffdb" == normal("a\udcffb")


def test_elements_of_a_list_are_texts_beside_a_text():
    assert ("a", "1", "true", None) == alike(("a", counted(1), True, None))
    assert (counted(1), True) == alike((counted(1), True))
    assert ("a", (counted(1),)) == alike(("a", (counted(1),)))


def typed(text):
    return read_constraint(read_expression(text, "f"), "f")


def told(value):
    """A value with its numbers as texts."""
    match value:
        case Number():
            return f"<{shown(value)}>"
        case tuple():
            return [told(one) for one in value]
        case dict():
            return {key: told(one) for key, one in value.items()}
    return value


ONE = counted(1)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", ONE, "1"),
        ("bool", "1", True),
        ("bool", "0", False),
        ("number", "1.50", "<1.5>"),
        ("any", (ONE,), ["<1>"]),
        ("list(string)", (ONE, True, "a"), ["1", "true", "a"]),
        ("list(any)", (ONE, "a"), ["1", "a"]),
        ("set(string)", ("b", "a", "b"), ["a", "b"]),
        ("set(number)", ("10", "9", ONE), ["<1>", "<9>", "<10>"]),
        ("set(list(string))", (("b",), ("a",), ("b",)), [["b"], ["a"]]),
        ("set(string)", (), []),
        ("map(string)", {"b": ONE, "a": True}, {"b": "1", "a": "true"}),
        ("tuple([string, number])", (ONE, "2"), ["1", "<2>"]),
        ("object({a = string})", {"a": ONE, "b": ONE}, {"a": "1"}),
        ("list(string)", None, None),
    ],
)
def test_a_default_becomes_what_its_type_says(kind, value, expected):
    assert expected == told(converted(value, typed(kind), "V", Budget()))


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("number", "a", "no number"),
        ("bool", "True", "neither true nor false"),
        ("bool", ONE, "neither true nor false"),
        ("list(number)", ("a",), "no number"),
        ("list(string)", "a", "is no list"),
        ("map(string)", (), "is no object"),
        ("tuple([string])", (), "has 0 elements, and not 1"),
        ("object({a = string})", {}, "has no 'a'"),
    ],
)
def test_a_default_of_another_type_is_refused(kind, value, said):
    with pytest.raises(UsageError) as caught:
        converted(value, typed(kind), "V", Budget())

    assert said in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["text", "list", "list()", "list(string, string)", "tuple(string)", "1", '"string"']
)
def test_what_is_no_type(kind):
    with pytest.raises(UsageError) as caught:
        typed(kind)

    assert "no type of a variable" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "a,b", "a,b"),
        ("bool", "T", True),
        ("number", "1e3", "<1000>"),
        ("list(string)", 'a,"b,c"', ["a", "b,c"]),
        ("set(number)", "10,9,10", ["<9>", "<10>"]),
        ("map(bool)", "a:1,b:false", {"a": True, "b": False}),
        ("tuple([string, number])", "a,1", ["a", "<1>"]),
    ],
)
def test_the_environment_gives_a_value_of_the_type(kind, text, expected):
    assert expected == told(from_environment(text, typed(kind), "the variable V", Budget()))


@pytest.mark.parametrize(
    ("kind", "text", "error", "said"),
    [
        ("bool", "tRUE", UsageError, "neither true nor false: 'tRUE'"),
        ("number", "inf", UsageError, "no number: 'inf'"),
        ("list(string)", 'a"b', UsageError, "no list of words and commas"),
        ("list(string)", "", UsageError, "no list of words and commas"),
        ("map(string)", "a", UsageError, "'a' is not KEY:VALUE"),
        ("tuple([string])", "a,b", UsageError, "has 2 elements, and not 1"),
        ("list(list(string))", "a", Unsupported, "of type list(list(string)) is no text"),
        ("object({a = string})", "a", Unsupported, "of type object(a=string) is no text"),
        ("any", "a", Unsupported, "of type any is no text"),
    ],
)
def test_the_environment_gives_what_no_value_of_the_type_is(kind, text, error, said):
    with pytest.raises(error) as caught:
        from_environment(text, typed(kind), "the variable V", Budget())

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "1.50", "1.50"),
        ("number", "1.50", "<1.5>"),
        ("list(string)", '["a", 1.0]', ["a", "1.0"]),
        ("object({a = string, b = number})", '{"a": 1.0, "b": 1.0}', {"a": "1.0", "b": "<1>"}),
        ("tuple([number, string])", "[1.0, 1.0]", ["<1>", "1.0"]),
        ("string", '"\\ud800"', "\ufffd"),
    ],
)
def test_the_environment_gives_json(kind, text, expected):
    assert expected == told(from_json(text, typed(kind), "V", Budget()))


@pytest.mark.parametrize(
    ("kind", "text"), [("string", "{"), ("tuple([string])", "[1, 2]"), ("number", "NaN"), ("any", "[" * 100_000)]
)
def test_the_environment_gives_json_of_no_such_value(kind, text):
    with pytest.raises(UsageError):
        from_json(text, typed(kind), "V", Budget())


def test_without_a_type_a_value_is_as_the_default_is():
    assert "1" == inferred("1", "a", "V")
    assert "1" == inferred("1", None, "V")
    assert inferred("1", False, "V") is True
    assert "<0.5>" == told(inferred("0.5", counted(1), "V"))
    with pytest.raises(UsageError):
        inferred("a", ("b",), "V")


def twice_nested(levels):
    value = ("a",)
    for _ in range(levels):
        value = (value, value)
    return value


@pytest.mark.parametrize(
    "work",
    [
        lambda budget: same(twice_nested(40), twice_nested(40), budget),
        lambda budget: converted(twice_nested(16), typed("list(" * 16 + "list(string)" + ")" * 16), "V", budget),
        lambda budget: once(map(str, range(5_000)), budget),
    ],
    ids=["compared", "converted", "each once"],
)
def test_what_grows_with_each_level_has_an_end(work):
    with pytest.raises(OcitoolError) as caught:
        work(Budget(20_000))

    assert "asks for too much" in str(caught.value)
