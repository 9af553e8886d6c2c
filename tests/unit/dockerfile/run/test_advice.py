"""The way out in a line's own words: the flag, the line, the file."""

import pytest

from ocitool.dockerfile.run.refuse import refusal
from ocitool.dockerfile.run.suggest import draft
from ocitool.dockerfile.stages import StageGraph, StageRequest, runs
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.platform import Platform

HOST = Platform("linux", "amd64")


def ways(text):
    """What the last RUN is told to be written as, thing by thing."""
    file, wanted = parse(f"FROM base:1\n{text}\n".encode(), "D"), StageRequest(HOST, HOST)
    graph = StageGraph.of(file, wanted)
    *_, last = runs(graph.needed)
    return [way for _, way in refusal(*last, draft(graph)).ways]


def way(text):
    (one,) = ways(text)
    return one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY run.sh /bin/\nRUN chmod +x /bin/run.sh", "write --chmod=+x into the COPY of line 2"),
        ("COPY a.sh b.sh /bin/\nRUN chmod 755 /bin/*.sh", "write --chmod=755 into the COPY of line 2"),
        ("ADD https://h.example/t /bin/t\nRUN chmod a+rx /bin/t", "write --chmod=a+rx into the ADD of line 2"),
        (
            "COPY . /a/\nRUN chmod +x /a/bin/run",
            "use COPY --chmod=+x for /a/bin/run, or set the mode in the context",
        ),
        ("COPY a.sh b.sh /b/\nRUN chmod 7 /b/a.sh", "use COPY --chmod=MODE, or set the mode in the context"),
        (
            "COPY a.sh b.sh /b/\nRUN chmod 700 /b/a.sh",
            "use COPY --chmod=700 for /b/a.sh, or set the mode in the context",
        ),
        (
            "COPY --from=x:1 /o /o\nRUN chmod +x /o/t",
            "use COPY --chmod=+x for /o/t, or set the mode in the context",
        ),
        (
            "WORKDIR /app\nCOPY . .\nRUN chmod 755 /app",
            "use COPY --chmod=755 for /app, or set the mode in the context",
        ),
        ("WORKDIR /app\nCOPY . .\nRUN chmod -R g=u /app", "write --chmod=g=u into the COPY of line 3"),
        ("RUN chmod 4755 /bin/x", "use COPY --chmod=4755 for /bin/x, or set the mode in the context"),
        ("RUN chmod $M /bin/x", "use COPY --chmod=MODE, or set the mode in the context"),
    ],
)
def test_modes(text, expected):
    assert expected == way(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "WORKDIR /app\nCOPY a b/\nCOPY . .\nRUN chown -R node:node /app\nUSER node",
            (
                "write --chown=node:node into the COPY of lines 3 and 4, and write USER node:node before WORKDIR /app,"
                " which then makes it that user's"
            ),
        ),
        (
            "WORKDIR /app\nCOPY . .\nRUN chown u /app/var",
            "use COPY --chown=u for what is in /app/var; USER u and WORKDIR make a folder",
        ),
        ("WORKDIR /app\nCOPY --chown=5 x.sh .\nRUN chgrp 0 x.sh", "write --chown=5:0 into the COPY of line 3"),
        (
            "RUN useradd -u 7 app\nCOPY x.sh /x.sh\nRUN chown app:app /x.sh",
            "write --chown=7:7 into the COPY of line 3",
        ),
        (
            "RUN addgroup -S -g 8 a && adduser -S -G a -u 7 a\nCOPY x.sh /x.sh\nRUN chown a:a /x.sh",
            "write --chown=7:8 into the COPY of line 3",
        ),
        (
            "RUN useradd --uid=${U} a\nCOPY x.sh /x.sh\nRUN chown a /x.sh",
            "write --chown=${U} into the COPY of line 3",
        ),
        ("RUN adduser -S a\nCOPY x.sh /x.sh\nRUN chown a /x.sh", "write --chown=10001 into the COPY of line 3"),
        (
            "RUN chown -R 101:0 /var/cache /run",
            "use COPY --chown=101:0 for what is in /var/cache, /run; USER 101:0 and WORKDIR make a folder",
        ),
        ("WORKDIR /r\nCOPY . .\nRUN chown -R 0:0 /r", "write --chown=0:0 into the COPY of line 3"),
        (
            "RUN chown $(id -u) /r",
            "use COPY --chown=USER:GROUP; a directory that USER and then WORKDIR make belongs to that user",
        ),
    ],
)
def test_owners(text, expected):
    assert expected == way(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WORKDIR /app\nRUN mkdir -p /data", "use WORKDIR /data, then WORKDIR /app"),
        ("RUN mkdir /a /b", "use WORKDIR /a and WORKDIR /b, then WORKDIR with the base's folder"),
        ("RUN mkdir /a\nWORKDIR /app", "use WORKDIR /a"),
        ("RUN mkdir -p /app\nWORKDIR /app", "the WORKDIR of line 3 makes /app"),
        ("RUN mkdir -p /app/x\nCOPY . /app/x/", "the COPY of line 3 makes /app/x"),
        ("RUN mkdir -p /app/{a,b}", "use WORKDIR, which makes it, or COPY a directory"),
    ],
)
def test_folders(text, expected):
    assert expected == way(text)


def test_a_folder_for_a_user():
    folder, owner = ways("WORKDIR /app\nUSER 5\nRUN mkdir /data && chown 7:7 /data")

    assert "use WORKDIR /data, then WORKDIR /app" == folder
    assert "use COPY --chown=7:7 for what is in /data; USER 7:7 and WORKDIR make a folder" == owner


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "RUN apt-get update && apt-get install -y -t x curl git",
            "build upon an image that has curl, git: change FROM",
        ),
        (
            "RUN apk add --virtual .d a b c d e",
            "build upon an image that has a, b, c, d and 1 more: change FROM",
        ),
        ("RUN apk add $DEPS", "build upon an image that has them: change FROM"),
        (
            "RUN apk add --no-cache ca-certificates && update-ca-certificates",
            (
                "COPY --from=gcr.io/distroless/static /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/, or build upon an"
                " image that has them: change FROM"
            ),
        ),
    ],
)
def test_packages(text, expected):
    assert expected == way(text)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("curl -o /t https://h.example/t", "use ADD URL, with --checksum"),
        ("tar -xzf /tmp/x.tgz -C /opt", "use ADD, which unpacks"),
        ("useradd -u 7 a", "say numbers, as in USER 1000:1000"),
        ("ln -s a b", "make the link in the context and COPY the directory"),
        ("echo x > /b", "use COPY <<NAME"),
        ("sed -i s/a/b/ /etc/x", "COPY the whole file as it should be over the one that is there; ocitool cat"),
        ("cp /etc/a /etc/b", "use COPY, and COPY --from"),
        ("update-ca-certificates", "COPY the finished list over /etc/ssl/certs/ca-certificates.crt"),
    ],
)
def test_anything_else_has_its_general_way(run, expected):
    assert way(f"RUN {run}").startswith(expected)


def test_a_line_of_hundreds_of_commands_is_told_the_general_way():
    """Each command would be looked for in all others, and no sentence could list them."""
    assert "use COPY --chown=7" in way(f"RUN {' && '.join(['chown 7 /a'] * 50)}")
    assert "use COPY --chown=USER:GROUP; a dir" in way(f"RUN {' && '.join(['chown 7 /a'] * 51)}")
