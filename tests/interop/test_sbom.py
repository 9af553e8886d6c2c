"""SBOMs beside what others say of the same: dpkg, the go command, and Syft."""

import json
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from ocitool.store.layout import LayoutStore
from tests import peers
from tests.fakes.sick import Ward, member, tar
from tests.peers import debian

pytestmark = pytest.mark.interop


def purls(run, place, kind, form="spdx"):
    """The package URLs of one kind in our SBOM, without what stands behind a question mark."""
    done = run("sbom", place, "--format", form)
    assert 0 == done.exit_code, done.stderr
    tree = json.loads(done.stdout)
    found = (
        [one["externalRefs"][0]["referenceLocator"] for one in tree["packages"]]
        if form == "spdx"
        else [one["purl"] for one in tree["components"] if "purl" in one]
    )
    return sorted(one.partition("?")[0] for one in found if one.startswith(f"pkg:{kind}/"))


@pytest.fixture
def base(tmp_path):
    """A Debian as a layout."""
    try:
        debian.put(LayoutStore(tmp_path / "debian", create=True), "1", [debian.system("linux/amd64")])
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return f"oci:{tmp_path / 'debian'}:1"


@pytest.fixture
def programs(tmp_path, peer):
    """An image of two Go programs as a layout."""
    members = [member(f"bin/{name}", peer(name).read_bytes(), mode=0o755) for name in ("crane", "oras")]
    Ward(LayoutStore(tmp_path / "programs", create=True)).image(layers=[tar(*members)], tag="1")
    return f"oci:{tmp_path / 'programs'}:1"


@pytest.mark.parametrize("form", ["spdx", "cyclonedx"])
def test_the_debian_packages_are_those_that_dpkg_calls_installed(run, base, tmp_path, form):
    admin = tmp_path / "admin"
    (admin / "info").mkdir(parents=True)
    (admin / "updates").mkdir()
    (admin / "status").write_text(run("cat", base, "var/lib/dpkg/status").stdout)
    answer = subprocess.run(
        ["dpkg-query", f"--admindir={admin}", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in answer.stdout.splitlines()]
    quoted = {"+": "%2B"}

    wanted = sorted(
        "pkg:deb/debian/" + "@".join("".join(quoted.get(c, c) for c in part) for part in (name, version))
        for name, version, state in rows
        if state == "installed"
    )
    assert len(wanted) > 50
    assert wanted == purls(run, base, "deb", form)


@pytest.mark.parametrize("form", ["spdx", "cyclonedx"])
def test_the_go_modules_are_those_of_go_version(run, programs, peer, form):
    wanted = set()
    for name in ("crane", "oras"):
        answer = subprocess.run(
            [str(peers.find_go()), "version", "-m", peer(name)], capture_output=True, text=True, check=True
        )
        module = ""
        for line in answer.stdout.splitlines():
            key, *rest = line.split()
            if key in {"mod", "dep", "=>"}:
                if key == "=>":
                    wanted.discard(module)
                path, version = rest[:2]
                module = f"pkg:golang/{path}@{version}".replace("+", "%2B").removesuffix("@(devel)")
                wanted.add(module)

    assert len(wanted) > 20
    assert sorted(wanted) == sorted(set(purls(run, programs, "golang", form)))


@pytest.mark.long
@pytest.mark.parametrize(("kind", "which"), [("deb", "base"), ("golang", "programs")])
def test_syft_finds_the_same(run, request, peer, tmp_path, kind, which):
    """But for the Go release, which Syft lists as the module `stdlib`, and `go version -m` does not.

    Colons of a version are escaped there and not here; both are right, so names are compared unescaped.
    """
    place = request.getfixturevalue(which)
    answer = subprocess.run(
        [
            str(peer("syft")),
            f"oci-dir:{Path(place.removeprefix('oci:').removesuffix(':1'))}",
            "-o",
            "spdx-json",
            "-q",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={"HOME": str(tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "false"},
    )
    theirs = {
        unquote(reference["referenceLocator"].partition("?")[0].partition("#")[0])
        for package in json.loads(answer.stdout)["packages"]
        for reference in package.get("externalRefs", ())
        if reference["referenceType"] == "purl"
    }

    wanted = sorted(
        one for one in theirs if one.startswith(f"pkg:{kind}/") and not one.startswith("pkg:golang/stdlib")
    )
    assert len(wanted) > 20
    assert wanted == sorted(set(map(unquote, purls(run, place, kind))))
