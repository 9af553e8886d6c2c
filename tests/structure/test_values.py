"""What all values of the package have in common: when they are compiled, and that frozen ones can be hashed."""

import dataclasses
import importlib
import pkgutil
from inspect import getattr_static

import pytest

import ocitool
from ocitool.tasks import Retry

MODULES = [importlib.import_module(one.name) for one in pkgutil.walk_packages(ocitool.__path__, "ocitool.")]
CLASSES = [
    one
    for module in MODULES
    for one in vars(module).values()
    if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == module.__name__
]
VALUES = [one for one in CLASSES if one.__hash__]


def is_hashable(value: type) -> bool:
    """Whether a value of this class can be hashed where its mappings are dicts."""
    made = object.__new__(value)
    for field in dataclasses.fields(value):
        is_mapping = str(field.type).startswith(("collections.abc.Mapping", "dict"))
        object.__setattr__(made, field.name, {} if is_mapping else None)
    try:
        hash(made)
    except TypeError:
        return False
    return True


@pytest.mark.slow
def test_values_that_hold_mappings_can_be_hashed():
    assert len(VALUES) > 300

    assert [] == [value for value in VALUES if not is_hashable(value)]


@pytest.mark.slow
def test_classes_are_compiled_when_they_are_needed():
    """`dataclass` is imported from `ocitool.values`: the standard library's takes half a millisecond a class."""
    ours = type(getattr_static(Retry, "__dataclass_fields__"))

    assert [] == [one for one in CLASSES if not isinstance(getattr_static(one, "__dataclass_fields__"), ours)]
