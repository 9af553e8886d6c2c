"""K243: `cache prune` beside builds in processes of their own; neither fails."""

from ocitool.store.layout import LayoutStore
from ocitool.store.machine import MachineStore
from tests.conftest import homes
from tests.fakes.images import put_image, tar
from tests.fakes.killed import begin


def test_builds_and_prunes_in_loops_do_not_fail(home):
    base = LayoutStore(home / "base", create=True)
    put_image(base, "1", "linux/amd64", layers=[tar(base=b"b" * 1000)])
    (home / "app").mkdir()
    (home / "app" / "data").write_bytes(b"x" * 100_000)
    (home / "app" / "Dockerfile").write_text("FROM bb\nCOPY data /\n")
    codes = []
    for number in range(6):
        out = f"oci:{home / f'out{number}'}:1"
        context = f"bb=oci-layout://{home / 'base'}:1"
        words = ("build", home / "app", "--build-context", context, "--platform", "linux/amd64", "-o", out)
        running = [begin(*words, variables=homes(home)), begin("cache", "prune", variables=homes(home))]
        for process in running:
            process.join(60)
        codes += [process.exitcode for process in running]

    assert [0] * 12 == codes
    assert [] == list((home / ".cache/ocitool").rglob(".ingest-*"))


def test_what_is_pruned_is_told(run, home):
    run("cache", "prune")  # of nothing
    store = LayoutStore(home / ".cache/ocitool/content", create=True)
    put_image(store, "", "linux/amd64", layers=[tar(x=b"x" * 5000)])

    done = run("cache", "prune", "--json")

    assert '"freed": 1' in done.stdout
    assert '"is_in_use": false' in done.stdout


def test_a_store_that_others_use_is_spared_and_that_is_told(run, home, monkeypatch):
    monkeypatch.setattr("ocitool.store.machine._PATIENCE_S", 0.0)
    root = home / ".cache" / "ocitool"
    root.mkdir(parents=True)
    (root / "memos").mkdir()
    other = MachineStore(root)
    other.hold()

    spared = run("cache", "prune")
    kept = (root / "memos").is_dir()
    other.let_go()
    done = run("cache", "prune")

    assert (0, True, 0) == (spared.exit_code, kept, done.exit_code)
    assert f"nothing removed: other runs use {root}" in spared.stderr
    assert f"freed in {root}" in done.stderr
