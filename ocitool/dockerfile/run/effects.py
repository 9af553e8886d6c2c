"""Effects of RUN's commands on an image, and what can be done instead of running them."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Final

from ocitool.dockerfile.run.shell_commands import ShellCommand, commands
from ocitool.dockerfile.syntax.instructions import Run
from ocitool.values import dataclass


class EffectKind(Enum):
    """What kind of thing it is; all but the last only make files, so that a stage can be had without it."""

    GO = "a compile that our own toolchain does"
    COMPILE = "makes programs, for one platform each"
    MAKE = "makes other files"
    PREPARE = "leaves nothing that an image needs"
    SYSTEM = "changes the system that a stage is"


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a line does: in words, and the way out."""

    does: str
    instead: str
    kind: EffectKind = EffectKind.SYSTEM

    @property
    def builds(self) -> bool:
        """Whether a stage can be had without it once its results are there."""
        return self.kind is not EffectKind.SYSTEM


_BEFORE: Final = "before the build, and COPY"
_GO: Final = Effect(
    "compiles Go",
    f"compile for each platform {_BEFORE} the programs, or build with --toolchain go and without the Dockerfile",
    EffectKind.GO,
)
MAKES_A_USER: Final = Effect(
    "makes or changes a user",
    "say numbers, as in USER 1000:1000 and COPY --chown=1000:1000, or COPY an etc/passwd that has the user",
)
_FILE: Final = Effect("writes a file", "use COPY <<NAME, which writes a file from the Dockerfile itself")
_CHANGED: Final = Effect(
    "changes a file",
    "COPY the whole file as it should be over the one that is there; ocitool cat IMAGE PATH prints the base's",
)
_REMOVES: Final = Effect(
    "removes files",
    "leave them out with .dockerignore or COPY --exclude; as for files of the base, COPY an empty one over it, or"
    " build upon an image that does not have them",
)
_NOTHING: Final = Effect("leaves no file behind", "leave the line out", EffectKind.PREPARE)
_OTHERWISE: Final = Effect(
    "runs a program", "run it before the build and COPY what it makes, or choose a base image that has it"
)

# The first that matches a command is what the command does; it begins with the program's name.
_DEEDS: Final[Sequence[tuple[str, Effect]]] = (
    (
        r"(?:xx-)?go install \S+@|(?:xx-)?go install .*@",
        Effect(
            "installs a Go program",
            f"install it for each platform, with GOOS and GOARCH, {_BEFORE} it",
            EffectKind.MAKE,
        ),
    ),
    (r"(?:xx-)?go (?:-C \S+ )?(?:build|install)\b", _GO),
    (
        r"(?:xx-)?go\b|golangci-lint|staticcheck|xx-(?:verify|info)|swag init|templ generate|buf generate|protoc\b",
        Effect(
            "prepares or tests Go sources",
            "leave the line out and run it before the build; Go fetches modules by itself where it compiles",
            EffectKind.PREPARE,
        ),
    ),
    (
        r"(?:cargo|cross|xx-cargo) (?:build|install|zigbuild)\b|rustc\b",
        Effect(
            "compiles Rust",
            f"compile for each platform {_BEFORE} the programs, as in COPY target/${{TARGETARCH}}/app /bin/",
            EffectKind.COMPILE,
        ),
    ),
    (
        r"(?:cargo|rustup)\b",
        Effect(
            "prepares or tests Rust sources", "leave the line out and run it before the build", EffectKind.PREPARE
        ),
    ),
    (
        (
            r"(?:make|cmake|ninja|gcc|g\+\+|clang|clang\+\+|cc|c\+\+|meson|configure|autoreconf|zig|strip|ghc)\b"
            r"|(?:swift|dart|deno|nim|crystal|xcaddy|stack|cabal) (?:-\S+ )*(?:build|compile|c)\b"
            r"|(?:stack|cabal) install\b"
        ),
        Effect(
            "compiles",
            f"compile for each platform {_BEFORE} the programs",
            EffectKind.COMPILE,
        ),
    ),
    (
        r"(?:jlink|jpackage)\b",
        Effect(
            "makes a Java runtime",
            f"make it for each platform, with that platform's modules, {_BEFORE} it",
            EffectKind.MAKE,
        ),
    ),
    (
        r"(?:mvn|mvnw|gradle|gradlew|javac|jar|java|jdeps|sbt|ant|lein)\b",
        Effect("builds Java", f"build the .jar {_BEFORE} it: it is the same for every platform", EffectKind.MAKE),
    ),
    (
        r"dotnet\b",
        Effect("builds .NET", f"run dotnet publish {_BEFORE} what was published", EffectKind.MAKE),
    ),
    (
        r"(?:npm|yarn|pnpm|npx|bun|bunx|corepack|node|tsc|ng)\b",
        Effect(
            "installs or builds with Node.js",
            f"run it {_BEFORE} node_modules or what was built; modules with native code once for each platform",
            EffectKind.MAKE,
        ),
    ),
    (
        r"(?:pip3?|poetry|pipenv|uv)\b|python3? -m (?:pip|venv|poetry)\b",
        Effect(
            "installs Python packages",
            f"run pip install --target DIR {_BEFORE} DIR, which ENV PYTHONPATH names; --platform with"
            " --only-binary=:all: gets the wheels of another one",
            EffectKind.MAKE,
        ),
    ),
    (
        r"(?:bundle|gem|composer|mix|hex|deno)\b",
        Effect("installs packages of a language", f"run it {_BEFORE} what it installed", EffectKind.MAKE),
    ),
    (
        r"(?:xx-)?(?:apt-get|apt|aptitude|apk|yum|dnf|microdnf|zypper|pacman|dpkg|rpm|tdnf|opkg)\b",
        Effect("installs packages of the system", "build upon an image that has them: change FROM"),
    ),
    (
        r"(?:conda|mamba|micromamba|docker-php-ext-\w+|pecl|install-php-extensions|add-apt-repository|apt-key)\b",
        Effect("installs packages of the system", "build upon an image that has them: change FROM"),
    ),
    (
        r"(?:curl|wget|aria2c)\b",
        Effect("downloads", f"use ADD URL, with --checksum, or download {_BEFORE} the files"),
    ),
    (
        r"git (?:\S+ )*(?:clone|checkout|fetch|init|lfs|pull|submodule)\b|(?:hg|svn)\b",
        Effect("fetches sources", f"check them out {_BEFORE} them"),
    ),
    (r"git\b", _NOTHING),
    (
        r"(?:adduser|useradd|addgroup|groupadd|usermod|groupmod|passwd|chpasswd)\b",
        MAKES_A_USER,
    ),
    (
        r"(?:chown|chgrp)\b|find .*-exec ch(?:own|grp)\b",
        Effect(
            "changes owners",
            "use COPY --chown=USER:GROUP; a directory that USER and then WORKDIR make belongs to that user",
        ),
    ),
    (
        r"chmod\b|find .*-exec chmod\b",
        Effect("changes modes", "use COPY --chmod=MODE, or set the mode in the context"),
    ),
    (
        r"setcap\b",
        Effect("gives a program capabilities", "use setcap on the file in the context: COPY keeps capabilities"),
    ),
    (r"tar\b", Effect("unpacks", "use ADD, which unpacks a tar archive of the context")),
    (
        r"(?:unzip|gunzip|bunzip2|unxz|gzip|7z|cpio)\b",
        Effect("unpacks", f"unpack {_BEFORE} what was in it"),
    ),
    (
        r"ln\b|a2en(?:mod|site|conf)\b",
        Effect("makes a link", "make the link in the context and COPY the directory it is in: links are kept"),
    ),
    (
        r"mkdir\b|install (?:-\S+ )*-d\b",
        Effect("makes a directory", "use WORKDIR, which makes it, or COPY a directory"),
    ),
    (
        r"(?:mv|cp|install|rsync)\b",
        Effect("moves or copies files", "use COPY, and COPY --from for files of a stage"),
    ),
    (r"touch\b", Effect("writes a file", "use COPY <<NAME, which writes a file from the Dockerfile itself")),
    (
        r"update-ca-certificates\b",
        Effect(
            "lists certificates anew",
            "COPY the finished list over /etc/ssl/certs/ca-certificates.crt",
        ),
    ),
    (r"locale-gen\b|localedef\b", Effect("makes a locale", "build upon an image that has it: change FROM")),
    (r"(?:sed|perl|awk) (?:\S+ )*-\w*i|(?:patch|envsubst|dos2unix)\b", _CHANGED),
    (r"(?:rm|rmdir|find .*-delete|find .*-exec rm)\b", _REMOVES),
)
_COMPILED: Final = tuple((re.compile(pattern), effect) for pattern, effect in _DEEDS)
# Commands that change no file, those that only serve others of their line, and those that tidy up after them.
_IDLE: Final = re.compile(
    r"(?:cd|set|export|unset|echo|printf|true|false|:|exit|test|\[|\[\[|ls|cat|sleep|which|uname|id|whoami|date|env"
    r"|nproc|grep|egrep|tr|cut|sort|head|tail|wc|awk|sed|sha\d+sum|md5sum|wait|trap|shift"
    r"|local|read|return|hash|pwd|tee|getconf|stat|sync|mktemp|arch|getent|xx-info)(?:\s|$)"
    r"|[\w.-]+ (?:--version|--help|-version|--print-architecture|version)$"
    r"|(?:dpkg|go|node|npm|python3?|java|rustc|cargo|php|ruby) --?[vV]\w*$"
    r"|(?:nginx|httpd|haproxy|sshd) (?:-\S+ )*-[tc]\b|caddy validate\b|gpgconf\b"
)
_MINOR: Final = re.compile(r"(?:gpg|gpgv|eval|source|\.|xargs|ldconfig|hash|update-ca-certificates)(?:\s|$)")
_TIDYING: Final = re.compile(
    r"rm\b|rmdir\b|find\b|(?:apt-get|apt|yum|dnf|microdnf|tdnf|zypper|apk|npm|yarn|pip3?|conda|composer)"
    r" (?:-\S+ )*(?:update|clean|autoclean|autoremove|makecache|refresh|cache|del|remove|purge|upgrade|key)\b"
)


def effects(run: Run) -> tuple[Effect, ...]:
    """What a line does, each thing once, in the order of its commands; at least one."""
    return tuple(acts(run))


def acts(run: Run) -> dict[Effect, list[ShellCommand]]:
    """What a line does as `effects` has it, each with the commands that do it."""
    found: dict[Effect, list[ShellCommand]] = {}
    tidied: dict[Effect, list[ShellCommand]] = {}
    for command in commands(run):
        text = f"{command.name}{command.text[len(_first(command)) :]}"
        effect = _deed(command, text)
        kept = tidied if _TIDYING.match(text) or _MINOR.match(text) else found
        kept.setdefault(effect, []).append(command)
    real = {effect: done for effect, done in found.items() if effect is not _NOTHING}
    return real or tidied or {_NOTHING: []}


def _first(command: ShellCommand) -> str:
    return command.text.partition(" ")[0]


def _deed(command: ShellCommand, text: str) -> Effect:
    """What one command does."""
    appends = any(word == "-a" for word in command.words[1:])
    written = (*command.writes, *(word for word in command.words[1:] if command.name == "tee" and word[:1] != "-"))
    effect = next((effect for pattern, effect in _COMPILED if pattern.match(text)), None)
    if _IDLE.match(text) or not text or effect is _NOTHING:
        if written:
            return _CHANGED if appends or command.is_appending else _FILE
        return effect if effect is _CHANGED else _NOTHING
    return effect or _OTHERWISE
