"""Mutated payloads, bundles, lists and keys: a reason each time, never a traceback, and nothing that holds."""

import random
from contextlib import suppress

import pytest

from ocitool.errors import OcitoolError
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.sign import bundle as bundles
from ocitool.sign.claim import Claim
from ocitool.sign.keys import generate, read_private, read_public
from ocitool.sign.simple_signing import compose_payload, layer_of
from ocitool.sign.verification import Demand, verify_manifests
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.sick import Ward

pytestmark = pytest.mark.property
FEW, MANY = 400, 20_000
WORDS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b":",
    b",",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"\xff",
    b"",
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three places changed: a bit, a word of JSON, a piece cut out or doubled."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(0, 40))
        match chance.randrange(4):
            case 0:
                flipped = bytes([data[at] ^ 1 << chance.randrange(8)]) if at < len(data) else b"x"
                data = data[:at] + flipped + data[at + 1 :]
            case 1:
                data = data[:at] + chance.choice(WORDS) + data[end:]
            case 2:
                data = data[:at] + data[end:]
            case _:
                data = data[:end] + data[at:]
    return data


def blob(store, data: bytes, media_type: str) -> Descriptor:
    found = Descriptor(media_type, Digest.of(data), len(data))
    store.put_blob(found, BytesSource(data))
    return found


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed anew", "as it was"])
def test_nothing_mutated_holds_and_nothing_ends_in_a_traceback(count, is_signed):
    """What was not signed anew holds at most with the very claim that was signed.

    What the right key has signed anew is well made at times, so an annotation is asked for that it never has.
    """
    chance, key = random.Random(count), generate("ed25519")
    store = MemoryStore()
    put_image(store, "1", "linux/amd64")
    subject = store.head("1")
    claim = Claim(subject.digest, "registry.test/app")
    payload, statement = compose_payload(claim), bundles.compose_statement(claim)
    demand = Demand(
        (key.public,), identities=("registry.test/app",), annotations={"never": "signed"} if is_signed else {}
    )
    for number in range(count):
        place = MemoryStore()
        ward = Ward(place)
        if number % 2:
            data = mutated(payload, chance)
            layer = layer_of(data, key.sign(data if is_signed else payload))
            place.put_blob(layer, BytesSource(data))
            config = ward.blob(b"{}", "application/vnd.oci.image.config.v1+json")
            tree = {"schemaVersion": 2, "config": config, "layers": [layer.to_tree()]}
            ward.manifest(tree, tag=f"sha256-{subject.digest.hex}.sig")
        else:
            body = mutated(statement, chance) if is_signed else statement
            data = bundles.compose_bundle(body, key.sign(bundles.pae(body)), key.public.hint)
            data = data if is_signed else mutated(data, chance)
            for one in (data, b"{}"):
                blob(place, one, "application/octet-stream")
            place.put_manifest(bundles.compose_manifest(subject, data))

        [found] = verify_manifests(place, [subject], demand, scope=Scope(), width=1)

        assert not found.holds or (not is_signed and claim == found.found[-1].claim)
        assert all(one.holds or one.reason for one in found.found)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
def test_mutated_keys_are_read_or_refused(count):
    chance = random.Random(count)
    key = generate("ed25519")
    files = (key.plain(), key.public.pem, generate("ecdsa-p256").plain())
    for _ in range(count):
        data = mutated(chance.choice(files), chance)
        for read in (lambda data: read_private(data, b"", "k"), lambda data: read_public(data, "k")):
            with suppress(OcitoolError):
                read(data)
