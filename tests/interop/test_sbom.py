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
from tests.unit.attest.test_inventory import rpm_database, rpm_header

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


# An image with packages of every other kind, in one distribution or the other.
LANGUAGES = {
    "etc/os-release": b"ID=debian\nVERSION_ID=12\n",
    "src/Cargo.lock": b'version = 3\n[[package]]\nname = "app"\nversion = "0.1.0"\n',
    "usr/lib/python3/dist-packages/Zope.Interface-5.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 5.0\n\n",
    "usr/lib/python3/dist-packages/my_x.egg-info/PKG-INFO": b"Metadata-Version: 1.1\nName: my_x\nVersion: 1\n",
    "app/node_modules/@scope/name/package.json": b'{"name": "@scope/name", "version": "1.0.0"}',
    "app/node_modules/plain/package.json": b'{"name": "plain", "version": "2.0.0"}',
    "app/node_modules/plain/test/package.json": b'{"name": "data", "version": "1.0.0"}',
    "app/package.json": b'{"name": "app", "version": "3.0.0"}',
}
ALPINE = {
    "etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n",
    "lib/apk/db/installed": b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\nP:ssl_client\nV:1.36-r1\nA:x86_64\no:busybox\n\n",
}


def put_files(folder, files):
    """A layout with an image of these files."""
    members = [member(path, data, mode=0o644) for path, data in files.items()]
    Ward(LayoutStore(folder, create=True)).image(layers=[tar(*members)], tag="1")
    return f"oci:{folder}:1"


@pytest.fixture
def languages(tmp_path):
    return put_files(tmp_path / "languages", LANGUAGES)


@pytest.fixture
def alpine(tmp_path):
    return put_files(tmp_path / "alpine", ALPINE)


@pytest.fixture
def fedora(tmp_path):
    """An rpm database of a package and a key."""
    rows = [rpm_header(name="bash", version="5.2", release="1.fc40", epoch=1, arch="x86_64")]
    rows.append(rpm_header(name="gpg-pubkey", version="abc", release="1"))
    rpm_database(tmp_path / "db", *rows).close()
    release = b"ID=fedora\nVERSION_ID=40\n"
    files = {"etc/os-release": release, "var/lib/rpm/rpmdb.sqlite": (tmp_path / "db").read_bytes()}
    return put_files(tmp_path / "fedora", files)


# What only Syft lists, and what only we do: docs/reference/sbom.md.
DIFFERENCES = {
    "base": (set(), set()),
    "programs": ({"pkg:golang/stdlib"}, set()),
    "languages": ({"pkg:npm/app", "pkg:npm/data"}, {"pkg:cargo/app"}),
    "alpine": (set(), set()),
    "fedora": ({"pkg:rpm/fedora/gpg-pubkey"}, set()),
}


@pytest.mark.long
@pytest.mark.parametrize("which", DIFFERENCES)
def test_syft_finds_the_same_but_for_what_the_reference_page_lists(run, request, peer, tmp_path, which):
    """Names and versions are compared without what escapes them: a colon is escaped there and not here."""
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
        if reference["referenceType"] == "purl" and not reference["referenceLocator"].startswith("pkg:oci/")
    }
    mine = {
        unquote(one["externalRefs"][0]["referenceLocator"].partition("?")[0])
        for one in json.loads(run("sbom", place).stdout)["packages"][1:]
    }

    assert DIFFERENCES[which] == tuple(
        {one.rpartition("@")[0] for one in side} for side in (theirs - mine, mine - theirs)
    )
    assert mine & theirs
