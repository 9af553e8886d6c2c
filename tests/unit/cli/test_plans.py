"""Plans that are carried out, and again on top of what another writer left."""

from types import SimpleNamespace

import pytest

from ocitool.change.apply import ChangeReport
from ocitool.change.plan import Plan
from ocitool.cli.plans import ATTEMPTS, carry_out_again, pairs, place
from ocitool.errors import Conflict, UsageError
from ocitool.model.digest import Digest

HELD = Digest.of(b"1")
LOST = Conflict("reg.test/app:1 was written by somebody else", tag="1", found=str(HELD))


class App:
    """What a command has, with a client that loses `losses` times."""

    def __init__(self, losses: int) -> None:
        self.losses, self.tries, self.said = losses, 0, []
        self.client = SimpleNamespace(apply=self.apply)
        self.scope = SimpleNamespace(sleep=lambda seconds: None)

    def promised(self, plan):
        return plan

    def signed(self, plan):
        return plan

    def listener(self, event):
        self.said.append(event.text)

    def apply(self, plan):
        self.tries += 1
        if self.tries <= self.losses:
            raise LOST
        return ChangeReport(plan.target, tags=(("1", None, HELD),), names=(("1", HELD),))


def again(app: App, *, retry: bool | None):
    return carry_out_again(app, lambda: Plan("reg.test/app"), retry=retry, dry_run=False)


def test_a_lost_race_is_told_and_run_again():
    """K267"""
    app = App(losses=2)

    done = again(app, retry=True)

    assert f"reg.test/app:1@{HELD}" == done.text
    assert [f"{LOST.what}; trying again on top of that"] * 2 == app.said
    assert 3 == app.tries


@pytest.mark.parametrize(("retry", "tries"), [(True, ATTEMPTS), (False, 1), (None, 1)])
def test_there_is_an_end_of_trying(retry, tries):
    """K267: None asks what the other writer changed, which a plan without tags cannot know."""
    app = App(losses=1000)

    with pytest.raises(Conflict):
        again(app, retry=retry)
    assert tries == app.tries


def test_a_dry_run_changes_nothing():
    app = App(losses=0)

    shown = carry_out_again(app, lambda: Plan("reg.test/app"), retry=True, dry_run=True)

    assert shown.data["dryRun"]
    assert 0 == app.tries


def test_pairs():
    assert {"a": "b=c", "d": ""} == pairs(["a=b=c", "d="])


@pytest.mark.parametrize("text", ["a", "=b", ""])
def test_what_is_no_pair(text):
    with pytest.raises(UsageError, match="not KEY=VALUE"):
        pairs([text])


def test_a_digest_is_named_once():
    assert f"reg.test/app@{HELD}" == place("reg.test/app", str(HELD), HELD) == place("reg.test/app", "", HELD)
