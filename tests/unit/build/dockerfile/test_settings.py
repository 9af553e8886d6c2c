"""Config changes and the words of history."""

import pytest

from ocitool.build.dockerfile.instructions import Healthcheck
from ocitool.build.dockerfile.lines import Line
from ocitool.build.dockerfile.settings import ports_of, quoted, set_env, set_health, workdir_of
from ocitool.errors import UsageError


def test_variables_keep_their_places():
    settings = {"Env": ["PATH=/bin", "a=1"]}

    set_env(settings, [("b", "2"), ("PATH", "/x"), ("b", "3")])

    assert ["PATH=/x", "a=1", "b=3"] == settings["Env"]


def test_words_are_quoted_as_go_does_it():
    assert r'["a b" "\"x\"\\" "ü\n\x01"]' == quoted(["a b", '"x"\\', "ü\n\x01"])


@pytest.mark.parametrize(
    ("current", "path", "expected"),
    [("/", "a", "/a"), ("/home/example", "sub", "/home/example/sub"), ("/a", "/b/", "/b"), ("/a", "../..", "/")],
)
def test_workdir(current, path, expected):
    """K166: a trailing slash goes away, a relative path is joined."""
    assert expected == workdir_of(current, path)


def test_ports_are_sorted_as_words_and_ranges_written_out():
    assert ("443/tcp", "53/udp", "80/tcp", "81/tcp", "82/tcp") == ports_of(["80-82", "443", "53/UDP"])
    assert ("80/tcp",) == ports_of(["127.0.0.1:8080:80"])


@pytest.mark.parametrize("word", ["x", "80/http", "70000", "90-80", ""])
def test_what_is_no_port(word):
    with pytest.raises(UsageError):
        ports_of([word])


def test_a_health_check_has_nanoseconds_and_no_zeros():
    settings: dict = {}
    line = Line(1, 1, "HEALTHCHECK", "", "HEALTHCHECK")

    told = set_health(settings, Healthcheck(line, ("CMD-SHELL", "x"), interval=30 * 10**9, retries=3))

    assert {"Test": ["CMD-SHELL", "x"], "Interval": 30_000_000_000, "Retries": 3} == settings["Healthcheck"]
    assert (
        "HEALTHCHECK {Test:[CMD-SHELL x] Interval:30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}" == told
    )
