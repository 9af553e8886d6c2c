"""Programs of an image whose loader, libraries or interpreter the image does not have."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from ocitool.binaries.needs import PROGRAM_PATH, Missing, missing
from ocitool.builder.programs import Found
from ocitool.model.files import Kind
from ocitool.rootfs.overlay import Rooted, kind_of

_CACHE: Final = "etc/ld.so.cache"


def lacking(
    found: Iterable[Found], image: Rooted, env: Mapping[str, str], names: Callable[[], Iterable[str]]
) -> tuple[Missing, ...]:
    """What each program lacks in the image (K173); `env` is the environment of its configuration.

    `names` gives the last components of all paths of the image; it is called only where they are needed.
    Libraries that are not executable are left alone: whoever loads them may know where to look.
    """
    folders, programs = (
        [folder for folder in env.get(key, "").split(":") if folder.startswith("/")]
        for key in ("LD_LIBRARY_PATH", "PATH")
    )

    def exists(path: str) -> bool:
        return kind_of(image, path) in {Kind.FILE, Kind.HARDLINK}

    @lru_cache(1)
    def known() -> frozenset[str]:
        return frozenset(names())

    def is_cached(name: str) -> bool:
        # What the loader's cache lists is not read: a library of that name somewhere may be in it.
        return exists(_CACHE) and name in known()

    judged = (
        missing(
            one.binary,
            one.path,
            exists,
            library_path=folders,
            program_path=programs or PROGRAM_PATH,
            is_cached=is_cached,
        )
        for one in found
        if one.is_executable
    )
    return tuple(one for one in judged if one is not None)
