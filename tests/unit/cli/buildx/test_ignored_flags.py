"""buildx's flags: what is taken with a reason, what is refused, what a switch may say."""

import io
import re

import click
import pytest

from ocitool.cli.buildx.ignored_flags import WORDS, call, given, show
from ocitool.cli.cmd.build import command as build
from ocitool.cli.cmd.buildx_build import command as buildx_build
from ocitool.cli.console import Console
from ocitool.errors import Unsupported, UsageError

# Of `docker buildx build --help` and of what it hides, in version 0.30.
FLAGS = """
add-host allow annotation attest build-arg build-context builder cache-from cache-to call cgroup-parent compress
cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems debug file force-rm iidfile isolation label load memory
memory-swap metadata-file network no-cache no-cache-filter output platform progress provenance pull push quiet rm sbom
secret security-opt shm-size squash ssh tag target ulimit
""".split()


@pytest.mark.parametrize("command", [build, buildx_build])
def test_every_flag_of_buildx_is_known(command):
    known = {name for one in command.params for name in one.opts}

    assert set() == {f"--{flag}" for flag in FLAGS} - known
    assert set() == {"-D", "-f", "-o", "-q", "-t", "-m", "-c"} - known


def test_flags_that_do_nothing_are_told_with_one_reason_each():
    told = given({"memory": ("1g",), "cgroup_parent": ("x",), "builder": ("b",), "isolation": (), "pull": True})

    assert [["--builder"], ["--cgroup-parent", "--memory"]] == sorted(told.values())
    assert all(re.search("there is no builder|the limits of RUN are", reason) for reason in told)


def test_another_method_is_refused():
    with pytest.raises(Unsupported, match="frobnicate") as caught:
        call({"call": "frobnicate"})

    assert caught.value.hint
    assert ("build", "text") == call({"call": None})


def test_every_reason_is_told_in_the_help():
    assert all(word.reason.brief.endswith(".") and not word.reason.told.endswith(".") for word in WORDS)


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, ("build", "text")),
        ({"call": "build,format=json"}, ("build", "json")),
        ({"call": "check"}, ("check", "text")),
        ({"call": "lint,format=json"}, ("check", "json")),
        ({"call": "check,format=sarif"}, ("check", "sarif")),
        ({"call": "outline,format=json"}, ("outline", "json")),
        ({"check": True, "call": "build"}, ("check", "text")),
    ],
)
def test_what_call_asks_for(values, asked):
    assert asked == call(values)


@pytest.mark.parametrize("text", ["check,format=xml", "targets,format=sarif", "outline,json"])
def test_an_option_of_call_that_is_none_is_refused(text):
    method, _, option = text.partition(",")

    with pytest.raises(UsageError, match=f"--call {method} has no option '{option}'"):
        call({"call": text})


@pytest.mark.parametrize("command", [build, buildx_build])
@pytest.mark.parametrize(
    ("words", "sbom", "provenance", "path"),
    [
        (["--sbom", "--provenance", "app"], "true", "true", "app"),
        (["--provenance", "false", "app"], None, "false", "app"),
        (["--provenance", "mode=max", "--sbom", "spdx", "app"], "spdx", "mode=max", "app"),
        (["app", "--sbom=cyclonedx", "--provenance"], "cyclonedx", "true", "app"),
        (["--sbom", "./a=b"], "true", None, "./a=b"),
        (["--sbom", "--", "false"], "true", None, "false"),
    ],
)
def test_a_kind_alone_and_with_a_value(command, words, sbom, provenance, path):
    """buildx takes the next word whatever it is; here it is what is built unless it can only be a value."""
    params = command.make_context("build", list(words)).params

    assert (sbom, provenance, path) == (params["sbom"], params["provenance"], str(params["path"]))


@pytest.mark.parametrize(
    ("word", "expected"), [("--push", True), ("--push=true", True), ("--push=0", False), ("--push=no", None)]
)
def test_a_switch_says_yes_or_no(word, expected):
    if expected is None:
        with pytest.raises(UsageError, match="--push=no is neither true nor false"):
            buildx_build.make_context("build", [word, "app"])
    else:
        assert expected == buildx_build.make_context("build", [word, "app"]).params["push"]


@pytest.mark.parametrize("command", [build, buildx_build])
def test_the_help_has_what_does_nothing_at_its_end_and_hides_what_buildx_hides(command):
    text = command.get_help(click.Context(command, info_name="build", terminal_width=100))

    options, theirs = text.split("Taken because scripts for docker buildx say it:")
    assert "--platform" in options
    assert "--progress" in theirs
    assert [] == [name for name in ("--platform", "--isolation", "--squash") if name in theirs]
    assert "--builder" not in options


@pytest.mark.parametrize(
    ("values", "quiet", "draws", "verbose", "told"),
    [
        ({}, False, True, False, ""),
        ({"progress": "tty"}, False, True, False, ""),
        ({"progress": "none"}, True, True, False, ""),
        ({"progress": "quiet"}, True, True, False, ""),
        ({"progress": "plain"}, False, False, False, ""),
        ({"progress": "rawjson"}, False, False, False, "note: --progress rawjson: progress is told in lines"),
        ({"debug": True}, False, True, True, ""),
    ],
)
def test_how_a_build_is_told(monkeypatch, values, quiet, draws, verbose, told):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console()

    show(values, console)

    assert (quiet, draws, verbose) == (console.quiet, console._drawn is not None, console.verbose)
    assert terminal.getvalue().startswith(told)
    assert bool(told) == bool(terminal.getvalue())
