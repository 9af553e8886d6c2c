"""`manifest get` and `put`, `blob get`, `put` and `head`: exact bytes in and out of registries and layouts."""

import base64
import json

import pytest

from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT
from ocitool.model.numbers import MIB
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

DATA = b"bytes of a blob"
DIGEST = Digest.of(DATA)
OTHER = Digest.of(b"other bytes")


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture(params=["registry", "layout"])
def place(request, registry, tmp_path):
    """A repository that is there, on a registry and on a disk."""
    return f"{registry.host}/app" if request.param == "registry" else f"oci:{tmp_path / 'layout'}"


@pytest.fixture
def ward(place):
    with Opener(Access(), Scope()) as opener:
        yield Ward(opener.open(place, write=True)[0])


@pytest.fixture
def image(ward):
    """A manifest as it stands under the tag `1`, with bytes that no serialiser would give."""
    tree = json.loads(ward.store.get_manifest(ward.image()["digest"]).raw)
    raw = json.dumps(tree, indent=7).encode() + b"\n\n"
    ward.store.put_manifest(Ward.document(tree, mediatype.OCI_MANIFEST), "1")
    return raw


def test_a_manifest_is_printed_byte_for_byte(ward, place, image, run):
    done = run("manifest", "get", f"{place}:1")

    assert (0, ward.store.get_manifest("1").raw.decode()) == (done.exit_code, done.stdout)


def test_a_dash_is_standard_output(ward, place, image, run, home, monkeypatch):
    monkeypatch.chdir(home)

    for words in (("manifest", "get", f"{place}:1"), ("config", "get", f"{place}:1"), ("schema",)):
        done = run(*words, "-o", "-")
        assert (0, run(*words).stdout) == (done.exit_code, done.stdout)
    assert not (home / "-").exists()


def test_a_manifest_is_put_byte_for_byte_and_undone(ward, place, image, run, tmp_path):
    before = ward.store.head("1").digest
    (tmp_path / "manifest.json").write_bytes(image)

    done = run("manifest", "put", f"{place}:1", tmp_path / "manifest.json")

    assert (0, f"{ward.store.label}:1@{Digest.of(image)}\n") == (done.exit_code, done.stdout), done.stderr
    assert image == ward.store.get_manifest("1").raw
    assert (0, before) == (run("undo", f"{place}:1").exit_code, ward.store.head("1").digest)


def test_a_manifest_from_standard_input_without_a_tag(ward, place, image, run):
    tags = list(ward.store.tags())

    done = run("manifest", "put", f"{place}@{Digest.of(image)}", "-", stdin=image)

    assert (0, f"{ward.store.label}@{Digest.of(image)}\n") == (done.exit_code, done.stdout), done.stderr
    assert (image, tags) == (ward.store.get_manifest(str(Digest.of(image))).raw, list(ward.store.tags()))


def test_a_manifest_of_another_digest_is_refused_and_nothing_written(ward, place, image, run):
    before = ward.store.head("1").digest

    done = run("manifest", "put", f"{place}@{OTHER}", "-", stdin=image)

    assert (6, before, None) == (done.exit_code, ward.store.head("1").digest, ward.store.head(str(OTHER)))
    assert str(OTHER) in done.stderr
    assert str(Digest.of(image)) in done.stderr


def test_tag_and_digest_of_a_manifest_go_together(registry, run):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{registry.host}/app", write=True)[0])
        raw = ward.store.get_manifest(ward.image()["digest"]).raw

        wrong = run("manifest", "put", f"{registry.host}/app:2@{OTHER}", "-", stdin=raw)
        assert (6, None) == (wrong.exit_code, ward.store.head("2"))
        right = run("manifest", "put", f"{registry.host}/app:2@{Digest.of(raw)}", "-", stdin=raw)

        assert (0, Digest.of(raw)) == (right.exit_code, ward.store.head("2").digest), right.stderr


@pytest.mark.parametrize(
    ("data", "code"), [(b"no JSON", 6), (b"[]", 6), (b"{}", 2), (b'{"manifests": 1, "schemaVersion": 2}', 6)]
)
def test_what_is_no_manifest_is_not_put(place, ward, data, code, run):
    done = run("manifest", "put", f"{place}:2", "-", stdin=data)

    assert (code, None) == (done.exit_code, ward.store.head("2")), done.stderr


def test_a_media_type_that_the_bytes_do_not_say_is_taken_from_the_flag(registry, run):
    raw = b'{"some": "thing"}'

    done = run("manifest", "put", f"{registry.host}/app:2", "-", "--media-type", "text/x-thing", stdin=raw)

    assert 0 == done.exit_code, done.stderr
    assert ("text/x-thing", raw) == registry.manifests["app", str(Digest.of(raw))]


def test_a_dry_run_puts_nothing(ward, place, image, run):
    done = run("manifest", "put", f"{place}:2", "-", "--dry-run", stdin=image)

    assert (0, None) == (done.exit_code, ward.store.head("2"))
    assert "tag 2" in done.stdout


def test_a_manifest_as_json_has_its_descriptor(ward, place, image, run):
    data = json.loads(run("manifest", "get", f"{place}:1", "--json").stdout)["data"]

    held = ward.store.get_manifest("1")
    assert (held.digest, held.size, held.media_type) == (data["digest"], data["size"], data["mediaType"])
    assert json.loads(held.raw) == data["manifest"]


def test_a_blob_goes_in_and_comes_out(ward, place, run, tmp_path):
    (tmp_path / "blob").write_bytes(DATA)

    put = run("blob", "put", place, tmp_path / "blob")
    assert (0, f"{ward.store.label}@{DIGEST}\n") == (put.exit_code, put.stdout), put.stderr
    head = run("blob", "head", f"{place}@{DIGEST}")
    got = run("blob", "get", f"{place}@{DIGEST}")
    saved = run("blob", "get", f"{place}@{DIGEST}", "-o", tmp_path / "saved")
    as_json = json.loads(run("blob", "get", f"{place}@{DIGEST}", "--json").stdout)["data"]

    assert (0, f"{len(DATA)}\n") == (head.exit_code, head.stdout)
    assert (0, DATA.decode()) == (got.exit_code, got.stdout)
    assert (0, DATA, "") == (saved.exit_code, (tmp_path / "saved").read_bytes(), saved.stdout)
    assert (DATA, len(DATA)) == (base64.b64decode(as_json["base64"]), as_json["size"])


def test_a_blob_from_standard_input_may_name_its_digest(ward, place, run):
    wrong = run("blob", "put", f"{place}@{OTHER}", "-", stdin=DATA)
    assert (6, None, None) == (wrong.exit_code, ward.store.blob_size(OTHER), ward.store.blob_size(DIGEST))

    right = run("blob", "put", f"{place}@{DIGEST}", "-", stdin=DATA)

    assert (0, len(DATA)) == (right.exit_code, ward.store.blob_size(DIGEST)), right.stderr


@pytest.mark.parametrize("command", ["head", "get"])
def test_a_blob_that_is_not_there_is_3_and_a_tag_is_no_blob(place, ward, command, run):
    ward.image(tag="1")

    assert 3 == run("blob", command, f"{place}@{OTHER}").exit_code
    assert 2 == run("blob", command, f"{place}:1").exit_code


def test_a_damaged_blob_leaves_no_file(registry, run, tmp_path):
    registry.blobs["app", str(DIGEST)] = b"x" * len(DATA)

    done = run("blob", "get", f"{registry.host}/app@{DIGEST}", "-o", tmp_path / "saved")

    assert (6, []) == (done.exit_code, [path for path in tmp_path.iterdir() if path.name != "home"])


def test_a_size_that_head_does_not_say_is_counted(registry, run):
    registry.blobs["app", str(DIGEST)] = DATA
    registry.faults.append(Fault("HEAD */blobs/*", status=405, times=9))

    done = run("blob", "head", f"{registry.host}/app@{DIGEST}")

    assert (0, f"{len(DATA)}\n") == (done.exit_code, done.stdout), done.stderr


def test_archives_are_not_put_into(run, tmp_path):
    assert 9 == run("blob", "put", f"oci-archive:{tmp_path}/a.tar", "-", stdin=DATA).exit_code
    assert 9 == run("manifest", "put", f"oci-archive:{tmp_path}/a.tar:1", "-", stdin=b"{}").exit_code


def test_json_takes_no_large_blob(run, tmp_path):
    """It says where the bytes can go instead."""
    name = f"oci:{tmp_path / 'layout'}"
    assert 0 == run("blob", "put", name, "-", stdin=b"x" * (4 * MIB + 1)).exit_code
    digest = Digest.of(b"x" * (4 * MIB + 1))

    done = run("blob", "get", f"{name}@{digest}", "--json")

    assert (2, True) == (done.exit_code, "and JSON takes 4194304" in done.stderr)
    assert "add -o FILE" in done.stderr


def test_a_manifest_on_standard_input_has_a_bound(run, tmp_path):
    done = run("manifest", "put", f"oci:{tmp_path / 'layout'}:1", "-", stdin=b" " * (MANIFEST_LIMIT + 1))

    assert (6, True) == (done.exit_code, f"standard input has more than {MANIFEST_LIMIT} bytes" in done.stderr)
    assert not (tmp_path / "layout").exists()
