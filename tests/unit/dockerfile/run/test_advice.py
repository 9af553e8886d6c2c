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
        ("WORKDIR /app\nCOPY . .\nRUN chmod +x bin/run", "add COPY --chmod=+x bin/run /app/bin/run"),
        ("COPY --chown=1:2 a.sh b.sh /b/\nRUN chmod 700 /b/a.sh", "add COPY --chown=1:2 --chmod=700 a.sh /b/a.sh"),
        ("COPY --from=x:1 /o /o\nRUN chmod +x /o/t", "add COPY --from=x:1 --chmod=+x /o/t /o/t"),
        ("WORKDIR /app\nCOPY . .\nRUN chmod -R g=u /app", "write --chmod=g=u into the COPY of line 3"),
        ("RUN chmod 4755 /bin/x", "use COPY --chmod=4755 for /bin/x, or set the mode in the context"),
        ("RUN chmod $M /bin/x", "use COPY --chmod=MODE, or set the mode in the context"),
        (
            "WORKDIR /data\nRUN chmod 1777 /data",
            (
                "make it in the context, mkdir -p root/data and chmod 1777 root/data, and COPY root/ /,"
                " which keeps the modes of folders"
            ),
        ),
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
                "write --chown=node:node into the COPY of lines 3 and 4, and USER node:node above the WORKDIR of line 2,"
                " gives it the folder"
            ),
        ),
        (
            "WORKDIR /app\nCOPY . .\nRUN chown u /app/var",
            "add COPY --chown=u var /app/var",
        ),
        ("WORKDIR /app\nCOPY --chown=5 x.sh .\nRUN chgrp 0 x.sh", "add COPY --chown=5:0 x.sh /app/x.sh"),
        (
            "RUN useradd -u 7 app\nCOPY x.sh /x.sh\nRUN chown app:app /x.sh",
            "write --chown=7:7 into the COPY of line 3",
        ),
        (
            "RUN addgroup -S -g 8 a && adduser -S -G a -u 7 a\nCOPY x.sh /x.sh\nRUN chown a:a /x.sh",
            "write --chown=7:8 into the COPY of line 3",
        ),
        ("RUN adduser -S a\nCOPY x.sh /x.sh\nRUN chown a /x.sh", "write --chown=10001 into the COPY of line 3"),
        ("RUN chown -R 101:0 /var/cache /run", "use COPY --chown=101:0 for what is in /var/cache, /run"),
        ("WORKDIR /r\nCOPY . .\nRUN chown -R 0:0 /r", "write --chown=0:0 into the COPY of line 3"),
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
    _, owner = ways("WORKDIR /app\nUSER 5\nRUN mkdir /data && chown 7:7 /data")

    assert "USER 7:7 and WORKDIR /data, then WORKDIR /app and USER 5, make it that user's" == owner
    assert (
        "USER 7 above the WORKDIR of line 3, then USER with the base's user, gives it the folder"
        == ways("RUN mkdir /data && chown 7 /data\nWORKDIR /data")[1]
    )
    assert (
        "the COPY of line 3 makes /d and gives it its --chown"
        == ways("RUN mkdir /d && chown 7 /d\nCOPY --chown=7 x /d/")[1]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "RUN ln -sf /dev/stdout /l/a.log && ln -s b /c/",
            "in the context: ln -s /dev/stdout links/l/a.log; ln -s b links/c/b; then COPY links/ /, which keeps links",
        ),
        (
            "RUN a2enmod rewrite",
            (
                "in the context: ln -s ../mods-available/rewrite.load links/etc/apache2/mods-enabled/rewrite.load; then"
                " COPY links/ /, which keeps links"
            ),
        ),
        (
            "RUN ln -s a b",
            "make the link in the context and COPY the directory it is in: links are kept",
        ),
        (
            "RUN touch /a && echo x > /b",
            "use COPY <<EOF /a, COPY <<EOF /b: the lines that follow, up to EOF, are the file",
        ),
        (
            "RUN sed -i s/a/b/ /etc/x",
            "ocitool cat base:1 /etc/x prints what the base has: COPY the changed file over it",
        ),
        ("COPY conf /etc/conf/\nRUN sed -i -e s/a/b/ /etc/conf/x", "change conf/x in the context"),
        ("RUN cp /etc/a /etc/b", "COPY --from=base:1 /etc/a /etc/b"),
        ("COPY c /c/\nRUN install -m 755 /c/x /bin/x", "COPY --chmod=755 c/x /bin/x"),
        ("RUN cp -r /a /b", "use COPY, and COPY --from for files of a stage"),
    ],
)
def test_files_and_links(text, expected):
    assert expected == way(text)


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
        (
            "RUN update-ca-certificates",
            "ocitool cat base:1 /etc/ssl/certs/ca-certificates.crt prints the list: add yours to it, and COPY it there",
        ),
    ],
)
def test_packages(text, expected):
    assert expected == way(text)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("curl -fsSLo /bin/t https://h.example/t", ["use ADD --checksum=sha256:… https://h.example/t /bin/t"]),
        (
            f"wget -q -O /t https://h.example/t && echo {'a' * 64} /t | sha256sum -c && chmod 755 /t",
            [f"use ADD --checksum=sha256:{'a' * 64} https://h.example/t /t", "write --chmod=755 into that ADD"],
        ),
        (
            "curl https://h.example/$(uname -m).tgz | tar xz -C /opt",
            [
                (
                    "use ADD --checksum=sha256:… --unpack=true https://h.example/$(uname -m).tgz /opt/ with ARG TARGETARCH"
                    " for what the shell finds out"
                ),
                "use ADD, which unpacks a tar archive of the context",
            ],
        ),
        (
            "curl https://h.example/x | tar xz --strip-components=1",
            [
                "use ADD URL, with --checksum, or download before the build, and COPY the files",
                "use ADD, which unpacks a tar archive of the context",
            ],
        ),
    ],
)
def test_downloads(run, expected):
    assert expected == ways(f"RUN {run}")


def test_archives():
    assert "use ADD x.tgz /opt/, which unpacks it" == way("COPY x.tgz /tmp/\nRUN tar -xzf /tmp/x.tgz -C /opt")
    assert "write --unpack=true and / into the ADD of line 2" == way(
        "ADD https://h.example/x.tgz /tmp/\nRUN tar -C / -xzf /tmp/x.tgz"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN useradd -ms /bin/sh -u 1001 a\nCOPY --chown=a:a . .\nUSER a", "write 1001 for a on lines 3 and 4"),
        ("RUN adduser -D -H a\nUSER a", "write a number, such as 10001, for a on line 3"),
        ("RUN useradd a --uid 7 --gid 8\nUSER 7:8", "leave it out, as nothing below says the name"),
        ("ARG U\nRUN adduser --uid=${U} --gecos '' a\nUSER a", "write ${U} for a on line 4"),
    ],
)
def test_users(text, expected):
    assert f"{expected}; COPY an etc/passwd that has it where programs look for the name" == way(text)


def test_a_line_of_hundreds_of_commands_is_told_the_general_way():
    """Each command would be looked for in all others, and no sentence could list them."""
    assert "use COPY --chown=7" in way(f"RUN {' && '.join(['chown 7 /a'] * 50)}")
    assert "use COPY --chown=USER:GROUP; a dir" in way(f"RUN {' && '.join(['chown 7 /a'] * 51)}")
