"""No secret leaves by any door: output, errors, files, process lists, requests to other hosts."""

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ocitool import Client
from ocitool.cli.table import COMMANDS as TABLE
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.registry.hosts import Access
from ocitool.sign.keys import read_private
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.tokens import TokenServer, put_behind
from tests.fault.conftest import named
from tests.fault.test_resume import BLOB, Dying, Killed

USER, PASSWORD = "hello", "opensesame"
FORMS = [PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()]

# {} is the repository, {host} the registry; each line of a command's words is run in turn, in one home.
COMMANDS = """
login {host} -u hello --password-stdin
inspect {}:v1
inspect {}:absent
inspect {}:v1 --json
digest {}:v1
tags {}
copy {}:v1 {}:v2
copy {}:v1 oci:out:v1
copy oci:out:v1 {}:v4
tag {}:v1 v3
inspect {}:v1 --html inspect.html
diff {}:v1 {}:v1 --html diff.html
check {}:v1 --html check.html
repair {}:v1
files {}:v1
cat {}:v1 /absent
export {}:v1 -o exported
build --toolchain prebuilt --platform linux/amd64 --copy prog:/bin/ --allow-foreign-arch -t {}:b --push
build --toolchain prebuilt --platform linux/amd64 --copy prog:/bin/ --allow-foreign-arch -t {}:c
buildx create --use --name b
buildx use b
buildx inspect b --bootstrap
buildx ls
buildx build -f Dockerfile --platform linux/amd64 -t {}:d --push context
buildx bake -f bake.json --push
buildx imagetools create -t {}:g {}:v1
buildx imagetools inspect {}:v1
buildx stop b
buildx rm b
buildx version
buildx prune --force
run --rm --privileged tonistiigi/binfmt --install all
push {}:c
images
index create {}:all {}:v1
merge {}:merged {}:v1
index annotate {}:all --annotation a=b
config edit {}:all --label a=b
config get {}:v1
squash {}:all
recompress {}:all --compression zstd
append {}:all --copy prog:/srv/ --allow-foreign-arch
strip {}:all /srv/prog
base status {}:v1 {}:all --base {}:v1
verify-build {}:b . --toolchain prebuilt --copy prog:/bin/ --allow-foreign-arch
base lock . -f Dockerfile --platform linux/amd64
rebase {}:all --old-base {}:v1 --new-base {}:v1 --force
index add {}:all {}:b
index order {}:all
index filter {}:all --platform linux/amd64
index flatten {}:all
index convert {}:all --format docker
index remove {}:all --platform linux/arm64
manifest create {}:list {}:v1
manifest annotate {}:list {}:v1 --os linux
manifest inspect {}:v1
manifest push {}:list
manifest rm {}:list
manifest get {}:v1
manifest put {}:put list.json
blob put {} prog
blob head {}@sha256:a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf
blob get {}@sha256:a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf
catalog {host}
delete {}:put
prune {} --keep v1 --keep-last 2
sbom {}:v1
artifact push {}:files prog
artifact list {}:files
artifact pull {}:files -o pulled
key generate -o new --password-from env:KEY_PASSWORD
key public new.key --password-from env:KEY_PASSWORD
sign {}:v1 --key new.key --password-from env:KEY_PASSWORD --form both
verify {}:v1 --key new.pub
attach {}:v1 prog --artifact-type text/x-report
referrers {}:v1
detach {}:v1 sha256:0000000000000000000000000000000000000000000000000000000000000000
index annotate {}:all --annotation c=d --resign new.key --password-from env:KEY_PASSWORD
config edit {}:all --label c=d --resign new.key --password-from env:KEY_PASSWORD
copy {}:v1 {}:v5 --verify-key new.pub
buildx build -f Dockerfile -t {}:e --push context --sign-key new.key --password-from env:KEY_PASSWORD
push {}:c --sign-key new.key --password-from env:KEY_PASSWORD
sync sync.toml
undo {}:all
doctor --registry {}
doctor --registry {host}
explain 5
init . --dry-run
schema
completion bash
cache prune
logout {host}
"""


def commands(registry) -> list[list[str]]:
    lines = COMMANDS.replace("{}", f"{registry.host}/app").replace("{host}", registry.host)
    return [line.split() for line in lines.split("\n") if line]


def test_every_command_is_looked_at():
    said = [line.replace("{}", "x") for line in COMMANDS.split("\n")]

    assert [] == [
        c.path for c in TABLE if not any(line.startswith(f"{c.path} ") or line == c.path for line in said)
    ]


TROUBLE = {
    "none": lambda storage: [],
    "refused": lambda storage: [Fault("* /v2/app/*", status=403, body=b'{"errors":[{"code":"DENIED"}]}', times=-1)],
    "failing": lambda storage: [Fault("* /v2/app/*", status=507, body=b"<html>oops</html>", times=-1)],
    "moved": lambda storage: [
        Fault("GET /v2/app/*", status=307, headers={"Location": f"http://{storage.host}/x?sig=1"}, times=-1),
        Fault(
            "POST *", status=202, headers={"Location": f"http://{storage.host}/v2/app/blobs/uploads/u"}, times=-1
        ),
    ],
    "reset": lambda storage: [Fault("GET /v2/app/manifests/v1", reset=True)],
}


@pytest.fixture
def logged_in(home):
    """A registry with an image behind a token server, a user with a password, and a storage host."""
    with fake_registry() as registry, fake_registry() as elsewhere, fake_registry() as storage:
        server = TokenServer()
        elsewhere.token_server = server.answer
        with Opener(Access(), Scope()) as opener:
            put_image(opener.open(f"{registry.host}/app", write=True)[0], "v1", "linux/amd64", layers=[b""])
        put_behind(registry, server, f"http://{elsewhere.host}/token")
        folder = home / ".docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": FORMS[1]}}}))
        yield registry, server, storage


def secrets(server) -> list[str]:
    return [*FORMS, *server.tokens]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_command_shows_a_secret(logged_in, run, home, trouble, monkeypatch):
    registry, server, storage = logged_in
    monkeypatch.chdir(home)
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    (home / "prog").write_bytes(b"#!/bin/sh\n")
    (home / "list.json").write_bytes(compose.index(Family.OCI, ()).raw)
    places = f'source = "{registry.host}/app:v1"\ntargets = ["{registry.host}/app"]\n'
    (home / "sync.toml").write_text(f"[[sync]]\n{places}")
    (home / "context").mkdir()
    (home / "Dockerfile").write_text(f"FROM {registry.host}/app:v1\nLABEL a=b\n")
    (home / "bake.json").write_text(f'{{"target": {{"default": {{"tags": ["{registry.host}/app:f"]}}}}}}')
    said, worked = [], 0
    for command in commands(registry):
        registry.faults = TROUBLE[trouble](storage)
        done = run(*command, "--verbose", stdin=PASSWORD.encode() + b"\n")
        said.append(done.stdout + done.stderr)
        assert "internal error" not in done.stderr, command
        assert [] == [
            place for place in files(home) if any(s.encode() in place.read_bytes() for s in secrets(server))
        ]
        worked += done.exit_code in {0, 1}

    text = "\n".join(said)
    assert server.tokens
    assert [] == [secret for secret in secrets(server) if secret in text]
    assert [] == [request.path for request in storage.log if "authorization" in request.headers]
    assert (
        trouble != "none" or worked >= len(commands(registry)) - 6
    )  # absent names and digests, and edits that cannot be


class Held:
    """What of a private key and its password may be nowhere but in its file: the file's lines, the number itself."""

    def __init__(self, file: Path) -> None:
        key = read_private(file.read_bytes(), PASSWORD, "new.key").key
        number = key.private_numbers().private_value
        raw = number.to_bytes(32, "big")
        self.words = [raw, base64.b64encode(raw), raw.hex().encode(), str(number).encode(), PASSWORD.encode()]
        self.words += file.read_bytes().splitlines()[1:-1]

    def found(self, places: Mapping[str, bytes]) -> list[str]:
        """The places that have it, as they are or in a compressed layer."""
        return [
            place for place, data in places.items() if any(one in data or one in plain(data) for one in self.words)
        ]


def plain(data: bytes) -> bytes:
    """What a compressed layer holds; nothing for anything else."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else b""


def left(home: Path, registry, said) -> dict[str, bytes]:
    """Everything that commands left behind but the key's own file: files, output, what was sent."""
    places = {str(path): path.read_bytes() for path in files(home) if path.name not in {"new.key", "password"}}
    places |= {f"output {n}": (one.stdout + one.stderr).encode() for n, one in enumerate(said)}
    bodies = [body for _, body in registry.manifests.values()] + list(registry.blobs.values())
    return places | {f"upload {n}": body for n, body in enumerate(bodies)}


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_no_private_key_is_left_anywhere_but_in_its_file(run, home, monkeypatch, is_encrypted):
    """Neither its file's bytes nor the secret number itself; in no output, cache, backup or layer."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    how = ("--password-from", "env:KEY_PASSWORD") if is_encrypted else ()
    words = how or ("--unencrypted",)
    with fake_registry() as registry:
        name, index = f"{registry.host}/app:v1", f"{registry.host}/app:all"
        with Opener(Access(), Scope()) as opener:
            put_image(opener.open(name, write=True)[0], "v1", "linux/amd64", layers=[b""])
        said = [run("key", "generate", "-o", "new", *words, "--verbose")]
        for command in (
            ("key", "public", "new.key", *how),
            ("sign", name, "--key", "new.key", *how, "--form", "both", "--dry-run", "--json"),
            ("sign", name, "--key", "new.key", *how, "--form", "both", "--json"),
            ("sign", name, "--key", "new.key", "--password-from", "env:HOME", "--json"),
            ("sign", name, "--key", "new.key", "--password-from", PASSWORD),
            ("verify", name, "--key", "new.pub", "--json"),
            ("verify", name, "--key", "new.key"),
            ("copy", name, "oci:out:1", "--verify-key", "new.pub"),
            ("copy", name, "oci:out:2", "--verify-key", "new.key"),
            ("index", "create", index, name),
            ("index", "annotate", index, "--annotation", "a=b", "--resign", "new.key", *how, "--json"),
            (
                "index",
                "annotate",
                index,
                "--annotation",
                "a=c",
                "--resign",
                "new.key",
                "--password-from",
                "env:HOME",
            ),
            ("undo", name),
        ):
            said.append(run(*command, "--verbose"))
        places = left(home, registry, said)

    assert 0o600 == (home / "new.key").stat().st_mode & 0o777
    assert [0] * 4 == [one.exit_code for one in said[:4]], [one.stderr for one in said]
    assert [] == Held(home / "new.key").found(places)


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_no_private_key_is_in_what_is_built_and_signed(run, home, monkeypatch, is_encrypted):
    """Where everything in the folder is copied, and the key and its password are in that."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    how = ("--password-from", "file:context/password") if is_encrypted else ()
    (home / "context").mkdir()
    (home / "context" / "password").write_text(PASSWORD)
    if not is_encrypted:
        (home / "context" / "password").unlink()
    (home / "context" / "hello").write_text("hello")
    (home / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    key, words = "context/new.key", ("--platform", "linux/amd64")
    sign, beside = ("--sign-key", key, *how), ("--sbom", "--provenance", "--attest-form", "referrers")
    with fake_registry() as registry:
        name = f"{registry.host}/app"
        by_digest = f"type=image,name={name},push-by-digest=true,push=true"
        copied = ("--toolchain", "prebuilt", "--copy", ".:/", *words)
        said = [run("key", "generate", "-o", "context/new", *(how or ("--unencrypted",)), "--verbose")]
        for command in (
            ("build", "context", "-f", "Dockerfile", *words, "-t", f"{name}:1", "--push", *beside, *sign, "--json"),
            ("build", "context", *copied, "-t", f"{name}:2", "--push", "--sbom", "--provenance", *sign),
            ("buildx", "build", "context", "-f", "Dockerfile", *words, "-o", by_digest, *sign),
            (
                "build",
                "context",
                *copied,
                "-o",
                "oci:out:1",
                "-o",
                "oci-archive:a.tar",
                *sign,
                "--compression",
                "none",
            ),
            ("build", "context", *copied, "-t", f"{name}:3", *sign, "--push", "--dry-run"),
            (
                "build",
                "context",
                *copied,
                "-t",
                f"{name}:4",
                "--push",
                "--sign-key",
                key,
                "--password-from",
                "env:HOME",
            ),
            ("build", "context", *copied, "--copy", "new.key:/", "-t", f"{name}:4", "--push", *sign),
        ):
            said.append(run(*command, "--verbose"))
        (home / "context" / "password").unlink(missing_ok=True)  # a program says its password, and no file of it
        with Client() as client:
            built = client.build("context", toolchain="prebuilt", copy=".:/", sign_keys=key, password=PASSWORD)
            client.push(built, f"{name}:5")
            shown = [repr(built), repr(built.plan), repr(built.plan.request.trust)]
        places = left(home, registry, said) | {f"shown {n}": text.encode() for n, text in enumerate(shown)}

    layers = b"".join(map(plain, places.values()))
    assert [0] * 6 == [one.exit_code for one in said[:6]], [one.stderr for one in said]
    assert ([4, 2] if is_encrypted else [0, 2]) == [one.exit_code for one in said[6:]]
    assert "new.key is left out of the image, for it is signed with that" in said[1].stderr
    assert b"hello" in layers
    assert [] == Held(home / "context" / "new.key").found(places)


def test_what_a_build_starts_sees_no_password(ocitool, home):
    """Not in its environment, not among its open files, and not in the words of the process that started it."""
    (home / "make").write_text(
        "#!/bin/sh\n"
        'seen() { tr "\\0" "\\n" <"/proc/$1/$2" >>seen; }\n'
        "seen self environ; seen $PPID cmdline; seen self cmdline\n"
        "for fd in /proc/self/fd/*; do readlink $fd >>seen; done\n"
        'cp seen "$OCITOOL_OUTPUT"\n'
    )
    (home / "make").chmod(0o755)
    (home / "password").write_text(PASSWORD)
    env = {"KEY_PASSWORD": PASSWORD, "COSIGN_PASSWORD": PASSWORD}
    assert (
        0
        == ocitool(
            "key", "generate", "-o", "new", "--password-from", "env:KEY_PASSWORD", env=env, cwd=home
        ).exit_code
    )
    (home / "ocitool.toml").write_text('name = "app"\n[command]\nrun = ["./make"]\n')

    for source in ("env:KEY_PASSWORD", "file:password"):
        words = (
            "--toolchain",
            "command",
            "--platform",
            "linux/amd64",
            "-o",
            "oci:out:1",
            "--sign-key",
            "new.key",
            "--no-cache",
        )
        ocitool("build", ".", *words, "--password-from", source, env=env, cwd=home)

    seen = (home / "seen").read_bytes()
    assert b"OCITOOL_" in seen
    assert b"new.key" in seen  # the words of the build
    assert [] == Held(home / "new.key").found({"seen": seen})
    assert b"/password" not in seen


def files(home: Path) -> list[Path]:
    """Everything that the commands left behind."""
    return [path for path in home.rglob("*") if path.is_file() and path.name != "config.json"]


def test_the_journal_of_a_cut_upload_holds_no_secret(logged_in, home):
    registry, server, _ = logged_in
    cache = home / ".cache"
    with Opener(Access(journal=cache), Scope()) as opener:
        store, _ = opener.open(f"{registry.host}/app", write=True)
        with pytest.raises(Killed):
            store.put_blob(named(BLOB), Dying())

    (entry,) = [path for path in cache.iterdir() if not path.name.startswith("limits-")]
    assert b"/v2/app/blobs/uploads/" in entry.read_bytes()
    assert 0o600 == entry.stat().st_mode & 0o777
    assert [] == [secret for secret in secrets(server) if secret.encode() in entry.read_bytes()]


def test_a_wrong_password_is_not_in_the_error(logged_in, run, home):
    registry, _, _ = logged_in
    wrong = base64.b64encode(b"hello:not-the-one").decode()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": wrong}}}))

    done = run("inspect", f"{registry.host}/app:v1", "--verbose", "--json")

    assert 4 == done.exit_code
    assert "config.json" in done.stdout + done.stderr
    assert "not-the-one" not in done.stdout + done.stderr
    assert wrong not in done.stdout + done.stderr
