"""The `check` directive, which switches checks off and on: `# check=skip=Rule,Rule;error=true`.

Spec: BuildKit's Dockerfile reference, "check".
"""

from typing import Final

from ocitool.dockerfile.lint.rule import LintRule
from ocitool.errors import UsageError
from ocitool.values import dataclass, field

ARGUMENT: Final = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that says the same and takes the directive's place."""
_WORDS: Final = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


@dataclass(frozen=True, slots=True)
class Switches:
    """Names of checks that are left out or, for experimental ones, asked for; "all" is every one of them."""

    skipped: frozenset[str] = field(default=frozenset())
    experimental: frozenset[str] = field(default=frozenset())
    is_error: bool = False
    """Whether findings end a build."""

    @classmethod
    def parse(cls, text: str, where: str) -> "Switches":
        """The switches of a directive's value. Raises UsageError, which begins with `where`."""
        names: dict[str, frozenset[str]] = {}
        is_error = False
        for option in filter(None, (part.strip() for part in text.split(";"))):
            key, equals, value = (part.strip() for part in option.partition("="))
            if key in {"skip", "experimental"} and equals:
                names[key] = frozenset(name.strip() for name in value.split(","))
            elif key == "error" and value.lower() in _WORDS:
                is_error = _WORDS[value.lower()]
            else:
                raise UsageError(
                    f"{where}: check={option[:100]} is not possible",
                    hint="it is skip=NAME,NAME or skip=all, error=true and experimental=NAME, joined by ;",
                )
        return cls(names.get("skip", frozenset()), names.get("experimental", frozenset()), is_error)

    def takes(self, rule: LintRule) -> bool:
        """Whether findings of the rule are wanted."""
        if rule.is_experimental:
            return bool(self.experimental & {"all", rule.name})
        return not self.skipped & {"all", rule.name}
