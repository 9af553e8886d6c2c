"""Two users with homes, caches and folders of their own make the same bytes: C, C++, cgo and Rust (K140)."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ocitool.errors import Unsupported
from ocitool.toolchains.base import find_program
from ocitool.toolchains.compilers import find_zig
from tests.fakes.confined import NOBODY
from tests.fakes.unprivileged import unprivileged, why_not

pytestmark = [pytest.mark.interop, pytest.mark.slow]
GLIBC = '[compiler]\nlibc = "glibc"\n'
PROJECTS = {
    "c": {
        "main.c": "#include <assert.h>\nint main(int n, char **v) { assert(n == 1 && v[0]); return 0; }\n",
        "ocitool.toml": f"[c]\n{GLIBC}strip = false\n",
    },
    "c++": {
        "src/main.cpp": '#include <iostream>\nint main() { std::cout << __FILE__ << "\\n"; }\n',
        "ocitool.toml": "[c]\n",
    },
    "cgo": {
        "go.mod": "module example.com/app\n\ngo 1.22\n",
        "main.go": 'package main\n\n// static int answer(void) { return 42; }\nimport "C"\n\n'
        "func main() { println(int(C.answer())) }\n",
        "ocitool.toml": f"[go]\ncgo = true\n{GLIBC}",
    },
    "rust": {
        "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
        '[dependencies]\ninner = { path = "inner" }\n',
        "Cargo.lock": 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["inner"]\n\n'
        '[[package]]\nname = "inner"\nversion = "0.1.0"\n',
        "src/main.rs": 'fn main() { println!("{} {}", file!(), inner::place()); }\n',
        "inner/Cargo.toml": '[package]\nname = "inner"\nversion = "0.1.0"\nedition = "2021"\n',
        "inner/src/lib.rs": "pub fn place() -> &'static str { file!() }\n",
        "ocitool.toml": GLIBC,
    },
}  # fmt: skip
PLATFORMS = {"rust": "linux/amd64"}  # the standard library of others is seldom there


@pytest.fixture(scope="module")
def zig_of_other(tmp_path_factory):
    """What zig made of its own libraries takes minutes and no input of ours, so the other user gets a copy."""
    source = Path(os.environ["ZIG_GLOBAL_CACHE_DIR"])
    source.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ocitool-zig-") as place:
        os.chmod(place, 0o755)

        def copied() -> Path:
            shutil.copytree(
                source,
                Path(place, "zig"),
                ignore=shutil.ignore_patterns("tmp"),
                dirs_exist_ok=True,
                copy_function=_newer,
            )
            for path in (Path(place, "zig"), *Path(place, "zig").rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            return Path(place, "zig")

        yield copied


def _newer(source: str, target: str) -> str:
    """Copy what is not there yet: the second test and later ones find nearly all of it."""
    return target if os.path.exists(target) else shutil.copy2(source, target)


@pytest.fixture
def other():
    """A user without rights, or a skip that says why there is none."""
    if reason := why_not():
        pytest.skip(reason)
    with unprivileged() as user:
        yield user


def put(folder: Path, files: dict[str, str], *, backwards: bool = False) -> Path:
    for name in sorted(files, reverse=backwards):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(files[name])
        if backwards:
            os.utime(folder / name, (1_000_000_000, 1_000_000_000))
    return folder


@pytest.mark.parametrize("kind", PROJECTS)
def test_two_users_in_two_folders_make_one_digest(other, zig_of_other, ocitool, home, kind):
    paths = "/usr/bin:/bin" if kind == "rust" else os.environ["PATH"]  # a rustup in a closed home is another rustc
    needs = {"cgo": "go", "rust": "cargo"}.get(kind)
    try:
        find_zig(os.environ)
    except Unsupported as missing:
        pytest.skip(str(missing))
    if needs and find_program(needs, {"PATH": paths}) is None:
        pytest.skip(f"no {needs} in {paths} that every user may start")
    words = ("--platform", PLATFORMS.get(kind, "linux/amd64,linux/arm64"), "--index", "-o")
    mine = put(home / "some/where/app", PROJECTS[kind])
    theirs = put(other.app / "app", PROJECTS[kind], backwards=True)

    first = ocitool("build", mine, *words, f"oci:{home}/img", env={"PATH": paths}, timeout=900)
    env = {"PATH": paths, "ZIG_GLOBAL_CACHE_DIR": str(zig_of_other())}
    second = other("build", theirs, *words, f"oci:{other.home}/img", env=env, timeout=600)

    assert (0, 0) == (first.exit_code, second.exit_code), first.stderr + second.stderr
    digests = [done.stdout.split("@", 1)[1].split()[0] for done in (first, second)]
    assert digests[0] == digests[1]
