"""Repository: one method per endpoint of the distribution API; bytes and headers in, values out.

Spec: distribution-spec, "Endpoints"; the row is named in each docstring.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from ocitool.errors import (
    DigestMismatch,
    HeaderMismatch,
    MalformedDocument,
    NetworkError,
    NotFound,
    RegistryError,
    Unsupported,
)
from ocitool.model import mediatype
from ocitool.model.digest import Digest, is_digest
from ocitool.model.document import MANIFEST_LIMIT, Document, Served
from ocitool.model.reference import api_host
from ocitool.model.views import Descriptor
from ocitool.registry import numbers
from ocitool.registry.auth import scopes_for
from ocitool.registry.http import Body
from ocitool.registry.paging import LIST_LIMIT, json_object, pages
from ocitool.registry.request import Request, Response, at_hand
from ocitool.registry.retry import Patience
from ocitool.registry.session import Session
from ocitool.values import replace

# One header, the types we read first: some servers read only the first line, or only what stands first (K119).
_ACCEPT: Final = ", ".join((*mediatype.ACCEPT, "*/*;q=0.1"))
NOTHING: Final = Digest.of(b"a manifest that no registry has")
_NO_HEAD: Final = (405, 501)
_COMMIT_STALL: Final = 5
"""A commit may take this many times as long as anything else: registries move or hash the whole blob then."""


class Registry:
    """A registry's endpoints outside its repositories. Raises as Repository does."""

    def __init__(self, session: Session, registry: str) -> None:
        self.session = session
        self.registry = registry
        self.host = api_host(registry)

    def ping(self) -> Response:
        """The answer to /v2/: 200, or 401 where that wants a login we have not got; both speak the API. end-1."""
        request = self._get("/v2/", f"reach the registry {self.registry}", ok=(200, 401))
        return self.session.send(request)

    def catalog(self, page: int = 0) -> Iterator[str]:
        """Every repository, page by page of `page` names (0: as the registry likes). Many registries refuse."""
        query = f"?n={page}" if page else ""
        request = self._get(
            f"/v2/_catalog{query}",
            f"list the repositories of {self.registry}",
            scopes=("registry:catalog:*",),
            limit=LIST_LIMIT,
        )
        for _, tree in pages(self.session, request):
            yield from _strings(tree.get("repositories"))

    def extensions(self) -> tuple[str, ...]:
        """The names of the extensions the registry tells of; none where it has no such list."""
        request = self._get("/v2/_oci/ext/discover", f"list the extensions of {self.registry}")
        try:
            tree = json_object(self.session.send(request).body, request.doing)
        except (NotFound, MalformedDocument, RegistryError):
            return ()
        found = tree.get("extensions")
        return tuple(str(e["name"]) for e in found or () if isinstance(e, Mapping) and "name" in e)

    def _get(self, path: str, doing: str, **more: Any) -> Request:  # noqa: ANN401 - Request's own fields
        return Request("GET", f"{self.session.base(self.host)}{path}", self.host, doing, **more)


class Repository:
    """A repository of a registry. With `write` tokens are asked for pushing from the start.

    Some registries answer a HEAD with 404 for what a GET gives (K217), so a name that should be there is asked for
    by GET before it is called absent. With `write` what is asked for is mostly about to be sent: only what this
    session has seen there is doubted, and the first tag. `is_mirror` doubts nothing: the next place is asked too.

    Raises NotFound for 404, AuthError for 401 and 403, RegistryError for other refusals, NetworkError.
    """

    def __init__(
        self, session: Session, registry: str, name: str, *, write: bool = False, is_mirror: bool = False
    ) -> None:
        self.session = session
        self.registry = registry
        self.name = name
        self._doubts, self._is_mirror = not write and not is_mirror, is_mirror
        self.host = api_host(registry)
        self.label = f"{registry}/{name}"
        self.place = f"{self.host}/{name}"
        self.scopes = scopes_for(name, "pull,push" if write else "pull")

    def url(self, path: str) -> str:
        """The absolute URL of a path below this repository."""
        return f"{self.session.base(self.host)}/v2/{self.name}/{path}"

    # Manifests

    def head_manifest(self, name: str) -> Descriptor | None:
        """The descriptor under a tag or digest, None if there is none. end-3.

        Where the server's HEAD tells too little or is not to be believed, the manifest is read (K122, K217).
        """
        known = self.session.remembered
        if known.head_lies(self.host):
            return self._read_for_head(name)
        request = self._request(
            "HEAD",
            f"manifests/{_name(name)}",
            f"look for the manifest {name} of {self.label}",
            ok=(200, 404, *_NO_HEAD),
            headers={"accept": _ACCEPT},
        )
        answer = self.session.send(request)
        if answer.status == 404:
            found = self._read_for_head(name) if self._is_doubtful(name) else None
            if found is not None:
                self._tell_lie()
            return found
        media_type = mediatype.bare(answer.headers.get("content-type", ""))
        digest = answer.headers.get("docker-content-digest") or (name if ":" in name else "")
        size = numbers.size(answer.headers)
        disagrees = ":" in name and digest.partition(":")[0] == name.partition(":")[0] and digest != name
        served = _served(answer)
        if answer.status != 200 or not digest or disagrees or size is None or not media_type:
            found = self._read_for_head(name)
            return None if found is None else replace(found, served=served)
        return Descriptor(media_type, Digest(digest), size, served=served)

    def _is_doubtful(self, name: str) -> bool:
        """Whether a 404 to a HEAD is worth a GET: once for each absent name at most."""
        known = self.session.remembered
        if self._doubts or known.is_named(self.place, name):
            return True
        return ":" not in name and not self._is_mirror and known.asks_twice(self.host)

    def _read_for_head(self, name: str) -> Descriptor | None:
        try:
            document = self.get_manifest(name)
        except NotFound:
            self.session.remembered.set_named(self.place, name, present=False)
            return None
        return replace(Descriptor.of(document), served=document.served)

    def _tell_lie(self) -> None:
        if self.session.remembered.set_head_lies(self.host):
            self.session.warn(
                f"{self.host} answers HEAD with 404 for what it has; it is asked by GET from now on", "notice"
            )

    def get_manifest(self, name: str, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest's exact bytes, compared with the digest asked for and with the server's. end-3."""
        request = self._request(
            "GET",
            f"manifests/{_name(name)}",
            f"read the manifest {name} of {self.label}",
            headers={"accept": _ACCEPT},
            limit=limit,
        )
        try:
            answer = self.session.send(request)
        except NotFound as error:
            if ":" not in name:
                error.hint = error.hint or f"ocitool tags {self.label} lists what is there"
            raise
        algorithm = Digest(name).algorithm if ":" in name else "sha256"
        document = Document(
            answer.body, mediatype.bare(answer.headers.get("content-type", "")), _served(answer), algorithm
        )
        self.session.remembered.set_named(self.place, name, str(document.digest))
        if document.media_type == mediatype.SCHEMA1_SIGNED:
            return document  # its digest is not over all of its bytes (manifest-v2-1)
        said = answer.headers.get("docker-content-digest", "")
        wanted = Digest(name) if ":" in name else None
        if wanted is not None and not wanted.matches(document.raw):
            raise DigestMismatch(
                f"{self.label} answered {wanted} with content that hashes to {document.digest}",
                expected=name,
                got=str(document.digest),
                where=self.label,
            )
        digest = Digest(said) if is_digest(said) else None
        if said and (digest is None or (digest.is_verifiable and not digest.matches(document.raw))):
            raise HeaderMismatch(
                f"{self.label} calls content {said[:200]} that hashes to {document.digest}",
                expected=said,
                got=str(document.digest),
                where=self.label,
            )
        return document

    def put_manifest(
        self, name: str, document: Document, media_type: str, if_match: str = "", tags: Sequence[str] = ()
    ) -> Response:
        """Store the bytes under a tag or digest. end-7a; with `tags` (and a digest as name) end-7b.

        Registries that do not know end-7b store the digest alone; OCI-Tag tells which tags were made.
        """
        digest = document.digest
        query = "?" + urlencode([("tag", tag) for tag in tags]) if tags else ""
        answer = self.session.send(
            self._request(
                "PUT",
                f"manifests/{_name(name)}{query}",
                f"write the manifest {name if ':' not in name else digest.short} of {self.label}",
                ok=(200, 201, 202),
                headers={"content-type": media_type} | ({"if-match": f'"{if_match}"'} if if_match else {}),
                body=partial(at_hand, document.raw),
                size=document.size,
            )
        )
        said = answer.headers.get("docker-content-digest", "")
        if said.startswith(f"{digest.algorithm}:") and said != digest:
            raise DigestMismatch(
                f"{self.label} stored {digest} as {said}", expected=str(digest), got=said, where=self.label
            )
        self.session.remembered.set_named(self.place, name, str(digest), *tags)
        return answer

    def delete_manifest(self, name: str) -> None:
        """Remove a tag, or a manifest with all its tags. end-9."""
        doing = f"delete the manifest {name} of {self.label}"
        self._delete(f"manifests/{_name(name)}", doing)
        self.session.remembered.set_named(self.place, name, present=False)

    def deletes_manifests(self) -> bool:
        """Whether manifests can be deleted here, asked with a digest that nothing has. Raises AuthError."""
        try:
            self.delete_manifest(str(NOTHING))
        except NotFound:
            return True
        except RegistryError as error:
            if error.status not in {400, 405, 501}:
                raise
            return False
        return True

    # Blobs

    def has_blob(self, digest: Digest, *, is_sent: bool = False) -> bool:
        """Whether the blob is there. end-2. One that `is_sent` should be, and is asked for by GET before "no"."""
        known = self.session.remembered
        if known.head_lies(self.host) and (self._doubts or is_sent):
            return self._opens(digest)
        request = self._request(
            "HEAD",
            f"blobs/{digest}",
            f"look for the blob {digest.short} of {self.label}",
            ok=(200, 404, *_NO_HEAD),
        )
        status = self.session.send(request).status
        if status in _NO_HEAD:
            return self._opens(digest)
        if status == 404 and (self._doubts or is_sent) and self._opens(digest):
            self._tell_lie()
            return True
        return status == 200

    def blob_size(self, digest: Digest) -> int | None:
        """A blob's size in bytes, None if it is not there; counted where the server does not say. end-2."""
        doing = f"look for the blob {digest.short} of {self.label}"
        answer = self.session.send(self._request("HEAD", f"blobs/{digest}", doing, ok=(200, 404, *_NO_HEAD)))
        size = numbers.size(answer.headers) if answer.status == 200 else None
        if size is not None:
            return size
        try:
            with self.open_blob(digest) as pieces:
                return sum(map(len, pieces))
        except NotFound:
            return None

    def _opens(self, digest: Digest) -> bool:
        try:
            with self.open_blob(digest):
                return True
        except NotFound:
            return False

    @contextmanager
    def open_blob(self, digest: Digest, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """The blob's bytes from `offset`, in pieces of at most 1 MiB, not compared with anything. end-2.

        A download that breaks off goes on where it was. Redirects are followed, without credentials on another
        host. A server that ignores Range is read from the start and the beginning dropped.
        """
        with self._resumed(partial(self._open_blob_at, digest), offset) as pieces:
            yield pieces

    @contextmanager
    def open_range(self, digest: Digest, offset: int, size: int) -> Iterator[Iterator[bytes]]:
        """`size` bytes of the blob from `offset` on, as `open_blob` gives them; fewer where the blob ends. end-2.

        Raises Unsupported where the server ignores Range: all of the blob would be on its way then.
        """
        with self._resumed(partial(self._open_blob_at, digest, end=offset + size), offset) as pieces:
            yield pieces

    @contextmanager
    def _resumed(self, open_at: Callable[[int], Any], offset: int) -> Iterator[Iterator[bytes]]:
        from ocitool.registry.downloads import resuming

        session = self.session
        with open_at(offset) as first:
            yield resuming(first, open_at, offset, Patience(session.access.retry), session.scope)

    @contextmanager
    def _open_blob_at(self, digest: Digest, offset: int, end: int = 0) -> Iterator[Iterator[bytes]]:
        request = self._request(
            "GET",
            f"blobs/{digest}",
            f"read the blob {digest.short} of {self.label}",
            ok=(200, 206),
            headers={"range": f"bytes={offset}-{end - 1 if end else ''}"} if offset or end else {},
        )
        with self.session.stream(request) as (answer, pieces):
            if end and answer.status == 200:
                raise Unsupported(f"{self.host} sends blobs as a whole only", ability="range")
            begins = numbers.first_byte(answer.headers) if answer.status == 206 else 0
            if begins is None or begins > offset:
                where = "nobody knows where" if begins is None else begins
                raise NetworkError(
                    f"{self.host} answered bytes from {where} on when asked for {offset}, cannot {request.doing}",
                    host=self.host,
                    phase="read",
                )
            yield _dropped(pieces, offset - begins)

    # Uploads

    def start_upload(self, algorithm: str = "sha256") -> Response:
        """Open an upload session: 202 with a Location. end-4a, with another algorithm than sha256 end-4c."""
        query = "" if algorithm == "sha256" else f"?digest-algorithm={quote(algorithm)}"
        doing = f"start an upload to {self.label}"
        return self.session.send(self._request("POST", f"blobs/uploads/{query}", doing, ok=(201, 202)))

    def mount(self, digest: Digest, source: str) -> Response:
        """Mount a blob of the repository `source`: 201, else 202 with a Location, or a refusal. end-11."""
        query = urlencode([("mount", str(digest)), ("from", source)], safe=":/")
        request = self._request(
            "POST",
            f"blobs/uploads/?{query}",
            f"mount {digest.short} from {source} into {self.label}",
            ok=(200, 201, 202, 400, 401, 403, 404, 405, 409, 415, 422, 501),
            scopes=(*self.scopes, *scopes_for(source, "pull")),
        )
        return self.session.send(request)

    def patch_upload(self, location: str, body: Body, size: int, first: int | None = None) -> Response:
        """Send bytes to a session: one streamed PATCH, or with `first` a part that starts there. end-5."""
        headers = {"content-type": mediatype.OCTETS}
        if first is not None:
            headers["content-range"] = f"{first}-{first + size - 1}"
        return self.session.send(
            self._request(
                "PATCH",
                location,
                f"upload to {self.label}",
                ok=(200, 201, 202, 204),
                headers=headers,
                body=body,
                size=size,
                repeatable=False,
            )
        )

    def finish_upload(self, location: str, digest: Digest, body: Body | None = None, size: int = 0) -> Response:
        """Close a session with the blob's digest; with `body` the whole blob goes along. end-6."""
        mark = "&" if urlsplit(location).query else "?"
        return self.session.send(
            self._request(
                "PUT",
                f"{location}{mark}digest={quote(str(digest), safe=':')}",
                f"finish the upload of {digest.short} to {self.label}",
                ok=(200, 201, 202, 204),
                headers={"content-type": mediatype.OCTETS} if body else {},
                body=body,
                size=size,
                repeatable=False,
                stall_s=_COMMIT_STALL * self.session.access.stall_s,
            )
        )

    def upload_status(self, location: str) -> Response:
        """How far a session has come: its Range header. end-13."""
        doing = f"ask how far an upload to {self.label} is"
        return self.session.send(self._request("GET", location, doing, ok=(200, 204)))

    def cancel_upload(self, location: str) -> None:
        """Give a session up; whether the registry knows how does not matter. end-14."""
        ok = (200, 202, 204, 400, 404, 405, 501)
        self.session.send(
            self._request("DELETE", location, f"cancel an upload to {self.label}", ok=ok, repeatable=False)
        )

    # Lists

    def tags(self, page: int = 0, last: str = "") -> Iterator[str]:
        """Every tag (after `last`) once, page by page of `page` names (0: as the registry likes). end-8.

        Pages overlap where tags are written in between, and where a registry counts from another place (K130).
        """
        query = urlencode([(key, value) for key, value in (("n", page), ("last", last)) if value])
        path = f"tags/list?{query}" if query else "tags/list"
        request = self._request("GET", path, f"list the tags of {self.label}", limit=LIST_LIMIT)
        told: set[str] = set()
        for _, tree in pages(self.session, request):
            page_of = [tag for tag in dict.fromkeys(_strings(tree.get("tags"))) if tag not in told]
            told.update(page_of)
            yield from page_of

    def referrers(self, digest: Digest, artifact_type: str = "") -> list[Descriptor] | None:
        """The manifests whose subject is `digest`; None where the registry has no such endpoint. end-12.

        With `artifact_type` only those, whether or not the registry can filter. Where a manifest that is there got
        404 the endpoint is not asked again.
        """
        known = self.session.remembered
        if known.lacks_referrers(self.place):
            return None
        query = f"?{urlencode([('artifactType', artifact_type)])}" if artifact_type else ""
        request = self._request(
            "GET",
            f"referrers/{digest}{query}",
            f"list the referrers of {digest.short} in {self.label}",
            ok=(200, 400, 404, 405, 406, 501),
            headers={"accept": mediatype.OCI_INDEX},
            limit=LIST_LIMIT,
        )
        found: list[Descriptor] = []
        try:
            for answer, tree in pages(self.session, request):
                kind = mediatype.bare(answer.headers.get("content-type", ""))
                if answer.status == 404 and known.is_named(self.place, str(digest)):
                    known.set_lacks_referrers(self.place)
                if answer.status != 200 or kind != mediatype.OCI_INDEX:
                    return None  # a page of HTML with 200 is no list of referrers either
                entries = tree.get("manifests") or []
                if not isinstance(entries, list):
                    return None
                found += [Descriptor.from_tree(e, f"/manifests/{n}") for n, e in enumerate(entries)]
        except MalformedDocument:
            return None
        return [d for d in found if artifact_type in {"", d.artifact_type}]

    # Inside

    def _request(self, method: str, where: str, doing: str, **more: Any) -> Request:  # noqa: ANN401 - its own fields
        url = where if "://" in where else self.url(where)
        return Request(method, url, self.host, doing, **({"scopes": self.scopes} | more))

    def _delete(self, path: str, doing: str) -> None:
        """Delete, and again after a passing failure; gone by then is what was wanted."""
        scopes = (*self.scopes, *scopes_for(self.name, "delete"))
        request = self._request("DELETE", path, doing, ok=(200, 202, 204), scopes=scopes, repeatable=False)
        patience, tried = Patience(self.session.access.retry), False
        while True:
            try:
                self.session.send(request)
            except NotFound:
                if not tried:
                    raise
            except (NetworkError, RegistryError) as error:
                tried = True
                self.session.scope.sleep(patience.wait_after(error))
                continue
            return


def _strings(items: object) -> Iterator[str]:
    """The strings of a list; none for null or no list at all, which some servers send for an empty one."""
    return (item for item in items if isinstance(item, str)) if isinstance(items, list) else iter(())


def _name(name: str) -> str:
    return quote(name, safe=":")


def _served(answer: Response) -> Served:
    headers = answer.headers
    return Served(
        headers.get("content-type", ""),
        headers.get("docker-content-digest", ""),
        headers.get("content-length", ""),
        answer.status,
    )


def _dropped(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    for piece in pieces:
        if count >= len(piece):
            count -= len(piece)
            continue
        yield piece[count:]
        count = 0
