"""RUN is refused: every line is named, with what it does and a way out."""

import pytest

from ocitool.build.dockerfile.parse import parse
from ocitool.build.dockerfile.refuse import refuse
from ocitool.build.dockerfile.stages import Wanted, needed_stages, runs
from ocitool.errors import Unsupported
from ocitool.model.platform import Platform

HOST = Platform("linux", "amd64")


def refused(text: str) -> Unsupported:
    with pytest.raises(Unsupported) as raised:
        refuse("D", runs(needed_stages(parse(text.encode(), "D"), Wanted(HOST, HOST))))
    return raised.value


def test_every_line_is_named():
    error = refused("FROM a AS b\nRUN go build \\\n  -o /x .\nFROM c\nRUN apk add curl\nCOPY --from=b /x /\n")

    assert "D:2: RUN needs a process in the image, and nothing is run here (2 such lines)" == error.what
    first, second = error.__notes__
    assert first.startswith("D:2: RUN go build -o /x .: compiles Go; build with --toolchain go")
    assert second.startswith("D:5: RUN apk add curl: installs packages of the system; build upon an image")


def test_a_stage_that_nothing_uses_may_run_what_it_likes():
    file = parse(b"FROM a\nRUN x\nFROM b\n")

    assert refuse("D", runs(needed_stages(file, Wanted(HOST, HOST)))) is None


@pytest.mark.parametrize(
    ("words", "does", "way"),
    [
        ("chmod +x /a", "changes modes", "COPY --chmod=MODE"),
        ("chown -R 1:1 /a", "changes owners", "COPY --chown=USER:GROUP"),
        ("mkdir -p /a", "makes a directory", "WORKDIR"),
        ("ln -s a b", "makes a link", "links are kept"),
        ("adduser -D app", "makes a user", "USER 1000:1000"),
        ("apt-get update && apt-get install -y x && rm -rf /var", "installs packages", "change FROM"),
        ("pip install -r requirements.txt", "installs Python packages", "--target DIR"),
        ("npm ci --omit=dev", "Node.js", "COPY node_modules"),
        ("cargo build --release", "compiles Rust", "COPY target/${TARGETARCH}/app"),
        ("mvn -q package", "builds Java", "COPY it"),
        ('["/bin/thing"]', "runs a program", "COPY what it makes"),
        ("<<E\nchmod 1 x\nE", "changes modes", "--chmod"),
    ],
)
def test_ways_out(words, does, way):
    hint = refused(f"FROM a\nRUN {words}\n")

    assert way in hint.hint
    assert does in hint.__notes__[0]
