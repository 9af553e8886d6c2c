"""cgo: a Go program with SQLite's C in it, for three platforms, static, by zig and nothing else."""

import os
import shutil
import subprocess

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.compilers import find_zig
from tests import peers
from tests.fakes.emulated import say

pytestmark = [pytest.mark.interop, pytest.mark.slow]
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
MAIN = """package main

import (
	"database/sql"
	"fmt"

	_ "github.com/mattn/go-sqlite3"
)

func main() {
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		panic(err)
	}
	var answer int
	if err := db.QueryRow("select sum(value) from (select 40 value union select 2)").Scan(&answer); err != nil {
		panic(err)
	}
	fmt.Println("sqlite says", answer)
}
"""


def test_sqlite_answers_on_every_platform(run, home):
    try:
        find_zig(os.environ)
        go = peers.find_go()
    except (Unsupported, peers.Missing) as missing:
        pytest.skip(str(missing))
    source = home / "answers"
    source.mkdir()
    (source / "main.go").write_text(MAIN)
    (source / "go.mod").write_text("module example.com/answers\n\ngo 1.22\n")
    (source / "ocitool.toml").write_text(
        '[go]\ncgo = true\nenv = { CGO_CFLAGS = "-O0" }\ntags = ["netgo", "osusergo", "sqlite_omit_load_extension"]\n'
    )
    fetched = subprocess.run(
        [go, "get", "github.com/mattn/go-sqlite3@v1.14.32"], cwd=source, capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        pytest.skip(f"go get: {fetched.stderr.strip().splitlines()[-1:]}")
    shutil.copytree(source, home / "other" / "answers")

    done = run("build", source, "--platform", ",".join(PLATFORMS), "-o", f"oci:{home}/img:1")
    again = run("build", home / "other" / "answers", "--platform", ",".join(PLATFORMS), "-o", f"oci:{home}/img:2")

    assert (0, 0) == (done.exit_code, again.exit_code), done.stderr + again.stderr
    assert done.stdout.rpartition("@")[2] == again.stdout.rpartition("@")[2]
    for platform in PLATFORMS:
        root = home / platform.replace("/", "-")
        assert 0 == run("export", f"oci:{home}/img:1", "--platform", platform, "-o", root).exit_code
        assert "sqlite says 42\n" == say(root, platform, "/bin/answers")
