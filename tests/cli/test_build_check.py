"""`ocitool build --check`: what is said, where, and with which exit code; what a build says of the same."""

import json
import subprocess

import pytest

BAD = "FROM scratch AS Build\nENV a b\nCMD x\n"


@pytest.fixture
def look(home, run, monkeypatch):
    """`look("FROM scratch", …)`: a build that only looks at a Dockerfile in the current folder."""
    monkeypatch.chdir(home)

    def call(text, *flags):
        (home / "Dockerfile").write_text(text)
        return run("build", *flags)

    return call


@pytest.fixture
def check(look):
    """`check("FROM scratch", …)`: the same with --check."""
    return lambda text, *flags: look(text, "--check", *flags)


def test_findings_go_to_stdout_and_make_exit_code_one(check):
    outcome = check(BAD)

    assert 1 == outcome.exit_code
    assert "" == outcome.stderr
    assert outcome.stdout.startswith(
        "WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"
        "the stage name Build is not in lower case\n"
        "Dockerfile:1\n"
        "--------------------\n"
        "   1 | >>> FROM scratch AS Build\n"
    )
    assert outcome.stdout.endswith("Dockerfile: 3 warnings\n")


def test_a_clean_file_is_exit_code_zero(check):
    outcome = check("FROM scratch\nENV A=1\n")

    assert (0, "Dockerfile: nothing wrong\n", "") == (outcome.exit_code, outcome.stdout, outcome.stderr)


def test_a_note_is_shown_and_does_not_count(check):
    outcome = check("FROM scratch AS test\nFROM scratch\n")

    assert 0 == outcome.exit_code
    assert "NOTE: UnusedStage - docs/reference/dockerfile-checks.md#unusedstage\n" in outcome.stdout


def test_nothing_is_built_and_a_base_that_cannot_be_had_is_no_error(home, check):
    outcome = check("FROM nowhere.invalid/base:1\nRUN make\n", "-t", "nowhere.invalid/x:1", "--push")

    assert 1 == outcome.exit_code
    assert "ERROR: RunNeedsProcess - docs/reference/dockerfile-checks.md#runneedsprocess\n" in outcome.stdout
    assert "Dockerfile: 1 error\n" in outcome.stdout
    assert not (home / ".cache").exists()


@pytest.mark.parametrize("flags", [("--json",), ("--call=check,format=json",), ("--call", "lint,format=json")])
def test_findings_as_json(check, flags):
    tree = json.loads(check(BAD, *flags).stdout)

    assert (False, 1) == (tree["ok"], tree["exit_code"])
    assert [("StageNameCasing", 1), ("LegacyKeyValueFormat", 2), ("JSONArgsRecommended", 3)] == [
        (one["rule"], one["line"]) for one in tree["data"]["findings"]
    ]


def test_what_cannot_be_parsed_is_an_error_as_in_a_build(check):
    outcome = check("FROM scratch\nFETCH x\n")

    assert (2, "") == (outcome.exit_code, outcome.stdout)
    assert outcome.stderr.startswith("error: Dockerfile:2: no instruction 'FETCH'")


def test_an_error_that_a_build_would_end_in_stands_below_the_findings(check):
    outcome = check("FROM $BASE\nENV a b\n")
    tree = json.loads(check("FROM $BASE\nENV a b\n", "--json").stdout)

    assert 2 == outcome.exit_code == tree["exit_code"]
    assert "Dockerfile: 3 warnings\n\nerror: Dockerfile:1: FROM $BASE names no image" in outcome.stdout
    assert "Dockerfile:1: FROM $BASE names no image: a variable is empty" == tree["data"]["problem"]["what"]


def test_files_are_looked_for_through_dockerignore(home, check):
    (home / "docs").mkdir()
    (home / "docs" / "a.md").write_text("")
    (home / ".dockerignore").write_text("docs/*\n!docs/a.md\n*.log\n")
    (home / "x.log").write_text("")

    outcome = check("FROM scratch\nCOPY docs/a.md docs /d/\nCOPY x.log /d/\nCOPY y.txt /d/\n")

    assert [("CopyIgnoredFile", "Dockerfile:3"), ("MissingCopySource", "Dockerfile:4")] == [
        (block.split()[1], block.splitlines()[2]) for block in outcome.stdout.split("\n\n")[:-1]
    ]


def test_a_dockerfile_on_stdin_for_several_platforms(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "app-amd64").write_text("")
    text = b"FROM scratch\nARG TARGETARCH\nCOPY app-$TARGETARCH /\n"

    outcome = run("build", "--check", "-f", "-", "--platform", "linux/amd64,linux/arm64", stdin=text)

    assert 1 == outcome.exit_code
    assert "the context has no app-arm64\nstandard input:3\n" in outcome.stdout
    assert "standard input: 1 error\n" in outcome.stdout


def test_a_file_cannot_move_the_cursor_of_whoever_reads_it(check):
    outcome = check("FROM scratch\nENV a \x1b[2Jb\r\nCMD \x9bx\n")

    assert "   2 | >>> ENV a \\x1b[2Jb\n" in outcome.stdout
    assert {"\n"} == {mark for mark in outcome.stdout if not mark.isprintable()}


def test_a_method_that_is_not_possible(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "Dockerfile").write_text(BAD)

    outcome = run("build", "--call=frobnicate")

    assert 9 == outcome.exit_code
    assert (
        "error: --call frobnicate is not answered\nhint: one of build, check, lint, outline, targets is\n"
        "see: ocitool explain 9, or docs/reference/exit-codes.md#9-not-supported\n" == outcome.stderr
    )


TOLD = """# V is the version
ARG V=1
FROM nowhere.invalid/go:${V} AS build
RUN --mount=type=secret,id=token go build
# last is all there is
FROM scratch AS last
COPY --from=build /x /x
"""


OUTLINE = """TARGET:      last
DESCRIPTION: is all there is

BUILD ARG   VALUE   DESCRIPTION
V           2       is the version

SECRET   REQUIRED
token    \n"""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("targets", "TARGET         DESCRIPTION\nbuild          \nlast (default) is all there is\n"),
        (
            "outline",
            OUTLINE,
        ),
    ],
)
def test_what_a_file_offers_is_told_and_nothing_is_asked_for(look, home, method, expected):
    outcome = look(TOLD, f"--call={method}", "--build-arg", "V=2")

    assert (0, expected) == (outcome.exit_code, outcome.stdout)
    assert not (home / ".cache").exists()


def test_json_of_a_method_is_that_of_buildx_and_our_envelope_has_the_same(look):
    plain = json.loads(look(TOLD, "--call=targets,format=json").stdout)

    assert ["build", "last"] == [one["name"] for one in plain["targets"]]
    assert plain == json.loads(look(TOLD, "--call=targets", "--json").stdout)["data"]


def test_findings_for_github_and_for_code_scanning(check):
    github, sarif = (check(BAD, f"--call=check,format={form}") for form in ("github", "sarif"))

    assert (1, 1) == (github.exit_code, sarif.exit_code)
    assert github.stdout.startswith("::warning file=Dockerfile,line=1,endLine=1,title=StageNameCasing::")
    results = json.loads(sarif.stdout)["runs"][0]["results"]
    assert ["StageNameCasing", "LegacyKeyValueFormat", "JSONArgsRecommended"] == [one["ruleId"] for one in results]


def test_a_build_counts_its_warnings_in_one_line(home, check, run):
    check(BAD)

    outcome = run("build", "--platform", "linux/amd64,linux/arm64", "-o", "oci:img")

    assert 0 == outcome.exit_code
    assert 1 == outcome.stderr.count("Dockerfile: 3 warnings; ocitool build --check shows them\n")
    quiet = run("build", "-q", "--platform", "linux/amd64", "-o", "oci:img").stderr
    assert "warning: linux/amd64: the image would not start: /bin/sh is not there\n" == quiet


def test_a_build_ends_at_a_warning_where_the_file_wants_it(home, check, run):
    check(f"# check=error=true\n{BAD}")

    outcome = run("build", "-o", "oci:img")

    assert 2 == outcome.exit_code
    assert "Dockerfile: 3 warnings, which check=error=true makes errors" in outcome.stderr
    assert "  Dockerfile:3: LegacyKeyValueFormat: a blank parts ENV a" in outcome.stderr
    assert not (home / "img").exists()


def test_warnings_of_what_is_not_built_end_no_build(home, check, run):
    check("# check=error=true\nFROM scratch AS unused\nENV a b\nFROM scratch\nENV a=b\n")

    outcome = run("build", "--platform", "linux/amd64", "-o", "oci:img")

    assert (0, False) == (outcome.exit_code, "warning" in outcome.stderr), outcome.stderr


def test_k203_modes_that_no_checkout_keeps_are_a_note(home, check, peer):
    """Of a file that git tracks; what a compiler has left beside it has no other mode in a checkout."""
    subprocess.run([peer("git"), "init", "-q"], cwd=home, check=True)
    (home / ".dockerignore").write_text(".*\n")
    for name in ("a", "made"):
        (home / name).write_text("")
        (home / name).chmod(0o600)
    subprocess.run([peer("git"), "add", "a"], cwd=home, check=True)

    tracked, made = check("FROM scratch\nCOPY a /a\n"), check("FROM scratch\nCOPY made /a\n")

    assert 0 == tracked.exit_code
    assert (
        "NOTE: ContextFileMode - docs/reference/dockerfile-checks.md#contextfilemode\na has the mode 600, and git keeps 644 or 755"
        in tracked.stdout
    )
    assert "ContextFileMode" not in made.stdout
