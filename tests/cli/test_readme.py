"""The README's Python example runs as it is printed, against a registry here."""

import re

import pytest

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.images import put_image


@pytest.mark.registry
def test_the_python_example_runs(docker_registry, tmp_path, monkeypatch, capsys):
    reference = f"{docker_registry.repository()}:v1"
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference, write=True)
        put_image(store, tag, "linux/amd64", layers=[b"x"])
        index = compose.index(Family.OCI, [Descriptor.of(store.get_manifest(tag), Platform("linux", "amd64"))])
        store.put_manifest(index, tag)
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    program = example.replace("registry.example/app:v1", reference)

    exec(compile(program, "README.md", "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("linux/amd64 sha256:")
    assert "oci:mirror True" == printed[-1]
    assert (tmp_path / "mirror" / "oci-layout").is_file()
