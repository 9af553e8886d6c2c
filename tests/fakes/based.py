"""A base that moves, and what is built upon it: what tests of bases and of rebases share."""

from pathlib import Path

from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.programs import Elf
from tests.fakes.sick import MACHINES, member

PLATFORMS = ("linux/amd64", "linux/arm64")
PASSWD = b"root:x:0:0::/:/bin/sh\nweb:x:7:7::/:/bin/sh\n"


def folder(name, mode=0o755, **fields):
    """A directory of a layer."""
    return member(name, b"", type=b"5", mode=mode, **fields)


def link(name, target):
    """A symbolic link of a layer."""
    return member(name, b"", type=b"2", linkname=target)


def program(platform):
    """A program for a platform."""
    return Elf(machine=MACHINES[platform.partition("/")[2]]).build()


def members(platform, version, *, passwd=PASSWD, opt=0o755, lib=True, extra=()):
    """A small distribution, whose release says which one it is."""
    found = [
        folder("usr"),
        folder("usr/bin"),
        member("usr/bin/sh", program(platform), mode=0o755),
        link("bin", "usr/bin"),
        folder("etc"),
        member("etc/release", version.encode()),
        member("etc/passwd", passwd),
        folder("opt", opt),
    ]
    return [*found, *([link("lib", "usr/bin")] if lib else []), *extra]


def settings(version):
    """What the config of that distribution says."""
    return {
        "Env": ["PATH=/usr/bin:/bin", f"VERSION={version}", "TZ=UTC"],
        "Cmd": ["sh"],
        "WorkingDir": "/",
        "Labels": {"release": version, "vendor": "x"},
    }


COPIES = ("--copy", "{arch}:/bin/app:755", "--copy", "conf:/etc/app/")


def held(tag):
    """The digest under a tag of the layout that builds go to."""
    return LayoutStore(Path("app")).head(tag).digest


def annotations(tag="1"):
    """Those of the index under a tag, then those of its images."""
    store = LayoutStore(Path("app"))
    index = view(store.get_manifest(tag))
    images = (view(store.get_manifest(str(one.digest))) for one in index.entries)
    return [dict(one.annotations) for one in (index, *images)]
