"""Config changes and the words of history."""

import pytest

from ocitool.dockerfile.config_instructions import quoted, set_health
from ocitool.dockerfile.syntax.instructions import Healthcheck
from ocitool.dockerfile.syntax.lines import Line
from ocitool.errors import UsageError
from ocitool.image.options import ports_of, set_env, workdir_of


def test_variables_keep_their_places():
    settings = {"Env": ["PATH=/bin", "a=1"]}

    set_env(settings, [("b", "2"), ("PATH", "/x"), ("b", "3")])

    assert ["PATH=/x", "a=1", "b=3"] == settings["Env"]


def test_words_are_quoted_as_go_does_it():
    assert r'["a b" "\"x\"\\" "ü\n\x01"]' == quoted(["a b", '"x"\\', "ü\n\x01"])


@pytest.mark.parametrize(
    ("current", "path", "expected"),
    [
        ("/", "a", "/a"),
        ("/home/example", "sub", "/home/example/sub"),
        ("/a", "/b/", "/b/"),
        ("/a/", "b/", "/a/b"),
        ("/a", "../..", "/"),
        ("/a//b/", "", "/a//b/"),
        ("a", "", "/a"),
    ],
)
def test_workdir(current, path, expected):
    """K166: a relative path is joined and cleaned, an absolute one stays as BuildKit leaves it: as written."""
    assert expected == workdir_of(current, path)


def test_ranges_of_ports_are_written_out():
    """Each as often as it is said, which history tells."""
    assert ("80/tcp", "81/tcp", "82/tcp", "81/tcp", "53/udp") == ports_of(["80-82", "81", "53/UDP"])


@pytest.mark.parametrize(
    "word", ["127.0.0.1:8080:80", "[::1]:8080:80", "::80", "8000-8010:80", "+80", "080", "80/"]
)
def test_the_port_of_the_container_counts(word):
    assert ("80/tcp",) == ports_of([word])


@pytest.mark.parametrize(
    "word", ["x", "80/http", "70000", "90-80", "", "80:", "1-2-3", "80:81-82", "1.2.3:80:81", "80/tcp/udp", "-80"]
)
def test_what_is_no_port(word):
    with pytest.raises(UsageError):
        ports_of([word])


def test_a_health_check_has_nanoseconds_and_no_zeros():
    settings: dict = {}
    line = Line(1, 1, "HEALTHCHECK", "", "HEALTHCHECK")

    told = set_health(settings, Healthcheck(line, ("CMD-SHELL", "x"), interval=30 * 10**9, retries=3))

    assert {"Test": ["CMD-SHELL", "x"], "Interval": 30_000_000_000, "Retries": 3} == settings["Healthcheck"]
    assert r"""HEALTHCHECK &{["CMD-SHELL" "x"] "30s" "0s" "0s" "0s" '\x03'}""" == told


@pytest.mark.parametrize(
    ("retries", "told"),
    [
        (7, r"'\a'"),
        (39, r"'\''"),
        (34, "'\"'"),
        (92, r"'\\'"),
        (65, "'A'"),
        (0x110000, "'\ufffd'"),
        (0xD800, "'\ufffd'"),
    ],
)
def test_history_tells_retries_as_a_character(retries, told):
    line = Line(1, 1, "HEALTHCHECK", "", "HEALTHCHECK")

    assert set_health({}, Healthcheck(line, ("NONE",), retries=retries)).endswith(f'"0s" {told}}}')
