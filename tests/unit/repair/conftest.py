"""The ward of broken images, as the tests of check have it."""

from tests.unit.check.conftest import found, ward

__all__ = ["found", "ward"]
