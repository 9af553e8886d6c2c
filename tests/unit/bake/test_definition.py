"""Bake files resolved: values, groups, matrices and inheritance, and what is refused in words."""

import io
import json

import pytest

from ocitool.bake.definition import Definition
from ocitool.bake.files import read_files
from ocitool.bake.syntax import read_body
from ocitool.bake.target import read_override
from ocitool.cli.buildx.bake import in_order
from ocitool.errors import NotFound, OcitoolError, Unsupported, UsageError
from ocitool.model.platform import Platform
from tests.fakes.effort import effort

BUILTIN = {"BAKE_CMD_CONTEXT": "cwd://", "BAKE_LOCAL_PLATFORM": "linux/amd64"}


pytestmark = pytest.mark.slow  # the grammar is read before the first file


def define(*texts, environ=None):
    bodies = [read_body(text.encode(), f"{number}.hcl") for number, text in enumerate(texts)]
    return Definition(bodies, environ or {}, BUILTIN)


def chosen(text, *names, sets=(), environ=None):
    overrides = [read_override(one, environ or {}) for one in sets]
    return define(text, environ=environ).choose(names or ("default",), [one for one in overrides if one]).targets


def value(expression, environ=None, more=""):
    """What an expression is, as the argument of a target."""
    text = f'{more}\ntarget "default" {{ args = {{ x = {expression} }} }}'
    return chosen(text, environ=environ)["default"]["args"]["x"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"a${1 + 2}b"', "a3b"),
        ("1.50", "1.5"),
        ("7 / 2", "3.5"),
        ("7 % 4", "3"),
        ("-3 * 2", "-6"),
        ("true && !false || false", "true"),
        ('"a" == "a" ? "yes" : "no"', "yes"),
        ('1 == "1" ? "yes" : "no"', "no"),
        ("2 >= 2", "true"),
        ('["a", "b"][1]', "b"),
        ('{ a = { b = "c" } }.a.b', "c"),
        ('{ for k, v in { x = 1 } : v => k }["1"]', "x"),
        ('join(",", [for i, one in ["a", "b", "c"] : "${i}${one}" if one != "b"])', "0a,2c"),
        (r'"\u00e4\n\"\\"', 'ä\n"\\'),
        ('"$${HOME} %%{x}"', "${HOME} %{x}"),
        ('coalesce(null, "x")', "x"),
        ('replace("a-b-c", "-", ".")', "a.b.c"),
        ('format("%s-%d%%", "a", 3)', "a-3%"),
        ('join("+", formatlist("%s:%s", "a", ["x", "y"]))', "a:x+a:y"),
        ('join(",", distinct(compact(concat(["a", ""], ["a", "b"]))))', "a,b"),
        ('join(",", flatten([["a", ["b"]], "c"]))', "a,b,c"),
        ('lookup({ a = "1" }, "b", "none")', "none"),
        ('trimsuffix(trimprefix("v1.0-rc", "v"), "-rc")', "1.0"),
        ('sanitize("3.12/a b")', "3_12_a_b"),
        ('basename("a/b/c.txt")', "c.txt"),
        ('length(split(",", "a,b,c"))', "3"),
    ],
)
def test_values_of_expressions(expression, expected):
    assert expected == value(expression)


def test_a_heredoc_loses_the_blanks_that_all_its_lines_begin_with():
    text = 'target "default" {\n dockerfile-inline = <<-END\n    FROM a\n\n      RUN ${1 + 1} $${x}\n    END\n}'

    assert "FROM a\n\n  RUN 2 ${x}\n" == chosen(text)["default"]["dockerfile-inline"]


@pytest.mark.parametrize(
    ("block", "environ", "expected"),
    [
        ('variable "V" { default = "a" }', {}, "a"),
        ('variable "V" { default = "a" }', {"V": "b"}, "b"),
        ('variable "V" {}', {}, ""),
        ('variable "V" { default = 1 }', {"V": "2"}, "2"),
        ('variable "V" { default = false }', {"V": "1"}, "true"),
        ('variable "V" {\n type = number\n}', {"V": "2.50"}, "2.5"),
        ('V = "a"', {"V": "b"}, "a"),
        ('variable "V" { default = "${W}!" }\nvariable "W" { default = "w" }', {}, "w!"),
    ],
)
def test_variables_and_the_environment(block, environ, expected):
    assert expected == value("V", environ, block)


def test_a_list_is_read_from_the_environment_by_its_type():
    block = 'variable "V" {\n type = list(string)\n default = []\n}'

    assert "a+b,c" == value('join("+", V)', {"V": 'a,"b,c"'}, block)
    assert "x" == value("V[0]", {"V_JSON": '["x"]'}, block)


def test_functions_of_the_file_and_their_rest():
    block = 'function "f" {\n params = [a]\n variadic_params = rest\n result = "${a}${join("", rest)}"\n}'

    assert "abc" == value('f("a", ["b", "c"]...)', more=block)


def test_groups_within_groups_are_built_once_each():
    text = """
    group "default" { targets = ["a", "both"] }
    group "both" { targets = ["a", "b"] }
    target "a" {}
    target "b" {}
    target "c" {}
    """

    assert ["a", "b"] == sorted(chosen(text))
    assert ["b", "c"] == sorted(chosen(text, "[bc]"))


def test_parents_come_in_their_order_and_the_target_last():
    text = """
    target "one" {
      args = { a = "1", b = "1" }
      tags = ["one"]
    }
    target "two" { args = { a = "2" } }
    target "default" {
      inherits = ["one", "two"]
      args = { c = "3", b = null }
    }
    """

    target = chosen(text)["default"]
    assert {"a": "2", "b": "1", "c": "3"} == target["args"]
    assert ("one",) == target["tags"]


def test_a_matrix_has_a_target_for_each_combination():
    text = """
    target "default" {
      name = "t-${a}-${b}"
      matrix = { a = ["x", "y"], b = [1, 2] }
      args = { both = "${a}${b}" }
    }
    """

    targets = chosen(text)
    assert ["x1", "x2", "y1", "y2"] == [targets[name]["args"]["both"] for name in sorted(targets)]


def test_what_set_says_comes_last_and_values_of_one_list_come_together():
    text = 'target "a" {\n tags = ["t"]\n args = { x = "1" }\n}\ntarget "b" {}'
    sets = (
        "*.platform=linux/arm64",
        "a.tags=u",
        "a.tags=v",
        "a.args.x=2",
        "b.tags+=w",
        "a.args.HOME",
        "a.args.NONE",
    )
    targets = chosen(text, "a", "b", sets=sets, environ={"HOME": "/h"})

    assert (("u", "v"), ("w",)) == (targets["a"]["tags"], targets["b"]["tags"])
    assert {"x": "2", "HOME": "/h"} == targets["a"]["args"]
    assert {("linux/arm64",)} == {one["platforms"] for one in targets.values()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'variable "A" { default = B }\nvariable "B" { default = A }\ntarget "default" { args = { x = A } }',
            "leads back",
        ),
        (
            'function "f" {\n params = [x]\n result = f(x)\n}\ntarget "default" { args = { x = f(1) } }',
            "calls itself",
        ),
        ('target "default" { tags = target.default.tags }', "leads back to itself"),
        ('target "default" { inherits = ["nobody"] }', "no target nobody"),
        ('target "default" { tag = ["x"] }', "a target has no 'tag'"),
        ('target "default" { tags = "x" }', "is no list, but a text"),
        ('target "default" { args = ["x"] }', "is no object, but a list"),
        ('target "default" { args = { x = UNKNOWN } }', "there is no variable UNKNOWN"),
        ('target "default" { args = { x = "${" } }', "not HCL"),
        ('target "default" { name = "x" }', "where it has a matrix"),
        ('target "default" {\n matrix = { a = ["x", "x"] }\n name = "t-${a}"\n}', "two targets are called t-x"),
        ('target "default" {\n matrix = { a = ["x/y"] }\n name = a\n}', "'x/y' is no name of a target"),
        ('targets "default" {}', "no block of a bake file: 'targets'"),
        ('target "a" "b" {}', "has one name"),
        ('target "default" { args = { x = 1 / 0 } }', "1 / 0 is no number"),
        ('target "default" { args = { x = ["a"][3] } }', "has nothing at 3"),
        ('target "default" { output = ["name=x,push=true"] }', "names no type"),
        ('target "default" { args = { x = upper("a", "b") } }', "upper"),
        ('target "default" { output = ["type=image,push"] }', "'push' is not KEY=VALUE"),
        ('target "default" { secret = ["id=a,mode=3"] }', "a secret has no 'mode=3'"),
        ('target "x/y" {}', "'x/y' is no name of a target"),
        ('target "default" {\n more {}\n}', "a target has no block 'more'"),
        ('target "default" { args = { x = target.other.tags } }', "is nothing that could be looked up"),
        ('variable "V" {\n default = 1\n more {}\n}\ntarget "default" { args = { x = V } }', "has no 'more'"),
        ('a = "$${"\nb = "}"\ntarget "default" {}', ": $${ without a } in its string"),
        ('target "default" { contexts = { x = "target:default" } }', "lead back to themselves"),
        (
            'variable "V" {\n default = 1\n validation {\n condition = V > 1\n error_message = "too small"\n }\n}',
            "too small",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(text, said):
    with pytest.raises((UsageError, NotFound)) as caught:
        chosen(text)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "ability"),
    [
        ('regex_replace("a", "(b)+", "c")', "pattern"),
        ("bcrypt(nothing)", "bcrypt"),
        ("uuidv4()", "uuidv4"),
        ('"%{ if true }a%{ endif }"', "%{ if }"),
        ('{ a = "b" }[*]', "[*]"),
        ('format("%05d", 1)', "format"),
    ],
)
def test_what_is_not_evaluated_is_named(expression, ability):
    with pytest.raises(Unsupported) as caught:
        value(expression)

    assert ability == caught.value.ability


def test_what_nobody_asks_for_is_not_evaluated():
    assert ["a"] == list(chosen('target "a" {}\ntarget "b" { args = { x = uuidv4() } }', "a"))


def test_a_name_that_is_none_says_what_is_near():
    with pytest.raises(NotFound) as caught:
        chosen('target "app" {}', "ap")

    assert "did you mean app?" == caught.value.hint


def doubling(make):
    lines = [f"v{n} = {make.format(f'v{n - 1}')}" for n in range(1, 60)]
    return "\n".join(['v0 = ["aaaaaaaaaaaaaaaa"]' if "concat" in make else 'v0 = "aaaaaaaaaaaaaaaa"', *lines])


@pytest.mark.parametrize(
    "text",
    [
        doubling('"${{{0}}}${{{0}}}"') + '\ntarget "default" { args = { x = v59 } }',
        doubling("concat({0}, {0})") + '\ntarget "default" { args = { x = v59[0] } }',
        'target "default" { args = { x = replace(replace("%s", "a", "%s"), "a", "%s") } }' % (("a" * 9000,) * 3),
        'target "default" {\n matrix = { a = %s, b = %s }\n name = "t"\n}'.replace(
            "%s", f"[{', '.join(['1'] * 400)}]"
        ),
    ],
    ids=["texts", "lists", "replace", "matrix"],
)
def test_what_grows_beyond_bounds_is_refused_before_it_does(text):
    with pytest.raises(UsageError):
        chosen(text)


HOSTILE = {
    "large": b"a = 1\n" * 30_000,
    "blanks": b"a = <<A\n" + b"\n" * 100_000,
    "heredoc without an end": b"a = <<A\n" + (b"\n" * 390 + b"x") * 100,
    "brackets": b"a = " + b"[" * 100_000,
    "nested": b"a = " + b"[" * 1000 + b"]" * 1000,
    "sums": b"a = " + b"1 + " * 5_000 + b"1",
    "escapes": b'a = "' + b"$${" * 30_000 + b'"',
    "escape over lines": b'a = "$${"\nb = "}"\n',
    "comment without an end": b"/*" * 30_000,
    "not UTF-8": b'a = "\xff"',
    "no escape": rb'a = "\q"',
    "surrogate": rb'a = "\ud800"',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(data):
    with pytest.raises(UsageError):
        read_body(data, "x.hcl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.args=1", "args needs a name behind a dot"),
        ("a.tags.x=1", "tags has no name behind a dot"),
        ("a.tag=1", "a target has no 'tag'"),
        ("a=1", "is not TARGET.KEY=VALUE"),
    ],
)
def test_an_override_that_names_nothing_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_override(text, {})


@pytest.mark.parametrize(
    ("text", "means"), [("0", False), ("F", False), ("false", False), ("1", True), ("True", True)]
)
def test_an_override_says_yes_or_no_as_go_does(text, means):
    assert means is chosen('target "default" {}', sets=[f"*.no-cache={text}"])["default"]["no-cache"]


def test_an_override_that_says_neither_yes_nor_no_is_refused():
    with pytest.raises(UsageError):
        chosen('target "default" {}', sets=["*.no-cache=perhaps"])


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ('output = ["-", "out"]', ("output", [("tar", {"dest": "-"}), ("local", {"dest": "out"})])),
        (
            'output = [{ type = "image", name = "a", push = null }]',
            ("output", [("image", {"name": "a"})]),
        ),
        ('cache-from = ["reg/app", ""]', ("cache-from", [("registry", {"ref": "reg/app"})])),
        (
            'secret = ["id=a,src=f", "type=env,id=b,src=V", { id = "c", env = "W" }]',
            ("secret", [("a", {"src": "f"}), ("b", {"env": "V"}), ("c", {"env": "W"})]),
        ),
        ('ssh = ["default", "x=a,b"]', ("ssh", [("default", {}), ("x", {"paths": ("a", "b")})])),
    ],
)
def test_entries_are_words_or_objects(written, means):
    key, entries = means

    assert entries == [
        (one.type, dict(one.words)) for one in chosen(f'target "default" {{ {written} }}')["default"][key]
    ]


@pytest.mark.parametrize(
    ("outputs", "word", "means"),
    [
        ("[]", "push=1", [("image", {"push": "true"})]),
        ('["type=image"]', "push=1", [("image", {"push": "true"})]),
        ('["type=registry", "type=image"]', "push=0", [("image", {"push": "false"})]),
        ("[]", "load=1", [("docker", {})]),
        ('["type=image"]', "load=1", [("image", {}), ("docker", {})]),
        ('["type=local,dest=x"]', "load=1", [("local", {"dest": "x"})]),
        ('["type=docker"]', "load=1", [("docker", {})]),
        ('["type=docker,dest=x"]', "load=1", [("docker", {"dest": "x"}), ("docker", {})]),
        ('["type=docker"]', "load=0", [("docker", {})]),
    ],
)
def test_push_and_load_are_said_of_outputs(outputs, word, means):
    found = chosen(f'target "default" {{ output = {outputs} }}', sets=[f"*.{word}"])["default"].get("output", ())

    assert means == [(one.type, dict(one.words)) for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a${1 + 1}b", "a2b"),
        ('a${join("}", ["{", "x"])}b', "a{}xb"),
        ('${upper("a\\"${"b"}c")}', 'A"BC'),
        ("$${x} %%{y}", "${x} %{y}"),
    ],
)
def test_texts_of_json_are_templates(text, expected):
    body = read_body(json.dumps({"target": {"default": {"args": {"x": text}}}}).encode(), "a.json")

    assert expected == Definition([body], {}, BUILTIN).choose(("default",), []).targets["default"]["args"]["x"]


def test_groups_are_looked_up_and_targets_matched_by_patterns():
    text = """
    group "all" { targets = ["a", "b"] }
    target "a" { args = { x = join("+", group.all.targets) } }
    target "b" {}
    """

    assert {"a", "b"} == set(chosen(text, "[ab]"))
    assert "a+b" == chosen(text, "a")["a"]["args"]["x"]
    with pytest.raises(NotFound, match="no target matches c"):
        chosen(text, "c*")
    with pytest.raises(NotFound, match="no target c"):
        chosen(text, "c")


class TestFiles:
    """Which files are read, and by what names."""

    def read(self, folder, names=(), environ=None, stdin=None):
        definition = read_files(names, environ or {}, Platform.parse("linux/amd64"), folder, stdin)
        return definition.choose(("default",), []).targets["default"]["args"]

    def test_the_usual_names_are_read_and_the_last_one_decides(self, tmp_path):
        (tmp_path / "docker-bake.hcl").write_text('target "default" { args = { x = "1", y = "1" } }')
        (tmp_path / "docker-bake.override.json").write_text('{"target": {"default": {"args": {"x": "2"}}}}')

        assert {"x": "2", "y": "1"} == self.read(tmp_path)

    def test_a_variable_names_files_and_a_dash_is_standard_input(self, tmp_path):
        (tmp_path / "a.hcl").write_text('target "default" { args = { x = "1" } }')
        given = io.BytesIO(b'target "default" { args = { y = "2" } }')

        assert {"x": "1", "y": "2"} == self.read(
            tmp_path, environ={"BUILDX_BAKE_FILE": "cwd://a.hcl;-", "BUILDX_BAKE_PATH_SEPARATOR": ";"}, stdin=given
        )

    @pytest.mark.parametrize(
        ("there", "names", "error"),
        [
            ((), (), "no bake file"),
            (("compose.yaml",), (), "compose"),
            ((), ("a.hcl",), "no file a.hcl"),
            ((), (".",), "read ."),
            ((), ("x.yml",), "compose"),
            ((), ("-",), "standard input"),
            ((), ("a.hcl",) * 1000, "1000 bake files"),
        ],
    )
    def test_what_is_not_there_or_not_ours(self, tmp_path, there, names, error):
        for name in there:
            (tmp_path / name).write_text("services: {}\n")

        with pytest.raises(OcitoolError) as caught:
            self.read(tmp_path, names)

        assert error in str(caught.value)


def test_json_says_what_hcl_says():
    hcl = b'target "default" { args = { a = "x", b = 1, c = true, d = null } tags = ["${X}:1"] }'
    text = json.dumps(
        {"target": {"default": {"args": {"a": "x", "b": 1, "c": True, "d": None}, "tags": ["${X}:1"]}}}
    )
    read = [read_body(data, name) for data, name in ((hcl, "a.hcl"), (text.encode(), "a.json"))]
    hcl_target, json_target = (
        Definition([body], {}, {**BUILTIN, "X": "y"}).choose(("default",), []).targets for body in read
    )

    assert ("y:1",) == json_target["default"]["tags"]
    assert hcl_target == json_target


@pytest.mark.parametrize(
    "data", [b"[1]", b"{", b'{"target": {"a": 1}}', b'{"a": "${"}', b"[" * 100_000, b'{"a": 1, "a": 2}']
)
def test_hostile_json_is_refused(data):
    with pytest.raises(UsageError):
        read_body(data, "x.json")


def diamond(levels):
    """Targets in levels of two, each of which stands on both of the next: paths double, and targets do not."""
    lines = ['group "default" { targets = ["a0", "b0"] }']
    for level in range(levels):
        below = (
            f'contexts = {{ x = "target:a{level + 1}", y = "target:b{level + 1}" }}' if level < levels - 1 else ""
        )
        lines += [f'target "{name}{level}" {{ {below} }}' for name in "ab"]
    return define("\n".join(lines))


def test_links_are_followed_once_however_many_ways_lead_to_a_target():
    small, large = (effort(diamond(levels).choose, ("default",), ()) for levels in (6, 12))

    assert large < 3 * small


def test_targets_that_stand_on_many_are_put_in_order_once():
    below, half = (diamond(levels).choose(("default",), ()) for levels in (12, 6))
    order = in_order(below)

    assert sorted(order) == sorted(below.targets)
    assert all(order.index(f"a{level + 1}") < order.index(f"b{level}") for level in range(11))
    assert effort(in_order, below) < 3 * effort(in_order, half)
