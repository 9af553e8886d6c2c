"""What a replaced stage gets: the compile read off its lines, and what ocitool.toml says instead."""

import pytest

from ocitool.dockerfile.run.override_jobs import Replacing, stand_in
from ocitool.dockerfile.stages import StageGraph, StageRequest, find_stage
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import NotFound, Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.project.values import Stamp, load_spec
from ocitool.toolchains.base import Project

ARM = Platform.parse("linux/arm/v7")
HOST = Platform("linux", "amd64")
LAST = "\nFROM scratch\nCOPY --from=b /x /\n"


@pytest.fixture
def source(tmp_path):
    """Two programs of a module, at its root and in cmd/tool, and another module in back."""
    source = tmp_path / "src"
    for folder in (source / "cmd" / "tool", source / "back"):
        folder.mkdir(parents=True)
        (folder / "main.go").write_text("package main\n")
    (source / "main.go").write_text("package main\n")
    (source / "go.mod").write_text("module example.com/shop/v2\n")
    (source / "back" / "go.mod").write_text("module example.com/back\n")
    return source


@pytest.fixture
def get(tmp_path, source):
    """`get(dockerfile, table)`: the stand-in of stage b."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("")
    go.chmod(0o755)

    def call(dockerfile, table='toolchain = "go"', plan_native=None, **arguments):
        spec_file = tmp_path / "ocitool.toml"
        spec_file.write_text(f"[stage.b]\n{table}\n")
        (spec,) = load_spec(spec_file, Stamp).stages
        file = parse(f"FROM golang AS b\n{dockerfile}{LAST}".encode(), "D")
        wanted = StageRequest(ARM, HOST, arguments=arguments)
        project = Project(source, tmp_path / "work", {"PATH": str(go.parent), "HOME": "/h"})
        graph = StageGraph.of(file, wanted)
        native = () if plan_native is None else (plan_native,)
        return stand_in(Replacing(graph, graph.stages[find_stage(file, "b").number], spec, project, *native))

    return call


def folder_of(found):
    return [job.job.cwd.name for job in found.jobs]


@pytest.mark.parametrize(
    ("dockerfile", "table", "places"),
    [
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /out/app .", "", ["/out/app"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build", "", ["/s/shop"]),
        ("COPY . .\nRUN go build -o app", "", ["/go/app"]),
        ("WORKDIR /s\nCOPY . .\nRUN go install ./cmd/tool", "", ["/go/bin/tool"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /o/ ./...", "", ["/o/shop", "/o/tool"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /o/ ./cmd/...", "", ["/o/tool"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /a . && go build -o /b ./cmd/tool", "", ["/a", "/b"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /a . && go build -o /b ./cmd/tool", 'package = "cmd/tool"', ["/b"]),
        ("WORKDIR /s\nRUN make", 'output = "bin/x"', ["/s/bin/x"]),
        ("WORKDIR /out/\nWORKDIR /s\nCOPY . .\nRUN go build -o /out ./cmd/tool", "", ["/out/tool"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /out ./cmd/tool", "", ["/out"]),
        ("RUN go build -o '/o/x y@1'", "", ["/o/x y@1"]),
        ("RUN go build -o ${OUT:-/o/x}", "", ["/o/x"]),
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /", "", ["/shop"]),
        ("WORKDIR /s\nRUN make", 'output = "/o/"\npackage = "./cmd/tool"', ["/o/tool"]),
    ],
)
def test_where_programs_go(get, dockerfile, table, places):
    assert sorted(places) == sorted(job.place for job in get(dockerfile, f'toolchain = "go"\n{table}').jobs)


@pytest.mark.parametrize(
    ("dockerfile", "folder"),
    [
        ("WORKDIR /s\nCOPY . .\nRUN go build -o /x", "src"),
        ("WORKDIR /s\nCOPY back .\nRUN go build -o /x", "back"),
        ("COPY . /s\nRUN cd /s/back && go build -o /x", "back"),
        ("WORKDIR /s\nCOPY back/go.mod ./\nRUN go mod download\nRUN go build -o /x", "back"),
        ("WORKDIR /s\nRUN --mount=type=bind,source=back,target=. go build -o /x", "back"),
        ("ARG WHERE=back\nCOPY ${WHERE}/ /s/\nWORKDIR /s\nRUN go build -o /x", "back"),
        ("COPY . /s\nCOPY back /t\nRUN cd /s/back && go build -o /x", "back"),
        ("COPY ../../x /s/\nWORKDIR /s\nRUN go build -o /x", "src"),
        ("COPY back /s\nWORKDIR /s\nRUN --network=none go build -o /x", "back"),
        ("RUN go build -o /x", "src"),
    ],
)
def test_the_folder_that_was_copied_to_workdir_is_compiled_in(get, dockerfile, folder):
    assert [folder] == folder_of(get(dockerfile))


def test_a_folder_that_the_file_names(get):
    assert ["tool"] == folder_of(get("RUN go build -o /x", 'toolchain = "go"\nsource = "cmd/tool"'))


def test_the_platform_decides_and_what_lines_say_is_taken_over(get):
    found = get(
        "ARG V=1\nENV GOPROXY=direct GOCACHE=/c\nRUN GOARCH=amd64 CGO_ENABLED=1 go build -tags a -ldflags -X=v=$V -o /x .",
        V="2",
    )

    job = found.jobs[0].job
    assert ("arm", "7", "linux", "1", "direct") == tuple(
        job.env[name] for name in ("GOARCH", "GOARM", "GOOS", "CGO_ENABLED", "GOPROXY")
    )
    assert "GOCACHE" not in job.env
    assert {"-tags=a", "-ldflags=-buildid= -X=v=2"} <= set(job.argv)
    assert "b" == found.jobs[0].stage


def test_arguments_without_a_value_are_empty_and_hide_nothing(get):
    job = get("ARG DATE GOPROXY\nRUN go build -ldflags -X=d=$DATE -o /x .").jobs[0].job

    assert "-ldflags=-buildid= -X=d=" in job.argv
    assert "GOPROXY" not in job.env


def test_what_the_file_says_goes_first(get):
    found = get(
        'RUN CGO_ENABLED=1 go build -race -tags a -ldflags "$(x)" -o /x .',
        'toolchain = "go"\ntags = ["b"]\nldflags = "-s"\ncgo = false\nflags = []\nenv = { GOPROXY = "off" }',
    )

    job = found.jobs[0].job
    assert ["-ldflags=-buildid= -s", "-tags=b", "-o"] == list(job.argv[4:7])
    assert ("0", "off") == (job.env["CGO_ENABLED"], job.env["GOPROXY"])


def test_outputs_of_stages_and_platforms_never_meet(get):
    found = get("COPY . .\nRUN go build -o /a/x . && go build -o /b/x ./cmd/tool")

    first, second = (job.job.outputs[0] for job in found.jobs)
    assert ("b/linux-arm-v7/0/x", "b/linux-arm-v7/1/x") == tuple(
        str(path).partition("/stages/")[2] for path in (first, second)
    )


def test_lines_whose_files_the_compiler_does_not_see(get):
    found = get(
        "WORKDIR /s\nCOPY . .\nCOPY --from=web /d gen/\nCOPY <<a /elsewhere/\na\nADD https://x.example/y /s/y\n"
        "RUN go build -o /x ."
    )

    assert (4, 7) == found.unseen


def test_files_that_are_there(get, source):
    found = get("RUN npm ci", 'toolchain = "prebuilt"\nfiles = ["back:/w", "go.mod:/etc/"]')

    assert (2, (), ("/w", "/etc/")) == (found.at, found.jobs, found.gives)
    assert ["etc/go.mod", "w", "w/go.mod", "w/main.go"] == sorted(
        entry.path for entry in found.entries(ARM, source)
    )


@pytest.mark.parametrize(
    ("dockerfile", "table", "words", "hint"),
    [
        ("RUN make", "", "D:2: no go build in the RUN lines of stage b", 'write output = "/PATH" into [stage.b]'),
        ("COPY . .", "", "has no RUN line to stand in for", "leave the table out"),
        (
            'RUN go build -ldflags "$(x)" -o /x',
            "",
            "D:2: only a shell in the image could tell the ldflags",
            "write ldflags =",
        ),
        (
            "RUN for c in a; do go build -o /$c ./$c; done",
            "",
            "could tell the package and the output",
            'write package = "./..." and output = "/" into [stage.b]',
        ),
        ("COPY . .\nRUN go build -o /x ./...", "", "holds 2 programs, which cannot become /x", "package"),
        ("COPY . .\nRUN go build -o /x ./nowhere/...", "", "holds 0 programs", "package"),
        (
            "COPY . .\nRUN go build -o /x . && go build -o /x ./cmd/tool",
            "",
            "two programs would go to /x",
            "package",
        ),
        ("RUN go build -ldflags -X=v=$GOLANG_VERSION -o /x", "", "could tell the ldflags", "write ldflags ="),
        (
            "RUN GOOS=darwin go build -o /x",
            "",
            "D:2: this go build is for darwin, the image for linux/arm/v7",
            "prebuilt",
        ),
        ("RUN go build -toolexec=/x -o /x", "", "D:2: -toolexec of this go build means programs", "flags = []"),
        ("ENV GOFLAGS=-overlay=/x\nRUN go build -o /x", "", "D:3: -overlay of this go build", "env has GOFLAGS"),
        ("RUN go build -o /x", 'files = ["a"]', "stage.b.files: not a copy rule: 'a'", "SRC:DEST"),
        ("RUN go build -o /x", 'source = "/etc"', "the sources are in /etc", "a folder below PATH"),
    ],
)
def test_what_cannot_be_known(get, dockerfile, table, words, hint):
    with pytest.raises(UsageError) as raised:
        get(dockerfile, f'toolchain = "go"\n{table}')
    assert words in raised.value.what
    assert hint in raised.value.hint


def test_files_that_are_not_there(get, source):
    found = get("RUN x", 'toolchain = "prebuilt"\nfiles = ["gone:/w"]')

    with pytest.raises(NotFound, match=r"ocitool.toml line 1: stage.b: nothing to copy at .*gone"):
        found.entries(ARM, source)


def test_a_command_that_is_not_there(get):
    with pytest.raises(Unsupported, match="the command nothing is not there"):
        get("RUN x", 'toolchain = "command"\nrun = ["nothing"]\noutput = "/x"')


def test_what_lines_install_everywhere_comes_from_the_data_of_with(get, source):
    found = get("RUN apk add ca-certificates", 'toolchain = "prebuilt"\nwith = ["ca-certificates", "tmp"]')

    entries = {entry.path: entry for entry in found.entries(ARM, source)}

    assert ("/etc/ssl/certs/ca-certificates.crt", "/tmp") == found.gives
    assert {"etc/ssl/certs/ca-certificates.crt", "tmp"} == set(entries)
    assert 0o1777 == entries["tmp"].mode


def test_a_file_of_the_context_goes_before_the_data_of_with(get, source):
    (source / "ca.crt").write_text("mine")
    table = """toolchain = "prebuilt"
files = ["ca.crt:/etc/ssl/certs/ca-certificates.crt:600"]
with = ["ca-certificates"]"""

    (entry,) = get("RUN update-ca-certificates", table).entries(ARM, source)

    assert 0o600 == entry.mode


@pytest.mark.parametrize(
    ("dockerfile", "table", "folder", "built_in"),
    [
        ("COPY . .\nRUN make -C back", 'toolchain = "make"\noutput = "bin/x"', "back", "/s/back"),
        ("COPY . .\nRUN npm ci", 'toolchain = "make"\noutput = "bin/x"', "src", "/s"),
        ("COPY . .\nRUN make -C back", 'toolchain = "c"\noutput = "bin/x"', "src", "/s"),
        ("COPY . .\nRUN cargo build --bin x", 'toolchain = "rust"\noutput = "bin/x"', "src", "/s"),
    ],
)
def test_a_build_of_c_or_rust_is_where_the_lines_have_it(get, dockerfile, table, folder, built_in):
    asked = []

    found = get(f"WORKDIR /s\n{dockerfile}\nCOPY --from=w /y y", table, plan_native=asked.append)

    (one,) = asked
    assert (folder, built_in, "x") == (one.target.source.name, one.build.folder, one.target.program.name)
    assert [("/s/bin/x", "b")] == [(job.place, job.stage) for job in found.jobs]
    assert (table.split('"')[1], (5,) if built_in == "/s" else ()) == (one.build.toolchain, found.unseen)
