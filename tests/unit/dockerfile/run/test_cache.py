"""The cache of RUN left elsewhere, and taken from there by another machine."""

import json

import pytest

from ocitool.dockerfile.run.cache import CONFIG_TYPE, CachePlace
from ocitool.dockerfile.run.options import Secret
from ocitool.errors import OcitoolError, UsageError
from ocitool.events import Noted
from ocitool.model.mediatype import OCI_EMPTY
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.machine import MachineStore
from tests.unit.dockerfile.run.test_executed import Bench

TEXT = "FROM scratch\nRUN --mount=type=secret,id=t make\nRUN true\n"
SECRET = {"t": Secret("t", variable="T")}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.executor.changes = lambda execution: {"out": b"made" * 1000} if execution.args[-1] == "make" else {}
    return made


@pytest.fixture
def there(bench, tmp_path):
    """A folder in which a build left its cache."""
    place = tmp_path / "there"
    bench.build(TEXT, secrets=SECRET, environ={"T": "s3cr3t-word"}, cache_to=(f"type=local,dest={place}",))
    bench.machine = MachineStore(tmp_path / "other")
    bench.executor.executions.clear()
    bench.events.clear()
    return place


def again(bench, place, policy=None):
    words = (f"type=local,src={place}",)
    return bench.build(TEXT, secrets=SECRET, environ={"T": "another"}, cache_from=words, policy=policy)


def notes(bench):
    return [event.text for event in bench.events if isinstance(event, Noted)]


def test_another_machine_starts_nothing(bench, there):
    built = again(bench, there)

    assert [] == bench.executor.executions
    assert {"out": b"made" * 1000} == bench.files(built)


def test_a_policy_decides_about_what_is_taken(bench, there, tmp_path):
    """What nobody signed is left out, and the commands are carried out."""
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 1\n")
    again(bench, there, policy)
    left_out, refused = len(bench.executor.executions), notes(bench)
    bench.executor.executions.clear()
    bench.machine = MachineStore(tmp_path / "third")
    policy.write_text(f'version = 1\n[[rule]]\nrepository = "oci:{there}"\naccept = true\n')

    again(bench, there, policy)

    assert (2, 0) == (left_out, len(bench.executor.executions))
    assert [line for line in refused if "is left out" in line and "no rule of" in line]


def test_no_secret_is_left(bench, there):
    assert b"s3cr3t-word" not in b"".join(path.read_bytes() for path in there.rglob("*") if path.is_file())


def test_a_place_that_is_not_there_is_no_error(bench, there, tmp_path):
    again(bench, tmp_path / "nowhere")

    assert 2 == len(bench.executor.executions)


def test_what_is_there_is_not_written_again(bench, there):
    before = (there / "index.json").read_bytes()

    bench.build(
        TEXT,
        secrets=SECRET,
        environ={"T": "x"},
        cache_from=(f"type=local,src={there}",),
        cache_to=(f"type=local,dest={there}",),
    )

    assert before == (there / "index.json").read_bytes()


def artifact(there):
    """The manifest of the execution that made something, with its tag."""
    store = LayoutStore(there)
    found = ((tag, view(store.get_manifest(tag))) for tag in store.tags())
    return next((store, tag, one) for tag, one in found if "empty" not in one.layers[0].media_type)


def test_a_layer_with_other_bytes_is_refused(bench, there):
    store, _tag, manifest = artifact(there)
    path = store.blob_path(manifest.layers[0].digest)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)

    again(bench, there)

    assert 1 == len(bench.executor.executions)
    assert any("is refused" in note for note in notes(bench))


def test_an_artifact_under_another_key_is_refused(bench, there):
    index = json.loads((there / "index.json").read_bytes())
    names = [entry["annotations"] for entry in index["manifests"]]
    index["manifests"][0]["annotations"], index["manifests"][1]["annotations"] = names[1], names[0]
    (there / "index.json").write_text(json.dumps(index))

    again(bench, there)

    assert 2 == len(bench.executor.executions)
    assert any("it says another key" in note for note in notes(bench))


def test_places():
    assert CachePlace("h.example/a:c") == CachePlace.parse("--cache-from", "h.example/a:c")
    assert CachePlace("h.example/a") == CachePlace.parse("--cache-from", "type=registry,ref=h.example/a")
    assert CachePlace("oci:d", is_optional=True) == CachePlace.parse(
        "--cache-to", "type=local,dest=d,ignore-error=true"
    )
    assert CachePlace.parse("--cache-to", "type=gha") is None
    with pytest.raises(UsageError, match="says no dest"):
        CachePlace.parse("--cache-to", "type=local,src=d")


def test_other_caches_are_told_of_and_left_out(bench):
    bench.build(
        TEXT, secrets=SECRET, environ={"T": "x"}, cache_from=("type=gha,scope=a",), cache_to=("type=inline",)
    )

    assert [
        f"note: {flag}: only type=registry and type=local hold what RUN leaves"
        for flag in ("--cache-from type=gha", "--cache-to type=inline")
    ] == notes(bench)
    assert 2 == len(bench.executor.executions)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda tree: tree["config"].update(mediaType="a/b"), "it is no artifact of a RUN"),
        (lambda tree: tree["layers"].clear(), "its layer is not what its config says"),
        (lambda tree: tree["layers"].append(tree["layers"][0]), "its layer is not what its config says"),
        (lambda tree: tree["layers"][0].update(mediaType=OCI_EMPTY), "its layer is not what its config says"),
        (lambda tree: tree.update(config=tree["layers"][0] | {"mediaType": CONFIG_TYPE}), "its config is not that"),
    ],
)
def test_an_artifact_that_is_not_what_it_should_be_is_refused(bench, there, harm, said):
    store, tag, _manifest = artifact(there)
    store.put_manifest(store.get_manifest(tag).edit(harm), tag)

    again(bench, there)

    assert 1 == len(bench.executor.executions)
    assert any("is refused" in note and said in note for note in notes(bench))


def test_what_was_remembered_badly_is_done_again(bench):
    words = {"secrets": SECRET, "environ": {"T": "x"}}
    bench.build(TEXT, **words)
    for path in (bench.machine.root / "memo").rglob("*"):
        if path.is_file():
            tree = json.loads(path.read_bytes())
            tree["value"] = {"tar": 5} if tree["key"].startswith("run:") else tree["value"]
            path.write_text(json.dumps(tree))

    assert 2 == len(bench.executions(TEXT, **words))


def test_a_place_that_cannot_be_written_is_told_or_passed_over(bench, tmp_path):
    (tmp_path / "file").touch()
    words = {"secrets": SECRET, "environ": {"T": "x"}}

    with pytest.raises(OcitoolError) as raised:
        bench.build(TEXT, cache_to=(f"type=local,dest={tmp_path}/file",), **words)
    built = bench.build(TEXT, cache_to=(f"type=local,dest={tmp_path}/file,ignore-error=true",), **words)

    assert f"--cache-to oci:{tmp_path}/file; with ignore-error=true the build goes on" in raised.value.__notes__
    assert any(note.startswith(f"--cache-to oci:{tmp_path}/file: ") for note in notes(bench))
    assert built.images


def test_what_a_cache_may_hold_needs_nothing_that_works_before_it_is_asked(bench, there):
    bench.executor.refused = "no namespaces"

    assert {"out": b"made" * 1000} == bench.files(again(bench, there))


def test_what_is_remembered_and_gone_is_done_again(bench):
    words = {"secrets": SECRET, "environ": {"T": "x"}}
    bench.build(TEXT, **words)
    for path in (bench.machine.root / "content" / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()

    assert ["make"] == [one.args[-1] for one in bench.executions(TEXT, **words)]
