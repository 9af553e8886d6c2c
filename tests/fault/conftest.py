"""What the tests of the transport share: quick retries, stores on a fake, blobs."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCTETS
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import MIB, Access
from ocitool.store.base import BytesSource, Put, Store
from ocitool.store.locate import Opener
from ocitool.tasks import Retry, Scope
from tests.fakes.certificates import Authority
from tests.fakes.registry import FakeRegistry, fake_registry

QUICK = Retry(attempts=4, base_s=0.001, cap_s=0.002, total_s=30)


def content(size: int, seed: bytes = b"x") -> bytes:
    """Bytes that repeat nowhere near a part's length."""
    block = b"".join(hashlib.sha256(seed + bytes([n, m])).digest() for n in range(64) for m in range(128))
    return (block * (size // len(block) + 1))[:size]


def named(data: bytes) -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data), len(data))


def put(store: Store, data: bytes) -> Put:
    return store.put_blob(named(data), BytesSource(data))


def read(store: Store, data: bytes) -> bytes:
    """What the store answers for the blob that `data` is."""
    with store.open_blob(named(data)) as pieces:
        return b"".join(pieces)


@pytest.fixture
def access(tmp_path) -> Access:
    """Quick retries, a home without anything, a journal."""
    return Access(retry=QUICK, environ={"HOME": str(tmp_path)}, journal=tmp_path / "journal")


@pytest.fixture
def opened(access) -> Iterator[Callable[..., Store]]:
    """`opened(registry)`: a store in a repository of a fake; keywords change the access. A session a call."""
    openers = []

    def open_(registry, name: str = "app", *, write: bool = True, listener=lambda event: None, **changes) -> Store:
        opener = Opener(replace(access, **changes), Scope(), listener)
        openers.append(opener)
        return opener.open(f"{registry.host}/{name}", write=write)[0]

    yield open_
    for opener in openers:
        opener.__exit__(None, None, None)


__all__ = ["MIB", "QUICK"]


@pytest.fixture
def authority(tmp_path) -> Authority:
    """A private CA."""
    return Authority(tmp_path / "ca")


@pytest.fixture
def secure(authority) -> Iterator[FakeRegistry]:
    """A registry behind TLS with a certificate of the private CA."""
    with fake_registry(tls=authority.context()) as registry:
        yield registry
