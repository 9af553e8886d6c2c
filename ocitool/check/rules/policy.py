"""The rule about a policy: asked of whatever admits images, since signatures are no part of an Inspection."""

from typing import Final

from ocitool.check.rules.tag import TagRule
from ocitool.findings import Severity

REFUSED: Final = TagRule(
    "policy/refused", "An image that the policy refuses",
    "Whoever obeys the policy does not use it: it lacks a signature that is trusted, or what has to be attached.",
    "a tag that was pushed by hand and not signed, where --policy asks for a key", Severity.ERROR,
    advice="Sign or attach what the message names with a key that the policy trusts, or change the policy.",
)  # fmt: skip
RULES: Final = (REFUSED,)
