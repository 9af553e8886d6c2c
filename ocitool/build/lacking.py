"""Programs of an image whose loader, libraries or interpreter the image does not have."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from ocitool.binaries.needs import Missing, missing
from ocitool.build.overlay import Overlay
from ocitool.build.prebuilt import Found
from ocitool.model.files import Kind

_CACHE: Final = "etc/ld.so.cache"


def lacking(found: Iterable[Found], image: Overlay, env: Mapping[str, str]) -> tuple[Missing, ...]:
    """What each program lacks in the image (K173); `env` is the environment of its configuration.

    Libraries that are not executable are left alone: whoever loads them may know where to look.
    """
    folders = [folder for folder in env.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]

    def exists(path: str) -> bool:
        return image.kind(path) in {Kind.FILE, Kind.HARDLINK}

    @lru_cache(1)
    def names() -> frozenset[str]:
        return frozenset(image.names())

    def is_cached(name: str) -> bool:
        # What the loader's cache lists is not read: a library of that name somewhere may be in it.
        return exists(_CACHE) and name in names()

    judged = (
        missing(one.binary, one.path, exists, library_path=folders, is_cached=is_cached)
        for one in found
        if one.is_executable
    )
    return tuple(one for one in judged if one is not None)
