"""Which tests may run beside each other: those of two files, unless both use an engine that keeps state of this machine."""

import pytest

# Whatever root they are given, podman and buildah number their locks in one piece of shared memory.
ENGINES = {"test_engines", "test_layer_tars", "test_outputs", "test_overlay"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each file a group, which one worker of xdist gets: its fixtures start daemons, and count processes."""
    for item in items:
        if item.get_closest_marker("interop") is not None:
            item.add_marker(pytest.mark.xdist_group("engines" if item.path.stem in ENGINES else item.path.stem))
