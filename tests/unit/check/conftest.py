"""A ward of broken images in memory, and what the rules say of them."""

import pytest

from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward


@pytest.fixture
def ward():
    return Ward(Loose())


@pytest.fixture
def found(ward):
    """`found("1")`: the findings of a deep look, by rule."""

    def call(name="1"):
        seen = look(ward.store, name, scope=Scope(), deep=lambda _: True)
        return {finding.rule: finding for finding in findings(seen)}

    return call
