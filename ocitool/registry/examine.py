"""What a registry is like, found by asking: for `doctor`. Reads only; no secret is in the answer."""

from dataclasses import dataclass, replace

from ocitool.errors import AuthError, NetworkError, OcitoolError
from ocitool.model.digest import Digest
from ocitool.model.reference import HUB, HUB_API
from ocitool.registry.repository import Repository
from ocitool.registry.session import Request, Session


@dataclass(frozen=True, slots=True)
class Examined:
    """A registry's answers. `auth` is none, basic or bearer; `credentials` says where they were found.

    `login` is accepted, refused, not needed or not tried. `referrers` is api, fallback tag, or unknown without a
    repository to ask about. `problem` is why there is no more to tell.
    """

    host: str
    scheme: str = ""
    speaks_v2: bool = False
    auth: str = ""
    token_server: str = ""
    credentials: str = ""
    login: str = "not tried"
    referrers: str = "unknown"
    problem: str = ""


def examine(session: Session, registry: str, repository: str = "") -> Examined:
    """Ask a registry, and with `repository` also what its repositories can. Nothing is raised but Cancelled."""
    host = HUB_API if registry == HUB else registry
    url = f"{session.base(host)}/v2/"
    scheme = url.partition(":")[0]
    try:
        answer = session.send(Request("GET", url, host, f"ask {host} for its API", ok=(200, 401, 404)))
        found = session.credentials(host, repository)
    except (NetworkError, AuthError) as error:
        return Examined(registry, scheme, problem=error.what)
    challenge = session.challenge(host)
    auth = challenge.scheme if challenge else "none"
    source = found.problem or found.source or "none found: anonymous"
    examined = Examined(
        registry,
        scheme,
        speaks_v2=answer.status in {200, 401},
        auth=auth,
        token_server=challenge.get("realm") if challenge else "",
        credentials=source,
        login="not needed" if answer.status == 200 and auth == "none" else "refused",
    )
    return _with_repository(session, examined, repository, accepted=answer.status == 200)


def _with_repository(session: Session, examined: Examined, repository: str, *, accepted: bool) -> Examined:
    referrers, problem, login = "unknown", "", examined.login
    if repository:
        try:
            listed = Repository(session, examined.host, repository).referrers(Digest.of(b""))
            referrers = "fallback tag" if listed is None else "api"
            accepted = True
        except OcitoolError as error:
            problem = error.what
    if accepted and login == "refused":
        login = "accepted"
    return replace(examined, login=login, referrers=referrers, problem=problem)
