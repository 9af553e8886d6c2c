"""Sources that no one here wrote: Debian's source packages, fetched by apt into the peers' cache and checked by it."""

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import peers


def debian_source(package: str, folder: Path) -> Path:
    """The upstream sources of a Debian package unpacked in `folder`, unedited; or a skip that says what is missing."""
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
    return folder


def _tars(place: Path, package: str) -> list[Path]:
    return [path for path in sorted(place.glob(f"{package}_*.orig.tar.*")) if path.suffix != ".asc"]


def _fetch(place: Path, package: str) -> None:
    state = place / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "parts").mkdir(exist_ok=True)
    own = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("debian*")]
    for path in own:  # this machine's own sources of packages, as sources of sources
        if path.is_file():
            text = re.sub(r"^(deb|Types: deb)(?=\s)(?!-src)", r"\1-src", path.read_text(), flags=re.MULTILINE)
            (state / "parts" / path.name).write_text(text)
    settings = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "parts",
    }
    apt = ["apt-get", "-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    for words in (["update"], ["source", "--download-only", package]):
        done = subprocess.run([*apt, *words], cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"apt-get {words[0]} {package}: {done.stderr.strip().splitlines()[-1:]}")
