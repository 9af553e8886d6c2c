"""Runs the fault matrix and prints it: `python -m tests.fault.matrix`. Exit code 1 where a cell is not as it must be."""

import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ocitool.errors import OcitoolError
from ocitool.registry.hosts import MIB, Access
from ocitool.registry.repository import Registry
from ocitool.store.base import BytesSource, StoreSource
from ocitool.store.locate import Opener
from ocitool.store.remote import RemoteStore
from ocitool.tasks import Retry, Scope
from tests.fakes.images import put_image
from tests.fakes.registry import FakeRegistry, Fault, fake_registry
from tests.fakes.tokens import TokenServer, put_behind
from tests.fault.cells import FAULTS, KINDS, NONE, OK
from tests.fault.conftest import content, named

RETRY = Retry(attempts=3, base_s=0.001, cap_s=0.002, total_s=2)
LARGE = content(5 * MIB)
SMALL = b"a small blob"


class Wrong(Exception):  # noqa: N818 - an answer, not a failure
    """The operation ended, but not with what it should."""


@dataclass(frozen=True)
class Kind:
    """`on` matches the request, `act` is the operation it belongs to and checks what comes of it."""

    on: str
    act: Callable[["Stage"], object]
    before: Callable[["Stage"], object] = lambda stage: None


class Stage:
    """A registry with an image, a token server, and a client that has not asked anything yet."""

    def __init__(self, stack: ExitStack, *, tokens: bool):
        self.registry: FakeRegistry = stack.enter_context(fake_registry())
        self.elsewhere: FakeRegistry = stack.enter_context(fake_registry())
        self.server = TokenServer(anonymous=True)
        self.elsewhere.token_server = self._answer
        home = stack.enter_context(tempfile.TemporaryDirectory())
        self._access = Access(retry=RETRY, stall_s=0.15, environ={"HOME": home}, journal=Path(home) / "journal")
        self._stack = stack
        store = self.open("app")
        self.digest = put_image(store, "v1", "linux/amd64", layers=[SMALL])
        self.document = store.get_manifest("v1")
        self.open("base").put_blob(named(SMALL), BytesSource(SMALL))
        self.open("base").put_blob(named(b"base"), BytesSource(b"base"))
        if tokens:
            put_behind(self.registry, self.server, f"http://{self.elsewhere.host}/token")

    def _answer(self, asked):
        """Anonymous clients may push here."""
        anonymous = {key: value for key, value in asked.headers.items() if key != "authorization"}
        status, headers, body = self.server.answer(type(asked)(asked.method, asked.path, anonymous, asked.size))
        for value, (until, scopes) in list(self.server.tokens.items()):
            wide = tuple(s.replace(":pull", ":pull,push,delete") if s.endswith(":pull") else s for s in scopes)
            self.server.tokens[value] = (until, wide)
        return status, headers, body

    def open(self, name: str, *, write: bool = True) -> RemoteStore:
        opener = self._stack.enter_context(Opener(self._access, Scope()))
        return opener.open(f"{self.registry.host}/{name}", write=write)[0]

    def check(self, right: object) -> None:
        if not right:
            raise Wrong


def head_manifest(stage: Stage) -> None:
    found = stage.open("app", write=False).head("v1")
    stage.check(found is not None and found.digest == stage.digest)


def get_manifest(stage: Stage) -> None:
    stage.check(stage.open("app").get_manifest(str(stage.digest)).raw == stage.document.raw)


def put_manifest(stage: Stage) -> None:
    stage.open("app").put_manifest(stage.document, "v2")
    stage.check(stage.registry.tags.get(("app", "v2")) == stage.digest)


def delete_manifest(stage: Stage) -> None:
    stage.open("app").delete("v1")
    stage.check(("app", "v1") not in stage.registry.tags)


def get_blob(stage: Stage) -> None:
    with stage.open("app").open_blob(named(SMALL)) as pieces:
        stage.check(b"".join(pieces) == SMALL)


def mount(stage: Stage) -> None:
    stage.open("app").put_blob(named(b"base"), StoreSource(named(b"base"), stage.open("base")))
    stage.check(stage.registry.blobs.get(("app", str(named(b"base").digest))) == b"base")


def upload(stage: Stage) -> None:
    stage.open("app").put_blob(named(LARGE), BytesSource(LARGE))
    stage.check(stage.registry.blobs.get(("app", str(named(LARGE).digest))) == LARGE)
    stage.check(stage.registry.accepted <= 2 * len(LARGE) + 10_000)


def cut_first(stage: Stage) -> None:
    """An upload asks how far it is only after something broke."""
    stage.registry.faults.append(Fault("PATCH *", reset=True, after=2 * MIB))


KIND = {
    "ping": Kind(
        "GET /v2/", lambda stage: Registry(stage.open("app").repository.session, stage.registry.host).ping()
    ),
    "token": Kind("GET /token", head_manifest),
    "HEAD manifest": Kind("HEAD /v2/app/manifests/*", head_manifest),
    "GET manifest": Kind("GET /v2/app/manifests/*", get_manifest),
    "PUT manifest": Kind("PUT /v2/app/manifests/*", put_manifest),
    "DELETE manifest": Kind("DELETE /v2/app/manifests/*", delete_manifest),
    "HEAD blob": Kind(
        "HEAD /v2/app/blobs/*", lambda stage: stage.check(stage.open("app", write=False).has_blob(named(SMALL)))
    ),
    "GET blob": Kind("GET /v2/app/blobs/sha256:*", get_blob),
    "mount": Kind("POST /v2/app/blobs/uploads/", mount),
    "POST upload": Kind("POST /v2/app/blobs/uploads/", upload),
    "PATCH upload": Kind("PATCH *", upload),
    "GET upload": Kind("GET /v2/app/blobs/uploads/*", upload, cut_first),
    "PUT upload": Kind("PUT /v2/app/blobs/uploads/*", upload),
    "tags": Kind("GET /v2/app/tags/list", lambda stage: stage.check(list(stage.open("app").tags()) == ["v1"])),
    "referrers": Kind(
        "GET /v2/app/referrers/*", lambda stage: stage.check(stage.open("app").referrers(stage.digest) == [])
    ),
}

HTML = {"status": 502, "headers": {"Content-Type": "text/html"}, "body": b"<html><h1>Bad Gateway</h1></html>"}
NUMBERS = ("Retry-After", "OCI-Chunk-Min-Length", "RateLimit-Remaining", "RateLimit-Limit", "Age")
DATES = dict.fromkeys(("Date", "Last-Modified"), "Fri, 21 Dec 1999 23:5999999999999 -9999")
OTHER = str(named(b"other").digest)
FAULT: dict[str, dict[str, object]] = {
    "400": {"status": 400, "times": -1},
    "401 for ever": {"status": 401, "headers": {"WWW-Authenticate": 'Basic realm="x"'}, "times": -1},
    "403": {"status": 403, "times": -1},
    "404": {"status": 404, "body": b'{"errors":[{"code":"UNKNOWN"}]}'},
    "413": {"status": 413},
    "416": {"status": 416},
    "429 with Retry-After": {"status": 429, "headers": {"Retry-After": "0"}},
    "429 without": {"status": 429},
    "429 for ever": {"status": 429, "headers": {"Retry-After": "3600"}, "times": -1},
    "500": {"status": 500},
    "502 as a page of HTML": HTML,
    "503 with Retry-After": {"status": 503, "headers": {"Retry-After": "0"}},
    "504": {"status": 504},
    "503 for ever": {"status": 503, "times": -1},
    "reset": {"reset": True},
    "reset for ever": {"reset": True, "times": -1},
    "answer lost": {"reset": True, "then": True},
    "stall": {"stall": True},
    "slow drip": {"drip_s": 0.001},
    "answer cut short": {"truncate": 1},
    "answer corrupt": {"corrupt": True, "times": -1},
    "200 with HTML": HTML | {"status": 200, "times": -1},
    "wrong digest header": {"edit": {"Docker-Content-Digest": OTHER}, "times": -1},
    "no digest header": {"edit": {"Docker-Content-Digest": None}, "times": -1},
    "relative Location": {},
    "no Location": {"edit": {"Location": None}, "times": -1},
    "307 to itself once": {},
    "307 for ever": {"status": 307, "times": -1},
    "307 to no address": {"status": 307, "headers": {"Location": "http://[nowhere/"}, "times": -1},
    "HEAD that lies": {"status": 404, "times": -1},
    "rate limit by 403": {
        "status": 403,
        "headers": {"X-RateLimit-Remaining": "0"},
        "body": b'{"message": "You have exceeded a secondary rate limit"}',
    },
    "numbers without end": {
        "edit": dict.fromkeys(NUMBERS, "9" * 400) | DATES | {"Range": f"0-{'9' * 400}"},
        "times": -1,
    },
    "Retry-After without end": {"status": 503, "headers": {"Retry-After": "9" * 400}, "times": -1},
    "token ended": {},
}
UPLOADS = ("PATCH upload", "PUT upload", "GET upload")


def outcome(fault: str, kind: str) -> str:
    """What comes of one cell: "survives", an error with its exit code, or "wrong"."""
    with ExitStack() as stack:
        stage = Stage(stack, tokens=fault == "token ended" or kind == "token")
        KIND[kind].before(stage)
        where = stage.elsewhere if kind == "token" else stage.registry
        where.faults.append(_fault(fault, kind, stage))
        try:
            KIND[kind].act(stage)
        except OcitoolError as error:
            return f"{type(error).__name__} {error.exit_code}"
        except Wrong:
            return "wrong"
        return OK


def _fault(name: str, kind: str, stage: Stage) -> Fault:
    made = Fault(KIND[kind].on, **FAULT[name])
    if kind == "mount" and name in {"400", "401 for ever", "403"}:
        made.times = 1  # the upload that follows is not the mount
    if name == "token ended":
        made.first, made.every = stage.server.tokens.clear, 0
        made.times = 1
    if name == "numbers without end":
        stage.server.said_s = 10**400
    if name == "relative Location":
        made.relative = True
        made.times = -1
    if name.startswith("307 ") and name != "307 to no address":
        made.status, made.to_itself = 307, True
    return made


def main() -> int:
    """Run every cell and print the table."""
    wrong, ran = [], 0
    width = max(map(len, FAULTS))
    for fault, row in FAULTS.items():
        found = []
        for kind in KINDS:
            if row[kind] == NONE:
                found.append(NONE)
                continue
            ran += 1
            got = outcome(fault, kind)
            found.append(got)
            if got != row[kind]:
                wrong.append(f"{fault} × {kind}: {got}, not {row[kind]}")
        print(
            f"{fault:{width}}  "
            + "  ".join(f"{kind}: {got}" for kind, got in zip(KINDS, found, strict=True) if got != NONE)
        )
    print(f"\n{ran} cells, {len(wrong)} not as they must be", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
