"""Repository: one method per endpoint of the distribution API; bytes and headers in, values out.

Spec: distribution-spec, "Endpoints"; the row is named in each docstring.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

from ocitool.errors import DigestMismatch, MalformedDocument, NetworkError, NotFound, RegistryError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.reference import HUB, HUB_API
from ocitool.model.views import Descriptor
from ocitool.registry.auth import scopes_for
from ocitool.registry.http import Answer, Body, Request, Session

_ACCEPT: Final = ", ".join((*mediatype.ACCEPT, "*/*;q=0.1"))
_LIST_LIMIT: Final = 32 * 1024 * 1024
_PAGES: Final = 100_000


class Repository:
    """A repository of a registry. With `write` tokens are asked for pushing from the start.

    Raises NotFound for 404, AuthError for 401 and 403, RegistryError for other refusals, NetworkError.
    """

    def __init__(self, session: Session, registry: str, name: str, *, write: bool = False) -> None:
        self.session = session
        self.registry = registry
        self.name = name
        self.host = HUB_API if registry == HUB else registry
        self.label = f"{registry}/{name}"
        self.scopes = scopes_for(name, "pull,push" if write else "pull")

    def url(self, path: str) -> str:
        """The absolute URL of a path below this repository."""
        return f"{self.session.base(self.host)}/v2/{self.name}/{path}"

    # Manifests

    def head_manifest(self, name: str) -> Descriptor | None:
        """The descriptor under a tag or digest, None if there is none. end-3.

        Where the server's HEAD tells too little, the manifest is read instead (K122).
        """
        request = Request(
            "HEAD",
            self.url(f"manifests/{_name(name)}"),
            f"look for the manifest {name} of {self.label}",
            ok=(200, 404, 405, 501),
            headers={"accept": _ACCEPT},
            scopes=self.scopes,
        )
        answer = self.session.send(request)
        if answer.status == 404:
            return None
        media_type = mediatype.bare(answer.headers.get("content-type", ""))
        digest = answer.headers.get("docker-content-digest") or (name if ":" in name else "")
        size = answer.headers.get("content-length", "")
        if answer.status != 200 or not digest or not size.isdigit() or not media_type:
            try:
                return Descriptor.of(self.get_manifest(name))
            except NotFound:
                return None
        return Descriptor(media_type, Digest(digest), int(size))

    def get_manifest(self, name: str, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest's exact bytes, compared with the digest asked for and with the server's. end-3."""
        answer = self.session.send(
            Request(
                "GET",
                self.url(f"manifests/{_name(name)}"),
                f"read the manifest {name} of {self.label}",
                headers={"accept": _ACCEPT},
                scopes=self.scopes,
                limit=limit,
            )
        )
        document = Document(answer.body, mediatype.bare(answer.headers.get("content-type", "")))
        if document.media_type == mediatype.SCHEMA1_SIGNED:
            return document  # its digest is not over all of its bytes (manifest-v2-1)
        for said in (name if ":" in name else "", answer.headers.get("docker-content-digest", "")):
            if said and not Digest(said).matches(document.raw):
                raise DigestMismatch(
                    f"{self.label} answered {said} with content that hashes to {document.digest}",
                    expected=said,
                    got=str(document.digest),
                    where=self.label,
                )
        return document

    def put_manifest(self, name: str, document: Document, media_type: str, if_match: str = "") -> Answer:
        """Store the bytes under a tag or digest. end-7a."""
        digest = document.digest
        answer = self.session.send(
            Request(
                "PUT",
                self.url(f"manifests/{_name(name)}"),
                f"write the manifest {name if ':' not in name else digest.short} of {self.label}",
                ok=(200, 201, 202),
                headers={"content-type": media_type} | ({"if-match": f'"{if_match}"'} if if_match else {}),
                scopes=self.scopes,
                body=_at_hand(document.raw),
                size=document.size,
            )
        )
        said = answer.headers.get("docker-content-digest", "")
        if said.startswith(f"{digest.algorithm}:") and said != digest:
            raise DigestMismatch(
                f"{self.label} stored {digest} as {said}", expected=str(digest), got=said, where=self.label
            )
        return answer

    def delete_manifest(self, name: str) -> None:
        """Remove a tag, or a manifest with all its tags. end-9."""
        request = Request(
            "DELETE",
            self.url(f"manifests/{_name(name)}"),
            f"delete the manifest {name} of {self.label}",
            ok=(200, 202, 204),
            scopes=(*self.scopes, *scopes_for(self.name, "delete")),
        )
        self.session.send(request)

    # Blobs

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there. end-2."""
        request = Request(
            "HEAD",
            self.url(f"blobs/{digest}"),
            f"look for the blob {digest.short} of {self.label}",
            ok=(200, 404),
            scopes=self.scopes,
        )
        return self.session.send(request).status == 200

    @contextmanager
    def open_blob(self, digest: Digest, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """The blob's bytes from `offset`, in pieces of at most 256 KiB, not compared with anything. end-2.

        Redirects are followed, without credentials on another host. A server that ignores Range is read from
        the start and the beginning dropped.
        """
        request = Request(
            "GET",
            self.url(f"blobs/{digest}"),
            f"read the blob {digest.short} of {self.label}",
            ok=(200, 206),
            headers={"range": f"bytes={offset}-"} if offset else {},
            scopes=self.scopes,
        )
        with self.session.stream(request) as (answer, pieces):
            yield _dropped(pieces, offset if answer.status == 200 else 0)

    # Uploads

    def start_upload(self, mount: Digest | None = None, source: str = "") -> Answer:
        """Open an upload session, or mount a blob of another repository. end-4a, end-11.

        201 is a mounted blob, 202 an open session with a Location. A refused mount comes back as it was
        answered: 4xx.
        """
        query = f"?{urlencode([('mount', str(mount)), ('from', source)])}" if mount else ""
        return self.session.send(
            Request(
                "POST",
                self.url(f"blobs/uploads/{query}"),
                f"mount {mount.short} from {source} into {self.label}"
                if mount
                else f"start an upload to {self.label}",
                ok=(201, 202, 400, 401, 403, 404, 405) if mount else (201, 202),
                scopes=(*self.scopes, *scopes_for(source, "pull")) if mount else self.scopes,
            )
        )

    def patch_upload(self, location: str, body: Body, size: int, first: int | None = None) -> Answer:
        """Send bytes to a session: one streamed PATCH, or with `first` a part that starts there. end-5."""
        headers = {"content-type": mediatype.OCTETS}
        if first is not None:
            headers["content-range"] = f"{first}-{first + size - 1}"
        return self.session.send(
            Request(
                "PATCH",
                location,
                f"upload to {self.label}",
                ok=(200, 201, 202, 204),
                headers=headers,
                scopes=self.scopes,
                body=body,
                size=size,
                repeatable=False,
            )
        )

    def finish_upload(self, location: str, digest: Digest, body: Body | None = None, size: int = 0) -> Answer:
        """Close a session with the blob's digest; with `body` the whole blob goes along. end-6."""
        mark = "&" if urlsplit(location).query else "?"
        return self.session.send(
            Request(
                "PUT",
                f"{location}{mark}digest={quote(str(digest), safe=':')}",
                f"finish the upload of {digest.short} to {self.label}",
                ok=(200, 201, 202, 204),
                headers={"content-type": mediatype.OCTETS} if body else {},
                scopes=self.scopes,
                body=body,
                size=size,
                repeatable=False,
            )
        )

    def upload_status(self, location: str) -> Answer:
        """How far a session has come: its Range header. end-13."""
        return self.session.send(
            Request("GET", location, f"ask how far an upload to {self.label} is", ok=(200, 204), scopes=self.scopes)
        )

    def cancel_upload(self, location: str) -> None:
        """Give a session up; failures do not matter. end-14."""
        request = Request("DELETE", location, f"cancel an upload to {self.label}", ok=(200, 202, 204, 404, 405))
        self.session.send(replace(request, scopes=self.scopes, repeatable=False))

    # Lists

    def tags(self) -> Iterator[str]:
        """Every tag, page by page. end-8."""
        url = self.url("tags/list")
        for page in self._paged(url, f"list the tags of {self.label}"):
            tags = page.get("tags")
            yield from (tag for tag in tags or () if isinstance(tag, str))

    def referrers(self, digest: Digest) -> list[Descriptor] | None:
        """The manifests whose subject is `digest`; None where the registry has no such endpoint. end-12."""
        found: list[Descriptor] = []
        try:
            for page in self._paged(
                self.url(f"referrers/{digest}"), f"list the referrers of {digest.short}", api=True
            ):
                entries = page.get("manifests")
                found += [Descriptor.from_tree(e, f"/manifests/{n}") for n, e in enumerate(entries or ())]
        except (NotFound, MalformedDocument):
            return None
        except RegistryError as error:
            if error.status in {400, 405, 406, 501}:
                return None
            raise
        return found

    def _paged(self, url: str, doing: str, *, api: bool = False) -> Iterator[dict[str, Any]]:
        """The pages of a list; the server's Link is followed as it is, a circle is refused (K130)."""
        seen: set[str] = set()
        while url and len(seen) < _PAGES:
            if url in seen:
                raise NetworkError(f"{self.host} sends its pages in a circle, cannot {doing}", host=self.host)
            seen.add(url)
            accept = {"accept": mediatype.OCI_INDEX} if api else {}
            same = urlsplit(url).netloc == self.host
            answer = self.session.send(
                Request("GET", url, doing, headers=accept, scopes=self.scopes if same else (), limit=_LIST_LIMIT)
            )
            if api and mediatype.bare(answer.headers.get("content-type", "")) != mediatype.OCI_INDEX:
                raise MalformedDocument(f"{self.host} answers the referrers endpoint with something else")
            yield _object(answer.body, doing)
            url = next_page(answer)


def next_page(answer: Answer) -> str:
    """The URL of the next page by the Link header, resolved; empty at the end."""
    for part in answer.headers.get("link", "").split(","):
        target, _, parameters = part.partition(">")
        words = [word.strip().replace('"', "").replace(" ", "").lower() for word in parameters.split(";")]
        if "rel=next" in words and "<" in target:
            return urljoin(answer.url, target.partition("<")[2])
    return ""


def _object(body: bytes, doing: str) -> dict[str, Any]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise MalformedDocument(f"the answer is no JSON object, cannot {doing}")
    return tree


def _name(name: str) -> str:
    return quote(name, safe=":")


def _at_hand(data: bytes) -> Body:
    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield iter((data,))

    return opened


def _dropped(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    for piece in pieces:
        if count >= len(piece):
            count -= len(piece)
            continue
        yield piece[count:]
        count = 0
