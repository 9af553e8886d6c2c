"""A registry's abilities, found by asking: for `doctor`. Nothing is changed; no secret is in the answer."""

from ocitool.errors import AuthError, NetworkError, OcitoolError, RegistryError
from ocitool.model.reference import api_host
from ocitool.model.views import Manifest, view
from ocitool.registry.ci_identity import find_ci_identity
from ocitool.registry.repository import NOTHING, Registry, Repository
from ocitool.registry.request import Request
from ocitool.registry.session import Session
from ocitool.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Examined:
    """A registry's answers. `auth` is none, basic or bearer; `credentials` says where they were found.

    `login` is accepted, refused, not needed or not tried. `referrers` is api, fallback tag, or unknown without a
    repository to ask about; so are `deletes` and `mounts` (yes, no, not allowed). `limits` says what one request of
    an upload may carry and whether that was learned. `problem` is why there is no more to tell.
    """

    host: str
    scheme: str = ""
    speaks_v2: bool = False
    auth: str = ""
    token_server: str = ""
    credentials: str = ""
    login: str = "not tried"
    referrers: str = "unknown"
    deletes: str = "unknown"
    mounts: str = "unknown"
    limits: str = ""
    extensions: str = ""
    problem: str = ""
    hint: str = ""


def log_in(session: Session, registry: str) -> None:
    """Reach a registry with the session's credentials. Raises what says why that does not work."""
    host = api_host(registry)
    try:
        session.send(Request("GET", f"{session.base(host)}/v2/", host, f"log in to {registry}"))
    except AuthError as error:
        error.source = ""  # what was typed
        error.hint = "check the user name and the password; some registries want a token in its place"
        raise


def examine(session: Session, registry: str, repository: str = "") -> Examined:
    """Ask a registry, and with `repository` also what its repositories can. Nothing is raised but Cancelled."""
    host = api_host(registry)
    url = f"{session.base(host)}/v2/"
    scheme = url.partition(":")[0]
    try:
        answer = session.send(Request("GET", url, host, f"ask {host} for its API", ok=(200, 401, 404)))
        found = session.credentials(host, repository)
    except (NetworkError, AuthError) as error:
        return Examined(registry, scheme, problem=error.what, hint=error.hint)
    challenge = session.challenge(host)
    auth = challenge.scheme if challenge else "none"
    source = found.problem or found.source or f"none found: anonymous{_withheld(session, host)}"
    examined = Examined(
        registry,
        session.base(host).partition(":")[0],
        speaks_v2=answer.status in {200, 401},
        auth=auth,
        token_server=challenge.get("realm") if challenge else "",
        credentials=source,
        login="not needed" if answer.status == 200 and auth == "none" else "refused",
        limits=_limits(session, host),
        extensions=", ".join(Registry(session, registry).extensions()) if answer.status == 200 else "",
    )
    return _with_repository(session, examined, repository, accepted=answer.status == 200)


def _withheld(session: Session, host: str) -> str:
    """What a CI job or a cloud would have had, were the way there safe."""
    found = find_ci_identity(host, session.environ)
    return f" ({found.source} goes over TLS alone, to a certificate that is checked)" if found is not None else ""


def _limits(session: Session, host: str) -> str:
    limits = session.remembered.limits(host)
    ways = "streams of any size" if limits.streams else f"parts of {limits.part} bytes"
    return f"{ways}{' (learned)' if session.remembered.has_learned(host) else ''}"


def _with_repository(session: Session, examined: Examined, repository: str, *, accepted: bool) -> Examined:
    login = examined.login
    if repository:
        try:
            found = Repository(session, examined.host, repository)
            listed = found.referrers(NOTHING)
            accepted = True
            examined = replace(
                examined,
                referrers="fallback tag" if listed is None else "api",
                deletes=_deletes(found),
                mounts=_mounts(found),
            )
        except OcitoolError as error:
            examined = replace(examined, problem=error.what, hint=error.hint)
    if accepted and login == "refused":
        login = "accepted"
    return replace(examined, login=login)


def _deletes(repository: Repository) -> str:
    """Whether manifests can be deleted, asked with a digest that nothing has."""
    try:
        return "yes" if repository.deletes_manifests() else "no"
    except AuthError:
        return "not allowed"
    except RegistryError as error:
        return f"unknown ({error.status})"


def _mounts(repository: Repository) -> str:
    """Whether blobs can be mounted, asked with one that is there already: into its own repository."""
    tag = next(iter(repository.tags()), "")
    seen = view(repository.get_manifest(tag)) if tag else None
    if not isinstance(seen, Manifest):
        return "unknown"
    try:
        answer = repository.mount(seen.config.digest, repository.name)
        location = answer.location()
        if answer.status == 202 and location:
            repository.cancel_upload(location)
    except AuthError:
        return "not allowed"
    if answer.status in {401, 403}:
        return "not allowed"
    return "yes" if answer.status == 201 else "no"
