"""A tar with everything that a layer may hold, and eStargz as we write it."""

import io
import random
import tarfile

from ocitool.codec.codecs import parse_codec
from ocitool.tasks import Scope

BIG = random.Random(1).randbytes(50_000) * 180  # 9 MB: three chunks
CONTENTS = {"usr/a": b"hello", "usr/big": BIG, "usr/empty": b"", f"{'n' * 150}/ü": b"x" * 512}


def member(name, data=b"", kind=tarfile.REGTYPE, link="", **more):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.mtime, info.mode = len(data), kind, link, 1_700_000_000, 0o640
    info.uid, info.gid = 7, 8
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def tar(*members, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


EVERYTHING = tar(
    member("./", kind=tarfile.DIRTYPE),
    member("usr/", kind=tarfile.DIRTYPE),
    *(member(name, data) for name, data in CONTENTS.items()),
    member("soft", kind=tarfile.SYMTYPE, link="usr/a"),
    member("hard", kind=tarfile.LNKTYPE, link="usr/a"),
    member("null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    member("pipe", kind=tarfile.FIFOTYPE),
    member("capable", b"c", pax_headers={"SCHILY.xattr.user.x": "value"}),
)


def written(data, *, width=1, size=100_000, name="estargz", scope=None):
    """The blob, and what it unpacks to."""
    making = parse_codec(name).compress(
        (data[at : at + size] for at in range(0, len(data), size)), scope or Scope(), width
    )
    out = []
    while True:
        try:
            out.append(next(making))
        except StopIteration as ended:
            return b"".join(out), ended.value
