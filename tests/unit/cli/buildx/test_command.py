"""Flags of a build that mean something by what is around them."""

import pytest

from ocitool.cli.buildx.command import _argument
from ocitool.errors import UsageError


def test_an_argument_without_a_value_has_that_of_the_environment_or_is_none(monkeypatch):
    monkeypatch.setenv("HERE", "from outside")
    monkeypatch.delenv("NOWHERE", raising=False)

    assert [("A", "1=2"), ("A", ""), ("HERE", "from outside"), None] == [
        _argument(text) for text in ("A=1=2", "A=", "HERE", "NOWHERE")
    ]


def test_an_argument_has_a_name():
    with pytest.raises(UsageError, match="names no argument"):
        _argument("=value")
