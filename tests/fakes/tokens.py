"""A token server, and a guard that lets only holders of its tokens into a fake registry.

Spec: distribution "Token Authentication", "OAuth2".
"""

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.registry import FakeRegistry, Logged, Response

USER, PASSWORD = "hello", "opensesame"


def basic(user: str = USER, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class TokenServer:
    """Gives tokens that live `life_s`; `refresh` are the refresh tokens it knows. `asked` are all requests."""

    life_s: float = 300.0
    said_s: float | None = None  # what it says instead
    anonymous: bool = False
    refresh: tuple[str, ...] = ()
    rotates: bool = False
    asks_late: bool = False  # whether tokens must live until a body has arrived, as behind a proxy that buffers
    asked: list[Logged] = field(default_factory=list)
    tokens: dict[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    def answer(self, asked: Logged) -> Response:
        self.asked.append(asked)
        given = asked.headers.get("authorization")
        if asked.method == "POST":
            form = dict(parse_qsl(asked.body.decode()))
            if form.get("refresh_token") not in self.refresh:
                return 401, {}, b"{}"
            more = {}
            if self.rotates:
                self.refresh = (f"rotated-{len(self.asked)}",)
                more = {"refresh_token": self.refresh[0]}
            return self._give("access_token", form.get("scope", "").split(), more)
        if given != basic() and not (self.anonymous and given is None):
            return 401, {}, b"{}"
        scopes = [value for key, value in parse_qsl(urlsplit(asked.path).query) if key == "scope"]
        if given is None:
            scopes = [scope.replace(",push", "") for scope in scopes]
        return self._give("token", scopes, {})

    def _give(self, key: str, scopes: list[str], more: dict[str, str]) -> Response:
        value = secrets.token_hex(16)
        self.tokens[value] = (time.monotonic() + self.life_s, tuple(scopes))
        tree = {key: value, "expires_in": self.life_s if self.said_s is None else self.said_s, **more}
        return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()

    def allows(self, token: str, resource: str, action: str, at_s: float) -> bool:
        """Whether a token lives at that time and covers an action on a resource such as `repository:app`."""
        until, scopes = self.tokens.get(token, (0.0, ()))
        held = [scope.rpartition(":") for scope in scopes]
        return (time.monotonic() if self.asks_late else at_s) < until and any(
            where == resource and action in actions.split(",") for where, _, actions in held
        )


def put_behind(registry: FakeRegistry, server: TokenServer, realm: str) -> None:
    """Let the registry want tokens of `server`, which is reached at the URL `realm`."""

    def guard(asked: Logged) -> Response | None:
        path = urlsplit(asked.path).path
        match = re.fullmatch(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/.*", path)
        name = match[1].removesuffix("/blobs") if match else ""
        action = "pull" if asked.method in {"GET", "HEAD"} else "push"
        if asked.method == "DELETE" and "/uploads/" not in path:
            action = "delete"
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if server.allows(token, f"repository:{name}", action, asked.at_s) or (not name and token in server.tokens):
            return None
        words = [f'realm="{realm}"', 'service="fake"']
        if name:
            words.append(f'scope="repository:{name}:{"pull,push" if action == "push" else action}"')
        if token:
            words.append('error="invalid_token"')
        return 401, {"WWW-Authenticate": f"Bearer {','.join(words)}"}, b'{"errors":[{"code":"UNAUTHORIZED"}]}'

    registry.guard = guard
