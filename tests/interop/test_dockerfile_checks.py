"""The checks of a Dockerfile beside BuildKit's own: the same names on the same lines."""

from random import Random

import pytest

from ocitool.dockerfile.context import Context
from ocitool.dockerfile.lint.engine import RULES, lint
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.platform import Platform
from tests.fakes.dockerfiles import FILES, IGNORE, dockerfile
from tests.interop.dockerfiles import CASES
from tests.interop.sidebyside import make_bases, make_context

pytestmark = pytest.mark.interop

HOST = Platform("linux", "amd64")
SHARED = {rule.name for rule in RULES if rule.url}
SEEDS = range(60)


@pytest.fixture
def both(buildkit, tmp_path):
    """`both(text)`: what we find and what BuildKit finds, as sets of (check, line)."""
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content)

    def call(text, ignore=IGNORE, **arguments):
        (tmp_path / "Dockerfile").write_text(text)
        (tmp_path / ".dockerignore").write_text(ignore)
        rules = IgnoreRules.parse(ignore)
        graph = StageGraph.of(parse(text.encode()), StageRequest(HOST, HOST, arguments=arguments))
        ours = lint([graph], rules, Context(tmp_path, rules))
        assert ours.problem is None
        found = {(one.rule.name, one.place.first) for one in ours.findings if one.rule.name in SHARED}
        words = [word for name, value in arguments.items() for word in ("--opt", f"build-arg:{name}={value}")]
        return found, {(rule, line) for rule, line, _ in buildkit.lint(tmp_path, *words)}

    return call


def own_word(rule):
    """The example as BuildKit takes it offline: no image but scratch is there."""
    return rule.example.replace("registry.example/app:1${SUFFIX}", "scratch${SUFFIX}").replace(
        "secret.txt", "ignored"
    )


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.url and rule.name != "InvalidDefaultArgInFrom"],
    ids=lambda rule: rule.name,
)
def test_examples_are_found_by_both(rule, both):
    ours, theirs = both(f"# check=experimental=all\n{own_word(rule)}\n")

    assert rule.name in {name for name, _ in theirs}
    assert theirs == ours


def test_a_default_that_names_no_image_is_found_by_both(both):
    ours, theirs = both("ARG T\nFROM ${T}\nFROM ${T:-scratch}\n", T="scratch")

    assert {("InvalidDefaultArgInFrom", 2)} == theirs == ours


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_files_are_judged_alike(seed, both):
    text = dockerfile(Random(seed))

    ours, theirs = both(text)

    assert theirs == ours, text


def test_switches_are_read_alike(both):
    text = "FROM scratch as A\nENV a b\nCMD x\n"

    for head in (
        "",
        "# check=skip=all\n",
        "#check=skip=FromAsCasing,JSONArgsRecommended\n",
        "# CHECK = skip=CMD\n",
    ):
        ours, theirs = both(head + text)
        assert theirs == ours, head


# docs/reference/dockerfile-checks.md tells these, each with its reason.
@pytest.mark.parametrize(
    ("text", "ignore", "theirs_alone"),
    [
        ("FROM scratch\nCOPY d /d\n", "d\n!d/hidden\n", {("CopyIgnoredFile", 3)}),
        ("  # A is a\nARG A\nFROM scratch\n", "", {("InvalidDefinitionDescription", 3)}),
    ],
)
def test_where_we_differ_on_purpose(text, ignore, theirs_alone, both):
    ours, theirs = both(f"# check=experimental=all\n{text}", ignore)

    assert (set(), theirs_alone) == (ours - theirs, theirs - ours)


@pytest.fixture(scope="module")
def bases(buildkit, tmp_path_factory):
    """The context and the base images of the side-by-side tests, and the words that name them to BuildKit."""
    root = tmp_path_factory.mktemp("checks")
    found = make_bases(root / "bases")
    words = [
        word
        for name, (layout, digest) in found.items()
        for word in ("--oci-layout", f"{name}={layout}", "--opt", f"context:{name}=oci-layout://{name}@{digest}")
    ]
    return make_context(root / "context"), found, words


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.own_ignore])
def test_over_images_nothing_is_told_that_is_not_so(name, bases, buildkit):
    """What only the image can tell is not known here: its variables, and its shell."""
    context, found, words = bases
    case = CASES[name]
    head = "" if case.text.startswith("# ") else "# check=experimental=all\n"
    (context / "Dockerfile").write_text(head + case.text)
    (context / ".dockerignore").write_text(case.ignore)
    arguments = [word for key, value in case.args.items() for word in ("--opt", f"build-arg:{key}={value}")]
    rules = IgnoreRules.parse(case.ignore)
    wanted = StageRequest(HOST, HOST, case.target, dict(case.args), dict.fromkeys(found, ""))

    report = lint([StageGraph.of(parse((head + case.text).encode()), wanted)], rules, Context(context, rules))
    said = buildkit.lint(
        context, "--opt", "platform=linux/amd64", "--opt", f"target={case.target}", *words, *arguments
    )

    ours = {(one.rule.name, one.place.first) for one in report.findings if one.rule.name in SHARED}
    theirs = {(rule, line) for rule, line, _ in said}
    assert {rule for rule, _ in ours - theirs} <= {"JSONArgsRecommended"}
    assert {rule for rule, _ in theirs - ours} <= {"UndefinedVar", "CopyIgnoredFile"}
