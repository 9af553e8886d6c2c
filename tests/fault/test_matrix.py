import pytest

from tests.fault.cells import FAULTS, KINDS, NONE, count
from tests.fault.matrix import outcome

CELLS = [(fault, kind) for fault, row in FAULTS.items() for kind in KINDS if row[kind] != NONE]


@pytest.mark.parametrize(("fault", "kind"), CELLS)
def test_each_fault_in_each_request_ends_as_it_must(fault, kind):
    assert FAULTS[fault][kind] == outcome(fault, kind)


def test_the_matrix_is_large():
    assert count() >= 150
