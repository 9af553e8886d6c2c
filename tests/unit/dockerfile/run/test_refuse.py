"""RUN is refused: every line is named, with each thing it does and a way out."""

import pytest

from ocitool.dockerfile.run.refuse import refuse
from ocitool.dockerfile.run.suggest import draft
from ocitool.dockerfile.stages import StageGraph, StageRequest, runs
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import Unsupported
from ocitool.model.platform import Platform

HOST = Platform("linux", "amd64")


def refused(text: str) -> Unsupported:
    file, wanted = parse(text.encode(), "D"), StageRequest(HOST, HOST)
    graph = StageGraph.of(file, wanted)
    with pytest.raises(Unsupported) as raised:
        refuse(runs(graph.needed), draft(graph))
    return raised.value


def test_every_line_is_named():
    error = refused("FROM a AS b\nRUN go build \\\n  -o /x .\nFROM c\nRUN apk add curl\nCOPY --from=b /x /\n")

    assert "D:2: RUN needs a process in the image, and nothing is run here (2 such lines)" == error.what
    first, second = error.__notes__
    assert first.startswith('D:2: RUN go build -o /x .: compiles Go; [stage.b] toolchain = "go" in ocitool.toml')
    assert second.startswith("D:5: RUN apk add curl: installs packages of the system; build upon an image")


def test_each_thing_that_a_line_does_has_a_way_out():
    error = refused("FROM a\nRUN apk add curl && adduser -D app && rm -rf /var/cache/apk\n")

    packages, user = error.__notes__
    assert packages.startswith(
        "D:2: RUN apk add curl && adduser -D app && rm -rf /var/cache/apk: installs packages"
    )
    assert user.startswith("D:2: it also makes or changes a user; say numbers")
    assert "each line above has its way out" == error.hint


@pytest.mark.parametrize(
    ("run", "way"),
    [
        ("apk add git", '[stage.b.c] toolchain = "go" leaves the line out'),
        ("make", '[stage.b.c] toolchain = "go" leaves the line out'),
        ("adduser x", "COPY an etc/passwd"),
    ],
)
def test_lines_beside_a_compile_of_go(run, way):
    error = refused(f"FROM a AS b.c\nRUN {run}\nRUN go build -o /x .\nFROM c\nCOPY --from=b.c /x /\n")

    assert way.replace("b.c", '"b.c"') in error.__notes__[0]


@pytest.mark.parametrize(
    ("run", "way"),
    [
        ("cargo build --release", '[stage.0] toolchain = "rust"'),
        ("gcc -o /x a.c", '[stage.0] toolchain = "c"'),
        ("ghc -o /x a.hs", '[stage.0] toolchain = "command"'),
        ("npm run build", '[stage.0] toolchain = "prebuilt"'),
        ("apk add ca-certificates", '[stage.0] toolchain = "prebuilt"'),
    ],
)
def test_stages_that_give_files_can_be_replaced_by_files(run, way):
    error = refused(f"FROM a\nRUN {run}\nFROM c\nCOPY --from=0 /x /\n")

    assert way in error.hint


def test_what_the_image_is_built_upon_is_not_set_apart():
    error = refused("FROM a AS base\nRUN npm ci\nFROM base AS last\nRUN go build -o /a . && apk add x\n")

    assert [] == [note for note in error.__notes__ if "[stage" in note]


def test_a_stage_that_nothing_uses_may_run_what_it_likes():
    file = parse(b"FROM a\nRUN x\nFROM b\n")

    assert refuse(runs(StageGraph.of(file, StageRequest(HOST, HOST)).needed)) is None


@pytest.mark.parametrize(
    ("words", "does", "way"),
    [
        ("chmod +x /a", "changes modes", "COPY --chmod=+x for /a"),
        ("chown -R 1:1 /a", "changes owners", "COPY --chown=1:1 for"),
        ("mkdir -p /a", "makes a directory", "WORKDIR"),
        ("ln -s a b", "makes a link", "links are kept"),
        ("adduser -D app", "makes or changes a user", "COPY an etc/passwd"),
        ("apt-get update && apt-get install -y x && rm -rf /var", "installs packages", "change FROM"),
        ("pip install -r requirements.txt", "installs Python packages", "--target DIR"),
        ("npm ci --omit=dev", "Node.js", "COPY node_modules"),
        ("cargo build --release", "compiles Rust", "COPY target/${TARGETARCH}/app"),
        ("mvn -q package", "builds Java", "COPY it"),
        ('["/bin/thing"]', "runs a program", "COPY what it makes"),
        ("<<E\nchmod 1 x\nE", "changes modes", "--chmod"),
        ("echo x > /etc/y", "writes a file", "COPY <<NAME"),
        ("echo x >> /etc/y", "changes a file", "ocitool cat IMAGE PATH"),
        ("ls /", "leaves no file behind", "leave the line out"),
    ],
)
def test_ways_out(words, does, way):
    hint = refused(f"FROM a\nRUN {words}\n")

    assert way in hint.hint
    assert does in hint.__notes__[0]


@pytest.mark.parametrize(
    ("run", "does"),
    [
        (
            "apt-get update && apt-get install -y x && apt-get clean && rm -rf /var/lib/apt/lists/*",
            ["packages of the system"],
        ),
        (
            "set -eux; curl -fsSL u | tar -xz -C /opt; ln -s /opt/a /a; a --version",
            ["downloads", "unpacks", "link"],
        ),
        ("apk add --virtual .x gcc && pip install y && apk del .x", ["packages of the system", "Python packages"]),
        ("gpg --recv-keys A", ["program"]),
        ("wget -O k u && gpg --import k", ["downloads"]),
        ("rm -rf /a", ["removes"]),
        ("cd /a && git describe > /v", ["writes a file"]),
        ("./configure && make -j4 && make install", ["compiles"]),
        ("eval x", ["program"]),
        ("java -version", ["no file"]),
    ],
)
def test_each_thing_once_and_nothing_that_only_serves(run, does):
    notes = refused(f"FROM a\nRUN {run}\n").__notes__

    assert len(does) == len(notes)
    assert all(word in note for word, note in zip(does, notes, strict=True))


def test_why_nothing_can_be_run_is_told_with_all_that_is_known_of_it():
    file = parse(b"FROM a\nRUN x\n", "D")
    reason = Unsupported("no runtime", ability="run", hint="install it")
    reason.add_note("looked in /bin")

    with pytest.raises(Unsupported, match="D:2: RUN cannot be carried out here: no runtime") as raised:
        refuse(runs(StageGraph.of(file, StageRequest(HOST, HOST)).needed), reason=reason)

    assert "looked in /bin" == raised.value.__notes__[-1]
    assert raised.value.hint.startswith("install it; or without a process: ")
