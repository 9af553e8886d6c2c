"""Contexts on standard input and at URLs: archives, and Dockerfiles alone."""

import bz2
import gzip
import io
import lzma
import os
import tarfile

import pytest
import zstandard

from ocitool.dockerfile.request import DOCKERFILE_LIMIT
from tests.fakes.built import built

DOCKERFILE = b"FROM scratch\nCOPY . /all/\nCOPY d/f /f\n"


def tar(files, **more) -> bytes:
    """A tar of names and contents, owned by 5:6; `more` are links and their targets."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.gid, info.mode = len(data), 5, 6, 0o640
            archive.addfile(info, io.BytesIO(data))
        for name, target in more.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


CONTEXT = tar({"Dockerfile": DOCKERFILE, "d/f": b"a file\n", ".dockerignore": b"d\n"}, link="d/f")


def holes(size: int) -> bytes:
    """A tar with a Dockerfile and a file of that size, of which one byte is there."""
    sparse = {"major": "1", "minor": "0", "name": "f", "realsize": str(size)}
    out = io.BytesIO(tar({"Dockerfile": DOCKERFILE}))
    with tarfile.open(fileobj=out, mode="a", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("f")
        info.size, info.pax_headers = 513, {f"GNU.sparse.{key}": value for key, value in sparse.items()}
        archive.addfile(info, io.BytesIO(b"1\n0\n1\n".ljust(512, b"\0") + b"x"))
    return out.getvalue()


@pytest.fixture
def send(home, run, monkeypatch):
    """`send(b"...", "-f", "x")`: a context on standard input, or at the URL `path`."""
    monkeypatch.chdir(home)

    def call(data, *flags, path="-"):
        words = ("--platform", "linux/amd64", "-o", "oci:img:1", *flags)
        return run("buildx", "build", *words, path, stdin=data)

    return call


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CONTEXT, "standard input is an archive, and -f - says that it is the Dockerfile"),
        (b"FROM scratch\n" + b"#\n" * (DOCKERFILE_LIMIT // 2), "has more than"),
    ],
    ids=["archive", "long"],
)
def test_a_dockerfile_on_standard_input_is_a_short_text(send, home, data, said):
    done = send(data, "-f", "-", path=".")

    assert (2, True) == (done.exit_code, said in done.stderr), done.stderr
    assert not (home / "img").exists()


@pytest.mark.parametrize(
    "packed", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress]
)
def test_an_archive_on_standard_input(home, send, packed):
    """As in BuildKit: with the archive's owners and modes, and all that is in it."""
    image = built(home, send(packed(CONTEXT)))

    assert b"a file\n" == image.data("f") == image.data("all/d/f")
    assert ("FILE", "0o640", "5:6") == image.files()["f"]
    assert ("DIRECTORY", "0o755", "0:0") == image.files()["all/d"]
    assert "SYMLINK" == image.files()["all/link"][0]
    assert "all/.dockerignore" in image.files()
    assert [] == list((home / ".cache/ocitool/work").iterdir())


def test_an_archive_at_a_url(home, send, web):
    image = built(home, send(b"", path=web.put("/x.tgz", gzip.compress(CONTEXT))))

    assert b"a file\n" == image.data("f")


def test_a_dockerfile_at_a_url(home, send, web):
    image = built(home, send(b"", path=web.put("/Dockerfile.txt", b"FROM scratch\nCMD x\n")))
    none = send(b"", path=web.put("/D", b"FROM scratch\nCOPY x /\n"))

    assert ["/bin/sh", "-c", "x"] == image.config["config"]["Cmd"]
    assert (3, True) == (none.exit_code, "/D:2: no x in the context" in none.stderr)


def test_a_dockerfile_of_another_name_in_it(home, send):
    data = tar({"sub/D": b"FROM scratch\nCOPY sub/D /here\n"}, Dockerfile="sub/D")

    for flags in ((), ("-f", "sub/D"), ("-f", "./sub/../sub/D"), ("-f", "/../sub/D")):
        assert b"FROM scratch" in built(home, send(data, *flags)).data("here")


@pytest.mark.parametrize(
    ("code", "said", "data", "flags"),
    [
        (3, "no Dockerfile in the archive of standard input", tar({"x": b""}), ()),
        (3, "no Dockerfile in the archive", tar({}, Dockerfile="/etc/passwd"), ()),
        (3, "no Dockerfile in the archive", tar({}, Dockerfile="../../../../../../../../etc/passwd"), ()),
        (3, "no etc/passwd in the archive", CONTEXT, ("-f", "/etc/passwd")),
        (6, "leads out of", tar({"../Dockerfile": DOCKERFILE}), ()),
        (6, "in the archive of standard input", CONTEXT[:540], ()),
        (6, "in the archive of standard input", gzip.compress(CONTEXT, mtime=0)[:100], ()),
        (6, "too many symbolic links", tar({}, Dockerfile="Dockerfile"), ()),
        (2, "is compressed, and holds no tar", gzip.compress(b"no tar", mtime=0), ()),
        (2, "Dockerfile has more than", tar({"Dockerfile": b"#" * 8_400_000}), ()),
        (2, "has more than", b"#" * 8_400_000, ()),
        (2, "say --allow-sparse", holes(1 << 45), ()),
        (2, "-f names another", b"FROM scratch\n", ("-f", "x")),
        (2, "Dockerfile of standard input:1: ", tar({"Dockerfile": b"FORM x\n"}), ()),
        (9, "RUN needs a process", tar({"Dockerfile": b"FROM scratch\nRUN x\n"}), ()),
    ],
)
def test_what_cannot_be_a_context(home, send, code, said, data, flags):
    done = send(data, *flags)

    assert (code, True) == (done.exit_code, said in done.stderr), done.stderr
    assert not (home / "img").exists() or not list((home / "img").glob("blobs/*/*"))


def test_a_spec_in_an_archive_is_not_read(home, send):
    """Whoever sends an archive starts no program here."""
    spec = b'tags = ["reg.test/x:1"]\n[stage.b]\ntoolchain = "command"\nrun = ["touch", "ran"]\noutput = "/x"\n'
    text = b"FROM scratch AS b\nCOPY d/f /x\nFROM scratch\nCOPY --from=b /x /x\n"
    data = tar({"Dockerfile": text, "ocitool.toml": spec, "d/f": b"y"})
    (home / "mine.toml").write_bytes(spec)

    assert b"y" == built(home, send(data)).data("x")
    named = send(data, "--spec", "mine.toml")
    assert (9, True) == (named.exit_code, "unpack the archive" in named.stderr)
    assert not list(home.rglob("ran"))


def test_urls_that_are_refused(send, web):
    """No password is sent, and none is told."""
    url = web.put("/x.tar", CONTEXT)

    told = send(b"", path=url.replace("://", "://user:secret@"))
    gone = send(b"", path=url + "/none")
    twice = send(b"FROM scratch\n", "-f", "-", path=url)

    assert (2, True, False) == (told.exit_code, "curl" in told.stderr, "secret" in told.stderr)
    assert (3, True) == (gone.exit_code, "is the address right?" in gone.stderr)
    assert 2 == twice.exit_code
    assert ["/x.tar/none"] == [path for path, *_ in web.asked]


@pytest.mark.parametrize(
    ("hint", "path"),
    [
        ("git clone --branch v1 -- https://git.test/a/b.git, and name b/sub", "https://git.test/a/b.git#v1:sub"),
        ("git clone -- https://github.com/a/b, and name b", "github.com/a/b"),
        ("git clone -- git@git.test:a/b.git, and name b", "git@git.test:a/b.git"),
        ("git clone --branch ';x' -- git://git.test/b, and name b", "git://git.test/b#;x"),
        ("git clone -- https://git.test/b.git, and name b", "https://user:secret@git.test/b.git"),
    ],
)
def test_git_is_left_to_git(send, hint, path):
    done = send(b"", path=path)

    assert (9, f"hint: {hint}") == (done.exit_code, done.stderr.splitlines()[-2])
    assert "secret" not in done.stderr


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_what_may_never_end_is_not_read(home, ocitool, name):
    """A pipe that nobody writes into, under a name that nobody said."""
    (home / "Dockerfile").write_bytes(b"FROM scratch\n")
    (home / name).unlink(missing_ok=True)
    os.mkfifo(home / name)

    done = ocitool("buildx", "build", ".", timeout=30)

    assert (2, f"error: {name} is no regular file") == (done.exit_code, done.stderr.splitlines()[0])


def test_a_device_is_read_up_to_a_limit(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "zero").symlink_to("/dev/zero")

    done = run("buildx", "build", "-f", "zero", ".")

    assert (2, True) == (done.exit_code, "zero has more than 8388608 bytes" in done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("x" * 5000,),
        (".", "-f", "x" * 5000),
        (".", "--build-context", f"c={'x' * 5000}"),
        (".", "-o", f"type=tar,dest={'x' * 5000}"),
    ],
)
def test_names_that_are_too_long_are_told(home, run, monkeypatch, words):
    monkeypatch.chdir(home)
    (home / "Dockerfile").write_bytes(b"FROM scratch\n")

    done = run("buildx", "build", *words)

    assert (10, True) == (done.exit_code, "file name too long" in done.stderr)


def test_a_stage_is_not_compiled_in_an_archive(home, run, monkeypatch):
    """What `ocitool.toml` compiles needs the folder, and an archive has none."""
    monkeypatch.chdir(home)
    (home / "spec.toml").write_text('[stage.a]\ntoolchain = "go"\noutput = "/x"\n')
    data = tar({"Dockerfile": b"FROM scratch AS a\nCOPY d /\nFROM scratch\nCOPY --from=a /x /\n", "d/f": b""})

    refused = run("build", "-", "--spec", "spec.toml", "--platform", "linux/amd64", "-o", "oci:img:1", stdin=data)

    assert 9 == refused.exit_code
    assert "spec.toml line 1: stage.a compiles in the folder of the context, and there is none" in refused.stderr
    assert "unpack the archive" in refused.stderr
