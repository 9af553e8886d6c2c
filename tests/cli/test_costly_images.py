"""Images of a few kilobytes that would keep whoever looks into them busy for hours, from the command line (K238)."""

import os
import resource
import subprocess
import sys

import pytest

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment
from tests.fakes.layers import stored, tar

DEEP = "/".join(["d"] * 2040)
IMAGES = {
    "links": (
        tar(
            *[("x/", ""), ("x/f", "f")],
            *((f"l{n}", f"-> {'x/../' * 800}{f'l{n + 1}' if n < 38 else 'x'}") for n in range(39)),
            *((f"h{n}", "= l0/f") for n in range(5000)),
        ),
        "following the links of these files takes more steps",
    ),
    "links to depth": (
        tar(
            *[(f"{DEEP}/", ""), ("k0", f"-> {DEEP}")],
            *((f"k{n + 1}", f"-> k{n}/{DEEP}") for n in range(10)),
            ("k10/f", ""),
        ),
        "leads to a path of more than 4096 characters",
    ),
    "depth": (
        tar(*((f"{n}/{'/'.join(['d'] * 2000)}/", "") for n in range(100))),
        "the paths of these files are longer, all in all",
    ),
}
COMMANDS = {
    "files": (6, ("files", "{image}")),
    "files as JSON": (6, ("files", "{image}", "--json")),
    "cat": (6, ("cat", "{image}", "f")),
    "export": (6, ("export", "{image}", "-o", "out")),
    "export as tar": (6, ("export", "{image}", "-o", "out.tar")),
    "check": (1, ("check", "--deep", "{image}")),
    "COPY --from": (
        6,
        (
            "build",
            "ctx",
            "--platform",
            "linux/amd64",
            "--build-context",
            "i=oci-layout://{place}",
            "-o",
            "oci:out:1",
        ),
    ),
    "base": (
        6,
        ("build", ".", "--toolchain", "prebuilt", "--base", "{image}", "--copy", "ctx:/l0", "-o", "oci:out:1"),
    ),
}


def bounded() -> None:
    """A minute of work, and a gigabyte of memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


@pytest.fixture(params=IMAGES)
def image(request, tmp_path):
    """The name of such an image in a layout, and why it is refused."""
    layer, reason = IMAGES[request.param]
    memory, manifest = stored(layer)
    layout = LayoutStore(tmp_path / "layout", create=True)
    for blob in manifest.layers:
        with memory.open_blob(blob) as pieces:
            layout.put_blob(blob, BytesSource(b"".join(pieces)))
    config = compose.image_config(
        Family.OCI, Platform("linux", "amd64"), settings={}, diff_ids=[Digest.of(layer)], history=[], created=""
    )
    layout.put_blob(Descriptor.of(config), BytesSource(config.raw))
    layout.put_manifest(compose.manifest(Family.OCI, Descriptor.of(config), manifest.layers), "1")
    return f"oci:{layout.path}:1", reason


@pytest.mark.parametrize("command", COMMANDS)
def test_k238_costly_images_are_refused_with_the_reason(tmp_path, image, command):
    name, reason = image
    code, words = COMMANDS[command]
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "Dockerfile").write_text("FROM scratch\nCOPY --from=i / /\n")
    done = subprocess.run(
        [sys.executable, "-m", "ocitool", *(word.format(image=name, place=name.removeprefix("oci:")) for word in words)],
        env=process_environment(), cwd=tmp_path, capture_output=True, check=False, text=True, preexec_fn=bounded,
    )  # fmt: skip

    assert code == done.returncode, done.stderr
    assert reason in done.stderr + done.stdout
    assert {"ctx", "layout"} == set(os.listdir(tmp_path)) - {"cache", "home"}
