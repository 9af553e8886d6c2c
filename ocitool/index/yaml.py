"""YAML as plain text, lists and tables. Only home of PyYAML."""

from typing import Any

import yaml

from ocitool.errors import UsageError


class _Texts(yaml.BaseLoader):
    """Scalars stay text; no tags, no aliases, no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's own signature
        if self.check_event(yaml.AliasEvent):
            raise UsageError("aliases are not used in index specs")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise UsageError(f"{key.value!r} stands twice, again in line {key.start_mark.line + 1}")
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> object:
    """The one document in a YAML text. Raises UsageError with the line."""
    try:
        return yaml.load(text, Loader=_Texts)  # noqa: S506 - a BaseLoader makes texts, lists and tables only
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise UsageError(f"not YAML: {said}") from None
