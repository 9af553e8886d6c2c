"""The command line of docker in ours, for a link `docker` that leads to ocitool.

What builds and publishes has a command here; what needs an engine is refused with what does its work.
"""

import os
from collections.abc import Sequence
from typing import Final

from ocitool.cli.outcome import fail
from ocitool.cli.root import run as run_ours
from ocitool.errors import Unsupported

_WITH_VALUE: Final = frozenset({"--config", "-c", "--context", "-H", "--host", "-l", "--log-level"})
_TLS: Final = frozenset({"--tlscacert", "--tlscert", "--tlskey"})
_MEANS: Final = {
    ("build",): ("buildx", "build"),
    ("image", "build"): ("buildx", "build"),
    ("builder", "build"): ("buildx", "build"),
    ("builder", "prune"): ("buildx", "prune"),
    ("system", "prune"): ("buildx", "prune"),
    ("image", "prune"): ("buildx", "prune"),
    ("buildx",): ("buildx",),
    ("bake",): ("buildx", "bake"),
    ("push",): ("push",),
    ("image", "push"): ("push",),
    ("tag",): ("tag", "--kept"),
    ("image", "tag"): ("tag", "--kept"),
    ("images",): ("images",),
    ("image", "ls"): ("images",),
    ("login",): ("login",),
    ("logout",): ("logout",),
    ("manifest",): ("manifest",),
    ("run",): ("run",),
    ("version",): ("buildx", "version"),
    ("info",): ("buildx", "inspect"),
}
"""docker's words, and ours for them; the longest that fit are taken."""
_ELSEWHERE: Final = {
    "pull": "a base is read where it is; ocitool copy REF oci:DIR takes an image here",
    "save": "ocitool copy REF docker-archive:FILE writes an archive",
    "load": "ocitool copy docker-archive:FILE REF publishes an archive",
    "compose": "docker-bake.hcl has a target for each service: docker buildx bake builds them",
    "inspect": "ocitool inspect REF shows an image in a registry",
    "rmi": "ocitool cache prune --all empties this machine's store",
    "create": "ocitool export REF -o DIR gives the files of an image",
    "cp": "ocitool cat REF PATH and ocitool export REF give files of an image",
    "search": "ocitool tags REPOSITORY lists its tags",
}


def ocitool_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Our command line for docker's, and variables that its global options set. Raises Unsupported."""
    rest = list(words)
    environ: dict[str, str] = {}
    while rest and rest[0].startswith("-"):
        flag, sign, value = rest.pop(0).partition("=")
        if flag in {"--version", "-v"}:
            return ["buildx", "version"], environ
        if flag == "--help":
            return ["buildx", "--help"], environ
        if flag in _WITH_VALUE | _TLS and not sign:
            value = rest.pop(0) if rest else ""
        if flag == "--config":
            environ["DOCKER_CONFIG"] = value
    for length in (2, 1):
        ours = _MEANS.get(tuple(rest[:length]))
        if ours is not None and len(rest) >= length:
            return [*ours, *rest[length:]], environ
    if not rest:
        return ["--help"], environ
    word = rest[1] if rest[0] in {"image", "container", "system"} and len(rest) > 1 else rest[0]
    raise Unsupported(
        f"docker {' '.join(rest[:2])[:60]} needs an engine, and this docker is ocitool",
        ability=word[:40],
        hint=_ELSEWHERE.get(word, "this link builds, tags and publishes; install docker for the rest"),
    )


def run(words: Sequence[str]) -> int:
    """Run a command line of docker's, and return its exit code."""
    try:
        ours, environ = ocitool_words(words)
    except Unsupported as error:
        return fail(error, words)
    os.environ |= environ
    return run_ours(ours)
