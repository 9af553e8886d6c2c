"""`found(text)`: what the checks find in a Dockerfile, as (check, line)."""

import pytest

from ocitool.dockerfile.lint.engine import lint
from ocitool.dockerfile.stages import StageGraph, StageRequest
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
FILES = Layered(
    [
        Entry("public.txt", FileKind.FILE, 0o644),
        Entry("app-amd64", FileKind.FILE, 0o755),
        Entry("group.txt", FileKind.FILE, 0o664),
        Entry("docs", FileKind.DIRECTORY, 0o755),
        Entry("docs/a.md", FileKind.FILE, 0o644),
    ]
)
"""A context, without what .dockerignore keeps out of it."""
TRACKED = frozenset({"public.txt", "group.txt", "docs/a.md"})


def report(
    text, *, ignore="secret.txt\n", context=FILES, platforms=(AMD64,), for_build=False, tracked=TRACKED, **wanted
):
    """The report on a Dockerfile for these platforms."""
    asked = [StageRequest(platform, AMD64, **wanted) for platform in platforms]
    file = parse(text.encode(), "D")
    graphs = [StageGraph.of(file, one) for one in asked]
    return lint(graphs, IgnoreRules.parse(ignore), context, for_build=for_build, tracked=tracked)


@pytest.fixture
def found():
    def call(text, *, only="", **more):
        findings = report(text, **more).findings
        return [(one.rule.name, one.place.first) for one in findings if only in ("", one.rule.name)]

    return call


@pytest.fixture
def messages():
    def call(text, **more):
        return [one.message for one in report(text, **more).findings]

    return call
