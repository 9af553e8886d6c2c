"""Every check finds its own example and lets the better way be; names and pages are whole."""

import pytest

from ocitool.dockerfile.lint.engine import RULES

# One check is asked for by name only.
ASKED = "# check=experimental=all\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_example_is_found_and_the_better_way_is_clean(rule, found):
    assert [rule.name] == list(dict.fromkeys(name for name, _ in found(ASKED + rule.example)))
    assert [] == found(ASKED + rule.better)


def test_names_are_unique_and_every_page_entry_is_written():
    assert len(RULES) == len({rule.name for rule in RULES})
    for rule in RULES:
        assert rule.title, rule.name
        assert rule.reason.endswith("."), rule.name


def test_what_buildkit_has_too_leads_to_its_manual():
    ours = {"AutomaticArgDefault", "ContextFileMode", "MissingCopySource", "RunNeedsProcess", "UnusedStage"}

    assert ours == {rule.name for rule in RULES if not rule.url}
    assert {"https://docs.docker.com/go/dockerfile/rule/undefined-var/"} == {
        rule.url for rule in RULES if rule.name == "UndefinedVar"
    }
