"""Mutated statements, and mutated databases of packages: never a traceback, and nothing that nobody signed."""

import json
import random
import sqlite3
import struct
from contextlib import suppress

import pytest

from ocitool.attest.attachment import as_referrer, in_index
from ocitool.attest.cyclonedx import compose_cyclonedx
from ocitool.attest.find import find_statements
from ocitool.attest.inventory import take_inventory
from ocitool.attest.spdx import compose_spdx
from ocitool.attest.statement import compose_statement
from ocitool.errors import OcitoolError
from ocitool.model.views import Descriptor, view
from ocitool.sign import bundle as bundles
from ocitool.sign.attached import look_beside
from ocitool.sign.keys import generate
from ocitool.sign.signing import bundle_by
from ocitool.sign.verification import Demand
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, member, tar
from tests.property.test_signatures import mutated

pytestmark = pytest.mark.property
FEW, MANY = 200, 10_000
COUNTS = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
SPDX = "https://spdx.dev/Document"


@COUNTS
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed anew", "as it was"])
def test_no_mutated_bundle_attests_what_was_not_signed(count, is_signed):
    """What the right key has signed anew may still be a statement about the image; it is about no other."""
    chance, key = random.Random(count), generate("ed25519")
    ward = Ward(Loose())
    image = Descriptor.from_tree(ward.image(tag="1"))
    statement = compose_statement(image.digest, [], SPDX, {"name": "app"})
    demand = Demand((key.public,), attested=("sbom",))
    for _ in range(count):
        place = Ward(Loose())
        place.store.put_manifest(ward.store.get_manifest("1"), "1")
        body = mutated(statement, chance) if is_signed else statement
        _, data = bundle_by(key, image, body, SPDX)
        data = data if is_signed else mutated(data, chance)
        place.blob(data, bundles.BUNDLE)
        place.store.put_manifest(bundles.compose_manifest(image, data, SPDX))

        found = look_beside(place.store, place.store.get_manifest("1"), demand, None, scope=Scope(), width=1)

        if found.attestations:
            signed = body if is_signed else bundles.read_bundle(data).statement
            assert is_signed or statement == signed
            assert image.digest.hex.encode() in signed


@COUNTS
def test_a_mutated_statement_is_shown_or_refused(count):
    chance = random.Random(count)
    for number in range(count):
        ward = Ward(Loose())
        image = ward.image()
        about = Descriptor.from_tree(image)
        statement = compose_statement(about.digest, ["a"], SPDX, {"name": "a\x1b[2J", "list": [1, {"b": None}]})
        make = in_index(about, [(SPDX, mutated(statement, chance))])
        if number % 2:
            make = as_referrer(about, SPDX, mutated(statement, chance))
        for blob, data in make.blobs:
            ward.blob(data, blob.media_type)
        ward.store.put_manifest(make.manifest)
        ward.index(image, *([make.entry.to_tree()] if make.entry else []))

        with suppress(OcitoolError):
            for one in find_statements(ward.store, "1", "sbom", None):
                assert "\x1b" not in one.text()
                json.loads(one.text())


def rpm_database(folder):
    """A small database of rpm's."""
    connection = sqlite3.connect(folder / "db")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    texts = b"bash\x005.2\x00"
    tags = struct.pack(">IIII", 1000, 6, 0, 1) + struct.pack(">IIII", 1001, 6, 5, 1)
    rows = [(struct.pack(">II", 2, len(texts)) + tags + texts,)] * 20
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", rows)
    connection.commit()
    connection.close()
    return (folder / "db").read_bytes()


@COUNTS
def test_mutated_databases_are_read_or_named(count, tmp_path):
    chance = random.Random(count)
    files = {
        "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
        "var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: x\n\n" * 3,
        "lib/apk/db/installed": b"P:musl\nV:1\nA:x\nL:MIT\n\nP:b\nV:2\n",
        "var/lib/rpm/rpmdb.sqlite": rpm_database(tmp_path),
        "a/Cargo.lock": b'version = 3\n[[package]]\nname = "a"\nversion = "1"\nsource = "git+x"\n',
        "a.dist-info/METADATA": b"Name: a\nVersion: 1\nLicense: b\n\nName: c\n",
        "node_modules/@a/b/package.json": b'{"name": "@a/b", "version": "1", "license": {"type": "c"}}',
    }
    for _ in range(count):
        ward = Ward(Loose())
        changed = {name: mutated(data, chance) for name, data in files.items()}
        ward.image(layers=[tar(*(member(name, data) for name, data in changed.items()))], tag="1")

        found = take_inventory(ward.store, view(ward.store.get_manifest("1")), None, None, scope=Scope(), width=1)

        for compose in (compose_spdx, compose_cyclonedx):
            document = compose(found, "name", "2024-01-01T00:00:00Z")
            json.loads(document)
            assert all(one.purl.isascii() and one.purl.isprintable() for one in found.packages)
