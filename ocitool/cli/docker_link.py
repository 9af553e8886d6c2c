"""The command line of docker in ours, for a link `docker` that leads to ocitool.

What builds and publishes has a command here; what needs an engine is refused with what does its work.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from ocitool.cli.outcome import fail
from ocitool.cli.root import run as run_ours
from ocitool.documentation import page
from ocitool.errors import Unsupported, closest

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
    "rmi": "an image in this machine's store is in nobody's way; ocitool cache prune --all empties it whole",
    "image rm": "an image in this machine's store is in nobody's way; ocitool cache prune --all empties it whole",
    "history": "ocitool inspect REF --layers shows what each layer is",
    "create": "ocitool export REF -o DIR gives the files of an image",
    "cp": "ocitool cat REF PATH and ocitool export REF give files of an image",
    "search": "ocitool tags REPOSITORY lists its tags",
}
_ENGINES: Final = frozenset({
    "attach", "commit", "compose", "container", "context", "cp", "create", "diff", "events", "exec", "export",
    "history", "image", "import", "init", "inspect", "kill", "load", "logs", "network", "node", "pause", "plugin",
    "port", "ps", "pull", "rename", "restart", "rm", "rmi", "save", "scout", "search", "secret", "service", "stack",
    "start", "stats", "stop", "swarm", "system", "top", "trust", "unpause", "update", "volume", "wait",
})  # fmt: skip
"""Words of docker's that need an engine; any other may be a slip of the pen."""
_QUIET: Final = frozenset({"-q", "--quiet", "-aq", "-qa"})


def ocitool_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Our command line for docker's, and variables that its global options set; none where it asks for help.

    Raises Unsupported.
    """
    rest = list(words)
    environ: dict[str, str] = {}
    while rest and rest[0].startswith("-"):
        flag, sign, value = rest.pop(0).partition("=")
        if flag in {"--version", "-v"}:
            return ["buildx", "version"], environ
        if flag in {"--help", "-h"}:
            return [], environ
        if flag in _WITH_VALUE | _TLS and not sign:
            value = rest.pop(0) if rest else ""
        if flag == "--config":
            environ["DOCKER_CONFIG"] = value
    if rest[:1] == ["help"]:
        rest = [*rest[1:], "--help"] if rest[1:] else []
    if not rest:
        return [], environ
    for length in (2, 1):
        ours = _MEANS.get(tuple(rest[:length]))
        if ours is not None and len(rest) >= length:
            if ours == ("images",) and _QUIET & set(rest):
                raise Unsupported(
                    "docker images --quiet prints the ids of an engine's images",
                    ability="images --quiet",
                    hint="ocitool images --json has the digests of what is kept",
                )
            return [*ours, *rest[length:]], environ
    word = rest[1] if rest[0] in {"image", "container", "system"} and len(rest) > 1 else rest[0]
    hint = _ELSEWHERE.get(" ".join(rest[:2])) or _ELSEWHERE.get(word)
    near = closest(rest[0], {path[0] for path in _MEANS}) if rest[0] not in _ENGINES else ""
    if near:
        raise Unsupported(f"docker has no command {rest[0][:60]}", ability=word[:40], hint=f"did you mean {near}?")
    raise Unsupported(
        f"docker {' '.join(rest[:2])[:60]} needs an engine, and this docker is ocitool",
        ability=word[:40],
        hint=hint or "this link builds, tags and publishes; install docker for the rest",
    )


def help_text() -> str:
    """Which of docker's words have a meaning here, and which."""
    by_ours: dict[tuple[str, ...], list[str]] = {}
    for words, ours in _MEANS.items():
        by_ours.setdefault(ours, []).append(" ".join(words))
    rows = [(", ".join(words), " ".join(("ocitool", *ours))) for ours, words in by_ours.items()]
    width = max(len(words) for words, _ in rows)
    lines = (f"  {words.ljust(width)}  {ours}" for words, ours in rows)
    return "\n".join(
        [
            "Usage: docker COMMAND",
            "",
            "This docker is ocitool, which builds, tags and publishes without an engine.",
            "",
            *lines,
            "",
            f"Read more: {page('guides/docker-words.md#a-link-called-docker')}",
            "",
        ]
    )


def run(words: Sequence[str]) -> int:
    """Run a command line of docker's, and return its exit code."""
    try:
        ours, environ = ocitool_words(words)
    except Unsupported as error:
        return fail(error, words)
    if not ours:
        sys.stdout.write(help_text())
        return 0
    os.environ |= environ
    return run_ours(ours)
