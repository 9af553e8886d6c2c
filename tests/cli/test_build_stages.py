"""Stages of a Dockerfile that ocitool.toml replaces: compiled outside of any image, for every platform."""

import json

import pytest

from ocitool.binaries.identify import inspect_stream
from ocitool.store.layout import LayoutStore
from tests.cli.test_build_dockerfile import Built
from tests.fakes.busybox import put_busybox
from tests.fakes.programs import Elf

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
MAIN = "package main\n\nvar version = `dev`\n\nfunc main() { println(version) }\n"
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM nowhere.invalid/golang:1.22 AS build
ARG VERSION=1
WORKDIR /src
RUN apk add --no-cache git
COPY go.mod ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOARCH=$TARGETARCH go build -ldflags "-X main.version=v$VERSION" -o /out/app ./cmd/app

FROM scratch
COPY --from=build /out/app /app
COPY --from=build /src/web /web
ENTRYPOINT ["/app"]
"""


@pytest.fixture
def project(home, run, monkeypatch):
    """`project(dockerfile, spec, *flags)`: a Go module with both files, built into oci:img:1."""
    monkeypatch.chdir(home)
    for path, text in {
        "go.mod": "module example.com/app\n\ngo 1.21\n", "cmd/app/main.go": MAIN, "web/index.html": "hi",
    }.items():  # fmt: skip
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)

    def call(dockerfile, spec, *flags):
        (home / "Dockerfile").write_text(dockerfile)
        (home / "ocitool.toml").write_text(spec)
        return run("build", ".", "-o", "oci:img:1", *flags)

    return call


def built(home, outcome, platform="linux/amd64"):
    assert 0 == outcome.exit_code, outcome.stderr
    return Built(home / "img", platform)


def test_a_two_stage_dockerfile_builds_for_every_platform(home, project):
    """K001: no daemon, no emulator, and no byte of the image that compiles in Docker."""
    outcome = project(
        DOCKERFILE,
        '[stage.build]\ntoolchain = "go"\n',
        "--platform",
        ",".join(PLATFORMS),
        "--build-arg",
        "VERSION=7",
    )

    for platform in PLATFORMS:
        image = built(home, outcome, platform)
        assert ["app", "web", "web/index.html"] == sorted(image.files())
        assert ("FILE", "0o755", "0:0") == image.files()["app"]
        program = image.data("app")
        assert platform.replace("/v7", "") in str(inspect_stream((program,)).platform)
        assert b"v7" in program
        assert ["/app"] == image.config["config"]["Entrypoint"]
        assert ["COPY /out/app /app # buildkit", "COPY /src/web /web # buildkit"] == [
            line for line, _ in image.told[:2]
        ]


def test_what_the_file_says_goes_before_what_the_line_says(home, project):
    spec = '[stage.build]\ntoolchain = "go"\noutput = "/elsewhere/tool"\nldflags = "-X main.version=mine"\n'

    image = built(home, project(DOCKERFILE.replace("/out/app /app", "/elsewhere/tool /app"), spec))

    assert b"mine" in image.data("app")


def test_a_stage_that_is_not_there(project):
    outcome = project(DOCKERFILE, '\n[stage.biuld]\ntoolchain = "go"\n')

    assert 2 == outcome.exit_code
    assert "ocitool.toml line 2: stage.biuld: no such stage in Dockerfile" in outcome.stderr
    assert "it has build, 1 (without a name)" in outcome.stderr


def test_stages_by_number_and_results_that_are_there_already(home, project):
    (home / "dist").mkdir()
    (home / "dist/x.js").write_text("js")
    dockerfile = "FROM node:22\nWORKDIR /w\nRUN npm run build\nFROM scratch\nCOPY --from=0 /w/dist /d\n"

    image = built(home, project(dockerfile, '[stage.0]\ntoolchain = "prebuilt"\nfiles = ["dist:/w/dist"]\n'))

    assert b"js" == image.data("d/x.js")


def test_a_command_compiles_a_stage(home, project):
    (home / "compile.sh").write_text('#!/bin/sh\ncp "programs/$OCITOOL_ARCH" "$OCITOOL_OUTPUT"\n')
    (home / "compile.sh").chmod(0o755)
    (home / "programs").mkdir()
    for name, elf in {"amd64": Elf(62), "arm64": Elf(183)}.items():
        (home / "programs" / name).write_bytes(elf.build())
    dockerfile = "FROM rust AS b\nWORKDIR /w\nRUN cargo build\nFROM scratch\nCOPY --from=b /w/target/a /a\n"
    spec = '[stage.b]\ntoolchain = "command"\nrun = ["./compile.sh"]\noutput = "target/a"\n'

    outcome = project(dockerfile, spec, "--platform", "linux/amd64,linux/arm64")

    assert Elf(183).build() == built(home, outcome, "linux/arm64").data("a")
    (home / "programs/arm64").write_bytes(Elf(62).build())
    assert 6 == project(dockerfile, spec, "--platform", "linux/arm64").exit_code


def test_the_compilers_words(home, project):
    (home / "cmd/app/main.go").write_text("package main\n\nfunc main() { nothing() }\n")

    outcome = project(DOCKERFILE, '[stage.build]\ntoolchain = "go"\n')

    assert 7 == outcome.exit_code
    assert "undefined: nothing" in outcome.stderr


def test_the_base_is_read_for_a_file_that_nothing_else_gives(home, project):
    put_busybox(LayoutStore(home / "base", create=True), "1")
    flags = ("--build-context", "golang=oci-layout://base:1")
    dockerfile = (
        "FROM golang AS b\nRUN go build -o /bin/app ./cmd/app\nFROM scratch\n"
        "COPY --from=b /bin/app /a\nCOPY --from=b /etc/group /g\nCOPY --from=b /bin /all\n"
    )

    image = built(home, project(dockerfile, '[stage.b]\ntoolchain = "go"\n', *flags))

    assert b"root:x:0:" == image.data("g")[:9]
    assert "app" in {path.rpartition("/")[2] for path in image.files()}


def test_accounts_that_a_line_would_add_to_are_refused(home, project):
    put_busybox(LayoutStore(home / "base", create=True), "1")
    dockerfile = (
        "FROM golang AS b\nRUN adduser -D app\nRUN go build -o /app ./cmd/app\nFROM scratch\n"
        "COPY --from=b /etc/passwd /etc/\n"
    )

    outcome = project(dockerfile, '[stage.b]\ntoolchain = "go"\n', "--build-context", "golang=oci-layout://base:1")

    assert 9 == outcome.exit_code
    assert "/etc/passwd of stage b would lack the user of Dockerfile:2" in outcome.stderr


def test_a_program_that_is_not_where_it_is_copied_from(home, project):
    put_busybox(LayoutStore(home / "base", create=True), "1")
    flags = ("--build-context", "nowhere.invalid/golang:1.22=oci-layout://base:1")
    dockerfile = DOCKERFILE.replace("-o /out/app", "-o /src/bin/app")
    spec = '[stage.build]\ntoolchain = "go"\n'

    away, missing = project(dockerfile, spec), project(dockerfile, spec, *flags)

    assert 5 == away.exit_code
    assert 3 == missing.exit_code
    assert "Dockerfile:11: no /out/app in stage build" in missing.stderr
    for outcome in (away, missing):
        assert "stage build is made without its RUN lines and gives /src/bin/app" in outcome.stderr


def test_an_image_built_upon_the_stage_itself(home, project):
    """Only a line that does nothing but build is replaced where the stage is the image."""
    put_busybox(LayoutStore(home / "base", create=True), "1")
    flags = ("--build-context", "golang=oci-layout://base:1")
    dockerfile = (
        "FROM golang\nWORKDIR /src\nCOPY . .\nRUN go mod download\nRUN go build -o /bin/app ./cmd/app\nCMD app\n"
    )
    spec = '[stage.0]\ntoolchain = "go"\n'

    image = built(home, project(dockerfile, spec, *flags))

    assert ("FILE", "0o755", "0:0") == image.files()["usr/bin/app"]
    assert ("ocitool build go: /bin/app", False) in image.told
    refused = project(dockerfile.replace("RUN go mod download", "RUN apk add curl"), spec, *flags)
    assert 9 == refused.exit_code
    assert "Dockerfile:4: RUN apk add curl" in refused.stderr
    assert "Dockerfile:5" not in refused.stderr


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ('toolchain = "go"\n[stage.build]\ntoolchain = "go"\n', "is about a Dockerfile, and toolchain go"),
        ('[stage.build]\ntoolchain = "go"\nrun = ["x"]\n', "stage.build.run says nothing to go"),
        ('[stage.build]\ntoolchain = "command"\nrun = ["x"]\n', "stage.build needs output with toolchain command"),
        ('[stage.build]\noutput = "/x"\n', "stage.build needs toolchain"),
        ('[stage.build]\ntoolchain = "go"\nsource = "../x"\n', "no folder of the context"),
        ('[stage.build]\ntoolchain = "go"\n[stage.0]\ntoolchain = "go"\n', "is the stage of"),
    ],
)
def test_what_a_stage_cannot_say(project, spec, words):
    outcome = project(DOCKERFILE, spec)

    assert 2 == outcome.exit_code
    assert words in outcome.stderr


def test_settings_and_stages_leave_the_dockerfile_in_charge(home, project):
    """An ocitool.toml comes first, and one that speaks of stages means the Dockerfile beside it."""
    spec = 'platforms = ["linux/arm64"]\n[image]\nlabels = { a = "{version}" }\n[stage.build]\ntoolchain = "go"\n'

    image = built(home, project(DOCKERFILE, f'version = "3"\n{spec}'), "linux/arm64")

    assert ({"a": "3"}, "arm64") == (image.config["config"]["Labels"], image.config["architecture"])
    outcome = project(DOCKERFILE, spec.replace("{version}", "x"), "--toolchain", "go", "--dry-run", "--json")
    assert "go" == json.loads(outcome.stdout)["data"]["toolchain"]


def test_a_dry_run_names_the_compiles(project):
    outcome = project(DOCKERFILE, '[stage.build]\ntoolchain = "go"\n', "--dry-run", "--json")

    (job,) = json.loads(outcome.stdout)["data"]["compile"]
    assert ("/out/app", "arm" not in job["platform"]) == (job["place"], True)


def test_files_that_only_the_stage_has_are_named(project):
    dockerfile = DOCKERFILE.replace("RUN CGO", "COPY <<x gen/\nhello\nx\nRUN CGO")

    outcome = project(dockerfile, '[stage.build]\ntoolchain = "go"\n')

    assert 0 == outcome.exit_code
    assert "Dockerfile:8: what it brings is not seen by the compiler" in outcome.stderr


def test_a_check_knows_of_replaced_stages(project, run):
    project(DOCKERFILE.replace("ENTRYPOINT", "RUN chmod 1 /app\nENTRYPOINT"), '[stage.build]\ntoolchain = "go"\n')

    told = json.loads(run("build", ".", "--check", "--json").stdout)["data"]["findings"]

    assert [13] == [finding["line"] for finding in told if finding["rule"] == "RunNeedsProcess"]


def test_modules_that_another_stage_would_download_are_not_missed(home, project):
    dockerfile = (
        "FROM golang AS deps\nCOPY go.mod /src/\nRUN go mod download\n"
        "FROM golang AS b\nCOPY --from=deps /go/pkg /go/pkg\nCOPY --from=deps /src/go.mod /kept/\nCOPY . .\n"
        "RUN go build -o /app ./cmd/app\nFROM scratch\nCOPY --from=b /app /kept/go.mod /\n"
    )

    image = built(home, project(dockerfile, '[stage.b]\ntoolchain = "go"\n'))

    assert {"app", "go.mod"} == set(image.files())
