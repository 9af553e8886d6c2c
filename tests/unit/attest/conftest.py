"""Images whose files tell of packages, and their inventories."""

import pytest

from ocitool.attest.inventory import take_inventory
from ocitool.model.views import view
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, member, tar


@pytest.fixture
def ward():
    return Ward(Loose())


@pytest.fixture
def image(ward):
    """`image({"path": b"…"}, …)`: the manifest of an image of these layers; a value may be a member."""

    def call(*layers, **words):
        packed = [
            tar(*(one if isinstance(one, tuple) else member(path, one, mode=0o755) for path, one in layer.items()))
            for layer in layers
        ]
        ward.image(layers=packed, tag="1", **words)
        return view(ward.store.get_manifest("1"))

    return call


@pytest.fixture
def inventory(ward, image):
    """`inventory({"path": b"…"}, …)`: what is found in an image of these layers."""
    return lambda *layers, **words: take_inventory(
        ward.store, image(*layers, **words), None, None, scope=Scope(), width=1
    )


@pytest.fixture
def purls(inventory):
    """The package URLs that are found."""
    return lambda *layers: [package.purl for package in inventory(*layers).packages]
