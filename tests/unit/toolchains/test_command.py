"""Any command as a toolchain."""

from pathlib import Path

import pytest

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import Target
from ocitool.toolchains.command import CommandToolchain, command_environ, find_command
from ocitool.toolchains.options import CommandOptions, Program

TARGET = Target(Program("app"), Platform.parse("linux/arm/v6"), Path("/src"), Path("/work/linux-arm-v6/app"))


def test_target_is_in_environment_and_placeholders():
    options = CommandOptions(("make", "{os}/{arch}{variant}", "-o", "{output}"), env=(("V", "1"), ("GOARM", "7")))

    job = CommandToolchain(options, "/bin/make", (("PATH", "/bin"),)).plan(TARGET)

    assert ("/bin/make", "linux/armv6", "-o", "/work/linux-arm-v6/app") == job.argv
    assert {
        "PATH": "/bin", "V": "1",
        "OCITOOL_PLATFORM": "linux/arm/v6", "OCITOOL_OS": "linux", "OCITOOL_ARCH": "arm", "OCITOOL_VARIANT": "v6",
        "OCITOOL_PROGRAM": "app", "OCITOOL_OUTPUT": "/work/linux-arm-v6/app",
        "TARGETPLATFORM": "linux/arm/v6", "TARGETOS": "linux", "TARGETARCH": "arm", "TARGETVARIANT": "v6",
        "GOOS": "linux", "GOARCH": "arm", "GOARM": "6",
    } == job.env  # fmt: skip
    assert (True, True, (Path("/work/linux-arm-v6/app"),)) == (job.is_fresh, job.is_exclusive, job.outputs)


def test_a_named_output_is_the_projects_own():
    job = CommandToolchain(
        CommandOptions(("make",), "out/{os}-{arch}{variant}/app", is_parallel=True), "/bin/make"
    ).plan(TARGET)

    assert ((Path("/src/out/linux-armv6/app"),), False, False) == (job.outputs, job.is_fresh, job.is_exclusive)
    assert "/src/out/linux-armv6/app" == job.env["OCITOOL_OUTPUT"]


@pytest.mark.parametrize("output", ["/abs/app", "../app", "a/../../b", "."])
def test_outputs_stand_in_the_project(output):
    with pytest.raises(UsageError, match="stands in the project"):
        CommandToolchain(CommandOptions(("make",), output), "/bin/make").plan(TARGET)


def test_platforms_that_go_does_not_know_have_no_go_variables():
    target = Target(Program("app"), Platform("linux", "sparc64"), Path("/src"), Path("/work/app"))

    assert "GOOS" not in CommandToolchain(CommandOptions(("make",)), "/bin/make").plan(target).env


def test_no_command_is_a_usage_error():
    with pytest.raises(UsageError, match="no command to make app for linux/arm/v6"):
        CommandToolchain(CommandOptions(), "").plan(TARGET)


def test_variables_pass_only_by_name():
    environ = {"PATH": "/bin", "CC": "gcc", "TOKEN": "x"}

    assert (("CC", "gcc"), ("PATH", "/bin")) == command_environ(environ, CommandOptions(passed=("CC",)))


def test_a_command_that_is_not_there_is_named(tmp_path):
    (tmp_path / "build.sh").write_text("#!/bin/sh\n")

    assert str(tmp_path / "build.sh") == find_command(CommandOptions(("./build.sh",)), tmp_path, {})
    for name in ("./gone.sh", "no-such-tool"):
        with pytest.raises(Unsupported, match=f"the command {name} is not there"):
            find_command(CommandOptions((name,)), tmp_path, {"PATH": "/bin"})


def test_a_command_that_is_not_named_is_not_looked_for(tmp_path):
    assert "" == find_command(CommandOptions(()), tmp_path, {"PATH": "/nowhere"})
