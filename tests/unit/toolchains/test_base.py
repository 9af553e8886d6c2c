"""Targets, and what compilers may see of the environment."""

from pathlib import Path

import pytest

from ocitool.errors import UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import file_name, find_program, folder_name, passed, targets
from ocitool.toolchains.options import Program


def test_every_program_for_every_platform_has_an_output_of_its_own():
    platforms = [Platform.parse("linux/arm/v7"), Platform.parse("windows/amd64")]

    made = targets([Program("a"), Program("b", "./cmd/b")], platforms, Path("/src"), Path("/work"))

    assert [
        "/work/linux-arm-v7/a",
        "/work/linux-arm-v7/b",
        "/work/windows-amd64/a.exe",
        "/work/windows-amd64/b.exe",
    ] == [str(target.output) for target in made]
    assert "b for windows/amd64" == str(made[3])


def test_platforms_with_versions_have_plain_folders():
    assert "windows-10.0.20348.1-amd64" == folder_name(Platform.parse("windows(10.0.20348.1)/amd64"))


@pytest.mark.parametrize("name", ["", "..", "a/b", "-o", ".hidden", "a\nb", "x" * 200])
def test_names_that_are_no_file_names_are_refused(name):
    with pytest.raises(UsageError, match="not a program name"):
        Program(name)


def test_windows_programs_end_in_exe():
    assert "app.exe" == file_name(Program("app"), Platform.parse("windows/amd64"))
    assert "app" == file_name(Program("app"), Platform.parse("linux/amd64"))


def test_only_chosen_variables_pass():
    environ = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "x",
        "REGISTRY_TOKEN": "x",
        "LANG": "de_DE.UTF-8",
        "TZ": "Asia/Tokyo",
        "https_proxy": "http://proxy:1",
        "GIT_CONFIG_KEY_0": "url.x.insteadOf",
        "GOPROXY": "off",
    }

    assert {"PATH", "https_proxy", "GIT_CONFIG_KEY_0", "GOPROXY"} == passed(environ, ["GOPROXY"]).keys()


def test_programs_are_never_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "go").write_text("#!/bin/sh\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.chdir(tmp_path)

    assert find_program("go", {"PATH": ":.:relative"}) is None
    assert find_program("go", {}) is None
    assert tmp_path / "go" == find_program("go", {"PATH": f".:{tmp_path}"})
