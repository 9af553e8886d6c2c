"""Credentials that nobody logged in with: those of a CI job, and of a cloud by its helper program.

Each belongs to one host and is asked for where no login was found. They are `is_ambient`: who sends them does so
over TLS alone, with a certificate that was checked.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ocitool.errors import UsageError
from ocitool.model.reference import comparable_host, parse_registry
from ocitool.registry.credentials import Credentials
from ocitool.values import replace

SWITCH: Final = "OCITOOL_CI_IDENTITY"
_OFF: Final = frozenset({"off", "0", "false", "no"})
_GITHUB: Final = "https://github.com"
_HELPERS: Final = (
    (r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)", ("ecr-login",)),
    (r"public\.ecr\.aws", ("ecr-login",)),
    (r"([a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev", ("gcr", "gcloud")),
    (r"[a-z0-9-]+\.azurecr\.(io|cn|us)", ("acr-env",)),
)
"""Hosts of clouds, and the helper programs that know their logins, the one that is asked first in front."""


def find_ci_identity(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """What a CI job or a cloud has for `host[:port]`; None if it has nothing, or is not to be asked.

    A helper that is not on PATH is none; one that fails gives anonymous credentials with a `problem`.
    """
    if environ.get(SWITCH, "").strip().lower() in _OFF:
        return None
    host = comparable_host(host)
    return next((found for owner, found in _of_jobs(environ) if owner == host), None) or _of_cloud(host, environ)


def _of_jobs(environ: Mapping[str, str]) -> Iterator[tuple[str, Credentials]]:
    """The hosts that a job has credentials for. A GitHub server of one's own has no word for ghcr.io."""
    if environ.get("GITHUB_SERVER_URL", _GITHUB).rstrip("/") == _GITHUB:
        yield from _of_job("ghcr.io", environ.get("GITHUB_ACTOR", ""), "GITHUB_TOKEN", environ)
    try:
        gitlab = comparable_host(parse_registry(environ.get("CI_REGISTRY", "")))
    except UsageError:
        return
    yield from _of_job(gitlab, environ.get("CI_REGISTRY_USER", ""), "CI_REGISTRY_PASSWORD", environ)
    yield from _of_job(gitlab, "gitlab-ci-token", "CI_JOB_TOKEN", environ)


def _of_job(
    host: str, username: str, variable: str, environ: Mapping[str, str]
) -> Iterator[tuple[str, Credentials]]:
    secret = environ.get(variable, "").rstrip("\r\n")
    if username and secret:
        yield host, Credentials(username, secret, source=variable, is_ambient=True)


def _of_cloud(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """The first answer of a helper for the host; one that knows nothing leaves it to the next."""
    from ocitool.registry.credential_helpers import ask_helper, find_helper

    names = next((names for hosts, names in _HELPERS if re.fullmatch(hosts, host)), ())
    there = (name for name in names if find_helper(name, environ))
    asked = (ask_helper(name, host, environ) for name in there)
    found = next((one for one in asked if one.problem or not one.is_anonymous), None)
    return replace(found, is_ambient=True) if found is not None else None
