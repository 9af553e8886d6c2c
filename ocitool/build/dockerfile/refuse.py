"""RUN refused: every line that needs a process, why, and the way out that fits what it does.

Decided from the text alone, before anything is read from a network or compiled.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ocitool.build.dockerfile.instructions import Run, Stage
from ocitool.errors import Unsupported


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line that cannot be carried out: what it is, what it does, and what to write instead."""

    number: int
    words: str
    does: str
    instead: str


# The first that matches is what a line does: a compile beats what prepares it, a package beats a chmod.
_BEFORE: Final = "before the build, and COPY"
_WAYS: Final[Sequence[tuple[str, str, str]]] = (
    (
        r"\bgo (?:build|install)\b",
        "compiles Go",
        f"build with --toolchain go and without the Dockerfile, or compile {_BEFORE} the programs",
    ),
    (
        r"\bgo (?:mod|get|generate|test|vet|run)\b|\bgolangci-lint\b",
        "prepares or tests Go sources",
        "leave it out here and run it before the build; --toolchain go fetches modules itself",
    ),
    (
        r"\b(?:cargo|cross) (?:build|install|zigbuild)\b|\brustc\b",
        "compiles Rust",
        f"compile for each platform {_BEFORE} the programs, as in COPY target/${{TARGETARCH}}/app /bin/",
    ),
    (
        r"\b(?:make|cmake|ninja|gcc|g\+\+|clang|cc|c\+\+|meson)\b",
        "compiles",
        f"compile for each platform {_BEFORE} the programs; --toolchain command runs a compiler of yours",
    ),
    (
        r"\b(?:mvn|mvnw|gradle|gradlew|javac|jlink|jdeps|sbt|ant)\b",
        "builds Java",
        f"build the .jar {_BEFORE} it: it is the same for every platform",
    ),
    (r"\bdotnet (?:restore|build|publish)\b", "builds .NET", f"publish {_BEFORE} what was published"),
    (
        r"\b(?:npm|yarn|pnpm|npx|bun)\b",
        "installs or builds with Node.js",
        f"run it {_BEFORE} node_modules or what was built",
    ),
    (
        r"\b(?:pip3?|poetry|pipenv|uv|conda)\b.*\b(?:install|sync)\b|\bpython3? -m (?:pip|venv)\b",
        "installs Python packages",
        f"run pip install --target DIR {_BEFORE} DIR",
    ),
    (
        r"\b(?:bundle|gem) install\b|\bcomposer\b",
        "installs packages of a language",
        f"run it {_BEFORE} what it installed",
    ),
    (
        r"\b(?:apt-get|apt|apk|yum|dnf|microdnf|zypper|pacman|dpkg|rpm|tdnf|opkg)\b",
        "installs packages of the system",
        "build upon an image that has them: change FROM",
    ),
    (r"\b(?:curl|wget)\b", "downloads", f"download {_BEFORE} the files"),
    (r"\bgit (?:clone|checkout|submodule)\b", "fetches sources", f"check them out {_BEFORE} them"),
    (
        r"\b(?:adduser|useradd|addgroup|groupadd|usermod)\b",
        "makes a user",
        "say numbers, as in USER 1000:1000 and COPY --chown=1000:1000, or COPY an etc/passwd that has the user",
    ),
    (r"\bchown\b", "changes owners", "use COPY --chown=USER:GROUP"),
    (r"\bchmod\b", "changes modes", "use COPY --chmod=MODE, or set the mode in the context"),
    (r"\b(?:unzip|gunzip|bunzip2|unxz)\b|\btar\b", "unpacks", f"unpack {_BEFORE} what was in it"),
    (r"\bln\b", "makes a link", "make the link in the context and COPY the directory it is in: links are kept"),
    (r"\bmkdir\b|\binstall -d\b", "makes a directory", "use WORKDIR, which makes it, or COPY a directory"),
    (r"\b(?:mv|cp|install)\b", "moves or copies files", "use COPY, and COPY --from for files of a stage"),
    (
        r"\b(?:sed|echo|printf|cat|tee|envsubst)\b",
        "writes a file",
        "use COPY <<NAME, which writes a file from the Dockerfile itself",
    ),
    (r"\brm\b", "removes files", "do not copy them: name them in .dockerignore or with --exclude"),
)
_OTHERWISE: Final = (
    "runs a program",
    "run it before the build and COPY what it makes, or choose a base image that has it",
)


def refusal(run: Run) -> Refusal:
    """What a RUN does and what can be done instead."""
    text = " ".join((*run.words, *(heredoc.content for heredoc in run.line.heredocs)))
    found = next(((does, way) for pattern, does, way in _WAYS if re.search(pattern, text)), _OTHERWISE)
    words = " ".join(" ".join(run.words).split())
    shown = f"RUN {words}" if len(words) < 70 else f"RUN {words[:67]}…"
    return Refusal(run.line.number, shown, found[0], found[1])


def refuse(file: str, found: Iterable[tuple[Stage, Run]]) -> None:
    """Raise Unsupported if there is any; its notes name every line, what it does and the way out."""
    refusals = [refusal(run) for _, run in found]
    if not refusals:
        return
    count = len(refusals)
    error = Unsupported(
        f"{file}:{refusals[0].number}: RUN needs a process in the image, and nothing is run here"
        + (f" ({count} such lines)" if count > 1 else ""),
        ability="RUN",
        hint=refusals[0].instead if count == 1 else "each line above has its way out",
    )
    for one in refusals:
        error.add_note(f"{file}:{one.number}: {one.words}: {one.does}; {one.instead}")
    raise error
