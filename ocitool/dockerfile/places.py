"""Words that name a place of files: a git repository, a URL, an image, the name of a context.

Decided from the word alone, without a Dockerfile. Spec: BuildKit's Dockerfile reference, "ADD".
"""

import posixpath
import re
import shlex
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ocitool.model.reference import Reference
from ocitool.store.locate import SCHEMES

_SCP_LIKE: Final = re.compile(r"[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:.*", re.DOTALL)
_UNNAMED: Final = "__unnamed__"
_PREFIXES: Final = {"docker-image://": "", "oci-layout://": "oci:"}
_LIKE_A_REFERENCE: Final = re.compile(r"(?![./~])(?:[^/]*[.:][^/]*/.+|localhost/.+|.+[:@][^/]+)")


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


def name_of(url: str) -> str:
    """What the file of a URL is called where the destination is a directory: the last part of the URL's path."""
    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    return _UNNAMED if name in {"", ".", ".."} or "\0" in name else name


def shown(source: str) -> str:
    """The source without a password that it may hold."""
    return re.sub(r"(?<=://)[^/?#]*@", "", source)[:300]


def locator_of(place: str) -> str:
    """The locator of the image that the place of a named context is; empty for a folder and for a URL.

    A word that could be either is the folder, if it is there.
    """
    for prefix, scheme in _PREFIXES.items():
        if place.startswith(prefix):
            return scheme + place.removeprefix(prefix)
    if place.partition(":")[0] in SCHEMES and ":" in place:
        return place
    if "://" in place or place.endswith(".git") or not _LIKE_A_REFERENCE.fullmatch(place):
        return ""
    try:
        return "" if Path(place).is_dir() else place
    except OSError:  # whoever looks into the folder tells
        return ""


def context_name(text: str) -> str:
    """The name that a context goes by: `docker.io/library/x:latest` and `x` are one. Raises UsageError."""
    return Reference.parse(text).familiar.removesuffix(":latest")
