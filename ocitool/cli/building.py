"""What `build` and its relatives share: flags as values, and a build told as text and JSON."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocitool.build.dockerfile.recipe import DockerfileOptions
from ocitool.build.pipeline import Built, Delivery
from ocitool.build.preview import preview, preview_text
from ocitool.build.request import BuildRequest, Plan
from ocitool.build.scratch import parse_extras
from ocitool.build.spec import ImageOptions
from ocitool.cli.console import human, table
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.model.platform import parse_platforms
from ocitool.model.reference import Reference
from ocitool.pack.entries import parse_copy
from ocitool.pack.tar import parse_epoch
from ocitool.store.base import Put
from ocitool.store.locate import Locator


@dataclass(frozen=True, slots=True)
class Words:
    """click's values by name, in the types they are meant as."""

    flags: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A word, empty if not given."""
        return str(self.flags[name] or "")

    def maybe(self, name: str) -> str | None:
        """A word, None if not given."""
        value = self.flags[name]
        return None if value is None else str(value)

    def many(self, name: str) -> tuple[str, ...]:
        """The values of a repeated option."""
        return tuple(self.flags[name])

    def path(self, name: str) -> Path | None:
        """A path, None if not given."""
        value = self.flags[name]
        return value if isinstance(value, Path) else None

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """Repeated K=V. Raises UsageError."""
        found = []
        for text in self.flags[name]:
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise UsageError(f"--{name} {text!r} is not KEY=VALUE")
            found.append((key, value))
        return tuple(found)

    def argv(self, name: str) -> tuple[str, ...] | None:
        """A command line as a JSON array or as words quoted like a shell's. Raises UsageError."""
        value = self.flags[name]
        if value is None:
            return None
        text = str(value)
        if text.lstrip().startswith("["):
            try:
                words = json.loads(text)
            except ValueError:
                words = None
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise UsageError(f"--{name} is not a JSON array of strings: {text!r}")
            return tuple(words)
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"--{name} {text!r}: {str(error).lower()}") from None


def request(app: App, path: Path, words: Words) -> BuildRequest:
    """What the flags of `build` ask for; the environment's part is resolved here. Raises UsageError."""
    return BuildRequest(
        source=path,
        platforms=parse_platforms(words.many("platforms"), app.host),
        tags=tuple(Reference.parse(tag) for tag in words.many("tags")),
        toolchain=words.text("toolchain"),
        base=words.text("base"),
        copies=tuple(parse_copy(text) for text in words.many("copies")),
        extras=parse_extras(words.many("extras")),
        spec_file=words.path("spec_file"),
        format=words.text("form"),
        compression=words.text("compression"),
        image=ImageOptions(
            entrypoint=words.argv("entrypoint"),
            cmd=words.argv("cmd"),
            env=words.pairs("env"),
            user=words.maybe("user"),
            workdir=words.maybe("workdir"),
            labels=words.pairs("label"),
            expose=words.many("expose"),
            volumes=words.many("volume"),
            stop_signal=words.maybe("stop_signal"),
        ),
        annotations=dict(words.pairs("annotation")),
        git_labels=False if words.flags["no_git_labels"] else None,
        allow_foreign=bool(words.flags["allow_foreign_arch"]),
        index=tri(words.flags["index"]),
        epoch=parse_epoch(os.environ.get("SOURCE_DATE_EPOCH") or "0"),
        version=os.environ.get("OCITOOL_VERSION", ""),
        use_cache=not words.flags["no_cache"],
        dockerfile=_dockerfile(words),
        environ=os.environ,
    )


def _dockerfile(words: Words) -> DockerfileOptions:
    """What the flags say about a Dockerfile; `-f -` reads it from standard input."""
    file = words.path("file")
    is_stdin = file is not None and str(file) == "-"
    return DockerfileOptions(
        file=None if is_stdin else file,
        text=sys.stdin.buffer.read() if is_stdin else None,
        target=words.text("target"),
        arguments=tuple(_argument(text) for text in words.many("build_arg") if "=" in text or text in os.environ),
        contexts=words.pairs("build_context"),
    )


def _argument(text: str) -> tuple[str, str]:
    """NAME=VALUE, or a name whose value is this process's own."""
    name, equals, value = text.partition("=")
    return (name, value) if equals else (name, os.environ[name])


def dry_run(planned: Plan, outputs: Sequence[Locator], *, push: bool) -> Outcome:
    """A plan told and not carried out."""
    tags = [str(tag) for tag in planned.tags]
    kept = [f"this machine's store as {tag}" for tag in tags] or ["this machine's store"]
    sent = [*map(str, outputs), *(tags if push else [])]
    tree = preview(planned, sent or kept)
    return Outcome(tree, preview_text(tree))


def tri(value: object) -> bool | None:
    """A flag with a third state: not given."""
    return None if value is None else bool(value)


def outcome(
    app: App, built: Built, deliveries: Sequence[Delivery], *, pushed: bool, streamed: bool, seconds: float
) -> Outcome:
    """A build for people and machines: one line REF@DIGEST per tag pushed, the table, the summary."""
    digest = built.root.digest
    rows = [
        (str(image.platform), image.manifest.digest.short, human(image.size), str(len(image.layers)))
        for image in built.images
    ]
    traffic = app.opener.traffic
    sent = sum(delivery.report.sent for delivery in deliveries)
    saved = sum(delivery.report.saved for delivery in deliveries)
    summary = (
        f"{table(('PLATFORM', 'DIGEST', 'SIZE', 'LAYERS'), rows)}\n"
        f"{len(rows)} platform{'s' if len(rows) != 1 else ''}, {human(sent)} sent, {human(saved)} saved, "
        f"{traffic.requests} requests, {seconds:.1f} s"
    )
    names = [name for delivery in deliveries for name in delivery.names]
    lines = [name for name in names if "@" in name] if pushed else [f"{name}@{digest}" for name in names]
    data = {
        "digest": str(digest),
        "media_type": built.root.media_type,
        "size": built.root.size,
        "names": names,
        "platforms": [
            {
                "platform": str(image.platform),
                "digest": str(image.manifest.digest),
                "config": str(image.config.digest),
                "size": image.size,
                "layers": [str(layer.digest) for layer in image.layers],
            }
            for image in built.images
        ],
        "layers": [
            {
                "digest": str(layer.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.size,
                "codec": layer.codec.to_tree(),
            }
            for layer in built.layers
        ],
        "blobs": {put.value: sum(d.report.puts.get(put, 0) for d in deliveries) for put in Put},
        "sent": sent,
        "saved": saved,
        "requests": traffic.requests,
        "seconds": round(seconds, 3),
    }
    text = "\n".join(lines or [str(digest)])
    if streamed:  # standard output is the archive
        return Outcome(data, summary=f"{summary}\n{text}")
    return Outcome(data, text, summary=summary)
