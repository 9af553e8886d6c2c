"""An index in memory, keys, and a way to sign and to verify it."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.sign.keys import generate
from ocitool.sign.signing import SignOptions, plan_sign
from ocitool.sign.verification import Demand, verify_manifests
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward

NAME = "registry.test/app"


@pytest.fixture(scope="session")
def keys():
    """Three keys, the first two of different kinds."""
    return generate("ecdsa-p256"), generate("ed25519"), generate("ed25519")


@pytest.fixture
def ward():
    """A store whose tag `1` holds an index of two images."""
    ward = Ward(Loose())
    ward.index(ward.image("linux/arm64"), ward.image())
    return ward


@pytest.fixture
def store(ward):
    return ward.store


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "changes")


@pytest.fixture
def sign(store, journal):
    """`sign(key, form="tag", …)` signs what `1` holds; gives the report."""

    def call(*signers, form="tag", recursive=False, identity=NAME, annotations=None, name="1"):
        options = SignOptions(form, recursive, identity, annotations or {})
        plan = plan_sign(store, name, store.get_manifest(name), signers, options, scope=Scope())
        return apply(plan, store, journal, Scope())

    return call


@pytest.fixture
def look(store):
    """`look(key, …)`: what is found beside what `1` holds; the words are Demand's."""

    def call(*keys, name="1", identities=(NAME,), **words):
        public = tuple(getattr(key, "public", key) for key in keys)
        demand = Demand(public, identities=identities, **words)
        [found] = verify_manifests(store, [store.head(name)], demand, scope=Scope(), width=1)
        return found

    return call
