"""A user without rights who lacks a compiler, a network or a sysroot: one line that says so, and what to do."""

import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from ocitool.toolchains.base import find_program
from tests.fakes.confined import REPOSITORY, interpreter
from tests.fakes.unprivileged import Unprivileged, unprivileged, why_not

pytestmark = [pytest.mark.interop, pytest.mark.slow]
NO_NETWORK = ("unshare", "--net")
CRATE = '[package]\nname = "app"\nversion = "0.1.0"\n[dependencies]\nlibc = "0.2"\n'
MODULE = "module example.com/app\n\ngo 1.22\n\nrequire example.com/other v1.0.0\n"
SUM = f"example.com/other v1.0.0 h1:{'A' * 43}=\nexample.com/other v1.0.0/go.mod h1:{'A' * 43}=\n"
MAIN = 'package main\n\nimport "example.com/other"\n\nfunc main() { other.Do() }\n'


@pytest.fixture
def user():
    """Such a user, or a skip that says why there is none."""
    if reason := why_not():
        pytest.skip(reason)
    with unprivileged() as one:
        yield one


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


def without_compilers(user: Unprivileged) -> dict[str, str]:
    """A Python that has all packages but zig and Go, and a PATH without any compiler."""
    site = user.root / "site"
    site.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name != "go" and not path.name.startswith("ziglang"):
            (site / path.name).symlink_to(path)
    (user.root / "only").mkdir()
    (user.root / "only/setpriv").symlink_to(shutil.which("setpriv") or "/nowhere")  # what starts the user's process
    return {"PYTHONPATH": f"{REPOSITORY}:{site}", "PATH": str(user.root / "only")}


def told(done) -> tuple[str, str]:
    """The line of the error and that of its hint, of which there is one each."""
    lines = done.stderr.splitlines()
    (error,), (hint,) = ([line for line in lines if line.startswith(word)] for word in ("error: ", "hint: "))
    return error, hint


@pytest.mark.parametrize(
    ("files", "error", "hint"),
    [
        ({"main_c": "int main(void) { return 0; }\n"}, "zig is not installed", "pip install 'ocitool[zig]'"),
        ({"Makefile": "all:\n"}, "no C compiler: zig is not installed", "pip install 'ocitool[zig]'"),
        ({"Cargo_toml": CRATE, "src__main_rs": "fn main() {}\n"}, "no cargo on PATH", "install Rust by rustup"),
        ({"go_mod": MODULE, "main_go": MAIN}, "no go compiler on PATH", "pip install 'ocitool[go]'"),
    ],
    ids=["c", "make", "rust", "go"],
)  # fmt: skip
def test_without_a_compiler_it_is_exit_9_and_the_install_line(user, files, error, hint):
    put(user.app, **files)

    done = user(
        "build", ".", "--platform", "linux/arm64", "-o", f"oci:{user.home}/img", env=without_compilers(user)
    )

    assert 9 == done.exit_code, done.stderr
    lines = told(done)
    assert error in lines[0]
    assert hint in lines[1]
    assert not (user.home / "img").exists()


@pytest.mark.parametrize(
    ("sysroot", "code", "error", "hint"),
    [
        ('path = "sysroots/{arch}"', 9, "no sysroot", 'packages = ["NAME-dev"]'),
        ('packages = ["zlib1g-dev"]', 5, "cannot make the sysroot of linux/arm64", "this machine's apt sources"),
        ('image = "registry.example/debian"', 5, "registry.example", ""),
    ],
    ids=["path", "packages", "image"],
)  # fmt: skip
def test_without_a_sysroot_or_the_network_to_fetch_one(user, sysroot, code, error, hint):
    if "packages" in sysroot and shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    put(user.app, main_c="int main(void) { return 0; }\n", ocitool_toml=f"[c]\n[sysroot]\n{sysroot}\n")

    words = ("build", ".", "--platform", "linux/arm64", "-o", f"oci:{user.home}/img")
    done = user(*words, around=NO_NETWORK)

    assert code == done.exit_code, done.stderr
    lines = told(done)
    assert error in lines[0]
    assert hint in lines[1]
    assert not (user.home / "img").exists()


@pytest.mark.parametrize(
    ("program", "files", "hint"),
    [
        ("go", {"go_mod": MODULE, "go_sum": SUM, "main_go": MAIN}, "go mod vendor"),
        ("cargo", {"Cargo_toml": CRATE, "src__main_rs": "fn main() {}\n", "ocitool_toml": '[compiler]\nlibc = "glibc"\n'}, "cargo vendor"),
    ],
    ids=["go", "rust"],
)  # fmt: skip
def test_what_a_compiler_cannot_fetch_is_no_compile_error(user, program, files, hint):
    paths = "/usr/bin:/bin" if program == "cargo" else os.environ["PATH"]
    if find_program(program, {"PATH": paths}) is None:
        pytest.skip(f"no {program} in {paths} that every user may start")
    put(user.app, **files)
    env = {"PATH": paths, "GOPROXY": "https://modules.example", "CARGO_NET_RETRY": "0"}

    done = user("build", ".", "--platform", "linux/amd64", "-o", f"oci:{user.home}/img", around=NO_NETWORK, env=env)

    assert 5 == done.exit_code, done.stderr
    error = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert f"cannot compile app for linux/amd64: {program} cannot fetch what it needs" in error
    assert hint in done.stderr
    assert interpreter()[0] not in done.stderr
