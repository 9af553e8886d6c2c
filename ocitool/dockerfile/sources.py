"""Sources of ADD and COPY: a path, the URL of a file, or a git repository; decided from the word alone.

Spec: BuildKit's Dockerfile reference, "ADD".
"""

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from ocitool.dockerfile.syntax.instructions import Copy, Instruction
from ocitool.errors import Unsupported, UsageError
from ocitool.model.digest import Digest, is_digest
from ocitool.registry.error_response import redact

_SCP_LIKE: Final = re.compile(r"[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:.*", re.DOTALL)
_OTHER_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UNNAMED: Final = "__unnamed__"
INSTEAD_OF_GIT: Final = "check it out before the build, and COPY it, or name the folder with --build-context"


def is_git(source: str) -> bool:
    """Whether BuildKit would clone it."""
    scheme, _, rest = source.partition("://")
    if scheme in {"http", "https"}:
        return re.split(r"[?#]", rest, maxsplit=1)[0].endswith(".git")
    return scheme in {"git", "ssh"} or (not rest and _SCP_LIKE.fullmatch(source) is not None)


def is_git_context(place: str) -> bool:
    """Whether buildx would clone it where it stands in place of a folder."""
    url = place.partition("#")[0]
    return is_git(url) or url.startswith("github.com/") or url.endswith(".git")


def clone_first(place: str) -> str:
    """The commands that put a git repository where a build finds it: `URL#BRANCH:FOLDER` in two steps."""
    url, _, fragment = shown(place).partition("#")
    branch, _, folder = fragment.partition(":")
    url = f"https://{url}" if url.startswith("github.com/") else url
    name = posixpath.basename(url.rstrip("/")).removesuffix(".git").rpartition(":")[2] or "source"
    words = ["git clone", *([f"--branch {shlex.quote(branch)}"] if branch else []), "--", shlex.quote(url)]
    return f"{' '.join(words)}, and name {shlex.quote(posixpath.join(name, folder.strip('/')).rstrip('/'))}"


def is_web(source: str) -> bool:
    """Whether it is the URL of a file."""
    return source.startswith(("http://", "https://")) and not is_git(source)


def cloned_by(one: Instruction) -> str:
    """The git repository that an instruction clones, without a password in it; empty for none.

    Only what is written out is seen, not what a variable may hold.
    """
    if not isinstance(one, Copy) or not one.is_add:
        return ""
    return next((shown(source) for source in one.sources if "$" not in source and is_git(source)), "")


def name_of(url: str) -> str:
    """What the file of a URL is called where the destination is a directory: the last part of the URL's path."""
    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    return _UNNAMED if name in {"", ".", ".."} or "\0" in name else name


def check_sources(copy: Copy, sources: Sequence[str], checksum: str) -> Digest | None:
    """The checksum that a file must have, if one is said; `sources` are the words without heredocs, expanded.

    Raises UsageError for what the instruction cannot take, Unsupported for a git repository.
    """
    name = copy.line.name
    gits = [source for source in sources if is_git(source)]
    remote = [source for source in sources if is_git(source) or is_web(source)]
    if remote and not copy.is_add:
        raise UsageError(f"COPY takes no URL: {shown(remote[0])}", hint="write ADD, which does")
    for source in sources:
        if _OTHER_URL.match(source) and source not in remote and not copy.source_stage:
            raise UsageError(f"{name} takes no such URL: {shown(source)}", hint="write http:// or https://")
    if checksum and len(sources) + len(copy.heredocs) != 1:
        raise UsageError(f"--checksum is for one source, and {name} has several", hint=f"write one {name} for each")
    if checksum and not remote:
        raise UsageError(
            f"--checksum is for URLs, and {shown((*sources, *copy.sources)[0])} is a file of the context",
            hint="leave it out",
        )
    if gits:
        raise Unsupported(
            f"{name} {shown(gits[0])} needs git, and nothing is cloned here",
            ability="ADD of a git repository",
            hint=INSTEAD_OF_GIT,
        )
    if not checksum:
        return None
    if not is_digest(checksum) or not Digest(checksum).is_verifiable:
        raise UsageError(f"not a checksum: {checksum[:150]!r}", hint="write --checksum=sha256: and 64 hex digits")
    return Digest(checksum)


def public_url(url: str, written: str, arguments: Mapping[str, str]) -> str:
    """A URL without secrets: as it is `written`, where the value of a build argument may be in it."""
    return redact(written if "$" in written and arguments else url)


def shown(source: str) -> str:
    """The source without a password that it may hold."""
    return re.sub(r"(?<=://)[^/?#]*@", "", source)[:300]
