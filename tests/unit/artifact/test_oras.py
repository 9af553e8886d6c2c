"""`ocitool.artifact.oras`: programs written for oras-py, over our connections."""

import base64
import io
import json
import os
from itertools import repeat
from pathlib import Path

import oras.client
import oras.provider
import pytest

from ocitool.artifact import oras as ours
from ocitool.artifact.oras import OrasClient, Registry
from ocitool.artifact.responses import StreamedBody, whole
from ocitool.client import Client
from ocitool.errors import (
    AuthError,
    DigestMismatch,
    EscapingPath,
    MalformedDocument,
    RegistryError,
    Unsupported,
    UsageError,
)
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.store.base import PIECE
from tests.fakes.faults import Fault
from tests.fakes.registry import fake_registry

MIB = 1024 * 1024


@pytest.fixture
def fake():
    with fake_registry() as running:
        yield running


@pytest.fixture
def registry(home):
    with Registry() as registry:
        yield registry


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with files of a program."""
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "a.txt").write_text("a")
    (here / "sub" / "b.bin").write_bytes(b"b")
    monkeypatch.chdir(here)
    return here


def test_it_is_oras_pys_registry_and_has_its_older_name():
    assert issubclass(Registry, oras.provider.Registry)
    assert OrasClient is Registry


def test_a_push_is_pulled_again(registry, fake, folder, tmp_path):
    name = f"{fake.host}/app:1"

    pushed = registry.push(name, files=["a.txt:text/plain", "sub"], manifest_annotations={"k": "v"})
    pulled = registry.pull(name, outdir=str(tmp_path / "out"))

    assert 201 == pushed.status_code
    assert [str(tmp_path / "out" / "a.txt"), str(tmp_path / "out" / "sub")] == pulled
    assert ("a", b"b") == ((tmp_path / "out/a.txt").read_text(), (tmp_path / "out/sub/b.bin").read_bytes())
    assert ({"k": "v"}, ["1"]) == (registry.get_manifest(name)["annotations"], registry.get_tags(name))


def test_a_tag_that_is_written_is_taken_back(registry, fake, folder, run):
    name = f"{fake.host}/app:1"
    registry.push(name, files=["a.txt"])
    before = fake.tags["app", "1"]
    registry.push(name, files=["a.txt"], manifest_annotations={"another": "one"})

    done = run("undo", name)

    assert (0, before) == (done.exit_code, fake.tags["app", "1"]), done.stderr


@pytest.mark.slow
def test_an_upload_is_read_in_pieces(registry, fake, folder, monkeypatch):
    """oras-py reads a blob whole (`data=fd.read()`); here nothing asks for more than a piece."""
    asked = []
    with (folder / "large").open("wb") as file:
        file.truncate(24 * MIB)

    class Noted:
        """The file as it is read, and how much at once."""

        def __init__(self, file):
            self._file = file

        def read(self, size=-1):
            asked.append(size)
            return self._file.read(size)

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

    plain = Path.open

    def noting(path, *words, **more):
        file = plain(path, *words, **more)
        return Noted(file) if path.name == "large" else file

    monkeypatch.setattr(Path, "open", noting)
    layer = {"mediaType": "x/y", "size": 24 * MIB, "digest": str(Digest.of(bytes(24 * MIB)))}

    answer = registry.upload_blob("large", f"{fake.host}/app:1", layer)

    assert 201 == answer.status_code
    assert {PIECE} == set(asked)
    assert 24 * MIB // PIECE <= len(asked)


@pytest.mark.parametrize("way", ["upload_blob", "put_upload", "chunked_upload"])
def test_every_way_of_uploading_is_the_same_and_goes_on_after_a_break(registry, fake, folder, way):
    (folder / "x").write_bytes(os.urandom(MIB))
    digest = str(Digest.of((folder / "x").read_bytes()))
    fake.faults.append(Fault("PATCH *", reset=True, after=100_000, times=1))
    fake.faults.append(Fault("PUT *uploads*", reset=True, after=100_000, times=1))

    answer = getattr(registry, way)(
        "x", registry.get_container(f"{fake.host}/app"), {"mediaType": "x/y", "size": MIB, "digest": digest}
    )
    again = registry.upload_blob("x", f"{fake.host}/app", {"mediaType": "x/y", "size": MIB, "digest": digest})

    assert (201, 200) == (answer.status_code, again.status_code)
    assert fake.blobs["app", digest] == (folder / "x").read_bytes()


def test_a_file_that_is_not_what_the_layer_says_is_not_sent(registry, fake, folder):
    layer = {"mediaType": "x/y", "size": 1, "digest": str(Digest.of(b"b"))}

    with pytest.raises(DigestMismatch):
        registry.upload_blob("a.txt", f"{fake.host}/app", layer)

    assert {} == fake.blobs


@pytest.fixture
def damaged(registry, fake, folder):
    """A name whose only blob holds other bytes than its digest says."""
    name = f"{fake.host}/app:1"
    registry.push(name, files=["a.txt"])
    digest = registry.get_manifest(name)["layers"][0]["digest"]
    fake.blobs["app", digest] = b"b"
    return name, digest


def test_a_damaged_blob_is_noticed_however_it_is_read(registry, damaged, folder):
    """oras-py writes what comes."""
    name, digest = damaged
    (folder / "out").write_text("old")

    for read in (
        lambda: registry.pull(name, outdir=str(folder / "pulled")),
        lambda: registry.download_blob(name, digest, str(folder / "out")),
        lambda: registry.get_blob(name, digest),
        lambda: list(registry.get_blob(name, digest, stream=True).iter_content(10)),
    ):
        with pytest.raises(DigestMismatch):
            read()

    assert ("old", []) == ((folder / "out").read_text(), os.listdir(folder / "pulled"))


def test_a_manifest_that_is_asked_for_by_digest_is_compared(registry, fake, folder):
    registry.push(f"{fake.host}/app:1", files=["a.txt"])
    digest = fake.tags["app", "1"]
    kind, _ = fake.manifests["app", digest]
    fake.manifests["app", digest] = (kind, b'{"schemaVersion":2}')

    with pytest.raises(DigestMismatch):
        registry.get_manifest(f"{fake.host}/app@{digest}")


@pytest.mark.parametrize("title", ["../out", "/etc/out"])
def test_a_title_does_not_lead_out(registry, fake, folder, title, tmp_path):
    (folder / "notes.json").write_text(f'{{"{folder / "a.txt"}": {{"org.opencontainers.image.title": "{title}"}}}}')
    name = f"{fake.host}/app:1"
    registry.push(name, files=[str(folder / "a.txt")], annotation_file="notes.json")

    with pytest.raises(EscapingPath):
        registry.pull(name, outdir=str(folder / "in"))

    assert not (folder / "out").exists()


def test_a_download_goes_on_after_a_break(registry, fake, folder):
    data = os.urandom(MIB)
    digest = str(Digest.of(data))
    fake.blobs["app", digest] = data
    fake.faults.append(Fault("GET *blobs*", truncate=300_000))

    registry.download_blob(f"{fake.host}/app", digest, str(folder / "got"))

    assert data == (folder / "got").read_bytes()


def test_what_is_not_there_is_a_status_as_in_oras_py(registry, fake):
    assert 404 == registry.do_request(f"http://{fake.host}/v2/app/manifests/none").status_code
    assert 404 == registry.get_blob(f"{fake.host}/app", str(Digest.of(b""))).status_code
    assert registry.delete_tag(f"{fake.host}/app", "none") is False


def test_a_tag_is_deleted(registry, fake, folder):
    registry.push(f"{fake.host}/app:1", files=["a.txt"])

    assert registry.delete_tag(f"{fake.host}/app", "1") is True

    assert {} == fake.tags


def test_pages_of_tags_are_followed(registry, fake, folder):
    for tag in "abcdefg":
        registry.push(f"{fake.host}/app:{tag}", files=["a.txt"])

    assert list("abcdefg") == registry.get_tags(f"{fake.host}/app")
    assert list("ab") == registry.get_tags(f"{fake.host}/app", N=2)


def test_old_files_are_kept_where_that_is_asked(registry, fake, folder, tmp_path):
    name = f"{fake.host}/app:1"
    registry.push(name, files=["a.txt", "sub/b.bin"], disable_path_validation=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("old")

    pulled = registry.pull(name, outdir=str(tmp_path / "out"), overwrite=False)

    assert [str(tmp_path / "out" / "b.bin")] == pulled
    assert "old" == (tmp_path / "out" / "a.txt").read_text()


def test_a_manifest_under_a_digest_has_to_be_that_one(registry, fake):
    manifest = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "layers": []}
    manifest["config"] = {"mediaType": "x/y", "digest": str(Digest.of(b"{}")), "size": 2}
    fake.blobs["app", str(Digest.of(b"{}"))] = b"{}"
    right = Digest.of(json.dumps(manifest).encode())

    answer = registry.upload_manifest(manifest, registry.get_container(f"{fake.host}/app@{right}"))
    with pytest.raises(DigestMismatch, match="this manifest"):
        registry.upload_manifest(manifest, registry.get_container(f"{fake.host}/app@{Digest.of(b'')}"))

    assert str(right) == answer.headers["Docker-Content-Digest"]
    assert [("app", str(right))] == list(fake.manifests)


@pytest.mark.parametrize(
    ("words", "body", "kind"),
    [
        ({"json": {"a": 1}}, b'{"a": 1}', "application/json"),
        ({"data": {"a": ["1", "2"]}}, b"a=1&a=2", "application/x-www-form-urlencoded"),
        ({"data": "text"}, b"text", "application/octet-stream"),
        ({"data": bytearray(b"raw")}, b"raw", "application/octet-stream"),
    ],
)
def test_what_a_program_sends_has_its_type_and_size(words, body, kind):
    opened, size, media_type = ours._body(words.get("data"), words.get("json"))

    with opened() as pieces:
        assert body == b"".join(pieces)
    assert (len(body), kind) == (size, media_type)


def test_an_open_file_is_sent_from_its_beginning_and_again_and_stays_open():
    file = io.BytesIO(b"content")
    opened, size, _ = ours._body(file, None)

    for _ in range(2):
        with opened() as pieces:
            assert b"content" == b"".join(pieces)
    assert (7, False) == (size, file.closed)


def test_a_body_that_cannot_be_sent_again_is_refused():
    with pytest.raises(Unsupported, match="a body of generator cannot be sent again"):
        ours._body((piece for piece in [b"x"]), None)


class TestLogin:
    @pytest.fixture
    def guarded(self, fake):
        fake.basic = "Basic " + base64.b64encode(b"me:secret").decode()
        return fake

    def test_a_login_holds_for_this_object(self, registry, guarded, folder, home):
        with pytest.raises(AuthError):
            registry.push(f"{guarded.host}/app:1", files=["a.txt"])

        told = registry.login("me", "secret", hostname=guarded.host)
        registry.push(f"{guarded.host}/app:1", files=["a.txt"])
        registry.logout(guarded.host)

        assert {"Status": "Login Succeeded"} == told
        with pytest.raises(AuthError):
            registry.get_tags(f"{guarded.host}/app")
        assert not (home / ".docker").exists()

    def test_a_wrong_one_is_told(self, registry, guarded):
        with pytest.raises(AuthError):
            registry.login("me", "wrong", hostname=guarded.host)

    def test_the_password_is_read_from_standard_input(self, registry, guarded, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))

        told = registry.login("me", "", password_stdin=True, hostname=guarded.host)

        assert {"Status": "Login Succeeded"} == told

    @pytest.mark.parametrize(
        ("user", "password", "host"), [("", "x", "r.test"), ("me", "", "r.test"), ("me", "x", "")]
    )
    def test_a_login_has_a_host_a_user_and_a_password(self, registry, user, password, host):
        with pytest.raises(UsageError, match="a login is for a host, with a user name and a password"):
            registry.login(user, password, hostname=host)

    def test_a_config_file_of_another_name_is_refused(self, registry, guarded):
        with pytest.raises(Unsupported, match=r"a file called config\.json, and not from /etc/auth\.json"):
            registry.pull(f"{guarded.host}/app:1", config_path="/etc/auth.json")

    def test_set_basic_auth_is_heeded(self, guarded, folder, home):
        with Registry(hostname=guarded.host) as registry:
            registry.auth.set_basic_auth("me", "secret")

            assert 201 == registry.push("app:1", files=["a.txt"]).status_code

    def test_a_config_file_is_read(self, registry, guarded, folder, tmp_path):
        auth = base64.b64encode(b"me:secret").decode()
        (tmp_path / "config.json").write_text(f'{{"auths": {{"{guarded.host}": {{"auth": "{auth}"}}}}}}')

        name = f"{guarded.host}/app:1"
        answer = registry.push(name, files=["a.txt"], config_path=str(tmp_path / "config.json"))

        assert 201 == answer.status_code


def test_what_passes_is_waited_for_and_what_stays_is_our_error(fake, folder, home):
    fake.faults.append(Fault("GET *tags*", status=429, headers={"Retry-After": "0"}, times=1))
    with Registry() as registry:
        registry.push(f"{fake.host}/app:1", files=["a.txt"])
        assert ["1"] == registry.get_tags(f"{fake.host}/app")
    fake.faults.append(Fault("GET *tags*", status=503, times=99))
    with Client(retry_s=0.1) as client, Registry(client=client) as registry, pytest.raises(RegistryError):
        registry.get_tags(f"{fake.host}/app")


def test_a_client_that_was_given_stays_open(fake, folder, home):
    with Client() as client:
        with Registry(client=client) as registry:
            registry.push(f"{fake.host}/app:1", files=["a.txt"])

        assert ("1",) == client.tags(f"{fake.host}/app")


def test_what_is_no_manifest_is_not_written(registry, fake):
    with pytest.raises(MalformedDocument):
        registry.upload_manifest({"schemaVersion": 2, "layers": 5}, registry.get_container(f"{fake.host}/app:1"))

    assert {} == fake.tags


def test_an_answer_that_is_too_large_is_not_held():
    closed = []
    body = StreamedBody(repeat(bytes(600)), lambda: closed.append("closed"))

    with pytest.raises(MalformedDocument, match="more than 1000 bytes"):
        whole(body, "here", limit=1000)

    assert ["closed"] == closed


@pytest.mark.parametrize(
    ("path", "method", "scope"),
    [
        ("/v2/a/b/manifests/1", "GET", ("repository:a/b:pull",)),
        ("/v2/a/b/blobs/uploads/", "POST", ("repository:a/b:pull,push",)),
        ("/v2/a/tags/list", "GET", ("repository:a:pull",)),
        ("/v2/blobs/manifests/1", "DELETE", ("repository:blobs:delete",)),
        ("/v2/", "GET", ()),
    ],
)
def test_a_token_is_asked_for_what_a_path_needs(path, method, scope):
    assert scope == ours._scopes("r.test", path, method)
