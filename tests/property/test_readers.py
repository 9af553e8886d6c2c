"""Every reader of what comes from outside, fed with mutated inputs: an answer or an error of ours, and soon.

Fifteen readers; `make long` gives them two hundred thousand inputs. The seed is fixed, so a failure comes again.
Work is told by processor time of this thread, which a busy neighbour hardly changes.
"""

import gzip
import io
import random
import tarfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
import zstandard

from ocitool.binaries.identify import inspect_stream
from ocitool.codec.codecs import decompress
from ocitool.codec.members import read_table, table_bytes
from ocitool.codec.tar_reader import read_members
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.parse import parse
from ocitool.errors import OcitoolError
from ocitool.index.spec import read_spec
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import ImageConfig, view
from ocitool.project.sync_file import read_sync_file
from ocitool.project.values import Stamp, load_spec
from ocitool.registry.challenge import parse_challenges
from ocitool.registry.credentials import find_credentials
from ocitool.registry.error_response import diagnostics
from ocitool.registry.hostsconfig import read_redirections
from ocitool.store.archive_read import ArchiveReader
from tests.amounts import amount
from tests.fakes.programs import Elf

pytestmark = pytest.mark.property

INPUTS = amount(80, 14_000)
CPU_S = 2.0
DIGEST = f"sha256:{'0' * 64}"
LAYER = f'{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{DIGEST}","size":7}}'
MANIFEST = (
    f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"{OCI_CONFIG}","digest":"{DIGEST}",'
    f'"size":3}},"layers":[{LAYER},{LAYER}],"annotations":{{"a":"b"}},"subject":{LAYER}}}'
)
INDEX = (
    f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{DIGEST}",'
    '"size":9,"platform":{"os":"linux","architecture":"arm","variant":"v7","os.features":["x"]}}]}'
)
CONFIG = (
    '{"architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Cmd":["x"],"Labels":{"a":"b"}},'
    f'"rootfs":{{"type":"layers","diff_ids":["{DIGEST}"]}},"history":[{{"created_by":"x","empty_layer":true}}]}}'
)
DOCKERFILE = (
    b"# syntax=docker/dockerfile:1\n# escape=\\\nARG V=1\nFROM --platform=$BUILDPLATFORM base:${V:-2} AS a\n"
    b'ENV A="b c" D=e\nCOPY --from=a --chown=1:2 --chmod=u=rw,go= ["x", "/y"]\nRUN <<EOF\nx\nEOF\n'
    b'HEALTHCHECK --interval=1m30s CMD ["x"]\nONBUILD ADD --checksum=sha256:00 http://h/x /y\nLABEL a=b \\\n # c\n c=d\n'
)
TOML = b'tags = ["r/x:1"]\nplatforms = ["linux/arm64"]\n[go]\nldflags = "-s"\n[platform."linux/arm64"]\nfiles = ["a:/b"]\n'
SYNC = b'targets = ["r/x/", "oci:y"]\nsemver = ">=1.2 <2"\n[[sync]]\nsource = "r:1/t/*"\ntargets = ["r:2/"]\n[[sync]]\nsource = "a:1"\nplatforms = ["linux/*"]\ninclude = ["1.*"]\n'
YAML = b"image: r/x:1\ntags: ['1', '2']\nmanifests:\n  - image: r/x:a\n    platform:\n      os: linux\n      architecture: arm\n"
# What hostile hands put in: brackets in depth, numbers out of range, names that lead away, bytes that are no text.
ODD = (
    b"[" * 3000, b"{" * 3000, b'{"a":' * 1000, b"9" * 400, b"9" * 5000, b"-1", b"1e999", b"null", b"true", b"../", b"\x00", b"\xff\xfe",
    b"${" * 200, b"*" * 60, b"\\", b'"', b"'", b"\n", b"\x1b[2J", b"\xc2\x9b", b"a" * 5000, b"%", b"\r\n", b"\xf0\x9f",
    b"77777777777", b"\x80\x00\x00\x00\x00\x00\x00\x01", b":" * 300, b"/" * 300, b"&a *a", b"!!python/object", b"**/" * 50,
)  # fmt: skip


def packed(form: str) -> bytes:
    """A small tar with files, folders, links and long names; `form` is tarfile's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=getattr(tarfile, form)) as archive:
        for name in ("a", "d/b", f"{'m' * 60}/{'n' * 90}", "é"):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = 5, {"comment": "c"}
            archive.addfile(member, io.BytesIO(b"12345"))
        link = tarfile.TarInfo("l")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        archive.addfile(link)
    return out.getvalue()


def archived(**files: str) -> bytes:
    """An archive that is a store, of these documents."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", ".").replace("oci.layout", "oci-layout"))
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


TARS = (packed("USTAR_FORMAT"), packed("PAX_FORMAT"), packed("GNU_FORMAT"))
STORES = (
    archived(oci_layout='{"imageLayoutVersion":"1.0.0"}', index_json=INDEX),
    archived(manifest_json='[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]'),
)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read_store(data: bytes, folder: Path) -> None:
    for docker in (False, True):
        with suppress(OcitoolError), ArchiveReader(str(written(folder, "store.tar", data)), docker=docker) as store:
            for name in islice(store.tags(), 20):
                view(store.get_manifest(name))


def read_tar(data: bytes, folder: Path) -> None:
    for member in read_members([data]):
        sum(map(len, member.pieces()))


def read_headers(data: bytes, folder: Path) -> None:
    text = data.decode("latin-1")
    parse_challenges([text, *text.split("\n")[:20]])


READERS: dict[str, tuple[tuple[bytes, ...], Callable[[bytes, Path], object]]] = {
    "manifest": ((MANIFEST.encode(),), lambda data, _: view(Document(data, OCI_MANIFEST))),
    "index": ((INDEX.encode(),), lambda data, _: view(Document(data, OCI_INDEX))),
    "config": ((CONFIG.encode(),), lambda data, _: ImageConfig.of(Document(data, OCI_CONFIG))),
    "edit": (
        (MANIFEST.encode(), INDEX.encode()),
        lambda data, _: Document(data, OCI_INDEX).edit(
            lambda tree: tree.update(annotations={"x": "y"}) if isinstance(tree, dict) else None
        ),
    ),
    "reference": (
        (b"registry.test:5000/a/b-c:v1@" + DIGEST.encode(), b"[::1]:80/a", b"a"),
        lambda data, _: Reference.parse(text_of(data)),
    ),
    "platform": ((b"linux/arm/v7", b"windows(10.0.1)/amd64/v3"), lambda data, _: Platform.parse(text_of(data))),
    "dockerfile": ((DOCKERFILE,), lambda data, _: parse(data)),
    "ignore": ((b"*\n!a/**/b\n[a-z]?.md\n\\#x\n",), lambda data, _: IgnoreRules.parse(text_of(data))),
    "toml": (
        (TOML,),
        lambda data, folder: load_spec(written(folder, "ocitool.toml", data), lambda: Stamp("1", "2", "3")),
    ),
    "sync file": ((SYNC,), lambda data, folder: read_sync_file(written(folder, "sync.toml", data))),
    "yaml": ((YAML,), lambda data, folder: read_spec(written(folder, "spec.yaml", data))),
    "headers": ((b'Bearer realm="http://h/t",service="s",scope="a:b:c"\nBasic realm=x',), read_headers),
    "logins": (
        (b'{"auths":{"reg.test":{"auth":"dTpw"}},"credHelpers":{"x":"y"}}',),
        lambda data, folder: find_credentials(
            "reg.test", "a", {"DOCKER_CONFIG": str(written(folder, "config.json", data).parent)}
        ),
    ),
    "redirections": (
        (b'unqualified-search-registries=["a"]\n[[registry]]\nprefix="x/y"\nlocation="z"\n[[registry.mirror]]\nlocation="m"\n',),
        lambda data, folder: read_redirections({"CONTAINERS_REGISTRIES_CONF": str(written(folder, "r.conf", data))}),
    ),
    "refusals": (
        (b'{"errors":[{"code":"DENIED","message":"m","detail":{"a":1}}]}', b"<html>no</html>"),
        lambda data, _: diagnostics(data),
    ),
    "tar": (TARS, read_tar),
    "compressed": (
        (gzip.compress(TARS[0], mtime=0), zstandard.compress(TARS[1]), zlib.compress(TARS[0])),
        lambda data, _: sum(map(len, decompress([data]))),
    ),
    "members": ((table_bytes(1 << 20, [5, 6, 7]),), lambda data, _: read_table(data)),
    "program": (
        (Elf(183, segments=[(3, 4, b"/lib/ld\0")]).build(), b"#!/bin/sh -e\n"),
        lambda data, _: inspect_stream([data]),
    ),
    "store": (STORES, read_store),
}  # fmt: skip


def mutated(dice: random.Random, seed: bytes) -> bytes:
    """One to four wounds: bytes changed, cut out, doubled, swapped, something odd put in, the end gone."""
    data = bytearray(seed)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 1, 2, 8, 64)))
        match dice.randrange(6):
            case 0:
                data[at:to] = bytes(dice.randrange(256) for _ in range(to - at))
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to] * dice.choice((1, 2, 300))
            case 3:
                data[at:to] = dice.choice(ODD)
            case 4:
                data[at:at] = dice.choice(ODD)
            case 5:
                del data[at:]
    return bytes(data)


def test_there_are_fifteen_readers_at_least():
    assert len(READERS) >= 15
    assert INPUTS * len(READERS) >= amount(1_000, 200_000)


@pytest.mark.parametrize("name", READERS)
def test_unharmed_input_is_read(name, tmp_path):
    """What is mutated begins as something that the reader takes, else the errors would tell nothing."""
    seeds, read = READERS[name]

    read(seeds[0], tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_mutated_input_gives_an_answer_or_an_error_of_ours(name, tmp_path):
    seeds, read = READERS[name]
    dice = random.Random(f"{name} 15")
    refused = 0
    for number in range(INPUTS):
        data = mutated(dice, dice.choice(seeds))
        is_refused, cpu_s = read_once(read, data, tmp_path)
        refused += is_refused
        # What is slow is slow again; what else happens in a thread is not.
        assert cpu_s < CPU_S or read_once(read, data, tmp_path)[1] < CPU_S, f"{number}: {data[:200]!r}"
    assert refused < INPUTS


def read_once(read, data: bytes, folder: Path) -> tuple[bool, float]:
    """Whether an input was refused, and the seconds of processor time that it took."""
    began, is_refused = time.thread_time(), False
    try:
        read(data, folder)
    except* OcitoolError:  # several problems of one file come as a group
        is_refused = True
    return is_refused, time.thread_time() - began
