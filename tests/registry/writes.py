"""The table of everything that writes a tag: each command, and what programs call.

Whoever adds a command or a method that writes a tag adds a line to WRITES: tests then hold that it can be taken back,
also when the registry lost the tag, and that being killed in its middle leaves the old tag or the new one.
"""

import io
import string
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from ocitool.cli import main
from ocitool.client import Client
from ocitool.image.base_note import DIGEST as BASE_DIGEST
from ocitool.image.base_note import NAME as BASE_NAME
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.sick import Ward, member, tar

ARCHES = ("amd64", "arm64")


@dataclass(frozen=True)
class Stage:
    """A repository whose tag `1` is written, by the name that clients use, and a folder of the test's own.

    `1` holds an index of linux/arm64 and linux/amd64 unless a line of the table prepares something else; `extra` is
    an image for linux/riscv64.
    """

    name: str
    folder: Path

    @property
    def reference(self) -> str:
        """The tag that is written."""
        return f"{self.name}:1"


@dataclass(frozen=True)
class Write:
    """One way to write the tag: `act` does it, `prepare` makes what it needs and may let `1` hold something else.

    One that `attaches` leaves the tag as it is and writes beside it; one that `removes` leaves nothing of it.
    """

    name: str
    act: Callable[[Stage], None]
    prepare: Callable[[Ward, Stage], object] = lambda ward, stage: None
    attaches: bool = False
    removes: bool = False

    def __str__(self) -> str:
        return self.name


def command(*words: str) -> Callable[[Stage], None]:
    """A command line that has to succeed; $REF, $NAME and $DIR are the stage's."""

    def act(stage: Stage) -> None:
        meanings = {"REF": stage.reference, "NAME": stage.name, "DIR": str(stage.folder)}
        argv = [string.Template(word).safe_substitute(meanings) for word in words]
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            code = main(argv)
        assert code == 0, err.buffer.getvalue().decode()

    return act


def client(method: Callable[[Client, Stage], object]) -> Callable[[Stage], None]:
    """What a program does with a client of its own."""

    def act(stage: Stage) -> None:
        with Client() as opened:
            method(opened, stage)

    return act


def _files(ward: Ward, stage: Stage) -> None:
    """A file for each platform, and a Dockerfile."""
    for arch in ARCHES:
        (stage.folder / arch).write_text(f"for {arch}")
    (stage.folder / "Dockerfile").write_text("FROM scratch\nCOPY amd64 /\n")
    (stage.folder / "bake.json").write_text('{"target": {"default": {}}}')


_BUILD = (
    *("build", "$DIR", "--toolchain", "prebuilt", "--copy", "{arch}:/srv/"),
    *("--platform", ",".join(f"linux/{arch}" for arch in ARCHES), "-t", "$REF"),
)


def _kept(ward: Ward, stage: Stage) -> None:
    """An image in this machine's store."""
    _files(ward, stage)
    command(*_BUILD)(stage)


def _layout(ward: Ward, stage: Stage) -> None:
    """A layout with a tag `1` of its own."""
    Ward(LayoutStore(stage.folder / "layout", create=True)).image("linux/s390x", layers=[b"other"], tag="1")


def _manifest(ward: Ward, stage: Stage) -> None:
    """The bytes of a manifest as a file."""
    (stage.folder / "manifest.json").write_bytes(ward.store.get_manifest("extra").raw)


def _nested(ward: Ward, stage: Stage) -> None:
    """An index of an index."""
    ward.index(ward.index(ward.image(), tag="inner"), ward.image("linux/arm64"))


def _attested(ward: Ward, stage: Stage) -> None:
    """An index with an attestation of BuildKit's."""
    image = ward.image()
    ward.index(image, ward.provenance(image["digest"]))


def _layered(ward: Ward, stage: Stage) -> None:
    """An index of an image that has two layers."""
    ward.index(ward.image(layers=[tar(member("a"), member("b")), tar(member("a", b"new"))]))


def _sick(ward: Ward, stage: Stage) -> None:
    """An image whose config does not say what it is for."""
    ward.index(ward.image(), ward.image("linux/arm64", config=lambda tree: tree.update(architecture="")))


def _based(ward: Ward, stage: Stage) -> None:
    """An image upon a base whose tag holds a newer one by now."""
    ward.image(tag="base")
    digest = str(ward.store.head("base").digest)
    said = {BASE_NAME: f"{stage.name}:base", BASE_DIGEST: digest}
    ward.image(manifest=lambda tree: tree.update(annotations=said), tag="1")
    ward.image(config=lambda tree: tree.update(author="newer"), tag="base")


def _sync_file(stage: Stage) -> Path:
    """A sync file that brings a tag of a layout."""
    file = stage.folder / "sync.toml"
    file.write_text(f'[[sync]]\nsource = "oci:{stage.folder}/layout:1"\ntargets = ["{stage.name}"]\n')
    return file


_SIGN = ("sign", "$REF", "--identity", "registry.test/app", "--key")


def _keys(ward: Ward, stage: Stage) -> None:
    """A key, and a signature that somebody else made."""
    if (stage.folder / "ours.key").exists():
        return
    for name in ("theirs", "ours"):
        command("key", "generate", "-o", f"$DIR/{name}", "--type", "ed25519", "--unencrypted")(stage)
    command(*_SIGN, "$DIR/theirs.key", "--form", "both", "--cache-dir", "$DIR/another machine")(stage)


def _client_sign(opened: Client, stage: Stage) -> None:
    opened.sign(stage.reference, stage.folder / "ours.key", identity="registry.test/app", recursive=True)


def _client_push(opened: Client, stage: Stage) -> None:
    built = opened.build(
        stage.folder,
        toolchain="prebuilt",
        copy=["{arch}:/srv/"],
        platforms=[f"linux/{arch}" for arch in ARCHES],
    )
    opened.push(built, stage.reference)


def _delete_manifest(stage: Stage) -> None:
    with Opener(Access(), Scope()) as opener:
        digest = opener.open(stage.reference)[0].head("1").digest
    command("delete", f"{stage.name}@{digest}", "--yes")(stage)


def _undo_to(stage: Stage) -> None:
    with Opener(Access(), Scope()) as opener:
        digest = opener.open(stage.reference)[0].head("extra").digest
    command("undo", "$REF", "--to", str(digest))(stage)


WRITES = (
    Write("build --push", command(*_BUILD, "--push"), _files),
    Write("buildx build --push", command("buildx", "build", "$DIR", "-t", "$REF", "--push"), _files),
    Write(
        "buildx bake --push",
        command(
            *("buildx", "bake", "-f", "$DIR/bake.json", "--allow", "fs=*", "--push"),
            *("--set", "*.context=$DIR", "--set", "*.tags=$REF"),
        ),
        _files,
    ),
    Write("push", command("push", "$REF"), _kept),
    Write("copy", command("copy", "$NAME:extra", "$REF", "--replace")),
    Write("copy --all-tags", command("copy", "oci:$DIR/layout", "$NAME", "--all-tags", "--replace"), _layout),
    Write("copy --to", command("copy", "$NAME:extra", "--to", "$REF", "--replace")),
    Write("sync", lambda stage: command("sync", str(_sync_file(stage)))(stage), _layout),
    Write("tag", command("tag", "$NAME:extra", "1")),
    Write("undo --to", _undo_to),
    Write("merge", command("merge", "$REF", "$NAME:extra")),
    Write("merge --append", command("merge", "$REF", "$NAME:extra", "--append")),
    Write("index create", command("index", "create", "$REF", "$NAME:extra")),
    Write("buildx imagetools create", command("buildx", "imagetools", "create", "-t", "$REF", "$NAME:extra")),
    Write("index add", command("index", "add", "$REF", "$NAME:extra")),
    Write("index remove", command("index", "remove", "$REF", "--platform", "linux/arm64")),
    Write("index filter", command("index", "filter", "$REF", "--platform", "linux/arm64")),
    Write("index annotate", command("index", "annotate", "$REF", "--annotation", "a=b")),
    Write("index order", command("index", "order", "$REF")),
    Write("index convert", command("index", "convert", "$REF", "--format", "docker")),
    Write("index flatten", command("index", "flatten", "$REF"), _nested),
    Write("config edit", command("config", "edit", "$REF", "--label", "a=b")),
    Write(
        "config edit --resign",
        command("config", "edit", "$REF", "--label", "a=b", "--resign", "$DIR/ours.key"),
        _keys,
    ),
    Write(
        "config edit --attestations-to-referrers",
        command("config", "edit", "$REF", "--label", "a=b", "--attestations-to-referrers"),
        _attested,
    ),
    Write("append", command("append", "$REF", "--copy", "$DIR/amd64:/srv/"), _files),
    Write("squash", command("squash", "$REF"), _layered),
    Write("strip", command("strip", "$REF", "/b"), _layered),
    Write("recompress", command("recompress", "$REF", "--compression", "zstd")),
    Write("rebase", command("rebase", "$REF"), _based),
    Write(
        "manifest push",
        command("manifest", "push", "$REF"),
        lambda ward, stage: command("manifest", "create", "$REF", "$NAME:extra")(stage),
    ),
    Write("manifest put", command("manifest", "put", "$REF", "$DIR/manifest.json"), _manifest),
    Write("delete", command("delete", "$REF")),
    Write("delete by digest", _delete_manifest, removes=True),
    Write("prune", command("prune", "$NAME", "--keep", "extra", "--apply"), removes=True),
    Write("sign", command(*_SIGN, "$DIR/ours.key"), _keys, attaches=True),
    Write("sign --form bundle", command(*_SIGN, "$DIR/ours.key", "--form", "bundle"), _keys, attaches=True),
    Write(
        "attach", command("attach", "$REF", "$DIR/ours.pub", "--artifact-type", "text/x-key"), _keys, attaches=True
    ),
    Write(
        "index remove --resign",
        command("index", "remove", "$REF", "--platform", "linux/arm64", "--resign", "$DIR/ours.key"),
        _keys,
    ),
    Write("repair", command("repair", "$REF", "--apply"), _sick),
    Write("Client.push", client(_client_push), _files),
    Write("Client.push of what is kept", client(lambda c, stage: c.push(stage.reference)), _kept),
    Write("Client.merge", client(lambda c, stage: c.merge(stage.reference, f"{stage.name}:extra"))),
    Write("Client.copy", client(lambda c, stage: c.copy(f"{stage.name}:extra", stage.reference, replace=True))),
    Write("Client.sync", client(lambda c, stage: c.sync(_sync_file(stage)).required()), _layout),
    Write("Client.sign", client(_client_sign), _keys, attaches=True),
    Write("Client.delete", client(lambda c, stage: c.delete(stage.reference))),
    Write("Client.prune", client(lambda c, stage: c.prune(stage.name, keep="extra")), removes=True),
    Write("Client.tag", client(lambda c, stage: c.tag(f"{stage.name}:extra", "1"))),
    Write("Client.undo to", client(lambda c, s: c.undo(s.reference, to=str(c.digest(f"{s.name}:extra"))))),
    Write("Client.apply of an index", client(lambda c, s: c.apply(c.index(s.reference).add(f"{s.name}:extra")))),
    Write(
        "Client.apply of configs",
        client(lambda c, s: c.apply(c.image(s.reference).edit_config(labels={"a": "b"}, env={"B": "c"}))),
    ),
    Write("Client.apply of a repair", client(lambda c, stage: c.apply(c.repair(stage.reference))), _sick),
)


def act(name: str, stage: Stage) -> None:
    """Do the line of that name, which lets processes be told which."""
    next(write for write in WRITES if write.name == name).act(stage)
