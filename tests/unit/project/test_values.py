"""The spec file: what it says, what it may not say, what differs by platform."""

import textwrap
from pathlib import Path

import pytest

from ocitool.errors import UsageError
from ocitool.image.options import ImageOptions
from ocitool.model.platform import Platform
from ocitool.project.values import BuildSpec, ProgramSpec, Stamp, load_spec
from ocitool.toolchains.options import CommandOptions, GoOptions, Program


def load(folder: Path, text: str, stamp: Stamp | None = None, version: str = "") -> BuildSpec:
    path = folder / "ocitool.toml"
    path.write_text(textwrap.dedent(text))

    def ask() -> Stamp:
        if stamp is None:
            raise AssertionError("git was asked for nothing")
        return stamp

    return load_spec(path, ask, version=version)


def refusal(folder: Path, text: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as refused:
        load(folder, text, Stamp())
    return str(refused.value).removeprefix(f"{folder}/ocitool.toml "), refused.value.hint


def test_everything_a_file_can_say(tmp_path):
    spec = load(
        tmp_path,
        """
        name = "app"
        version = "1.2.3"
        base = "reg.test/base:1"
        platforms = ["linux/amd64", "linux/arm/v6"]
        tags = ["reg.test/app:{version}", "reg.test/app:latest"]
        with = ["ca-certificates", "tmp"]
        format = "oci"
        compression = "gzip:6"
        index = true
        git-labels = false
        base-annotations = false
        files = ["etc/app.conf:/etc/"]

        [go]
        package = "./cmd/app"
        tags = ["netgo"]
        ldflags = "-s -X main.version={version}"
        flags = ["-mod=vendor"]
        env = { GOEXPERIMENT = "x" }
        private = ["example.com/*"]
        cgo = true
        vcs = true

        [image]
        entrypoint = ["/bin/app"]
        cmd = ["--serve"]
        env = { A = "1", B = "" }
        user = "65532"
        workdir = "/srv"
        labels = { "org.opencontainers.image.version" = "{version}" }
        annotations = { a = "b" }
        expose = ["8080/tcp"]
        volumes = ["/data"]
        stop-signal = "SIGINT"
        """,
    )

    assert ("app", "1.2.3", "oci", "gzip:6", True, False, False) == (
        spec.name, spec.version, spec.format, spec.compression, spec.index, spec.git_labels, spec.base_annotations
    )  # fmt: skip
    assert (Platform("linux", "amd64"), Platform("linux", "arm", "v6")) == spec.platforms
    assert ("reg.test/app:1.2.3", "reg.test/app:latest") == spec.tags
    assert ("go", ("ca-certificates", "tmp")) == (spec.toolchain, spec.extras)
    assert ("reg.test/base:1", ("etc/app.conf:/etc/",)) == (spec.common.base, spec.common.files)
    assert GoOptions(
        ("netgo",), "-s -X main.version=1.2.3", ("-mod=vendor",), (("GOEXPERIMENT", "x"),), ("example.com/*",),
        cgo=True, vcs=True,
    ) == spec.common.go  # fmt: skip
    assert (ProgramSpec(Program("app", "./cmd/app"), "/bin/app", spec.common.go),) == spec.common.programs
    assert ImageOptions(
        ("/bin/app",), ("--serve",), (("A", "1"), ("B", "")), "65532", "/srv",
        (("org.opencontainers.image.version", "1.2.3"),), (("a", "b"),), ("8080/tcp",), ("/data",), "SIGINT",
    ) == spec.common.image  # fmt: skip


def test_an_empty_file_says_nothing(tmp_path):
    assert BuildSpec(path=tmp_path / "ocitool.toml", version="") == load(tmp_path, "")


def test_several_programs_share_and_differ(tmp_path):
    spec = load(
        tmp_path,
        """
        version = "2"
        [go]
        ldflags = "-s"
        [[program]]
        name = "web"
        package = "./cmd/web"
        [[program]]
        name = "tool"
        package = "./cmd/tool"
        path = "usr/bin/"
        ldflags = "-X main.v={version}"
        tags = ["x"]
        """,
    )

    assert (
        ProgramSpec(Program("web", "./cmd/web"), "/bin/web", GoOptions(ldflags="-s")),
        ProgramSpec(Program("tool", "./cmd/tool"), "/usr/bin/tool", GoOptions(("x",), "-X main.v=2")),
    ) == spec.common.programs


def test_a_platform_merges_tables_adds_files_and_replaces_the_rest(tmp_path):
    spec = load(
        tmp_path,
        """
        base = "a"
        platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        files = ["common:/"]
        [go]
        ldflags = "-s"
        tags = ["x"]
        env = { A = "1" }
        [image]
        env = { P = "all" }
        [platform."linux/arm"]
        base = "b"
        files = ["own:/"]
        go = { tags = ["y"], env = { B = "2" } }
        image.env.P = "arm"
        """,
    )

    part = spec.part(Platform.parse("linux/arm/v7"))

    assert ("b", ("common:/", "own:/"), (("P", "arm"),)) == (part.base, part.files, part.image.env)
    assert GoOptions(("y",), "-s", env=(("A", "1"), ("B", "2"))) == part.go
    assert spec.common == spec.part(Platform.parse("linux/amd64"))
    assert "a" == spec.common.base


def test_a_command(tmp_path):
    spec = load(
        tmp_path,
        """
        name = "app"
        [command]
        run = ["make", "bin", "ARCH={arch}"]
        output = "out/{arch}/app"
        env = { V = "1" }
        pass = ["CC"]
        parallel = true
        """,
    )

    options = CommandOptions(
        ("make", "bin", "ARCH={arch}"), "out/{arch}/app", (("V", "1"),), ("CC",), is_parallel=True
    )
    assert ("command", options) == (spec.toolchain, spec.common.command)
    assert options == spec.common.programs[0].command


@pytest.mark.parametrize(
    ("ldflags", "text", "version"),
    [
        ("-X v=v1.2-3-gabc-dirty", "", ""),
        ("-X v=v1.2-3-gabc-dirty", 'version = "git"', ""),
        ("-X v=9", 'version = "git"', "9"),
        ("-X v=9", 'version = "1"', "9"),
    ],
)
def test_versions_come_from_the_caller_then_the_file_then_git(tmp_path, ldflags, text, version):
    spec = load(
        tmp_path, f'{text}\n[go]\nldflags = "-X v={{version}}"\n', Stamp("v1.2-3-gabc-dirty", "f" * 40), version
    )

    assert (ldflags, ldflags.removeprefix("-X v=")) == (spec.common.go.ldflags, spec.version)


def test_other_braces_are_left_alone(tmp_path):
    spec = load(tmp_path, "files = ['out/{arch}/x:/']\n[image]\nenv = { A = '{version}{}{x}' }", Stamp("1"))

    assert (("out/{arch}/x:/",), (("A", "1{}{x}"),)) == (spec.common.files, spec.common.image.env)


@pytest.mark.parametrize(
    ("message", "hint", "text"),
    [
        ("line 2: platform unknown key", "did you mean platforms?", "\nplatform_s = ['linux/amd64']"),
        ("line 3: image.stop_signal unknown key", "did you mean stop-signal?", "\n[image]\nstop_signal = 'x'"),
        ("line 1: platforms must be a list, not a string", "", "platforms = 'linux/amd64'"),
        ("line 2: platforms[1] must be a string, not a number", "", "\nplatforms = ['linux/amd64', 2]"),
        ("line 1: index must be true or false, not a number", "", "index = 1"),
        ("line 1: format must be one of auto, docker, oci, not 'ocl'", "did you mean oci?", "format = 'ocl'"),
        ("line 1: with[0] must be one of ca-certificates, zoneinfo, passwd, tmp, not 'certs'", "", "with = ['certs']"),
        ("line 1: platforms[0] unknown platform 'linux/x87'", None, "platforms = ['linux/x87']"),
        ("line 1: tags[0] ", None, "tags = ['app:a b']"),
        ("line 3: program[0] needs name", "", "\n\n[[program]]\npackage = 'x'"),
        ("line 2: program[0].name '../x' is not allowed here", "", "[[program]]\nname = '../x'"),
        ("line 3: program[1] goes to /bin/a, where another program goes already", "",
         "[[program]]\nname = 'a'\n[[program]]\nname = 'a'"),
        ("line 1: name and [[program]] cannot both be there", None, "name = 'x'\n[[program]]\nname = 'a'"),
        ('line 2: platform."linux/arm64" is not one of the platforms of this file', "add linux/arm64 to platforms",
         "platforms = ['linux/amd64']\n[platform.'linux/arm64']\nbase = 'x'"),
        ("line 2: go.ldflags uses {version}, but the version is not known here", None, "[go]\nldflags = '{version}'"),
        ("line 1: tags[0] uses {revision}, but the revision is not known here", None, "tags = ['a:{revision}']"),
        ("line 2: command.run must not be empty", "", "[command]\nrun = []"),
        ("line 2: go.env.A-B is not a name that is allowed here", "", "[go]\nenv = { A-B = '1' }"),
        ("line 1: version must be a string, not a date", "", "version = 2020-01-01"),
    ],
)  # fmt: skip
def test_errors_name_line_and_key(tmp_path, message, hint, text):
    said, hinted = refusal(tmp_path, text)

    assert message.replace("platform unknown", "platform_s unknown") in said
    assert said.startswith("line ")
    assert hint is None or hint == hinted


def test_all_errors_of_a_file_come_together(tmp_path):
    with pytest.raises(ExceptionGroup, match="has 2 errors") as refused:
        load(tmp_path, "platfroms = []\nindex = 'yes'")

    assert ["platfroms unknown key", "index must be true or false, not a string"] == [
        str(error).partition(": ")[2] for error in refused.value.exceptions
    ]


@pytest.mark.parametrize(
    ("has_files", "text"),
    [
        (False, "name = 'a'"),
        (True, "files = ['a:/']"),
        (True, "[platform.'linux/arm64']\nfiles = ['a:/']"),
        (False, "[platform.'linux/arm64']\nbase = 'b'"),
    ],
)
def test_files_of_one_platform_are_files(tmp_path, has_files, text):
    assert has_files == load(tmp_path, text).has_files


def test_stages_of_a_dockerfile(tmp_path):
    text = """
        version = "2"
        [stage.build]
        toolchain = "go"
        output = "/out/app"
        ldflags = "-X main.v={version}"
        [stage.0]
        toolchain = "command"
        run = ["make"]
        file = "out/{arch}"
        output = "/x"
    """

    build, first = load(tmp_path, text).stages

    assert ("build", "go", "/out/app", "-X main.v=2") == (
        build.name,
        build.toolchain,
        build.output,
        build.go.ldflags,
    )
    assert ({"toolchain", "output", "ldflags"}, "line 3: stage.build") == (build.said, build.at.partition(" ")[2])
    assert CommandOptions(("make",), "out/{arch}") == first.command


@pytest.mark.parametrize(
    ("key", "toolchain", "hint"),
    [
        ("run = ['x']", "go", "it is for command"),
        ("package = '.'", "command", "it is for go"),
        ("output = '/x'", "prebuilt", "it is for go, command, rust, c, make, cmake, autotools and meson"),
        ("source = 'x'", "prebuilt", "it is for go, command, rust, c, make, cmake, autotools and meson"),
    ],
)
def test_keys_of_a_stage_that_its_toolchain_does_not_know(tmp_path, key, toolchain, hint):
    said, hinted = refusal(tmp_path, f"[stage.b]\ntoolchain = '{toolchain}'\n{key}\n")

    assert (f"line 3: stage.b.{key.partition(' ')[0]} says nothing to {toolchain}", hint) == (said, hinted)


@pytest.mark.parametrize(
    ("toolchain", "needed"),
    [("command", "run with toolchain command"), ("prebuilt", "files, or with, for toolchain prebuilt")],
)
def test_what_a_stage_needs(tmp_path, toolchain, needed):
    said, _ = refusal(tmp_path, f"[stage.b]\ntoolchain = '{toolchain}'\n")

    assert f"line 1: stage.b needs {needed}" == said
