"""The job that `build` and `buildx build` share: from the flags to a request, and from there to its result."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ocitool.builder.project import DOCKERFILE
from ocitool.builder.request import BuildPlan, BuildRequest
from ocitool.builder.trust import TrustOptions
from ocitool.cli import trust
from ocitool.cli.buildx import attestations, ignored_flags
from ocitool.cli.buildx.destinations import Destinations, destinations
from ocitool.cli.buildx.result import hand_over, image_id, outcome, outcome_of_several
from ocitool.cli.buildx.run_options import options_of
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import PIPELINE_FILES, make_way
from ocitool.cli.promises import promises_of
from ocitool.cli.values import Words, lines_of, pair_lines
from ocitool.dockerfile.places import clone_first, context_name, is_git_context, is_web, locator_of, shown
from ocitool.dockerfile.request import DOCKERFILE_LIMIT, DockerfileOptions, Sent
from ocitool.errors import AuthError, LocalIOError, NotFound, Unsupported, UsageError, local_io
from ocitool.events import Noted
from ocitool.image.annotations import AnnotationLevel, parse_annotation
from ocitool.image.essentials import parse_extras
from ocitool.image.options import ImageOptions
from ocitool.model.files import from_system
from ocitool.model.numbers import KIB
from ocitool.model.reference import Reference
from ocitool.pack.entries import parse_copy
from ocitool.pack.own_files import remember_outputs
from ocitool.pack.tar import parse_epoch
from ocitool.store.locate import Locator
from ocitool.toolchains.workdir import temporary_folder
from ocitool.values import dataclass, replace

_REMOTE: Final = re.compile(r"(?:https?|git|ssh)://|git@|github\.com/")
_IN_DOCUMENTS: Final = (
    "annotation",
    "cmd",
    "entrypoint",
    "env",
    "expose",
    "label",
    "stop_signal",
    "user",
    "volume",
    "workdir",
)
"""The flags whose words go into the documents of an image."""
_PIECE: Final = 256 * KIB


@dataclass(frozen=True, slots=True)
class BuildWords:
    """In what `build` and `buildx build` differ.

    `toolchain` is what builds where nothing is said, `annotated` where an annotation belongs that names no
    place. `bare` says that a lone word after -o is a folder, `is_oci` that annotations choose OCI by themselves,
    `says_id` that --quiet prints the image id; `platforms_from` is the variable that stands in for --platform.
    """

    toolchain: str = ""
    annotated: AnnotationLevel = AnnotationLevel.ROOT
    bare: bool = False
    is_oci: bool = False
    says_id: bool = False
    platforms_from: str = ""


OURS: Final = BuildWords()
BUILDX: Final = BuildWords(
    DOCKERFILE,
    AnnotationLevel.MANIFEST,
    bare=True,
    is_oci=True,
    says_id=True,
    platforms_from="DOCKER_DEFAULT_PLATFORM",
)


def carry_out(app: App, path: str, flags: Mapping[str, Any], ways: BuildWords) -> Outcome:
    """Plan, build and deliver what the flags ask for, and write what the next step of a pipeline wants.

    Where the spec describes several images, each flag with `{name}` says something else for each of them.
    """
    began = time.monotonic()
    words = Words(flags)
    words.check_unicode(*_IN_DOCUMENTS)
    ignored_flags.heed(flags, app.console)
    names = _image_names(app, path, words) or ("",)
    each = [words.filled(name, "tags", "outputs", "iidfile") if name else words for name in names]
    goals = [_destinations(one, ways) for one in each]
    method, form = ignored_flags.call(flags)
    _check_flags(app, names, goals, method)
    if any(goal.loads for goal in goals) and method == "build":
        goals = _with_engine(app, goals)
    if any(goal.insecure for goal in goals):
        app.trust(tag.api_host for one, goal in zip(each, goals, strict=True) for tag in _names(one, goal))
    if all(goal.outputs.leaves_nothing for goal in goals) and method == "build" and not words.is_set("dry_run"):
        app.client.borrow_store()
    asked = replace(request(app, path, each[0], goals[0], ways), images=names[:1] if names[0] else ())
    if method != "build":
        from ocitool.cli.buildx import lint

        return lint.look(app, asked, method, form)
    metadata_file, iidfiles = words.path("metadata_file"), [one.path("iidfile") for one in each]
    if len(set(iidfiles)) < len(iidfiles) and any(iidfiles):
        raise UsageError(f"--iidfile {iidfiles[0]} is for one image", hint="write {name} where it differs")
    if not words.is_set("dry_run"):
        make_way((metadata_file, *iidfiles))
    variables = (os.environ.get(name) for name in PIPELINE_FILES)
    beside = (*filter(None, (metadata_file, *iidfiles)), *(Path(text) for text in variables if text))
    plans = app.client.plan_builds(
        *(
            replace(
                asked,
                images=(name,) if name else (),
                tags=_names(one, goal),
                outputs=replace(goal.outputs, beside=beside),
            )
            for name, one, goal in zip(names, each, goals, strict=True)
        )
    )
    if words.is_set("dry_run"):
        return _previewed(names, plans)
    for planned, goal in zip(plans, goals, strict=True):
        if planned.tags and not goal.loads and not (goal.outputs.leaves_nothing or goal.outputs.keeps):
            note = "note: without --push the image is only kept in this machine's store; ocitool push publishes it"
            app.listener(Noted(note, "notice"))
            break
    reports = app.client.run_builds(*plans)
    told = [
        outcome(
            app,
            report,
            pushed=goal.outputs.push,
            streamed=bool(goal.outputs.streams),
            seconds=time.monotonic() - began,
            shown=image_id(report.built) if ways.says_id and app.console.quiet else "",
        )
        for report, goal in zip(reports, goals, strict=True)
    ]
    hand_over(
        {name: (report.built, one.data) for name, report, one in zip(names, reports, told, strict=True)},
        metadata_file=metadata_file,
        iidfiles=iidfiles,
        environ=os.environ,
    )
    remember_outputs(app.work.machine.memo, beside)
    return told[0] if len(names) == 1 else outcome_of_several(dict(zip(names, told, strict=True)), reports)


def _image_names(app: App, path: str, words: Words) -> tuple[str, ...]:
    """The images that the spec of the folder describes, or those of --image; none where it describes one."""
    wanted = words.many("images")
    if Path(path).is_dir():
        return app.client.images_of(path, wanted, spec=words.path("spec_file"))
    if wanted:
        raise UsageError("--image chooses what the ocitool.toml of a folder describes", hint="name the folder")
    return ()


def _destinations(words: Words, ways: BuildWords) -> Destinations:
    return destinations(
        words.many("outputs"),
        push=words.is_set("push"),
        load=words.is_set("load"),
        by_digest=words.is_set("push_by_digest"),
        bare=ways.bare,
    )


def _check_flags(app: App, names: Sequence[str], goals: Sequence[Destinations], method: str) -> None:
    """Raise UsageError for what is said of standard output that holds something else, or several things."""
    streams = any(goal.outputs.streams for goal in goals)
    if streams and app.console.as_json:
        raise UsageError("--json and an archive on standard output do not go together", hint="name a file with -o")
    if len(names) > 1 and (streams or method != "build"):
        what = "an archive on standard output holds" if streams else f"--call {method} is about"
        raise UsageError(
            f"{what} one image, and these are {', '.join(names)}", hint=f"choose one: --image {names[0]}"
        )


def _previewed(names: Sequence[str], plans: Sequence[BuildPlan]) -> Outcome:
    """What would be done, image by image where there are several."""
    from ocitool.builder.preview import preview, preview_text

    trees = {name: preview(planned) for name, planned in zip(names, plans, strict=True)}
    if len(names) == 1:
        return Outcome(trees[names[0]], preview_text(trees[names[0]]))
    return Outcome(
        {"images": trees}, "\n\n".join(f"image {name}\n{preview_text(tree)}" for name, tree in trees.items())
    )


def _with_engine(app: App, goals: Sequence[Destinations]) -> list[Destinations]:
    """With the engine that the build is loaded into, or kept here where none is, and told which."""
    name = goals[0].engine or os.environ.get("OCITOOL_ENGINE", "")
    engine = app.client.find_engine(name, context=goals[0].context)
    if engine is not None:
        app.listener(Noted(f"note: the image is loaded into {engine}", "notice"))
        return [replace(goal, outputs=replace(goal.outputs, engine=engine)) for goal in goals]
    if name != "none":
        note = "note: no docker, podman or containerd answers here: the image is kept in this machine's store"
        app.listener(Noted(note, "notice"))
    return [replace(goal, outputs=replace(goal.outputs, keeps=True)) for goal in goals]


def request(app: App, path: str, words: Words, wanted: Destinations, ways: BuildWords) -> BuildRequest:
    """What the flags ask for; the environment's part is resolved here. Raises UsageError, Unsupported."""
    source, dockerfile = _source(app, path, words)
    annotations = wanted.annotations
    for text in pair_lines(filter(str.strip, words.many("annotation")), "--annotation"):
        annotations += parse_annotation(text, ways.annotated)
    form = words.text("form") or wanted.format
    arguments = dict(dockerfile.arguments)
    epoch = arguments.get("SOURCE_DATE_EPOCH") or os.environ.get("SOURCE_DATE_EPOCH")
    return BuildRequest(
        source=source,
        platforms=app.work.platforms(words.many("platforms") or (os.environ.get(ways.platforms_from, ""),)),
        tags=_names(words, wanted),
        toolchain=words.text("toolchain") or ways.toolchain,
        base=words.text("base"),
        copies=tuple(parse_copy(from_system(text)) for text in words.many("copies")),
        extras=parse_extras(words.many("extras")),
        spec_file=words.path("spec_file"),
        debug_files=words.path("debug_files"),
        format="oci" if not form and ways.is_oci and annotations else form,
        compression=words.text("compression") or wanted.compression,
        image=_settings(words),
        annotations=annotations,
        git_labels=False if words.is_set("no_git_labels") else None,
        base_annotations=False if words.is_set("no_base_annotations") else None,
        allow_foreign=words.is_set("allow_foreign_arch"),
        allow_sparse=words.is_set("allow_sparse"),
        index=True if _is_on(arguments.get("BUILDKIT_MULTI_PLATFORM", "")) else words.tri("index"),
        epoch=parse_epoch(epoch or "0"),
        has_epoch=bool(epoch) or words.is_set("rewrite_timestamp"),
        version=os.environ.get("OCITOOL_VERSION", ""),
        use_cache=not words.is_set("no_cache") and not words.many("fresh"),
        dockerfile=dockerfile,
        environ=app.client.environ,
        trust=_trust(words),
        attest=attestations.options_of(words.flags),
        promises=promises_of(words),
    )


def _trust(words: Words) -> TrustOptions:
    """What the flags say about keys and rules."""
    sign_keys = words.many("sign_keys")
    password = trust.passwords_of(sign_keys, words.many("password_sources"))
    return TrustOptions(
        words.many("verify_keys"),
        words.many("verify_identity"),
        words.path("policy"),
        sign_keys,
        password,
        password.files,
        words.path("source_policy"),
    )


def _names(words: Words, wanted: Destinations) -> tuple[Reference, ...]:
    """The names of -t, else of the outputs, each once however often it was given or spelt. Raises UsageError."""
    tag = "" if wanted.outputs.by_digest else "latest"
    names = tuple(lines_of(words.many("tags"))) or wanted.names
    return tuple(dict.fromkeys(Reference.parse(name, default_tag=tag) for name in names))


def _is_on(value: str) -> bool:
    """Whether a build argument that speaks to the builder says yes, in Go's words."""
    return value.lower() in {"1", "t", "true"}


def _settings(words: Words) -> ImageOptions:
    """What the flags say about the config."""
    return ImageOptions(
        entrypoint=words.argv("entrypoint"),
        cmd=words.argv("cmd"),
        env=words.pairs("env"),
        user=words.maybe("user"),
        workdir=words.maybe("workdir"),
        labels=words.labels(),
        expose=words.many("expose"),
        volumes=words.many("volume"),
        stop_signal=words.maybe("stop_signal"),
    )


def _source(app: App, path: str, words: Words) -> tuple[Path, DockerfileOptions]:
    """The folder that is built, and what is said about its Dockerfile.

    `-` reads an archive or the Dockerfile from standard input, a URL is downloaded. Raises Unsupported for a git
    repository, UsageError for standard input read twice, and what `sent.receive` and `download` raise.
    """
    is_git = is_git_context(path) or (_REMOTE.match(path) is not None and not is_web(path))
    if is_git and not os.path.lexists(path):
        raise Unsupported(
            f"{shown(path)} would have to be cloned, and nothing is cloned here",
            ability="git context",
            hint=clone_first(path),
        )
    file = words.path("file")
    if file == Path():  # a script's empty variable
        file = None
    is_stdin = file is not None and str(file) == "-"
    source, sent = Path(path), None
    if path == "-" or is_web(path):
        if is_stdin:
            what = "standard input is the context" if path == "-" else f"{shown(path)} is the whole context"
            raise UsageError(f"{what}, and -f - names another Dockerfile", hint="leave one of them out")
        source = _work(app)
        from ocitool.dockerfile.remote_context import receive

        sent = _received(
            app,
            path,
            partial(
                receive,
                folder=source / "sent",
                scope=app.scope,
                file=file,
                allow_sparse=words.is_set("allow_sparse"),
            ),
        )
    return source, DockerfileOptions(
        file=None if is_stdin or sent else file,
        text=_read_stdin() if is_stdin else _inline(words),
        sent=sent,
        target=words.text("target"),
        arguments=tuple(filter(None, map(_argument, words.many("build_arg")))),
        contexts=_contexts(words),
        run=options_of(words, os.environ),
    )


def _contexts(words: Words) -> tuple[tuple[str, str], ...]:
    """The named contexts. Raises UsageError, and NotFound for a folder that is not there."""
    found = words.pairs("build_context")
    for name, place in found:
        locator = locator_of(place)
        try:
            context_name(name)
            if locator:
                Locator.parse(locator)
        except UsageError as error:
            raise UsageError(f"--build-context {name}: {error.what}", hint=error.hint) from None
        if not place:
            raise UsageError(
                f"--build-context {name}= says no place",
                hint="as in NAME=DIR, NAME=oci:DIR:TAG, NAME=docker-image://REF",
            )
        if not locator and "://" not in place and not place.endswith(".git"):
            _check_folder(name, place)
    return found


def _check_folder(name: str, place: str) -> None:
    try:
        if not Path(place).is_dir():
            hint = f"name a folder, or an image as in {name}=docker-image://{Path(place).name}"
            raise NotFound(f"no folder {place} for context {name}", name=place, hint=hint)
    except OSError as error:
        raise local_io(error, f"read {place}, context {name}") from error


def _read_stdin() -> bytes:
    """The Dockerfile on standard input. Raises UsageError for an archive and for too much."""
    from ocitool.dockerfile.spool import is_archive

    data = sys.stdin.buffer.read(DOCKERFILE_LIMIT + 1)
    if is_archive(data[:512]):
        raise UsageError(
            "standard input is an archive, and -f - says that it is the Dockerfile",
            hint="write - in place of the folder: then it is the context",
        )
    if len(data) > DOCKERFILE_LIMIT:
        raise UsageError(f"the Dockerfile on standard input has more than {DOCKERFILE_LIMIT} bytes")
    return data


def _inline(words: Words) -> bytes | None:
    """The Dockerfile that a bake file holds itself."""
    text = words.maybe("dockerfile_text")
    return None if text is None else text.encode()


def _work(app: App) -> Path:
    """A folder in this machine's store, where there is room, that is gone when the command ends."""
    folder: Path | None = app.work.machine.root / "work"
    try:
        app.work.machine.check_writable()
    except LocalIOError:  # a look at a Dockerfile needs no store
        folder = None
    return app.stack.enter_context(temporary_folder(folder))


def _received(app: App, path: str, receive: Callable[[Iterable[bytes], str], Sent]) -> Sent:
    """The context on standard input, or at a URL."""
    if path == "-":
        pieces = iter(lambda: sys.stdin.buffer.read(_PIECE), b"")
        return receive(pieces, "standard input")
    from ocitool.registry.downloads import download

    piped = "fetch it with what may, and pipe it: `curl … | ocitool buildx build -`"
    if "@" in urlsplit(path).netloc:
        raise UsageError(f"{shown(path)} is given with a user or password, and none is sent", hint=piped)
    try:
        with download(app.work.opener.session, path) as got:
            return receive(got.pieces if got is not None else (), shown(path))
    except AuthError as error:
        error.hint = piped
        raise


def _argument(text: str) -> tuple[str, str] | None:
    """NAME=VALUE, or a name whose value is this process's own; None where it has none. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"--build-arg {text!r} names no argument", hint="write --build-arg NAME=VALUE")
    if not equals and name not in os.environ:
        return None
    return (name, value if equals else os.environ[name])
