"""Sources that no one here wrote: Debian's source packages, fetched by apt into the peers' cache and checked by it.

A mirror may list a version whose files it has not, such as one of security updates; the newest that can be fetched
is taken, and the same one ever after.
"""

import fcntl
import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import peers


@dataclass(frozen=True, slots=True)
class DebianSource:
    """A folder with the upstream sources of a Debian package, unedited, and their version as upstream writes it."""

    folder: Path
    version: str


def debian_source(package: str, folder: Path) -> DebianSource:
    """The upstream sources of a Debian package unpacked in `folder`; or a skip that says what is missing."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here to fetch sources with")
    place = peers.cache_root() / "sources"
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tars = _tars(place, package)
        if not tars:
            _fetch(place, package)
            tars = _tars(place, package)
    folder.mkdir(parents=True)
    subprocess.run(["tar", "xf", tars[0], "-C", folder, "--strip-components", "1"], check=True)
    version = tars[0].name.removeprefix(f"{package}_").partition(".orig.")[0]
    return DebianSource(folder, re.sub(r"[+~](?:dfsg|ds)\d*$", "", version))


def shared_sysroots(home: Path) -> None:
    """Have the sysroots of Debian's packages of a home kept in the peers' cache: fetched once, and not in every test."""
    (home / ".cache/ocitool").mkdir(parents=True)
    place = peers.cache_root() / "sysroots"
    place.mkdir(parents=True, exist_ok=True)
    (home / ".cache/ocitool/sysroots").symlink_to(place)


def _tars(place: Path, package: str) -> list[Path]:
    return [path for path in sorted(place.glob(f"{package}_*.orig.tar.*")) if path.suffix != ".asc"]


def _fetch(place: Path, package: str) -> None:
    """Fetch the newest version that is there, or skip with apt's words about each."""
    settings = _settings(place)
    apt = ["apt-get", "-qq", *settings]
    _, said = _call([*apt, "update"], place)
    versions = _versions(settings, package)
    for version in versions:
        done, words = _call([*apt, "source", "--download-only", f"{package}={version}"], place)
        if done:
            return
        said += [f"{version}: {word}" for word in words]
    pytest.skip(f"apt-get source {package}: {'; '.join(said) or 'apt knows no such source'}")


def _versions(settings: list[str], package: str) -> list[str]:
    """The versions that apt's lists know, newest first."""
    words = ["apt-cache", *settings, "showsrc", "--only-source", package]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = set(re.findall(r"^Version: (\S+)$", said, re.MULTILINE))
    return sorted(found, key=functools.cmp_to_key(_compare), reverse=True)


def _compare(one: str, other: str) -> int:
    is_less = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
    return -1 if is_less else int(one != other)


def _call(argv: list[str], place: Path) -> tuple[bool, list[str]]:
    """Whether it succeeded, and its last line if it did not."""
    done = subprocess.run(argv, cwd=place, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr.strip().splitlines()[-1:] if done.returncode else []


def _settings(place: Path) -> list[str]:
    """Words that give apt a state of its own, with this machine's sources of packages as sources of sources."""
    state = place / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "parts").mkdir(exist_ok=True)
    for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("debian*")):
        if path.is_file():
            text = re.sub(r"^(deb|Types: deb)(?=\s)(?!-src)", r"\1-src", path.read_text(), flags=re.MULTILINE)
            (state / "parts" / path.name).write_text(text)
    settings = {
        "APT::Sandbox::User": "root",  # the folder is not open to apt's own user
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "parts",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
