"""Names are the bytes of the file system, whatever the locale makes of them (K256)."""

import os
import shutil
import subprocess
import sys

import pytest

E_ACUTE = b"\xc3\xa9"
DOCKERFILE = (
    b"FROM scratch\nCOPY . /all/\nCOPY " + E_ACUTE + b" /f\nCOPY d" + E_ACUTE + b"/ /" + E_ACUTE + b"/\n"
    b"COPY *" + E_ACUTE + b" /matched/\n"
)
LOCALES = {
    "utf-8": {"LC_ALL": "C.UTF-8"},
    "ascii": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "iso8859-1": {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
}


@pytest.fixture(scope="module")
def locales(tmp_path_factory):
    """A folder of locales of this machine's making; None where it makes none that work."""
    folder = tmp_path_factory.mktemp("locales")
    maker = shutil.which("localedef")
    if maker is None:
        return None
    place = folder / "en_US.ISO-8859-1"
    subprocess.run([maker, "-i", "en_US", "-f", "ISO-8859-1", place], capture_output=True, check=False)
    environ = {"LOCPATH": str(folder), **LOCALES["iso8859-1"]}
    return folder if place.exists() and _encoding(environ) == "iso8859-1" else None


def _encoding(environ: dict[str, str]) -> str:
    """What a Python takes the names of files for."""
    probe = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"]
    return subprocess.run(probe, env=environ, capture_output=True, check=True, text=True).stdout.strip()


@pytest.fixture
def call(tmp_path, locales):
    """`call(encoding, *words)`: what a process in that locale prints."""

    def run(encoding: str, *words: "str | bytes") -> bytes:
        if encoding == "iso8859-1" and locales is None:
            pytest.skip("no localedef that makes en_US.ISO-8859-1")
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / f"home-{encoding}"),
            **({"LOCPATH": str(locales)} if locales else {}),
            **LOCALES[encoding],
        }
        assert encoding == _encoding(environ)
        done = subprocess.run(
            [sys.executable, "-m", "ocitool", *words], env=environ, capture_output=True, check=False, cwd=tmp_path
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout

    return run


@pytest.fixture
def context(tmp_path):
    """A folder of names that are UTF-8, and of one that is none."""
    root = os.fsencode(tmp_path / "ctx")
    os.makedirs(root + b"/d" + E_ACUTE)
    for name, data in ((E_ACUTE, b"x"), (b"caf\xe9", b"y"), (b"d" + E_ACUTE + b"/i", b"z")):
        with open(root + b"/" + name, "wb") as file:
            file.write(data)
    os.symlink(E_ACUTE, root + b"/link")
    with open(root + b"/Dockerfile", "wb") as file:
        file.write(DOCKERFILE)
    with open(root + b"/.dockerignore", "wb") as file:
        file.write(b"Dockerfile\n")
    return tmp_path / "ctx"


def digest(tmp_path, name: str) -> str:
    return (tmp_path / name / "index.json").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1"])
def test_k256_a_dockerfile_gives_the_same_bytes_in_every_locale(call, context, tmp_path, encoding):
    words = ("build", "ctx", "--platform", "linux/amd64")
    call("utf-8", *words, "-o", "oci:one:1")
    call(encoding, *words, "-o", "oci:two:1")

    assert digest(tmp_path, "one") == digest(tmp_path, "two")
    names = call("utf-8", "files", "oci:two:1").split(b"\n")
    assert {b"all/" + E_ACUTE, b"f", E_ACUTE + b"/i", b"matched/" + E_ACUTE} <= set(names)


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1"])
def test_k256_so_do_copy_rules(call, context, tmp_path, encoding):
    (context / "Dockerfile").unlink()
    rules = (E_ACUTE + b":/into/", b".:/all/", b"d" + E_ACUTE + b":/" + E_ACUTE)
    words = ("build", "ctx", "--toolchain", "prebuilt", "--platform", "linux/amd64")
    words = (*words, *(word for rule in rules for word in (b"--copy", rule)))
    call("utf-8", *words, "-o", "oci:one:1")
    call(encoding, *words, "-o", "oci:two:1")

    assert digest(tmp_path, "one") == digest(tmp_path, "two")
    assert b"x" == call(encoding, "cat", "oci:two:1", b"into/" + E_ACUTE)
    call(encoding, "export", "oci:two:1", "-o", "out")
    assert {b"caf\xe9", E_ACUTE} <= set(os.listdir(os.fsencode(tmp_path / "out" / "all")))
