"""Eight processes add eight platforms to one index of a layout at the same moment, and all of them stand (K267)."""

from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.conftest import homes
from tests.fakes.images import PLATFORMS, put_image
from tests.fakes.killed import begin

WRITERS = 8


def test_eight_at_once(run, home, tmp_path):
    """Who loses a round lost it to one that then is done, so eight rounds are enough for everybody."""
    store = LayoutStore(tmp_path / "out", create=True)
    for number, platform in enumerate(PLATFORMS[: WRITERS + 1]):
        put_image(store, f"one-{number}", platform)
    place = f"oci:{tmp_path}/out"
    assert 0 == run("index", "create", f"{place}:all", f"{place}:one-0").exit_code

    running = [
        begin("index", "add", f"{place}:all", f"{place}:one-{number}", variables=homes(home / str(number)))
        for number in range(1, WRITERS + 1)
    ]
    for process in running:
        process.join(120)

    assert [0] * WRITERS == [process.exitcode for process in running]
    listed = {str(entry.platform) for entry in view(store.get_manifest("all")).entries}
    assert set(PLATFORMS[: WRITERS + 1]) == listed
