"""Names of bake files: groups and matrices of one name, patterns, words of --set, and what targets say of each other."""

import pytest

from ocitool.errors import NotFound, Unsupported, UsageError
from tests.unit.bake.test_definition import chosen, define, value

pytestmark = pytest.mark.slow  # the grammar is read before the first file

PAIR = 'target "app" {\n name = "app-${n}"\n matrix = { n = ["1", "2"] }\n}\n'


def resolved(text, *names):
    return define(text).choose(names or ("default",), ())


def test_a_later_group_takes_the_place_of_an_earlier_one():
    text = 'group "default" { targets = ["a"] }\ngroup "default" { targets = ["b"] }\ntarget "a" {}\ntarget "b" {}'

    assert ["b"] == list(chosen(text))


def test_a_group_goes_before_the_matrix_of_its_name():
    text = f'{PAIR}group "app" {{ targets = ["other"] }}\ntarget "other" {{}}'

    assert ["other"] == list(chosen(text, "app"))


def test_a_target_of_the_matrix_name_is_one_of_its_group():
    found = resolved(f'{PAIR}target "app" {{ tags = ["a"] }}', "app")

    assert ("app-1", "app-2", "app") == found.groups["app"]
    assert ["app-1", "app-2", "app"] == list(found.targets)


@pytest.mark.parametrize(
    "text",
    [
        'group "default" { targets = ["both"] }\ngroup "both" { targets = ["a", "default"] }\ntarget "a" {}',
        'group "default" { targets = ["none"] }\ngroup "none" { targets = [] }',
        'target "default" {\n name = "t-${n}"\n matrix = { n = [] }\n}',
    ],
    ids=["cycle", "empty", "empty matrix"],
)
def test_a_group_that_leads_nowhere_is_no_target(text):
    with pytest.raises(NotFound):
        chosen(text)


def test_groups_that_share_groups_are_gone_through_once():
    lines = [f'group "{side}{n}" {{ targets = ["a{n + 1}", "b{n + 1}"] }}' for n in range(60) for side in "ab"]

    assert ["a60", "b60"] == list(chosen("\n".join([*lines, 'target "a60" {}', 'target "b60" {}']), "a0"))


@pytest.mark.parametrize("kind", ["group", "inherits", "variable"])
def test_a_chain_that_is_too_long_is_refused(kind):
    line = {
        "group": 'group "t{0}" {{ targets = ["t{1}"] }}',
        "inherits": 'target "t{0}" {{ inherits = ["t{1}"] }}',
        "variable": "v{0} = v{1}",
    }[kind]
    text = "\n".join(line.format(n, n + 1) for n in range(2_000))

    with pytest.raises(UsageError, match="too deeply"):
        chosen(f'{text}\nv2000 = 1\ntarget "t2000" {{}}\ntarget "default" {{ args = {{ x = v0 }} }}', *_first(kind))


def _first(kind):
    return () if kind == "variable" else ("t0",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('group "default" {}', "a group has targets"),
        ('group "default" {\n name = "a"\n targets = ["b"]\n}', "a group has no name"),
        ('group "default" {\n matrix = {}\n targets = ["b"]\n}', "a group has no matrix"),
    ],
)
def test_what_no_group_is(text, said):
    with pytest.raises(UsageError, match=said):
        define(text)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("[^a]", ["b", "c"]),
        ("[!a]", ["a"]),
        ("[a-b]", ["a", "b"]),
        ("?", ["a", "b", "c"]),
        (r"\a*", ["a"]),
        ("[c-c]", ["c"]),
    ],
)
def test_patterns_are_those_of_go(pattern, names):
    text = 'target "a" {}\ntarget "b" {}\ntarget "c" {}'

    assert names == list(chosen(text, pattern))
    assert names == [
        name for name, one in chosen(text, "*", sets=[f"{pattern}.target=x"]).items() if "target" in one
    ]


def test_a_pattern_is_matched_in_one_pass():
    """K238's kind: with a matcher that goes back, each of these doubles the time."""
    with pytest.raises(NotFound):
        chosen('target "a" {}', "[^a]" * 2000 + "[")
    with pytest.raises(NotFound):
        chosen(f'target "{"a" * 2000}" {{}}', "a*" * 40 + "b")


@pytest.mark.parametrize("pattern", ["[a", "a]", "[]", "[^]", "[z-a]", "*\\"])
def test_what_is_no_pattern_matches_nothing(pattern):
    with pytest.raises(NotFound):
        chosen('target "a" {}', pattern)


def test_an_object_of_a_matrix_gives_its_values():
    text = 'target "default" {\n name = "t-${n}"\n matrix = { n = { b = "2", a = "1" } }\n}'

    assert ["t-1", "t-2"] == list(chosen(text))


def test_an_attribute_of_a_file_goes_before_a_default_and_the_environment_before_both():
    text = 'V = 1\nvariable "V" { default = "a" }\nW = 1\ntarget "default" { args = { v = V, w = W } }'

    assert {"v": "1", "w": "1"} == chosen(text)["default"]["args"]
    assert {"v": "2", "w": "1"} == chosen(text, environ={"V": "2", "W": "2"})["default"]["args"]


def test_json_of_the_environment_goes_first_where_there_is_a_type():
    text = 'variable "V" {\n type = number\n}\nvariable "W" {}\ntarget "default" { args = { v = V, w = W } }'
    environ = {"V": "1", "V_JSON": "2", "W_JSON": '"a"'}

    assert {"v": "2", "w": '"a"'} == chosen(text, environ=environ)["default"]["args"]


def test_json_of_a_name_that_is_a_variable_is_that_variable_alone():
    text = 'variable "V" {\n type = number\n default = 1\n}\nvariable "V_JSON" {}\ntarget "default" { args = { v = V } }'

    assert {"v": "1"} == chosen(text, environ={"V_JSON": "2"})["default"]["args"]


@pytest.mark.parametrize(
    ("sets", "tags"),
    [
        (("*.tags=x", "a.tags=y"), ("x", "y")),
        (("a.tags=x", "a.tags+=y"), ("t", "x", "y")),
        (("a.tags+=x", "a.tags=y"), ("x", "y")),
        (("a.tags=",), None),
    ],
)
def test_words_for_one_list_come_together_and_the_last_says_whether_they_add(sets, tags):
    assert tags == chosen('target "a" { tags = ["t"] }', "a", sets=sets)["a"].get("tags")


def test_of_several_words_for_one_value_the_last_counts():
    assert chosen('target "a" {}', "a", sets=["a.pull=perhaps", "a.pull=T"])["a"]["pull"] is True


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("target.other.args.one == \"1\" ? 'a' : 'b'".replace("'", '"'), "a"),
        ("target.other.pull == true", "true"),
        ("target.other.args.none == null", "true"),
        ("target.other.output[0].dest", "out"),
        ("target.other.output[1].dest", ""),
        ("target.other.cache-from[1].ref", "reg/b"),
        ("target.other.secret[0].src", ""),
        ("target.other.secret[0].env", "TOKEN"),
        ("length(target.other.ssh[0].paths)", "0"),
        ("target.other.attest[0].disabled", "true"),
        ('"${target.other.description}."', "."),
        ("target.other.name", "other"),
        ('join(",", target.other.inherits)', "base"),
        ("target.other.labels == null", "true"),
    ],
)
def test_what_a_target_says_of_another_is_of_its_type(expression, expected):
    more = """
    target "base" {}
    target "other" {
      inherits   = ["base"]
      args       = { one = 1, none = null }
      pull       = "true"
      output     = ["type=local,dest=out", "type=image"]
      cache-from = ["reg/a,reg/b"]
      secret     = ["id=a,env=TOKEN"]
      ssh        = ["default"]
      attest     = ["type=sbom,disabled=T"]
    }
    """

    assert expected == value(expression, more=more)


def test_entries_of_another_target_are_entries_again():
    text = 'target "a" { output = ["type=image"] }\ntarget "default" { output = target.a.output }'

    assert [("image", ())] == [tuple(one) for one in chosen(text)["default"]["output"]]


def test_what_targets_ask_of_each_other_is_evaluated_once():
    lines = [f'target "t{n}" {{ args = {{ x = "${{target.t{n + 1}.args.x}}" }} }}' for n in range(40)]
    doubled = "\n".join(lines).replace("args.x}", "args.x == target.t40.args.x}")

    assert chosen(f'{doubled}\ntarget "t40" {{ args = {{ x = "" }} }}', "t0")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('(true ? 1 : "a") == "1"', "true"),
        ('(false ? "a" : true) == "true"', "true"),
        ("true ? null : 1", None),
        ('true ? "a" : ["b"][7]', "a"),
        ('true ? "a" : uuidv4()', "a"),
        ('{ for n, word in ["a", "b", "a"] : word => n... }["a"][1]', "2"),
        ('upper("stra\u00dfe")', "STRA\u00dfE"),
        ('lower("\u0130\u03a3")', "i\u03c3"),
        ('trimspace("\u001c a\u00a0")', "\u001c a"),
        ('join("|", split("", "e\u0301x"))', "\u00e9|x"),
        ('strlen("\u00e9a")', "2"),
        ('format("%%%s%%", "a")', "%a%"),
        ('format("\u0000%s", "a")', "\u0000a"),
        ('format("%d", "5")', "5"),
        ('join(",", formatlist("a"))', "a"),
        ('join(",", distinct([1, "1", 2]))', "1,2"),
        ('true == "true"', "false"),
        ("true || unknown", "true"),
        ("unknown && false", "false"),
        ("null != null && length(null) > 0", "false"),
        ('"false" && ["a"][3]', "false"),
        ("null || true", "true"),
        ("true && null", "false"),
        ("false || false", "false"),
        ("true && true", "true"),
        ('not("1")', "false"),
    ],
)
def test_values_as_go_has_them(expression, expected):
    assert expected == chosen(f'target "default" {{ args = {{ x = {expression}, y = "" }} }}')["default"][
        "args"
    ].get("x")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("1 && true", "neither true nor false"),
        ('true || "x"', "neither true nor false"),
        ("false || unknown", "there is no variable unknown"),
        ("unknown && true", "there is no variable unknown"),
        ("null || false", "a side of || is null"),
        ("1 ? 1 : 2", "neither true nor false"),
        ("true ? true : 1", "one side of the condition is true or false, the other a number"),
        ('true ? "a" : [1]', "one side of the condition is a text, the other a list"),
        ('{ for word in ["a", "a"] : word => 1 }["a"]', "for makes the key 'a' twice"),
        ('contains(["a"], null)', "looks for null"),
        ('lookup({}, "a", null)', "is null"),
        ('format("%d", 1.5)', "no integer"),
        ('format("%d", true)', "no integer"),
        ('format("a%")', "is given 0"),
        ('length("a")', "is no list"),
        ("own(null)", "an argument of own is null"),
        ("uper(1)", "there is no function uper"),
        ("target.other.nothing", "a target has no 'nothing'"),
    ],
)
def test_what_has_no_value_is_refused(expression, said):
    more = 'target "other" {}\nfunction "own" {\n params = [a]\n result = a\n}'

    with pytest.raises(UsageError) as caught:
        value(expression, more=more)

    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["x\\u0323\\u0307", "a\\u200db", "\\U0001f1e9\\U0001f1ea", "\\u1112", "a\\r\\n"])
def test_signs_that_may_be_one_are_not_counted(text):
    with pytest.raises(Unsupported):
        value(f'strlen("{text}")')


def test_a_function_of_the_file_does_not_take_the_place_of_one_of_hcl():
    more = "\n".join(
        f'function "{name}" {{\n params = [a]\n result = "own"\n}}' for name in ("upper", "bcrypt", "try")
    )

    assert "A" == value('upper("a")', more=more)
    assert "a" == value('try("a")', more=more)
    with pytest.raises(Unsupported):
        value('bcrypt("a")', more=more)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("output = [1]", "has an element that is a number"),
        ('output = ["a,b"]', "'a' is not KEY=VALUE"),
        ('secret = ["id=a,type=b"]', "no type of a secret: 'b'"),
        ('attest = ["type=sbom,disabled=perhaps"]', "disabled is neither true nor false"),
        ("output = ['type=image,\"a']".replace("'", '"').replace('"a', '\\"a'), "no list of words and commas"),
    ],
)
def test_entries_that_cannot_be_meant(written, said):
    with pytest.raises(UsageError) as caught:
        chosen(f'target "default" {{ {written} }}')

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("output", '"TYPE=image"', [("local", {"dest": "TYPE=image"})]),
        ("output", '"type=image, Name=a"', [("image", {"name": "a"})]),
        ("output", '{ type = "image", dest = "" }', [("image", {})]),
        ("cache-from", '"a,b"', [("registry", {"ref": "a"}), ("registry", {"ref": "b"})]),
        ("cache-to", '"type=s3,Bucket=b"', [("s3", {"bucket": "b"})]),
        ("attest", '"Type=sbom,Generator=a,disabled=0"', [("sbom", {"Generator": "a"})]),
        ("attest", '{ type = "sbom", disabled = true }', [("sbom", {"disabled": "true"})]),
        ("secret", '"ID=a,Env=b"', [("a", {"env": "b"})]),
        ("secret", '{ id = "a", env = "b", type = "env" }', [("a", {"env": "b"})]),
        ("ssh", '{ id = "a", more = "b" }', [("a", {})]),
    ],
)
def test_entries_are_read_as_go_reads_them(name, written, expected):
    found = chosen(f'target "default" {{ {name} = [{written}] }}')["default"][name]

    assert expected == [(one.type, dict(one.words)) for one in found]


def test_a_variable_that_the_chosen_side_does_not_need_may_be_wrong():
    text = 'variable "V" { default = V }\ntarget "default" { args = { a = true ? "x" : V, b = true ? "y" : V } }'

    assert {"a": "x", "b": "y"} == chosen(text)["default"]["args"]


def test_a_file_may_begin_with_a_byte_order_mark():
    assert ["default"] == list(chosen('\ufefftarget "default" {}'))


@pytest.mark.parametrize("expression", ["[for x in b : [for y in b : 1]]", "[for x in b : contains(b, 5)]"])
def test_work_for_every_turn_has_an_end(expression):
    numbers = f"a = [{'1, ' * 3000}1]\nb = concat(a, a, a, a, a, a, a, a, a, a)"

    with pytest.raises(UsageError, match="asks for too much"):
        value(f"length({expression})", more=numbers)
