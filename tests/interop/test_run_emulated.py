"""RUN by emulation gives what it gives natively, but for the programs: the Dockerfiles that BuildKit is compared by.

One build makes both platforms, so what the two have in common is the test's expectation and no file of it.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from tests import peers
from tests.interop.run_dockerfiles import CASES
from tests.interop.run_world import executor_or_skip
from tests.interop.sidebyside import EPOCH, Case, File, Seen, difference, make_context, make_folders, seen_in
from tests.interop.test_run import write
from tests.peers import debian

pytestmark = pytest.mark.interop
PLATFORMS = ("linux/amd64", "linux/arm64")
WORDS = {"aarch64": "x86_64", "arm64": "amd64"}
NOTES = ("var/lib/dpkg/", "var/lib/apt/", "etc/ld.so.cache")
BRIEF = (
    "heredoc of a script",
    "environment of a user",
    "users",
    "privileges",
    "programs that are root's",
    "a folder made again",
    "renames",
    "owners",
    "setuid, setgid and sticky",
    "hard links of the base",
    "capabilities",
    "copied from a stage that ran",
    "bind of a stage",
    "secrets",
    "dpkg",
)
"""What is tried each time; `make long` tries all."""


def common(content: bytes) -> str:
    """What is said of a file: of a program only that it is one, and platforms by one name."""
    if content[:4] == b"\x7fELF":
        return "a program"
    text = one_name(content.decode("utf-8", "replace"))
    return text if len(text) < 1000 else hashlib.sha256(text.encode()).hexdigest()


def one_name(text: str) -> str:
    """The text with the names of one platform for those of the other."""
    for one, other in WORDS.items():
        text = text.replace(one, other)
    return text


def layer(seen: Seen, number: int) -> dict[str, File]:
    """The files of a layer; what dpkg, apt and ldconfig note of packages is of each platform's own."""
    return {
        one_name(path): replace(file, digest="", names=())
        if path.startswith(NOTES)
        else replace(file, names=tuple(map(one_name, file.names)))
        for path, file in seen.layers[number].items()
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    executor_or_skip()
    root = tmp_path_factory.mktemp("emulated")
    try:
        peers.find("qemu-aarch64-static")
        for name, make in {"box": debian.busybox, "deb": debian.system}.items():
            debian.put(LayoutStore(root / name, create=True), "1", [make(platform) for platform in PLATFORMS])
        (root / "repo").mkdir()
        for platform in PLATFORMS:
            (root / "repo" / platform.rpartition("/")[2]).symlink_to(debian.repository(platform))
    except peers.Missing as missing:
        pytest.skip(str(missing))
    make_context(root / "context")
    make_folders(root)
    return root


def built(place: Path, case: Case, run, to: Path) -> list[Seen]:
    """The images of both platforms."""
    words: list[object] = [place / "context", "--format", "oci", "-o", f"oci:{to}:1", *case.own]
    words += ["--cache-dir", place / "store", "--no-cache", *(["--target", case.target] if case.target else [])]
    for name in ("box", "deb"):
        words += ["--build-context", f"{name}=oci-layout://{place / name}:1"]
    words += ["--build-context", f"extra={place / 'extra'}"]
    for name, value in case.args.items():
        words += ["--build-arg", f"{name}={value}"]
    for name in case.secrets:
        words += ["--secret", f"id={name},src={place / name}"]
    found = []
    for platform in PLATFORMS:
        repository = place / "repo" / platform.rpartition("/")[2]
        outcome = run("build", *words, "--build-context", f"repo={repository.resolve()}", "--platform", platform)
        assert 0 == outcome.exit_code, outcome.stderr
        found.append(seen_in(LayoutStore(to), platform, common))
    return found


@pytest.mark.parametrize(
    "name",
    [name if name in BRIEF else pytest.param(name, marks=pytest.mark.long) for name in CASES],
)
def test_what_is_emulated_is_what_is_native(name, place, run, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))
    monkeypatch.delenv("OCITOOL_NO_RUN", raising=False)
    write(place, place / "context", CASES[name])

    native, emulated = built(place, CASES[name], run, tmp_path / "out")

    assert len(native.layers) == len(emulated.layers)
    # The base is the test's own, and of each platform's packages.
    for number in range(1, len(native.layers)):
        assert {} == difference(layer(native, number), layer(emulated, number)), number
    assert {} == difference(native.config, json.loads(one_name(json.dumps(emulated.config))))
