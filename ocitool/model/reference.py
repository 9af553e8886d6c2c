"""The grammar of image references, and Docker Hub's short names.

    reference  = [host "/"] path [":" tag] ["@" digest]
    host       = (label *("." label) / "[" IPv6 "]") [":" port]
    path       = component *("/" component)

The first component is a host if it is `localhost`, holds a `.` or `:`, or has an upper-case letter.
Without a host the path is on Docker Hub, where a one-component path is under `library/`.
Spec: distribution-spec "Pulling manifests"; distribution/reference for the short names.
"""

import re
from typing import Final

from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.digest import Digest
from ocitool.values import dataclass, replace

HUB: Final = "docker.io"
HUB_API: Final = "registry-1.docker.io"
_HUB_NAMES: Final = frozenset({HUB, "index.docker.io", HUB_API})

_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::([0-9]{{1,5}}))?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ACCESSORY: Final = r"sha256-([0-9a-f]{64})(?:\.[a-z0-9]+)?"
"""Tags of what belongs to a manifest: the fallback list of its referrers, and cosign's .sig, .att and .sbom."""
_HTTPS_PORT: Final = 443
_IMAGE_ID: Final = r"[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository, and a tag or digest in it or neither; `str()` is the full form and parses back equal.

    `registry` is the name as users know it (`docker.io` for the Hub), `api_host` where requests go.
    When tag and digest are both given, the digest decides what is read (K062).
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: str = "latest") -> "Reference":
        """The reference a user typed. With neither tag nor digest it gets `default_tag` (which may be empty).

        Raises UsageError that says which part is wrong.
        """
        if not text or text != text.strip():
            raise UsageError(f"not an image reference: {text!r}", hint="write [registry/]repository[:tag][@digest]")
        rest, at, digest_text = text.partition("@")
        if "/" in digest_text:
            raise _credentials()
        digest = digest_in(text, digest_text) if at else None
        host, path = _split_host(rest, text)
        path, colon, tag = path.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise UsageError(f"not a tag: {tag[:140]!r} in {text[:300]!r}", hint=_tag_hint(tag))
        if host == HUB and "/" not in path:
            path = f"library/{path}"
        _check_path(path, text)
        if host == HUB and re.fullmatch(_IMAGE_ID, path.removeprefix("library/")):
            raise UsageError(f"{text!r} looks like an image id, not a name", hint="write repository@sha256:…")
        return cls(host, path, tag or ("" if digest else default_tag), digest)

    @property
    def api_host(self) -> str:
        """Host and port to send requests to."""
        return api_host(self.registry)

    @property
    def name(self) -> str:
        """What selects the manifest: the digest, else the tag; empty when there is neither."""
        return str(self.digest) if self.digest else self.tag

    @property
    def repository_name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> "Reference":
        """The same repository under another tag, without a digest."""
        if not _TAG.fullmatch(tag):
            raise UsageError(f"not a tag: {tag[:140]!r}", hint=_tag_hint(tag))
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> "Reference":
        """The same repository and tag, pinned to a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def familiar(self) -> str:
        """The shortest form that means the same: without docker.io and library/."""
        text = str(self)
        if self.registry != HUB:
            return text
        first, slash, rest = self.repository.partition("/")
        if first == "library" and "/" not in rest and not re.fullmatch(_IMAGE_ID, rest):
            return text.removeprefix(f"{HUB}/library/")
        # A first component that looks like a host, or none besides it, would mean another place.
        return text.removeprefix(f"{HUB}/") if slash and not _looks_like_host(first) else text


def is_tag(text: str) -> bool:
    """Whether `text` is a valid tag."""
    return _TAG.fullmatch(text) is not None


def referrers_tag(subject: Digest) -> str:
    """The tag that lists what refers to a manifest where a registry has no API for it, `sha256-0123…`.

    Spec: distribution-spec, "Referrers Tag Schema".
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{subject.algorithm[:32]}-{subject.hex[:64]}")


def subject_of(tag: str) -> Digest | None:
    """The manifest that a tag's name says it belongs to, as cosign's do; None for a tag of its own."""
    match = re.fullmatch(_ACCESSORY, tag)
    return Digest(f"sha256:{match[1]}") if match is not None else None


def normalise_host(host: str) -> str:
    """The one name of a registry: Docker Hub's three become docker.io, everything else is kept."""
    return HUB if host.lower() in _HUB_NAMES else host


def comparable_host(host: str) -> str:
    """A registry's host in the form that compares: lower case, and without the port that HTTPS has anyway."""
    match = _HOST.fullmatch(host)
    if match is None or match.group(1) is None:
        return normalise_host(host.lower())
    port = int(match.group(1))
    name = host[: match.start(1) - 1].lower()
    return normalise_host(name) if port == _HTTPS_PORT else f"{name}:{port}"


def api_host(registry: str) -> str:
    """The `host[:port]` that answers for a registry, both normalised: Docker Hub's is not what names say."""
    return HUB_API if registry == HUB else registry


def parse_registry(text: str) -> str:
    """A registry host as typed (`host[:port]`), normalised. Raises UsageError."""
    if "@" in text:
        raise _credentials()
    if not _is_host(text):
        raise UsageError(f"not a registry host: {text!r}", hint=_host_hint(text))
    return normalise_host(text)


def _credentials() -> UsageError:
    """What is said of `user:password@host/…`, of which nothing is repeated: logs are read by others."""
    return UsageError(
        "what stands before the @ is no part of a name", hint="ocitool login HOST keeps a user name and password"
    )


def _split_host(rest: str, text: str) -> tuple[str, str]:
    first, slash, remainder = rest.partition("/")
    if not slash or not _looks_like_host(first):
        return HUB, rest
    if not _is_host(first):
        raise UsageError(f"not a registry host: {first!r} in {text[:300]!r}", hint=_host_hint(first))
    return normalise_host(first), remainder


def _looks_like_host(first: str) -> bool:
    return first == "localhost" or any(mark in first for mark in ".:[") or any(c.isupper() for c in first)


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match.group(1) or 0) <= 65535


def _host_hint(host: str) -> str:
    if host.count(":") > 1 and not host.startswith("["):
        return "an IPv6 address needs brackets: [::1]:5000"
    if "://" in host or host in {"http:", "https:", "docker:", "oci:"}:
        return "leave out the scheme: registry.example/app:v1"
    return "a host looks like registry.example, localhost:5000 or [::1]:5000"


def digest_in(text: str, digest_text: str) -> Digest:
    """The digest at the end of what a user typed. Raises UsageError, which shows both."""
    try:
        return Digest(digest_text)
    except MalformedDocument as error:
        raise UsageError(f"{error.what} in {text[:300]!r}", hint=error.hint) from None


def _check_path(path: str, text: str) -> None:
    if len(path) > 255:
        raise UsageError(
            f"repository name is too long ({len(path)} characters): {path[:60]!r}…", hint="at most 255"
        )
    if _PATH.fullmatch(path):
        return
    if _PATH.fullmatch(path.lower()):
        written = path if path in text else path.removeprefix("library/")
        above, _, after = text.rpartition(written)
        meant = f"{above.lower()}{written.lower()}{after}"
        raise UsageError(f"repository name must be lower case: {text[:300]!r}", hint=f"did you mean {meant!r}?")
    raise UsageError(
        f"not a repository name: {path[:300]!r} in {text[:300]!r}",
        hint="components of a-z and 0-9, joined by . _ __ or -, separated by /",
    )


def _tag_hint(tag: str) -> str:
    if len(tag) > 128:
        return f"a tag has at most 128 characters, this one has {len(tag)}"
    return "a tag holds letters, digits, _ . and -, and does not start with . or -"
