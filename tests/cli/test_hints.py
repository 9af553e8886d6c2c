"""K222: every hint of a finding, carried out as it is written, gets further; none leads in a circle.

The golden breakages stand in a layout; what `check` and `repair` advise is read off their output and run. Place holders
are filled as a reader would: REF is the name, PLACE where the content still is, DIGEST the digests at hand.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from ocitool.check.engine import DOCUMENTED
from ocitool.model.digest import Digest
from ocitool.store.layout import LayoutStore
from tests.fakes import bundle
from tests.fakes.sick import Ward

GOLDEN = Path(__file__).parents[2] / "testdata" / "golden" / "check"
FIXABLE = [rule.id for rule in DOCUMENTED if rule.fixable]
NOT_IN_A_LAYOUT = {"index/too-large", "layer/foreign"}
END = re.compile(r"\s+(?:shows|takes|brings|drops|mends|sets|does|says|removes|puts|believes)\b|[;,]|$")
FLAG = re.compile(r"--[a-z-]+(?: (?:PLACE|DIGEST))?(?= )")


def lay_out(store, folder):
    """A store as a layout, whatever it holds: bytes under digests that are not theirs, too."""
    for digest, document in store._manifests.items():
        _blob(folder, digest, document.raw)
    for digest, data in store._blobs.items():
        _blob(folder, digest, data)
    entries = []
    for tag, digest in store._tags.items():
        document = store._manifests[digest]
        entry = {"mediaType": document.media_type, "digest": str(digest), "size": len(document.raw)}
        entries.append(entry | {"annotations": {"org.opencontainers.image.ref.name": tag}})
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


def _blob(folder, digest, data):
    path = folder / "blobs" / digest.algorithm / digest.hex
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def places(home, monkeypatch):
    """`places(rule)`: the rule's broken store as `oci:broken:1`, its neighbour as `oci:healthy:1`."""
    monkeypatch.chdir(home)

    def call(rule):
        for side in ("broken", "healthy"):
            shutil.rmtree(home / side, ignore_errors=True)
            (home / side).mkdir()
            lay_out(bundle.load((GOLDEN / rule / f"{side}.json").read_text()), home / side)
        return "oci:broken:1"

    return call


@pytest.fixture
def found(run):
    def call(place):
        done = run("check", place, "--deep", "--json")
        return {one["rule"] for one in json.loads(done.stdout)["data"]["findings"]}

    return call


def commands(text):
    """The commands in a text, without the `ocitool` in front and what is said of them behind."""
    for match in re.finditer(r"ocitool ", text):
        rest = text[match.end() :]
        yield shlex.split(rest[: END.search(rest).start()])


def filled(words, place, digest=""):
    values = {
        "REF": place,
        "PLACE": "oci:healthy:1",
        "DIGEST": digest,
        "OS": "linux",
        "ARCH": "arm64",
        "VARIANT": "v7",
    }
    values["oci:DIR:TAG"] = "oci:new:1"
    return [values.get(word, word) for word in words]


@pytest.mark.parametrize("rule", FIXABLE)
def test_the_hint_of_a_finding_shows_a_plan_or_a_way(places, run, found, rule):
    place = places(rule)
    if rule not in found(place):
        pytest.skip(f"{rule} is a registry's or a layout cannot hold it")

    done = run("check", place, "--deep")
    (hint,) = [line for line in done.stderr.splitlines() if line.startswith("hint: ocitool repair")]
    (words,) = commands(hint)
    shown = run(*words)

    assert 1 == shown.exit_code, shown.stderr
    assert ["repair", place, "--deep"] == words
    ways = [[]] if "nothing was written; --apply" in shown.stderr else []
    for line in (line for line in shown.stdout.splitlines() if "left: " in line):
        digests = re.findall(r"sha256:[0-9a-f]{64}", line) or [""]
        ways += [
            filled(shlex.split(flag), place, digests[0])
            for flag in FLAG.findall(re.sub(r"ocitool [^;,]*", "", line))
        ]
        ways += [["then", *filled(command, place)] for command in commands(line)]
    assert ways, shown.stdout

    for way in ways:  # each for itself, on a fresh copy
        place = places(rule)
        if way[:1] == ["then"]:
            assert 0 == run(*way[1:]).exit_code, way
            mended = run("repair", place, "--deep", "--apply")
        else:
            mended = run("repair", place, "--deep", *way, "--apply")
        assert mended.exit_code in {0, 1}, (way, mended.stderr)
        assert rule not in found(place), (way, mended.stdout, mended.stderr)


def test_an_archive_that_lacks_a_platform_is_no_circle(home, monkeypatch, run, found):
    """K222: check, repair and copy, each as the one before says."""
    monkeypatch.chdir(home)
    store = LayoutStore(home / "whole", create=True)
    ward = Ward(store)
    ward.index(ward.image(), lost := ward.image("linux/arm64"))
    store.blob_path(Digest(lost["digest"])).unlink()
    assert 3 == run("copy", "oci:whole:1", "oci-archive:x.tar:1").exit_code
    shutil.make_archive("x", "tar", "whole")

    checked = run("check", "oci-archive:x.tar:1")
    (first,) = [line for line in checked.stderr.splitlines() if line.startswith("hint: ")]
    repaired = run(*next(commands(first)))
    (second,) = [line for line in repaired.stderr.splitlines() if "an archive is not edited" in line]
    copy, repair = (filled(words, "") for words in commands(second))

    assert ["copy", "oci-archive:x.tar:1", "oci:new:1", "--platform", "linux/amd64"] == copy
    assert 0 == run(*copy).exit_code
    assert 0 == run(*repair).exit_code
    assert set() == found("oci:new:1")
