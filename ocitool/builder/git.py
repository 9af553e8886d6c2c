"""A checkout's own words: revision, version and where it came from. Never a date."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ocitool.toolchains.base import find_program, passed
from ocitool.toolchains.processes import capture
from ocitool.values import dataclass

SOURCE_LABEL: Final = "org.opencontainers.image.source"
REVISION_LABEL: Final = "org.opencontainers.image.revision"
VERSION_LABEL: Final = "org.opencontainers.image.version"

_DESCRIBED: Final = re.compile(r"(?:(?P<tag>.+)-(?P<ahead>\d+)-g)?(?P<hash>[0-9a-f]{40,64})(?P<dirty>-dirty)?")
_SCP_LIKE: Final = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9.-]+\.[A-Za-z]+):(?!//)(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git checkout. `revision` is the commit's full id, with `-dirty` where tracked files differ from it.

    `version` is the tag at the commit, or tag-commits-gid after it, or a short id; `source` is the web
    address of the origin without credentials, empty if it has none.
    """

    revision: str
    version: str
    source: str = ""

    def labels(self) -> tuple[tuple[str, str], ...]:
        """The image labels that say where the sources are; sorted, and only those that are known."""
        known = ((REVISION_LABEL, self.revision), (SOURCE_LABEL, self.source))
        return tuple((key, value) for key, value in known if value)


def read_checkout(folder: Path, environ: Mapping[str, str]) -> Checkout | None:
    """The checkout that `folder` belongs to, or None: no git, no checkout, no commit, or files git ignores.

    Git is asked with its hooks and monitors off; it refuses checkouts of other users by itself.
    """
    place = folder.resolve()
    if not any(os.path.lexists(one / ".git") for one in (place, *place.parents)):
        return None  # no process is started to be told so
    git = find_program("git", environ)
    if git is None:
        return None
    env = {**passed(environ), "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    quiet = (str(git), "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    described = capture(
        (*quiet, "describe", "--always", "--long", "--tags", "--abbrev=64", "--dirty", "--match=*"), folder, env
    )
    if described is None or capture((*quiet, "ls-files", "--error-unmatch", "--", "."), folder, env) is None:
        return None
    origin = capture((*quiet, "config", "--get", "remote.origin.url"), folder, env)
    return parse_checkout(described.strip(), (origin or "").strip())


def parse_checkout(described: str, origin: str) -> Checkout | None:
    """The checkout that `git describe --always --long --abbrev=64 --dirty` and the origin's URL tell of."""
    match = _DESCRIBED.fullmatch(described)
    if match is None:
        return None
    commit, dirty = match["hash"], match["dirty"] or ""
    if match["tag"] is None:
        version = commit[:12]
    elif match["ahead"] == "0":
        version = match["tag"]
    else:
        version = f"{match['tag']}-{match['ahead']}-g{commit[:12]}"
    return Checkout(commit + dirty, version + dirty, web_address(origin))


def web_address(origin: str) -> str:
    """The https address of a git remote, without user, password and `.git`; empty for a path or an odd one."""
    found = _SCP_LIKE.fullmatch(origin)
    if found and "://" not in origin:
        return f"https://{found['host'].lower()}/{found['path'].strip('/').removesuffix('.git')}"
    try:
        url = urlsplit(origin)
        host, port = url.hostname or "", url.port
    except ValueError:
        return ""
    if url.scheme not in {"https", "http", "ssh", "git"} or not host or not url.path.strip("/"):
        return ""
    place = f":{port}" if port and url.scheme in {"http", "https"} else ""
    scheme = "http" if url.scheme == "http" else "https"
    return f"{scheme}://{host}{place}/{url.path.strip('/').removesuffix('.git')}"
