"""What of a repository is read, and how much of it is held."""

from contextlib import nullcontext

import pytest

from ocitool.errors import Unsupported
from ocitool.repository.graph import read_graph
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Ward


@pytest.mark.parametrize(("manifests", "size", "fits"), [(3, 0, True), (2, 0, False), (3, -1, False)])
def test_the_manifests_that_are_held_have_a_bound(monkeypatch, manifests, size, fits):
    store = MemoryStore("reg.test/app")
    images = [Ward(store).image(layers=[bytes([number])], tag=str(number)) for number in range(3)]
    monkeypatch.setattr("ocitool.repository.graph.MAX_MANIFESTS", manifests)
    monkeypatch.setattr("ocitool.repository.graph.MAX_BYTES", sum(one["size"] for one in images) + size)

    with nullcontext() if fits else pytest.raises(Unsupported, match=f"more than {manifests} manifests"):
        assert 3 == len(read_graph(store, scope=Scope()).nodes)
