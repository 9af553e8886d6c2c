"""The tables of an ocitool.toml that a Dockerfile itself suggests."""

import tomllib

import pytest

from ocitool.dockerfile.run.suggest import draft
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.platform import Platform

HOST = Platform("linux", "amd64")


def drafted(text, source=None, left=None):
    file, wanted = parse(text.encode(), "D"), StageRequest(HOST, HOST)
    return draft(StageGraph.of(file, wanted), source, left)


def tables(text, source=None):
    return tomllib.loads(drafted(text, source).text).get("stage", {})


def test_a_compile_of_go_says_all_itself():
    text = "FROM golang AS b\nWORKDIR /s\nRUN go mod download\nRUN go build -o /x .\nFROM c\nCOPY --from=b /x /\n"

    assert {"b": {"toolchain": "go"}} == tables(text)


@pytest.mark.parametrize(
    ("run", "more"),
    [
        (
            'go build -ldflags "-s -X a=$(git describe --tags) -X b=$(git rev-parse HEAD) -X c=$(date -u)" -o /x .',
            {"ldflags": "-s -X a={version} -X b={revision} -X c="},
        ),
        ("V=`git describe` && go build -ldflags=-X=main.v=$V -o /x .", {"ldflags": "-X=main.v={version}"}),
        ("for c in x y; do go build -o /o/$c ./cmd/$c; done", {"package": "./cmd/...", "output": "/o/"}),
    ],
)
def test_what_only_a_shell_could_tell_has_a_guess(run, more):
    text = f"FROM golang AS b\nRUN {run}\nFROM c\nCOPY --from=b {more.get('output', '/')}x /\n"

    assert {"b": {"toolchain": "go"} | more} == tables(text)


def test_what_others_copy_and_the_stage_does_not_bring_stands_in_files(tmp_path):
    (tmp_path / "public").mkdir()
    text = "FROM a AS b\nWORKDIR /app\nCOPY . .\nRUN npm ci && npm run build\nFROM c\n" + "".join(
        f"COPY --from=b /app/{name} /app/{name}\n" for name in ("public", "dist", "*.jar", "lib*")
    )
    files = ["dist:/app/dist", "app.jar:/app/app.jar", "lib:/app/lib"]

    assert {"b": {"toolchain": "prebuilt", "files": files}} == tables(text, tmp_path)


@pytest.mark.parametrize(
    ("run", "files"),
    [
        ("npm ci", ["node_modules:/app/node_modules"]),
        ("cd x && uv sync --locked", [".venv:/app/.venv"]),
        ("composer install", ["vendor:/app/vendor"]),
    ],
)
def test_of_a_whole_folder_what_the_line_installs_into_it(run, files):
    assert files == tables(f"FROM a AS b\nWORKDIR /app\nRUN {run}\nFROM c\nCOPY --from=b /app /app\n")["b"]["files"]


def test_what_is_made_in_a_folder_of_the_context_cannot_be_told(tmp_path):
    text = "FROM a AS b\nWORKDIR /app\nCOPY . .\nRUN rake assets\nFROM c\nCOPY --from=b /app /app\n"

    assert (
        '[stage.b]\ntoolchain = "prebuilt"\nfiles = []\n# and what RUN makes below /app'
        == drafted(text, tmp_path).text
    )


@pytest.mark.parametrize(
    ("line", "table"),
    [
        (
            "ghc -o /o/x a.hs",
            {"toolchain": "command", "run": ["./compile.sh", "{os}", "{arch}", "{output}"], "output": "/o/x"},
        ),
        ("cargo build", {"toolchain": "rust", "output": "/o/x"}),
        ("cmake -B /o && cmake --build /o", {"toolchain": "cmake", "output": "/o/x"}),
        ("curl -o /o/x https://h.example/$TARGETARCH", {"toolchain": "prebuilt", "files": ["out/{arch}/x:/o/x"]}),
        ("curl -o /o/x https://h.example/", {"toolchain": "prebuilt", "files": ["o/x:/o/x"]}),
    ],
)
def test_what_differs_between_platforms_is_asked_for_by_architecture(line, table):
    assert {"b": table} == tables(f"FROM a AS b\nRUN {line}\nFROM c\nCOPY --from=b /o/x /\n")


def test_a_folder_of_programs_is_no_single_output():
    text = "FROM a AS b\nRUN make install\nFROM c\nCOPY --from=b /opt/x /opt/x\nCMD /opt/x/bin/x\n"

    assert {"b": {"toolchain": "prebuilt", "files": ["out/{arch}/x:/opt/x"]}} == tables(text)


def test_certificates_and_zones_that_a_line_installs_are_ours():
    last = "FROM scratch\nCOPY --from=b /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/\nCOPY --from=b /x /\n"
    zones = "COPY --from=b /usr/share/zoneinfo /usr/share/zoneinfo\nCOPY --from=b /etc/passwd /etc/\n"
    build = "RUN go build -o /x\n"

    assert {"b": {"toolchain": "go", "with": ["ca-certificates", "zoneinfo"]}} == tables(
        f"FROM golang AS b\nRUN apk add ca-certificates tzdata\n{build}{last}{zones}"
    )
    assert {"b": {"toolchain": "go"}} == tables(f"FROM golang AS b\n{build}{last}{zones}")
    assert {"b": {"toolchain": "prebuilt", "with": ["ca-certificates"]}} == tables(
        f"FROM alpine AS b\nRUN apk add ca-certificates\nCOPY x /x\n{last}".replace("COPY --from=b /x /\n", "")
    )


def test_stages_whose_work_only_such_a_stage_takes_need_no_table():
    text = (
        "FROM a AS base\nRUN corepack enable\nFROM base AS deps\nRUN npm ci\nFROM base AS b\n"
        "COPY --from=deps /n /n\nRUN npm run build\nFROM c\nCOPY --from=b /d /d\n"
    )
    found = drafted(text)

    assert [2] == list(found.tables)
    assert {0: "b", 1: "b", 2: "b"} == {number: table.name for number, table in found.served.items()}


def test_a_stage_that_only_renames_one_has_its_table_there():
    assert ["b"] == list(tables("FROM a AS b\nRUN npm ci\nFROM b AS d\nFROM c\nCOPY --from=d /n /n\n"))


def test_nothing_for_what_the_image_is_built_upon_or_what_is_replaced_already():
    text = "FROM a AS b\nRUN make\nFROM b AS d\nRUN make\nFROM b\nRUN apk add x\nCOPY --from=d /x /x\n"

    assert ["d"] == list(tables(text))
    assert "" == drafted(text, left={2, 6}).text


def test_a_key_of_several_compiles_is_said_once():
    """TOML takes no second value; the line that is there says what the others have to agree with."""
    build = 'go build -ldflags "-X a=$(git {})" -o /{} ./{}'
    text = (
        f"FROM golang AS b\nRUN {build.format('describe', 'x', 'x')}\nRUN {build.format('log', 'y', 'y')}\nFROM c\n"
    )

    assert {"b": {"toolchain": "go", "ldflags": "-X a={version}"}} == tables(f"{text}COPY --from=b /x /y /\n")


def test_lines_that_onbuild_leaves_to_a_stage_are_its_own():
    text = "FROM golang AS a\nWORKDIR /s\nONBUILD RUN go build -o /x .\nFROM a AS b\nFROM c\nCOPY --from=b /x /\n"
    made = text.replace("go build -o /x .", "npm ci").replace("/x", "/s")

    assert {"b": {"toolchain": "go"}} == tables(text)
    assert {"b": {"toolchain": "prebuilt", "files": ["node_modules:/s/node_modules"]}} == tables(made)


def test_flags_that_mean_programs_of_the_image_are_left_out():
    text = "FROM golang AS b\nRUN go build -toolexec=/x -o /x .\nFROM c\nCOPY --from=b /x /\n"

    assert {"b": {"toolchain": "go", "flags": []}} == tables(text)


def test_stages_without_a_line_need_no_table():
    apart = "FROM a AS n\nCOPY y /y\nFROM b AS e\nRUN make\nFROM c\nCOPY --from=n /y /\nCOPY --from=e /x /\n"
    below = "FROM a AS base\nRUN make\nFROM base AS d\nCOPY y /y\nFROM base\nCOPY --from=d /y /\n"

    assert (["e"], []) == (list(tables(apart)), list(tables(below)))


def test_of_a_whole_folder_that_nothing_was_brought_to_all_is_wanted():
    text = "FROM a AS b\nWORKDIR /app\nRUN rake assets\nFROM c\nCOPY --from=b /app /app\n"

    assert {"b": {"toolchain": "prebuilt", "files": ["app:/app"]}} == tables(text)
