"""From a name to a plan in one call, as programs use it."""

import pytest

from ocitool.errors import AuthError, NetworkError
from ocitool.repair.fallback import FallbackSource
from ocitool.repair.run import prepare_repair
from ocitool.repair.work import RepairOptions
from ocitool.store.forwarding import ForwardingReader
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, program
from tests.unit.check.pairs import as_platform


class Deaf(ForwardingReader):
    """A store that does not give the manifests named."""

    def __init__(self, store, errors):
        super().__init__(store)
        self._errors = errors

    def get_manifest(self, name, **limits):
        if name in self._errors:
            raise self._errors[name]
        return super().get_manifest(name, **limits)


def test_the_layers_of_a_doubtful_image_are_read_without_being_asked(ward):
    right = ward.image()
    ward.index(right, as_platform(ward.image("linux/arm64"), os="linux", architecture="riscv64"))

    repair = prepare_repair(ward.store, "1", scope=Scope())

    assert ["linux/riscv64"] == [change.split()[0] for change in (one.text for one in repair.plan.reasons)]
    assert () == repair.left


def test_what_is_lost_comes_from_a_source(ward):
    other = Ward(Loose("mirror"))
    lost = other.image("linux/arm64")
    ward.index(ward.image(), lost)

    source = FallbackSource(other.store, "1", "mirror")
    repair = prepare_repair(ward.store, "1", scope=Scope(), options=RepairOptions(sources=(source,)))

    assert ([("index/dangling",)], ()) == ([reason.why for reason in repair.plan.reasons], repair.left)


def test_nobody_mends_what_was_not_seen(ward):
    first, second = ward.image(), ward.image("linux/arm64", layers=[program("arm64")])
    ward.index(first, second)
    network, auth = NetworkError("no answer"), AuthError("not let in")
    store = Deaf(ward.store, {first["digest"]: network, second["digest"]: auth})

    with pytest.raises(ExceptionGroup) as raised:
        prepare_repair(store, "1", scope=Scope())

    assert (auth, network) == raised.value.exceptions
    assert ["it could not be looked at, so nothing is mended"] == auth.__notes__
