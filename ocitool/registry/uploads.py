"""The upload of one blob: mount, look or send; and what to do when something breaks on the way.

Small blobs go with the closing PUT, larger ones in one streamed PATCH before an empty PUT, in parts where a host
takes no more at once. After a break the session is asked how far it came and continued there; where it is gone,
a new one starts, a bounded number of times. A commit without an answer is settled by looking for the blob.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from enum import Enum
from functools import partial
from typing import Final, TypeAlias

from ocitool.errors import AuthError, DigestMismatch, NetworkError, NotFound, OcitoolError, RegistryError
from ocitool.model.digest import Digest
from ocitool.model.numbers import MIB
from ocitool.model.views import Descriptor
from ocitool.registry.error_response import TO_BE_CREATED
from ocitool.registry.hosts import UploadLimits
from ocitool.registry.numbers import acknowledged
from ocitool.registry.repository import Repository
from ocitool.registry.request import Response
from ocitool.registry.retry import Patience, may_pass
from ocitool.registry.upload_journal import UploadJournal, UploadRecord
from ocitool.registry.upload_recovery import Next, judge

RESTARTS: Final = 4
"""How often a lost upload begins again."""
OUTLIVED_S: Final = 1.0
"""No token of any server is shorter, so a body that took less was refused for something else."""
_JOURNALLED: Final = 4 * MIB


class Uploaded(Enum):
    """How a blob came to be in a repository."""

    EXISTED = "existed"
    MOUNTED = "mounted"
    SENT = "sent"


OpenAt: TypeAlias = Callable[[int], AbstractContextManager[Iterator[bytes]]]
"""Opens a blob's bytes at an offset; from 0 they are compared with the digest as they pass."""


def upload(
    repository: Repository, descriptor: Descriptor, open_at: OpenAt, mount_from: str = "", *, anew: bool = False
) -> Uploaded:
    """Make the blob be there: mounted from `mount_from` (a repository of this registry), found, or sent.

    What this session has put or seen there costs no request. With `anew` it is sent whatever the registry says.
    What `open_at` raises passes through; nothing is visible then.
    """
    known, digest = repository.session.remembered, descriptor.digest
    with known.sending(repository.place, digest):
        if not anew and known.is_present(repository.place, digest):
            return Uploaded.EXISTED
        how, location = (None, None) if anew else _without_sending(repository, descriptor, mount_from)
        if how is None:
            _Upload(repository, descriptor, open_at).run(location)
            how = Uploaded.SENT
        known.set_present(repository.place, digest)
        repository.session.places.add(repository.host, digest, repository.name)
        return how


def _without_sending(
    repository: Repository, descriptor: Descriptor, mount_from: str
) -> tuple[Uploaded | None, str | None]:
    """How the blob is there without being sent, or None and the Location of a session if one was opened."""
    digest, places = descriptor.digest, repository.session.places
    how, location = _mounted(repository, digest, mount_from)
    if how is None and repository.has_blob(digest):
        how = Uploaded.EXISTED
    if how is not None or location is not None:
        return how, location
    known = places.of(repository.host, digest)
    if known != mount_from:  # what opens a session may as well mount
        how, location = _mounted(repository, digest, known)
        if how is None:
            places.add(repository.host, digest, "")
    return how, location


def _mounted(repository: Repository, digest: Digest, source: str) -> tuple[Uploaded | None, str | None]:
    """What a mount from another repository led to, if one is named and not denied; as `_without_sending`."""
    known, place = repository.session.remembered, f"{repository.host}/{source}"
    if source in {"", repository.name} or not known.may_mount(place, repository.place):
        return None, None
    try:
        answer = repository.mount(digest, source)
    except AuthError:  # a token server that gives no token for the source (K116)
        answer = None
    if answer is not None and answer.status == 201:
        return Uploaded.MOUNTED, None
    if answer is not None and answer.status == 202:
        return None, answer.location()
    known.mount_denied(place, repository.place)
    return None, None


class _Upload:
    """One blob on its way; `_offset` is what the server has acknowledged of the session at `_location`."""

    def __init__(self, repository: Repository, descriptor: Descriptor, open_at: OpenAt) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._open_at = open_at
        self._session = repository.session
        self._location: str | None = None
        self._offset = 0
        self._slept_s = 0.0
        # Time spent sending is no reason to give up, only time spent waiting.
        self._patience = Patience(self._session.access.retry, lambda: self._slept_s)
        self._restarts = 0
        self._lost = 0
        self._passed = 0
        self._sent_in_one = 0
        self._began_s = 0.0
        self._at_commit = False
        self._absent: NotFound | None = None

    def run(self, location: str | None) -> None:
        """Send it; with a session that is open already, there."""
        size = self._descriptor.size
        journal = UploadJournal(self._session.access.journal if size > _JOURNALLED else None)
        with journal.entry(self._repository.place, self._descriptor.digest, size) as entry:
            self._location = location
            if location is None:
                self._go_on(entry)
            else:
                entry.note(location, 0)
            try:
                while not self._is_done(entry):
                    pass
            except DigestMismatch:
                self._give_up()
                entry.forget()
                raise
            except (NotFound, RegistryError):
                entry.forget()
                raise
            entry.forget()

    # One try

    def _is_done(self, entry: UploadRecord) -> bool:
        """Whether this try stored the blob; otherwise what the next one needs is prepared."""
        size, digest = self._descriptor.size, self._descriptor.digest
        self._at_commit, self._passed, self._sent_in_one = False, 0, 0
        if self._location is None:
            self._offset = 0
            opened = self._opened()
            self._learn_minimum(opened)
            self._location = self._next_location(opened)
            entry.note(self._location, 0)
        try:
            if size <= self._limits.whole and not self._offset:
                self._at_commit, self._sent_in_one = True, size
                body = partial(self._body, 0, size)
                self._check(self._repository.finish_upload(self._location, digest, body, size))
                return True
            while self._offset < size:
                if not self._send_some(entry):
                    return False
            self._at_commit, self._sent_in_one = True, 0
            self._check(self._repository.finish_upload(self._location, digest))
        except AuthError as error:
            self._outlive(error)
            return False
        except (NetworkError, NotFound, RegistryError) as error:
            if error is self._absent:  # no session is gone, but what was to be sent
                raise
            return self._recover(error, entry)
        return True

    def _opened(self) -> Response:
        """A new session. Where none can be had, the registry's word on the repository is told with the error."""
        try:
            return self._repository.start_upload(self._descriptor.digest.algorithm)
        except NetworkError as error:
            if error.phase != "connect":
                with suppress(NetworkError, AuthError, RegistryError):
                    try:
                        with self._repository.open_blob(self._descriptor.digest):
                            pass
                    except NotFound as said:
                        error.add_note(said.what)
                        if "NAME_UNKNOWN" in said.what:
                            error.hint = TO_BE_CREATED
            raise

    def _send_some(self, entry: UploadRecord) -> bool:
        """Send all that is missing, or one part of it; False when the session turned out to be spoilt."""
        limits, missing = self._limits, self._descriptor.size - self._offset
        self._sent_in_one = count = missing if limits.streams else min(limits.part, missing)
        # What goes on or is cut in parts says where it belongs: a server that has moved on refuses it then, instead
        # of taking the same bytes twice. One stream says nothing: GHCR takes 4 MiB at most of what does (K101).
        first = self._offset if self._offset or not limits.streams else None
        body = partial(self._body, self._offset, count)
        answer = self._repository.patch_upload(self._location or "", body, count, first)
        return self._acknowledge(answer, count, entry)

    def _acknowledge(self, answer: Response, count: int, entry: UploadRecord) -> bool:
        self._location = self._next_location(answer)
        expected = self._offset + count
        # Servers that count wrongly say 0-0 after anything; that is taken as saying nothing.
        at = acknowledged(answer.headers.get("range", "")) or expected
        if at > expected:
            self._restart(_odd(self._repository, f"acknowledged {at} bytes of {expected} that were sent"))
            return False
        if at <= self._offset:
            raise _odd(self._repository, f"took none of {count} bytes at {self._offset}")
        self._offset = at
        self._patience.progressed()
        entry.note(self._location, at)
        return True

    @contextmanager
    def _body(self, offset: int, count: int) -> Iterator[Iterator[bytes]]:
        with ExitStack() as stack:
            try:
                pieces = stack.enter_context(self._open_at(offset))
            except NotFound as error:
                self._absent = error
                raise
            yield self._counted(pieces if offset + count == self._descriptor.size else _first(pieces, count))

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        self._passed, self._began_s = 0, time.monotonic()
        for piece in pieces:
            self._passed += len(piece)
            yield piece

    def _check(self, answer: Response) -> None:
        digest = self._descriptor.digest
        said = answer.headers.get("docker-content-digest", "")
        if said.startswith(f"{digest.algorithm}:") and said != digest:
            raise DigestMismatch(
                f"{self._repository.label} stored {digest} as {said}",
                expected=str(digest),
                got=said,
                where=self._repository.label,
            )
        if answer.status == 202 and not self._repository.has_blob(digest, is_sent=True):  # accepted is not stored
            raise NotFound(f"{self._repository.label} took {digest.short} and does not have it", name=str(digest))

    def _next_location(self, answer: Response) -> str:
        """The newest Location; the one in use where the server sends none."""
        found = answer.location() or self._location
        if not found:
            raise _odd(self._repository, "opened an upload without saying where", answer)
        return found

    # After a failure

    def _recover(self, error: OcitoolError, entry: UploadRecord) -> bool:
        """Prepare the next try, or find that the blob is there after all. Raises the error when it is final."""
        verdict = judge(error, at_commit=self._at_commit, has_body=bool(self._sent_in_one))
        if verdict is Next.FAIL:
            raise error
        if verdict is Next.WAIT:
            self._sleep(self._patience.wait_after(error))
            return False
        if self._at_commit and self._repository.has_blob(self._descriptor.digest):
            return True  # the commit outlasted its answer (K106)
        if verdict is Next.SMALLER:
            self._learn(self._limits.after_too_large(self._sent_in_one), error)
            if self._position():
                self._location = None
        elif verdict is Next.ASK:
            self._ask(error, entry)
        else:
            self._learn_from(error)
            self._restart(error)
        return False

    def _outlive(self, error: AuthError) -> None:
        """Send less at once where a token ends before a body does: proxies may ask for it only then (K082).

        A refusal before the body went out, a short one, or one for lack of rights is final.
        """
        is_late = self._passed == self._sent_in_one and time.monotonic() - self._began_s >= OUTLIVED_S
        if error.status != 401 or not self._sent_in_one or not is_late:
            raise error
        smaller = self._limits.after_too_large(self._sent_in_one)
        if smaller is None:
            error.hint = "the login ends before a body of this size is sent; try a smaller --part-mib, or none"
            raise error
        self._session.remembered.learn(self._repository.host, smaller, lasts=False)
        if self._position():
            self._location = None

    def _ask(self, error: OcitoolError, entry: UploadRecord) -> None:
        """Go on where the session is; open a new one where it is gone."""
        before, location = self._offset, self._location
        passing = error if may_pass(error) else NetworkError(error.what, host=self._repository.host)
        try:
            wait = self._patience.wait_after(passing)
        except NetworkError:
            raise error from None
        self._sleep(wait)
        gone = self._position()
        if not gone and getattr(error, "status", 0) == 416 and (before, location) == (self._offset, self._location):
            gone = "the session is where we are and takes nothing"
        if gone:
            self._learn_from_cut(error)
            self._restart(error)
            return
        if self._offset > before:
            self._patience.progressed()
        entry.note(self._location or "", self._offset)

    def _position(self) -> str:
        """Set location and offset by the session's own word; why that is impossible, or nothing."""
        if self._location is None:
            return "no session"
        try:
            answer = self._repository.upload_status(self._location)
        except (NotFound, RegistryError, AuthError) as error:
            return error.what
        at = acknowledged(answer.headers.get("range", ""))
        if at is None or at > self._descriptor.size:
            return f"{self._repository.host} does not say how far the upload is"
        self._location, self._offset = self._next_location(answer), at
        return ""

    def _restart(self, error: OcitoolError) -> None:
        self._location = None
        self._restarts += 1
        # Bytes that the registry hashes to something else twice were not spoilt on the way (K237).
        is_other = isinstance(error, RegistryError) and error.has("DIGEST_INVALID")
        if self._restarts > (1 if is_other else RESTARTS):
            error.add_note(f"the upload began {self._restarts} times")
            raise error
        if self._restarts > 1:
            retry = self._session.access.retry
            self._sleep(retry.delay(min(self._restarts - 1, retry.attempts - 1), elapsed_s=0.0) or 0.0)

    def _go_on(self, entry: UploadRecord) -> None:
        """Take up the session that an earlier process left, if the registry still has it."""
        cut = entry.recall()
        if cut is None:
            return
        self._location = cut.location
        short, label = self._descriptor.digest.short, self._repository.label
        gone = self._position()
        if gone:
            self._location, self._offset = None, 0
            self._session.warn(
                f"{label} has dropped the upload of {short} that was cut; sending it anew ({gone})", "notice"
            )
        elif self._offset:
            self._session.warn(f"going on with the upload of {short} to {label} at byte {self._offset}", "notice")

    def _give_up(self) -> None:
        """Tell the registry that the session is not needed any more; it need not listen."""
        if self._location is not None:
            with suppress(OcitoolError):
                self._repository.cancel_upload(self._location)

    def _sleep(self, seconds: float) -> None:
        self._slept_s += seconds
        self._session.scope.sleep(seconds)

    # Learning what the host takes

    @property
    def _limits(self) -> UploadLimits:
        return self._session.remembered.limits(self._repository.host)

    def _learn(self, limits: UploadLimits | None, error: OcitoolError) -> None:
        if limits is None:
            raise error
        self._session.remembered.learn(self._repository.host, limits)

    def _learn_minimum(self, answer: Response) -> None:
        limits = self._limits
        with_minimum = limits.with_minimum(answer.headers.get("oci-chunk-min-length", ""))
        if with_minimum != limits:
            self._session.remembered.learn(self._repository.host, with_minimum)

    def _learn_from(self, error: OcitoolError) -> None:
        """A session that died of the body in its closing PUT: other sessions get none (K103)."""
        if self._at_commit and self._sent_in_one:
            self._learn(self._limits.without_whole(), error)

    def _learn_from_cut(self, error: OcitoolError) -> None:
        """Something on the path ends long requests: after the second time, send less at once than passed (K113)."""
        self._lost += 1
        if self._lost < 2 or self._at_commit or not isinstance(error, NetworkError):
            return
        limits = self._limits.after_too_large(max(self._passed, MIB))
        if limits is not None:
            self._session.remembered.learn(self._repository.host, limits)
            host, part = self._repository.host, limits.part
            self._session.warn(
                f"long requests to {host} are cut on the way; sending parts of {part} bytes", "notice"
            )


def _first(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The first `count` bytes of a stream."""
    for piece in pieces:
        if len(piece) >= count:
            yield piece[:count]
            return
        count -= len(piece)
        yield piece


def _odd(repository: Repository, what: str, answer: Response | None = None) -> RegistryError:
    status, url = (answer.status, answer.url) if answer is not None else (500, "")
    return RegistryError(f"{repository.label} {what}", status=status, url=url)
