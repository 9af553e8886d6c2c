"""Dockerfiles made of parts that checks have something to say about; one random number generator, one file."""

from random import Random

FILES = {"f": "", "ignored": "", "d/hidden": "", "x.md": ""}
"""The context that they copy from."""
IGNORE = "ignored\n**/hidden\n*.md\n"

_NAMES = ("a", "B", "VERSION", "TARGETARCH", "PATH", "API_KEY", "none", "http_proxy")
_ABOVE = ("", "", "", "", "# a is\n", "# some\n\n", "#\n", "#x\n#\n", "# VERSION v\n", "\n")
_GLOBAL = ("a", "B=1", "VERSION=2", "P=linux/amd64 a=$B", "API_KEY", "TARGETARCH", "B=${VERSION}x")
_BASES = ("scratch", "scratch", "scratch", "${none:-scratch}", "${B:+}scratch")
_PLATFORMS = (
    "",
    "",
    "",
    "--platform=$TARGETPLATFORM ",
    "--platform=linux/amd64 ",
    "--platform=$BUILDPLATFORM ",
    "--platform=${P:-linux/arm64} ",
    "--platform=linux/$TARGETARCH ",
)


def dockerfile(random: Random) -> str:
    """A Dockerfile that every builder takes, and that nobody should write."""
    lines = ["# check=experimental=all\n"]
    lines += [
        f"{_above(random)}{_cased(random, 'ARG')} {random.choice(_GLOBAL)}\n" for _ in range(random.randrange(3))
    ]
    stages: list[str] = []
    for number in range(random.randrange(1, 5)):
        earlier = tuple(stages)
        base = random.choice(earlier).lower() if earlier and random.random() < 0.4 else random.choice(_BASES)
        name = random.choice(("one", "Two", "context", "linux-x")) + (str(number) if random.random() < 0.9 else "")
        word = random.choice(("", " AS ", " AS ", " as ", " As "))
        if word and name.lower() not in map(str.lower, stages):
            stages.append(name)
        platform = random.choice(_PLATFORMS)
        lines.append(f"{_above(random)}{_cased(random, 'FROM')} {platform}{base}{word}{name if word else ''}\n")
        lines += [f"{_above(random)}{_instruction(random, earlier)}\n" for _ in range(random.randrange(6))]
    return "".join(lines)


def _above(random: Random) -> str:
    return random.choice(_ABOVE)


def _cased(random: Random, word: str) -> str:
    return random.choice((word, word, word, word, word.lower(), word.capitalize()))


def _word(random: Random) -> str:
    name = random.choice(_NAMES)
    return random.choice(
        (
            "x",
            "/y",
            f"${name}",
            f"${{{name}}}",
            f"${{{name}:-d}}",
            f"'${name}'",
            f'"${name}"',
            f"\\${name}",
            f"${{{name}:+${random.choice(_NAMES)}}}",
            f"${{{name}#x}}",
        )
    )


def _instruction(random: Random, stages: tuple[str, ...]) -> str:
    name, word = random.choice(_NAMES), _word(random)
    # Written out for each kind: what its words are, some of them wrong.
    rests = {
        "ENV": (f"{name}={word}", f"{name}={word} Z={_word(random)}", f"{name} {word}"),
        "LABEL": (f"l={word}", f"{name} {word}"),
        "ARG": (name, f"{name}={word}", f"{name} X={word}", f"X={word} {name} Y=$X"),
        "CMD": ("x y", '["x", "$y"]', "['x']"),
        "ENTRYPOINT": ("x y", '["x", "$y"]', "['x']"),
        "HEALTHCHECK": ("NONE", "CMD x", 'CMD ["x"]'),
        "EXPOSE": ("80", "80/TCP", "1.2.3.4:5:6", "8:9/udp", "80-82/Udp"),
        "USER": (f"u{word}",),
        "VOLUME": (f"/v{word}", '["/x"]'),
        "WORKDIR": ("/w", "w", f"/{word}", f"q{word}"),
        "COPY": (f"f /{word}", f"ignored /{word}", "d/hidden d /q/", f"--chown=1{word} f /", "*.md /", ". /"),
        "ADD": (f"f /{word}", f"ignored /{word}", "*.md /", f"<<E <<'F' /x/\n{word}\n\nE\n{word}\nF"),
        "MAINTAINER": ("me",),
        "SHELL": ('["/bin/x"]',),
        "ONBUILD": ("USER q$none", "WORKDIR z", "ENV a b", "CMD x"),
        "STOPSIGNAL": ("SIGINT",),
    }
    kind = random.choice(sorted(rests))
    rest = random.choice(rests[kind])
    if kind == "COPY" and stages and random.random() < 0.4:
        rest = f"--from={random.choice(stages)} /x{word} /z"
    cut = random.choice(("", "", "", " \\\n", "\\\n # why\n", " \\\n\n", "\\\n\n # why\n"))
    return f"{_cased(random, kind)} {cut}{rest}"


OFFERS = """\
# V is the version
ARG V=1
ARG W=$V-x TARGETARCH
ARG Y=q
FROM scratch AS unused
ARG Z=1
# a first
FROM --platform=$BUILDPLATFORM scratch AS A
ENV E=1
ARG W
# f of e
# and more
ARG F=$E-$W \\
   X=$Y
ARG TARGETOS=linux
RUN --mount=type=secret,id=z,required=false <<EOT
x
EOT
FROM a AS b
ARG N=$F
ONBUILD ARG OO=1
FROM scratch AS c
ARG Q1
FROM ${W:+scratch} AS d
RUN --mount=type=bind,from=c,target=/x --mount=type=secret,target=/run/secrets/token,required=true y
RUN --mount=type=ssh,required y
COPY --from=b / /
FROM d
"""
"""A file that has something of all that `--call=outline` and `--call=targets` tell."""
