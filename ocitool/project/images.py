"""Several images in one ocitool.toml: what each `[[image]]` says, over what stands outside of them.

Each becomes a file of its own, as if it were the only image: tables are merged key by key, files are added,
everything else is replaced, as with what differs by platform.
"""

from collections.abc import Mapping
from typing import Any, Final

from ocitool.errors import UsageError, closest
from ocitool.project.schema import IMAGE_KEYS
from ocitool.project.toml import TomlFile
from ocitool.values import replace

NAME: Final = "{name}"
"""What stands for the name of the image wherever text is."""
MOST: Final = 200
"""Most images of one file, which is read once for each of them; a guess far above what a project has."""


def image_names(file: TomlFile) -> tuple[str, ...]:
    """The names of the images in their order; none where the file describes one image. Raises UsageError."""
    images = file.tree.get("image", {})
    if isinstance(images, dict):
        if "config" in file.tree:
            raise file.error(
                ("config",), "is what several images share", "write [image], or describe each by [[image]]"
            )
        return ()
    if len(images) > MOST:
        raise file.error(
            ("image", MOST), f"is one more than a file may have: {MOST}", "describe others in another file"
        )
    names: list[str] = []
    for at, image in enumerate(images):
        if image["name"] in names:
            raise file.error(("image", at, "name"), f"is {image['name']}, and so is another image's")
        names.append(image["name"])
    return tuple(names)


def chosen_names(file: TomlFile, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the wanted images, of all where nobody says, in the order of the file. Raises UsageError."""
    names = image_names(file)
    for name in wanted:
        if name not in names:
            there = f"known are {', '.join(names)}" if names else "it describes one image: leave --image out"
            near = closest(name, names)
            raise UsageError(f"{file.path} has no image {name}", hint=f"did you mean {near}?" if near else there)
    return tuple(name for name in names if name in wanted or not wanted)


def image_file(file: TomlFile, name: str) -> TomlFile:
    """The file as if it described the image of that name alone, its lines those that it came from."""
    at = image_names(file).index(name)
    own = file.tree["image"][at]
    shared = {key: value for key, value in file.tree.items() if key not in {"image", "config"}}
    config = {key: own[key] for key in own if key in IMAGE_KEYS}
    rest = {key: own[key] for key in own if key not in {*IMAGE_KEYS, "name"}}
    tree = merged(shared, rest) | {"image": merged(file.tree.get("config", {}), config)}
    lines = dict(file.lines)
    for path, line in file.lines.items():
        if path[:1] == ("config",):
            lines["image", *path[1:]] = line
    for path, line in file.lines.items():
        if path[:2] == ("image", at) and len(path) > 2:
            lines[("image", *path[2:]) if path[2] in IMAGE_KEYS else path[2:]] = line
    return replace(file, tree=_named(tree, name), lines=lines)


def merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, files are added, everything else is replaced."""
    found = dict(common)
    for key, value in own.items():
        there = found.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            found[key] = merged(there, value)
        elif key == "files" and isinstance(there, list):
            found[key] = [*there, *value]
        else:
            found[key] = value
    return found


def _named(value: Any, name: str) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, str):
        return value.replace(NAME, name)
    if isinstance(value, dict):
        return {key: _named(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, name) for item in value]
    return value
