"""Rules about image configs. Spec: image-spec config.md."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from ocitool.check.finding import Location, escaped
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.check.programs import start_problems
from ocitool.check.rules.rule import Hit, Rule
from ocitool.findings import Severity
from ocitool.image.starting import StartFault
from ocitool.model import mediatype
from ocitool.model.numbers import is_digits
from ocitool.model.views import ImageConfig
from ocitool.rootfs.tree import Node

_LATER: Final = timedelta(days=1)
"""How far clocks may differ before a date counts as the future."""
_ACCOUNTS: Final = (("etc/passwd", "user"), ("etc/group", "group"))
_SECRETS: Final = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a password in a URL", re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@$]+@")),
)


def missing(inspection: Inspection) -> Iterator[Hit]:
    """A config blob that is not there (K034)."""
    for manifest, label in inspection.labelled:
        if manifest.config.digest in inspection.absent:
            at = Location(manifest.document.digest, "/config", label=label)
            yield at, f"config {manifest.config.digest} is not there"


def size(inspection: Inspection) -> Iterator[Hit]:
    """A config of the right digest and of another size than the manifest says."""
    for image in _each(inspection):
        said = image.manifest.config.size
        if image.config is not None and image.config.document.size != said:
            at = Location(image.digest, "/config/size", label=image.label)
            yield at, f"the manifest says {said} bytes, the config has {image.config.document.size}"


def malformed(inspection: Inspection) -> Iterator[Hit]:
    """A config that is none, is not of its digest, or holds what engines cannot read (K047)."""
    for image in _each(inspection):
        error = inspection.broken.get(image.manifest.config.digest)
        if error is not None:
            yield _in_manifest(image), str(error)
    for image, config in _configs(inspection):
        for pointer, what in (*_dates(config), *_shapes(config)):
            yield _at(image, pointer), f"{pointer.rpartition('/')[2]} is {what}: no engine reads this config"
    for manifest in inspection.manifests:
        layers, media_type = manifest.layers, manifest.config.media_type
        is_vague = not manifest.artifact_type and "/vnd." not in media_type
        if is_vague and layers and all(mediatype.is_layer(layer.media_type) for layer in layers):
            digest = manifest.document.digest
            at = Location(digest, "/config/mediaType", label=inspection.label(digest))
            yield at, f"layers of an image, and a config of type {media_type}"


def _dates(config: ImageConfig) -> Iterator[tuple[str, str]]:
    """The pointers of dates that are not RFC 3339, which Go refuses together with the whole config."""
    tree = config.document.tree()
    steps = tree.get("history") or ()
    for pointer, place in (("", tree), *((f"/history/{n}", step) for n, step in enumerate(steps))):
        date = place.get("created")
        if date is not None and not _DATE.fullmatch(date):
            yield f"{pointer}/created", f"no date of RFC 3339 ({date[:40]!r})"


def _shapes(config: ImageConfig) -> Iterator[tuple[str, str]]:
    """The pointers of settings that are of another kind than engines parse."""
    for key, value in config.settings.items():
        what, is_right = _SETTINGS.get(key, ("", _anything))
        if value is not None and not is_right(value):
            yield f"/config/{escaped(key)}", f"not {what}"


def _anything(_: object) -> bool:
    return True


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_labels(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def _is_keys(value: object) -> bool:
    return isinstance(value, Mapping) and all(one is None or isinstance(one, Mapping) for one in value.values())


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_SETTINGS: Final[Mapping[str, tuple[str, Callable[[object], bool]]]] = {
    **dict.fromkeys(("Env", "Entrypoint", "Cmd", "OnBuild", "Shell"), ("a list of strings", _is_words)),
    **dict.fromkeys(("User", "WorkingDir", "StopSignal"), ("a string", _is_text)),
    **dict.fromkeys(("ExposedPorts", "Volumes"), ("an object with empty objects", _is_keys)),
    "Labels": ("an object of strings", _is_labels),
}
"""What engines parse of the `config` object. Spec: image-spec config.md; Go refuses a config with another kind."""


def no_platform(inspection: Inspection) -> Iterator[Hit]:
    """A config that does not name os and architecture."""
    for image, config in _configs(inspection):
        for key, value in (("os", config.platform.os), ("architecture", config.platform.architecture)):
            if not value:
                yield _at(image, f"/{key}"), f"the config names no {key}"


def diff_ids(inspection: Inspection) -> Iterator[Hit]:
    """A config whose diff_ids are not as many as the manifest's layers (K047)."""
    for image, config in _configs(inspection):
        ids, layers = len(config.diff_ids), len(image.manifest.layers)
        if ids != layers:
            yield (
                _at(image, "/rootfs/diff_ids"),
                f"{_count(ids, 'diff_id')} in the config, {_count(layers, 'layer')} in the manifest",
            )


def history(inspection: Inspection) -> Iterator[Hit]:
    """A history that tells of another number of layers; only empty_layer says that a step made none (K049)."""
    for image, config in _configs(inspection):
        told = sum(not step.empty_layer for step in config.history)
        if config.history and told != len(image.manifest.layers):
            layers = len(image.manifest.layers)
            yield _at(image, "/history"), f"history tells of {_count(told, 'layer')}, the manifest has {layers}"


def future(inspection: Inspection) -> Iterator[Hit]:
    """An image that says it was made later than now."""
    for image, config in _configs(inspection):
        try:
            made = datetime.fromisoformat(config.created)
        except ValueError:
            continue
        made = made if made.tzinfo else made.replace(tzinfo=UTC)
        if made > inspection.now + _LATER:
            yield _at(image, "/created"), f"created {config.created}, which is in the future"


def secret(inspection: Inspection) -> Iterator[Hit]:
    """Something that looks like a credential in what a config tells. The value is not shown."""
    for image, config in _configs(inspection):
        places = [(f"/history/{n}", step.created_by) for n, step in enumerate(config.history)]
        for key in ("Env", "Entrypoint", "Cmd"):
            words = config.setting(key)
            lines = words if isinstance(words, list) else ()
            places += [(f"/config/{key}/{n}", str(one)) for n, one in enumerate(lines)]
        labels = config.setting("Labels")
        places += [
            (f"/config/Labels/{escaped(key)}", f"{key}={value}")
            for key, value in (labels.items() if isinstance(labels, dict) else ())
        ]
        for pointer, text in places:
            for what, pattern in _SECRETS:
                if pattern.search(text):
                    yield _at(image, pointer), f"looks like {what}; whoever can pull can read it"


def unknown_user(inspection: Inspection) -> Iterator[Hit]:
    """A user or group name that the image's files do not know: the container does not start.

    Windows knows its users by itself.
    """
    for image, config in _configs(inspection):
        user = config.setting("User")
        words = user.split(":") if isinstance(user, str) and not image.is_windows else []
        named = [
            (word, *file) for word, file in zip(words, _ACCOUNTS, strict=False) if word and not is_digits(word)
        ]
        tree = inspection.tree(image.manifest) if named else None
        if tree is None:
            continue
        for name, path, what in named:
            known = _names(inspection, image, tree.lookup(path), path)
            if known is not None and name not in known:
                yield _at(image, "/config/User"), f"{what} {name!r} is not in /{path}"


def entrypoint_missing(inspection: Inspection) -> Iterator[Hit]:
    """What the config starts is not in the image (K212)."""
    return _unstarted(inspection, StartFault.MISSING)


def entrypoint_not_executable(inspection: Inspection) -> Iterator[Hit]:
    """What the config starts may not be executed (K212)."""
    return _unstarted(inspection, StartFault.NOT_EXECUTABLE)


def _unstarted(inspection: Inspection, fault: StartFault) -> Iterator[Hit]:
    for image, problem in start_problems(inspection):
        if problem.fault is fault:
            pointer = f"/config/{problem.setting}" if problem.setting else "/config"
            yield _at(image, pointer), problem.reason


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _names(inspection: Inspection, image: InspectedImage, node: Node | None, path: str) -> set[str] | None:
    """The accounts in a file of the image; None where it was not kept: a link to elsewhere, or too large."""
    if node is None:
        return set()
    seen = inspection.layers.get(image.manifest.layers[node.layer].digest)
    if seen is None or path not in seen.accounts:
        return None
    lines = seen.accounts[path].decode("utf-8", "replace").splitlines()
    return {line.partition(":")[0] for line in lines if ":" in line}


def _each(inspection: Inspection) -> Iterator[InspectedImage]:
    """Every image once, however many entries name it."""
    return iter({image.digest: image for image in inspection.images}.values())


def _configs(inspection: Inspection) -> Iterator[tuple[InspectedImage, ImageConfig]]:
    return ((image, image.config) for image in _each(inspection) if image.config is not None)


def _at(image: InspectedImage, pointer: str) -> Location:
    return Location(image.manifest.config.digest, pointer, label=image.label)


def _in_manifest(image: InspectedImage) -> Location:
    return Location(image.digest, "/config", label=image.label)


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: Final = (
    Rule(
        "config/missing", "The config is not there",
        "Clean-up jobs delete blobs; without its config an image cannot be pulled.",
        "GET of the config answers 404", _ERROR, missing, fixable=True,
    ),
    Rule(
        "config/size", "The config has another size than the manifest says",
        "Clients that compare sizes refuse it, or read no further than the manifest says.",
        "a size of 9 for a config of 208 bytes", _ERROR, size, fixable=True,
    ),
    Rule(
        "config/malformed", "The config is no image config",
        "Engines refuse what does not parse or does not have the digest that the manifest names.",
        "rootfs without type `layers`", _ERROR, malformed,
        advice="Build and push the image again: a config cannot be guessed.",
    ),
    Rule(
        "config/no-platform", "The config names no os or architecture",
        "Both are required; engines fall back to the index, to their own platform, or refuse.",
        '`"architecture": ""`', _ERROR, no_platform, fixable=True,
    ),
    Rule(
        "config/diff-ids", "diff_ids and layers are not as many",
        "Engines pair them one by one; a verifier that stops at the shorter list can be bypassed.",
        "one diff_id for two layers", _ERROR, diff_ids,
        advice="Build the image again: which diff_id belongs to which layer cannot be told.",
    ),
    Rule(
        "config/history", "The history tells of another number of layers",
        "Tools pair history and layers; only `empty_layer` says that a step made none.",
        "three steps without `empty_layer` for two layers", _WARNING, history,
        advice="Harmless to run; build it again with a tool that marks steps without a layer as `empty_layer`.",
    ),
    Rule(
        "config/future", "Created in the future",
        "Clean-up and update tools sort by this date.",
        "created 2099-01-01T00:00:00Z", _WARNING, future,
        advice="Set the clock of the machine that builds, or give the build a SOURCE_DATE_EPOCH.",
    ),
    Rule(
        "config/secret", "Something that looks like a credential",
        "Environment and history can be read by everybody who can pull, in every later image too.",
        "`ENV TOKEN=…` with a token of a well-known form", _ERROR, secret,
        advice="Revoke the credential first, whoever can pull has it; then build without it: `RUN "
        "--mount=type=secret`.",
    ),
    Rule(
        "config/unknown-user", "The user is not in /etc/passwd",
        "The container does not start: no such user.",
        "User `app` in an image without /etc/passwd", _ERROR, unknown_user, needs_deep=True,
        advice="Add the user to /etc/passwd of the image, or name it by number: `ocitool config edit REF "
        "--user 65532`.",
    ),
    Rule(
        "config/entrypoint-missing", "What the config starts is not in the image",
        "The container does not start: no such file. It is looked for as engines do, through PATH, WORKDIR, links "
        "and the layers of the base.",
        "Entrypoint /usr/local/bin/typo", _ERROR, entrypoint_missing, needs_deep=True,
        advice="Correct the path with `ocitool config edit REF --entrypoint PATH`, or build with the file in it.",
    ),
    Rule(
        "config/entrypoint-not-executable", "What the config starts may not be executed",
        "The container does not start: permission denied. Hand-overs between CI jobs lose the x bit; `--copy "
        "SRC:DEST:755` and `COPY --chmod=755` set it.",
        "Entrypoint /app, and /app has mode 0644", _ERROR, entrypoint_not_executable, needs_deep=True,
        advice="Build again with mode 755: `--copy SRC:DEST:755`, or `COPY --chmod=755`.",
    ),
)  # fmt: skip
