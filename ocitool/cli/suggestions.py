"""Values that completion offers: by what stands for a value in help, or by the name of the option."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from ocitool.client import Client

ASKED_S: Final = 2.0
"""How long a registry is waited for; a guess at how long somebody waits for a key to answer."""
MANY: Final = 1000
"""No more tags than this are offered; nobody reads so many."""

PLATFORMS: Final = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386", "linux/ppc64le", "linux/riscv64",
    "linux/s390x", "linux/loong64", "linux/mips64le", "windows/amd64", "windows/arm64",
)  # fmt: skip
COMPRESSIONS: Final = (
    "gzip", "gzip,toc", "gzip,single", "isal", "auto", "zstd", "estargz", "none", "gzip+zstd", "estargz+zstd",
)  # fmt: skip
_ARCHIVES: Final = ("oci-archive:", "docker-archive:")

Suggest: TypeAlias = Callable[[click.Context, str], Iterable[str]]


def platforms(_ctx: click.Context, typed: str) -> Iterator[str]:
    """Platforms; behind a comma those that were not named yet."""
    return _listed(PLATFORMS, typed)


def toolchains(_ctx: click.Context, _typed: str) -> Iterable[str]:
    """What `--toolchain` can be."""
    from ocitool.project.schema import SCHEMA

    return tuple(SCHEMA["properties"]["toolchain"]["enum"])


def extras(_ctx: click.Context, typed: str) -> Iterator[str]:
    """What `--with` can put into an empty image."""
    from ocitool.project.schema import SCHEMA

    return _listed(SCHEMA["properties"]["with"]["items"]["enum"], typed)


def _listed(words: Iterable[str], typed: str) -> Iterator[str]:
    """Words of a list with commas: behind a comma those that were not named yet."""
    before, comma, _ = typed.rpartition(",")
    return (f"{before}{comma}{one}" for one in words if one not in before.split(","))


def compressions(_ctx: click.Context, _typed: str) -> Iterable[str]:
    """What `--compression` can be, in its usual forms."""
    return COMPRESSIONS


def rules(_ctx: click.Context, _typed: str) -> Iterator[str]:
    """Rules of check and families of them."""
    from ocitool.check.engine import DOCUMENTED

    ids = [rule.id for rule in DOCUMENTED]
    yield from (*ids, *dict.fromkeys(f"{one.partition('/')[0]}/" for one in ids))


def explained(_ctx: click.Context, _typed: str) -> Iterator[str]:
    """What `explain` explains."""
    from ocitool.cli.explanations import explained as all_of_them

    yield from (one.name for one in all_of_them())


def names(ctx: click.Context, typed: str) -> Iterator[str]:
    """Images: local ones, layouts and archives of this folder, and tags of the registry once there is a colon."""
    kind, colon, rest = typed.partition(":")
    if colon and kind in {"oci", "oci-archive", "docker-archive"}:
        yield from _tags(ctx, typed) if ":" in rest else _files(kind, rest)
        return
    yield from ("oci:", *_ARCHIVES)
    yield from _local(ctx)
    if ":" in typed.rpartition("/")[2] and "@" not in typed:
        yield from _tags(ctx, typed)


def _files(kind: str, typed: str) -> Iterator[str]:
    """Folders, layouts and files whose path begins so."""
    folder = Path(typed.rpartition("/")[0] or ("/" if typed.startswith("/") else "."))
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        path = f"{typed.rpartition('/')[0]}/{one.name}" if "/" in typed else one.name
        if one.is_dir():
            yield f"{kind}:{path}{':' if kind == 'oci' and (one / 'oci-layout').is_file() else '/'}"
        elif kind != "oci":
            yield f"{kind}:{path}"


def _local(ctx: click.Context) -> Iterator[str]:
    """Names in this machine's store."""
    from ocitool.store.layout import REF_NAME

    with _client(ctx) as client:
        entries = client.workspace.machine.content.entries()
    yield from (entry.annotations.get(REF_NAME, "") for entry in entries)


def _tags(ctx: click.Context, typed: str) -> Iterator[str]:
    """The tags of the repository or layout that is being typed; none if it takes too long to ask for them."""
    repository = typed.rpartition(":")[0]
    with _client(ctx, repository) as client, _soon():
        yield from (f"{repository}:{tag}" for tag in client.tags(repository)[:MANY])


def _client(ctx: click.Context, repository: str = "") -> "Client":
    """A client that reaches hosts as the command line says, and asks no program for a password.

    Where one keeps the credentials, its registry is read without any: it might ask back, in the middle of a line.
    """
    from ocitool.client import Client
    from ocitool.registry.credentials import auth_files, read_auth_file
    from ocitool.store.locate import Locator

    said = ctx.params
    at = Locator.parse(repository).reference if repository else None
    trees = [read_auth_file(file) or {} for file in auth_files(dict(os.environ))] if at is not None else []
    keeps = any(tree.get("credsStore") or tree.get("credHelpers") for tree in trees)
    return Client(
        plain_http=said.get("plain_http") or (),
        insecure=said.get("insecure_hosts") or (),
        ca_files=said.get("ca_files") or (),
        anonymous=[at.registry] if at is not None and keeps else said.get("anonymous_hosts") or (),
        cache_dir=said.get("cache_dir"),
        retry_s=0,
    )


@contextmanager
def _soon() -> Iterator[None]:
    """Raise TimeoutError in the block after ASKED_S."""

    def end(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, ASKED_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_BY_NAME: Final[Mapping[str, Suggest]] = {
    "toolchain": toolchains,
    "compression": compressions,
    "extras": extras,
}
_BY_METAVAR: Final[Mapping[str, Suggest]] = {
    **dict.fromkeys(("PLATFORM", "PLATFORMS", "OS/ARCH[/VARIANT]"), platforms),
    **dict.fromkeys(
        ("LOC", "LOC...", "REF", "REF...", "[REF]", "SRC...", "SRC... DST", "DST", "REPO", "A", "B", "PLACE",
         "MANIFEST", "MANIFEST...", "MANIFEST_LIST", "MANIFEST_LIST...", "LOC|type=…", "LOC@DIGEST"),
        names,
    ),
    "RULES": rules,
    "[RULE|EXIT]": explained,
}  # fmt: skip


class _Suggesting(click.ParamType):  # type: ignore[type-arg]  # generic in later versions of click alone
    """A type that also offers values."""

    def __init__(self, inner: "click.ParamType[Any]", suggest: Suggest) -> None:
        self.name, self._inner, self._suggest = inner.name, inner, suggest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """As the type itself."""
        return self._inner.convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What begins as it was typed. Nothing fails here: what could not be asked is not offered."""
        found: dict[str, None] = {}
        with suppress(Exception):
            for value in self._suggest(ctx, incomplete):
                if value.startswith(incomplete) and value:
                    found[value] = None
        return [CompletionItem(value) for value in found]


def offer_values(command: click.Command) -> None:
    """Let a command's options and arguments offer what this module knows about them."""
    for one in command.params:
        suggest = _BY_NAME.get(one.name or "") or _BY_METAVAR.get(one.metavar or "")
        if suggest is not None and not isinstance(one.type, click.Choice):
            one.type = _Suggesting(one.type, suggest)
